import Basics
import BuildPlan
import Command
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

/// Scenarios as they are read: every key, and what is refused, with its line.
@Suite struct ScenarioReaderTests {
  /// Store paths by the names that the scenarios have for them.
  private static let systems = ["first", "second", "third", "grub", "uki"].reduce(into: [String: String]()) {
    $0[$1] = "/nix/store/\(String(repeating: "1", count: 32))-\($1)"
  }

  /// Every key of every step.
  private static let everything = #"""
    name: everything
    login: {user: admin, password: secret}
    memory: 512
    steps:
      - build: {system: $first, additionalPaths: [$second, /nix/store/x], additionalSpace: 64M, cpus: 2}
      - name: a boot
        boot:
          generation: 2
          profile: test
          specialisation: verbose
          expect: "login:"
          timeout: 60
          expectGeneration: 2
          expectSpecialisation: verbose
          expectSystem: $second
          run:
            - "true"
            - {command: "ls /", status: 1, expect: nix, timeout: 5}
          end: reboot
      - boot: {entry: nixos-generation-1, run: {command: sync, cutAfter: 1.5}}
      - boot: {cutPowerAt: 2}
      - boot: {cutPowerAt: "Stage 2"}
      - boot:
      - mustNotBoot: panicked
      - mustNotBoot: {because: panicked, timeout: 5, generation: 1}
      - switchTo: $second
      - switchTo: {system: /nix/store/x, mustFail: full, timeout: 9, installBootLoader: true}
      - deleteGenerations: 1
      - deleteGenerations: {numbers: [1, 2], timeout: 5}
      - setVariable: {name: Timeout, value: "3", attributes: 7}
      - setVariable: {name: Boot0001, description: A, path: 'HD(1)', inactive: true}
      - setVariable: {name: X-8be4df61-93ca-11d2-aa0d-00e098032b8c, hex: "00ff"}
      - deleteVariable: BootNext
      - bootNext: "0001"
      - variables: {present: [BootOrder], absent: BootNext, values: {Timeout: ^3$}}
      - fillVariables: 4K
      - fillBootPartition: 16K
      - fillBootPartition: {leave: 0, partition: 1}
      - corruptFile: {path: /EFI/x, partition: /boot, offset: 1M, count: 3}
      - removeFile: /EFI/*.efi
      - remember: before
      - remember: {name: after, partition: 2, except: [/x]}
      - files: {exist: /a, missing: [/b, /c], sha256: {/d: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}}
      - files: {partition: /, exist: /a, unchanged: before}
    """#

  private static func read(_ text: String) throws(Fault) -> Scenario {
    try Scenario(yaml: Array(text.utf8), file: "s.yaml", systems: systems)
  }

  @Test func everyKeyIsRead() throws {
    let scenario = try Self.read(Self.everything)
    #expect(scenario.name == "everything" && scenario.memory == 512)
    #expect(scenario.login == ConsoleLogin(user: "admin", password: "secret"))
    #expect(scenario.actions.first?.name == "a boot")
    let build = try #require(scenario.source.step as? BuildImageStep)
    #expect(build.spec.system == Self.systems["first"])
    #expect(build.spec.additionalPaths == [Self.systems["second"] ?? "", "/nix/store/x"])
    #expect(Set(scenario.keys).union([OpenImageStep.key]) == Set(ScenarioSteps.all.map { $0.key }))
  }

  @Test func everyFieldOfAStepIsInTheScenarioWithEveryKey() throws {
    for step in ScenarioSteps.all where step.key != OpenImageStep.key {
      guard case .object(let fields, _) = step.shape else { continue }
      for field in fields {
        #expect(
          Self.everything.contains("\(field.name):") || field.name == "numbers", "\(step.key).\(field.name)")
      }
    }
  }

  @Test func anImageThatIsThereIsTaken() throws {
    let text =
      "steps:\n  - image: {path: /x.img, format: qcow2, efiVars: /v, bios: false, freshVariables: false}"
    let step = try #require(try Self.read(text).source.step as? OpenImageStep)
    #expect(
      step.request.image == "/x.img" && step.request.format == .qcow2 && step.request.efiVariables == "/v")
    #expect(try Self.read("steps:\n- image: /x.img").source.key == "image")
  }

  /// Steps behind a good first one, the line of the fault, and what the message says.
  private static let bad: [(text: String, line: Int, message: String)] = [
    ("  - bot: {}", 3, "no such key: 'bot'"),
    ("  - boot: {}\n    files: {exist: /a}", 3, "several keys"),
    ("  - name: x", 3, "no key of what is done"),
    ("  - 7", 3, "this is the number 7"),
    ("  - build: {system: /x}", 3, "this is a second"),
    ("  - boot:\n      generation: one", 4, "a whole number from 1"),
    ("  - boot:\n      generation: 0", 4, "a whole number from 1"),
    ("  - boot:\n      genration: 1", 4, "no such key: 'genration'"),
    ("  - boot:\n      expect: '('", 4, "not a regular expression"),
    ("  - boot:\n      expect: 5", 4, "a text; in quotes"),
    ("  - boot:\n      timeout: 100000", 4, "a whole number from 1 to 86400"),
    ("  - boot:\n      timeout: 1.5", 4, "a whole number"),
    ("  - boot:\n      expectSystem: $missing", 4, "the system $missing is not given"),
    ("  - boot:\n      expectSystem: relative", 4, "a store path, or $NAME"),
    ("  - boot:\n      end: off", 4, "one of powerOff, reboot, cut"),
    ("  - boot:\n      run: []", 4, "a list of 1 to 1000"),
    ("  - boot:\n      run:\n        - command: ''", 5, "a text of 1 to"),
    ("  - boot:\n      run:\n        - {command: a, status: 256}", 5, "from 0 to 255"),
    ("  - boot:\n      run:\n        - {command: a, cutAfter: -1}", 5, "a number of seconds from 0.0"),
    ("  - boot:\n      run: [{command: a, cutAfter: 1}, b]", 4, "something is to follow"),
    ("  - boot:\n      run: {command: a, cutAfter: 1}\n      end: cut", 4, "something is to follow"),
    ("  - boot:\n      run: {command: a, cutAfter: 1, status: 1}", 4, "nothing can be expected"),
    ("  - boot:\n      cutPowerAt: 1\n      run: a", 5, "before this is looked at"),
    ("  - boot:\n      entry: a\n      generation: 1", 4, "both say what is booted"),
    ("  - boot:\n      profile: a", 4, "without generation"),
    ("  - boot:\n      expectSpecialisation: a", 4, "without expectGeneration"),
    ("  - mustNotBoot: {timeout: 5}", 3, "'because' is missing"),
    ("  - mustNotBoot:", 3, "this is nothing"),
    ("  - switchTo: {mustFail: a}", 3, "'system' is missing"),
    ("  - deleteGenerations: [a]", 3, "a whole number"),
    ("  - setVariable: {name: a}", 3, "there is no value"),
    ("  - setVariable: {name: a, value: b, hex: '00'}", 3, "more than one"),
    ("  - setVariable: {name: a, description: b}", 3, "there is no value"),
    ("  - variables: {}", 3, "nothing is looked at"),
    ("  - variables: {values: {a: '['}}", 3, "not a regular expression"),
    ("  - fillBootPartition: much", 3, "a number of bytes"),
    ("  - fillBootPartition: {leave: -1}", 3, "a number of bytes"),
    ("  - corruptFile: {path: EFI/x}", 3, "a slash in front"),
    ("  - corruptFile: {path: /x, count: 9999999}", 3, "from 1 to 1048576"),
    ("  - removeFile: {path: /x, partition: boot}", 3, "a partition's number"),
    ("  - removeFile: {path: /x, partition: 256}", 3, "a partition's number"),
    ("  - files: {partition: 1}", 3, "nothing is looked at"),
    ("  - files: {sha256: {/a: 12}}", 3, "a text"),
    ("  - files: {sha256: {/a: '12'}}", 3, "64 hexadecimal digits"),
    ("  - files: {unchanged: before}", 3, "nothing before it remembers 'before'"),
    ("  - remember: a\n  - files: {unchanged: a, partition: 1}", 4, "has its partition already"),
    ("  - bootNext: &a x", 3, "anchor"),
    ("  - bootNext: !!str x", 3, "tag"),
    ("  - bootNext: x\n    bootNext: y", 3, "there twice"),
    ("  - bootNext: \"x", 3, "not YAML"),
    ("  - bootNext: ]", 3, "not YAML"),
    ("  - ? [a]\n    : b", 3, "key is not a text"),
  ]

  @Test(arguments: bad)
  func whatIsRefusedNamesItsLine(text: String, line: Int, message: String) throws {
    let error = #expect(throws: Fault.self) { try Self.read("steps:\n  - build: {system: /x}\n\(text)\n") }
    #expect(error?.kind == .badInput && error?.remedy != nil)
    // A scalar that is not closed is told of where the text ends.
    let lines = message == "not YAML" ? line...(line + 1) : line...line
    #expect(lines.contains { error?.message.hasPrefix("s.yaml:\($0): ") == true }, "\(error?.message ?? "")")
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  @Test(arguments: [
    ("", 1, "empty"), ("[]", 1, "a mapping of"), ("steps: []", 1, "a list of 1 to"),
    ("name: x", 1, "'steps' is missing"), ("steps:\n  - boot: {}", 2, "there is no image yet"),
    ("steps:\n  - build:\n      sytem: /x", 3, "sytem: no such key"),
    ("steps:\n  - build:\n      system: $missing", 3, "$missing is not given"),
    ("steps:\n  - build:\n      system: /x\n      memSize: much", 4, "memSize"),
    ("steps:\n  - build:\n      system: /x\n      onlyNixStore: true", 3, "cannot be booted"),
    ("memory: 1\nsteps:\n  - build: {system: /x}", 1, "from 64"),
    ("login: {password: x}\nsteps:\n  - build: {system: /x}", 1, "'user' is missing"),
    ("steps: 1\n---\nsteps: 2", 2, "not YAML"),
  ])
  func whatIsNoScenarioIsRefused(text: String, line: Int, message: String) throws {
    let error = #expect(throws: Fault.self) { try Self.read(text) }
    #expect(error?.message.hasPrefix("s.yaml:\(line): ") == true, "\(error?.message ?? "")")
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  @Test func bytesThatAreNoTextAreRefused() {
    #expect(throws: Fault.self) { try Scenario(yaml: [0xff, 0xfe], file: "s") }
    #expect(throws: Fault.self) { try Scenario(yaml: [0x61, 0], file: "s") }
    let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
    #expect(throws: Fault.self) { try Scenario(yaml: deep, file: "s") }
    let large = [UInt8](repeating: UInt8(ascii: "#"), count: (1 << 20) + 1)
    #expect(throws: Fault.self) { try Scenario(yaml: large, file: "s") }
  }

  @Test func aliasesDoNotMakeMuchOfLittle() {
    var text = "a0: &a0 [x, x]\n"
    for level in 1...60 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
    #expect(throws: Fault.self) { try Self.read(text) }
  }

  // MARK: - The schema

  private static var shipped: [URL] {
    get throws {
      let folder = URL(filePath: TestSystem.repository("docs/scenarios"))
      return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        .filter { $0.pathExtension == "yaml" }.sorted { $0.path < $1.path }
    }
  }

  @Test func everyShippedScenarioIsRead() throws {
    let files = try Self.shipped
    #expect(files.count > 5)
    for file in files {
      let text = try String(contentsOf: file, encoding: .utf8)
      #expect(text.hasPrefix("# "), "\(file.lastPathComponent) does not say what it proves")
      _ = try Scenario(yaml: Array(text.utf8), file: file.lastPathComponent, systems: Self.systems)
    }
  }

  /// Documents that the reader refuses by their types alone.
  private static let misfits = [
    "[]", "{}", "steps: []", "steps: [{}]", "steps: [{boot: {}, files: {}}]", "steps: [{bot: {}}]",
    "steps: [{boot: 5}]", "steps: [{boot: {generation: 0}}]", "steps: [{boot: {end: off}}]",
    "steps: [{boot: {expect: ''}}]", "steps: [{mustNotBoot: }]", "steps: [{mustNotBoot: {}}]",
    "steps: [{switchTo: relative}]", "steps: [{files: {sha256: {/a: '1'}}}]", "steps: [{removeFile: x}]",
    "steps: [{fillBootPartition: -1}]", "steps: [{build: {sytem: /x}}]", "steps: [{build: {memSize: x}}]",
    "steps: [{build: 5}]", "steps: [{variables: {values: {}}}]", "steps: [{boot: {run: [{}]}}]",
  ]

  @Test func theValidatorAgreesWithTheReader() async throws {
    var good = [Self.everything]
    for file in try Self.shipped { good.append(try String(contentsOf: file, encoding: .utf8)) }
    let documents = try (good + Self.misfits).map { try YAMLValue.read(Array($0.utf8)).json }
    for text in Self.misfits { #expect(throws: Fault.self, "\(text)") { try Self.read(text) } }
    let script = """
      import json, sys, jsonschema
      validator = jsonschema.Draft202012Validator
      schema = json.load(open(sys.argv[1]))
      validator.check_schema(schema)
      for document in json.load(open(sys.argv[2])):
          print(validator(schema).is_valid(document))
      """
    let output = try await withScratchDirectory { scratch in
      let (schema, list) = (scratch.appending("schema.json").string, scratch.appending("list.json").string)
      try ScenarioSchema.json().write(toFile: schema, atomically: true, encoding: .utf8)
      try JSONEncoder().encode(documents).write(to: URL(filePath: list))
      return try await SubprocessRunner().run("/usr/bin/python3", "-c", script, schema, list)
    }
    let verdicts = output.split(separator: "\n").map { $0 == "True" }
    #expect(verdicts.count == documents.count)
    for (index, isValid) in verdicts.enumerated() {
      #expect(isValid == (index < good.count), "\((good + Self.misfits)[index])")
    }
  }

  // MARK: - Parts of steps

  @Test func aPatternFindsFilesAsFATComparesThem() {
    let names = ["nixos-generation-1.conf", "NIXOS-GENERATION-2.CONF", "auto.conf"]
    let pattern = FilePattern(text: "/loader/entries/nixos-*.conf")
    #expect(
      pattern.paths(among: names) == [
        "/loader/entries/NIXOS-GENERATION-2.CONF", "/loader/entries/nixos-generation-1.conf",
      ])
    #expect(FilePattern(text: "/a").paths(among: ["a", "b"]) == ["/a"])
  }

  @Test func aWordOfAShellIsTakenAsItIs() {
    #expect(ShellWord.quoted("/nix/store/a b") == "'/nix/store/a b'")
    #expect(ShellWord.quoted("a'; rm -rf /'") == #"'a'\''; rm -rf /'\'''"#)
  }

  @Test func whatChangedIsTold() throws {
    let before = try TreeDigest(
      of: MemoryTree(["/a": "1", "/b": "2", "/loader/random-seed": "x"]), except: [])
    let now = try TreeDigest(of: MemoryTree(["/a": "1", "/b": "3", "/c\u{1b}[31m": "4"]), except: [])
    #expect(
      now.differences(from: before) == [
        "changed: /b", "added: /c", "removed: /loader", "removed: /loader/random-seed",
      ])
    #expect(before.differences(from: before).isEmpty && before.count == 4)
    let excepted = try TreeDigest(
      of: MemoryTree(["/A": "1", "/loader/random-seed": "x"]), except: ["/a", "/LOADER"])
    #expect(excepted.count == 0)
  }
}

/// A filesystem of files with their contents.
private final class MemoryTree: ReadableTree {
  private let files: [String: String]

  init(_ files: [String: String]) { self.files = files }

  func node(_ path: String) -> TreeNode? {
    if let content = files[path] { return TreeNode(kind: .file, size: UInt64(content.utf8.count)) }
    return files.keys.contains { $0.hasPrefix(path + "/") } ? TreeNode(kind: .folder) : nil
  }

  func names(in path: String) -> [String] {
    let prefix = path == "/" ? "/" : path + "/"
    let names = files.keys.filter { $0.hasPrefix(prefix) }.map {
      String($0.dropFirst(prefix.count).prefix { $0 != "/" })
    }
    return Set(names).sorted()
  }

  func content(_ path: String, at offset: UInt64, count: Int) -> [UInt8] {
    Array(Array((files[path] ?? "").utf8).dropFirst(Int(offset)).prefix(count))
  }
}
