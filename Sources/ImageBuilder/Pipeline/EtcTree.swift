internal import Basics
internal import Ext4
internal import NixStore
internal import SystemPackage

/// The system's `etc`: activation makes its directories again in `/etc`, and a link to each of its files.
struct EtcTree {
  private(set) var directories: UInt64 = 0
  /// What is no directory, by its place in an image.
  private(set) var files: [TreePath] = []

  var links: UInt64 { UInt64(files.count) }

  /// Looks through `etc` of a toplevel; nothing when there is none that can be read.
  ///
  /// - Throws: `CancellationError`.
  init(of system: StorePath, in store: StoreLocation) throws {
    guard let etc = store.resolved(FilePath(system.path).appending("etc")), let path = TreePath("etc") else {
      return
    }
    var tree = FileTree([FileTree.Root(host: etc, path: path)], rules: .storeObjects)
    while let node = try? tree.next() {
      try Cancellation.check()
      switch node.kind {
      case .directory: directories += node.path == path ? 0 : 1
      default: files.append(node.path)
      }
    }
  }
}
