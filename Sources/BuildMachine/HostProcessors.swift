internal import Foundation

/// The host's processors.
enum HostProcessors {
  /// Those that this process may use, as proc(5) lists them and libvirt's `cpuset` takes them: `0-3,8`.
  ///
  /// The embedded driver is told, because it would otherwise let QEMU use all that `/sys` lists: more than this
  /// process was given, and none where there is no `/sys`, as in the sandbox of a Nix build. There it only says that
  /// it does not know the cause.
  ///
  /// - Returns: nothing when the kernel does not say.
  static func allowed(status: String = "/proc/self/status") -> String {
    let text = FileManager.default.contents(atPath: status).map { String(decoding: $0, as: UTF8.self) } ?? ""
    let field = "Cpus_allowed_list:"
    let line = text.split(separator: "\n").first { $0.hasPrefix(field) }
    return line.map { $0.dropFirst(field.count).trimmingCharacters(in: .whitespaces) } ?? ""
  }
}
