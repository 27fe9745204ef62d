internal import ImageModel

/// One value of the spec's object, and how it is read as the type that its key needs.
struct SpecReader {
  let key: String
  let value: SpecValue

  func text() throws(SpecError) -> String {
    guard case .text(let text) = value, !text.isEmpty else {
      throw SpecError(key, "this is not a text", remedy: "Write a non-empty string")
    }
    guard !text.utf8.contains(0) else {
      throw SpecError(key, "the text has a NUL character", remedy: "Remove it")
    }
    return text
  }

  func list<Item>(_ read: (SpecReader) throws(SpecError) -> Item) throws(SpecError) -> [Item] {
    guard case .list(let items) = value else {
      throw SpecError(key, "this is not a list", remedy: "Write a list in square brackets")
    }
    var result: [Item] = []
    for item in items { result.append(try read(SpecReader(key: key, value: item))) }
    return result
  }

  func content() throws(SpecError) -> ContentEntry {
    let fields = try fields(of: ContentEntry.fields, example: "{\"source\": \"/…\", \"target\": \"/…\"}")
    func text(_ name: String) throws(SpecError) -> String? { try fields[name]?.text() }
    guard let source = try text("source"), let target = try text("target") else {
      throw SpecError(key, "an entry has no source or no target", remedy: "Give both")
    }
    return ContentEntry(
      source: source, target: target, mode: try fields["mode"]?.mode(), user: try text("user"),
      group: try text("group"))
  }

  func partition() throws(SpecError) -> PartitionEntry {
    let fields = try fields(
      of: PartitionEntry.fields,
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
  private func fields(
    of known: [SpecField], example: String
  ) throws(SpecError) -> [String: SpecReader] {
    guard case .object(let fields) = value else {
      throw SpecError(key, "this is not an object", remedy: "Write \(example)")
    }
    if let odd = fields.keys.filter({ name in !known.contains { $0.name == name } }).min() {
      throw SpecError(
        key, "it has the field '\(odd)'", remedy: "Known are: \(known.map(\.name).joined(separator: ", "))")
    }
    return fields.compactMapValues { field in
      if case .null = field { nil } else { SpecReader(key: key, value: field) }
    }
  }

  private func partitionType() throws(SpecError) -> PartitionType {
    let text = try text()
    guard let type = PartitionType(text) else {
      throw SpecError(
        key, "'\(text)' is not a partition type", remedy: "Write a GUID, or a hexadecimal number for an MBR")
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
      of: SecureBootSpec.fields, example: "{\"pk\": FILE, \"kek\": FILE, \"db\": FILE}")
    func files(_ name: String) throws(SpecError) -> [String]? {
      try fields[name]?.oneOrMore { item throws(SpecError) in try item.text() }
    }
    let sign = try fields["sign"]?.fields(of: SigningSpec.fields, example: "{\"key\": FILE, \"cert\": FILE}")
    return SecureBootSpec(
      pk: try fields["pk"]?.text(), kek: try files("kek"), db: try files("db"),
      sign: try sign.map { fields throws(SpecError) in
        SigningSpec(key: try fields["key"]?.text(), cert: try fields["cert"]?.text())
      })
  }

  private func mode() throws(SpecError) -> ContentMode {
    let text = try text()
    guard let mode = ContentMode(text) else {
      throw SpecError(
        key, "'\(text)' is not a file mode",
        remedy: "Write an octal text such as \"0644\", 7777 at most, or changes such as \"u=rwX,go=rX\"")
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

  /// One value, or a list of them.
  func oneOrMore<Item>(_ read: (SpecReader) throws(SpecError) -> Item) throws(SpecError) -> [Item] {
    guard case .list = value else { return [try read(self)] }
    return try list(read)
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
