internal import Basics
internal import BuildPlan
internal import Command
internal import HostProbe
internal import ImageModel

/// The versions of the tools whose output is in an image.
enum ToolVersions {
  /// By name; a tool that does not say its version is left out. Only tools that the plan uses are asked.
  static func collect(for plan: BuildPlan) async -> [String: String] {
    await withTaskGroup { group in
      for (tool, argument) in tools(of: plan) {
        group.addTask {
          let output = try? await SubprocessRunner().run(tool, argument)
          return (tool, output?.split(separator: "\n").first.map(String.init))
        }
      }
      return await group.reduce(into: ["slipway": SlipwayVersion.current]) { $0[$1.0] = $1.1 }
    }
  }

  private static func tools(of plan: BuildPlan) -> [(String, String)] {
    var tools: [(String, String)] = []
    if plan.machine != nil { tools.append((Architecture.current.emulator, "--version")) }
    // The installation writes to an overlay.
    let own = plan.machine == nil ? [] : [ImageFormat.qcow2]
    let formats = own + plan.outputs.images.map(\.format)
    tools += Set(formats.flatMap(\.tools)).map { ($0.name, "--version") }
    let layouts = plan.disks.compactMap(\.layout)
    if layouts.contains(where: { $0.table != .none }) { tools.append(("sfdisk", "--version")) }
    tools += (FilesystemTraits.of(plan.pour.filesystem.kind)?.programs ?? []).compactMap { program in
      program.versionArgument.map { (program.name, $0) }
    }
    return tools
  }
}
