internal import Basics
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

  /// The store that a user's path leads into: a chroot store's paths are those of this machine, as
  /// `/mnt/nix/store/…`.
  ///
  /// - Parameters:
  ///   - text: a path on this machine, or a `/nix/store/…` path; nil for the machine's own store.
  ///   - directory: what a relative path starts from.
  /// - Throws: `Fault` when it cannot be followed.
  package init(holding text: String?, from directory: FilePath) throws {
    self.init()
    guard let text, let reached = try? followLinks(directory.pushing(FilePath(text)), upTo: isInAnyStore)
    else {
      return
    }
    let names = Array(reached.components)
    guard let index = names.indices.dropLast(2).first(where: { isStore(names[$0], names[$0 + 1]) }) else {
      return
    }
    self.init(root: FilePath(root: "/", names[..<index]))
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
  /// - Throws: `Fault`.
  package func storePath(of text: String, from directory: FilePath) throws -> StorePath {
    let (path, file) = try found(text, from: directory)
    guard file == FilePath(path.path) else {
      throw Fault(
        .badInput, "cannot use '\(text)' as a store path", cause: "it leads inside \(path)",
        remedy: "Give \(path) itself.")
    }
    return path
  }

  /// The store object that a user's path leads to, or into: a file of an object needs the whole object.
  ///
  /// - Throws: `Fault`.
  package func storePath(holding text: String, from directory: FilePath) throws -> StorePath {
    let (path, file) = try found(text, from: directory)
    guard file == FilePath(path.path) || exists(file) else {
      throw Fault(
        .badInput, "cannot use '\(text)' as a store path", cause: "there is no such file in \(path)",
        remedy: "Check the path.")
    }
    return path
  }

  private func found(
    _ text: String, from directory: FilePath
  ) throws -> (path: StorePath, file: FilePath) {
    func failure(_ reason: String, _ remedy: String) -> Fault {
      Fault(.badInput, "cannot use '\(text)' as a store path", cause: reason, remedy: remedy)
    }
    if let path = StorePath(path: text) { return (path, FilePath(path.path)) }
    let stores: [FilePath] = [self.directory, FilePath(StorePath.storeDirectory)]
    let reached: FilePath
    do {
      reached = try followLinks(directory.pushing(FilePath(text))) { _, path in
        stores.contains(where: path.starts(with:))
      }
    } catch {
      throw failure("\(error)", "Check the path, or build the system first.")
    }
    guard let inside = stores.first(where: reached.starts(with:)).map(reached.components(after:)),
      let name = inside.first
    else {
      throw failure(
        "it leads to '\(reached)', which is not an object in \(self.directory)",
        "Give a path of \(StorePath.storeDirectory), or, as the system, one of a chroot store as '/mnt/nix/store/…'; "
          + "all paths of an image are of one store.")
    }
    guard let path = StorePath(name: name.string) else {
      throw failure("'\(name)' is not the name of a store object", "Check the path.")
    }
    return (path, inside.dropFirst().reduce(FilePath(path.path)) { $0.appending($1) })
  }

  /// Whether something exists at a `/nix/store/…` path, all links on the way and the last one followed.
  package func exists(_ path: FilePath) -> Bool {
    resolved(path) != nil
  }

  /// Where on this machine the file is that a `/nix/store/…` path leads to, all links on the way and the last one
  /// followed below the store's root; nil when there is none.
  package func resolved(_ path: FilePath) -> FilePath? {
    guard let reached = try? followLinks(path, below: root) else { return nil }
    return root.appending(reached.components)
  }

  /// The `/nix/store/…` paths of what is in the folder that one leads to, in the order of their names' bytes; empty
  /// when it leads to none.
  package func entries(of path: FilePath) -> [FilePath] {
    guard let folder = resolved(path), let names = try? Folder.names(in: folder) else { return [] }
    return names.map { path.appending(bytes: $0) }
  }
}

/// Follows links by hand, because `realpath` can neither stop at the store nor start from another root.
///
/// - Parameters:
///   - path: an absolute path, as seen from `root`.
///   - root: what `/` stands for.
///   - isEnd: told the part of a path on which no link is left, and the whole, whether nothing more is to be followed,
///     or even looked at.
/// - Returns: the path without links, or the first that is an end; as seen from `root`.
/// - Throws: `Errno` of the component that cannot be followed.
private func followLinks(
  _ path: FilePath, below root: FilePath = "/",
  upTo isEnd: (_ reached: FilePath, _ whole: FilePath) -> Bool = { _, _ in false }
) throws(Errno) -> FilePath {
  var pending = Array(path.components.reversed())
  var reached = FilePath("/")
  var links = 0
  while let component = pending.last {
    let whole = reached.appending(pending.reversed())
    if isEnd(reached, whole) { return whole }
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

/// Whether a path is in the machine's own store, or its part without links is a store's folder.
private func isInAnyStore(_ reached: FilePath, _ whole: FilePath) -> Bool {
  let names = Array(reached.components.suffix(2))
  return whole.starts(with: FilePath(StorePath.storeDirectory))
    || (names.count == 2 && isStore(names[0], names[1]) && whole != reached)
}

private func isStore(_ parent: FilePath.Component, _ name: FilePath.Component) -> Bool {
  parent.string == "nix" && name.string == "store"
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
