internal import Basics
internal import Command
internal import Foundation
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import BuildMachine

/// The folder of saved machines, with states that no hypervisor has written.
@Suite(.timeLimit(.minutes(2))) struct SavedMachinesTests {
  private static let key = StartKey(["domain": "<domain/>", "appliance": "a"])

  /// Saves a machine whose state is these bytes.
  private func save(
    _ machines: SavedMachines, as key: StartKey = Self.key, state: String = "state"
  ) async throws {
    let draft = try await machines.draft(key, room: 1)
    try Data(state.utf8).write(to: URL(fileURLWithPath: draft.memory.string))
    try await draft.publish()
  }

  @Test func whatIsSavedIsFoundByItsKeyAlone() async throws {
    try await withScratchDirectory { scratch in
      let machines = SavedMachines(folder: scratch.appending("cache/warm"))
      #expect(machines.find(Self.key) == .none)
      try await save(machines)
      guard case .found(let machine) = machines.find(Self.key) else {
        Issue.record("nothing was found")
        return
      }
      #expect(
        try Folder.names(in: machine.folder).map { String(decoding: $0, as: UTF8.self) } == [
          "machine.json", "state.zst",
        ])
      #expect(machines.find(StartKey(["domain": "<domain/>", "appliance": "b"])) == .none)
      #expect(try Folder.names(in: machines.folder).count == 1)
      machine.discard()
      #expect(machines.find(Self.key) == .none)
    }
  }

  @Test func theFirstToSaveAMachineHasSavedIt() async throws {
    try await withScratchDirectory { scratch in
      let machines = SavedMachines(folder: scratch)
      let slow = try await machines.draft(Self.key, room: 1)
      try await save(machines)
      let found = machines.find(Self.key)
      try Data("other".utf8).write(to: URL(fileURLWithPath: slow.memory.string))
      try await slow.publish()
      #expect(machines.find(Self.key) == found)
      #expect(try Folder.names(in: scratch).count == 1)
    }
  }

  @Test func aMachineThatIsGivenUpLeavesNothing() async throws {
    try await withScratchDirectory { scratch in
      let machines = SavedMachines(folder: scratch)
      let draft = try await machines.draft(Self.key, room: 1)
      try Data("half".utf8).write(to: URL(fileURLWithPath: draft.memory.string))
      draft.abandon()
      #expect(try Folder.names(in: scratch).isEmpty)
      let full = await #expect(throws: Fault.self) { _ = try await machines.draft(Self.key, room: .max) }
      #expect(full?.cause.contains("no room") == true)
      #expect(try Folder.names(in: scratch).isEmpty)
    }
  }

  /// What is done to a saved machine, as a shell script in its folder.
  static let damages = [
    "rm state.zst", "rm machine.json", ": > machine.json", "truncate -s -1 state.zst", ": > state.zst",
    "echo x >> state.zst", "echo '{}' > machine.json", "head -c 40 machine.json > m; mv m machine.json",
    "mv state.zst s; mkdir state.zst", "mv state.zst s; ln -s s state.zst",
    "rm machine.json; mkdir machine.json",
    "sed -i 's/\"version\" : 1/\"version\" : 0/' machine.json", "sed -i 's/<domain/<omain/' machine.json",
    "head -c 2000000 /dev/zero > machine.json", "rm machine.json; mkfifo machine.json",
    "cd ..; mv \"$PWD\"/*/state.zst s; rm -r [0-9a-f]*; echo file > \"$KEY\"",
  ]

  @Test(arguments: damages) func whatIsNotWholeIsRemovedAndSavedAnew(damage: String) async throws {
    try await withScratchDirectory { scratch in
      let machines = SavedMachines(folder: scratch)
      try await save(machines)
      let place = scratch.appending(Self.key.digest).string
      try await SubprocessRunner().run(
        Command("sh", ["-ec", damage], environment: ["KEY": Self.key.digest], folder: place))
      guard case .damaged = machines.find(Self.key) else {
        Issue.record("the damage was not seen")
        return
      }
      #expect(machines.find(Self.key) == .none)
      try await save(machines)
      guard case .found = machines.find(Self.key) else {
        Issue.record("it was not saved anew")
        return
      }
    }
  }

  @Test func theOnesUsedLastAreKept() async throws {
    try await withScratchDirectory { scratch in
      let machines = SavedMachines(folder: scratch)
      let keys = (1...3).map { StartKey(["memory": "\($0)"]) }
      for (number, key) in keys.enumerated() {
        try await save(machines, as: key)
        let date = Date(timeIntervalSince1970: 1_000_000 + Double(number))
        try FileManager.default.setAttributes(
          [.modificationDate: date], ofItemAtPath: scratch.appending(key.digest).string)
      }
      #expect(machines.list().map(\.digest) == keys.reversed().map(\.digest))
      let size = machines.list()[0].size
      #expect(machines.prune(limit: 2 * size + 1).map(\.digest) == [keys[0].digest])
      // It counts as used when it is found.
      guard case .found = machines.find(keys[1]) else {
        Issue.record("it is gone")
        return
      }
      machines.removeUnused(for: 86_400)
      #expect(machines.list().map(\.digest) == [keys[1].digest])
    }
  }

  @Test func noTwoSetsOfInputsHaveOneKey() {
    let sets = [
      [:], ["a": "b"], ["a": "c"], ["b": "a"], ["a": "b", "c": "d"], ["a": "b\n1 c 1 d"], ["a 1 b\n1 c": "d"],
    ]
    #expect(Set(sets.map { StartKey($0).digest }).count == sets.count)
    #expect(StartKey(["a": "b", "c": "d"]).digest == StartKey(["c": "d", "a": "b"]).digest)
  }
}
