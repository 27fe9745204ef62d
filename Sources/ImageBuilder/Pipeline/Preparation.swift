internal import BuildPlan
internal import Foundation
internal import HostProbe
internal import ImageModel
internal import NixStore
internal import SystemPackage

/// Everything a build knows before it starts anything: the closure, checked, and the plan.
struct Preparation: Sendable {
  let store: StoreLocation
  let closure: Closure
  let scan: TreeScan
  let plan: BuildPlan

  /// The bytes that the host's filesystem must have room for: the store disk, the target with the same content, and
  /// what a conversion writes again.
  var hostSpace: ByteSize {
    let copies: UInt64 = plan.outputs.format == .raw ? 2 : 3
    return ByteSize(bytes: scan.blockBytes * copies) + .mebibytes(64)
  }

  /// Reads and checks the closure, finds firmware and accelerator, and plans.
  ///
  /// - Parameter scratch: an existing folder for a copy of the Nix database.
  /// - Throws: `SpecError`, `BuildError`.
  static func make(
    for request: BuildRequest, scratch: FilePath, recorder: StepRecorder
  ) async throws -> Preparation {
    let host = HostProbe()
    let (accelerator, firmware) = try await hostFaultsAsBuildErrors {
      (
        try await host.accelerator(wanted: request.machine.accelerator.kind),
        try await host.firmware(code: request.spec.efiFirmware, variables: request.spec.efiVariables)
      )
    }
    let store = StoreLocation()
    let (closure, system) = try await readClosure(of: request.spec, in: store, scratch: scratch)
    let scan = try await recorder.step(
      "closure", detail: { "\(closure.paths.count) paths, \(ByteSize(bytes: $0.contentBytes))" }
    ) {
      try await check(closure, system: system, spec: request.spec, in: store)
    }
    let database = databaseBound(closure)
    let planner = Planner(
      spec: request.spec,
      closure: ClosureFacts(
        system: system.path, paths: closure.paths.count,
        references: closure.paths.reduce(0) { $0 + $1.references.count }, inodes: UInt64(scan.inodes),
        content: ByteSize(bytes: scan.blockBytes + UInt64(scan.directories) * 4096),
        bootFiles: try BootFiles.size(of: store.file(of: system))),
      firmware: firmware, accelerator: accelerator.kind,
      source: SourcePlan(
        type: SourceDisk.filesystemType, capacity: SourceDisk.upperBound(for: scan, database: database)),
      stepTimeLimit: request.stepTimeLimit)
    return Preparation(store: store, closure: closure, scan: scan, plan: try planner.plan())
  }

  private static func readClosure(
    of spec: ImageSpec, in store: StoreLocation, scratch: FilePath
  ) async throws -> (Closure, StorePath) {
    guard let text = spec.system else {
      throw SpecError("system", "no system is given", remedy: "Give the store path of a NixOS toplevel")
    }
    return try await storeErrorsAsBuildErrors(.badInput) {
      let folder = FilePath(FileManager.default.currentDirectoryPath)
      let system = try store.storePath(of: text, from: folder)
      if let info = spec.closureInfo {
        let place = FilePath(URL(fileURLWithPath: info).standardizedFileURL.path)
        return (try await Closure.read(roots: [system], closureInfo: place), system)
      }
      return (try await Closure.read(roots: [system], from: store, scratch: scratch), system)
    }
  }

  private static func check(
    _ closure: Closure, system: StorePath, spec: ImageSpec, in store: StoreLocation
  ) async throws -> TreeScan {
    let switcher = "bin/switch-to-configuration"
    let entries = Closure.systemEntries.filter { spec.installBootLoader != false || $0 != switcher }
    do {
      return try await closure.check(in: store, system: system, entries: entries)
    } catch let error as InvalidClosure {
      throw BuildError(.badInput, "the closure cannot be installed: \(error)")
    }
  }

  /// More than the Nix database of a closure takes. Measured: below 700 bytes a path and 250 a reference, indexes
  /// included; twice that is certain.
  private static func databaseBound(_ closure: Closure) -> ByteSize {
    let references = closure.paths.reduce(0) { $0 + $1.references.count }
    return ByteSize(bytes: UInt64(closure.paths.count * 1400 + references * 500 + (1 << 20)))
  }
}

/// What a store reports, in the words of a build.
func storeErrorsAsBuildErrors<Result>(
  _ kind: BuildError.Kind = .failed, _ body: () async throws -> Result
) async throws -> Result {
  do {
    return try await body()
  } catch let error as StoreError {
    let remedy = error.remedy.isEmpty ? nil : error.remedy
    throw BuildError(kind, "cannot \(error.attempt): \(error.reason)", remedy: remedy)
  }
}

/// A machine that is not able is told apart from a build that fails.
func hostFaultsAsBuildErrors<Result>(_ body: () async throws -> Result) async throws -> Result {
  do {
    return try await body()
  } catch let fault as HostFault {
    throw BuildError(.hostNotAble, fault.message, remedy: fault.remedy)
  }
}
