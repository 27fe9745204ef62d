internal import Command
package import SystemPackage

/// A raw disk with what firmware looks for, made by tools that have nothing to do with Slipway.
package enum BootableDisk {
  /// A GPT disk of 20 MiB with one EFI system partition, which has the fallback loader.
  package static func make(in scratch: FilePath) async throws -> FilePath {
    let disk = scratch.appending("disk.raw")
    let runner = SubprocessRunner()
    try await runner.run("truncate", "-s", "20M", disk.string)
    let script =
      "label: gpt\nunit: sectors\n1 : start=2048, size=32768, type=U, uuid=11111111-2222-3333-4444-555555555555\n"
    try await runner.run(Command("sfdisk", ["--quiet", disk.string], input: script))
    try await runner.run("mkfs.vfat", "--offset", "2048", disk.string, "16384")
    let partition = "\(disk)@@1048576"
    try await runner.run("mmd", "-i", partition, "::/EFI", "::/EFI/BOOT")
    try await runner.run("mcopy", "-i", partition, "/etc/hostname", "::/EFI/BOOT/BOOTX64.EFI")
    return disk
  }
}
