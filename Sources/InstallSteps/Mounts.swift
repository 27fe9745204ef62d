internal import AgentProtocol
internal import CLinux
internal import Glibc
internal import SystemPackage

/// Mounts of the running kernel. All calls block.
package enum Mounts {
  /// What mount(2) is asked for beside source, place and type.
  package struct Options: OptionSet, Sendable {
    package let rawValue: UInt

    package init(rawValue: UInt) {
      self.rawValue = rawValue
    }

    package static let readOnly = Options(rawValue: UInt(slipway_MS_RDONLY))
    package static let noSetUID = Options(rawValue: UInt(slipway_MS_NOSUID))
    package static let noDevices = Options(rawValue: UInt(slipway_MS_NODEV))
    package static let noExecute = Options(rawValue: UInt(slipway_MS_NOEXEC))
    package static let noAccessTimes = Options(rawValue: UInt(slipway_MS_NOATIME))
    package static let bind = Options(rawValue: UInt(slipway_MS_BIND))
    package static let recursive = Options(rawValue: UInt(slipway_MS_REC))
  }

  /// Mounts `source` on the directory `place`.
  ///
  /// - Throws: `SystemFailure`.
  package static func mount(
    _ source: String, on place: String, type: String, options: Options = [], data: String = ""
  ) throws(SystemFailure) {
    let kind = type.isEmpty ? "" : " as \(type)"
    try checked("mount \(source) on \(place)\(kind)") {
      CLinux.mount(source, place, type, options.rawValue, data)
    }
  }

  /// Unmounts what was mounted last on `place`.
  static func unmount(_ place: String) throws(SystemFailure) {
    try checked("unmount \(place)") { umount2(place, 0) }
  }

  /// The mount points at and below `directory`, in the order in which they were mounted.
  static func places(atAndBelow directory: String) throws -> [String] {
    try all(atAndBelow: directory).map(\.place)
  }

  /// One line of the kernel's list.
  struct Entry: Hashable {
    var place: String
    var type: String
    var source: String

    /// Whether it holds what programs write at this place of the target: on a block device, or in memory.
    func isStorage(at path: String) -> Bool {
      source.hasPrefix("/dev/") || (type == "tmpfs" && ["/", "/run", "/tmp"].contains(path))
    }
  }

  /// What is mounted at and below `directory`, in the order in which it was mounted.
  static func all(atAndBelow directory: String) throws -> [Entry] {
    mounts(ofMountInfo: try Files.text(of: "/proc/self/mountinfo"))
      .filter { $0.place == directory || $0.place.hasPrefix(directory + "/") }
  }

  /// Says no unless a filesystem is mounted on `directory`: otherwise the target would be written to memory.
  static func require(_ directory: String) throws {
    guard try places(atAndBelow: directory).contains(directory) else {
      throw StepFailure(
        message: "nothing is mounted on \(directory); the plan must mount the root before this step")
    }
  }
}

/// Makes the kernel forget what it has read of a disk or partition: the host may have written to it after this
/// VM had started.
func dropCachedBlocks(of node: String) throws {
  let disk = try Files.open(node, O_RDONLY)
  defer { close(disk) }
  try checked("drop the cached blocks of \(node)") { ioctl(disk, UInt(slipway_BLKFLSBUF), 0) }
}

/// The mounts in a `mountinfo` (proc(5)): the fifth field with `\NNN` decoded, and the two behind the field `-`.
func mounts(ofMountInfo text: String) -> [Mounts.Entry] {
  text.split(separator: "\n").compactMap { line in
    let fields = line.split(separator: " ")
    guard fields.count > 4 else { return nil }
    let rest = fields.drop { $0 != "-" }.dropFirst()
    return Mounts.Entry(
      place: decodingOctal(fields[4]), type: rest.first.map(String.init) ?? "",
      source: rest.dropFirst().first.map(decodingOctal) ?? "")
  }
}

private func decodingOctal(_ text: Substring) -> String {
  var bytes: [UInt8] = []
  var rest = Array(text.utf8)[...]
  while let byte = rest.popFirst() {
    if byte == UInt8(ascii: "\\"), rest.count >= 3,
      let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
    {
      bytes.append(value)
      rest = rest.dropFirst(3)
    } else {
      bytes.append(byte)
    }
  }
  return String(decoding: bytes, as: UTF8.self)
}
