internal import BuildMachine
internal import BuildPlan

/// The saving of a machine for the builds after this one, beside this one. What goes wrong with it is noted, and stops
/// nothing.
struct MachineSaving: Sendable {
  private let packing: Task<Void, Never>

  /// Writes the state of a machine whose agent waits, and packs it while the machine goes on.
  ///
  /// - Returns: nil when nothing is saved.
  static func start(
    _ machine: Machine, as key: StartKey, of plan: MachinePlan, in machines: SavedMachines?,
    note: @escaping @Sendable (String) -> Void
  ) async throws -> MachineSaving? {
    guard let machines, machine.session.isShared else { return nil }
    let failed = { @Sendable (error: any Error) in
      note("the machine is not saved for later builds: \(RestoreFailure(error).reason)")
    }
    let draft: SavedMachineDraft
    do {
      draft = try await machines.draft(key, of: plan)
    } catch {
      try Task.checkCancellation()
      failed(error)
      return nil
    }
    do {
      try await machine.save(into: draft)
    } catch {
      draft.abandon()
      try Task.checkCancellation()
      failed(error)
      return nil
    }
    return MachineSaving(
      packing: Task {
        do {
          try await draft.publish()
        } catch {
          failed(error)
        }
      })
  }

  /// Waits until it is packed.
  func finish() async {
    await withTaskCancellationHandler {
      await packing.value
    } onCancel: {
      packing.cancel()
    }
  }

  /// Gives it up.
  func cancel() async {
    packing.cancel()
    await packing.value
  }
}
