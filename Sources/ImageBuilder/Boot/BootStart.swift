internal import Basics
internal import EFIVariables
internal import SystemPackage

/// What one boot starts, and how its boot loader is told.
struct BootStart: Hashable {
  /// The boot entry; nil for what starts by itself.
  let entry: BootEntryReport?
  let means: BootMeans

  /// The step of its boot, where there are others.
  var step: BuildStep { entry.map { .boot(entry: $0.identifier) } ?? .bootImage }
}

extension BootSetup {
  /// Finds what a choice starts.
  ///
  /// - Throws: `Fault` where the image has no such entry, or nothing starts it for one boot; `CancellationError`.
  func start(of choice: BootChoice) async throws -> BootStart {
    guard choice != .byItself else { return BootStart(entry: nil, means: .none) }
    let (report, store) = try await offer()
    let entry = try choice.entry(in: report)
    return BootStart(entry: entry, means: try BootMeans.make(for: entry, in: report, store))
  }

  /// Finds every entry of the boot menu, in its order.
  ///
  /// - Throws: `Fault`, also where there is none; `CancellationError`.
  func startsOfAllEntries() async throws -> [BootStart] {
    let (report, store) = try await offer()
    guard !report.entries.isEmpty else {
      throw Fault(
        .badInput, "the image has no boot entries that can be told", remedy: "Leave out --all",
        evidence: report.notes)
    }
    return try report.entries.map {
      BootStart(entry: $0, means: try BootMeans.make(for: $0, in: report, store))
    }
  }

  /// What the image offers to boot, and its variables.
  private func offer() async throws -> (ImageReport, VariableStore?) {
    let image = artefacts.image.string
    let source = try InspectedFiles(image, variables: nil, format: artefacts.format)
    let store = try store()
    return (try await ImageInspection(image).report(of: source, store), store)
  }
}
