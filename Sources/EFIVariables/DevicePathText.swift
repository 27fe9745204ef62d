internal import ImageModel

extension DevicePath: CustomStringConvertible {
  /// The text form (UEFI 2.10, 10.6): nodes are joined by `/`, instances by `,`.
  package var description: String {
    instances.map { $0.map(\.description).joined(separator: "/") }.joined(separator: ",")
  }
}

extension DevicePathNode: CustomStringConvertible {
  /// The text form of the node (UEFI 2.10, 10.6.1.6).
  ///
  /// Text forms leave fields out, such as the ports of `IPv4()`. Where that would lose something this is the
  /// form that holds for every node, `Path(type,subtype,data)`, so that the text always gives the node back.
  package var description: String {
    // Also among others: a parenthesis that a URI opens would take what follows with it.
    if let text = shortText,
      DevicePath("\(text)/\(text),\(text)") == DevicePath(instances: [[self, self], [self]])
    {
      return text
    }
    let (type, subtype, data) = payload
    return "Path(\(type),\(subtype)\(data.isEmpty ? "" : "," + hex(data)))"
  }

  private var shortText: String? {
    switch self {
    case .pci(let device, let function): "Pci(\(hex(device)),\(hex(function)))"
    case .vendor(let kind, let guid, let data):
      "\(kind.word)(\(guid)\(data.isEmpty ? "" : "," + hex(data)))"
    case .acpi(let identifier, let unique): Self.acpiText(identifier, unique)
    case .acpiAddress(let addresses): "AcpiAdr(\(addresses.map { hex($0) }.joined(separator: ",")))"
    case .scsi(let target, let unit): "Scsi(\(hex(target)),\(hex(unit)))"
    case .usb(let port, let interface): "USB(\(hex(port)),\(hex(interface)))"
    case .sata(let port, let multiplier, let unit): "Sata(\(hex(port)),\(hex(multiplier)),\(hex(unit)))"
    case .nvme(let namespace, let identifier): "NVMe(\(hex(namespace)),\(Self.dashed(identifier)))"
    case .mac(let address, let interface):
      "MAC(\(hex(address.prefix(interface <= 1 ? 6 : 32))),\(hex(interface)))"
    case .ipv4(let node): node.text
    case .ipv6(let node): node.text
    case .uri(let text): "Uri(\(text))"
    case .uart(let speed, let dataBits, let parity, let stopBits):
      Self.uartText(speed, dataBits, parity, stopBits)
    case .hardDrive(let drive): drive.text
    case .file(let path): path
    case .firmwareFile(let guid): "FvFile(\(guid))"
    case .firmwareVolume(let guid): "Fv(\(guid))"
    case .generic: nil
    }
  }

  /// Devices that have a word of their own, by the number of their PNP identifier.
  static let acpiWords: [(word: String, number: UInt16)] = [
    ("PciRoot", 0x0a03), ("PcieRoot", 0x0a08), ("Floppy", 0x0604), ("Keyboard", 0x0301), ("Serial", 0x0501),
    ("ParallelPort", 0x0401),
  ]
  /// The letters PNP, compressed.
  static let plugAndPlay: UInt16 = 0x41d0

  private static func acpiText(_ identifier: UInt32, _ unique: UInt32) -> String {
    let number = UInt16(identifier >> 16)
    guard UInt16(truncatingIfNeeded: identifier) == plugAndPlay else {
      return "Acpi(\(hex(identifier)),\(hex(unique)))"
    }
    if let word = acpiWords.first(where: { $0.number == number })?.word { return "\(word)(\(hex(unique)))" }
    return "Acpi(PNP\(hex([UInt8(number >> 8), UInt8(truncatingIfNeeded: number)])),\(hex(unique)))"
  }

  /// Words for the numbers from 0 (UEFI 2.10, 10.3.4.6).
  static let parities = ["D", "N", "E", "O", "M", "S"]
  static let stopBits = ["D", "1", "1.5", "2"]

  /// Nil for a parity or stop bits without a word.
  private static func uartText(_ speed: UInt64, _ dataBits: UInt8, _ parity: UInt8, _ stop: UInt8) -> String?
  {
    guard parity < parities.count, stop < stopBits.count else { return nil }
    let numbers = [speed == 0 ? "DEFAULT" : "\(speed)", dataBits == 0 ? "DEFAULT" : "\(dataBits)"]
    return "Uart(\((numbers + [parities[Int(parity)], stopBits[Int(stop)]]).joined(separator: ",")))"
  }

  /// EUI-64, its first byte first, which is the last in memory.
  private static func dashed(_ identifier: UInt64) -> String {
    (0..<8).map { hex([UInt8(truncatingIfNeeded: identifier >> (56 - 8 * $0))]) }.joined(separator: "-")
  }
}

extension DevicePathNode.VendorKind {
  var word: String {
    switch self {
    case .hardware: "VenHw"
    case .messaging: "VenMsg"
    case .media: "VenMedia"
    }
  }
}

extension DevicePathNode.HardDrive {
  fileprivate var text: String {
    let place = "\(hex(start)),\(hex(size))"
    return switch signature {
    case .gpt(let guid): "HD(\(partition),GPT,\(guid),\(place))"
    case .mbr(let number): "HD(\(partition),MBR,\(hex(number)),\(place))"
    }
  }
}

extension DevicePathNode.IPv4Node {
  fileprivate var text: String {
    let origin = isStatic ? "Static" : "DHCP"
    return "IPv4(\(Self.dotted(remote)),\(transportWord(transport)),\(origin),\(Self.dotted(local)),"
      + "\(Self.dotted(gateway)),\(Self.dotted(mask)))"
  }

  private static func dotted(_ address: [UInt8]) -> String { address.map(String.init).joined(separator: ".") }
}

extension DevicePathNode.IPv6Node {
  static let origins = ["Static", "StatelessAutoConfigure", "StatefulAutoConfigure"]

  fileprivate var text: String {
    let origin = Self.origins[min(Int(origin), Self.origins.count - 1)]
    return "IPv6(\(Self.colons(remote)),\(transportWord(transport)),\(origin),\(Self.colons(local)),"
      + "\(hex(prefixLength)),\(Self.colons(gateway)))"
  }

  private static func colons(_ address: [UInt8]) -> String {
    stride(from: 0, to: address.count, by: 2).map { hex(address[$0..<min($0 + 2, address.count)]) }
      .joined(separator: ":")
  }
}

/// Numbers of RFC 1700.
private func transportWord(_ number: UInt16) -> String {
  switch number {
  case 6: "TCP"
  case 17: "UDP"
  default: hex(number)
  }
}
