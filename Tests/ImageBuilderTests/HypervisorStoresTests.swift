import Basics
import EFIVariables
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

@Suite struct HypervisorStoresTests {
  private static let enrolled: FilePath = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
  private static let template: FilePath = "/usr/share/OVMF/OVMF_VARS_4M.fd"

  @Test(arguments: HypervisorFormat.allCases)
  func whatIsExportedIsImportedAgain(format: HypervisorFormat) async throws {
    try await withScratchDirectory { scratch in
      let (file, out) = (scratch.appending("exported"), scratch.appending("imported.fd"))
      let store = VariableStoreFile(Self.enrolled.string)
      try HostFiles.write(await store.exported(as: format, dictionary: nil), to: file, mode: 0o600)
      let count = try await VariableStoreFile(Self.template.string)
        .importing(file.string, dictionary: nil, into: out.string)
      let imported = try await VariableStoreFile(out.string).read()
      #expect(try await Set(imported.variables) == Set(store.read().variables))
      #expect(count.kept == imported.variables.count && count.volatile == 0)
      // As private as what it was made from.
      #expect(try FileStatus(of: out).permissions & 0o077 == 0)
    }
  }

  private func refusal(_ body: () async throws -> Void) async -> Fault? {
    let fault = await #expect(throws: Fault.self) { try await body() }
    #expect(fault?.kind == .badInput)
    return fault
  }

  @Test func volatileVariablesAreLeftOutAndAnEmptyStoreIsTheTemplates() async throws {
    try await withScratchDirectory { scratch in
      let (file, out) = (scratch.appending("file"), scratch.appending("out.fd"))
      let volatile = Variable(.bootOrder, [.bootServiceAccess, .runtimeAccess], [1, 0])
      let kept = Variable(.bootNext, .standard, [1, 0])
      try HostFiles.write(HypervisorFormat.aws.encode([volatile, kept]), to: file)
      let count = try await VariableStoreFile(Self.enrolled.string)
        .importing(file.string, dictionary: nil, into: out.string)
      #expect(count.kept == 1 && count.volatile == 1)
      #expect(try await VariableStoreFile(out.string).read().variables == [kept])
    }
  }

  @Test func aDictionaryThatIsMissingIsNamedWithWhereItIs() async throws {
    try await withScratchDirectory { scratch in
      let file = scratch.appending("file").string
      let dictionary = try await VirtFirmware.awsDictionary().string
      let store = VariableStoreFile(Self.enrolled.string)
      try HostFiles.write(await store.exported(as: .aws, dictionary: dictionary), to: FilePath(file))
      let template = VariableStoreFile(Self.template.string)
      let out = scratch.appending("out.fd").string
      let missing = await refusal { _ = try await template.importing(file, dictionary: nil, into: out) }
      #expect(
        missing?.message == "\(file) was compressed with AWS's preset dictionary, which Slipway does not have"
      )
      #expect(missing?.remedy?.contains("--aws-dictionary") == true)
      let other = await refusal { _ = try await template.importing(file, dictionary: file, into: out) }
      #expect(other?.message.contains("another dictionary") == true)
      #expect(!HostFiles.exists(FilePath(out)))
      _ = try await template.importing(file, dictionary: dictionary, into: out)
      #expect(try await Set(VariableStoreFile(out).read().variables) == Set(store.read().variables))
    }
  }

  @Test func whatIsNoStoreOfAHypervisorIsNamedWithTheReason() async throws {
    try await withScratchDirectory { scratch in
      let (file, out) = (scratch.appending("file"), scratch.appending("out.fd").string)
      let template = VariableStoreFile(Self.template.string)
      for (text, word) in [
        ("", "neither format"), ("[]", "neither format"), ("{", "JSON"),
        (#"{"version":3,"variables":[]}"#, "version 3"), ("QU1aTlVFRkk=", "at 0x8: the checksum"),
      ] {
        try HostFiles.write(Array(text.utf8), to: file)
        let fault = await refusal {
          _ = try await template.importing(file.string, dictionary: nil, into: out)
        }
        #expect(
          fault?.message.hasPrefix(file.string) == true && fault?.message.contains(word) == true, "\(text)")
      }
      let fault = await refusal {
        _ = try await template.exported(as: .qemuJSON, dictionary: file.string)
      }
      #expect(fault?.message == "QEMU's JSON has no dictionary")
      #expect(!HostFiles.exists(FilePath(out)))
    }
  }

  @Test func aVariableThatNoFormatHoldsIsNamed() async throws {
    try await withScratchDirectory { scratch in
      let file = scratch.appending("vars.fd")
      try HostFiles.write(HostFiles.read(Self.template), to: file)
      let name = try #require(VariableKey(.globalVariable, "字"))
      let store = VariableStoreFile(file.string)
      try await store.edit(into: nil) { try $0.set(Variable(name, .standard, [1])) }
      let fault = await refusal { _ = try await store.exported(as: .qemuJSON, dictionary: nil) }
      #expect(fault?.message.contains("字") == true && fault?.remedy?.contains("efivars delete") == true)
      #expect(try await !store.exported(as: .aws, dictionary: nil).isEmpty)
    }
  }
}
