package import SystemPackage

/// An ordinary user without rights of any kind, for tests that run as root.
package enum OrdinaryUser {
  /// Runs a command as nobody, with no group that could open a device.
  package static let wrapper = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]

  /// That user's home, and no folder of another's.
  package static func environment(home: FilePath) -> [String: String] {
    [
      "HOME": home.string, "XDG_CACHE_HOME": home.appending("cache").string,
      "XDG_RUNTIME_DIR": "", "TMPDIR": "/tmp", "USER": "nobody",
    ]
  }

  /// Ends that user's processes of a name.
  package static func end(_ name: String) {
    _ = try? SpawnedProcess(["pkill", "-u", "65534", name]).wait()
  }
}
