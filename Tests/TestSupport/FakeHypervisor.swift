internal import Foundation
package import SystemPackage

/// A `qemu-system-x86_64` that notes when a machine is started, and does not start it. What only asks QEMU for its
/// abilities gets to the real one.
package struct FakeHypervisor: Sendable {
  private let note: FilePath
  /// Puts it in front of the real one.
  package let environment: [String: String]

  package init(in scratch: FilePath) throws {
    let tools = scratch.appending("tools").string
    note = scratch.appending("started")
    try FileManager.default.createDirectory(atPath: tools, withIntermediateDirectories: true)
    let program = "\(tools)/qemu-system-x86_64"
    // libvirt names each guest so.
    let script = """
      #!/bin/sh
      case "$*" in
        *guest=*) echo started >> \(note); exit 1 ;;
      esac
      PATH=${PATH#*:} exec qemu-system-x86_64 "$@"

      """
    try Data(script.utf8).write(to: URL(fileURLWithPath: program))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
    environment = ["PATH": "\(tools):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"]
  }

  /// Whether anything started it.
  package var wasStarted: Bool { FileManager.default.fileExists(atPath: note.string) }
}
