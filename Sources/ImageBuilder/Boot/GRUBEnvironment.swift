/// GRUB's environment block: a file of 1024 bytes, in which GRUB keeps variables from one boot to the next (GRUB manual,
/// "The GRUB environment block").
struct GRUBEnvironment: Hashable {
  /// Its variables, in their order.
  private(set) var variables: [(name: String, value: String)]

  static func == (one: Self, other: Self) -> Bool { one.text == other.text }
  func hash(into hasher: inout Hasher) { hasher.combine(text) }

  /// What GRUB calls it.
  static let fileName = "grubenv"
  /// GRUB takes no block of another size.
  static let size = 1024
  private static let signature = "# GRUB Environment Block\n"

  /// Reads a block; what is not one counts as an empty block.
  init(_ bytes: [UInt8]) {
    variables = []
    let text = String(decoding: bytes, as: UTF8.self)
    guard bytes.count == Self.size, text.hasPrefix(Self.signature) else { return }
    for line in text.dropFirst(Self.signature.count).split(separator: "\n") where !line.hasPrefix("#") {
      guard let sign = line.firstIndex(of: "=") else { continue }
      variables.append((String(line[..<sign]), String(line[line.index(after: sign)...])))
    }
  }

  /// A variable, as it is written there.
  subscript(name: String) -> String? {
    get { variables.first { $0.name == name }?.value }
    set {
      variables.removeAll { $0.name == name }
      if let newValue { variables.append((name, newValue)) }
    }
  }

  private var text: String {
    Self.signature + variables.map { "\($0.name)=\($0.value)\n" }.joined()
  }

  /// The block; nil when the variables do not fit.
  var bytes: [UInt8]? {
    let bytes = Array(text.utf8)
    guard bytes.count <= Self.size else { return nil }
    return bytes + [UInt8](repeating: 0x23, count: Self.size - bytes.count)
  }
}
