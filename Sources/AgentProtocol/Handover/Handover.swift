internal import Basics

/// The archive by which the agent hands over what it installed: everything that the host has not poured, on a disk of its
/// own.
///
/// A block of 4096 bytes, of which `HandoverHeader` is the first part, is followed by a stream of records. All numbers are
/// little-endian. A record is a byte that tells its kind, and its fields:
///
/// | kind | fields |
/// | --- | --- |
/// | `tree` | the tree's number, 4 bytes; its nodes follow |
/// | `region` | the region's number, 4; its length, 8; its bytes |
/// | `end` | none; the last record |
/// | `kept` | path |
/// | `link` | path; number of a group, 8: one more name of that file |
/// | `directory`, `fifo`, `socket` | path, attributes |
/// | `symbolicLink` | path, attributes; length, 2; the target |
/// | `file` | path, attributes; number of a group, 8, or 0; size, 8; number of pieces, 4; for each its position and length, 8 each; the bytes of all pieces |
///
/// A path has a length of 2 bytes, and is relative to the tree's root, which has the empty path. Attributes are mode, 2;
/// user, 4; group, 4; the time of the last change in seconds since 1970, 8, and nanoseconds, 4; the number of extended
/// attributes, 2; for each the length of its name, 1, the name, the length of its value, 4, and the value.
///
/// The nodes of a tree are in the order of their paths, by component, each by its bytes.
package enum Handover {
  /// What a record is.
  package enum Kind: UInt8, CaseIterable, Sendable {
    case end = 1
    case tree = 2
    case region = 3
    case kept = 4
    case link = 5
    case directory = 6
    case file = 7
    case symbolicLink = 8
    case fifo = 9
    case socket = 10
  }

  /// What a node says about itself besides its type.
  package struct Attributes: Hashable, Sendable {
    /// Permission bits: 07777.
    package var mode: UInt16
    package var user: UInt32
    package var group: UInt32
    /// The last change of the content, in seconds since 1970.
    package var seconds: Int64
    package var nanoseconds: UInt32
    /// Extended attributes with their names, in the order of these.
    package var extended: [(name: [UInt8], value: [UInt8])] {
      get { zip(names, values).map { ($0, $1) } }
      set { (names, values) = (newValue.map(\.name), newValue.map(\.value)) }
    }
    private var names: [[UInt8]] = []
    private var values: [[UInt8]] = []

    package init(mode: UInt16, user: UInt32, group: UInt32, seconds: Int64, nanoseconds: UInt32) {
      self.mode = mode
      self.user = user
      self.group = group
      self.seconds = seconds
      self.nanoseconds = nanoseconds
    }
  }

  /// Where a piece of a file is in it, and how long, in bytes.
  package struct Piece: Hashable, Sendable {
    package var position: UInt64
    package var length: UInt64

    package init(position: UInt64, length: UInt64) {
      self.position = position
      self.length = length
    }
  }
}

/// What stands at the beginning of the disk. It is written last: without it nothing was handed over.
package struct HandoverHeader: Hashable, Sendable {
  /// Where the records begin, in bytes.
  package static let streamOffset: UInt64 = 4096
  /// The bytes of the header itself.
  package static let size = 32
  private static let magic = Array("slipway\u{1}".utf8)

  /// The length of the records, in bytes.
  package var length: UInt64
  /// How many records there are.
  package var records: UInt64
  /// The XXH64 of the records.
  package var digest: UInt64

  package init(length: UInt64, records: UInt64, digest: UInt64) {
    self.length = length
    self.records = records
    self.digest = digest
  }

  /// The header as it is on the disk.
  package var bytes: [UInt8] {
    var bytes = Self.magic
    for value in [length, records, digest] { bytes.append(littleEndian: value) }
    return bytes
  }

  /// Nil for bytes that are no header.
  package init?(bytes: [UInt8]) {
    guard bytes.count == Self.size, bytes.starts(with: Self.magic) else { return nil }
    self.init(
      length: bytes.littleEndian(at: 8, 8), records: bytes.littleEndian(at: 16, 8),
      digest: bytes.littleEndian(at: 24, 8))
  }
}

extension [UInt8] {
  /// Adds the beginning of a record for a node.
  package mutating func append(_ kind: Handover.Kind, path: some Collection<UInt8>) {
    append(kind.rawValue)
    append(littleEndian: UInt16(clamping: path.count))
    append(contentsOf: path)
  }

  /// Adds the attributes of a node.
  package mutating func append(_ attributes: Handover.Attributes) {
    append(littleEndian: attributes.mode)
    append(littleEndian: attributes.user)
    append(littleEndian: attributes.group)
    append(littleEndian: attributes.seconds)
    append(littleEndian: attributes.nanoseconds)
    append(littleEndian: UInt16(clamping: attributes.extended.count))
    for (name, value) in attributes.extended {
      append(UInt8(clamping: name.count))
      append(contentsOf: name)
      append(littleEndian: UInt32(clamping: value.count))
      append(contentsOf: value)
    }
  }

  /// Adds what a file's record has between its attributes and its bytes.
  package mutating func append(linkGroup: UInt64, size: UInt64, pieces: [Handover.Piece]) {
    append(littleEndian: linkGroup)
    append(littleEndian: size)
    append(littleEndian: UInt32(clamping: pieces.count))
    for piece in pieces {
      append(littleEndian: piece.position)
      append(littleEndian: piece.length)
    }
  }
}
