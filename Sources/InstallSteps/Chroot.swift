internal import AgentProtocol
internal import Command
internal import Glibc
internal import SystemPackage

/// The target's root with what programs need to run inside, as nixos-enter prepares it.
///
/// There is no new PID namespace: systemd would take it for a container, and bootctl would skip EFI
/// variables.
struct Chroot {
  var root: String
  /// The toplevel's store path.
  var system: String

  /// nixpkgs' own default for builds: 1980-01-01, the first day that FAT can store.
  private static let sourceDateEpoch = "315532800"
  static let home = "/run/slipway-home"
  private static let secrets = "/run/slipway-secrets"

  /// Mounts what is not mounted yet. Blocks.
  ///
  /// All of it is in memory or bound, so nothing of it stays in the image. EFI variables are not in `/sys` of
  /// the chroot unless `installBootLoader` puts them there.
  func prepare() throws {
    try Mounts.require(root)
    let mounted = Set(try Mounts.places(atAndBelow: root))
    func mount(_ source: String, _ name: String, type: String, _ options: Mounts.Options, _ data: String = "")
      throws
    {
      let place = "\(root)/\(name)"
      guard !mounted.contains(place) else { return }
      if !Files.isDirectory(place) { try Files.makeDirectory(place) }
      try Mounts.mount(source, on: place, type: type, options: options, data: data)
    }
    // Its mode is for the image; what is mounted over it takes the temporary files of the installation.
    try Files.makeDirectory("\(root)/tmp", mode: 0o1777)
    try mount("/dev", "dev", type: "", [.bind, .recursive])
    try mount("/sys", "sys", type: "", .bind)
    try mount("proc", "proc", type: "proc", [.noSetUID, .noDevices, .noExecute])
    try mount("tmpfs", "run", type: "tmpfs", [.noSetUID, .noDevices], "mode=0755")
    try mount("tmpfs", "tmp", type: "tmpfs", [.noSetUID, .noDevices], "mode=1777")
    try Files.makeDirectory(root + Self.home, mode: 0o700)
  }

  /// A command that runs inside, found by its path there.
  func command(_ executable: String, _ arguments: [String] = [], settings: [String: String] = [:]) -> Command
  {
    var environment = [
      // Perl's hash order decides which user gets which subordinate ids (update-users-groups.pl).
      "PERL_HASH_SEED": "0",
      "PERL_PERTURB_KEYS": "0",
      // Installers of bootloaders are in Python.
      "PYTHONHASHSEED": "0",
      "TZ": "UTC",
      "LC_ALL": "C",
      "SOURCE_DATE_EPOCH": Self.sourceDateEpoch,
      // Nix would otherwise make its state in the image's /root, or a /homeless-shelter.
      "HOME": Self.home,
      // The appliance's folders come last, and are needed: this is also where `chroot` itself is looked up.
      "PATH": "\(system)/sw/bin:\(system)/sw/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
      "IN_NIXOS_ENTER": "1",
      "LOCALE_ARCHIVE": "\(system)/sw/lib/locale/locale-archive",
    ]
    environment.merge(settings) { $1 }
    return Command("chroot", [root, executable] + arguments, environment: environment, output: .shown)
  }

  /// Writes files into the chroot's `/run`, which `prepare` has put into memory, for root alone.
  ///
  /// - Returns: the variables that tell programs where they are.
  func place(_ secrets: [SecretFile]) throws -> [String: String] {
    guard !secrets.isEmpty else { return [:] }
    try Files.makeDirectory(root + Self.secrets, mode: 0o700)
    var variables: [String: String] = [:]
    for secret in secrets {
      guard !secret.name.isEmpty, !secret.name.hasPrefix("."), !secret.name.contains("/") else {
        throw StepFailure(message: "'\(secret.name)' cannot be a file name")
      }
      let place = "\(Self.secrets)/\(secret.name)"
      try Files.write(secret.text, to: root + place, mode: 0o600)
      variables[secret.variable] = place
    }
    return variables
  }

  /// Takes them away; whatever stays ends with the memory of `/run`.
  func remove(_ secrets: [SecretFile]) {
    for secret in secrets { _ = try? Files.removeFile("\(root)\(Self.secrets)/\(secret.name)") }
  }

  /// Whether a path names something inside.
  func has(_ path: String) -> Bool {
    Files.exists(path, inRoot: root)
  }
}
