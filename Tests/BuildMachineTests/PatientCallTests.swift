internal import Basics
import Synchronization
import Testing

@testable import BuildMachine

@Suite struct PatientCallTests {
  private struct Refusal: Error, Equatable {}

  /// Waits as libvirt does: until somebody opens the gate, whatever becomes of the task.
  private static func wait(for gate: OneShot<Void>) async {
    while gate.value == nil { try? await Task.sleep(for: .milliseconds(1)) }
  }

  @Test func anAnswerInTimeIsGivenOn() async throws {
    let call = PatientCall<Int>(attempt: "ask", relieve: { Issue.record("relieved") })
    #expect(try await call.run { 7 } == 7)
    await #expect(throws: Refusal()) { try await call.run { throw Refusal() } }
  }

  @Test func aCallWithoutAnswerIsRelievedAndNamed() async throws {
    let gate = OneShot<Void>()
    let call = PatientCall<Int>(
      attempt: "start a machine", limit: .milliseconds(20), relieve: { gate.set(()) })
    let error = await #expect(throws: Fault.self) {
      try await call.run {
        await Self.wait(for: gate)
        throw Refusal()
      }
    }
    #expect(error?.failure == "could not start a machine")
    #expect(error?.cause.contains("did not answer") == true)
  }

  @Test func aCancelledCallIsRelievedAtOnce() async throws {
    let gate = OneShot<Void>()
    let call = PatientCall<Int>(attempt: "ask", limit: .seconds(600), relieve: { gate.set(()) })
    let task = Task {
      try await call.run {
        await Self.wait(for: gate)
        throw Refusal()
      }
    }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  /// The relief came too late: what the call brings is nobody's.
  @Test func whatComesTooLateIsDisposedOf() async throws {
    let gate = OneShot<Void>()
    let disposed = OneShot<Int>()
    let call = PatientCall<Int>(
      attempt: "ask", limit: .milliseconds(20), relieve: { gate.set(()) }, dispose: { disposed.set($0) })
    await #expect(throws: Fault.self) {
      try await call.run {
        await Self.wait(for: gate)
        return 7
      }
    }
    #expect(try await disposed.get() == 7)
  }
}
