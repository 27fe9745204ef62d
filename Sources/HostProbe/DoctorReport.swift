internal import Basics
internal import BuildPlan
internal import Command
internal import Foundation
internal import ImageModel

/// What a machine has and lacks for building images, with a remedy for each thing that is missing.
package struct DoctorReport: Hashable, Codable, Sendable {
  /// How one check ended.
  package enum State: String, Hashable, Codable, Sendable {
    case ok
    /// Images can be built, but something could be better.
    case notice
    /// Images cannot be built.
    case missing
  }

  /// One check.
  package struct Check: Hashable, Codable, Sendable {
    package var name: String
    package var state: State
    /// What was found.
    package var detail: String
    /// What to do; nil when there is nothing to do.
    package var remedy: String?
  }

  /// The checks, what runs first in a build first.
  package var checks: [Check]

  /// Whether nothing is missing.
  package var isAble: Bool { !checks.contains { $0.state == .missing } }

  /// Judges a machine.
  package init(_ facts: HostFacts) {
    checks = [Self.accelerator(facts), Self.libvirt(facts)]
    checks += Self.firmware(facts)
    checks.append(Self.kernel(facts))
    checks += ExternalTool.all.map { Self.tool($0, facts) }.filter { check in
      check.state != .ok || !ExternalTool.all.contains { $0.name == check.name && $0.isEverywhere }
    }
    checks += [Self.space(facts), Self.memory(facts)]
  }

  private static func accelerator(_ facts: HostFacts) -> Check {
    let accelerator = facts.accelerator
    return switch accelerator.kind {
    case .kvm: Check(name: "accelerator", state: .ok, detail: "KVM: \(accelerator.reason)")
    case .tcg:
      Check(
        name: "accelerator", state: .notice, detail: "TCG, which is slower: \(accelerator.reason)",
        remedy: "Run on hardware, or in a VM with nested virtualisation, with /dev/kvm open to you")
    }
  }

  private static func libvirt(_ facts: HostFacts) -> Check {
    guard let version = facts.libvirtVersion else {
      return Check(
        name: "libvirt", state: .missing, detail: "no driver for QEMU",
        remedy: install("libvirt-daemon-driver-qemu", "libvirt's QEMU driver"))
    }
    return Check(name: "libvirt", state: .ok, detail: version)
  }

  private static func tool(_ requirement: ExternalTool, _ facts: HostFacts) -> Check {
    let tool = facts.tool(requirement.name)
    guard let path = tool?.path else {
      let problem = tool?.problem ?? "not in PATH, /sbin or /usr/sbin"
      return Check(
        name: requirement.name, state: requirement.need == nil ? .missing : .notice,
        detail: requirement.need.map { "\(problem); only \($0) needs it" } ?? problem,
        remedy: requirement.remedy)
    }
    return Check(
      name: requirement.name, state: .ok,
      detail: tool?.version.map { "\(path), version \($0)" } ?? path)
  }

  private static func firmware(_ facts: HostFacts) -> [Check] {
    var checks = facts.firmware.problems.map {
      Check(
        name: "firmware", state: .notice, detail: $0,
        remedy: "Repair that descriptor, or hide it with an empty file of its name in a more specific folder")
    }
    do {
      let firmware = try facts.firmware.preferred()
      checks.append(
        Check(
          name: "firmware", state: .ok,
          detail: "\(firmware.pair.code) and \(firmware.pair.variablesTemplate): \(firmware.pair.description)"
        ))
    } catch {
      checks.append(
        Check(name: "firmware", state: .missing, detail: error.message, remedy: error.remedy))
    }
    checks.append(secureBoot(facts))
    return checks
  }

  /// Only images with `secureBoot` need it.
  private static func secureBoot(_ facts: HostFacts) -> Check {
    do {
      let firmware = try facts.firmware.preferred(secureBoot: true)
      return Check(name: "secure boot", state: .ok, detail: firmware.pair.code)
    } catch {
      return Check(name: "secure boot", state: .notice, detail: error.message, remedy: error.remedy)
    }
  }

  private static func kernel(_ facts: HostFacts) -> Check {
    guard let kernel = facts.kernel.path else {
      return Check(
        name: "kernel", state: .missing, detail: facts.kernel.problem ?? "there is none",
        remedy: install(Architecture.current.smallKernelPackage, "a Linux kernel")
          + "; or name one with --kernel and --modules")
    }
    return Check(name: "kernel", state: .ok, detail: kernel)
  }

  /// A small image, its poured twin and the appliance fit into this.
  private static let comfortableSpace = ByteSize.mebibytes(4096)
  /// A build VM has 1 GiB by default, and the host needs some as well.
  private static let comfortableMemory = ByteSize.mebibytes(1536)

  private static func space(_ facts: HostFacts) -> Check {
    guard let free = facts.freeSpace else {
      return Check(
        name: "free space", state: .notice, detail: "\(facts.workFolder) does not tell",
        remedy: "Name another output folder with --out")
    }
    let detail = "\(free) for \(facts.workFolder)"
    guard free < comfortableSpace else { return Check(name: "free space", state: .ok, detail: detail) }
    return Check(
      name: "free space", state: .notice, detail: detail,
      remedy: "Make room, or name an output folder elsewhere with --out; \(comfortableSpace) suit most images"
    )
  }

  private static func memory(_ facts: HostFacts) -> Check {
    let detail = "\(facts.memory); processors: \(facts.cpus)"
    guard facts.memory < comfortableMemory else { return Check(name: "memory", state: .ok, detail: detail) }
    return Check(
      name: "memory", state: .notice, detail: detail,
      remedy: "Give the build VM less than its default of 1 GiB with --mem-size")
  }

  private static func install(_ debianPackage: String, _ project: String) -> String {
    "Debian: apt install \(debianPackage); elsewhere: \(project)"
  }
}

extension DoctorReport {
  /// For people: a line per check, and below it what to do.
  package var text: String {
    let width = checks.map(\.name.count).max() ?? 0
    func column(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.count) + 2)
    }
    let states = State.missing.rawValue.count
    return checks.map { check in
      let start = column(check.state.rawValue, states) + column(check.name, width)
      let remedy = check.remedy.map { "\n" + String(repeating: " ", count: start.count) + "→ \($0)" }
      return start + check.detail + (remedy ?? "") + "\n"
    }.joined()
  }

  /// For programs: one JSON object.
  package func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }
}
