internal import Basics
internal import BuildPlan
internal import EFIVariables
internal import ImageModel
internal import SystemPackage

/// What a firmware with Secure Boot on would make of the programs on a disk. The one place that judges signatures.
struct SignedPrograms: Sendable {
  /// A program on the disk.
  struct Program: Sendable {
    /// Where the system has it mounted: `/boot/EFI/BOOT/BOOTX64.EFI`.
    var name: String
    /// Whether the firmware starts it by itself.
    var isStarted: Bool
    var verdict: ProgramVerdict
  }

  /// What firmware starts by itself and would refuse: nothing would boot.
  private(set) var refusals: [String] = []
  /// Other programs that it would refuse, or of which it cannot be told.
  private(set) var warnings: [String] = []
  private var remedies: [String] = []

  init(_ programs: [Program]) {
    for program in programs {
      let name = printable(program.name)
      switch program.verdict {
      case .trusted: continue
      case .undecided(let reason):
        warnings.append("whether firmware with Secure Boot starts \(name) cannot be told: \(reason)")
      case .unsigned: add("\(name) is not signed", program, "Have the bootloader's installation sign it")
      case .refused(let reason):
        add(
          "\(name): \(reason)", program,
          "Sign it with a key whose certificate is in db, or add its signer's to db")
      }
    }
  }

  private mutating func add(_ reason: String, _ program: Program, _ remedy: String) {
    guard program.isStarted else {
      return warnings.append("\(reason): firmware with Secure Boot will not start it")
    }
    refusals.append(reason)
    remedies.append(remedy)
  }

  /// - Throws: `Fault` when the firmware would refuse what it starts by itself.
  func check() throws {
    guard let refusal = refusals.first else { return }
    throw Fault(
      .failed, "firmware with Secure Boot would refuse what it starts: \(refusal)", remedy: remedies.first,
      evidence: Array(refusals.dropFirst()))
  }
}

extension SignedPrograms {
  /// Looks at a finished disk and its variable store.
  ///
  /// Judged is every program on the partitions that firmware and bootloader read. Started by the firmware itself are
  /// the files of the entries in `BootOrder`, or else the fallback loader.
  ///
  /// - Returns: nil when the store does not turn Secure Boot on.
  /// - Throws: `Fault`.
  static func read(
    from disk: FilePath, _ found: BootDisk, layout: DiskLayout, store: VariableStore
  ) async throws -> SignedPrograms? {
    guard store.enforcesSecureBoot else { return nil }
    let trust: ProgramTrust
    do {
      trust = try ProgramTrust(store)
    } catch {
      throw Fault(.failed, "the keys in the variable store cannot be read: \(error)")
    }
    let entries = Set(DiskCheck(of: store, on: found).programs.map(folded))
    return try await ScratchFolder.with("programs", mode: 0o700) { scratch in
      let reader = try ProgramReader(found, on: disk, in: ToolFolder(path: scratch))
      var programs: [Program] = []
      for partition in found.partitions where isForPrograms(partition, layout) {
        for path in (partition.files ?? []).sorted() {
          guard let bytes = try await reader.program(path, in: partition) else { continue }
          let file = BootProgram(partition: partition.number, path: path)
          let isStarted =
            entries.isEmpty
            ? path.uppercased() == Architecture.current.fallbackLoader : entries.contains(folded(file))
          programs.append(
            Program(name: name(of: file, layout), isStarted: isStarted, verdict: verdict(on: bytes, trust)))
        }
      }
      return SignedPrograms(programs)
    }
  }

  private static func verdict(on bytes: [UInt8], _ trust: ProgramTrust) -> ProgramVerdict {
    do throws(Fault) {
      return trust.verdict(on: try EFIProgram(bytes))
    } catch {
      return .refused(error.cause)
    }
  }

  /// FAT does not tell upper from lower case.
  private static func folded(_ program: BootProgram) -> BootProgram {
    BootProgram(partition: program.partition, path: program.path.uppercased())
  }

  private static func isForPrograms(_ partition: BootDisk.Partition, _ layout: DiskLayout) -> Bool {
    layout.partitions.contains {
      $0.number == partition.number && ($0.type == .efiSystem || $0.type == .extendedBoot)
    }
  }

  private static func name(of file: BootProgram, _ layout: DiskLayout) -> String {
    let partition = layout.partitions.first { $0.number == file.partition }
    let folder = partition?.filesystem?.mountPoint ?? ""
    return (folder == "/" ? "" : folder) + file.path.split(separator: #"\"#).map { "/" + $0 }.joined()
  }
}
