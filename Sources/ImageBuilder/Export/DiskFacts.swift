internal import Basics
internal import BuildPlan
internal import EFIVariables
internal import ImageModel
internal import SystemPackage

/// What a finished disk says of itself that is worth telling: what starts it, and how much room is left.
struct DiskFacts {
  let loaders: [BuildResult.Loader]
  let rootFree: UInt64?

  /// Reads them.
  ///
  /// - Throws: `Fault`.
  init(of disk: SealedDisk) throws {
    (loaders, rootFree) = try DiskFile.with(disk.path) { file in
      (Self.efiLoaders(disk) + (try Self.biosLoaders(disk, file)), try Self.rootFree(disk.layout, file))
    }
  }

  private static func efiLoaders(_ disk: SealedDisk) -> [BuildResult.Loader] {
    guard let variables = disk.variables else { return [] }
    var files = DiskCheck(of: variables, on: disk.boot).programs.map(\.path)
    if files.isEmpty, disk.boot.hasFallbackLoader { files = [Architecture.current.fallbackLoader] }
    let all = disk.boot.partitions.compactMap(\.files).joined()
    return files.map { file in
      // The fallback is a copy of a loader that is beside it.
      let isFallback = file.uppercased() == Architecture.current.fallbackLoader
      let name = name(of: file) ?? (isFallback ? all.sorted().lazy.compactMap(name).first : nil)
      return BuildResult.Loader(firmware: .efi, name: name, file: printable(file))
    }
  }

  private static func name(of file: String) -> String? {
    let file = file.lowercased()
    if file.contains("systemd-boot") { return "systemd-boot" }
    if file.contains("grub") { return "GRUB" }
    return file.hasPrefix(#"\efi\linux\"#) && file.hasSuffix(".efi") ? "unified kernel image" : nil
  }

  private static func biosLoaders(_ disk: SealedDisk, _ file: DiskFile) throws -> [BuildResult.Loader] {
    let table = disk.layout
    let isForBIOS = table.table == .mbr || table.partitions.contains { $0.type == .biosBoot }
    guard isForBIOS, try BIOSLoader.problem(on: file, disk.table) == nil else { return [] }
    return [BuildResult.Loader(firmware: .bios, name: try BIOSLoader.isGRUB(on: file) ? "GRUB" : nil)]
  }

  /// By the superblock: free blocks, and the size of one ("Super Block", the kernel's documentation of ext4).
  private static func rootFree(_ disk: DiskLayout, _ file: DiskFile) throws -> UInt64? {
    guard let root = disk.root, root.filesystem?.kind.hasInodeTable == true else { return nil }
    let (start, isTooLarge) = root.start.multipliedReportingOverflow(by: disk.sectorSize)
    guard !isTooLarge, start < file.size else { return nil }
    let superblock = try file.bytes(1024, at: start + 1024)
    let has64Bits = superblock.littleEndian(at: 0x60, 4) & 0x80 != 0
    let high = has64Bits ? superblock.littleEndian(at: 0x158, 4) << 32 : 0
    let shift = 10 + superblock.littleEndian(at: 0x18, 4)
    let (bytes, isWrong) = (high | superblock.littleEndian(at: 0xc, 4)).multipliedReportingOverflow(
      by: shift <= 16 ? 1 << shift : 0)
    return isWrong || bytes > file.size ? nil : bytes
  }
}
