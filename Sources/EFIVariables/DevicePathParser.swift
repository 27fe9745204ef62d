internal import ImageModel

extension DevicePath {
  /// Reads the text form; nil for text that is not one.
  ///
  /// A node without parentheses is a file's path, as in edk2.
  package init?(_ text: String) {
    instances = []
    for instance in Self.split(text, at: ",") {
      var nodes: [DevicePathNode] = []
      // An instance without nodes is its end alone.
      for part in instance.isEmpty ? [] : Self.split(instance, at: "/") {
        guard let node = DevicePathNode(text: part) else { return nil }
        nodes.append(node)
      }
      instances.append(nodes)
    }
  }

  /// Splits at a separator, but not inside of parentheses.
  private static func split(_ text: some StringProtocol, at separator: Unicode.Scalar) -> [String] {
    var parts: [String.UnicodeScalarView] = [String.UnicodeScalarView()]
    var depth = 0
    // Scalars, not characters: one that combines would hide the separator before it.
    for scalar in text.unicodeScalars {
      if scalar == "(" { depth += 1 }
      // One too many, which a URI may have, must not open the next node's parentheses.
      if scalar == ")" { depth = max(0, depth - 1) }
      if scalar == separator, depth == 0 {
        parts.append(String.UnicodeScalarView())
      } else {
        parts[parts.count - 1].append(scalar)
      }
    }
    return parts.map { String($0) }
  }
}

extension DevicePathNode {
  fileprivate init?(text: String) {
    guard let open = text.utf8.firstIndex(of: UInt8(ascii: "(")) else {
      guard !text.isEmpty, !text.utf8.contains(UInt8(ascii: ")")), !text.utf8.contains(0) else { return nil }
      self = .file(text)
      return
    }
    guard text.utf8.last == UInt8(ascii: ")") else { return nil }
    let word = String(text[..<open])
    let inner = text[text.utf8.index(after: open)...].unicodeScalars.dropLast()
    let node = word == "Uri" ? .uri(String(inner)) : Self.node(word, NodeArguments(String(inner)))
    guard let node else { return nil }
    self = node
  }

  private static func node(_ word: String, _ arguments: NodeArguments) -> DevicePathNode? {
    var arguments = arguments
    let node = node(word, &arguments)
    return arguments.isAtEnd ? node : nil
  }

  private static func node(_ word: String, _ next: inout NodeArguments) -> DevicePathNode? {
    if let known = acpiWords.first(where: { $0.word == word }) {
      return acpi(known.number, unique: next.number())
    }
    if let kind = VendorKind.allCases.first(where: { $0.word == word }) {
      guard let guid = next.guid(), let data = next.isAtEnd ? [] : next.bytes() else { return nil }
      return .vendor(kind, guid, data)
    }
    return switch word {
    case "Path": path(&next)
    case "Acpi": acpi(&next)
    case "AcpiAdr": acpiAddresses(&next)
    case "HD": hardDrive(&next)
    case "FvFile": next.guid().map { .firmwareFile($0) }
    case "Fv": next.guid().map { .firmwareVolume($0) }
    case "IPv4": IPv4Node(&next).map { .ipv4($0) }
    case "IPv6": IPv6Node(&next).map { .ipv6($0) }
    case "MAC": mac(&next)
    default: numbers(word, &next)
    }
  }

  /// Nodes that are numbers, or words for numbers, only.
  private static func numbers(_ word: String, _ next: inout NodeArguments) -> DevicePathNode? {
    switch word {
    case "Pci":
      guard let device: UInt8 = next.number(), let function: UInt8 = next.number() else { return nil }
      return .pci(device: device, function: function)
    case "Scsi":
      guard let target: UInt16 = next.number(), let unit: UInt16 = next.number() else { return nil }
      return .scsi(target: target, unit: unit)
    case "USB":
      guard let port: UInt8 = next.number(), let interface: UInt8 = next.number() else { return nil }
      return .usb(port: port, interface: interface)
    case "Sata":
      guard let port: UInt16 = next.number(), let multiplier: UInt16 = next.number(),
        let unit: UInt16 = next.number()
      else { return nil }
      return .sata(port: port, multiplier: multiplier, unit: unit)
    case "Uart":
      guard let speed: UInt64 = next.numberOrDefault(), let dataBits: UInt8 = next.numberOrDefault(),
        let parity = next.word().flatMap({ parities.firstIndex(of: $0) }),
        let stop = next.word().flatMap({ stopBits.firstIndex(of: $0) })
      else { return nil }
      return .uart(speed: speed, dataBits: dataBits, parity: UInt8(parity), stopBits: UInt8(stop))
    case "NVMe":
      guard let namespace: UInt32 = next.number(), let identifier = next.identifier() else { return nil }
      return .nvme(namespace: namespace, identifier: identifier)
    default: return nil
    }
  }

  private static func path(_ next: inout NodeArguments) -> DevicePathNode? {
    guard let type: UInt8 = next.number(), let subtype: UInt8 = next.number(),
      let data = next.isAtEnd ? [] : next.bytes(), type != 0x7f
    else { return nil }
    return DevicePathNode(type, subtype, data)
  }

  private static func acpi(_ next: inout NodeArguments) -> DevicePathNode? {
    guard let word = next.word() else { return nil }
    if word.hasPrefix("PNP"), let number = UInt16(word.dropFirst(3), radix: 16) {
      return acpi(number, unique: next.number())
    }
    guard let identifier = NodeArguments.number(UInt32.self, word), let unique: UInt32 = next.number() else {
      return nil
    }
    return .acpi(identifier: identifier, unique: unique)
  }

  private static func acpi(_ number: UInt16, unique: UInt32?) -> DevicePathNode? {
    unique.map { .acpi(identifier: UInt32(number) << 16 | UInt32(plugAndPlay), unique: $0) }
  }

  private static func acpiAddresses(_ next: inout NodeArguments) -> DevicePathNode? {
    var addresses: [UInt32] = []
    repeat {
      guard let address: UInt32 = next.number() else { return nil }
      addresses.append(address)
    } while !next.isAtEnd
    return .acpiAddress(addresses)
  }

  private static func hardDrive(_ next: inout NodeArguments) -> DevicePathNode? {
    guard let partition: UInt32 = next.number(), let kind = next.word() else { return nil }
    let signature: HardDrive.Signature? =
      switch kind {
      case "GPT": next.guid().map { .gpt($0) }
      case "MBR": next.number().map { .mbr($0) }
      default: nil
      }
    guard let signature, let start: UInt64 = next.number(), let size: UInt64 = next.number() else {
      return nil
    }
    return .hardDrive(HardDrive(partition: partition, start: start, size: size, signature: signature))
  }

  private static func mac(_ next: inout NodeArguments) -> DevicePathNode? {
    guard let address = next.bytes(), address.count <= 32, let interface: UInt8 = next.number() else {
      return nil
    }
    return .mac(address + Array(repeating: 0, count: 32 - address.count), interface: interface)
  }
}
