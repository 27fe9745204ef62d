import Foundation
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// The place of one row: folders of its own, and a mount namespace in which one of them is /tmp. What a run leaves
/// there, and every process that is still in that namespace, is the run's.
final class Bench: Sendable {
  let folder: FilePath
  private let findings = Mutex<[String]>([])
  private let lastStatus = Mutex<Int32?>(nil)
  private let alarms = Mutex<[Task<Void, any Error>]>([])

  /// The folder that output folders are made in.
  var out: FilePath { folder.appending("out") }
  /// What /tmp is.
  var tmp: FilePath { folder.appending("tmp") }
  /// What a row brings along; not looked at afterwards.
  var inputs: FilePath { folder.appending("inputs") }

  init() throws {
    folder = FilePath("/var/tmp/slipway-drill-\(UUID().uuidString.prefix(8))")
    for path in [folder, out, tmp, inputs] { try FileManager.default.makeFolder(path) }
  }

  var status: Int32? { lastStatus.withLock(\.self) }
  var misses: [String] { findings.withLock(\.self) }

  /// Notes a miss unless it holds.
  func expect(_ holds: Bool, _ what: @autoclosure () -> String) {
    guard !holds else { return }
    findings.withLock { $0.append(what()) }
  }

  /// Runs slipway in the row's namespace.
  ///
  /// - Parameters:
  ///   - setUp: shell commands that run before it, such as mounts of small filesystems.
  ///   - command: the shell's word for slipway and its arguments, redirections included.
  ///   - limit: after which it counts as hung; long, as nothing depends on how fast this machine is.
  ///   - meanwhile: is given slipway's process id.
  @discardableResult
  func run(
    _ arguments: [String], setUp: String = ":", command: String = "exec \"$@\"",
    environment: [String: String] = [:], limit: Duration = .seconds(900),
    meanwhile: @escaping @Sendable (Int32) async throws -> Void = { _ in }
  ) async throws -> SlipwayCommand.Result {
    let script = """
      mount --bind '\(tmp)' /tmp || exit 99
      { \(setUp); } || exit 99
      cd /tmp
      \(command)
      """
    let result = try await SlipwayCommand.run(
      arguments, wrapper: ["unshare", "--mount", "sh", "-c", script, "drill"],
      environment: environment.merging(["TMPDIR": "/tmp"]) { own, _ in own }
    ) { process in
      let alarm = Task { try await self.end(process, after: limit) }
      self.alarms.withLock { $0.append(alarm) }
      try await meanwhile(process)
    }
    lastStatus.withLock { $0 = result.status }
    expect(result.status != 99, "the row's namespace could not be set up: \(result.errors)")
    expect(!Self.isCrash(result), "crashed with \(result.status): \(result.errors.suffix(300))")
    expect(
      !(result.output + result.errors).unicodeScalars.contains("\u{1B}"), "an escape character was printed")
    return result
  }

  private func end(_ process: Int32, after limit: Duration) async throws {
    try await Task.sleep(for: limit)
    guard processes().contains(where: { $0.id == process }) else { return }
    expect(false, "hung for \(limit)")
    for process in processes() { kill(process.id, SIGKILL) }
    kill(process, SIGKILL)
  }

  /// A signal that nobody sent: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV; or a dump of Swift's.
  private static func isCrash(_ result: SlipwayCommand.Result) -> Bool {
    [132, 133, 134, 135, 136, 139].contains(result.status) || result.errors.contains("Fatal error:")
  }

  /// Expects the exit code, and words of the cause.
  func expect(
    _ result: SlipwayCommand.Result, status: Int32, says words: String? = nil
  ) {
    expect(
      result.status == status, "exit code \(result.status) instead of \(status): \(result.errors.suffix(500))"
    )
    guard let words else { return }
    let said = (try? Regex(words).ignoresCase()).map(result.errors.contains) ?? false
    expect(said, "'\(words)' is not in: \(result.errors.suffix(500))")
  }

  /// Processes of the row's mount namespaces, told by its `/tmp`: the kernel gives a namespace's number again.
  func processes() -> [(id: Int32, command: String)] {
    let mount = "/\(folder.lastComponent?.string ?? "")/tmp /tmp "
    let ids = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap(Int32.init)
    return ids.compactMap { id in
      guard let mounts = FileManager.default.contents(atPath: "/proc/\(id)/mountinfo"),
        mounts.firstRange(of: Data(mount.utf8)) != nil,
        let text = FileManager.default.contents(atPath: "/proc/\(id)/cmdline")
      else { return nil }
      return (id, String(decoding: text, as: UTF8.self).replacing("\0", with: " "))
    }
  }

  /// Processes, files and folders that should be gone; waits for the watchdog of a process that was killed. The log of a
  /// failed build is meant to stay.
  ///
  /// - Parameter expected: names in `out`.
  func leftovers(besides expected: Set<String>) async throws -> [String] {
    var left: [String] = []
    for _ in 0..<300 {
      left = processes().map { "process \($0.id) \($0.command.prefix(120))" } + (try files(besides: expected))
      if left.isEmpty { break }
      try await Task.sleep(for: .milliseconds(200))
    }
    return left
  }

  private func files(besides expected: Set<String>) throws -> [String] {
    let manager = FileManager.default
    let made = try manager.contentsOfDirectory(atPath: out.string).filter {
      !expected.contains($0) && !$0.hasSuffix(".failed.log")
    }
    return made.map { "out/\($0)" }
      + (try manager.contentsOfDirectory(atPath: tmp.string)).map { "tmp/\($0)" }
  }

  /// Ends what a miss left behind, and removes the row's folder.
  func close() {
    alarms.withLock { alarms in alarms.forEach { $0.cancel() } }
    for process in processes() { kill(process.id, SIGKILL) }
    try? FileManager.default.removeItem(atPath: folder.string)
  }
}

extension FileManager {
  func makeFolder(_ path: FilePath) throws {
    try createDirectory(atPath: path.string, withIntermediateDirectories: true)
  }
}
