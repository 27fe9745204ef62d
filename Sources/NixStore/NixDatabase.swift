internal import Basics
internal import GRDB
internal import SystemPackage

/// The Nix database of the target.
package enum NixDatabase {
  /// The version this code reads and writes, and the whole text of the `schema` file beside the database.
  package static let schemaVersion = "10"

  /// Makes the target's `db.sqlite`: the same closure gives the same bytes, whatever store it came from.
  ///
  /// Nix itself numbers the rows in the order of registration and notes the time of it. Here rows are in the
  /// order of paths, and nothing is left of the way they got there: no log, no free pages.
  ///
  /// - Parameters:
  ///   - closure: what becomes valid.
  ///   - store: where the closure's derivations, if it has any, are read for their outputs.
  ///   - registrationTime: the time noted for every path, in seconds since 1970.
  /// - Returns: the bytes of the file.
  /// - Throws: `Fault`, also for a derivation that cannot be read.
  package static func bytes(
    of closure: Closure, from store: StoreLocation, registrationTime: Int64
  ) async throws -> [UInt8] {
    try await onThread {
      do {
        return try image(of: closure, from: store, registrationTime: registrationTime).bytes
      } catch  where error is Fault || error is CancellationError {
        throw error
      } catch {
        throw Fault(.failed, "cannot make the image's Nix database", cause: "\(error)")
      }
    }
  }

  private static func image(
    of closure: Closure, from store: StoreLocation, registrationTime: Int64
  ) throws -> DatabaseImage {
    try image { database in
      let identifiers = zip(closure.paths, Int64(1)...).map { ($0.path, $1) }
      try insert(
        closure.paths, identifiers: Dictionary(identifiers, uniquingKeysWith: { $1 }),
        registrationTime: registrationTime, from: store, into: database)
    }
  }

  /// A database with Nix's tables, which `fill` gives their rows.
  static func image(_ fill: (Database) throws -> Void) throws -> DatabaseImage {
    let queue = try DatabaseImage().opened()
    try queue.inDatabase { database in
      // One that is half written is thrown away, so it needs no journal.
      try database.execute(sql: "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF")
    }
    try queue.write { database in
      for statement in schema { try database.execute(sql: statement) }
      try fill(database)
    }
    try queue.vacuum()
    return try DatabaseImage(of: queue)
  }

  /// Registers paths.
  ///
  /// - Parameters:
  ///   - paths: those that become valid.
  ///   - identifiers: the number of each of them, and of each other path that they refer to.
  ///   - registrationTime: the time noted for them, in seconds since 1970.
  ///   - store: where derivations are read for their outputs.
  static func insert(
    _ paths: [StorePathInfo], identifiers: [StorePath: Int64], registrationTime: Int64,
    from store: StoreLocation, into database: Database
  ) throws {
    let path = try database.makeStatement(
      sql: """
        INSERT INTO ValidPaths (id, path, hash, registrationTime, deriver, narSize, ca)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """)
    for info in paths {
      try path.execute(arguments: [
        identifiers[info.path], info.path.path, info.narHash.description, registrationTime,
        info.deriver?.path, Int64(clamping: info.narSize), info.contentAddress,
      ])
    }
    let reference = try database.makeStatement(sql: "INSERT INTO Refs (referrer, reference) VALUES (?, ?)")
    for info in paths {
      // A reference outside the closure fails here, by the schema's constraint.
      for target in info.references {
        try reference.execute(arguments: [identifiers[info.path], identifiers[target]])
      }
    }
    for info in paths where info.path.isDerivation {
      for output in try outputs(of: info.path, in: store) {
        try database.execute(
          sql: "INSERT INTO DerivationOutputs (drv, id, path) VALUES (?, ?, ?)",
          arguments: [identifiers[info.path], output.name, output.path.path])
      }
    }
  }

  /// What Nix notes for each derivation it registers.
  private static func outputs(
    of derivation: StorePath, in store: StoreLocation
  ) throws -> [(name: String, path: StorePath)] {
    let file = store.file(of: derivation)
    func damaged(_ reason: String) -> Fault {
      Fault(
        .failed, "cannot register \(derivation)", cause: reason,
        remedy: "Run: nix-store --repair-path \(derivation)")
    }
    let text: [UInt8]
    do {
      text = try WholeFile.read(file)
    } catch let failure as PathFailure {
      throw damaged("\(failure)")
    }
    guard let outputs = Derivation.outputs(of: text) else { throw damaged("'\(file)' is not a derivation") }
    return outputs
  }

  /// Version 10, as Nix makes it; compared with Nix's own in a test.
  private static let schema = [
    """
    CREATE TABLE ValidPaths (
      id integer primary key autoincrement not null,
      path text unique not null,
      hash text not null,
      registrationTime integer not null,
      deriver text,
      narSize integer,
      ultimate integer,
      sigs text,
      ca text
    )
    """,
    """
    CREATE TABLE Refs (
      referrer integer not null,
      reference integer not null,
      primary key (referrer, reference),
      foreign key (referrer) references ValidPaths(id) on delete cascade,
      foreign key (reference) references ValidPaths(id) on delete restrict
    )
    """,
    "CREATE INDEX IndexReferrer on Refs(referrer)",
    "CREATE INDEX IndexReference on Refs(reference)",
    """
    CREATE TRIGGER DeleteSelfRefs before delete on ValidPaths
    begin
      delete from Refs where referrer = old.id and reference = old.id;
    end
    """,
    """
    CREATE TABLE DerivationOutputs (
      drv integer not null,
      id text not null,
      path text not null,
      primary key (drv, id),
      foreign key (drv) references ValidPaths(id) on delete cascade
    )
    """,
    "CREATE INDEX IndexDerivationOutputs on DerivationOutputs(path)",
  ]
}
