/// Where a device or a file is, as firmware says it (UEFI 2.10, 10.3).
package struct DevicePath: Hashable, Sendable {
  /// Mostly one; a console variable has an instance for each device.
  package var instances: [[DevicePathNode]]

  package init(_ nodes: [DevicePathNode]) {
    instances = [nodes]
  }

  package init(instances: [[DevicePathNode]]) {
    self.instances = instances
  }

  /// The nodes of the first instance.
  package var nodes: [DevicePathNode] { instances.first ?? [] }

  private enum End {
    static let type: UInt8 = 0x7f
    static let ofInstance: UInt8 = 0x01
    static let ofPath: UInt8 = 0xff
  }

  /// Reads nodes up to and with the end of the path.
  init(_ reader: inout ByteReader) throws(EFIFault) {
    instances = [[]]
    while true {
      let offset = reader.offset
      let type = try reader.integer(UInt8.self, "the type of a path's node")
      let subtype = try reader.integer(UInt8.self, "the subtype of a path's node")
      let size = Int(try reader.integer(UInt16.self, "the size of a path's node"))
      guard size >= 4 else { throw EFIFault(at: offset + 2, "a path's node cannot have \(size) bytes") }
      let data = try reader.take(size - 4, "a path's node")
      guard type == End.type else {
        instances[instances.count - 1].append(DevicePathNode(type, subtype, data))
        continue
      }
      guard data.isEmpty, subtype == End.ofPath || subtype == End.ofInstance else {
        throw EFIFault(at: offset, "a path ends with subtype \(hex(subtype)) and \(data.count) bytes")
      }
      if subtype == End.ofPath { return }
      instances.append([])
    }
  }

  /// Reads one path, and nothing after it.
  ///
  /// - Throws: `EFIFault` with an offset in the data.
  package init(reading data: [UInt8]) throws(EFIFault) {
    var reader = ByteReader(data)
    try self.init(&reader)
    guard reader.isAtEnd else { throw EFIFault(at: reader.offset, "bytes follow the end of the path") }
  }

  /// The bytes to store, with the end.
  package var data: [UInt8] {
    let separator = [End.type, End.ofInstance, 4, 0]
    let parts = instances.map { $0.flatMap(\.bytes) }
    return Array(parts.joined(separator: separator)) + [End.type, End.ofPath, 4, 0]
  }
}
