internal import BuildPlan
internal import Foundation
internal import NixStore
internal import SystemPackage

/// The systems of a spec and all that goes with them, found in a store.
struct SystemClosure: Sendable {
  let store: StoreLocation
  /// In the order of their generations.
  let systems: [StorePath]
  let channel: StorePath?
  let closure: Closure

  /// Finds the paths that the spec names, and reads their closure.
  ///
  /// - Throws: `SpecError`, `Fault`.
  static func read(_ spec: ResolvedSpec) async throws -> SystemClosure {
    let here = FilePath(FileManager.default.currentDirectoryPath)
    let store = try StoreLocation(holding: spec.systems.first, from: here)
    let channel = try spec.channel.map { try Channel.find($0, in: store) }
    let systems = try spec.systems.map { try store.storePath(of: $0, from: here) }
    try checkGenerations(systems)
    let more = try spec.additionalPaths.map { try store.storePath(holding: $0, from: here) }
    let roots = systems + more + [channel].compactMap(\.self)
    let closure =
      if let info = spec.closureInfo {
        try await Closure.read(
          roots: roots, closureInfo: FilePath(URL(fileURLWithPath: info).standardizedFileURL.path))
      } else {
        try await Closure.read(roots: roots, from: store)
      }
    return SystemClosure(store: store, systems: systems, channel: channel, closure: closure)
  }

  /// Nothing tells two generations of one system apart once one of them has booted.
  private static func checkGenerations(_ systems: [StorePath]) throws(SpecError) {
    var numbers: [StorePath: Int] = [:]
    for (number, system) in zip(1..., systems) {
      guard let earlier = numbers.updateValue(number, forKey: system) else { continue }
      throw SpecError(
        "systems", "generations \(earlier) and \(number) are one system, \(system)",
        remedy: "Leave one of them out; currentGeneration boots an earlier one")
    }
  }

  /// Compares what is in the store with its registration.
  ///
  /// - Throws: `Fault` with everything that is wrong.
  func check(installsBootLoader: Bool) async throws {
    try await closure.check(in: store, systems: systems, installsBootLoader: installsBootLoader)
  }
}
