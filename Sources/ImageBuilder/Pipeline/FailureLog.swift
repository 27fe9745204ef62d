internal import Basics
internal import BuildMachine
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// The log that a failed build leaves: why it failed, all that its steps printed, and the guest's console.
struct FailureLog {
  /// Where it goes.
  let path: FilePath
  /// Whether it is for its owner alone, as the image would be.
  let isPrivate: Bool

  private static let suffix = ".failed.log"
  /// Its first words; a file without them is not ours to replace.
  private static let header = "slipway: log of a failed build"
  /// How much of the console is kept.
  private static let consoleLimit = 16 << 20

  init(for out: FilePath, at wanted: String?, isPrivate: Bool) {
    path =
      wanted.map { FilePath(URL(fileURLWithPath: $0).standardizedFileURL.path) }
      ?? FilePath(out.string + Self.suffix)
    self.isPrivate = isPrivate
  }

  /// Writes it.
  ///
  /// - Parameter console: the guest's console; it need not be there.
  /// - Returns: the error with the log's place, or with why there is no log.
  func keep(_ error: Fault, _ log: BuildLog, console: FilePath) async -> Fault {
    var result = error
    do {
      try await write(error, log, console)
      result.log = path.string
    } catch let fault as Fault {
      result.evidence.append("no log is kept: \(fault.message)")
    } catch {
      result.evidence.append("no log is kept: \(error)")
    }
    return result
  }

  /// Removes the log of an earlier build of the same output folder.
  func removeEarlier() {
    if isOurs { try? HostFiles.remove(path) }
  }

  private var isOurs: Bool {
    guard HostFiles.isRegularFile(path), let file = try? FileDescriptor.open(path, .readOnly) else {
      return false
    }
    defer { try? file.close() }
    var bytes = [UInt8](repeating: 0, count: Self.header.utf8.count)
    let count = (try? bytes.withUnsafeMutableBytes { try file.read(into: $0) }) ?? 0
    return bytes.prefix(count).elementsEqual(Self.header.utf8)
  }

  private func write(_ error: Fault, _ log: BuildLog, _ console: FilePath) async throws {
    guard !HostFiles.exists(path) || isOurs else {
      throw Fault(.failed, "\(path) exists, and is not the log of a failed build")
    }
    let temporary = path.removingLastComponent().appending(ClaimedFolder.uniqueName(".slipway-log-"))
    // The process may be killed in the moment in which the log has this name.
    let leftover = try await ProcessFolder.removeAtExit(temporary)
    defer { leftover.dismiss() }
    do {
      try WholeFile.make(path, replacingBy: temporary, mode: isPrivate ? 0o600 : 0o644) { file in
        func put(_ lines: [String]) throws {
          try file.writeAll(lines.map { TerminalText.escaped($0) + "\n" }.joined().utf8)
        }
        try put(["\(Self.header), slipway \(SlipwayVersion.named)", ""] + error.lines + ["", "Steps:"])
        try log.read { try file.writeAll($0) }
        if HostFiles.isRegularFile(console) {
          try put(["", "Console:"] + Self.consoleLines(console))
        }
      }
    } catch let failure as PathFailure {
      throw Fault(failure)
    } catch let error as Errno {
      throw Fault(PathFailure("write", path, error))
    }
  }

  private static func consoleLines(_ console: FilePath) throws -> [String] {
    String(decoding: try HostFiles.read(console).suffix(consoleLimit), as: UTF8.self)
      .split(omittingEmptySubsequences: false) { $0.isNewline }.map(String.init)
  }
}
