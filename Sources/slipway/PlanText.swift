internal import BuildPlan
internal import Foundation
internal import ImageModel

/// A plan for people.
enum PlanText {
  static func text(_ plan: BuildPlan) throws -> String {
    let disk = try plan.target
    var lines = systems(plan)
    lines.append(
      "disk      \(disk.size), \(disk.sectors) sectors of \(disk.sectorSize) bytes, GUID \(disk.guid)")
    lines += disk.partitions.map { partition in
      let size = ByteSize(bytes: partition.sectors * disk.sectorSize)
      let filesystem = partition.filesystem
      let kind = filesystem?.kind.rawValue ?? "-"
      return "  \(partition.number)       \(pad(partition.name, 6)) start \(pad("\(partition.start)", 8))"
        + " \(pad("\(size)", 10)) \(pad(kind, 5)) \(pad(filesystem?.label ?? "", 8))"
        + " \(filesystem?.mountPoint ?? "")"
    }
    lines.append(
      "pour      \(plan.pour.size) of \(plan.pour.filesystem.kind.rawValue) by the host, "
        + "on the \(plan.disks[plan.pour.device]?.role.rawValue ?? "") disk")
    if let machine = plan.machine {
      lines += [
        "machine   \(machine.accelerator.rawValue), \(machine.cpus) processors, \(machine.memory) MiB",
        "firmware  \(machine.firmware?.code ?? "BIOS")",
      ]
      if let firmware = machine.firmware { lines.append("variables \(firmware.variablesTemplate)") }
      lines += [
        "steps     \(plan.stepNames.joined(separator: ", "))"
      ]
    }
    let hooks = [("preVM", plan.preVM), ("postVM", plan.postVM)].filter { $0.1 != nil }.map(\.0)
    if !hooks.isEmpty { lines.append("hooks     \(hooks.joined(separator: ", "))") }
    if let keys = plan.secureBoot {
      let signs = keys.sign == nil ? "" : "; the system signs with the key of this host"
      lines.append(
        "enrol     \(keys.files.filter { !$0.field.hasPrefix("sign") }.map(\.path).joined(separator: ", "))\(signs)"
      )
    }
    let files = plan.outputs.images.map { "\($0.file) (\($0.format.rawValue))" }
    lines.append(
      "output    \((files + [plan.outputs.efiVariables].compactMap(\.self)).joined(separator: ", "))")
    return lines.joined(separator: "\n") + "\n"
  }

  /// The system, or each generation with its number, and the profile where it is not the usual one.
  private static func systems(_ plan: BuildPlan) -> [String] {
    guard let generations = plan.generations else { return ["system    \(plan.system)"] }
    var lines = ["system    \(plan.system)"]
    if generations.systems.count > 1 {
      lines = zip(1..., generations.systems).map { number, system in
        "\(pad(number == 1 ? "systems" : "", 10))\(pad("\(number)", 2)) \(system)"
          + (number == generations.current ? ", boots by default" : "")
      }
    }
    if generations.profile != Generations.systemProfile { lines.append("profile   \(generations.profile)") }
    return lines
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text.padding(toLength: max(width, text.count), withPad: " ", startingAt: 0)
  }
}
