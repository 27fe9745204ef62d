package import Basics
package import BuildPlan
internal import Foundation
internal import SystemPackage

/// Finds the firmware that QEMU's descriptors name.
package struct FirmwareProbe: Sendable {
  /// Folders of descriptors, the most specific first.
  package let folders: [String]

  package init(folders: [String]) {
    self.folders = folders
  }

  /// The folders that QEMU names, and the one that belongs to the QEMU found, which is elsewhere on NixOS.
  ///
  /// - Parameters:
  ///   - environment: the caller's; it names the user's own folder, see `XDGFolders`.
  ///   - qemu: where QEMU is; nil when there is none.
  package init(environment: [String: String], qemu: String?) {
    let config = XDGFolders(environment: environment).config
    let own = qemu.map { qemu in
      URL(fileURLWithPath: resolved(qemu)).deletingLastPathComponent().deletingLastPathComponent().path
    }
    let roots = [config, "/etc", own.map { "\($0)/share" }, "/usr/share"].compactMap(\.self)
    var folders: [String] = []
    for root in roots where !folders.contains("\(root)/qemu/firmware") {
      folders.append("\(root)/qemu/firmware")
    }
    self.folders = folders
  }

  /// Reads all descriptors, and looks for the files that they name.
  ///
  /// - Parameter machine: a versioned machine type: `pc-q35-7.2`.
  package func search(machine: String) -> FirmwareSearch {
    var search = FirmwareSearch(folders: folders)
    let files = folders.map { descriptors(in: FilePath($0), &search.problems) }
    for file in FirmwareDescriptorFile.effective(in: files) {
      do {
        let descriptor = try FirmwareDescriptor(file: file.path, json: file.bytes)
        guard let pair = descriptor.pair(architecture: Architecture.current.name, machine: machine) else {
          continue
        }
        search.found.append(try found(pair, namedBy: file.path))
      } catch {
        search.problems.append([error.message, error.remedy].compactMap(\.self).joined(separator: ". "))
      }
    }
    return search
  }

  /// The files of one folder that can be read, and why others cannot. Most of the folders are not there.
  private func descriptors(in folder: FilePath, _ problems: inout [String]) -> [FirmwareDescriptorFile] {
    var names: [[UInt8]] = []
    do throws(PathFailure) {
      names = try Folder.names(in: folder)
    } catch {
      if error.reason != .noSuchFileOrDirectory { problems.append("\(error)") }
    }
    return names.filter { $0.suffix(5).elementsEqual(".json".utf8) }.compactMap { name in
      let path = folder.appending(bytes: name)
      do {
        return FirmwareDescriptorFile(
          name: String(decoding: name, as: UTF8.self), path: path.string,
          bytes: try WholeFile.read(path, limit: InputFile.keyLimit))
      } catch {
        problems.append("\(error)")
        return nil
      }
    }
  }

  /// The pair to use.
  ///
  /// - Parameters:
  ///   - wish: what somebody asks for.
  ///   - machine: a versioned machine type: `pc-q35-7.2`.
  /// - Throws: `Fault` when there is no such pair, or its files do not fit each other.
  package func pair(_ wish: FirmwareWish = FirmwareWish(), machine: String) throws(Fault) -> FirmwarePair {
    let search = search(machine: machine)
    var pair: FirmwarePair
    // libvirt takes absolute paths only.
    if let code = wish.code.map(absolute) {
      pair = try search.pair(
        code: code, resolvedCode: resolved(code), variables: wish.variables.map(absolute),
        needsSMM: wish.needsSMM)
      if wish.secureBoot { try pair.checkSecureBoot() }
    } else {
      pair = try search.preferred(secureBoot: wish.secureBoot).pair
      if let variables = wish.variables.map(absolute) { pair.variablesTemplate = variables }
    }
    _ = try pair.check()
    return pair
  }

  private func found(_ pair: FirmwarePair, namedBy descriptor: String) throws(Fault) -> FoundFirmware {
    do {
      let sizes = try pair.check()
      return FoundFirmware(
        pair: pair, resolvedCode: resolved(pair.code), codeSize: sizes.code, variablesSize: sizes.variables)
    } catch {
      throw Fault(.hostNotAble, "\(descriptor): \(error.message)", remedy: error.remedy)
    }
  }
}

private func absolute(_ path: String) -> String {
  FilePath(path).absolute.string
}

/// A path with all symbolic links followed; the path itself where that is not possible.
private func resolved(_ path: String) -> String {
  guard let resolved = realpath(path, nil) else { return path }
  defer { free(resolved) }
  return String(cString: resolved)
}
