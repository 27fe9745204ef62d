internal import Basics
internal import Command
internal import EFIVariables

/// Reads FAT filesystems on a raw disk by mtools, in a process of its own: the host mounts nothing that a guest wrote.
struct FATReader: Sendable {
  /// A private folder that has the disk by the name below.
  let tools: ToolFolder
  /// Who must act when a filesystem cannot be read.
  let blame: Fault.Kind

  static let disk = "disk.raw"

  private static let environment = ["LC_ALL": "C.UTF-8", "MTOOLSRC": "/dev/null"]
  private static let runner = SubprocessRunner()

  /// Every file and directory, by its path from the root of the filesystem; directories end with a slash.
  ///
  /// - Parameters:
  ///   - offset: where the filesystem begins on the disk, in bytes.
  ///   - partition: what is said of it in errors.
  /// - Throws: `Fault`, `CancellationError`.
  func paths(at offset: UInt64, of partition: String) async throws -> [String] {
    let listing = tools.command(
      "mdir", ["-/", "-a", "-b", "-i", "\(Self.disk)@@\(offset)", "::"], environment: Self.environment)
    do {
      return try await Self.runner.run(listing).split(separator: "\n").map { String($0.dropFirst(3)) }
    } catch let failure as CommandFailure {
      // What mdir says of an empty filesystem.
      if failure.tail.contains(where: { $0.hasSuffix(#"File "::" not found"#) }) { return [] }
      guard case .notStarted = failure.reason else {
        throw Fault(
          blame, "the FAT filesystem of \(partition) cannot be read: \(failure.summary)",
          remedy: "It is damaged: check it with fsck.fat", evidence: failure.evidence)
      }
      throw Fault(
        .hostNotAble, "mdir cannot be run, which reads the files of an EFI system partition",
        remedy: "Install mtools (Debian: apt install mtools)", evidence: failure.evidence)
    }
  }

  /// Copies a file into the folder.
  ///
  /// The filesystem bounds its size.
  ///
  /// - Parameter name: a name that is ours.
  /// - Throws: `Fault`, `CancellationError`.
  func copy(_ path: String, at offset: UInt64, of partition: String, to name: String) async throws {
    let source = "::" + path.split(separator: "/").map { "/" + Self.literal($0) }.joined()
    do {
      try await Self.runner.run(
        tools.command(
          "mcopy", ["-n", "-i", "\(Self.disk)@@\(offset)", source, name], environment: Self.environment))
    } catch let failure as CommandFailure {
      throw Fault(
        .failed, "could not read \(printable(path)) from \(partition): \(failure.summary)",
        evidence: failure.evidence)
    }
  }

  /// A name as mtools takes it for that name, and not for a pattern.
  private static func literal(_ name: Substring) -> String {
    String(name.flatMap { "[*?".contains($0) ? [#"\"#, $0] : [$0] })
  }
}
