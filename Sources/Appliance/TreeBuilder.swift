internal import Command
internal import SystemPackage

/// Collects the nodes of the initramfs. The first node at a path stays.
struct TreeBuilder {
  private var nodes: [String: ArchiveEntry.Node] = [:]

  /// All nodes, sorted by path, so that each folder comes before what is in it.
  var entries: [ArchiveEntry] {
    nodes.map { ArchiveEntry(path: $0.key, node: $0.value) }.sorted { $0.path < $1.path }
  }

  /// Adds a node unless there is one already, and the folders above it.
  mutating func add(_ path: String, _ node: ArchiveEntry.Node) {
    if let slash = path.lastIndex(of: "/") { add(String(path[..<slash]), .folder) }
    if nodes[path] == nil { nodes[path] = node }
  }

  /// Adds the tools with their libraries and links, and a shell.
  ///
  /// - Throws: `Fault`; `CommandFailure`.
  mutating func addTools(_ inputs: ApplianceInputs, runner: any CommandRunner) async throws {
    var dynamic: [FilePath] = []
    for tool in inputs.tools {
      let path = try inputs.find(tool)
      if try !isStatic(path) { dynamic.append(path) }
      add("usr/sbin/\(tool.name)", .file(path, executable: true))
      for alias in tool.aliases { add("usr/sbin/\(alias)", .link(tool.name)) }
    }
    for library in try await SharedLibraries(runner: runner).resolve(dynamic) {
      add(mergedPath(library), .file(library, executable: true))
    }
    if let shell = inputs.tools.first(where: { $0.name == ApplianceTool.shell }) {
      let applets = try await runner.run(inputs.find(shell).string, "--list")
      for applet in applets.split(separator: "\n") where nodes["usr/sbin/\(applet)"] == nil {
        add("usr/bin/\(applet)", .link("../sbin/busybox"))
      }
    }
    let configuration: FilePath = "/etc/mke2fs.conf"
    if exists(configuration) { add("etc/mke2fs.conf", .file(configuration, executable: false)) }
  }

  /// Adds the modules, by the names that they have unpacked, and the list of those that the agent loads at boot.
  mutating func add(
    _ modules: (atBoot: [KernelModuleFile], all: [KernelModuleFile]), of kernel: KernelFiles
  ) {
    for module in modules.all {
      let source = kernel.modules.appending(module.path)
      add("\(kernel.guestModules)/\(module.unpackedPath)", .file(source, executable: false))
    }
    let list = modules.atBoot.map { "/\(kernel.guestModules)/\($0.unpackedPath)\n" }.joined()
    add("etc/modules-to-load", .bytes(Array(list.utf8)))
  }
}

/// The place in a guest where `/bin`, `/sbin`, `/lib` and `/lib64` are links into `/usr`.
private func mergedPath(_ path: FilePath) -> String {
  let relative = path.string.drop { $0 == "/" }
  let merged = ["bin/", "sbin/", "lib/", "lib64/"].contains { relative.hasPrefix($0) }
  return merged ? "usr/\(relative)" : String(relative)
}
