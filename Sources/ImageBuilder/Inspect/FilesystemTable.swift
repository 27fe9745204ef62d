internal import ImageModel

/// What a system mounts: `/etc/fstab` (fstab(5)).
struct FilesystemTable: Hashable {
  private(set) var mounts: [GenerationReport.Mount] = []

  /// The most bytes of the file that are read.
  static let sizeLimit = 256 << 10
  /// More than any system mounts by it.
  private static let most = 1000

  init(_ text: String) {
    for line in text.split(whereSeparator: \.isNewline).prefix(Self.most) {
      let fields = line.split(whereSeparator: \.isWhitespace).map(String.init)
      guard fields.count >= 3, !fields[0].hasPrefix("#") else { continue }
      let options = fields.count > 3 ? fields[3].split(separator: ",") : []
      mounts.append(
        .init(
          device: Self.unescaped(fields[0]), place: Self.unescaped(fields[1]),
          isOptional: options.contains("nofail") || options.contains("noauto")))
    }
  }

  /// Spaces are written as `\040`.
  private static func unescaped(_ field: String) -> String {
    var result: [UInt8] = []
    var rest = Array(field.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3,
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      {
        result.append(value)
        rest = rest.dropFirst(3)
      } else {
        result.append(byte)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

/// How a system or a loader names a filesystem.
struct FilesystemReference: Hashable {
  enum Kind: Hashable {
    case uuid, label, partitionUUID, partitionLabel
  }

  var kind: Kind
  var value: String

  private static let words: [(prefixes: [String], kind: Kind)] = [
    (["UUID=", "/dev/disk/by-uuid/"], .uuid), (["LABEL=", "/dev/disk/by-label/"], .label),
    (["PARTUUID=", "/dev/disk/by-partuuid/"], .partitionUUID),
    (["PARTLABEL=", "/dev/disk/by-partlabel/"], .partitionLabel),
  ]

  init(_ kind: Kind, _ value: String) {
    (self.kind, self.value) = (kind, value)
  }

  /// - Parameter device: such as `/dev/disk/by-uuid/…` or `UUID=…`.
  /// - Returns: nil for what names a device in another way.
  init?(device: String) {
    for (prefixes, kind) in Self.words {
      guard let prefix = prefixes.first(where: { device.hasPrefix($0) }) else { continue }
      let text = device.dropFirst(prefix.count).filter { $0 != "\"" }
      self.init(kind, prefix.hasPrefix("/") ? Self.decoded(text) : text)
      return
    }
    return nil
  }

  /// udev writes a space as `\x20`.
  private static func decoded(_ text: String) -> String {
    text.split(separator: "\\x", omittingEmptySubsequences: false).enumerated().map { index, part in
      guard index > 0, part.utf8.count >= 2, let byte = UInt8(part.prefix(2), radix: 16), byte < 0x80 else {
        return index > 0 ? "\\x\(part)" : String(part)
      }
      return String(UnicodeScalar(byte)) + part.dropFirst(2)
    }.joined()
  }

  /// For people.
  var text: String {
    switch kind {
    case .uuid: "the UUID \(value)"
    case .label: "the label \(value)"
    case .partitionUUID: "the partition UUID \(value)"
    case .partitionLabel: "the partition name \(value)"
    }
  }
}

/// All that names a filesystem of a disk.
struct FilesystemIdentifiers {
  private var known: Set<FilesystemReference> = []
  /// Whether there are containers, which may have any filesystem in them.
  private let hasContainers: Bool

  init(of disk: DiskReport) {
    let containers = [DiskContent.luks, .lvm].map(\.rawValue)
    hasContainers = disk.partitions.contains { containers.contains($0.content.kind) }
    for partition in disk.partitions {
      if let uuid = partition.content.uuid { known.insert(.init(.uuid, uuid.lowercased())) }
      if let label = partition.content.label { known.insert(.init(.label, label)) }
      if !partition.name.isEmpty { known.insert(.init(.partitionLabel, partition.name)) }
      if let identifier = partition.identifier(on: disk) { known.insert(.init(.partitionUUID, identifier)) }
    }
  }

  /// Whether nothing of the disk can be what is meant.
  func lack(_ reference: FilesystemReference) -> Bool {
    switch reference.kind {
    case .uuid: !hasContainers && !known.contains(.init(.uuid, reference.value.lowercased()))
    case .label: !hasContainers && !known.contains(reference)
    case .partitionLabel: !known.contains(reference)
    case .partitionUUID: !known.contains(.init(.partitionUUID, reference.value.lowercased()))
    }
  }
}

extension DiskReport {
  /// What names the table, as sfdisk writes it; nil for a disk without a table.
  package var identifier: String? {
    guid?.description ?? signature.map { "0x" + hexadecimal($0, digits: 8) }
  }
}

private func hexadecimal(_ number: some BinaryInteger, digits count: Int) -> String {
  let digits = String(number, radix: 16)
  return String(repeating: "0", count: max(count - digits.count, 0)) + digits
}

extension PartitionReport {
  /// As Linux writes it below `/dev/disk/by-partuuid`; nil for a whole disk.
  package func identifier(on disk: DiskReport) -> String? {
    if let guid { return guid.description }
    guard disk.table == .mbr, number > 0, let signature = disk.signature else { return nil }
    return "\(hexadecimal(signature, digits: 8))-\(hexadecimal(number, digits: 2))"
  }
}
