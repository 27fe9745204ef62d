import Testing

@testable import NixStore

/// What is told of a database in numbers.
@Suite struct DatabaseSummaryTests {
  private func path(_ name: String) throws -> StorePath {
    try #require(StorePath(path: "/nix/store/\(String(repeating: "0", count: 32))-\(name)"))
  }

  private func database() async throws -> [UInt8] {
    let hash = try #require(NarHash("sha256:\(String(repeating: "0", count: 64))"))
    let (one, other) = (try path("a"), try path("b"))
    let closure = Closure(
      roots: [one],
      paths: [
        StorePathInfo(path: one, narHash: hash, narSize: 9, references: [one, other]),
        StorePathInfo(path: other, narHash: hash, narSize: 20),
      ])
    return try await NixDatabase.bytes(of: closure, from: StoreLocation(), registrationTime: 7)
  }

  @Test func rowsAreCounted() async throws {
    let summary = try NixDatabase.summary(of: try await database(), log: [])
    #expect(summary == NixDatabaseSummary(paths: 2, references: 2, narSize: 29, latestRegistration: 7))
  }

  @Test func otherFilesHaveNone() async throws {
    #expect(try NixDatabase.summary(of: [], log: []) == nil)
    #expect(try NixDatabase.summary(of: Array("no database".utf8), log: []) == nil)
    #expect(try NixDatabase.summary(of: Array(try await database().prefix(4096)), log: []) == nil)
  }
}
