internal import Glibc

/// A user's folders by the XDG Base Directory Specification 0.8. Nothing else reads `HOME` or `XDG_*`.
///
/// An empty variable counts as unset, and a relative path is ignored. A home that does not exist, such as the
/// `/homeless-shelter` of a Nix build, or that may not be written to, is none: nothing is made there.
package struct XDGFolders: Hashable, Sendable {
  /// The home; nil without one.
  package let home: String?
  /// Where things are kept that can be made again; nil where there is no such place.
  package let cache: String?
  /// Where settings are read from; nil where there is no such place.
  package let config: String?

  /// The folders that an environment names.
  package init(environment: [String: String]) {
    func folder(_ variable: String) -> String? {
      environment[variable].flatMap { $0.hasPrefix("/") ? $0 : nil }
    }
    let home = folder("HOME").flatMap { Self.isFolder($0) ? $0 : nil }
    self.home = home
    config = folder("XDG_CONFIG_HOME") ?? home.map { "\($0)/.config" }
    let cacheAtHome = home.map { "\($0)/.cache" }.flatMap { cache in
      Self.isWritable(cache) || Self.isWritable(home ?? cache) ? cache : nil
    }
    cache = folder("XDG_CACHE_HOME") ?? cacheAtHome
  }

  /// The folders of this process's user.
  package static var current: XDGFolders {
    let names = ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"]
    let values = names.compactMap { name in getenv(name).map { (name, String(cString: $0)) } }
    return XDGFolders(environment: Dictionary(uniqueKeysWithValues: values))
  }

  /// Names a folder to libraries that need one for sockets and locks, where the environment names none.
  package static func giveRuntimeFolder(_ path: String) {
    setenv("XDG_RUNTIME_DIR", path, 0)
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private static func isWritable(_ path: String) -> Bool {
    isFolder(path) && access(path, W_OK | X_OK) == 0
  }
}
