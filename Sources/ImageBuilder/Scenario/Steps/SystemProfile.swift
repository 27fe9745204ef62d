/// The system's profile in a guest, as nix-env keeps it.
enum SystemProfile {
  static let path = "/nix/var/nix/profiles/system"

  /// The link that is a generation.
  static func link(_ number: Int) -> String { "\(path)-\(number)-link" }
}

/// Words of a shell's command.
enum ShellWord {
  /// A text as one word that a POSIX shell takes as it is.
  static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
  }
}
