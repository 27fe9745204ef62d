internal import Foundation
internal import ImageModel

extension ImageSpec {
  enum Key: String, CaseIterable, CodingKey {
    case system, closureInfo, baseName, format, partitionTableType, fsType, label, diskSize, additionalSpace
    case bootSize, memSize, cpus, installBootLoader, touchEFIVars, onlyNixStore, efiFirmware
    case contents, configFile, additionalPaths, grubDevice
    case copyChannel, extraFiles, preVM, postInstall, postVM
    case efiVariables, seed, rootGPUID, rootFSUID
    case mkfsOptions, swapSize, partitions, sectorSize
    case efiVarsForm, stripFirmwareVariables
    case ovmf = "OVMF"
    case efiFirmwareNeedsSMM, secureBoot
  }

  /// Reads the JSON of a spec: one object, whose every key is known.
  ///
  /// - Throws: `SpecError` that names the key.
  public init(json: [UInt8]) throws(SpecError) {
    guard !json.contains(0), String(validating: json, as: UTF8.self) != nil else {
      throw SpecError("spec", "this is not UTF-8 text", remedy: "Save the file as UTF-8")
    }
    let document: JSONValue
    do {
      document = try JSONDecoder().decode(JSONValue.self, from: Data(json))
    } catch {
      throw SpecError("spec", "this is not JSON", remedy: "Check it with 'python3 -m json.tool'")
    }
    if let key = JSONKeys.firstDuplicate(in: json) {
      throw SpecError(key, "an object has this key twice", remedy: "Leave one of the two out")
    }
    guard case .object(let values) = document else {
      throw SpecError("spec", "the JSON is not an object", remedy: "Write {\"system\": \"/nix/store/…\"}")
    }
    self.init()
    for (name, value) in values.sorted(by: { $0.key < $1.key }) {
      guard let key = Key(rawValue: name) else {
        throw SpecError(
          name, "no such key", remedy: "Known are: \(Key.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      try set(key, to: SpecValue(key: key.rawValue, value: value))
    }
  }

  private mutating func set(_ key: Key, to value: SpecValue) throws(SpecError) {
    switch key {
    case .system: system = try value.text()
    case .closureInfo: closureInfo = try value.text()
    case .baseName: baseName = try value.text()
    case .format: format = try value.choices()
    case .partitionTableType: partitionTableType = try value.choice()
    case .fsType: fsType = try value.filesystem()
    case .label: label = try value.text()
    case .diskSize: diskSize = try value.diskSize()
    case .additionalSpace: additionalSpace = try value.size()
    case .bootSize: bootSize = try value.size()
    case .memSize: memSize = try value.number()
    case .cpus: cpus = Int(try value.number())
    case .installBootLoader: installBootLoader = try value.flag()
    case .touchEFIVars: touchEFIVars = try value.flag()
    case .contents: contents = try value.list { item throws(SpecError) in try item.content() }
    case .configFile: configFile = try value.text()
    case .additionalPaths: additionalPaths = try value.list { item throws(SpecError) in try item.text() }
    case .onlyNixStore: onlyNixStore = try value.flag()
    case .grubDevice: grubDevice = try value.text()
    case .copyChannel: copyChannel = try value.channel()
    case .extraFiles: extraFiles = try value.list { item throws(SpecError) in try item.content() }
    case .preVM: preVM = try value.text()
    case .postInstall: postInstall = try value.text()
    case .postVM: postVM = try value.text()
    case .efiFirmware: efiFirmware = try value.text()
    case .efiVariables: efiVariables = try value.text()
    case .efiVarsForm: efiVarsForm = try value.choice()
    case .stripFirmwareVariables: stripFirmwareVariables = try value.flag()
    case .ovmf: ovmf = try value.text()
    case .efiFirmwareNeedsSMM: efiFirmwareNeedsSMM = try value.flag()
    case .secureBoot: secureBoot = try value.secureBoot()
    case .seed: seed = try value.guid()
    case .rootGPUID: rootGPUID = try value.guid()
    case .rootFSUID: rootFSUID = try value.guid()
    case .mkfsOptions: mkfsOptions = try value.list { item throws(SpecError) in try item.text() }
    case .swapSize: swapSize = try value.size()
    case .partitions: partitions = try value.list { item throws(SpecError) in try item.partition() }
    case .sectorSize: sectorSize = try value.number()
    }
  }
}

/// Any JSON value, so that a key's value can be judged before its type is known.
private enum JSONValue: Decodable {
  case null
  case flag(Bool)
  case number(UInt64)
  case otherNumber(Double)
  case text(String)
  case list([JSONValue])
  case object([String: JSONValue])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let flag = try? container.decode(Bool.self) {
      self = .flag(flag)
    } else if let number = try? container.decode(UInt64.self) {
      self = .number(number)
    } else if let number = try? container.decode(Double.self) {
      self = .otherNumber(number)
    } else if let text = try? container.decode(String.self) {
      self = .text(text)
    } else if let list = try? container.decode([JSONValue].self) {
      self = .list(list)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }
}

/// One value of the spec's object, and how it is read as the type that its key needs.
private struct SpecValue {
  let key: String
  let value: JSONValue

  func text() throws(SpecError) -> String {
    guard case .text(let text) = value, !text.isEmpty else {
      throw SpecError(key, "this is not a text", remedy: "Write a non-empty string")
    }
    guard !text.utf8.contains(0) else {
      throw SpecError(key, "the text has a NUL character", remedy: "Remove it")
    }
    return text
  }

  func list<Item>(_ read: (SpecValue) throws(SpecError) -> Item) throws(SpecError) -> [Item] {
    guard case .list(let items) = value else {
      throw SpecError(key, "this is not a list", remedy: "Write a list in square brackets")
    }
    var result: [Item] = []
    for item in items { result.append(try read(SpecValue(key: key, value: item))) }
    return result
  }

  func content() throws(SpecError) -> ContentEntry {
    let fields = try fields(
      ["source", "target", "mode", "user", "group"], example: "{\"source\": \"/…\", \"target\": \"/…\"}")
    func text(_ name: String) throws(SpecError) -> String? { try fields[name]?.text() }
    guard let source = try text("source"), let target = try text("target") else {
      throw SpecError(key, "an entry has no source or no target", remedy: "Give both")
    }
    return ContentEntry(
      source: source, target: target, mode: try mode(text("mode")), user: try text("user"),
      group: try text("group"))
  }

  func partition() throws(SpecError) -> PartitionEntry {
    let fields = try fields(
      ["name", "size", "fsType", "label", "mountPoint", "type"],
      example: "{\"name\": \"data\", \"size\": \"1G\", \"fsType\": \"ext4\"}")
    guard let name = try fields["name"]?.text(), let size = try fields["size"]?.size(),
      let kind = try fields["fsType"]?.filesystem()
    else {
      throw SpecError(key, "an entry has no name, no size or no fsType", remedy: "Give all three")
    }
    return PartitionEntry(
      name: name, size: size, fsType: kind, label: try fields["label"]?.text(),
      mountPoint: try fields["mountPoint"]?.text(), type: try fields["type"]?.partitionType())
  }

  /// The fields of an entry that are there; null, as Nix writes it for an absent one, is left out.
  private func fields(_ known: [String], example: String) throws(SpecError) -> [String: SpecValue] {
    guard case .object(let fields) = value else {
      throw SpecError(key, "this is not an object", remedy: "Write \(example)")
    }
    if let odd = fields.keys.filter({ !known.contains($0) }).min() {
      throw SpecError(
        key, "it has the field '\(odd)'", remedy: "Known are: \(known.joined(separator: ", "))")
    }
    return fields.compactMapValues { field in
      if case .null = field { nil } else { SpecValue(key: key, value: field) }
    }
  }

  private func partitionType() throws(SpecError) -> PartitionType {
    let text = try text()
    guard let type = PartitionType(text) else {
      throw SpecError(
        key, "'\(text)' is no partition type", remedy: "Write a GUID, or a hexadecimal number for an MBR")
    }
    return type
  }

  func filesystem() throws(SpecError) -> FilesystemKind {
    let text = try text()
    guard let kind = FilesystemKind(rawValue: text) else {
      throw SpecError(
        key, "'\(text)' cannot be the name of a filesystem", remedy: "Write it as in mkfs.NAME: \"ext4\"")
    }
    return kind
  }

  func secureBoot() throws(SpecError) -> SecureBootSpec {
    let fields = try fields(
      ["pk", "kek", "db", "sign"], example: "{\"pk\": FILE, \"kek\": FILE, \"db\": FILE}")
    func files(_ name: String) throws(SpecError) -> [String]? {
      guard let field = fields[name] else { return nil }
      if case .text = field.value { return [try field.text()] }
      return try field.list { item throws(SpecError) in try item.text() }
    }
    let sign = try fields["sign"]?.fields(["key", "cert"], example: "{\"key\": FILE, \"cert\": FILE}")
    return SecureBootSpec(
      pk: try fields["pk"]?.text(), kek: try files("kek"), db: try files("db"),
      sign: try sign.map { fields throws(SpecError) in
        SigningSpec(key: try fields["key"]?.text(), cert: try fields["cert"]?.text())
      })
  }

  private func mode(_ text: String?) throws(SpecError) -> UInt16? {
    guard let text else { return nil }
    guard let mode = UInt16(text, radix: 8), !text.hasPrefix("+") else {
      throw SpecError(key, "the mode '\(text)' is not octal", remedy: "Write a text such as \"0644\"")
    }
    return mode
  }

  func flag() throws(SpecError) -> Bool {
    guard case .flag(let flag) = value else {
      throw SpecError(key, "this is neither true nor false", remedy: "Write true or false, without quotes")
    }
    return flag
  }

  func number() throws(SpecError) -> UInt64 {
    guard case .number(let number) = value, number <= UInt64(Int32.max) else {
      throw SpecError(key, "this is not a whole number from 0 to \(Int32.max)", remedy: "Write a bare number")
    }
    return number
  }

  func size() throws(SpecError) -> ByteSize {
    switch value {
    case .number(let bytes): return ByteSize(bytes: bytes)
    case .text(let text):
      if let size = ByteSize(text) { return size }
    default: break
    }
    throw SpecError(key, "this is not a size", remedy: "Write a text such as \"512M\" or \"4G\"")
  }

  func diskSize() throws(SpecError) -> DiskSize {
    switch value {
    case .number(let mebibytes):
      if let size = DiskSize("\(mebibytes)") { return size }
    case .text(let text):
      if let size = DiskSize(text) { return size }
    default: break
    }
    throw SpecError(
      key, "this is not a size", remedy: "Write \"auto\", a number of MiB, or a text such as \"4G\"")
  }

  func guid() throws(SpecError) -> GUID {
    guard let guid = GUID(try text()) else {
      throw SpecError(
        key, "this is not a GUID", remedy: "Write 8-4-4-4-12 hexadecimal digits, as 'uuidgen' prints them")
    }
    return guid
  }

  /// One choice, or a list of them.
  func choices<Choice: RawRepresentable<String> & CaseIterable>() throws(SpecError) -> [Choice] {
    guard case .list = value else { return [try choice()] }
    return try list { item throws(SpecError) in try item.choice() }
  }

  func channel() throws(SpecError) -> ChannelCopy {
    switch value {
    case .flag(false): return .none
    case .flag(true):
      throw SpecError(
        key, "true does not say which channel", remedy: "Give the channel's store path, or false for none")
    default: return .path(try text())
    }
  }

  func choice<Choice: RawRepresentable<String> & CaseIterable>() throws(SpecError) -> Choice {
    let text = try text()
    guard let choice = Choice(rawValue: text) else {
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw SpecError(key, "'\(text)' is not known", remedy: "Choose one of: \(known)")
    }
    return choice
  }
}
