package import Basics
package import Command
package import SystemPackage

/// Makes the appliance, or finds the one that the same inputs made before.
///
/// Works as an ordinary user: nothing is mounted, and no device node is made on the host.
package struct ApplianceBuilder: Sendable {
  private let inputs: ApplianceInputs
  private let cache: FilePath
  private let runner: any CommandRunner

  /// A builder.
  ///
  /// - Parameters:
  ///   - inputs: what goes in.
  ///   - cache: the folder for appliances; made when it is not there.
  ///   - runner: runs `ldd`, `busybox`, `depmod` and what unpacks modules.
  package init(inputs: ApplianceInputs, cache: FilePath, runner: any CommandRunner = SubprocessRunner()) {
    self.inputs = inputs
    self.cache = cache
    self.runner = runner
  }

  /// The user's folder for appliances; nil where nothing can be kept.
  package static func defaultCache(of folders: XDGFolders = .current) -> FilePath? {
    folders.cache.map { FilePath($0).appending("slipway/appliance") }
  }

  /// Removes what was last used longer ago than this many seconds from a folder for appliances.
  package static func removeUnused(for seconds: Double, in cache: FilePath) {
    ApplianceCache(folder: cache).removeUnused(for: seconds)
  }

  /// Makes the appliance if no intact one of these inputs is in the cache.
  ///
  /// - Parameter readingAll: whether the cached files are read and compared with their digests, even if they look
  ///   untouched.
  /// - Throws: `Fault`; `CommandFailure` when one of the commands fails; `CancellationError`.
  package func build(readingAll: Bool = false) async throws -> Appliance {
    let cache = ApplianceCache(folder: cache, readsAll: readingAll)
    let key = try requestKey()
    if let known = cache.recall(key) { return known }
    try makeFolder(cache.folder)
    let parts = try await ApplianceContents.gather(inputs, runner: runner)
    // Stamped before the bytes are read: a file that changes meanwhile is then noticed by the next build.
    let stamps = self.stamps(of: parts)
    let digest = try parts.digest()
    let appliance: Appliance
    if let same = cache.appliance(digest) {
      appliance = same
    } else {
      cache.removeUnused()
      appliance = try await cache.make(digest) { folder in
        try copy(parts.kernel.image, to: folder.appending("kernel"))
        let scratch = folder.appending("modules")
        let indexes = try await moduleIndexes(parts, scratch: scratch)
        let entries = parts.entries(modulesIn: scratch) + indexes
        try CpioArchive.write(entries, to: folder.appending("initramfs"))
        try onFile(scratch) { try TreeRemover.remove(scratch) }
        let changed = stamps.filter { $0 != InputStamp($0.path) }
        guard changed.isEmpty else {
          throw Fault.inputsChanged(changed.map { FilePath($0.path) })
        }
      }
    }
    try cache.remember(key, digest: digest, files: stamps)
    return appliance
  }

  /// Names the request by the paths it leads to; which bytes are there is the stamps' business.
  private func requestKey() throws -> String {
    let tools = try inputs.tools.map { "\($0.name) \($0.aliases) \(try inputs.find($0))" }
    let words =
      [
        "\(ApplianceContents.formatVersion)", "\(inputs.drivers)", inputs.agent.string,
        inputs.kernel.image.string,
      ]
    let text = (words + [inputs.kernel.modules.string] + tools).joined(separator: "\n")
    return String(hexDigest(of: Array(text.utf8)).prefix(32))
  }

  private func stamps(of parts: ApplianceContents) -> [InputStamp] {
    // The loader's cache stands for libraries that appear where they would be found first.
    let others = [
      inputs.kernel.modules.appending("modules.dep"), "/etc/ld.so.cache", "/etc/mke2fs.conf",
    ]
    return Set(parts.sources + others).map(\.string).sorted().map(InputStamp.init)
  }

  /// Unpacks the modules that go in, in a folder of their own, and lets `depmod` index them.
  private func moduleIndexes(_ parts: ApplianceContents, scratch: FilePath) async throws -> [ArchiveEntry] {
    let folder = scratch.appending(parts.kernel.guestModules)
    try makeFolder(folder)
    for file in parts.depmodInputs {
      if let name = file.lastComponent { try copy(file, to: folder.appending(name)) }
    }
    try await parts.modules.unpack(
      from: parts.kernel.modules, to: folder, find: inputs.find, runner: runner)
    // Which of /lib and /usr/lib depmod looks in differs between distributions.
    let link = scratch.appending("lib")
    try onFile(link) { try Folder.link(link, to: "usr/lib") }
    let version = folder.lastComponent?.string ?? ""
    try await runner.run(parts.depmod.string, "-b", scratch.string, version)
    // modprobe reads none of these.
    let unused: Set = ["modules.order", "modules.builtin.modinfo", "modules.symbols", "modules.symbols.bin"]
    return try names(in: folder).filter { $0.hasPrefix("modules.") && !unused.contains($0) }.map { name in
      let bytes = try contents(of: folder.appending(name))
      return ArchiveEntry(path: "\(parts.kernel.guestModules)/\(name)", node: .bytes(bytes))
    }
  }
}
