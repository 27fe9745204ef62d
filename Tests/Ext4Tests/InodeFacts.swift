import Ext4
import Foundation
import SystemPackage

/// An inode as debugfs shows it.
struct InodeFacts: Hashable {
  var type: String
  var mode: UInt16
  var owner: UInt32
  var group: UInt32
  var size: UInt64
  var links: Int
  var modified: String
  var device: String?
  var attributes: [String]

  /// Reads what `stat` prints; nil for anything else.
  init?(_ text: String) {
    func word(after label: String) -> String? {
      text.range(of: label).map { found in
        String(text[found.upperBound...].drop { $0 == " " }.prefix { !$0.isWhitespace })
      }
    }
    guard let type = text.range(of: "Type: "), let end = text.range(of: "Mode: "),
      let mode = word(after: "Mode: ").flatMap({ UInt16($0, radix: 8) }),
      let owner = word(after: "User: ").flatMap({ Int64($0) }),
      let group = word(after: "Group: ").flatMap({ Int64($0) }),
      let size = word(after: "Size: ").flatMap({ UInt64($0) }),
      let links = word(after: "Links: ").flatMap({ Int($0) }), let modified = word(after: "mtime: ")
    else { return nil }
    self.type = text[type.upperBound..<end.lowerBound].trimmingCharacters(in: .whitespaces)
    self.mode = mode
    self.owner = UInt32(truncatingIfNeeded: owner)
    self.group = UInt32(truncatingIfNeeded: group)
    self.size = size
    self.links = links
    self.modified = modified
    device = word(after: "Device major/minor number: ")
    attributes = text.split(separator: "\n").filter { $0.hasPrefix("  ") }.map { line in
      String(line.drop { $0 == " " }.prefix { $0 != "=" }).trimmingCharacters(in: .whitespaces)
    }.sorted()
  }

  /// What a node should look like. Sizes of directories are left to e2fsck.
  init(expecting node: Node, links: Int, size: UInt64) {
    switch node.kind {
    case .directory: (type, self.size, device) = ("directory", size, nil)
    case .file(.bytes(let bytes)): (type, self.size, device) = ("regular", UInt64(bytes.count), nil)
    case .file(.host(let file)): (type, self.size, device) = ("regular", file.size, nil)
    case .symbolicLink(let target): (type, self.size, device) = ("symlink", UInt64(target.count), nil)
    case .characterDevice(let major, let minor):
      (type, self.size, device) = ("character special", 0, Self.device(major, minor))
    case .blockDevice(let major, let minor):
      (type, self.size, device) = ("block special", 0, Self.device(major, minor))
    case .fifo: (type, self.size, device) = ("FIFO", 0, nil)
    case .socket: (type, self.size, device) = ("socket", 0, nil)
    case .file(.parts(let parts)): (type, self.size, device) = ("regular", parts.size, nil)
    case .kept: (type, self.size, device) = ("kept", 0, nil)
    }
    mode = node.attributes.mode
    owner = node.attributes.owner
    group = node.attributes.group
    self.links = links
    let time = node.attributes.modified
    let epoch = UInt32((time.seconds - Int64(Int32(truncatingIfNeeded: time.seconds))) >> 32)
    modified =
      "0x" + Self.hexadecimal(UInt32(truncatingIfNeeded: time.seconds)) + ":"
      + Self.hexadecimal(time.nanoseconds << 2 | epoch)
    attributes = node.attributes.extended.map { "\($0.name) (\($0.value.count))" }.sorted()
  }

  private static func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }

  private static func device(_ major: UInt32, _ minor: UInt32) -> String {
    func padded(_ number: UInt32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(padded(major)):\(padded(minor))"
  }
}

extension PouredImage {
  /// The inodes with these numbers.
  func inodes(_ numbers: some Sequence<Int>) async throws -> [InodeFacts?] {
    let requests = file.removingLastComponent().appending("requests")
    let lines = numbers.map { "stat <\($0)>\n" }
    try lines.joined().write(toFile: requests.string, atomically: true, encoding: .utf8)
    let text = try await debugfs(requests: requests)
    return text.components(separatedBy: "debugfs: stat <").dropFirst().map { InodeFacts($0) }
  }
}
