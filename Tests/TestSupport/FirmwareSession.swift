internal import Command
internal import EFIVariables
internal import Foundation
package import SystemPackage

/// A machine that runs its firmware and nothing else, for what that leaves in its store.
package enum FirmwareSession {
  /// Boots until the store holds boot entries and has been quiet for two seconds, and ends the machine.
  ///
  /// - Parameters:
  ///   - devices: QEMU's arguments; `DISK` stands for a raw disk.
  package static func run(_ store: FilePath, devices: [String] = [], disk: String = "") async throws {
    let url = URL(fileURLWithPath: store.string)
    let first = try counter(url)
    try await withThrowingTaskGroup { group in
      group.addTask {
        try await machine(store, devices.map { $0.replacingOccurrences(of: "DISK", with: disk) })
      }
      defer { group.cancelAll() }
      while true {
        let bytes = try Data(contentsOf: url)
        try await Task.sleep(for: .seconds(2))
        // The firmware raises the counter early, and writes its boot options last.
        guard try Data(contentsOf: url) == bytes, let now = try? VariableStore(reading: Array(bytes)),
          now[.bootOrder] != nil, now[.monotonicCounter]?.data != first
        else { continue }
        return
      }
    }
  }

  private static func counter(_ store: URL) throws -> [UInt8]? {
    try VariableStore(reading: Array(Data(contentsOf: store)))[.monotonicCounter]?.data
  }

  private static func machine(_ store: FilePath, _ devices: [String]) async throws {
    let isSmall = try Data(contentsOf: URL(fileURLWithPath: store.string)).count == 128 << 10
    let code = isSmall ? "OVMF_CODE.fd" : "OVMF_CODE_4M.fd"
    do {
      try await SubprocessRunner().run(
        Command(
          "qemu-system-x86_64",
          [
            "-machine", "q35", "-accel", "tcg", "-m", "256", "-display", "none", "-net", "none", "-drive",
            "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/\(code)", "-drive",
            "if=pflash,format=raw,file=\(store)",
          ] + devices))
    } catch is CancellationError {
      // Its end is ours to say.
    }
  }
}
