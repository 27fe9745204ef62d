import Basics
import BuildPlan
import TestSupport
import Testing

@Suite struct DomainTemplateTests {
  @Test func theInstallersDomainIsTheGoldenOne() throws {
    let xml = try common().render(.installer(), with: installer, lists: lists)
    try expectSnapshot(xml, named: "installer.xml")
  }

  @Test func aDiskOfTheInstallerIsTheGoldenOne() throws {
    try expectSnapshot(DomainTemplate.disk().render(target), named: "disk.xml")
    let source = ["format": "raw", "device": "vdb", "isReadOnly": "yes", "serial": "slipway-source"]
    try expectSnapshot(
      DomainTemplate.disk().render(target.merging(source) { $1 }), named: "disk-read-only.xml")
  }

  @Test func aDiskOfLargeSectorsSaysSo() throws {
    let large = ["sectorSize": DomainValues.sectorSize(4096)]
    let element = "<blockio logical_block_size='4096' physical_block_size='4096'/>"
    #expect(
      try common().render(.verify(), with: disk.merging(large) { $1 })
        .contains(element))
    #expect(try DomainTemplate.disk().render(target.merging(large) { $1 }).contains(element))
    #expect(DomainValues.sectorSize(512).isEmpty)
  }

  @Test func aTemplateMayHaveTheDisksInPlace() throws {
    #expect(try !DomainTemplate.installer().names("targetDisk"))
    for text in ["<a>{{targetDisk}}</a>", "{{#targetDisk}}<a/>{{/targetDisk}}"] {
      #expect(try DomainTemplate(name: "mine.xml", text: text).names("targetDisk"))
    }
  }

  @Test func theVerifiersDomainIsTheGoldenOne() throws {
    let xml = try common().render(.verify(), with: disk)
    try expectSnapshot(xml, named: "verify.xml")
  }

  @Test func theDomainOfARunIsTheGoldenOne() throws {
    let network = ["network": "user,id=slipway,hostfwd=tcp:127.0.0.1:2222-:22", "cache": "unsafe"]
    let values = disk.merging(noScreen) { $1 }
    try expectSnapshot(try common().render(.run(), with: values.merging(network) { $1 }), named: "run.xml")
    let screen = [
      "screen": "yes", "vncAddress": "127.0.0.1", "vncPort": "-1", "vncAutoport": "yes", "network": "",
      "cache": "writeback",
    ]
    try expectSnapshot(try common().render(.run(), with: values.merging(screen) { $1 }), named: "run-vnc.xml")
    let window = [
      "screen": "yes", "display": ":0", "xauth": "/h/.Xauthority", "network": "", "cache": "unsafe",
    ]
    let xml = try common().render(.run(), with: values.merging(window) { $1 })
    #expect(xml.contains("    <graphics type='sdl' display=':0' xauth='/h/.Xauthority'/>\n"))
    #expect(xml.contains("<qemu:arg value='on,obsolete=deny,elevateprivileges=deny,resourcecontrol=deny'/>"))
  }

  @Test func aBIOSHasNoFirmwareOfItsOwn() throws {
    let bios = [
      "firmwareCode": "", "kernel": "/k/kernel", "initrd": "/k/initrd", "kernelCommandLine": "init=/x",
    ]
    let xml = try common().render(.verify(), with: disk.merging(bios) { $1 })
    try expectSnapshot(xml, named: "verify-bios-kernel.xml")
  }

  @Test(arguments: [("0-3,8", "<vcpu cpuset='0-3,8'>2</vcpu>"), ("", "<vcpu>2</vcpu>")])
  func theGuestRunsWhereItMay(hostCPUs: String, element: String) throws {
    let values = installer.merging(disk) { $1 }.merging(["hostCPUs": hostCPUs]) { $1 }
    for template in [try DomainTemplate.installer(), try DomainTemplate.verify()] {
      #expect(try common().render(template, with: values, lists: lists).contains("  \(element)\n"))
    }
  }

  @Test func valuesAreEscaped() throws {
    let template = try DomainTemplate(name: "t", text: "<a b='{{value}}'>{{value}}</a>")
    let xml = try template.render(["value": "<'&\">"])
    #expect(xml == "<a b='&lt;&#39;&amp;&quot;&gt;'>&lt;&#39;&amp;&quot;&gt;</a>")
  }

  @Test func anUnknownPlaceholderIsRefusedByName() throws {
    let template = try DomainTemplate(name: "mine.xml", text: "<a>{{known}}{{unheard}}</a>")
    let error = try #require(throws: Fault.self) { try template.render(["known": "x"]) }
    #expect(error.description.contains("mine.xml"))
    #expect(error.description.contains("unheard"))
  }

  @Test func aTemplateThatDoesNotParseIsRefused() {
    #expect(throws: Fault.self) { try DomainTemplate(name: "t", text: "<a>{{open</a>") }
  }

  @Test func aSectionIsKeptOnlyForAValue() throws {
    let template = try DomainTemplate(name: "t", text: "a{{#x}}[{{x}}]{{/x}}z")
    #expect(try template.render(["x": "1"]) == "a[1]z")
    #expect(try template.render(["x": ""]) == "az")
  }

  @Test func argumentsOfQEMUAreOneElementEach() throws {
    let xml = try common().render(
      .installer(), with: installer, lists: ["qemuArguments": ["-device", "edu,id='x'"]])
    #expect(
      xml.hasSuffix(
        """
          </devices>
          <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
            <qemu:arg value='-device'/>
            <qemu:arg value='edu,id=&#39;x&#39;'/>
          </qemu:commandline>
        </domain>

        """))
  }

  @Test func aTemplateWithoutAPlaceForAListIsRefused() throws {
    let template = try DomainTemplate(name: "mine.xml", text: "<a/>")
    let error = try #require(throws: Fault.self) {
      try template.render([:], lists: ["qemuArguments": ["-x"]])
    }
    #expect(error.description.contains("qemuArguments"))
    #expect(try template.render([:], lists: ["qemuArguments": []]) == "<a/>")
  }

  @Test func anEmulatedProcessorHasNoFeaturesThatSlowItDown() throws {
    let feature = "<feature policy='disable' name='erms'/>"
    #expect(try common().render(.verify(), with: disk).contains(feature))
    let fast = try common(accelerator: .kvm).render(.verify(), with: disk)
    #expect(fast.contains("<cpu mode='host-passthrough'>"))
    #expect(!fast.contains("<feature policy"))
    // Of a user's template it is not asked.
    let mine = try DomainTemplate(name: "mine.xml", text: "<cpu mode='{{cpuMode}}'/>")
    #expect(try common().render(mine, with: [:]) == "<cpu mode='maximum'/>")
  }

  @Test func secureFirmwareGetsSystemManagementMode() throws {
    let values = common(requiresSMM: true).placeholders
    #expect(values["smm"] == "on")
    #expect(values["secure"] == "yes")
  }

  private func common(requiresSMM: Bool = false, accelerator: Accelerator.Kind = .tcg) -> DomainValues {
    DomainValues(
      name: "slipway-x", uuid: "00000000-0000-0000-0000-000000000000", accelerator: accelerator, memory: 1024,
      cpus: 2,
      firmware: FirmwarePair(
        code: "/f/CODE.fd", variablesTemplate: "/f/VARS.fd", requiresSMM: requiresSMM, secureBoot: requiresSMM
      ),
      variables: "/w/vars.fd", consoleLog: "/w/console.log", hostCPUs: ""
    )
  }

  private let disk = [
    "disk": "/w/disk.qcow2", "kernel": "", "initrd": "", "kernelCommandLine": "", "sectorSize": "",
    "consoleSocket": "/s/console",
  ]

  private let noScreen = [
    "screen": "", "display": "", "xauth": "", "vncAddress": "", "vncPort": "", "vncAutoport": "",
  ]

  private let lists = ["qemuArguments": [String]()]

  private let installer = [
    "kernel": "/k/kernel", "initramfs": "/k/initramfs", "kernelCommandLine": "console=ttyS0",
    "clock": "946814400", "agentSocket": "/s/agent", "agentPort": "org.slipway.agent.0",
    "debugSocket": "/s/debug",
  ]

  private let target = [
    "file": "/w/target.qcow2", "format": "qcow2", "sectorSize": "", "device": "vda", "isReadOnly": "",
    "serial": "slipway-target",
  ]
}
