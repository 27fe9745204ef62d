package import Basics
package import BuildPlan
package import Command
internal import ImageModel
internal import SystemPackage

/// A file with a flash image, the firmware's code or its variables: raw, or in the format qcow2, as Fedora ships them.
///
/// The format is told by the file's content: a raw flash image begins with 16 bytes of zero (UEFI PI 1.8, 3.2.1), a qcow2
/// file with its own mark.
package struct FlashFile: Hashable, Sendable {
  /// Where it is.
  package let path: String
  /// Whether it has to be converted before a machine, or a reader of stores, gets it.
  package let isQcow2: Bool
  /// The size of the flash image, in bytes.
  package let size: UInt64

  /// The largest there are: AAVMF's have 64 MiB.
  private static let limit: UInt64 = 256 << 20

  /// Looks at a file.
  ///
  /// - Parameter kind: who must act when it cannot be used; by default whoever named it.
  /// - Throws: `Fault` for a file that cannot be read, and for one in qcow2 that is not whole by itself.
  package init(_ path: String, kind: Fault.Kind = .badInput) throws(Fault) {
    func unusable(_ reason: String) -> Fault {
      Fault(kind, "the firmware file \(path) cannot be used: \(reason)", remedy: FirmwareSearch.remedy)
    }
    let (status, start): (FileStatus, [UInt8])
    do throws(Errno) {
      status = try FileStatus(of: FilePath(path))
      // A FIFO would be waited for.
      start =
        status.kind == .file ? try WholeFile.beginning(of: FilePath(path), count: Qcow2Header.length) : []
    } catch {
      throw unusable("\(error)")
    }
    guard status.kind == .file else { throw unusable("it is not a regular file") }
    let header = Qcow2Header(start)
    self.path = path
    isQcow2 = header != nil
    size = header?.size ?? status.size
    guard let header else { return }
    guard !header.needsOtherFiles, !header.isEncrypted else {
      throw Fault(
        kind,
        "the firmware file \(path) is qcow2 "
          + (header.isEncrypted
            ? "and encrypted" : "with a backing file or an external data file, and those are not read"),
        remedy: "Make one file of it: qemu-img convert -O raw IN OUT")
    }
    let largest = max(size, status.size)
    guard largest <= Self.limit else {
      throw Fault(
        kind,
        "the firmware file \(path) is qcow2 of \(ByteSize(bytes: largest)), and no flash image is that large",
        remedy: "Check the path")
    }
  }

  /// The path of a raw file with the flash image: the file itself, or `name` in the folder, which is made.
  ///
  /// - Parameters:
  ///   - folder: a private folder.
  ///   - runner: runs qemu-img.
  /// - Throws: `Fault`, `CancellationError`.
  package func raw(named name: String, in folder: String, _ runner: any CommandRunner) async throws -> String
  {
    guard isQcow2 else { return path }
    let copy = "\(name).qcow2"
    defer { try? TreeRemover.remove(FilePath(folder).appending(copy)) }
    try await convert(["-f", "qcow2", "-O", "raw", copy, name], copy: copy, in: folder, runner)
    return "\(folder)/\(name)"
  }

  /// The file's bytes with another flash image of the same size in it. What else a file in qcow2 has, such as snapshots and the
  /// size of its clusters, stays as it is.
  ///
  /// - Parameters:
  ///   - image: the flash image.
  ///   - folder: a private folder.
  ///   - runner: runs qemu-img.
  /// - Throws: `Fault`, `PathFailure`, `CancellationError`.
  package func replacing(with image: [UInt8], in folder: String, _ runner: any CommandRunner) async throws
    -> [UInt8]
  {
    guard isQcow2 else { return image }
    let (raw, copy) = ("new.fd", "new.qcow2")
    try WholeFile.write(image, to: FilePath(folder).appending(raw), mode: 0o600)
    try await convert(["-n", "-f", "raw", "-O", "qcow2", raw, copy], copy: copy, in: folder, runner)
    return try WholeFile.read(FilePath(folder).appending(copy))
  }

  /// Runs a conversion with a copy of the file: it may be locked, and a path can be more than a name to a tool.
  private func convert(
    _ arguments: [String], copy: String, in folder: String, _ runner: any CommandRunner
  ) async throws {
    let fault = { (reason: String, details: [String]) in
      Fault(
        .badInput,
        "the firmware file \(path) is qcow2 and cannot be converted: \(([reason] + details).joined(separator: "; "))",
        remedy: "Check it: qemu-img check FILE; or convert it by hand: qemu-img convert -O raw IN OUT")
    }
    do {
      try WholeFile.copy(FilePath(path), to: FilePath(folder).appending(copy), mode: 0o600)
      try await runner.run(Command("qemu-img", ["convert", "-q"] + arguments, folder: folder))
    } catch let failure as CommandFailure {
      throw fault(failure.summary, failure.evidence)
    } catch let failure as PathFailure {
      throw fault("\(failure)", [])
    }
  }
}

extension FirmwarePair {
  /// The files that `raw` makes for code and variables in qcow2.
  package static let convertedNames = ["firmware-code.fd", "firmware-vars.fd"]

  /// The pair as a machine takes it: both files raw, those in qcow2 converted into `folder`.
  ///
  /// - Throws: `Fault`, `CancellationError`.
  package func raw(in folder: String, _ runner: any CommandRunner) async throws -> FirmwarePair {
    var pair = self
    pair.code = try await FlashFile(code).raw(named: Self.convertedNames[0], in: folder, runner)
    pair.variablesTemplate = try await FlashFile(variablesTemplate)
      .raw(named: Self.convertedNames[1], in: folder, runner)
    return pair
  }
}
