package import Basics
internal import CLinux
internal import Glibc
package import SystemPackage

/// Files and folders of the host as a tree, in order, whatever the order in which the host keeps them.
package struct FileTree: NodeSource {
  /// A file or folder of the host, and where it goes.
  package struct Root: Hashable, Sendable {
    package var host: FilePath
    package var path: TreePath

    package init(host: FilePath, path: TreePath) {
      self.host = host
      self.path = path
    }
  }

  /// Numeric user and group.
  package struct Owner: Hashable, Sendable {
    package var user: UInt32
    package var group: UInt32

    package init(user: UInt32, group: UInt32) {
      self.user = user
      self.group = group
    }
  }

  /// Which names of one inode stay names of one inode.
  package enum HardLinks: Hashable, Sendable {
    /// None: each name becomes a file of its own.
    case none
    /// Those within one source, whose number this is.
    case within(Int)
  }

  /// Where permission bits come from.
  package enum Modes: Hashable, Sendable {
    case asFound
    /// From the type and the owner's execute bit, the only one that an archive (NAR) of a store object has: 0555 for
    /// folders and programs, 0444 for other files. Nix sets the same when it registers an object.
    case ofStoreObjects
  }

  /// What to take over from the host.
  package struct Rules: Hashable, Sendable {
    /// Numeric owner and group of everything; nil keeps the host's.
    package var owner: Owner?
    /// One time for everything; nil keeps the host's.
    package var time: Timestamp?
    /// Whether extended attributes are taken over.
    package var keepsAttributes: Bool
    package var hardLinks: HardLinks
    package var modes: Modes
    /// Whether there may be more than files, folders and links.
    package var takesSpecialFiles: Bool

    package init(
      owner: Owner? = nil, time: Timestamp? = nil, keepsAttributes: Bool = true,
      hardLinks: HardLinks = .within(0), modes: Modes = .asFound, takesSpecialFiles: Bool = true
    ) {
      self.owner = owner
      self.time = time
      self.keepsAttributes = keepsAttributes
      self.hardLinks = hardLinks
      self.modes = modes
      self.takesSpecialFiles = takesSpecialFiles
    }

    /// Everything as it is.
    package static let asFound = Rules()
    /// What an archive of a store object says, and nothing of how this host keeps it: owned by root, made in the
    /// first second of 1970, without attributes. An archive has no hard links, so whether the store was optimised
    /// (`nix-store --optimise`) leaves no trace.
    package static let storeObjects = Rules(
      owner: Owner(user: 0, group: 0), time: Timestamp(seconds: 1), keepsAttributes: false, hardLinks: .none,
      modes: .ofStoreObjects, takesSpecialFiles: false)
  }

  private struct OpenFolder {
    var host: FilePath
    var path: TreePath
    /// Names not yet visited, the next one last.
    var names: [[UInt8]]
  }

  private let rules: Rules
  /// Roots not yet visited, the next one last.
  private var roots: [Root]
  private var folders: [OpenFolder] = []

  /// Takes roots in any order; none may be inside another.
  package init(_ roots: [Root], rules: Rules = .asFound) {
    self.rules = rules
    self.roots = roots.sorted { $1.path < $0.path }
  }

  package mutating func next() throws(Fault) -> Node? {
    while let last = folders.indices.last {
      guard let name = folders[last].names.popLast() else {
        folders.removeLast()
        continue
      }
      let folder = folders[last]
      return try visit(folder.host.appending(bytes: name), folder.path.appending(name[...]))
    }
    guard let root = roots.popLast() else { return nil }
    return try visit(root.host, root.path)
  }

  private mutating func visit(_ host: FilePath, _ path: TreePath) throws(Fault) -> Node {
    var status = stat()
    guard host.withPlatformString({ lstat($0, &status) }) == 0 else {
      throw .source(host, doing: "examine", Errno(rawValue: errno))
    }
    let kind = try kind(host, path, status)
    if kind == .directory {
      folders.append(OpenFolder(host: host, path: path, names: try names(in: host)))
    }
    var node = Node(path: path, kind: kind, attributes: try attributes(host, status))
    if case .within(let scope) = rules.hardLinks, kind != .directory, status.st_nlink > 1 {
      node.linkGroup = LinkGroup(
        scope: scope, device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }
    return node
  }

  private func kind(_ host: FilePath, _ path: TreePath, _ status: stat) throws(Fault) -> Node.Kind {
    // As glibc's major(3) and minor(3), which are macros.
    let device = UInt64(status.st_rdev)
    let major = UInt32(truncatingIfNeeded: (device >> 8) & 0xfff | (device >> 32) & ~0xfff)
    let minor = UInt32(truncatingIfNeeded: device & 0xff | (device >> 12) & ~0xff)
    if !rules.takesSpecialFiles, let special = SpecialFile(mode: status.st_mode) {
      throw .special(host, special)
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: return .directory
    case S_IFREG: return .file(.host(HostFile(host, status)))
    case S_IFLNK: return .symbolicLink(target: try target(of: host))
    case S_IFCHR: return .characterDevice(major: major, minor: minor)
    case S_IFBLK: return .blockDevice(major: major, minor: minor)
    case S_IFIFO: return .fifo
    case S_IFSOCK: return .socket
    default: throw .unsupported(path, "'\(host)' is of an unknown type")
    }
  }

  private func attributes(_ host: FilePath, _ status: stat) throws(Fault) -> Attributes {
    var attributes = Attributes(
      mode: mode(of: status), owner: rules.owner?.user ?? status.st_uid,
      group: rules.owner?.group ?? status.st_gid, time: rules.time ?? Timestamp(status.st_mtim))
    if rules.time == nil {
      attributes.accessed = Timestamp(status.st_atim)
      attributes.changed = Timestamp(status.st_ctim)
    }
    if rules.keepsAttributes { attributes.extended = try extendedAttributes(of: host) }
    return attributes
  }

  private func mode(of status: stat) -> UInt16 {
    guard rules.modes == .ofStoreObjects else { return UInt16(status.st_mode & 0o7777) }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: return 0o555
    case S_IFLNK: return 0o777
    default: return status.st_mode & S_IXUSR == 0 ? 0o444 : 0o555
    }
  }

  private func target(of host: FilePath) throws(Fault) -> [UInt8] {
    try filled(host, doing: "read the link") { buffer, capacity in
      host.withPlatformString { readlink($0, buffer, capacity) }
    }
  }

  private func extendedAttributes(of host: FilePath) throws(Fault) -> [ExtendedAttribute] {
    let names = try filled(host, doing: "list the attributes") { buffer, capacity in
      let count = host.withPlatformString { llistxattr($0, buffer, capacity) }
      return count < 0 && errno == ENOTSUP ? 0 : count
    }
    guard !names.isEmpty else { return [] }
    var attributes: [ExtendedAttribute] = []
    for name in names.split(separator: 0) {
      let name = String(decoding: name, as: UTF8.self)
      let value = try filled(host, doing: "read the attribute '\(name)'") { buffer, capacity in
        host.withPlatformString { lgetxattr($0, name, buffer, capacity) }
      }
      attributes.append(ExtendedAttribute(name: name, value: value))
    }
    return attributes
  }

  /// The last name first.
  private func names(in host: FilePath) throws(Fault) -> [[UInt8]] {
    do throws(PathFailure) {
      return try Folder.names(in: host).reversed()
    } catch {
      throw .source(host, doing: "list", error.reason)
    }
  }
}

extension HostFile {
  fileprivate init(_ path: FilePath, _ status: stat) {
    self.init(
      path: path, size: UInt64(status.st_size), modified: Timestamp(status.st_mtim),
      mayHaveHoles: status.st_blocks * 512 < status.st_size)
  }
}

/// What a system call puts into a buffer; the buffer grows until it holds all.
private func filled(
  _ host: FilePath, doing: String, _ call: (UnsafeMutablePointer<CChar>, Int) -> Int
) throws(Fault) -> [UInt8] {
  var capacity = 512
  while true {
    var count = 0
    var code: CInt = 0
    let bytes = [CChar](unsafeUninitializedCapacity: capacity) { buffer, initialized in
      count = buffer.baseAddress.map { call($0, capacity) } ?? 0
      code = errno
      initialized = max(count, 0)
    }
    // A full buffer may be a cut result, as of readlink(2).
    if count >= 0, count < capacity { return bytes.map(UInt8.init(bitPattern:)) }
    guard count >= 0 || code == ERANGE, capacity < 1 << 20 else {
      throw .source(host, doing: doing, Errno(rawValue: code))
    }
    capacity *= 4
  }
}

/// A type of file that is neither a file, a folder nor a link.
package enum SpecialFile: String, Hashable, Sendable {
  case fifo = "a FIFO"
  case socket = "a socket"
  case device = "a device"

  /// Nil for the usual types.
  package init?(mode: UInt32) {
    switch mode & S_IFMT {
    case S_IFIFO: self = .fifo
    case S_IFSOCK: self = .socket
    case S_IFCHR, S_IFBLK: self = .device
    default: return nil
    }
  }
}
