internal import Foundation
internal import ImageModel
internal import SystemPackage

/// What a bootloader copies to the ESP: the kernel and initrd of a system and of its specialisations.
enum BootFiles {
  /// Their bytes, each file once.
  ///
  /// - Parameter toplevel: the system's toplevel on this machine.
  static func size(of toplevel: FilePath) throws -> ByteSize {
    let manager = FileManager.default
    let folder = toplevel.appending("specialisation")
    let names = (try? manager.contentsOfDirectory(atPath: folder.string)) ?? []
    let systems = [toplevel] + names.sorted().map { folder.appending($0) }
    let files = systems.flatMap { system in
      ["kernel", "initrd"].map {
        URL(fileURLWithPath: system.appending($0).string).resolvingSymlinksInPath().path
      }
    }
    return try Set(files).filter { manager.fileExists(atPath: $0) }.reduce(ByteSize(bytes: 0)) { sum, file in
      sum + ByteSize(bytes: try FileSystem.size(of: FilePath(file)))
    }
  }
}
