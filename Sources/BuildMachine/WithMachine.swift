internal import Basics
internal import Foundation
internal import Libvirt
internal import SystemPackage

/// Starts a machine, runs `body` with it, and leaves nothing of it behind: no process, no domain, no file but
/// the console's log where the configuration wants one.
///
/// The machine is destroyed on every exit: when `body` returns, throws or is cancelled, and by a watchdog when
/// this process is killed. A body that wants an orderly end has the guest power off first.
///
/// - Throws: what `body` throws; `Fault` when the machine cannot be started, `RestoreFailure` when a saved one cannot be
///   restored.
package func withMachine<Result: Sendable>(
  _ configuration: MachineConfiguration, _ body: (Machine) async throws -> Result
) async throws -> Result {
  let folder = try await ProcessFolder.current()
  let session = try folder.makeSession(for: configuration)
  defer { folder.endSession(session) }
  let xml = try configuration.domainXML(session)
  if configuration.hasWindow, configuration.hypervisor == .embedded {
    try EmbeddedDriver.allowPrograms(root: folder.driverRoot)
  }
  let connection: Connection
  let events: AsyncStream<DomainEvent>
  let domain: Domain
  do {
    connection = try await open(configuration.hypervisor, folder)
    events = try await connection.events()
    if let saved = configuration.saved {
      guard session.isShared else {
        throw RestoreFailure(reason: "another machine of this process is one that was saved or restored")
      }
      domain = try await saved.restore(xml, of: session, on: connection, in: folder)
    } else {
      domain = try await start(xml, of: configuration, session, on: connection, folder)
    }
  } catch let error as LibvirtError {
    throw folder.fault("start a machine", error)
  }
  let machine = Machine(
    session: session, domain: domain, consoleLimit: configuration.consoleLimit)
  // A restored guest has printed all of its boot before.
  let firstByteLimit = configuration.saved == nil ? configuration.firstByteLimit : nil
  // Not a child of this task: the machine is watched, and ended, also when this task is cancelled.
  let watch = Task { await machine.watch(events, firstByteLimit: firstByteLimit) }
  let outcome: Swift.Result<Result, any Error>
  do {
    try Task.checkCancellation()
    outcome = .success(try await body(machine))
  } catch {
    outcome = .failure(error)
  }
  let teardown = Task {
    try await machine.destroy()
    await watch.value
  }
  let torn = await teardown.result
  let result = try outcome.get()
  try torn.get()
  return result
}

private func open(_ hypervisor: Hypervisor, _ folder: ProcessFolder) async throws -> Connection {
  try await PatientCall(
    attempt: "connect to libvirt", relieve: { EmbeddedDriver.killProbes(in: folder) }
  ).run {
    switch hypervisor {
    case .embedded: try await Connection.openEmbedded(EmbeddedDriver.uri(root: folder.driverRoot))
    case .uri(let uri): try await Connection.open(uri)
    }
  }
}

private func start(
  _ xml: String, of configuration: MachineConfiguration, _ session: MachineSession, on connection: Connection,
  _ folder: ProcessFolder
) async throws -> Domain {
  let flags = configuration.startFlags
  return try await PatientCall(
    attempt: "start a machine",
    relieve: {
      EmbeddedDriver.killProbes(in: folder)
      EmbeddedDriver.killHypervisor(of: session, in: folder)
    },
    dispose: { try? await $0.destroy() }
  ).run { try await connection.createDomain(xml: xml, flags: flags) }
}

extension ProcessFolder {
  /// A refusal of libvirt's. It writes into this folder.
  fileprivate func fault(_ attempt: String, _ error: LibvirtError) -> Fault {
    let isOverQuota = error.message.contains(Errno.diskQuotaExceeded.description)
    if isOverQuota || FullFilesystem.isFull(path) {
      let full = FullFilesystem(of: path, reason: isOverQuota ? .diskQuotaExceeded : .noSpace)
      return Fault(
        .failed, "could not \(attempt)", cause: full.description, remedy: full.remedy,
        evidence: [TerminalText.escaped(error.description)])
    }
    return Fault(
      .hostNotAble, "could not \(attempt)", cause: error.description,
      remedy: EmbeddedDriver.remedy(for: error))
  }
}

extension MachineConfiguration {
  /// The embedded driver refuses to destroy domains by itself: the watchdog does it.
  fileprivate var startFlags: DomainStartFlags {
    hypervisor == .embedded ? [] : .autoDestroy
  }
}

extension Hypervisor {
  /// The versions of libvirt and of the QEMU that it runs, for people.
  ///
  /// - Throws: `Fault` when there is no such libvirt.
  package func version() async throws -> String {
    let folder = try await ProcessFolder.current()
    do {
      let connection = try await open(self, folder)
      let versions = try await PatientCall(
        attempt: "ask libvirt for its version", relieve: { EmbeddedDriver.killProbes(in: folder) }
      ).run { try await connection.versions() }
      return "\(versions.library), QEMU \(versions.hypervisor)"
    } catch let error as LibvirtError {
      throw folder.fault("reach libvirt", error)
    }
  }
}
