internal import Glibc
package import SystemPackage

/// Where a Nix store lies on this machine.
///
/// Its objects always call themselves `/nix/store/…`. On NixOS that is also where they are; a chroot store
/// keeps the same tree below another root, as `nix --store ROOT` does.
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
  /// Links such as `./result` are followed up to the store and no further: a store object may itself be a
  /// link.
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
    let reached: FilePath
    do {
      reached = try followLinks(directory.pushing(FilePath(text)), upTo: stores)
    } catch {
      throw failure("\(error)", "Check the path, or build the system first.")
    }
    guard let inside = stores.first(where: reached.starts(with:)).map(reached.components(after:)),
      let name = inside.first
    else {
      throw failure(
        "it leads to '\(reached)', which is no object of \(StorePath.storeDirectory)",
        "Only \(StorePath.storeDirectory) is supported: systems of other stores refer to other places.")
    }
    guard let path = StorePath(name: name.string) else {
      throw failure("'\(name)' is not the name of a store object", "Check the path.")
    }
    guard inside.count == 1 else {
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
///   - ends: folders below which nothing is followed, or even looked at.
/// - Returns: the path without links, or the first path below one of the ends; as seen from `root`.
/// - Throws: `Errno` of the component that cannot be followed.
private func followLinks(
  _ path: FilePath, below root: FilePath = "/", upTo ends: [FilePath] = []
) throws(Errno) -> FilePath {
  var pending = Array(path.components.reversed())
  var reached = FilePath("/")
  var links = 0
  while let component = pending.last {
    let whole = reached.appending(pending.reversed())
    if ends.contains(where: whole.starts(with:)) { return whole }
    pending.removeLast()
    guard component.kind == .regular else {
      if component.kind == .parentDirectory { reached.removeLastComponent() }
      continue
    }
    let next = reached.appending(component)
    guard let target = try linkTarget(of: root.appending(next.components)) else {
      reached = next
      continue
    }
    links += 1
    guard links <= 40 else { throw .tooManySymbolicLinkLevels }
    if target.isAbsolute { reached = "/" }
    pending += target.components.reversed()
  }
  return reached
}

extension FilePath {
  /// What follows a folder that this path starts with.
  fileprivate func components(after folder: FilePath) -> [FilePath.Component] {
    Array(components.dropFirst(folder.components.count))
  }
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
