internal import Glibc
package import SystemPackage

/// Where a Nix store lies on this machine.
///
/// Its objects always call themselves `/nix/store/…`. On NixOS that is also where they are; a chroot store keeps
/// the same tree below another root, as `nix --store ROOT` does.
package struct StoreLocation: Hashable, Sendable {
  /// The folder that stands for `/`.
  package let root: FilePath

  package init(root: FilePath = "/") {
    self.root = root
  }

  /// The folder that holds the store objects.
  package var directory: FilePath { root.appending(["nix", "store"]) }

  /// The folder of the Nix database.
  package var databaseDirectory: FilePath { root.appending(["nix", "var", "nix", "db"]) }

  /// Where a store object lies on this machine.
  package func file(of path: StorePath) -> FilePath {
    root.appending(FilePath(path.path).components)
  }

  /// The store object that a user's path leads to.
  ///
  /// Links such as `./result` are followed up to the store and no further: a store object may itself be a link.
  ///
  /// - Parameters:
  ///   - text: a path on this machine, or a `/nix/store/…` path.
  ///   - directory: what a relative path starts from.
  /// - Throws: `StoreError` of code `notAStorePath`.
  package func storePath(of text: String, from directory: FilePath) throws -> StorePath {
    func failure(_ reason: String, _ remedy: String) -> StoreError {
      StoreError(.notAStorePath, attempt: "use '\(text)' as a store path", reason: reason, remedy: remedy)
    }
    if let path = StorePath(path: text) { return path }
    let stores: [FilePath] = [self.directory, FilePath(StorePath.storeDirectory)]
    let start = directory.pushing(FilePath(text))
    let (reached, rest): (FilePath, [FilePath.Component])
    do {
      (reached, rest) = try followLinks(start) { stores.contains($0.removingLastComponent()) }
    } catch {
      throw failure("\(error)", "Check the path, or build the system first.")
    }
    guard stores.contains(reached.removingLastComponent()), let name = reached.lastComponent else {
      throw failure(
        "it leads to '\(reached)', outside \(StorePath.storeDirectory)",
        "Only stores in \(StorePath.storeDirectory) are supported: systems of other stores refer to other places."
      )
    }
    guard let path = StorePath(name: name.string) else {
      throw failure("'\(name)' is not the name of a store object", "")
    }
    guard rest.isEmpty else {
      throw failure("it leads inside \(path)", "Give \(path) itself.")
    }
    return path
  }

  /// Whether something exists at a `/nix/store/…` path, all links on the way and the last one followed.
  func exists(_ path: FilePath) -> Bool {
    (try? followLinks(path, below: root)) != nil
  }
}

/// Follows links by hand, because `realpath` can neither stop at the store nor start from another root.
///
/// - Parameters:
///   - path: an absolute path, as seen from `root`.
///   - root: what `/` stands for.
///   - isFound: is asked about each place reached; the walk ends where it says yes, without looking at the place.
/// - Returns: the place reached, as seen from `root`, and the components after it.
/// - Throws: `Errno` of the component that cannot be followed.
private func followLinks(
  _ path: FilePath, below root: FilePath = "/", until isFound: (FilePath) -> Bool = { _ in false }
) throws(Errno) -> (reached: FilePath, rest: [FilePath.Component]) {
  var pending = Array(path.components.reversed())
  var reached = FilePath("/")
  var links = 0
  while let component = pending.popLast() {
    guard component.kind == .regular else {
      if component.kind == .parentDirectory { reached.removeLastComponent() }
      continue
    }
    let next = reached.appending(component)
    if isFound(next) { return (next, pending.reversed()) }
    guard let target = try linkTarget(of: root.appending(next.components)) else {
      reached = next
      continue
    }
    links += 1
    guard links <= 40 else { throw .tooManySymbolicLinkLevels }
    if target.isAbsolute { reached = "/" }
    pending += target.components.reversed()
  }
  return (reached, [])
}

/// What a link points to; nil for everything that is no link.
private func linkTarget(of file: FilePath) throws(Errno) -> FilePath? {
  var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
  let length = file.withPlatformString { readlink($0, &buffer, Int(PATH_MAX)) }
  if length >= 0 {
    return buffer.withUnsafeBufferPointer { $0.baseAddress.map(FilePath.init(platformString:)) }
  }
  let error = Errno(rawValue: errno)
  // What readlink says about a file or a folder.
  guard error == .invalidArgument else { throw error }
  return nil
}
