internal import NixStore

extension SealRule {
  /// The Nix database as the pour writes it. A Nix that the guest ran, if only to look, has turned it to its log, and noted
  /// the times and the order of what it registered.
  static let nixDatabase = SealRule(paths: [database, log, index, schema]) { files in
    // One that nobody has opened was not handed over.
    guard files.has(database) else { return [] }
    func unruled(_ reason: String) -> [Edit] { [Edit(path: database, kind: .unruled(reason))] }
    let known = Array(NixDatabase.schemaVersion.utf8)
    // The version that was poured is the known one.
    let version = files.has(schema) ? try files.content(schema) : known
    guard version == known else {
      return unruled("it is of another version than \(NixDatabase.schemaVersion)")
    }
    guard let bytes = try files.content(database, limit: databaseLimit),
      let logged = files.has(log) ? try files.content(log, limit: databaseLimit) : []
    else { return unruled("it is larger than 1 GiB") }
    guard let canonical = try NixDatabase.canonical(bytes, log: logged, registrationTime: 1) else {
      return unruled(
        "it is damaged, or has more in it than Nix of version \(NixDatabase.schemaVersion) writes")
    }
    return [Edit(path: database, kind: .content(canonical))]
      + [log, index].filter(files.has).map { Edit(path: $0, kind: .removed) }
  }

  /// The most bytes of a database, and of its log, that are read.
  private static let databaseLimit: UInt64 = 1 << 30
  private static let database = "/nix/var/nix/db/db.sqlite"
  private static let log = "/nix/var/nix/db/db.sqlite-wal"
  /// SQLite's index of the log.
  private static let index = "/nix/var/nix/db/db.sqlite-shm"
  private static let schema = "/nix/var/nix/db/schema"
}
