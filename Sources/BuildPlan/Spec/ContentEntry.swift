/// A file or folder of the host that goes into the image beside the closure: an entry of `contents`.
public struct ContentEntry: Hashable, Codable, Sendable {
  /// The file or folder; with a `*`, every path that the pattern matches, each by its name below `target`.
  public var source: String
  /// The absolute path in the image.
  public var target: String
  /// Permission bits of files; folders get an execute bit for every read bit. Nil keeps those of the source.
  public var mode: UInt16?
  /// The owner, by a name that the target system knows or by number; nil for root. With `group` only.
  public var user: String?
  /// The group; see `user`.
  public var group: String?

  /// Describes an entry.
  public init(
    source: String, target: String, mode: UInt16? = nil, user: String? = nil, group: String? = nil
  ) {
    self.source = source
    self.target = target
    self.mode = mode
    self.user = user
    self.group = group
  }

  /// Reads `SOURCE:TARGET[:MODE[:USER:GROUP]]`; nil for anything else. Paths with a colon need the JSON form.
  public init?(_ text: String) {
    let fields = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard [2, 3, 5].contains(fields.count), !fields[0].isEmpty, !fields[1].isEmpty else { return nil }
    self.init(source: fields[0], target: fields[1])
    if fields.count > 2, !fields[2].isEmpty {
      guard let mode = UInt16(fields[2], radix: 8) else { return nil }
      self.mode = mode
    }
    if fields.count == 5 { (user, group) = (fields[3], fields[4]) }
  }

  /// Whether the source is a pattern, as make-disk-image tells them apart.
  package var isPattern: Bool { source.contains("*") }

  /// The names on the way to the target.
  package var components: [Substring] { target.split(separator: "/") }
}

extension ContentEntry {
  /// Throws `SpecError` for what can be seen to be wrong without a look at the source.
  ///
  /// - Parameter key: the spec's key that the entry is from.
  func check(_ key: String = "contents") throws(SpecError) {
    func fault(_ message: String, _ remedy: String) -> SpecError {
      SpecError(key, message, remedy: remedy)
    }
    guard target.hasPrefix("/"), !components.contains(".."), !components.contains(".") else {
      throw fault("the target '\(target)' is not an absolute path without '..'", "Write it as '/etc/name'")
    }
    guard !components.isEmpty || isPattern else {
      throw fault("the target '/' is the whole root", "Name a path below it, or use a source with a '*'")
    }
    guard components.first != "nix" || (components.count > 1 && !["store", "var"].contains(components[1]))
    else {
      throw fault(
        "the target '\(target)' is in the Nix store or its state", "Use additionalPaths for store paths")
    }
    guard source.hasPrefix("/") else {
      throw fault("the source '\(source)' is relative", "Give its absolute path")
    }
    guard (user == nil) == (group == nil) else {
      throw fault("'\(target)' has only one of user and group", "Give both, or neither")
    }
    for name in [user, group].compactMap(\.self) where name.isEmpty || !name.utf8.allSatisfy(Self.isNameByte)
    {
      throw fault("'\(name)' is no name of a user or group", "Use letters, digits, '-', '_' and '.'")
    }
    if let mode, mode > 0o7777 {
      throw fault("the mode \(String(mode, radix: 8)) has more than the permission bits", "Use 0000 to 7777")
    }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "-_.".utf8.contains(byte)
    }
  }

  /// Throws `SpecError` when two entries have one target.
  static func checkTargets(of entries: [ContentEntry]) throws(SpecError) {
    var seen: Set<[Substring]> = []
    for entry in entries where !entry.isPattern {
      guard seen.insert(entry.components).inserted else {
        throw SpecError(
          "contents", "two entries have the target '\(entry.target)'", remedy: "Leave one of them out")
      }
    }
  }
}
