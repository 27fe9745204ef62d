internal import Command
internal import ImageModel

/// The versions of the tools whose output is in an image.
enum ToolVersions {
  /// By name; a tool that does not say its version is left out.
  static func collect() async -> [String: String] {
    let runner = SubprocessRunner()
    var versions = ["slipway": SlipwayVersion.current]
    for (tool, argument) in [
      ("qemu-system-x86_64", "--version"), ("qemu-img", "--version"), ("mksquashfs", "-version"),
    ] {
      let output = try? await runner.run(tool, argument)
      versions[tool] = output?.split(separator: "\n").first.map(String.init)
    }
    return versions
  }
}
