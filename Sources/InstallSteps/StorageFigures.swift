internal import ImageModel

/// How full the places are that a step writes to.
///
/// A program that says "No space left on device" does not say of what. Before anything is blamed, all that can be full
/// is looked at: the filesystems of the target, the guest's memory, and the firmware's variable store.
package struct StorageFigures: Hashable, Sendable {
  /// A mounted filesystem.
  package struct Place: Hashable, Sendable {
    /// Where it is mounted, as the target sees it.
    var path: String
    /// As mount(2) names it.
    var type: String
    var free: ByteSize
    var size: ByteSize
    /// Inodes left; nil for a filesystem that does not count them.
    var freeInodes: UInt64?
  }

  /// The firmware's store of variables.
  package struct Variables: Hashable, Sendable {
    /// How many last over a restart, and what they take with their names and headers.
    var count: Int
    var used: ByteSize
    /// Whether it has no room for another variable of a usual size.
    var isFull: Bool
  }

  var places: [Place]
  /// Nil for a guest that has none.
  var variables: Variables?

  /// What is full, by these figures and the lines of the program that failed.
  ///
  /// - Parameter need: what was to be written, as far as it is known.
  /// - Returns: the cause, with figures; and what to do, when one thing is to blame.
  func verdict(on lines: [String], need: StorageNeed? = nil) -> (cause: String, remedy: String?) {
    let needing = need.flatMap { place(of: $0.path[...]) }
    func needed(by place: Place) -> StorageNeed? { place == needing ? need : nil }
    var full = places.filter(\.isFull).map { $0.verdict(needed(by: $0)) }
    if let variables, variables.isFull { full.append(variables.verdict) }
    if full.count == 1 { return full[0] }
    if !full.isEmpty {
      let remedies = full.compactMap(\.remedy)
      return (full.map(\.cause).joined(separator: "; "), remedies.joined(separator: ". "))
    }
    // What did not fit may be removed again by now; then its name tells where it was to go.
    if let place = place(namedIn: lines) {
      return (
        "what it wrote was too large for \(place.title): \(place.figures)\(needed(by: place)?.words ?? "")",
        place.remedy
      )
    }
    let all = places.map { "\($0.path): \($0.figures)" }.joined(separator: "; ")
    return ("nothing is full now, so what did not fit is removed again (\(all))", nil)
  }

  /// The place of the first path in a line that says that there is no space.
  private func place(namedIn lines: [String]) -> Place? {
    for line in lines where saysNoSpace(line) {
      for path in absolutePaths(in: line) {
        if let place = place(of: path) { return place }
      }
    }
    return nil
  }

  /// The filesystem that has a path.
  private func place(of path: Substring) -> Place? {
    places.filter { $0.path == "/" || path == $0.path || path.hasPrefix($0.path + "/") }
      .max { $0.path.count < $1.path.count }
  }
}

/// What a step is known to write.
package struct StorageNeed: Hashable, Sendable {
  /// Where it goes, as the target sees it.
  var path: String
  var size: ByteSize
  /// What it is, with its verb: "the tree needs".
  var what: String

  fileprivate var words: String { ", and \(what) \(size)" }
}

/// The absolute paths that a program's line names.
func absolutePaths(in line: String) -> [Substring] {
  line.split(whereSeparator: { " '\"`‘’,:;()=".contains($0) }).filter { $0.hasPrefix("/") }
}

/// Whether a line is what programs print for ENOSPC: glibc's words, musl's and the C library's of Python.
func saysNoSpace(_ line: String) -> Bool {
  ["No space left on device", "[Errno 28]", "ENOSPC"].contains { line.contains($0) }
}

extension StorageFigures.Place {
  /// A filesystem keeps some room back, and FAT counts in clusters: ext4 refuses the last 2 % of all its blocks, or
  /// 16 MiB, even to root (`ext4_has_free_clusters`, `s_resv_clusters`); statfs(2) counts fewer blocks than there are.
  fileprivate var isFull: Bool {
    if freeInodes == 0 { return true }
    return free.bytes <= min(size.bytes / 40, 16 << 20) + (64 << 10)
  }

  fileprivate var figures: String {
    let space = "\(free) of \(size) are free"
    return freeInodes == 0 ? "\(space), and no inode is left" : space
  }

  fileprivate var isInMemory: Bool { type == "tmpfs" }

  fileprivate var title: String {
    if isInMemory { return "\(path) (in the guest's memory)" }
    switch path {
    case "/": return "the root filesystem"
    case "/boot": return "the boot partition on /boot"
    case "/efi": return "the EFI system partition on /efi"
    default: return "the partition on \(path)"
    }
  }

  fileprivate var remedy: String {
    switch path {
    case _ where isInMemory: "Give the VM more memory with memSize"
    case "/": "Give the image a larger diskSize, or more additionalSpace"
    case "/boot": "Give the image a larger bootSize, or the system fewer kernels"
    case "/efi": "Use the partition table \"efi\": bootSize is the size of its EFI system partition"
    default:
      type == FilesystemKind.vfat.rawValue
        ? "Give it a larger size: bootSize for the EFI system partition, else in partitions"
        : "Give it a larger size in partitions"
    }
  }

  fileprivate func verdict(_ need: StorageNeed?) -> (cause: String, remedy: String?) {
    ("\(title) is full: \(figures)\(need?.words ?? "")", remedy)
  }
}

extension StorageFigures.Variables {
  fileprivate var verdict: (cause: String, remedy: String?) {
    (
      "the EFI variable store is full: \(count) variables take \(used)",
      "Have the system write fewer or smaller EFI variables, or start from a store that has fewer (efiVariables)"
    )
  }
}
