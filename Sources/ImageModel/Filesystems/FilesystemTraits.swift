/// All that Slipway knows of one kind of filesystem. A kind is one file beside this one, and one entry of `all`.
package struct FilesystemTraits: Sendable {
  /// The kind.
  package var kind: FilesystemKind
  /// The longest label that it holds, in bytes. Tools cut a longer one short and still exit 0.
  package var labelLimit: Int
  /// The least size that its tool takes.
  package var least: ByteSize
  /// Whether its tool can be given a UUID.
  package var takesUUID = true
  /// Whether the UUID is a volume id of four bytes, its first ones.
  package var hasVolumeID = false
  /// Its programs; the first one makes it.
  package var programs: [FilesystemProgram]
  /// The kernel module that mounts it; nil for what is not mounted.
  package var driver: String?
  /// Modules that the driver may load by alias, which no dependency names.
  package var helperModules: [String] = []
  /// What it can hold.
  package var names = FilesystemNames()
  /// Its superblock; nil where nothing tells it on a disk.
  package var signature: FilesystemSignature?
  /// How it is made and used.
  package var use: Use

  /// How a kind is made and used.
  package enum Use: Sendable {
    /// Made in the guest, to be written to.
    case writable(WritableFilesystem)
    /// Made on the host from a folder, for a Nix store alone: the arguments for the tool.
    case readOnly(@Sendable (_ folder: String, _ image: String, _ uuid: GUID) -> [String])
    /// Not a filesystem; made in the guest.
    case swap(WritableFilesystem)
  }

  /// Every kind that Slipway knows.
  package static let all: [FilesystemTraits] = [
    ext(.ext4), ext(.ext3), ext(.ext2), fat, xfs, btrfs, f2fs, squashfs, erofs, swap,
  ]

  private static let byKind = Dictionary(uniqueKeysWithValues: all.map { ($0.kind, $0) })

  /// - Returns: nil for a kind that only its own `mkfs.NAME` knows.
  package static func of(_ kind: FilesystemKind) -> FilesystemTraits? { byKind[kind] }
}

/// A filesystem that a tool makes on a device.
package struct WritableFilesystem: Sendable {
  /// Arguments for the tool, without a user's and without the device.
  package var arguments: @Sendable (MakeRequest) -> [String]
  /// A user's options that are merged with Slipway's own, as the tool takes the last one only.
  package var mergedOptions: Set<String> = []
  /// What is known of the tool's options; nil where a user may not give any.
  package var grammar: MkfsGrammar?
  /// How large it must be for a tree that a kernel copies into it; nil for one that holds no root.
  package var size: SizeRule?
  /// Data for mount(2) in the guest.
  package var mountData = ""

  /// What a filesystem is made with.
  package struct MakeRequest: Sendable {
    package var kind: FilesystemKind
    /// Nil for none.
    package var label: String?
    package var uuid: GUID?
    /// Bytes of the device.
    package var size: UInt64
    package var sectorSize: UInt64
    /// How many inodes it gets, where it has a table of them.
    package var inodes: UInt64?
    /// A user's options.
    package var words: MkfsWords

    package init(
      kind: FilesystemKind, label: String?, uuid: GUID?, size: UInt64, sectorSize: UInt64, inodes: UInt64?,
      words: MkfsWords
    ) {
      self.kind = kind
      self.label = label
      self.uuid = uuid
      self.size = size
      self.sectorSize = sectorSize
      self.inodes = inodes
      self.words = words
    }

    /// A flag with its value, or nothing.
    package func flag(_ flag: String, _ value: String?) -> [String] { value.map { [flag, $0] } ?? [] }
  }

  /// How a size follows from a tree.
  package enum SizeRule: Sendable {
    /// As ext4's geometry says, which counts inodes; without extents files have blocks of pointers, too.
    case inodeTable(hasExtents: Bool)
    /// Bytes, estimated from above.
    case estimate(@Sendable (RootContent) -> UInt64)
  }
}

/// What goes into a copied root.
package struct RootContent: Sendable {
  /// Bytes of the tree.
  package var tree: UInt64
  /// Inodes of the tree and of the installation.
  package var inodes: UInt64
  /// Bytes of the tree, of the installation, and of what is to stay free.
  package var data: UInt64

  package init(tree: UInt64, inodes: UInt64, data: UInt64) {
    self.tree = tree
    self.inodes = inodes
    self.data = data
  }

  /// For a kind that is not known: a quarter more than the content, and as much again as a large inode for each file.
  package var unknownNeed: UInt64 {
    let bytes = data + inodes * 1024 + tree / 4 + (128 << 20)
    return bytes + bytes / 20
  }
}

/// A program for filesystems of one kind.
package struct FilesystemProgram: Hashable, Sendable {
  package var name: String
  /// Whether the host runs it, and not the guest.
  package var isHosts = false
  package var debianPackage: String
  /// The attribute of nixpkgs, where it has another name than Debian's package.
  package var nixPackage: String?
  /// Other names of it in the guest.
  package var aliases: [String] = []
  /// What needs it, for a program of the host's.
  package var need: String?
  /// The argument that makes it tell its version.
  package var versionArgument: String?
}

/// What names and nodes a filesystem can hold. ext4's own limits are checked where it is poured.
package struct FilesystemNames: Hashable, Sendable {
  /// The longest name, in bytes.
  package var nameLimit = 255
  /// The longest target of a symbolic link, in bytes; nil where ext4's is the least.
  package var targetLimit: Int?
  /// Whether FAT's rules hold: no links, owners and modes, names without case.
  package var isFAT = false
}

/// What a filesystem's first blocks have, by which others know it: libblkid's table of them.
package struct FilesystemSignature: Hashable, Sendable {
  package var offset: Int
  package var magic: [UInt8]
  /// Where its UUID is; nil where it has none of 16 bytes.
  package var uuid: Int?
}
