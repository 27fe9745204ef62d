internal import Basics

/// `files`: a partition has files, has not others, and is as it was.
struct FilesStep: ScenarioAction {
  static let key = "files"
  static let help = "Look at the files of a partition of the copy."
  static let shape = ScenarioShape.object([
    PartitionFields.partition,
    ScenarioField(
      "exist", .oneOrMore(.path), "Paths that have to be there; a '*' in the last part stands for any text."),
    ScenarioField("missing", .oneOrMore(.path), "Paths that must not be there; '*' as in exist."),
    ScenarioField("sha256", .map(.digest), "Paths of files, each with its SHA-256."),
    ScenarioField(
      "unchanged", .text, "No file may differ from those that a step remember took by this name."),
  ])

  /// Whose files are compared with what a step before it has remembered; nil for none.
  let unchanged: String?
  private let partition: PartitionReference
  private let exist: [FilePattern]
  private let missing: [FilePattern]
  private let digests: [(path: String, digest: String)]

  init(_ value: YAMLValue) throws(ScenarioError) {
    partition = PartitionFields.partition(value)
    exist = value["exist"]?.texts.map(FilePattern.init) ?? []
    missing = value["missing"]?.texts.map(FilePattern.init) ?? []
    digests = value["sha256"]?.entries.map { ($0.key, $0.value.text.lowercased()) } ?? []
    unchanged = value["unchanged"]?.text
    guard !exist.isEmpty || !missing.isEmpty || !digests.isEmpty || unchanged != nil else {
      throw ScenarioError(
        value.line, "nothing is looked at", remedy: "Give exist, missing, sha256 or unchanged")
    }
    if let other = value["partition"], exist.isEmpty, missing.isEmpty, digests.isEmpty {
      throw ScenarioError(
        other.line, "what is remembered has its partition already", remedy: "Leave partition out")
    }
  }

  var text: String {
    unchanged.map { "nothing has changed since '\($0)'" } ?? "look at the files of \(partition.text)"
  }

  func run(on stage: ScenarioStage) async throws -> String? {
    if !exist.isEmpty || !missing.isEmpty || !digests.isEmpty {
      let faults = try await stage.reading(partition) { [self] in try check($0) }
      if let first = faults.first {
        throw Fault(.failed, first, evidence: Array(faults.dropFirst()))
      }
    }
    guard let unchanged, let remembered = stage.remembered[unchanged] else { return nil }
    let now = try await stage.reading(remembered.partition) {
      try TreeDigest(of: $0, except: remembered.excluded)
    }
    let differences = now.differences(from: remembered.digest)
    guard differences.isEmpty else {
      throw Fault(
        .failed,
        "\(remembered.partition.text) has changed since '\(unchanged)': \(differences.count) paths differ",
        evidence: Array(differences.prefix(40)))
    }
    return "\(now.count) files and folders"
  }

  /// What is not as it has to be.
  private func check(_ tree: any ReadableTree) throws -> [String] {
    func found(_ pattern: FilePattern) throws -> [String] {
      let folder = pattern.text.split(separator: "/").dropLast().map { "/\($0)" }.joined()
      return pattern.paths(among: try tree.sortedNames(in: folder.isEmpty ? "/" : folder))
    }
    var faults: [String] = []
    for pattern in exist where try found(pattern).isEmpty { faults.append("there is no \(pattern.text)") }
    for pattern in missing {
      faults += try found(pattern).map { "there is \(TerminalText.escaped($0))" }
    }
    for (path, wanted) in digests {
      guard let (place, node) = try tree.resolve(path), node.kind == .file else {
        faults.append("there is no file \(path)")
        continue
      }
      let digest = try TreeDigest.sha256(of: place, node.size, tree)
      if digest != wanted { faults.append("the SHA-256 of \(path) is \(digest)") }
    }
    return faults
  }
}

/// `remember`: the files of a partition are noted, for `unchanged` of a later step.
struct RememberStep: ScenarioAction {
  static let key = "remember"
  static let help = "Take the SHA-256 of each file of a partition, for unchanged of a later step files."
  static let shape = ScenarioShape.object(
    [
      ScenarioField("name", .text, isRequired: true, "What unchanged calls it."),
      PartitionFields.partition,
      ScenarioField(
        "except", .oneOrMore(.path),
        "Paths that are left out. Default: /loader/random-seed, which systemd-boot writes at each boot."),
    ], short: "name")

  let name: String
  private let partition: PartitionReference
  private let excluded: [String]

  init(_ value: YAMLValue) throws(ScenarioError) {
    name = try value.required("name").text
    partition = PartitionFields.partition(value)
    excluded = value["except"]?.texts ?? ["/loader/random-seed"]
  }

  var text: String { "remember the files of \(partition.text) as '\(name)'" }

  func run(on stage: ScenarioStage) async throws -> String? {
    let excluded = excluded
    let digest = try await stage.reading(partition) { try TreeDigest(of: $0, except: excluded) }
    stage.remembered[name] = RememberedFiles(partition: partition, excluded: excluded, digest: digest)
    return "\(digest.count) files and folders"
  }
}

/// The files of a partition at an earlier time.
struct RememberedFiles: Sendable {
  let partition: PartitionReference
  let excluded: [String]
  let digest: TreeDigest
}
