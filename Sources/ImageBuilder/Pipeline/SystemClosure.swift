internal import BuildPlan
internal import Foundation
internal import NixStore
internal import SystemPackage

/// The system of a spec and all that goes with it, found in a store.
struct SystemClosure: Sendable {
  let store: StoreLocation
  let system: StorePath
  let channel: StorePath?
  let closure: Closure

  /// Finds the paths that the spec names, and reads their closure.
  ///
  /// - Throws: `SpecError`, `Fault`.
  static func read(_ spec: ResolvedSpec) async throws -> SystemClosure {
    let here = FilePath(FileManager.default.currentDirectoryPath)
    let store = try StoreLocation(holding: spec.system, from: here)
    let channel = try spec.channel.map { try Channel.find($0, in: store) }
    let system = try store.storePath(of: spec.system, from: here)
    let more = try spec.additionalPaths.map { try store.storePath(holding: $0, from: here) }
    let roots = [system] + more + [channel].compactMap(\.self)
    let closure =
      if let info = spec.closureInfo {
        try await Closure.read(
          roots: roots, closureInfo: FilePath(URL(fileURLWithPath: info).standardizedFileURL.path))
      } else {
        try await Closure.read(roots: roots, from: store)
      }
    return SystemClosure(store: store, system: system, channel: channel, closure: closure)
  }

  /// Compares what is in the store with its registration.
  ///
  /// - Throws: `Fault` with everything that is wrong.
  func check(installsBootLoader: Bool) async throws {
    try await closure.check(in: store, system: system, installsBootLoader: installsBootLoader)
  }
}
