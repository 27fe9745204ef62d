internal import ArgumentParser
internal import Basics
internal import BuildPlan
internal import Testing

@testable internal import ImageBuilder
@testable internal import slipway

private typealias ExitStatus = slipway.ExitStatus

/// How the command ends, and what it prints then.
@Suite struct ErrorTests {
  private struct Oddity: Error, CustomStringConvertible {
    var description: String { "odd" }
  }

  @Test(
    arguments: [
      (Fault(.badInput, "x"), ExitStatus.badInput), (Fault(.failed, "x"), .failed),
      (Fault(.hostNotAble, "x"), .hostNotAble), (SpecError("key", "x", remedy: "y"), .badInput),
      (CancellationError(), .interrupted), (Oddity(), .failed),
    ] as [(any Error, ExitStatus)])
  fileprivate func eachKindHasItsCode(error: any Error, status: ExitStatus) {
    #expect(ExitStatus.status(of: error) == status)
  }

  @Test func theParsersOwnErrorsAreItsOwn() throws {
    #expect(ExitStatus.status(of: ValidationError("x")) == nil)
    #expect(ExitStatus.status(of: CleanExit.helpRequest()) == nil)
    let unknown = try #require(throws: (any Error).self) { try Slipway.parseAsRoot(["--unheard-of"]) }
    #expect(ExitStatus.status(of: unknown) == nil)
  }

  @Test func theCodesAreTheDocumentedOnes() {
    let codes = [ExitStatus.done, .failed, .badInput, .hostNotAble, .interrupted].map(\.rawValue)
    #expect(codes == [0, 1, 2, 3, 130])
  }

  @Test func theCauseIsFirstThenTheRemedyThenTheEvidence() {
    let fault = Fault(
      .failed, "could not do it", cause: "it broke", remedy: "Mend it", evidence: ["$ tool", "| words"])
    #expect(
      ExitStatus.lines(of: fault) == ["could not do it: it broke", "Mend it", "  $ tool", "  | words"])
    #expect(ExitStatus.lines(of: CancellationError()) == ["interrupted; nothing was left behind"])
    #expect(ExitStatus.lines(of: Oddity()) == ["odd"])
  }
}
