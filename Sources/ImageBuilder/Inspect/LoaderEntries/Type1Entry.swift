/// A file that an entry names.
struct NamedFile: Hashable {
  /// What it is for, as the entry's own key: `linux`, `initrd`, …
  var role: String
  /// Its path on its filesystem.
  var path: String
}

/// A boot loader entry as a text file in `/loader/entries` (UAPI.1, "Type #1"): lines of a key and its value.
struct Type1Entry: Hashable {
  var title: String?
  var version: String?
  var sortKey: String?
  var machineID: String?
  var architecture: String?
  /// What it loads, in the order of the file.
  var files: [NamedFile] = []
  /// The kernel's command line.
  var options: [String] = []

  /// The most bytes of such a file that are read.
  static let sizeLimit = 64 << 10

  /// Keys whose value is one path; of `devicetree-overlay` there may be several in one value.
  private static let pathKeys: Set<String> = ["linux", "initrd", "efi", "uki", "devicetree"]

  init(_ text: String) {
    for (key, value) in KeyedLines(text) {
      switch key {
      case "title": title = value
      case "version": version = value
      case "sort-key": sortKey = value
      case "machine-id": machineID = value
      case "architecture": architecture = value
      case "options": options.append(value)
      case "devicetree-overlay":
        files += value.split(whereSeparator: \.isWhitespace).map {
          NamedFile(role: key, path: Self.path(String($0)))
        }
      case let key where Self.pathKeys.contains(key):
        files.append(NamedFile(role: key, path: Self.path(value)))
      default: break
      }
    }
  }

  /// A path on the entry's own partition. Both kinds of slashes are used.
  private static func path(_ value: String) -> String {
    "/" + value.split { $0 == "/" || $0 == "\\" }.joined(separator: "/")
  }
}

/// The lines of entries and of `loader.conf`: a key, white space, a value. Empty lines and those with `#` say nothing.
struct KeyedLines: Sequence {
  private let pairs: [(String, String)]

  /// More than any such file has.
  private static let most = 1000

  init(_ text: String) {
    pairs = text.split(whereSeparator: \.isNewline).prefix(Self.most).compactMap { line in
      let words = line.split(maxSplits: 1, whereSeparator: \.isWhitespace)
      guard let key = words.first, !key.hasPrefix("#"), words.count == 2 else { return nil }
      let value = words[1].drop(while: \.isWhitespace)
      let end = value.lastIndex { !$0.isWhitespace }
      return (String(key), end.map { String(value[...$0]) } ?? "")
    }
  }

  func makeIterator() -> IndexingIterator<[(String, String)]> { pairs.makeIterator() }
}
