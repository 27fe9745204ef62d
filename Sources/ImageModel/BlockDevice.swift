/// What holds a filesystem or a partition table, in words that mean the same on host and guest: the kernel's names
/// depend on the order in which it finds its disks.
public enum BlockDevice: Hashable, Codable, Sendable {
  /// The disk with this virtio serial number.
  case disk(serial: String)
  /// A partition, by its number in the table of the disk with this virtio serial number.
  case partition(disk: String, number: Int)

  /// The serial number of the disk that it is, or is on.
  public var serial: String {
    switch self {
    case .disk(let serial), .partition(let serial, _): serial
    }
  }
}
