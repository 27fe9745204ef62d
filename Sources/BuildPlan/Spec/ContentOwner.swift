package import ImageModel

/// Whose an entry's files are.
package enum ContentOwner: Hashable, Sendable {
  /// Numbers, which are written as they are.
  case numbers(user: UInt32, group: UInt32)
  /// Names that only the installed system can tell the numbers of. Until then the files belong to a number that marks
  /// them as the entry's, and nothing else does: so no file that the entry has not brought is given away.
  case names(user: String, group: String, marker: UInt32)

  /// The first number that marks files. Linux gives those above 2³¹ to nobody, and the last two have other meanings.
  package static let firstMarker: UInt32 = 0xfffd_0000

  /// Decides it for the entry with this place in the list of all.
  init(of entry: ContentEntry, index: Int) {
    guard let user = entry.user, let group = entry.group else {
      self = .numbers(user: 0, group: 0)
      return
    }
    if let userNumber = UInt32(user), let groupNumber = UInt32(group) {
      self = .numbers(user: userNumber, group: groupNumber)
    } else {
      self = .names(user: user, group: group, marker: Self.firstMarker + UInt32(truncatingIfNeeded: index))
    }
  }

  /// The numbers that the files are poured with.
  package var poured: (user: UInt32, group: UInt32) {
    switch self {
    case .numbers(let user, let group): (user, group)
    case .names(_, _, let marker): (marker, marker)
    }
  }

  /// Whether it is root's, which is all that a filesystem without owners can hold.
  package var isRoot: Bool { self == .numbers(user: 0, group: 0) }
}

/// An entry with all that is decided about it before its source is looked at.
package struct PlannedContent: Hashable, Sendable {
  /// The spec's key that it is from.
  package var key: String
  package var entry: ContentEntry
  package var owner: ContentOwner

  /// - Parameter index: its place in the list of all entries.
  package init(key: String = "contents", _ entry: ContentEntry, index: Int = 0) {
    self.key = key
    self.entry = entry
    owner = ContentOwner(of: entry, index: index)
  }

  /// Whether its source must not be in the Nix store, where everybody can read it.
  package var isSecret: Bool { key == "extraFiles" }
}

/// A place in the image where another filesystem than the root's is mounted.
package struct MountedPlace: Hashable, Sendable {
  package var components: [String]
  package var kind: FilesystemKind

  package init(_ path: String, _ kind: FilesystemKind) {
    components = path.split(separator: "/").map(String.init)
    self.kind = kind
  }

  /// The absolute path.
  package var path: String { "/" + components.joined(separator: "/") }
}
