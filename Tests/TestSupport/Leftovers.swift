internal import Command
internal import Foundation
package import SystemPackage

/// Processes of virtual machines that use files of a folder.
package func guests(of folder: FilePath) async throws -> [String] {
  let processes = try await SubprocessRunner().run("ps", "-eww", "-o", "pid=,args=")
  return processes.split(separator: "\n").map(String.init).filter {
    $0.contains("qemu-system") && $0.contains(folder.string)
  }
}

/// What a run should have removed: files in its folder, machines, session folders. The log of a failed build is meant to
/// stay.
package func leftovers(in folder: FilePath, besides expected: Set<String> = []) async throws -> [String] {
  let files = try FileManager.default.contentsOfDirectory(atPath: folder.string)
  return try await guests(of: folder)
    + files.filter { !expected.contains($0) && !$0.hasSuffix(".failed.log") }
}
