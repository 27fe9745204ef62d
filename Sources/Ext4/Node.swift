package import SystemPackage

/// A point in time of a file.
package struct Timestamp: Hashable, Sendable {
  /// Seconds since 1970. ext4 holds those from 1901 to 2446; others become the nearest of these.
  package var seconds: Int64
  /// Nanoseconds within the second.
  package var nanoseconds: UInt32

  package init(seconds: Int64, nanoseconds: UInt32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}

/// What an inode says about itself besides its type.
package struct Attributes: Hashable, Sendable {
  /// Permission bits, with set-user-id, set-group-id and sticky: 07777.
  package var mode: UInt16
  /// Numeric owner.
  package var owner: UInt32
  /// Numeric group.
  package var group: UInt32
  /// Last access.
  package var accessed: Timestamp
  /// Last change of the content.
  package var modified: Timestamp
  /// Last change of the inode.
  package var changed: Timestamp
  /// Extended attributes; their order does not matter.
  package var extended: [ExtendedAttribute]

  /// Attributes with one time for all three.
  package init(
    mode: UInt16, owner: UInt32 = 0, group: UInt32 = 0, time: Timestamp, extended: [ExtendedAttribute] = []
  ) {
    self.mode = mode
    self.owner = owner
    self.group = group
    accessed = time
    modified = time
    changed = time
    self.extended = extended
  }
}

/// An extended attribute, named with its namespace: `user.origin`, `security.capability`.
package struct ExtendedAttribute: Hashable, Sendable {
  package var name: String
  /// The value as getxattr(2) gives it.
  package var value: [UInt8]

  package init(name: String, value: [UInt8]) {
    self.name = name
    self.value = value
  }
}

/// The inode of the host that several names of one source may share.
package struct LinkGroup: Hashable, Sendable {
  /// The source. Names of two sources are never names of one inode, whatever they are on the host.
  package var scope: Int
  package var device: UInt64
  package var inode: UInt64

  package init(scope: Int = 0, device: UInt64, inode: UInt64) {
    self.scope = scope
    self.device = device
    self.inode = inode
  }
}

/// A regular file of the host, as it was when the tree was scanned.
package struct HostFile: Hashable, Sendable {
  package var path: FilePath
  /// Its size in bytes.
  package var size: UInt64
  /// Its modification time; another one at the time of the pour means that the file was written to.
  package var modified: Timestamp
  /// Whether the host's filesystem holds fewer blocks than the size needs, so that looking for holes pays.
  package var mayHaveHoles: Bool

  package init(path: FilePath, size: UInt64, modified: Timestamp, mayHaveHoles: Bool) {
    self.path = path
    self.size = size
    self.modified = modified
    self.mayHaveHoles = mayHaveHoles
  }
}

/// A file that lies in pieces in a file of the host; what no piece covers is a hole.
package struct FileParts: Hashable, Sendable {
  /// One piece.
  package struct Piece: Hashable, Sendable {
    /// Where it is in the file to be.
    package var position: UInt64
    /// Where it is in the file of the host.
    package var offset: UInt64
    /// Its length, in bytes.
    package var length: UInt64

    package init(position: UInt64, offset: UInt64, length: UInt64) {
      self.position = position
      self.offset = offset
      self.length = length
    }
  }

  package var path: FilePath
  /// The size of the file to be, in bytes.
  package var size: UInt64
  /// In the order of their positions, and none over another.
  package var pieces: [Piece]

  package init(path: FilePath, size: UInt64, pieces: [Piece]) {
    self.path = path
    self.size = size
    self.pieces = pieces
  }
}

/// One name of a tree, and the inode behind it.
package struct Node: Hashable, Sendable {
  /// Where a regular file's bytes are.
  package enum Content: Hashable, Sendable {
    case host(HostFile)
    case bytes([UInt8])
    case parts(FileParts)
  }

  /// The types of inode.
  package enum Kind: Hashable, Sendable {
    case directory
    case file(Content)
    case symbolicLink(target: [UInt8])
    case characterDevice(major: UInt32, minor: UInt32)
    case blockDevice(major: UInt32, minor: UInt32)
    case fifo
    case socket
    /// What the filesystem has there already stays, with its attributes and all that is in it. Only for
    /// `Ext4.replaceTree`.
    case kept
  }

  package var path: TreePath
  package var kind: Kind
  package var attributes: Attributes
  /// Names of one group share an inode: that of the first, whose kind and attributes hold. Never for
  /// directories.
  package var linkGroup: LinkGroup?

  package init(path: TreePath, kind: Kind, attributes: Attributes, linkGroup: LinkGroup? = nil) {
    self.path = path
    self.kind = kind
    self.attributes = attributes
    self.linkGroup = linkGroup
  }
}
