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
    guard size <= Self.limit else {
      throw Fault(
        kind,
        "the firmware file \(path) is qcow2 of \(ByteSize(bytes: size)), and no flash image is that large",
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
    try await convert(to: name, in: folder, runner)
    return "\(folder)/\(name)"
  }

  /// Tools get names of ours only, in the folder that they run in: a path can be more than a name to them.
  private func convert(to name: String, in folder: String, _ runner: any CommandRunner) async throws {
    let link = "\(name).qcow2"
    let fault = { (reason: String, details: [String]) in
      Fault(
        .badInput,
        "the firmware file \(path) is qcow2 and cannot be converted: \(([reason] + details).joined(separator: "; "))",
        remedy: "Check it: qemu-img check FILE; or convert it by hand: qemu-img convert -O raw IN OUT")
    }
    do {
      let place = FilePath(folder).appending(link)
      try Folder.link(place, to: FilePath(path))
      defer { try? TreeRemover.remove(place) }
      try await runner.run(
        Command("qemu-img", ["convert", "-q", "-f", "qcow2", "-O", "raw", link, name], folder: folder))
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
