/// A file or folder of the host that goes into the image beside the closure: an entry of `contents`.
public struct ContentEntry: Hashable, Codable, Sendable {
  /// The file or folder, or a FIFO that is read; with a `*`, every path that the pattern matches, each by its name
  /// below `target`. A link is followed.
  public var source: String
  /// The absolute path in the image. With a slash at its end it is a folder that a file goes into by its name.
  public var target: String
  /// What becomes of the permission bits; nil keeps those of the source.
  public var mode: ContentMode?
  /// The owner, by a name that the target system knows or by number; nil for root. With `group` only.
  public var user: String?
  /// The group; see `user`.
  public var group: String?

  /// Describes an entry.
  public init(
    source: String, target: String, mode: ContentMode? = nil, user: String? = nil, group: String? = nil
  ) {
    self.source = source
    self.target = target
    self.mode = mode
    self.user = user
    self.group = group
  }

  /// Whether the source is a pattern, as make-disk-image tells them apart.
  package var isPattern: Bool { source.contains("*") }

  /// Whether a file goes into the target by its own name. A folder becomes the target, as in make-disk-image.
  package var takesFilesByName: Bool { target.hasSuffix("/") }

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
    let mayBeFolder = isPattern || takesFilesByName
    try Self.checkPlace(components.map { Array($0.utf8) }, isWhole: !mayBeFolder, target, key)
    guard source.hasPrefix("/") else {
      throw fault("the source '\(source)' is relative", "Give its absolute path")
    }
    guard (user == nil) == (group == nil) else {
      throw fault("'\(target)' has only one of user and group", "Give both, or neither")
    }
    for name in [user, group].compactMap(\.self) {
      guard !name.isEmpty, name.utf8.allSatisfy(Self.isNameByte) else {
        throw fault("'\(name)' is not the name of a user or group", "Use letters, digits, '-', '_' and '.'")
      }
      guard name.utf8.contains(where: { !Self.isDigit($0) }) || Self.isOwnerNumber(name) else {
        throw fault(
          "'\(name)' is not the number of a user or group", "Use a number below \(ContentOwner.firstMarker)")
      }
    }
  }

  /// Throws `SpecError` for a place in the image that no content can have.
  ///
  /// - Parameters:
  ///   - components: the names on the way to it.
  ///   - isWhole: whether a content becomes that place itself; otherwise it goes into it.
  package static func checkPlace(
    _ components: [[UInt8]], isWhole: Bool = true, _ target: String, _ key: String
  ) throws(SpecError) {
    guard let first = components.first else {
      guard isWhole else { return }
      throw SpecError(
        key, "the target '/' is the whole root", remedy: "Name a path below it, or use a source with a '*'")
    }
    if first.elementsEqual("nix".utf8) {
      let isState =
        components.count > 1 && ["store", "var"].contains { components[1].elementsEqual($0.utf8) }
      guard components.count > 1 ? !isState : !isWhole else {
        throw SpecError(
          key, "the target '\(target)' is in the Nix store or its state",
          remedy: "Use additionalPaths for store paths")
      }
    }
    guard !["dev", "proc", "run", "sys"].contains(where: { first.elementsEqual($0.utf8) }) else {
      throw SpecError(
        key,
        "the target '\(target)' is hidden when the system runs: '/\(String(decoding: first, as: UTF8.self))' "
          + "is in memory then", remedy: "Use systemd.tmpfiles.rules of the system")
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private static func isOwnerNumber(_ text: String) -> Bool {
    UInt32(text).map { $0 < ContentOwner.firstMarker } ?? false
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
    // What goes into its target by name is known when the source is looked at.
    for entry in entries where !entry.isPattern && !entry.takesFilesByName {
      guard seen.insert(entry.components).inserted else {
        throw SpecError(
          "contents", "two entries have the target '\(entry.target)'", remedy: "Leave one of them out")
      }
    }
  }
}
