/// The menu of a GRUB configuration, as NixOS, Debian and others write it: menu entries, also within submenus.
struct GRUBMenu: Hashable {
  /// What GRUB is told to look for, in the place of a device.
  struct Search: Hashable {
    enum Kind: String, Hashable {
      case uuid, label, file
    }

    var kind: Kind
    var value: String
  }

  /// A file that an entry loads.
  struct File: Hashable {
    var role: String
    var path: String
    /// Where: nil for the filesystem that has the configuration.
    var search: Search?
  }

  struct Entry: Hashable {
    /// The titles of the submenus that it is in, and its own.
    var titles: [String]
    /// Its places in the menu and its submenus, from 0, with `>` between them, as the variable `default` names entries.
    var index: String
    /// The name of `--id`.
    var identifier: String?
    var files: [File] = []
    /// The command line of the kernel.
    var options = ""
  }

  private(set) var entries: [Entry] = []
  /// The variable `default`, as far as it is given as plain text.
  private(set) var defaultEntry: String?
  /// The variable `timeout`, likewise.
  private(set) var timeout: String?

  /// The places of the configuration on a filesystem.
  static let places = ["/boot/grub/grub.cfg", "/grub/grub.cfg", "/boot/grub2/grub.cfg", "/grub2/grub.cfg"]
  /// The most bytes of it that are read.
  static let sizeLimit = 4 << 20
  /// More than any menu has.
  private static let mostEntries = 2000
  /// More than any menu is deep.
  private static let mostLevels = 16

  init(_ text: String) {
    var reader = Reader()
    var command: [String] = []
    for token in GRUBScript(text).tokens where reader.entries.count < Self.mostEntries {
      switch token {
      case .word(let word): command.append(word)
      case .open:
        reader.open(command)
        command = []
      case .close:
        reader.run(command)
        reader.close()
        command = []
      case .end:
        reader.run(command)
        command = []
      }
    }
    (entries, defaultEntry, timeout) = (
      reader.entries, reader.variables["default"], reader.variables["timeout"]
    )
  }

  /// The index in `entries` of the one that GRUB starts by itself; nil where that is decided as it boots.
  var defaultIndex: Int? {
    guard let defaultEntry else { return entries.isEmpty ? nil : 0 }
    if let exact = entries.firstIndex(where: { entry in
      entry.index == defaultEntry || entry.identifier == defaultEntry || entry.titles.last == defaultEntry
        || entry.titles.joined(separator: ">") == defaultEntry
    }) {
      return exact
    }
    // Of a submenu, the first entry.
    return entries.firstIndex { $0.index.hasPrefix("\(defaultEntry)>") }
  }
}

extension GRUBMenu {
  /// Runs through the commands.
  private struct Reader {
    /// What an open brace belongs to.
    private enum Block {
      case entry, submenu, other
    }

    var entries: [Entry] = []
    var variables: [String: String] = [:]
    private var searches: [String: Search] = [:]
    private var entrySearches: [String: Search] = [:]
    private var blocks: [Block] = []
    /// How many items each menu has so far, from the outermost.
    private var counts = [0]
    private var titles: [String] = []
    private var index: [Int] = []
    private var current: Entry?

    mutating func open(_ command: [String]) {
      let title = command.count > 1 ? command[1] : ""
      guard blocks.count < GRUBMenu.mostLevels, current == nil, let word = command.first, command.count > 1,
        ["menuentry", "submenu"].contains(word)
      else { return blocks.append(.other) }
      let place = counts[counts.count - 1]
      counts[counts.count - 1] += 1
      if word == "submenu" {
        blocks.append(.submenu)
        titles.append(title)
        index.append(place)
        counts.append(0)
        return
      }
      blocks.append(.entry)
      entrySearches = searches
      var entry = Entry(
        titles: titles + [title], index: (index + [place]).map(String.init).joined(separator: ">"))
      if let option = command.firstIndex(where: { ["--id", "$menuentry_id_option"].contains($0) }),
        option + 1 < command.count
      {
        entry.identifier = command[option + 1]
      }
      current = entry
    }

    mutating func close() {
      switch blocks.popLast() {
      case .entry?:
        if let current { entries.append(current) }
        current = nil
      case .submenu?:
        titles.removeLast()
        index.removeLast()
        counts.removeLast()
      case .other?, nil: break
      }
    }

    mutating func run(_ command: [String]) {
      // What a condition guards is read as if it held.
      let command = command.drop { ["if", "then", "else", "elif"].contains($0) }
      guard let word = command.first else { return }
      let arguments = Array(command.dropFirst())
      switch word {
      case "set": set(arguments)
      case "search": search(arguments)
      case "linux", "linux16", "linuxefi", "multiboot", "multiboot2": load(arguments, as: "linux")
      case "initrd", "initrd16", "initrdefi": for path in arguments { load([path], as: "initrd") }
      case "module", "module2": load(arguments.filter { !$0.hasPrefix("--") }, as: "module")
      case "devicetree": load(arguments, as: "devicetree")
      case "chainloader": load(arguments.filter { !$0.hasPrefix("--") }, as: "efi")
      default: break
      }
    }

    private mutating func set(_ arguments: [String]) {
      guard let pair = arguments.first, let sign = pair.firstIndex(of: "=") else { return }
      let (name, value) = (String(pair[..<sign]), String(pair[pair.index(after: sign)...]))
      if ["default", "timeout"].contains(name), !value.isEmpty, !value.contains("$") {
        variables[name] = value
      }
    }

    private mutating func search(_ arguments: [String]) {
      let kinds: [String: Search.Kind] = [
        "--fs-uuid": .uuid, "-u": .uuid, "--label": .label, "-l": .label, "--file": .file, "-f": .file,
      ]
      guard let value = arguments.last, !value.hasPrefix("-"),
        let kind = arguments.lazy.compactMap({ kinds[$0] }).first
      else { return }
      let variable = arguments.first { $0.hasPrefix("--set=") }.map { String($0.dropFirst(6)) } ?? "root"
      let search = Search(kind: kind, value: value)
      if current == nil { searches[variable] = search } else { entrySearches[variable] = search }
    }

    private mutating func load(_ arguments: [String], as role: String) {
      guard current != nil, let place = arguments.first else { return }
      var path = place
      var variable = "root"
      if place.hasPrefix("("), let end = place.firstIndex(of: ")") {
        variable = String(place[place.index(after: place.startIndex)..<end]).filter { !"${}".contains($0) }
        path = String(place[place.index(after: end)...])
      }
      path = "/" + path.split(separator: "/").joined(separator: "/")
      current?.files.append(File(role: role, path: path, search: entrySearches[variable]))
      if role == "linux", arguments.count > 1 {
        current?.options = arguments.dropFirst().joined(separator: " ")
      }
    }
  }
}
