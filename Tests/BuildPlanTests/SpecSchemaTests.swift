import BuildPlan
import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// The JSON Schema, judged by a validator that is not ours.
@Suite struct SpecSchemaTests {
  /// Specs that are read.
  private static let good = [
    "{}",
    #"{"system": "/nix/store/x", "format": "qcow2", "diskSize": "auto", "copyChannel": false}"#,
    #"{"format": ["raw", "vhdx"], "diskSize": 4096, "copyChannel": "/nix/store/y", "onlyNixStore": true}"#,
    #"{"diskSize": "4G", "bootSize": "1.5GiB", "swapSize": 1048576, "additionalSpace": ".5m"}"#,
    #"{"fsType": "jfs", "mkfsOptions": ["-q"], "cpus": 4, "memSize": 2048, "touchEFIVars": false}"#,
    #"{"contents": [{"source": "/a", "target": "/b"}, {"source": "/a", "target": "/b", "mode": "0600"}]}"#,
    #"{"extraFiles": [{"source": "/a", "target": "/b", "mode": null, "user": "u", "group": "g"}]}"#,
    #"{"contents": [{"source": "/a", "target": "/b", "mode": "D755,Fu=rw,go-w"}], "grubDevice": "/dev/sda"}"#,
    #"{"partitions": [{"name": "a", "size": "1G", "fsType": "xfs", "type": "83", "label": null}]}"#,
    #"{"grubDevice": ["/dev/sda", "/dev/sdb"], "espMountPoint": "/efi"}"#,
    #"{"secureBoot": {"pk": "/a", "kek": ["/a"], "db": "/a", "sign": {"key": "/k", "cert": "/c"}}}"#,
    #"{"OVMF": "/o", "efiVarsForm": "raw", "seed": "00000000-0000-0000-0000-00000000000a"}"#,
    #"{"systems": ["/nix/store/x", "/nix/store/y"], "currentGeneration": 1, "profile": "test"}"#,
    #"{"postInstall": "ls\npwd\n", "partitionTableType": "legacy+gpt", "sectorSize": 4096}"#,
  ]

  /// Specs that the reader refuses by their types alone.
  private static let bad = [
    "[]", "1", #"{"sytem": "/x"}"#, #"{"format": "ova"}"#, #"{"format": ["ova"]}"#, #"{"format": [["raw"]]}"#,
    #"{"copyChannel": true}"#, #"{"copyChannel": 1}"#, #"{"preVM": ""}"#, #"{"postVM": ["true"]}"#,
    #"{"diskSize": "big"}"#, #"{"diskSize": -1}"#, #"{"diskSize": 1.5}"#, #"{"diskSize": true}"#,
    #"{"diskSize": null}"#, #"{"diskSize": "1.5"}"#, #"{"bootSize": "1X"}"#, #"{"bootSize": "G"}"#,
    #"{"additionalSpace": []}"#, #"{"memSize": "1024"}"#, #"{"cpus": 1e30}"#, #"{"cpus": -2}"#,
    #"{"touchEFIVars": 1}"#, #"{"touchEFIVars": "true"}"#, #"{"label": ""}"#, #"{"label": "a\u0000b"}"#,
    #"{"system": {}}"#, #"{"systems": "/a"}"#, #"{"systems": [1]}"#, #"{"currentGeneration": "1"}"#,
    #"{"seed": "97FD5997-D90B-4AA3-8D16-C1723AEA73C"}"#, #"{"rootFSUID": 7}"#,
    #"{"partitionTableType": "gpt"}"#, #"{"fsType": "../x"}"#, #"{"contents": {}}"#, #"{"contents": [1]}"#,
    #"{"contents": [{"source": "/a"}]}"#, #"{"contents": [{"source": null, "target": "/b"}]}"#,
    #"{"contents": [{"source": "/a", "target": "/b", "owner": "c"}]}"#,
    #"{"contents": [{"source": "/a", "target": "/b", "mode": 644}]}"#,
    #"{"contents": [{"source": "/a", "target": "/b", "mode": "10000"}]}"#,
    #"{"contents": [{"source": "/a", "target": "/b", "mode": "u+rwx,"}]}"#,
    #"{"grubDevice": [1]}"#, #"{"espMountPoint": ["/efi"]}"#,
    #"{"additionalPaths": "/nix/store/x"}"#, #"{"mkfsOptions": "-q"}"#, #"{"sectorSize": "4096"}"#,
    #"{"partitions": [{"name": "a", "size": "1G"}]}"#,
    #"{"partitions": [{"name": "a", "size": "1G", "fsType": "xfs", "type": "linux"}]}"#,
    #"{"secureBoot": {"dbx": "/x"}}"#, #"{"secureBoot": {"db": [1]}}"#, #"{"secureBoot": {"sign": "/k"}}"#,
  ]

  @Test func theValidatorAgreesWithTheReader() async throws {
    let specs = Self.good + Self.bad
    for (index, json) in specs.enumerated() {
      let isRead = (try? ImageSpec(json: Array(json.utf8))) != nil
      #expect(isRead == (index < Self.good.count), "\(json)")
    }
    let verdicts = try await verdicts(of: specs)
    for (json, isValid) in zip(specs, verdicts) {
      #expect(isValid == Self.good.contains(json), "\(json)")
    }
    #expect(verdicts.count == specs.count)
  }

  @Test func everyKeyIsDescribed() throws {
    let schema = try JSONDecoder().decode(SpecValue.self, from: Data(SpecSchema.json().utf8))
    guard case .object(let root) = schema, case .object(let properties)? = root["properties"] else {
      Issue.record("no properties")
      return
    }
    #expect(properties.keys.sorted() == SpecKey.all.map(\.name).sorted())
    for (name, property) in properties {
      guard case .object(let keywords) = property, case .text? = keywords["description"] else {
        Issue.record("\(name) has no description")
        continue
      }
    }
  }

  /// Whether each text is valid, by Python's jsonschema, which judges the schema itself first.
  private func verdicts(of specs: [String]) async throws -> [Bool] {
    let script = """
      import json, sys, jsonschema
      validator = jsonschema.Draft202012Validator
      schema = json.load(open(sys.argv[1]))
      validator.check_schema(schema)
      for key in schema["properties"].values():
          if "default" in key: validator(key).validate(key["default"])
      for spec in json.load(open(sys.argv[2])):
          print(validator(schema).is_valid(json.loads(spec)))
      """
    return try await withScratchDirectory { scratch in
      let (schema, list) = (scratch.appending("schema.json").string, scratch.appending("specs.json").string)
      try SpecSchema.json().write(toFile: schema, atomically: true, encoding: .utf8)
      try JSONEncoder().encode(specs).write(to: URL(filePath: list))
      let output = try await SubprocessRunner().run("/usr/bin/python3", "-c", script, schema, list)
      return output.split(separator: "\n").map { $0 == "True" }
    }
  }
}
