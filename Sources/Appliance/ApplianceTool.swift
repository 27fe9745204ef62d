package import Command
package import SystemPackage

/// One program of the guest, and other names that it goes by there.
package struct ApplianceTool: Hashable, Sendable {
  /// Its name in `PATH` on the host, and in `/usr/sbin` in the guest.
  package var name: String
  /// The Debian package that has it; nil for a user's own tool.
  package var debianPackage: String?
  /// Where it is on the host; nil to look in `PATH`.
  package var path: FilePath?
  /// Links to it in the guest; such a program acts by the name it is called by.
  package var aliases: [String]

  package init(_ name: String, debianPackage: String, aliases: [String] = []) {
    self.name = name
    self.debianPackage = debianPackage
    self.aliases = aliases
  }

  /// A tool that a user adds, by its name or its path.
  package init(added text: String) {
    let path = FilePath(text)
    name = path.lastComponent?.string ?? text
    aliases = []
    if text.contains("/") { self.path = path }
  }

  package init(_ tool: ExternalTool) {
    self.init(tool.name, debianPackage: tool.debianPackage, aliases: tool.aliases)
  }

  /// Answers with a shell, and with the small tools a person expects there.
  static let shell = "busybox"

  /// What the install steps run, and what a person needs to look around.
  package static let all = ExternalTool.guest.sorted { $0.name < $1.name }.map { ApplianceTool($0) }

  /// Whether it can be called by this name in the guest.
  package func answers(to name: String) -> Bool { self.name == name || aliases.contains(name) }
}
