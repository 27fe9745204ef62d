import Basics

@testable import ImageBuilder

extension Inputs {
  /// A file's name in the first line, and what it says behind it: an entry, or systemd-boot's configuration.
  static func loaderEntry(_ bytes: [UInt8]) {
    let lines = text(bytes).split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
    let (file, content) = (String(lines[0]), lines.count > 1 ? String(lines[1]) : "")
    let name = EntryName(file, suffix: ".conf")
    precondition(name?.identifier.isEmpty != true, "an entry has no name")
    _ = name?.generation
    let entry = Type1Entry(content)
    precondition(entry.files.allSatisfy { $0.path.hasPrefix("/") }, "a path has no beginning")
    let names = [name, EntryName("a+0.conf", suffix: ".conf"), EntryName("b.conf", suffix: ".conf")]
      .compactMap(\.self)
    let index = LoaderConfiguration(content).defaultIndex(of: names, override: entry.title)
    precondition(index.map { names.indices.contains($0) } ?? false, "there is no default")
    let (one, other) = (entry.version ?? content, file)
    precondition(
      EntryOrder.compareVersions(one, other).signum() == -EntryOrder.compareVersions(other, one).signum(),
      "two versions are before each other")
    precondition(EntryOrder.compareVersions(one, one) == 0, "a version is not itself")
  }

  static func grubMenu(_ bytes: [UInt8]) {
    let menu = GRUBMenu(text(bytes))
    precondition(
      menu.defaultIndex.map { menu.entries.indices.contains($0) } ?? true, "the default is no entry")
    for entry in menu.entries {
      precondition(!entry.titles.isEmpty && !entry.index.isEmpty, "an entry has no name")
    }
  }

  static func efiSections(_ bytes: [UInt8]) {
    let read = { (count: Int, offset: UInt64) in
      offset < UInt64(bytes.count) ? Array(bytes[Int(offset)...].prefix(count)) : []
    }
    guard let sections = try? EFISections(read) else { return }
    for section in sections.sections {
      let text = try? sections.text(section.name)
      _ = text.map { OSRelease($0).title }
    }
  }

  static func bootSpecification(_ bytes: [UInt8]) {
    _ = BootSpecification(bytes)
  }

  static func filesystemTable(_ bytes: [UInt8]) {
    for mount in FilesystemTable(text(bytes)).mounts { _ = FilesystemReference(device: mount.device)?.text }
  }
}
