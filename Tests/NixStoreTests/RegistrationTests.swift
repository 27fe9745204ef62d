import Basics
import Foundation
import SystemPackage
import Testing

@testable import NixStore

struct RegistrationTests {
  private let hash = "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13"

  private func parse(_ text: String) throws -> [StorePathInfo] {
    try Registration.parse(Array(text.utf8), in: "/info")
  }

  private func dump(_ paths: [StorePathInfo]) -> String {
    paths.map { info in
      ([info.path.path, info.narHash.description, "\(info.narSize)", info.deriver?.path ?? ""]
        + ["\(info.references.count)"] + info.references.map(\.path)).map { $0 + "\n" }.joined()
    }.joined()
  }

  private func someRegistration(_ random: inout SplitMix) throws -> [StorePathInfo] {
    let names = try (0..<Int.random(in: 1...6, using: &random)).map { try storePath("p\($0)") }
    return try names.map { name in
      StorePathInfo(
        path: name, narHash: try someHash(), narSize: .random(in: 0...UInt64.max, using: &random),
        deriver: Bool.random(using: &random) ? try storePath("d.drv") : nil,
        references: names.filter { _ in Bool.random(using: &random) })
    }
  }

  @Test func whatIsWrittenIsRead() throws {
    var random = SplitMix(state: 7)
    for _ in 0..<50 {
      let paths = try someRegistration(&random)
      let closure = Closure(roots: [], paths: paths)
      #expect(try Registration.parse(closure.registrationText, in: "/info") == closure.paths)
    }
  }

  @Test func nixItselfLoadsWhatIsWritten() async throws {
    let fixture = try await NixFixture.make()
    let closure = try await Closure.read(roots: [fixture.system], from: fixture.location)
    let dumped = try await fixture.run(["nix-store", "--dump-db"] + closure.paths.map(\.path.path))
    let written = String(decoding: closure.registrationText, as: UTF8.self)
    #expect(dumped.map { $0 + "\n" }.joined() == written)
  }

  @Test func whatIsDumpedIsRead() throws {
    var random = SplitMix(state: 1)
    for _ in 0..<50 {
      let paths = try someRegistration(&random)
      #expect(try parse(dump(paths)) == paths)
    }
  }

  /// Random damage gives an error or other records, never a crash.
  @Test func damagedTextIsSurvived() throws {
    var random = SplitMix(state: 2)
    for _ in 0..<300 {
      var bytes = Array(dump(try someRegistration(&random)).utf8)
      for _ in 0..<Int.random(in: 1...5, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[place] = .random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        default: bytes.insert(.random(in: 0...255, using: &random), at: place)
        }
      }
      expectRecordsOrError(bytes)
      expectRecordsOrError((0..<200).map { _ in .random(in: 0...255, using: &random) })
    }
  }

  /// A cut anywhere but between two records is noticed.
  @Test func everyTruncationIsNoticed() throws {
    var random = SplitMix(state: 3)
    let paths = try someRegistration(&random)
    let whole = Array(dump(paths).utf8)
    let boundaries = Dictionary(
      uniqueKeysWithValues: (0...paths.count).map { (dump(Array(paths.prefix($0))).utf8.count, $0) })
    for length in 0...whole.count {
      let records = try? Registration.parse(Array(whole[..<length]), in: "/info")
      #expect(records?.count == boundaries[length])
    }
  }

  private func expectRecordsOrError(_ bytes: [UInt8]) {
    do {
      for info in try Registration.parse(bytes, in: "/info") {
        #expect(StorePath(path: info.path.path) != nil)
      }
    } catch let error as Fault {
      #expect(
        error.kind == .badInput && error.message.hasPrefix("cannot use '/info' as a closureInfo folder"))
    } catch {
      Issue.record(error)
    }
  }

  @Test func errorsNameTheLine() throws {
    let path = try storePath("a").path
    for (text, reason) in [
      ("nonsense\n", "line 1: 'nonsense' is not a store path"),
      ("\(path)\nx\n", "line 2: 'x' is not the SHA-256 of \(path)"),
      ("\(path)\n\(hash)\n-1\n", "line 3: '-1' is not the size"),
      ("\(path)\n\(hash)\n+1\n", "line 3: '+1' is not the size"),
      ("\(path)\n\(hash)\n1\nx\n", "line 4: 'x' is not the deriver"),
      ("\(path)\n\(hash)\n1\n\n18446744073709551615\n", "line 6: it ends where a reference"),
      ("\(path)\n\(hash)\n1\n\n1\n\(path)/x\n", "line 6: '\(path)/x' is not a reference"),
      ("\(path)\n\(hash)\n1\n\n0\n\(path)\n\(hash)\n1\n\n0\n", "line 10: this record repeats \(path)"),
      ("\(path)\n\(hash)\n1\n\n0", "cut short"),
    ] {
      let error = #expect(throws: Fault.self) { try parse(text) }
      #expect("\(try #require(error))".contains(reason))
    }
  }

  @Test func foldersMustAgreeWithThemselves() async throws {
    let folder = try ScratchFolder().path
    try makeFolder(folder)
    defer { try? FileManager.default.removeItem(atPath: folder.string) }
    let (a, b) = (try storePath("a"), try storePath("b"))
    try write("\(a)\n\(hash)\n120\n\n1\n\(a)\n", to: folder.appending("registration"), mode: 0o644)
    await #expect(throws: Fault.self) { try await Closure.read(roots: [a], closureInfo: folder) }

    try write("\(a)\n", to: folder.appending("store-paths"), mode: 0o644)
    let closure = try await Closure.read(roots: [a], closureInfo: folder)
    #expect(
      closure.paths == [StorePathInfo(path: a, narHash: try someHash(), narSize: 120, references: [a])])
    await #expect(throws: Fault.self) { try await Closure.read(roots: [b], closureInfo: folder) }

    try write("\(a)\n\(b)\n", to: folder.appending("store-paths"), mode: 0o644)
    await #expect(throws: Fault.self) { try await Closure.read(roots: [a], closureInfo: folder) }
  }
}

/// Repeatable random numbers.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}
