internal import Foundation
internal import SystemPackage

/// The system's `etc`: activation makes its directories again in `/etc`, and a link to each of its files.
struct EtcTree {
  private(set) var directories: UInt64 = 0
  private(set) var links: UInt64 = 0

  /// Counts what is in `etc` of a toplevel; nothing when there is none.
  ///
  /// - Parameter toplevel: the system's toplevel on this machine.
  init(of toplevel: FilePath) throws {
    let etc = URL(fileURLWithPath: toplevel.appending("etc").string).resolvingSymlinksInPath()
    let entries = FileManager.default.enumerator(at: etc, includingPropertiesForKeys: [.isDirectoryKey])
    while let entry = entries?.nextObject() as? URL {
      if try entry.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true {
        directories += 1
      } else {
        links += 1
      }
    }
  }
}
