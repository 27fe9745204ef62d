internal import Command
internal import Foundation
package import SystemPackage

/// An EFI variable store, as virt-firmware's tools read it.
package struct VariableStore: Sendable {
  /// The hard-drive node of a load option's device path.
  package struct HardDrive: Sendable {
    package var partition: String
    package var start: UInt64
    package var size: UInt64
  }

  private let file: FilePath

  package init(_ file: FilePath) {
    self.file = file
  }

  /// Where the `Boot####` entry "Linux Boot Manager" points; nil when there is none.
  package func linuxBootManager() async throws -> HardDrive? {
    let tool = TestSystem.repository(".cache/tools/bin/python")
    let output = try await SubprocessRunner().run(tool, "-c", Self.script, file.string)
    let words = output.split(separator: " ").map(String.init)
    guard words.count == 3, let start = UInt64(words[1]), let size = UInt64(words[2]) else { return nil }
    return HardDrive(partition: words[0], start: start, size: size)
  }

  /// Prints GUID, start and size of the HD() node. virt-fw-vars prints no start and size, so its library does it.
  private static let script = """
    import struct, sys, uuid
    from virt.firmware.varstore import autodetect
    from virt.firmware.efi import bootentry
    store = autodetect.open_varstore(sys.argv[1])
    for name, var in sorted(store.get_varlist().items()):
        if not name.startswith("Boot0"):
            continue
        entry = bootentry.BootEntry(data=var.data)
        if str(entry.title) != "Linux Boot Manager":
            continue
        node = entry.devicepath[0]
        assert (node.devtype, node.subtype) == (4, 1), "the entry does not start at a hard drive"
        number, start, size = struct.unpack_from("<LQQ", node.data)
        print(uuid.UUID(bytes_le=bytes(node.data[20:36])), start, size)
    """
}
