internal import AgentProtocol
internal import Glibc
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

private let system = "/nix/store/abc-nixos"

@Suite("setSystemProfile")
struct SetSystemProfileTests {
  private let step = InstallStep.setSystemProfile(
    system: system, profile: "/nix/var/nix/profiles/system", generation: 1, time: 315_532_800)

  private func withRoot(_ body: (FilePath, StepContext) async throws -> Void) async throws {
    try await withScratchDirectory { root in
      try root.appending("nix/var/nix/profiles").makeDirectory()
      try await body(root, EventLog().context(RecordingRunner(), root: root))
    }
  }

  @Test("generation 1 and the mark of NixOS; twice is the same as once", .needsRoot)
  func links() async throws {
    try await withRoot { root, context in
      // The link leads out of the root, for whoever does not follow it inside the root.
      try root.appending("nix/store/def-init").write("")
      try root.appending("\(system)/init").link(to: "/nix/store/def-init")
      for _ in 0..<2 {
        try await step.run(in: context)
        let profiles = root.appending("nix/var/nix/profiles")
        #expect(try profiles.appending("system").linkDestination() == "system-1-link")
        #expect(try profiles.appending("system-1-link").linkDestination() == system)
        for name in ["system", "system-1-link"] {
          #expect(try profiles.appending(name).status().st_mtim.tv_sec == 315_532_800)
        }
        #expect(try root.appending("etc").status().st_mode & 0o7777 == 0o755)
        #expect(try root.appending("etc/NIXOS").status().st_size == 0)
      }
    }
  }

  @Test("later generations, and the way back; a further profile has a folder of its own", .needsRoot)
  func generations() async throws {
    try await withRoot { root, context in
      let systems = ["/nix/store/a-nixos", "/nix/store/b-nixos"]
      for system in systems { try root.appending("\(system)/init").write("") }
      for profile in ["/nix/var/nix/profiles/system", "/nix/var/nix/profiles/system-profiles/test"] {
        for (number, system) in [(1, systems[0]), (2, systems[1]), (1, systems[0])] {
          try await InstallStep.setSystemProfile(
            system: system, profile: profile, generation: number, time: 315_532_800
          ).run(in: context)
          let name = profile.split(separator: "/").last.map(String.init) ?? ""
          #expect(try root.appending(profile).linkDestination() == "\(name)-\(number)-link")
        }
        for (number, system) in zip(1..., systems) {
          let link = root.appending("\(profile)-\(number)-link")
          #expect(try link.linkDestination() == system)
          #expect(try link.status().st_mtim.tv_sec == 315_532_800)
        }
      }
      let folder = root.appending("nix/var/nix/profiles/system-profiles")
      #expect(try folder.status().st_mode & 0o7777 == 0o755)
      #expect(try Files.names(in: folder.string) == ["test", "test-1-link", "test-2-link"])
    }
  }

  @Test("a system that is not in the store is refused", .needsRoot)
  func missing() async throws {
    try await withRoot { _, context in
      let failure = await #expect(throws: StepFailure.self) { try await step.run(in: context) }
      #expect(failure?.message.hasPrefix("\(system) is not in the target's store") == true)
    }
  }

  @Test("a root that others cannot enter, or that is not root's, is refused", .needsRoot)
  func mountPoint() async throws {
    try await withRoot { root, context in
      try root.appending("\(system)/init").write("")
      try checked("set the mode") { chmod(root.string, 0o750) }
      var failure = await #expect(throws: StepFailure.self) { try await step.run(in: context) }
      #expect(failure?.message == "\(root) cannot be read and entered by others: it has mode 750")
      try checked("set the mode") { chmod(root.string, 0o755) }
      try checked("set the owner") { chown(root.string, 1000, 0) }
      failure = await #expect(throws: StepFailure.self) { try await step.run(in: context) }
      #expect(failure?.message == "the target's root \(root) belongs to 1000:0, not to root")
    }
  }
}
