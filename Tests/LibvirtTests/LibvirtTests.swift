internal import Foundation
internal import Libvirt
internal import Testing

/// Against libvirt's own mock driver: no hypervisor, no daemon. Every connection has domains of its own.
@Suite struct LibvirtTests {
  let uri: String
  private let folder: URL

  init() throws {
    let name = "slipway-test-\(UUID().uuidString)"
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let node = folder.appendingPathComponent("node.xml")
    try Data("<node/>".utf8).write(to: node)
    uri = "test://\(node.path)"
  }

  private func removeFolder() {
    try? FileManager.default.removeItem(at: folder)
  }

  private func xml(_ name: String) -> String {
    """
    <domain type='test'>
      <name>\(name)</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>
      <devices><graphics type='vnc'/><video><model type='vga'/></video></devices>
    </domain>
    """
  }

  @Test func tellsVersionsAndCapabilities() async throws {
    defer { removeFolder() }
    let connection = try await Connection.open(uri)
    let versions = try await connection.versions()
    #expect(versions.library >= Version(number: 9_000_000))
    #expect(versions.hypervisor.description == "0.0.2")
  }

  @Test func refusesAConnectionWithLibvirtsReason() async throws {
    defer { removeFolder() }
    let error = await #expect(throws: LibvirtError.self) { _ = try await Connection.open("nonsense:///x") }
    #expect(error?.description.hasPrefix("libvirt could not connect to nonsense:///x: ") == true)
    #expect(error?.message.isEmpty == false)
  }

  @Test func refusesMalformedXML() async throws {
    defer { removeFolder() }
    let connection = try await Connection.open(uri)
    let error = await #expect(throws: LibvirtError.self) {
      _ = try await connection.createDomain(xml: "<domain")
    }
    #expect(error?.code == .malformedXML)
  }

  @Test func followsADomainFromStartToEnd() async throws {
    defer { removeFolder() }
    let connection = try await Connection.open(uri)
    let events = try await connection.events()
    let domain = try await connection.createDomain(xml: xml("life"))
    #expect(domain.name == "life")
    #expect(UUID(uuidString: domain.uuid) != nil)
    try await domain.destroy()
    // A second one changes nothing.
    try await domain.destroy()

    var kinds: [DomainEvent.Kind] = []
    for await event in events where event.domain == "life" {
      kinds.append(event.kind)
      if case .stopped = event.kind { break }
    }
    #expect(kinds == [.started, .stopped(.destroyed)])
  }

  @Test func aConnectionHasSeveralEventStreams() async throws {
    defer { removeFolder() }
    let connection = try await Connection.open(uri)
    func end(_ name: String) async throws {
      try await connection.createDomain(xml: xml(name)).destroy()
    }
    let first = try await connection.events()
    let second = try await connection.events()
    try await end("shared")
    for events in [first, second] {
      #expect(await events.first { $0.kind == .stopped(.destroyed) }?.domain == "shared")
    }
    // Without readers libvirt is told to tell nothing more, and then to tell again.
    for name in ["third", "fourth"] {
      let events = try await connection.events()
      try await end(name)
      #expect(await events.first { $0.kind == .stopped(.destroyed) }?.domain == name)
    }
  }

  @Test func connectionsWorkSideBySide() async throws {
    defer { removeFolder() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<8 {
        group.addTask {
          let connection = try await Connection.open(uri)
          let domain = try await connection.createDomain(xml: xml("parallel\(number)"))
          try await domain.destroy()
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func writesAScreenshot() async throws {
    defer { removeFolder() }
    let connection = try await Connection.open(uri)
    let domain = try await connection.createDomain(xml: xml("screen"))
    let file = folder.appendingPathComponent("screen.png")
    #expect(try await domain.screenshot(to: file.path) == "image/png")
    #expect(try Data(contentsOf: file).starts(with: [0x89, 0x50, 0x4E, 0x47]))
    let error = await #expect(throws: LibvirtError.self) {
      try await domain.screenshot(to: folder.appendingPathComponent("none/screen.png").path)
    }
    #expect(error?.message.contains("No such file") == true)
  }
}
