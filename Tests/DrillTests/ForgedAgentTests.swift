import AgentProtocol
import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// A guest whose first process is not the agent, and speaks on its port all the same.
@Suite(.virtualMachines, .serialized) struct ForgedAgentTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var fault: String
    var frames: [UInt8]
    /// Sent again and again.
    var floods = false
    var words: String
    var testDescription: String { fault }
  }

  private static let hello = encoded(.hello(build: "forged"))

  private static func encoded(_ message: AgentMessage) -> [UInt8] {
    (try? FrameCodec.encode(message)) ?? []
  }

  static let cases = [
    Case(fault: "no agent at all", frames: Array("HTTP/1.1 200 OK\r\n\r\n".utf8), words: "protocol"),
    Case(fault: "frame of 4 GiB", frames: [0xff, 0xff, 0xff, 0xff], words: "limit"),
    Case(
      fault: "hello of another version",
      frames: encoded(.hello(oldestVersion: 99, version: 99, build: "\u{1b}]52;c;eA==\u{7}")),
      words: #"speaks\s+protocol"#),
    Case(
      fault: "reply to what nobody asked", frames: hello + encoded(.reply(id: .max)),
      words: "answered request"),
    Case(
      fault: "progress of 2^64-1",
      frames: hello + encoded(.event(.progress(done: .max, total: 1)))
        + encoded(.event(.progress(done: 1, total: 0)))
        + encoded(.reply(id: 7)), words: "answered request"),
    Case(
      fault: "flood of log lines",
      frames: hello + encoded(.event(.log(String(repeating: "x\u{9b}2J", count: 200)))),
      floods: true, words: "more than|broke|lines|bytes"),
    Case(
      fault: "flood of blank lines", frames: hello + encoded(.event(.log(""))), floods: true,
      words: "more than|broke|started anew|lines|bytes"),
  ]

  @Test(arguments: cases)
  func forgedFramesEndTheBuild(forged: Case) async throws {
    try await row("forged frames", forged.fault) { bench in
      let template = try await template(sending: forged, on: bench)
      let start = ContinuousClock.now
      let result = try await bench.run(
        bench.build("tiny", ["--vm-template", template, "--step-timeout", "60"]))
      bench.expect(result, status: 1, says: forged.words)
      bench.expect(ContinuousClock.now - start < .seconds(300), "the build took long")
    }
  }

  /// The installer's domain with another initramfs: the appliance's, whose first process a second archive replaces.
  private func template(sending forged: Case, on bench: Bench) async throws -> String {
    let root = bench.inputs.appending("root")
    try FileManager.default.makeFolder(root)
    let first = root.appending("init").string
    try Data(Self.firstProcess(floods: forged.floods).utf8).write(to: URL(fileURLWithPath: first))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: first)
    try Data(forged.frames).write(to: URL(fileURLWithPath: root.appending("frames").string))
    let initramfs = bench.inputs.appending("initramfs").string
    let built = try await SlipwayCommand.run(["appliance", "build"])
    bench.expect(built.status == 0, built.errors)
    let appliance = try #require(
      (built.output + "\n" + built.errors).split(whereSeparator: \.isWhitespace).map(String.init).last {
        $0.hasPrefix("/") && $0.contains("appliance")
      })
    let folder =
      appliance.hasSuffix("initramfs") || appliance.hasSuffix("kernel")
      ? FilePath(appliance).removingLastComponent() : FilePath(appliance)
    try await SubprocessRunner().run(
      "sh", "-c", "cp \"$1/initramfs\" \"$3\" && cd \"$2\" && find . | busybox cpio -o -H newc >> \"$3\"",
      "sh",
      folder.string, root.string, initramfs)
    let domain = try String(
      contentsOfFile: TestSystem.repository("vm-templates/installer.xml"), encoding: .utf8)
    return try bench.write(
      domain.replacing("<initrd>{{initramfs}}</initrd>", with: "<initrd>\(initramfs)</initrd>"), "forged.xml")
  }

  private static func firstProcess(floods: Bool) -> String {
    """
    #!/usr/bin/ash
    export PATH=/usr/bin:/bin:/sbin
    mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
    for module in $(cat /etc/modules-to-load); do insmod $module; done
    while :; do
      for port in /sys/class/virtio-ports/*; do
        [ "$(cat $port/name)" = org.slipway.agent.0 ] && break 2
      done
      sleep 1
    done
    exec 3<>/dev/${port##*/}
    dd bs=1 count=5 <&3 >/dev/null 2>&1
    cat /frames >&3
    \(floods ? "dd if=/frames bs=1 skip=\(hello.count) of=/event; i=0; while [ $i -lt 12 ]; do cat /event /event /event /event > /more; mv /more /event; i=$((i+1)); [ $(stat -c %s /event) -gt 4000000 ] && break; done; while cat /event >&3; do :; done" : ":")
    sleep 1000
    """
  }
}
