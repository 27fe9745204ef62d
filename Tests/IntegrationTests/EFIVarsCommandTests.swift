import Command
import EFIVariables
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

/// `slipway efivars`, as a user runs it; a machine is started once, and does not get to run.
@Suite(.virtualMachines) struct EFIVarsCommandTests {
  private static let template = "/usr/share/OVMF/OVMF_VARS_4M.fd"
  private static let enrolled = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"

  private func efivars(_ arguments: String..., status: Int32 = 0) async throws -> SlipwayCommand.Result {
    let result = try await SlipwayCommand.run(["efivars"] + arguments)
    #expect(result.status == status, "\(arguments): \(result.errors)")
    return result
  }

  private func copy(_ store: String = enrolled, in scratch: FilePath, as name: String = "vars.fd") throws
    -> String
  {
    let file = scratch.appending(name).string
    try Data(contentsOf: URL(fileURLWithPath: store)).write(to: URL(fileURLWithPath: file))
    return file
  }

  private func store(_ file: String) throws -> VariableStore {
    try VariableStore(reading: Array(Data(contentsOf: URL(fileURLWithPath: file))))
  }

  @Test func showsATableAndJSONThatVirtFirmwareTakes() async throws {
    try await withScratchDirectory { scratch in
      let table = try await efivars("show", Self.enrolled)
      #expect(table.output.contains("PK "))
      #expect(table.output.contains("X.509"))
      let shown = try await efivars("show", Self.enrolled, "--json")
      let tool = VirtFirmware(scratch: scratch)
      let blank = try VariableStore(emptyLike: store(Self.enrolled)).serialized()
      let filled = try await tool.set(Data(shown.output.utf8), in: blank)
      #expect(try Set(VariableStore(reading: filled).variables) == Set(store(Self.enrolled).variables))

      // And back: what virt-fw-vars writes, into a store that is empty.
      let json = scratch.appending("theirs.json").string
      try await tool.json(filled).write(to: URL(fileURLWithPath: json))
      let file = scratch.appending("new.fd").string
      _ = try await efivars("new", "--from", Self.enrolled, "--out", file)
      #expect(try store(file).variables.isEmpty)
      _ = try await efivars("set", file, "--json", json)
      _ = try await efivars("diff", file, Self.enrolled)
    }
  }

  @Test func editsReplaceTheStoreInOneStepAndKeepItsMode() async throws {
    try await withScratchDirectory { scratch in
      let file = try copy(in: scratch)
      chmod(file, 0o640)
      let link = scratch.appending("link.fd").string
      symlink(file, link)
      let path = #"HD(1,GPT,8be4df61-93ca-11d2-aa0d-00e098032b8c,0x800,0x64000)/\EFI\A.EFI"#
      _ = try await efivars(
        "set", link, "Boot0042", "--description", "Ours", "--path", path, "--optional-data", "0a0b")
      _ = try await efivars("set", file, "BootOrder", "--data", "0042,0000")
      #expect(try await efivars("boot-next", file, "Ours").output.contains("0042"))
      #expect(try await efivars("get", file, "BootOrder").output == "0042,0000")
      #expect(try await efivars("get", file, "Boot0042").output.contains(path))
      let option = LoadOption("Ours", [try #require(DevicePath(path))], optionalData: [10, 11])
      #expect(try store(file)[.boot(0x42)]?.data == option.data)
      #expect(try store(file)[.bootNext]?.data == [0x42, 0])
      let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
      #expect(mode == 0o640)
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == file)

      let difference = try await efivars("diff", Self.enrolled, file, status: 1)
      #expect(difference.output.contains("+ Boot0042-"))
      #expect(difference.output.contains("BootOrder-"))
      let raw = scratch.appending("raw").string
      _ = try await efivars("get", file, "BootOrder", "--out", raw)
      #expect(try Data(contentsOf: URL(fileURLWithPath: raw)) == Data([0x42, 0, 0, 0]))
      _ = try await efivars("set", file, "BootOrder", "--file", raw)
      _ = try await efivars("delete", file, "Boot0042")
      #expect(try store(file)[.boot(0x42)] == nil)
      #expect(try await leftovers(in: scratch, besides: ["vars.fd", "link.fd", "raw"]).isEmpty)
    }
  }

  @Test func whatIsWrongIsRefusedAndChangesNothing() async throws {
    try await withScratchDirectory { scratch in
      let file = try copy(in: scratch)
      let before = try Data(contentsOf: URL(fileURLWithPath: file))
      for (arguments, word) in [
        (["set", file, "BootOrder", "--data", "zzzz"], "hexadecimal"),
        (["set", file, "BootOrder"], "--data"),
        (["set", file, "BootOrder", "--data", "0001", "--hex", "0100"], "more than one"),
        (["set", file, "Boot0001", "--description", "a", "--path", "HD("], "device path"),
        (["set", file, "Unheard", "--hex", "00"], "vendor"),
        (["set", file, "BootNext", "--hex", "0"], "hexadecimal"),
        (["set", file, "Timeout", "--hex", ""], "no data"),
        (["delete", file, "Unheard"], "Unheard"), (["get", file, "BootNext"], "BootNext"),
        (["boot-next", file, "Nobody"], "Nobody"), (["canonicalise", file, "--out", file], "exists"),
        (["enroll", file, "--pk", file], "certificate"), (["show", "/nowhere.fd"], "/nowhere.fd"),
        (["check", file, "--image", "/dev/null"], "a device"),
        (["check", file, "--image", file], "--format"),
      ] {
        let result = try await SlipwayCommand.run(["efivars"] + arguments)
        #expect(result.status == 2, "\(arguments): \(result.errors)")
        #expect(result.errors.contains(word), "\(arguments): \(result.errors)")
      }
      #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == before)

      var damaged = before
      damaged[0x64] = 0
      try damaged.write(to: URL(fileURLWithPath: file))
      let result = try await efivars("show", file, status: 2)
      #expect(result.cause.contains("at 0x64: "), "\(result.errors)")
      #expect(try await leftovers(in: scratch, besides: ["vars.fd"]).isEmpty)
    }
  }

  @Test func aStoreOfARunningMachineIsNotEdited() async throws {
    try await withScratchDirectory { scratch in
      let file = try copy(Self.template, in: scratch)
      let out = scratch.appending("out.fd").string
      let edit = ["set", file, "BootNext", "--data", "0001"]
      try await withThrowingTaskGroup { group in
        group.addTask { try await Self.pausedMachine(with: file) }
        // QEMU makes the file once it has opened the store.
        while !FileManager.default.fileExists(atPath: scratch.appending("ready").string) {
          try await Task.sleep(for: .milliseconds(50))
        }
        for arguments in [edit, edit + ["--out", out], ["canonicalise", file]] {
          let result = try await SlipwayCommand.run(["efivars"] + arguments)
          #expect(result.status == 2)
          #expect(result.cause.contains("running virtual machine"), "\(result.errors)")
        }
        #expect(try await SlipwayCommand.run(["efivars", "show", file]).status == 0)
        group.cancelAll()
      }
      #expect(!FileManager.default.fileExists(atPath: out))
      #expect(try await SlipwayCommand.run(["efivars"] + edit).status == 0)
    }
  }

  @Test func exportsAndImportsForHypervisors() async throws {
    try await withScratchDirectory { scratch in
      let qcow2 = scratch.appending("vars.qcow2").string
      try await SubprocessRunner().run("qemu-img", "convert", "-O", "qcow2", Self.enrolled, qcow2)
      for format in ["aws", "qemu-json"] {
        let file = scratch.appending(format).string
        let printed = try await efivars("export", Self.enrolled, "--format", format).output
        _ = try await efivars("export", qcow2, "--format", format, "--out", file)
        let written = try String(contentsOfFile: file, encoding: .utf8)
        #expect(printed.trimmingCharacters(in: .newlines) == written.trimmingCharacters(in: .newlines))
        #expect(
          try await efivars("export", qcow2, "--format", format, "--out", file, status: 2).cause.contains(
            "exists"))
        for template in [Self.template, qcow2] {
          let out = scratch.appending("\(format)-of-\(FilePath(template).stem ?? "")").string
          let counted = try await efivars("import", file, "--template", template, "--out", out)
          #expect(counted.output == "\(try store(Self.enrolled).variables.count) variables imported")
          _ = try await efivars("diff", out, Self.enrolled)
          let magic = try Data(contentsOf: URL(fileURLWithPath: out)).prefix(3)
          #expect((magic == Data("QFI".utf8)) == (template == qcow2))
        }
      }
      #expect(
        try await efivars("import", qcow2, "--template", qcow2, "--out", "/x", status: 2).cause.contains(
          "neither"))
    }
  }

  private static func pausedMachine(with store: String) async throws {
    do {
      let folder = FilePath(store).removingLastComponent()
      try await SubprocessRunner().run(
        "qemu-system-x86_64", "-S", "-machine", "q35", "-m", "64", "-display", "none", "-net", "none",
        "-drive",
        "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive",
        "if=pflash,format=raw,file=\(store)", "-pidfile", folder.appending("ready").string)
    } catch is CancellationError {
      // Its end is ours to say.
    }
  }

  @Test func microsoftsKeysComeFromTheTemplatesOfThisMachine() async throws {
    try await withScratchDirectory { scratch in
      let certificate = try await TestCertificate("key", in: scratch)
      let file = try copy(Self.template, in: scratch)
      let pem = certificate.pem.string
      _ = try await efivars("enroll", file, "--pk", pem, "--kek", pem, "--db", pem, "--microsoft")
      let first = try Data(contentsOf: URL(fileURLWithPath: file))
      #expect(try store(file).enforcesSecureBoot)
      let microsoft = try #require(GUID("77fa9abd-0359-4d32-bd60-28f4e78f784b"))
      for key in [VariableKey.keyExchangeKeys, .signatures] {
        func lists(_ file: String) throws -> [SignatureList] {
          guard let variable = try store(file)[key],
            case .signatures(let lists) = try VariableValue(of: variable)
          else { return [] }
          return lists
        }
        let theirs = try lists(Self.enrolled).filter { $0.signatures[0].owner == microsoft }
        let ours = try lists(file)
        #expect(!theirs.isEmpty && ours.count == theirs.count + 1 && Set(ours).isSuperset(of: theirs))
      }
      // Fixed times: the same keys make the same store.
      let again = try copy(Self.template, in: scratch, as: "again.fd")
      _ = try await efivars("enroll", again, "--pk", pem, "--kek", pem, "--db", pem, "--microsoft")
      #expect(try Data(contentsOf: URL(fileURLWithPath: again)) == first)
    }
  }

  /// The formats that are exported, and how a store is held against each.
  @Test(arguments: ImageFormat.allCases)
  func aStoreIsCheckedAgainstAnImage(format: ImageFormat) async throws {
    try await withScratchDirectory { scratch in
      let disk = try await BootableDisk.make(in: scratch).string
      let image = scratch.appending("image.\(format.fileExtension)").string
      let conversion =
        switch format {
        case .compressedRaw: Command("zstd", ["-q", disk, "-o", image])
        case .archivedRaw:
          Command("tar", ["-C", scratch.string, "--format=oldgnu", "-Sczf", image, "disk.raw"])
        case .fixedVPC:
          Command("qemu-img", ["convert", "-O", "vpc", "-o", "subformat=fixed,force_size=on", disk, image])
        case .streamVMDK:
          Command("qemu-img", ["convert", "-O", "vmdk", "-o", "subformat=streamOptimized", disk, image])
        default: Command("qemu-img", ["convert", "-f", "raw", "-O", format.qemuName, disk, image])
        }
      try await SubprocessRunner().run(conversion)
      let file = try copy(Self.template, in: scratch)
      let path = #"HD(1,GPT,11111111-2222-3333-4444-555555555555,0x800,0x8000)/\EFI\BOOT\"#
      _ = try await efivars("set", file, "Boot0001", "--description", "Good", "--path", path + "BOOTX64.EFI")
      _ = try await efivars("set", file, "BootOrder", "--data", "0001")
      #expect(try await efivars("check", file, "--image", image).output.contains("OK: 1 boot entry matches"))
      _ = try await efivars("set", file, "Boot0002", "--description", "Bad", "--path", path + "OTHER.EFI")
      _ = try await efivars("set", file, "BootOrder", "--data", "0001,0003")
      let result = try await efivars("check", file, "--image", image, status: 1)
      #expect(result.errors.contains("Boot0002 (Bad)"), "\(result.errors)")
      #expect(result.errors.contains("BootOrder lists 0003"), "\(result.errors)")
    }
  }
}
