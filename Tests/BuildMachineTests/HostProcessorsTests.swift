import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import BuildMachine

@Suite struct HostProcessorsTests {
  @Test func theListIsTheKernels() async throws {
    try await withScratchDirectory { scratch in
      let status = scratch.appending("status").string
      try "Name:\tslipway\nCpus_allowed:\t10f\nCpus_allowed_list:\t0-3,8\nMems_allowed:\t1\n".write(
        toFile: status, atomically: true, encoding: .utf8)
      #expect(HostProcessors.allowed(status: status) == "0-3,8")
    }
  }

  @Test func thisProcessMayUseSome() {
    #expect(HostProcessors.allowed().first?.isNumber == true)
  }

  @Test func withoutTheKernelsWordThereIsNoList() {
    #expect(HostProcessors.allowed(status: "/nonexistent/status").isEmpty)
  }
}
