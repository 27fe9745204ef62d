import Basics
import Foundation
import Testing

@testable import ImageBuilder

@Suite(.timeLimit(.minutes(1))) struct TerminalLinkTests {
  @Test("a thread that waits for input comes back, and writes nothing afterwards")
  func aWaitingPumpEnds() async throws {
    let (source, sink) = (Pipe(), Pipe())
    let stop = try StopSign()
    let (input, output) = (
      source.fileHandleForReading.fileDescriptor, sink.fileHandleForWriting.fileDescriptor
    )
    let pump = Task { try await onThread { TerminalLink.pump(from: input, to: output, until: stop) } }
    source.fileHandleForWriting.write(Data("a".utf8))
    #expect(sink.fileHandleForReading.readData(ofLength: 1) == Data("a".utf8))
    stop.raise()
    _ = try await pump.value
    source.fileHandleForWriting.write(Data("late".utf8))
    #expect(waiting(in: sink).isEmpty)
  }

  @Test("a thread whose reader does not read comes back")
  func aBlockedPumpEnds() async throws {
    let (source, sink) = (Pipe(), Pipe())
    let stop = try StopSign()
    let (input, output) = (
      source.fileHandleForReading.fileDescriptor, sink.fileHandleForWriting.fileDescriptor
    )
    let pump = Task { try await onThread { TerminalLink.pump(from: input, to: output, until: stop) } }
    // More than the pipe behind it holds.
    let filler = Task { try await onThread { source.fileHandleForWriting.write(Data(count: 100_000)) } }
    try await filler.value
    stop.raise()
    _ = try await pump.value
    #expect(sink.fileHandleForReading.availableData.count > 0)
  }

  @Test func theEndOfTheInputEndsThePump() async throws {
    let (source, sink) = (Pipe(), Pipe())
    let stop = try StopSign()
    let (input, output) = (
      source.fileHandleForReading.fileDescriptor, sink.fileHandleForWriting.fileDescriptor
    )
    let pump = Task { try await onThread { TerminalLink.pump(from: input, to: output, until: stop) } }
    source.fileHandleForWriting.write(Data("script".utf8))
    try source.fileHandleForWriting.close()
    _ = try await pump.value
    #expect(sink.fileHandleForReading.availableData == Data("script".utf8))
  }

  @Test("what comes behind the key that leaves is not carried")
  func theKeyLeaves() async throws {
    let (source, sink) = (Pipe(), Pipe())
    let stop = try StopSign()
    let (input, output) = (
      source.fileHandleForReading.fileDescriptor, sink.fileHandleForWriting.fileDescriptor
    )
    source.fileHandleForWriting.write(Data("ls\n\u{1d}rm\n".utf8))
    let end = try await onThread { TerminalLink.pump(from: input, to: output, until: stop, leavingAt: 0x1d) }
    #expect(end == .left)
    #expect(waiting(in: sink) == Array("ls\n".utf8))
  }

  /// What is in a pipe. Its end may never come: a program that another test has just started holds it open, too.
  private func waiting(in pipe: Pipe) -> [UInt8] {
    let descriptor = pipe.fileHandleForReading.fileDescriptor
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = read(descriptor, &bytes, bytes.count)
    return Array(bytes.prefix(max(count, 0)))
  }
}
