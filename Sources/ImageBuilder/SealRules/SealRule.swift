internal import Ext4

/// What becomes of files that a system writes by chance, in the order of a hash or with numbers of a run: from those that
/// were handed over to what is sealed in their place.
///
/// Times have no rule here: the archive's reader bounds those of every node.
struct SealRule: Sendable {
  /// The paths in the image of the files that are looked at.
  let paths: [String]
  /// What is sealed in their place. Files that are not of the form that the rule knows stay as they are.
  let edits: @Sendable (HandedFiles) throws -> [Edit]

  /// What is sealed in the place of one file.
  struct Edit: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
      case content([UInt8])
      case removed
      /// It stays as the guest left it, which the next build need not do in the same way; why no rule can help.
      case unruled(String)
    }

    let path: String
    let kind: Kind
  }

  /// Tells what became of a file.
  static func tell(_ edit: Edit, _ recorder: StepRecorder) {
    switch edit.kind {
    case .content: recorder.log(.seal, "\(edit.path): written in its canonical order")
    case .removed: recorder.log(.seal, "\(edit.path): left out")
    case .unruled(let reason):
      recorder.warn("\(edit.path) is as the guest left it, and two builds may differ in it: \(reason)")
    }
  }

  /// A rule for one file, by its content alone.
  ///
  /// - Parameter canonical: nil for content of another form.
  static func content(of path: String, _ canonical: @escaping @Sendable ([UInt8]) -> [UInt8]?) -> SealRule {
    SealRule(paths: [path]) { files in
      guard let bytes = try files.content(path), let edited = canonical(bytes) else { return [] }
      return [Edit(path: path, kind: .content(edited))]
    }
  }
}

extension SealRule {
  /// Every rule. No file is looked at by two.
  static let all = [accounts] + numberMaps + nameLists + [nixDatabase]
}
