internal import Basics
internal import Command
internal import Crypto
internal import Foundation
internal import Libvirt
package import SystemPackage

/// The state of a machine that has booted and waits for its host to begin a session.
package struct SavedMachine: Hashable, Sendable {
  package let folder: FilePath
  private let record: Record

  /// `machine.json`.
  private struct Record: Hashable, Codable {
    var version: Int
    /// What the machine was started from.
    var inputs: [String: String]
    /// Bytes of the packed state.
    var size: Int64
    /// SHA-256 of the packed state, in hexadecimal.
    var digest: String
  }

  private static let recordName = "machine.json"
  private static let stateName = "state.zst"
  private var state: FilePath { folder.appending(Self.stateName) }

  /// A record is some 5 KiB long.
  private static let recordLimit = 1 << 20

  /// - Throws: `RestoreFailure` when the folder does not hold a saved machine of this key.
  init(in folder: FilePath, of key: StartKey) throws(RestoreFailure) {
    self.folder = folder
    do {
      let file = folder.appending(Self.recordName)
      guard try FileStatus(of: file, followingLinks: false).kind == .file else { throw Errno.invalidArgument }
      let bytes = try WholeFile.read(file, limit: Self.recordLimit)
      record = try JSONDecoder().decode(Record.self, from: Data(bytes))
      let state = try FileStatus(of: folder.appending(Self.stateName), followingLinks: false)
      guard state.kind == .file, Int64(exactly: state.size) == record.size else {
        throw RestoreFailure(reason: "its state does not have the size that it was saved with")
      }
    } catch {
      throw (error as? RestoreFailure) ?? RestoreFailure(reason: "its record or its state cannot be read")
    }
    guard record.version == SavedMachines.formatVersion, record.inputs == key.inputs else {
      throw RestoreFailure(reason: "it was saved from another start")
    }
  }

  /// Packs a state, and writes the record beside it.
  ///
  /// - Parameter folder: it has the state as a file `state`.
  /// - Throws: `Fault`, `CommandFailure`, `CancellationError`.
  static func pack(in folder: FilePath, of key: StartKey) async throws {
    // The fastest level: a state is unpacked far more often than it is packed, and at the same speed from any.
    try await SubprocessRunner().run(
      Command("zstd", ["-q", "-1", "--rm", "./state", "-o", stateName], folder: folder.string))
    let (size, digest) = try await measure(folder.appending(stateName))
    let record = Record(
      version: SavedMachines.formatVersion, inputs: key.inputs, size: size, digest: digest)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let json = Array(try encoder.encode(record))
    try attempt("write the record of a saved machine") {
      try WholeFile.write(json, to: folder.appending(recordName), mode: 0o600)
    }
  }

  /// Removes it, so that the next build saves it anew.
  package func discard() {
    try? TreeRemover.remove(folder)
  }

  /// Makes the domain of a session from it. The state is unpacked and compared with its digest on the way; the domain does
  /// not run before it is known to be whole.
  ///
  /// - Throws: `RestoreFailure`, `CancellationError`.
  func restore(
    _ xml: String, of session: MachineSession, on connection: Connection, in processFolder: ProcessFolder
  ) async throws -> Domain {
    let pipe = session.directory.appending("state")
    guard mkfifo(pipe.string, 0o600) == 0, symlink(state.string, "\(session.directory)/packed") == 0 else {
      throw RestoreFailure(reason: "no pipe could be made for it: \(Errno(rawValue: errno))")
    }
    // The shell opens the pipe, and so waits for libvirt to open it.
    let unpack = Command(
      "sh", ["-c", "exec zstd -q -d -c < packed > state"], folder: session.directory.string)
    let unpacking = Task { _ = try await SubprocessRunner().run(unpack) }
    let comparing = Task { try await Self.measure(state) }
    defer {
      unpacking.cancel()
      comparing.cancel()
    }
    do {
      let domain = try await PatientCall(
        attempt: "restore a machine",
        relieve: {
          EmbeddedDriver.killProbes(in: processFolder)
          EmbeddedDriver.killHypervisor(of: session, in: processFolder)
          Self.open(pipe)
        },
        dispose: { try? await $0.destroy() }
      ).run { try await connection.restoreDomain(from: pipe.string, xml: xml, name: session.name) }
      do {
        try await unpacking.value
        try compare(try await comparing.value)
        try await domain.resume()
        return domain
      } catch {
        try? await domain.destroy()
        throw error
      }
    } catch {
      try Task.checkCancellation()
      // What a hypervisor says of a damaged state is not the cause.
      try compare(try await comparing.value)
      throw RestoreFailure(error)
    }
  }

  private func compare(_ found: (size: Int64, digest: String)) throws(RestoreFailure) {
    guard found == (record.size, record.digest) else {
      throw RestoreFailure(reason: "its state is not the one that was saved")
    }
  }

  /// Ends libvirt's wait for a writer that never came.
  private static func open(_ pipe: FilePath) {
    try? FileDescriptor.open(pipe, .writeOnly, options: [.nonBlocking, .closeOnExec]).close()
  }

  /// Size and SHA-256 of a file.
  private static func measure(_ path: FilePath) async throws -> (size: Int64, digest: String) {
    try await onThread {
      let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
      return try file.closeAfter {
        var (hash, size) = (SHA256(), Int64(0))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        while true {
          try Cancellation.check()
          let count = try file.read(into: buffer)
          guard count > 0 else { return (size, Hexadecimal.text(hash.finalize())) }
          hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
          size += Int64(count)
        }
      }
    }
  }
}

/// A saved machine could not be restored. For whoever starts machines: it removes the saved one, and boots.
package struct RestoreFailure: Error, Hashable, Sendable {
  /// Why, as part of a sentence.
  package var reason: String

  package init(reason: String) {
    self.reason = reason
  }

  /// What an attempt ended with.
  package init(_ error: any Error) {
    reason =
      switch error {
      case let error as RestoreFailure: error.reason
      case let error as Fault: error.cause
      case let error as LibvirtError: error.message.split(separator: "\n").first.map(String.init) ?? ""
      case let error as CommandFailure: ([error.summary] + error.tail.suffix(1)).joined(separator: ": ")
      default: "\(error)"
      }
  }
}
