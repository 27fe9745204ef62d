internal import Basics
internal import Command
internal import EFIVariables
internal import Foundation
internal import SystemPackage

/// Reads the EFI programs of FAT filesystems on a raw disk, by mtools: the host mounts nothing that a guest wrote.
struct ProgramReader: Sendable {
  /// What is on the disk.
  let found: BootDisk
  /// A private folder that has the disk as `disk.raw`.
  private let tools: ToolFolder

  private static let copy = "program"

  /// - Parameter tools: an empty private folder.
  init(_ found: BootDisk, on disk: FilePath, in tools: ToolFolder) throws {
    self.found = found
    self.tools = tools
    try tools.link(disk, as: FATReader.disk)
  }

  /// The bytes of a file; nil when it is no program.
  ///
  /// The filesystem bounds its size.
  ///
  /// - Throws: `Fault` when it cannot be read.
  func program(_ path: String, in partition: BootDisk.Partition) async throws -> [UInt8]? {
    let copy = tools.path.appending(Self.copy)
    defer { try? HostFiles.remove(copy) }
    let offset = partition.start * found.sectorSize
    try await FATReader(tools: tools, blame: .failed).copy(
      path.replacing(#"\"#, with: "/"), at: offset, of: "partition \(partition.number)", to: Self.copy)
    let file = try FileDescriptor.open(copy, .readOnly)
    let header = try file.closeAfter {
      var bytes = [UInt8](repeating: 0, count: EFIProgram.headerSize)
      let count = try bytes.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 0, into: $0) }
      return Array(bytes.prefix(count))
    }
    return EFIProgram.isProgram(header) ? try HostFiles.read(copy) : nil
  }
}
