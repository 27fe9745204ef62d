package import AgentProtocol
internal import CLinux
internal import Glibc
internal import ImageModel
internal import SystemPackage

/// Where the kernel shows block devices. The appliance has no udev: devtmpfs makes the nodes, and the links
/// that udev would make are made here.
package struct DeviceTree: Hashable, Sendable {
  package var sys: String
  package var dev: String

  package init(sys: String = "/sys", dev: String = "/dev") {
    self.sys = sys
    self.dev = dev
  }

  /// What the kernel has for a block device of the plan; waits for it to have made a partition's node.
  ///
  /// - Throws: `StepFailure` that names the serial numbers there are, or when a partition does not appear within five
  ///   seconds.
  func device(_ device: BlockDevice) throws -> Device {
    switch device {
    case .disk(let serial): try disk(serial: serial)
    case .partition(let serial, let number): try disk(serial: serial).partition(number)
    }
  }

  /// How long a disk that has just been plugged in may take to appear.
  private static let patience = Duration.seconds(30)

  /// Waits until the kernel has found each of the disks, and sees to it that their names are in this order: the first is
  /// the one that programs take for the disk of the machine.
  ///
  /// - Throws: `StepFailure` that names the serial numbers there are, when one does not appear within thirty seconds; and when
  ///   the kernel cannot be brought to that order.
  package func waitForDisks(_ serials: [String]) throws(StepFailure) {
    let deadline = ContinuousClock.now + Self.patience
    while true {
      let names = try names(of: serials, until: deadline)
      if Self.areInOrder(names) { return }
      guard ContinuousClock.now < deadline else {
        throw StepFailure(message: "the disks have the names \(names.joined(separator: ", ")), in this order")
      }
      try nameAnew(names, until: deadline)
    }
  }

  private func names(of serials: [String], until deadline: ContinuousClock.Instant) throws(StepFailure)
    -> [String]
  {
    var names: [String] = []
    for serial in serials {
      while (try? disk(serial: serial)) == nil, ContinuousClock.now < deadline { usleep(2_000) }
      do {
        names.append(try disk(serial: serial).disk)
      } catch {
        throw error as? StepFailure ?? StepFailure(message: "\(error)")
      }
    }
    return names
  }

  /// Whether names of disks of one driver go up: the kernel gives each disk the lowest that is free when it finds it, and
  /// finds several that are plugged in together in any order.
  static func areInOrder(_ names: [String]) -> Bool {
    guard names.allSatisfy({ $0.hasPrefix("vd") }) else { return true }
    return zip(names, names.dropFirst()).allSatisfy { ($0.count, $0) < ($1.count, $1) }
  }

  /// Takes the disks from their driver, and gives them back to it in this order.
  private func nameAnew(_ names: [String], until deadline: ContinuousClock.Instant) throws(StepFailure) {
    do {
      let driver = "\(sys)/bus/virtio/drivers/virtio_blk"
      let devices = try names.compactMap { name in
        try Files.names(in: driver).first { Files.exists("\(driver)/\($0)/block/\(name)") }
      }
      for device in devices { try Files.setAttribute("\(driver)/unbind", to: device) }
      while names.contains(where: { Files.exists("\(sys)/block/\($0)") }), ContinuousClock.now < deadline {
        usleep(1_000)
      }
      for device in devices { try Files.setAttribute("\(driver)/bind", to: device) }
    } catch {
      throw StepFailure(message: "the disks could not be put into order: \(error)")
    }
  }

  private func disk(serial: String) throws -> Device {
    var found: [String] = []
    for name in try Files.names(in: "\(sys)/block") {
      guard let text = try? Files.text(of: "\(sys)/block/\(name)/serial") else { continue }
      let other = text.trimmingNewline
      if other == serial { return Device(tree: self, disk: name) }
      found.append("\(name) '\(other)'")
    }
    let others = found.isEmpty ? "no disk with one" : found.joined(separator: ", ")
    throw StepFailure(message: "no disk has the serial number '\(serial)'; there is \(others)")
  }
}

/// A disk or a partition, by its kernel name.
struct Device: Hashable, Sendable {
  var tree: DeviceTree
  /// The disk's name.
  var disk: String
  /// The partition's name; nil for the whole disk.
  var partition: String?

  var node: String { "\(tree.dev)/\(name)" }
  var attributes: String { "\(tree.sys)/block/\(disk)" + (partition.map { "/" + $0 } ?? "") }

  private var name: String { partition ?? disk }

  /// Bytes in a sector.
  func sectorSize() throws -> UInt64 {
    let attribute = "\(tree.sys)/block/\(disk)/queue/logical_block_size"
    let text = try Files.text(of: attribute).trimmingNewline
    guard let size = UInt64(text), size > 0 else {
      throw StepFailure(message: "'\(text)' in \(attribute) is not a number")
    }
    return size
  }

  /// Makes the kernel read the disk's partition table anew.
  ///
  /// - Throws: `SystemFailure`, for one when a partition is in use.
  func rereadTable() throws {
    let file = try Files.open(node, O_RDONLY)
    defer { close(file) }
    try checked("read the partition table of \(node) anew") { ioctl(file, UInt(slipway_BLKRRPART), 0) }
  }

  /// The disk's partition with this number; waits for the kernel to have made its node.
  ///
  /// - Throws: `StepFailure` when it does not appear within five seconds.
  func partition(_ number: Int) throws -> Device {
    // A name that ends in a digit gets a "p": nvme0n1p1.
    let separator = name.last?.isNumber == true ? "p" : ""
    let device = Device(tree: tree, disk: disk, partition: "\(name)\(separator)\(number)")
    for _ in 0..<500 {
      if Files.exists(device.node), Files.exists(device.attributes) { return device }
      usleep(10_000)
    }
    throw StepFailure(message: "the kernel shows no partition \(number) on \(node)")
  }

  /// First and number of sectors, as the kernel sees them: in 512 bytes, whatever the disk's own sector size.
  func extent() throws -> (start: UInt64, count: UInt64) {
    func number(_ attribute: String) throws -> UInt64 {
      let text = try Files.text(of: "\(attributes)/\(attribute)").trimmingNewline
      guard let number = UInt64(text) else {
        throw StepFailure(message: "'\(text)' in \(attributes)/\(attribute) is not a number")
      }
      return number
    }
    return (partition == nil ? 0 : try number("start"), try number("size"))
  }

  /// Makes the links that bootctl looks for: by partition identifier and by partition name.
  ///
  /// - Parameter identifier: as blkid spells it: a GUID, or an MBR's signature and the number.
  func linkByPartition(identifier: String, name partitionName: String) throws {
    try link("disk/by-partuuid", identifier)
    try link("disk/by-partlabel", udevEncoded(partitionName))
  }

  /// Makes the links that bootctl, grub-probe and fstab look for: by device number, and by the filesystem's UUID
  /// and label as blkid spells them; empty for none.
  func linkByFilesystem(uuid: String, label: String) throws {
    try link("block", try Files.text(of: "\(attributes)/dev").trimmingNewline)
    try link("disk/by-uuid", uuid)
    try link("disk/by-label", udevEncoded(label))
  }

  private func link(_ folder: String, _ linkName: String) throws {
    guard !linkName.isEmpty else { return }
    try Files.makeDirectories(folder, below: tree.dev)
    let up = String(repeating: "../", count: folder.split(separator: "/").count)
    try Files.makeLink("\(tree.dev)/\(folder)/\(linkName)", to: up + name)
  }
}

extension Filesystem {
  /// The UUID as blkid prints it, empty for none. A FAT volume id is 32 bits: the first four bytes.
  var deviceUUID: String {
    guard let uuid else { return "" }
    guard kind.hasVolumeID else { return uuid.description }
    let digits = uuid.description.uppercased()
    return "\(digits.prefix(4))-\(digits.dropFirst(4).prefix(4))"
  }
}

/// A name as udev spells it below `/dev/disk`: other ASCII than letters, digits and `#+-.:=@_` as `\xNN`
/// (systemd's `encode_devnode_name`).
func udevEncoded(_ name: String) -> String {
  var encoded = ""
  for character in name.unicodeScalars {
    let isPlain =
      !character.isASCII || character.properties.isAlphabetic || ("0"..."9").contains(character)
      || "#+-.:=@_".unicodeScalars.contains(character)
    if isPlain {
      encoded.unicodeScalars.append(character)
    } else {
      let digits = String(character.value, radix: 16)
      encoded += "\\x" + (digits.count < 2 ? "0" : "") + digits
    }
  }
  return encoded
}

extension String {
  /// The text of a sysfs attribute without the newline at its end.
  package var trimmingNewline: String {
    hasSuffix("\n") ? String(dropLast()) : self
  }
}
