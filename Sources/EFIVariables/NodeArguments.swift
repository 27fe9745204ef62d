internal import Basics
internal import ImageModel

/// What stands between the parentheses of a node's text, taken from the left.
struct NodeArguments {
  private var words: ArraySlice<String>

  init(_ text: String) {
    words =
      text.isEmpty
      ? []
      : text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }[...]
  }

  var isAtEnd: Bool { words.isEmpty }

  mutating func word() -> String? { words.popFirst() }
  mutating func guid() -> GUID? { words.popFirst().flatMap { GUID($0) } }
  mutating func bytes() -> [UInt8]? { words.popFirst().flatMap { Hexadecimal.bytes($0) } }

  mutating func number<Number: FixedWidthInteger>() -> Number? {
    words.popFirst().flatMap { Self.number(Number.self, $0) }
  }

  /// A number, or the word that stands for the device's own, which is 0.
  mutating func numberOrDefault<Number: FixedWidthInteger>() -> Number? {
    guard words.first == "DEFAULT" else { return number() }
    words.removeFirst()
    return 0
  }

  /// Decimal, or hexadecimal after 0x; without a sign.
  static func number<Number: FixedWidthInteger>(_ type: Number.Type, _ word: String) -> Number? {
    let isHexadecimal = word.hasPrefix("0x")
    let digits = isHexadecimal ? word.dropFirst(2) : word[...]
    guard digits.utf8.first != UInt8(ascii: "+") else { return nil }
    return Number(digits, radix: isHexadecimal ? 16 : 10)
  }

  /// EUI-64: eight bytes with dashes between.
  mutating func identifier() -> UInt64? {
    guard let groups = words.popFirst()?.split(separator: "-", omittingEmptySubsequences: false),
      groups.count == 8, groups.allSatisfy({ $0.utf8.count == 2 }),
      let bytes = Hexadecimal.bytes(groups.joined())
    else { return nil }
    return bytes.reduce(0) { $0 << 8 | UInt64($1) }
  }

  fileprivate mutating func ipv4() -> [UInt8]? {
    guard let parts = words.popFirst()?.split(separator: ".", omittingEmptySubsequences: false),
      parts.count == 4
    else { return nil }
    let bytes = parts.compactMap { Self.number(UInt8.self, String($0)) }
    return bytes.count == 4 ? bytes : nil
  }

  /// Eight groups of four digits: the form of edk2, which abbreviates nothing.
  fileprivate mutating func ipv6() -> [UInt8]? {
    guard let groups = words.popFirst()?.split(separator: ":", omittingEmptySubsequences: false),
      groups.count == 8, groups.allSatisfy({ $0.utf8.count == 4 })
    else { return nil }
    return Hexadecimal.bytes(groups.joined())
  }

  fileprivate mutating func transport() -> UInt16? {
    switch words.popFirst() {
    case "TCP": 6
    case "UDP": 17
    case let word?: Self.number(UInt16.self, word)
    case nil: nil
    }
  }
}

extension DevicePathNode.IPv4Node {
  init?(_ next: inout NodeArguments) {
    guard let remote = next.ipv4(), let transport = next.transport(), let origin = next.word(),
      ["Static", "DHCP"].contains(origin), let local = next.ipv4(), let gateway = next.ipv4(),
      let mask = next.ipv4()
    else { return nil }
    self.init(
      local: local, remote: remote, localPort: 0, remotePort: 0, transport: transport,
      isStatic: origin == "Static", gateway: gateway, mask: mask)
  }
}

extension DevicePathNode.IPv6Node {
  init?(_ next: inout NodeArguments) {
    guard let remote = next.ipv6(), let transport = next.transport(), let word = next.word(),
      let origin = Self.origins.firstIndex(of: word), let local = next.ipv6(),
      let prefixLength: UInt8 = next.number(), let gateway = next.ipv6()
    else { return nil }
    self.init(
      local: local, remote: remote, localPort: 0, remotePort: 0, transport: transport,
      origin: UInt8(origin), prefixLength: prefixLength, gateway: gateway)
  }
}
