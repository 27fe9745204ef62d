import Basics
import BuildPlan
import Command
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

/// What a run refuses before there is a machine, and what it tells libvirt and QEMU.
@Suite struct ImageRunTests {
  @Test(arguments: [
    ("2222:22", "hostfwd=tcp:127.0.0.1:2222-:22"), ("0.0.0.0:80:8080", "hostfwd=tcp:0.0.0.0:80-:8080"),
    ("65535:1", "hostfwd=tcp:127.0.0.1:65535-:1"),
  ])
  func aForwardIsAnArgumentOfQEMU(text: String, argument: String) throws {
    #expect(try PortForward(text).argument == argument)
  }

  @Test(arguments: [
    "", "22", "a:22", "22:a", "0:22", "22:0", "65536:22", "+1:22", "22:22:22:22", "localhost:22:22",
    "1.2.3:22:22", ":22", "22:", "127.0.0.1,id=x:22:22", "::1:22:22", "٢٢:22",
  ])
  func aForwardThatIsNoneIsRefused(text: String) {
    let fault = #expect(throws: Fault.self) { try PortForward(text) }
    #expect(fault?.kind == .badInput && fault?.message.contains("--forward \(text)") == true)
  }

  @Test(arguments: [
    (["2222:22", "2222:80"], true), (["2222:22", "0.0.0.0:2222:80"], true),
    (["127.0.0.2:2222:22", "127.0.0.3:2222:22"], false), (["2222:22", "2223:22"], false),
  ])
  func aPortIsForwardedOnce(texts: [String], isRefused: Bool) throws {
    let forwards = try texts.map { try PortForward($0) }
    guard isRefused else { return try PortForward.check(forwards, isLocal: false) }
    let fault = #expect(throws: Fault.self) { try PortForward.check(forwards, isLocal: false) }
    #expect(fault?.message.contains("forwarded twice") == true)
  }

  @Test func aPortInUseIsRefused() throws {
    let taken = try LocalPort()
    let forward = try PortForward("\(taken.number):22")
    let fault = #expect(throws: Fault.self) { try PortForward.check([forward], isLocal: true) }
    #expect(fault?.kind == .badInput && fault?.message.contains("\(taken.number) is in use") == true)
    try withExtendedLifetime(taken) { try PortForward.check([forward], isLocal: false) }
    try PortForward.check([PortForward("\(LocalPort.free()):22")], isLocal: true)
  }

  @Test func anAddressThatThisMachineHasNotIsRefused() throws {
    // For documentation alone (RFC 5737).
    let forward = try PortForward("192.0.2.1:2222:22")
    let fault = #expect(throws: Fault.self) { try PortForward.check([forward], isLocal: true) }
    #expect(fault?.message.contains("no address of this machine") == true)
  }

  private struct Displays: CommandRunner {
    let kinds: String

    func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String { kinds }
  }

  @Test(arguments: [
    ([:], "DISPLAY is not set", "Use --vnc"),
    (["WAYLAND_DISPLAY": "wayland-0"], "needs X or Xwayland", "Use --vnc"),
    (["DISPLAY": ":0"], "no display of the kind sdl", "qemu-system-gui"),
  ])
  func aWindowThatNobodySeesIsRefused(environment: [String: String], cause: String, remedy: String) async {
    let fault = await #expect(throws: Fault.self) {
      try await GuestScreen(.window, environment: environment, runner: Displays(kinds: "none\ncurses\n"))
    }
    #expect(fault?.kind == .hostNotAble)
    let text = fault?.lines.joined(separator: "\n") ?? ""
    #expect(text.contains(cause) && text.contains(remedy))
  }

  @Test func aWindowIsOnTheDisplayOfTheUser() async throws {
    try await withScratchDirectory { scratch in
      let cookies = scratch.appending("cookies")
      try WholeFile.write([], to: cookies, mode: 0o600)
      let screen = try await GuestScreen(
        .window, environment: ["DISPLAY": ":7", "XAUTHORITY": cookies.string],
        runner: Displays(kinds: "none\ngtk\nsdl\n"))
      #expect(screen.values["display"] == ":7" && screen.values["xauth"] == cookies.string)
      #expect(screen.values["vncAddress"]?.isEmpty == true)
    }
  }

  @Test func aVNCScreenHasAPortThatLibvirtTakes() async throws {
    let free = try await GuestScreen(.vnc(.local)).values
    #expect(free["vncAutoport"] == "yes" && free["vncPort"] == "-1" && free["vncAddress"] == "127.0.0.1")
    let own = try await GuestScreen(.vnc(ListenAddress("0.0.0.0:5901", option: "--vnc-address"))).values
    #expect(own["vncAutoport"] == "no" && own["vncPort"] == "5901" && own["vncAddress"] == "0.0.0.0")
    await #expect(throws: Fault.self) {
      try await GuestScreen(.vnc(ListenAddress("127.0.0.1:80", option: "--vnc-address")))
    }
    #expect(throws: Fault.self) { try ListenAddress("127.0.0.1:", option: "--vnc-address") }
  }

  @Test func aKeptCopyGoesOnWithoutTheImage() throws {
    try withKeptCopy(firmware: true) { folder in
      let kept = try #require(try KeptCopy.find(folder.string))
      for named in [BootRequest(), BootRequest(image: "/images/nixos.img")] {
        let request = try kept.continued(named)
        #expect(request.image == folder.appending("disk.qcow2").string && request.folder == nil)
        #expect(request.format == .qcow2 && request.sectorSize == 4096 && !request.bios)
        #expect(request.firmware?.code == "/f/CODE.fd")
        #expect(request.efiVariables == folder.appending("efi-vars.fd").string)
      }
      let fresh = try kept.continued(BootRequest(freshVariables: true))
      #expect(fresh.efiVariables == nil && fresh.freshVariables)
      #expect(try kept.continued(BootRequest(efiVariables: "/v.fd")).efiVariables == "/v.fd")
      #expect(try kept.continued(BootRequest(efiFirmware: "/c.fd")).firmware == nil)
      let fault = #expect(throws: Fault.self) { try kept.continued(BootRequest(image: "/images/other.img")) }
      #expect(fault?.message.contains("/images/nixos.img") == true)
    }
    try withKeptCopy(firmware: false) { folder in
      let request = try #require(try KeptCopy.find(folder.string)).continued(BootRequest())
      #expect(request.bios && request.efiVariables == nil)
    }
  }

  @Test func aKeptCopyHasOneMachine() async throws {
    try await withScratchDirectory { scratch in
      let record = #"{"version": 1, "image": "/i", "sectorSize": 512}"#
      try WholeFile.write(Array(record.utf8), to: scratch.appending("run.json"), mode: 0o600)
      let kept = try #require(try KeptCopy.find(scratch.string))
      try await kept.alone {
        let fault = await #expect(throws: Fault.self) { try await kept.alone {} }
        #expect(fault?.message.contains("another machine uses the copy") == true)
      }
      try await kept.alone {}
    }
  }

  private func withKeptCopy(firmware: Bool, _ body: (FilePath) throws -> Void) throws {
    let folder = FilePath(NSTemporaryDirectory()).appending("slipway-test-\(UUID().uuidString.prefix(8))")
    try Folder.make(folder, mode: 0o700)
    defer { try? TreeRemover.remove(folder) }
    let pair =
      firmware
      ? #", "firmware": {"code": "/f/CODE.fd", "variablesTemplate": "/f/VARS.fd", "requiresSMM": false, "secureBoot": false, "enrolledKeys": false, "description": ""}"#
      : ""
    let record = #"{"version": 1, "image": "/images/nixos.img", "sectorSize": 4096\#(pair)}"#
    try WholeFile.write(Array(record.utf8), to: folder.appending("run.json"), mode: 0o600)
    if firmware { try WholeFile.write([1], to: folder.appending("efi-vars.fd"), mode: 0o600) }
    try body(folder)
  }

  @Test(arguments: [
    (nil, "has no copy of a run in it"), ("{}", "is damaged"), ("[", "is damaged"),
    (#"{"version": 2, "image": "/i", "sectorSize": 512}"#, "another version"),
  ])
  func aFolderOfSomethingElseIsLeftAlone(record: String?, words: String) async throws {
    try await withScratchDirectory { scratch in
      if let record {
        try WholeFile.write(Array(record.utf8), to: scratch.appending("run.json"), mode: 0o600)
      }
      let fault = #expect(throws: Fault.self) { try KeptCopy.find(scratch.string) }
      #expect(fault?.kind == .badInput && fault?.message.contains(words) == true)
      #expect(try KeptCopy.find(scratch.appending("none").string) == nil)
    }
  }
}
