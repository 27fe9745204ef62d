internal import Basics
package import Command
internal import Foundation
internal import SystemPackage

/// The smallest guest that tells a processor from an emulation of one: it counts down, then says so.
///
/// KVM can be there, make machines, run a few instructions, and still be useless: under a hypervisor that hands
/// down no virtualisation the kernel may emulate every instruction, at some two million a second, and a real
/// guest then never gets to its first line of output. The loop takes some 10 ms on a processor and 17 s in such
/// an emulation; the time limit is far from both, so that a busy machine is not misjudged.
///
/// It runs in QEMU, as builds do: whatever hangs, hangs in another process, and can be killed.
package struct LoopGuest: Sendable {
  /// How it ended.
  package enum Outcome: Hashable, Sendable {
    /// It counted to the end.
    case finished
    /// It was still counting.
    case late
    /// It never ran; the text says why.
    case failed(String)
  }

  /// How often the loop runs.
  static let iterations: UInt32 = 20_000_000
  /// What the guest says at the end.
  private static let token = "K"

  private let runner: any CommandRunner
  private let limit: Duration

  package init(runner: any CommandRunner, limit: Duration = .seconds(3)) {
    self.runner = runner
    self.limit = limit
  }

  /// Runs it, and returns within the limit and a second, whatever becomes of the guest.
  ///
  /// - Parameter accelerator: what QEMU calls it: `kvm`.
  /// - Throws: `CancellationError`; `Fault` when its ROM cannot be written.
  package func run(accelerator: String) async throws -> Outcome {
    let rom = FilePath(NSTemporaryDirectory()).appending(ClaimedFolder.uniqueName("slipway-rom-"))
    defer { try? TreeRemover.remove(rom) }
    do {
      try WholeFile.write(Self.rom(iterations: Self.iterations), to: rom)
    } catch let failure as PathFailure {
      throw Fault(
        .hostNotAble,
        "the ROM of the KVM probe cannot be written: \(failure)",
        remedy: "Make room there, or set TMPDIR to another folder")
    }
    let command = Command(
      Architecture.current.emulator,
      [
        "-accel", accelerator, "-machine", Architecture.current.machineType, "-m", "16", "-nodefaults",
        "-no-user-config", "-display",
        "none", "-no-reboot", "-serial", "stdio", "-bios", rom.string,
      ])
    return try await race(command)
  }

  private func race(_ command: Command) async throws -> Outcome {
    let (outcomes, sink) = AsyncStream.makeStream(of: Outcome.self)
    let guest = Task {
      sink.yield(await outcome(of: command))
    }
    defer { guest.cancel() }
    let first = await next(of: outcomes, sink: sink, within: limit)
    if first == .late {
      guest.cancel()
      // A guest that cannot even be killed is left behind.
      _ = await next(of: outcomes, sink: sink, within: .seconds(1))
    }
    try Task.checkCancellation()
    return first
  }

  private func next(
    of outcomes: AsyncStream<Outcome>, sink: AsyncStream<Outcome>.Continuation, within limit: Duration
  ) async -> Outcome {
    let alarm = Task {
      try await Task.sleep(for: limit)
      sink.yield(.late)
    }
    defer { alarm.cancel() }
    return await outcomes.first { _ in true } ?? .late
  }

  private func outcome(of command: Command) async -> Outcome {
    do {
      let output = try await runner.run(command)
      return output.contains(Self.token) ? .finished : .failed("QEMU ended before its guest did")
    } catch let failure as CommandFailure {
      return .failed(([failure.summary] + failure.tail.suffix(1)).joined(separator: ": "))
    } catch {
      return .failed("\(error)")
    }
  }

  /// 64 KiB of BIOS: the last 16 bytes are where an x86 processor starts, in real mode.
  static func rom(iterations: UInt32) -> [UInt8] {
    var program: [UInt8] = [0x66, 0xb9]  // mov ecx, iterations
    program += (0..<4).map { UInt8(truncatingIfNeeded: iterations >> (8 * $0)) }
    program += [0x66, 0x49]  // dec ecx
    program += [0x75, 0xfc]  // jnz to the dec
    program += [0xba, 0xf8, 0x03, 0xb0] + Array(token.utf8) + [0xee]  // out 0x3f8, token: the serial port
    program += [0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee]  // out 0xcf9, 6: reset, which ends QEMU
    program += [0xf4, 0xeb, 0xfd]  // hlt; jmp to the hlt
    var rom = program + [UInt8](repeating: 0xf4, count: 0x10000 - program.count)
    rom.replaceSubrange(0xfff0..<0xfff5, with: [0xea, 0x00, 0x00, 0x00, 0xf0])  // jmp f000:0000
    return rom
  }
}
