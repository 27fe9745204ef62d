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
  private let runner = SubprocessRunner()

  private static let disk = "disk.raw"
  private static let copy = "program"

  /// - Parameter tools: an empty private folder.
  init(_ found: BootDisk, on disk: FilePath, in tools: ToolFolder) throws {
    self.found = found
    self.tools = tools
    try tools.link(disk, as: Self.disk)
  }

  /// A name as mtools takes it for that name, and not for a pattern.
  private static func literal(_ name: Substring) -> String {
    String(name.flatMap { "[*?".contains($0) ? [#"\"#, $0] : [$0] })
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
    let name = "::" + path.split(separator: #"\"#).map { "/" + Self.literal($0) }.joined()
    do {
      try await runner.run(
        tools.command(
          "mcopy", ["-n", "-i", "\(Self.disk)@@\(offset)", name, Self.copy],
          environment: ["LC_ALL": "C.UTF-8", "MTOOLSRC": "/dev/null"]))
    } catch let failure as CommandFailure {
      throw Fault(
        .failed, "could not read \(printable(path)) from partition \(partition.number): \(failure.summary)",
        evidence: failure.evidence)
    }
    let file = try FileDescriptor.open(copy, .readOnly)
    let header = try file.closeAfter {
      var bytes = [UInt8](repeating: 0, count: EFIProgram.headerSize)
      let count = try bytes.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 0, into: $0) }
      return Array(bytes.prefix(count))
    }
    return EFIProgram.isProgram(header) ? try HostFiles.read(copy) : nil
  }
}
