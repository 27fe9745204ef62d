internal import Basics
internal import ImageModel

extension DevicePathNode {
  /// Type, subtype and what follows the node's header.
  var payload: (type: UInt8, subtype: UInt8, data: [UInt8]) {
    switch self {
    case .pci(let device, let function): (1, 1, [function, device])
    case .vendor(let kind, let guid, let data): Self.vendorPayload(kind, guid, data)
    case .acpi(let identifier, let unique): (2, 1, Self.fields(identifier, unique))
    case .acpiAddress(let addresses): (2, 3, addresses.flatMap { Self.fields($0) })
    case .scsi(let target, let unit): (3, 2, Self.fields(target, unit))
    case .usb(let port, let interface): (3, 5, [port, interface])
    case .mac(let address, let interface): (3, 11, address + [interface])
    case .ipv4(let node): (3, 12, node.data)
    case .ipv6(let node): (3, 13, node.data)
    case .sata(let port, let multiplier, let unit): (3, 18, Self.fields(port, multiplier, unit))
    case .nvme(let namespace, let identifier): (3, 23, Self.fields(namespace) + Self.fields(identifier))
    case .uri(let text): (3, 24, Array(text.utf8))
    case .uart(let speed, let dataBits, let parity, let stopBits):
      (3, 14, Self.fields(UInt32(0)) + Self.fields(speed) + [dataBits, parity, stopBits])
    case .hardDrive(let drive): (4, 1, drive.data)
    case .file(let path): (4, 4, path.utf16.flatMap { Self.fields($0) } + [0, 0])
    case .firmwareFile(let guid): (4, 6, guid.littleEndianBytes)
    case .firmwareVolume(let guid): (4, 7, guid.littleEndianBytes)
    case .generic(let type, let subtype, let data): (type, subtype, data)
    }
  }

  /// The typed node; nil when no type fits, and perhaps one that does not write the same bytes.
  static func decoded(_ type: UInt8, _ subtype: UInt8, _ data: [UInt8]) -> DevicePathNode? {
    var reader = ByteReader(data)
    switch type {
    case 1: return try? hardware(subtype, &reader)
    case 2: return try? acpi(subtype, &reader)
    case 3: return try? messaging(subtype, &reader)
    case 4: return try? media(subtype, &reader)
    default: return nil
    }
  }

  private static func hardware(
    _ subtype: UInt8, _ reader: inout ByteReader
  ) throws(EFIFault) -> DevicePathNode? {
    switch subtype {
    case 1:
      let function = try reader.integer(UInt8.self, "function")
      return .pci(device: try reader.integer(UInt8.self, "device"), function: function)
    case 4: return .vendor(.hardware, try reader.guid("vendor"), reader.rest())
    default: return nil
    }
  }

  private static func acpi(
    _ subtype: UInt8, _ reader: inout ByteReader
  ) throws(EFIFault) -> DevicePathNode? {
    switch subtype {
    case 1:
      let identifier = try reader.integer(UInt32.self, "HID")
      return .acpi(identifier: identifier, unique: try reader.integer(UInt32.self, "UID"))
    case 3:
      var addresses = [try reader.integer(UInt32.self, "ADR")]
      while !reader.isAtEnd { addresses.append(try reader.integer(UInt32.self, "ADR")) }
      return .acpiAddress(addresses)
    default: return nil
    }
  }

  private static func messaging(
    _ subtype: UInt8, _ reader: inout ByteReader
  ) throws(EFIFault) -> DevicePathNode? {
    switch subtype {
    case 2:
      let target = try reader.integer(UInt16.self, "PUN")
      return .scsi(target: target, unit: try reader.integer(UInt16.self, "LUN"))
    case 5:
      let port = try reader.integer(UInt8.self, "port")
      return .usb(port: port, interface: try reader.integer(UInt8.self, "interface"))
    case 10: return .vendor(.messaging, try reader.guid("vendor"), reader.rest())
    case 11:
      let address = try reader.take(32, "address")
      return .mac(address, interface: try reader.integer(UInt8.self, "interface"))
    case 12: return .ipv4(try IPv4Node(&reader))
    case 13: return .ipv6(try IPv6Node(&reader))
    case 14:
      _ = try reader.integer(UInt32.self, "reserved")
      let speed = try reader.integer(UInt64.self, "speed")
      let dataBits = try reader.integer(UInt8.self, "data bits")
      let parity = try reader.integer(UInt8.self, "parity")
      let stop = try reader.integer(UInt8.self, "stop bits")
      // Numbers that no table has are kept as bytes, as a reserved field that is not zero is.
      guard parity < parities.count, stop < stopBits.count else { return nil }
      return .uart(speed: speed, dataBits: dataBits, parity: parity, stopBits: stop)
    case 18:
      let port = try reader.integer(UInt16.self, "port")
      let multiplier = try reader.integer(UInt16.self, "multiplier")
      return .sata(port: port, multiplier: multiplier, unit: try reader.integer(UInt16.self, "LUN"))
    case 23:
      let namespace = try reader.integer(UInt32.self, "namespace")
      return .nvme(namespace: namespace, identifier: try reader.integer(UInt64.self, "EUI-64"))
    case 24: return .uri(String(decoding: reader.rest(), as: UTF8.self))
    default: return nil
    }
  }

  private static func media(
    _ subtype: UInt8, _ reader: inout ByteReader
  ) throws(EFIFault) -> DevicePathNode? {
    switch subtype {
    case 1: return try HardDrive(&reader).map { .hardDrive($0) }
    case 3: return .vendor(.media, try reader.guid("vendor"), reader.rest())
    case 4: return .file(try reader.terminatedText("path"))
    case 6: return .firmwareFile(try reader.guid("file"))
    case 7: return .firmwareVolume(try reader.guid("volume"))
    default: return nil
    }
  }

  private static func vendorPayload(
    _ kind: VendorKind, _ guid: GUID, _ data: [UInt8]
  ) -> (type: UInt8, subtype: UInt8, data: [UInt8]) {
    let payload = guid.littleEndianBytes + data
    return switch kind {
    case .hardware: (1, 4, payload)
    case .messaging: (3, 10, payload)
    case .media: (4, 3, payload)
    }
  }

  fileprivate static func fields<Number: FixedWidthInteger>(_ numbers: Number...) -> [UInt8] {
    var bytes: [UInt8] = []
    for number in numbers { bytes.append(littleEndian: number) }
    return bytes
  }
}

extension DevicePathNode.HardDrive {
  /// Nil when it is neither of a GPT (format 2, signature 2) nor of an MBR (1, 1).
  fileprivate init?(_ reader: inout ByteReader) throws(EFIFault) {
    partition = try reader.integer(UInt32.self, "partition")
    start = try reader.integer(UInt64.self, "start")
    size = try reader.integer(UInt64.self, "size")
    let bytes = try reader.take(16, "signature")
    switch try reader.integer(UInt16.self, "format and signature type") {
    case 0x0101: signature = .mbr(bytes.littleEndian(UInt32.self, at: 0))
    case 0x0202:
      guard let guid = GUID(littleEndian: bytes) else { return nil }
      signature = .gpt(guid)
    default: return nil
    }
  }

  fileprivate var data: [UInt8] {
    let place = DevicePathNode.fields(partition) + DevicePathNode.fields(start, size)
    return switch signature {
    case .mbr(let number):
      place + DevicePathNode.fields(number) + Array(repeating: 0, count: 12) + [1, 1]
    case .gpt(let guid): place + guid.littleEndianBytes + [2, 2]
    }
  }
}

extension DevicePathNode.IPv4Node {
  fileprivate init(_ reader: inout ByteReader) throws(EFIFault) {
    local = try reader.take(4, "local address")
    remote = try reader.take(4, "remote address")
    localPort = try reader.integer(UInt16.self, "local port")
    remotePort = try reader.integer(UInt16.self, "remote port")
    transport = try reader.integer(UInt16.self, "protocol")
    isStatic = try reader.integer(UInt8.self, "origin") == 1
    gateway = try reader.take(4, "gateway")
    mask = try reader.take(4, "mask")
  }

  fileprivate var data: [UInt8] {
    local + remote + DevicePathNode.fields(localPort, remotePort, transport) + [isStatic ? 1 : 0] + gateway
      + mask
  }
}

extension DevicePathNode.IPv6Node {
  fileprivate init(_ reader: inout ByteReader) throws(EFIFault) {
    local = try reader.take(16, "local address")
    remote = try reader.take(16, "remote address")
    localPort = try reader.integer(UInt16.self, "local port")
    remotePort = try reader.integer(UInt16.self, "remote port")
    transport = try reader.integer(UInt16.self, "protocol")
    origin = try reader.integer(UInt8.self, "origin")
    prefixLength = try reader.integer(UInt8.self, "prefix length")
    gateway = try reader.take(16, "gateway")
  }

  fileprivate var data: [UInt8] {
    local + remote + DevicePathNode.fields(localPort, remotePort, transport) + [origin, prefixLength]
      + gateway
  }
}
