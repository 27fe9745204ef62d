import Ext4
import Foundation

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}

/// A tree of everything that is allowed and hardly ever seen.
struct RandomTree {
  private var generator: SeededGenerator
  private(set) var nodes: [Node] = []
  private var groups: [LinkGroup: Node] = [:]

  init(seed: UInt64, entries: Int) {
    generator = SeededGenerator(seed: seed)
    var directories = [TreePath.root]
    var names: Set<TreePath> = []
    while nodes.count < entries {
      // Deep and wide by turns.
      let parent = Bool.random(using: &generator) ? directories[directories.count - 1] : random(directories)
      guard let path = TreePath(bytes: parent.bytes + [UInt8(ascii: "/")] + name()),
        names.insert(path).inserted,
        path.bytes.count < 1000
      else { continue }
      let node = node(at: path)
      if node.kind == .directory { directories.append(path) }
      nodes.append(node)
    }
  }

  private mutating func random<Element>(_ elements: [Element]) -> Element {
    elements[Int.random(in: elements.indices, using: &generator)]
  }

  private mutating func bytes(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count { withUnsafeBytes(of: generator.next()) { bytes += $0 } }
    return Array(bytes.prefix(count))
  }

  /// Any bytes but those that end a name, in lengths that fill records to the brim.
  private mutating func name() -> [UInt8] {
    let length = random([1, 2, 3, 4, 5, 8, 12, 40, 254, 255])
    let name = bytes(length).map { $0 == 0 || $0 == UInt8(ascii: "/") ? UInt8(ascii: "x") : $0 }
    return name.allSatisfy { $0 == UInt8(ascii: ".") } ? [UInt8(ascii: "d")] : name
  }

  private mutating func node(at path: TreePath) -> Node {
    if Int.random(in: 0..<12, using: &generator) == 0,
      let first = groups.values.min(by: { $0.path < $1.path })
    {
      var node = first
      node.path = path
      return node
    }
    var node = Node(path: path, kind: kind(), attributes: attributes())
    if case .file = node.kind, Bool.random(using: &generator), groups.count < 5 {
      let group = LinkGroup(device: 1, inode: UInt64(groups.count))
      node.linkGroup = group
      groups[group] = node
    }
    return node
  }

  private mutating func kind() -> Node.Kind {
    switch Int.random(in: 0..<20, using: &generator) {
    case 0..<4: .directory
    case 4: .symbolicLink(target: bytes(random([1, 58, 59, 60, 61, 255, 4095])).map { $0 | 1 })
    case 5: .fifo
    case 6: .socket
    case 7:
      .characterDevice(major: random([0, 1, 255, 256, 4095]), minor: random([0, 3, 255, 256, 1_048_575]))
    case 8: .blockDevice(major: random([8, 259]), minor: random([0, 16, 300]))
    default: .file(.bytes(content()))
    }
  }

  /// Bytes and rows of zeros, on and off the borders of blocks and chunks.
  private mutating func content() -> [UInt8] {
    var content: [UInt8] = []
    for _ in 0..<random([0, 1, 1, 1, 2, 5]) {
      let count = random([1, 59, 4095, 4096, 4097, 8192, 65535, 65536, 65537, 131_072, 300_000])
      content += Bool.random(using: &generator) ? bytes(count) : Array(repeating: 0, count: count)
    }
    return content
  }

  private mutating func attributes() -> Attributes {
    var attributes = Attributes(
      mode: UInt16.random(in: 0...0o7777, using: &generator),
      owner: random([0, 1, 65535, 65536, 4_294_967_294]),
      group: random([0, 30000, 70000]), time: Timestamp(seconds: 1))
    attributes.modified = Timestamp(
      seconds: random([-1, 0, 1, 1_700_000_000, 2_147_483_648, 4_294_967_296, 10_000_000_000]),
      nanoseconds: random([0, 1, 999_999_999]))
    for index in 0..<random([0, 0, 0, 1, 3]) {
      let name = random(["user", "trusted", "security"]) + ".a\(index)"
      attributes.extended.append(ExtendedAttribute(name: name, value: bytes(random([0, 1, 20, 60, 900]))))
    }
    return attributes
  }
}
