internal import Basics
package import ImageModel

/// One step of a device path (UEFI 2.10, 10.3.2 to 10.3.5).
///
/// A node that its typed case would not write back byte for byte stays `generic`; nothing is lost.
package enum DevicePathNode: Hashable, Sendable {
  /// Hardware (1): a function of a device on a PCI bus.
  case pci(device: UInt8, function: UInt8)
  /// Of hardware (1), messaging (3) or media (4): a vendor's own.
  case vendor(VendorKind, GUID, [UInt8])
  /// ACPI (2): a device by its compressed identifier; PCI roots are of this kind.
  case acpi(identifier: UInt32, unique: UInt32)
  /// ACPI (2): video outputs, by their `_ADR`.
  case acpiAddress([UInt32])
  /// Messaging (3).
  case scsi(target: UInt16, unit: UInt16)
  case usb(port: UInt8, interface: UInt8)
  case sata(port: UInt16, multiplier: UInt16, unit: UInt16)
  case nvme(namespace: UInt32, identifier: UInt64)
  case mac([UInt8], interface: UInt8)
  case ipv4(IPv4Node)
  case ipv6(IPv6Node)
  case uri(String)
  /// Messaging (3): a serial line; bits per second, 0 for the device's own. Parity and stop bits by the numbers of
  /// 10.3.4.6.
  case uart(speed: UInt64, dataBits: UInt8, parity: UInt8, stopBits: UInt8)
  /// Media (4): a partition.
  case hardDrive(HardDrive)
  /// Media (4): a file's path, with backslashes.
  case file(String)
  /// Media (4): a file of a firmware volume.
  case firmwareFile(GUID)
  case firmwareVolume(GUID)
  /// Anything else. Types and subtypes are of the tables in 10.3.
  case generic(type: UInt8, subtype: UInt8, [UInt8])

  /// The three types that have a vendor's node.
  package enum VendorKind: Hashable, Sendable, CaseIterable {
    case hardware, messaging, media
  }

  /// A partition and where it is (UEFI 2.10, 10.3.5.1).
  package struct HardDrive: Hashable, Sendable {
    package enum Signature: Hashable, Sendable {
      case mbr(UInt32)
      case gpt(GUID)
    }

    package var partition: UInt32
    /// In blocks of the disk.
    package var start: UInt64
    package var size: UInt64
    package var signature: Signature

    package init(partition: UInt32, start: UInt64, size: UInt64, signature: Signature) {
      self.partition = partition
      self.start = start
      self.size = size
      self.signature = signature
    }
  }

  /// UEFI 2.10, 10.3.4.12.
  package struct IPv4Node: Hashable, Sendable {
    package var local: [UInt8]
    package var remote: [UInt8]
    package var localPort: UInt16
    package var remotePort: UInt16
    package var transport: UInt16
    package var isStatic: Bool
    package var gateway: [UInt8]
    package var mask: [UInt8]
  }

  /// UEFI 2.10, 10.3.4.13.
  package struct IPv6Node: Hashable, Sendable {
    package var local: [UInt8]
    package var remote: [UInt8]
    package var localPort: UInt16
    package var remotePort: UInt16
    package var transport: UInt16
    package var origin: UInt8
    package var prefixLength: UInt8
    package var gateway: [UInt8]
  }

  /// The identifier of a PCI root: PNP0A03, compressed as in ACPI 6.5, 19.3.4.
  package static let pciRootIdentifier: UInt32 = 0x0a03_41d0

  package static func pciRoot(_ unique: UInt32) -> Self {
    .acpi(identifier: pciRootIdentifier, unique: unique)
  }

  /// The node of those bytes, typed where a type fits exactly.
  package init(_ type: UInt8, _ subtype: UInt8, _ data: [UInt8]) {
    let typed = Self.decoded(type, subtype, data)
    let isExact = typed.map { $0.payload == (type, subtype, data) } ?? false
    self =
      isExact
      ? typed ?? .generic(type: type, subtype: subtype, data) : .generic(type: type, subtype: subtype, data)
  }

  /// The node with its header. Its size has 16 bits.
  package var bytes: [UInt8] {
    let (type, subtype, data) = payload
    var bytes = [type, subtype]
    bytes.append(littleEndian: UInt16(truncatingIfNeeded: 4 + data.count))
    return bytes + data
  }
}
