import Basics
import SystemPackage
import Testing

@testable import NixStore

struct StorePathTests {
  private let hash = "wsapfasykqjyaw5h4glxcsgprzxp7bjd"

  @Test func acceptsWhatNixAccepts() throws {
    let path = try #require(StorePath(path: "/nix/store/\(hash)-a+b-1.0_x?=.drv"))
    #expect(path.name == "\(hash)-a+b-1.0_x?=.drv")
    #expect(path.path == "/nix/store/\(path.name)")
    #expect(path.isDerivation)
    #expect(StorePath(name: "\(hash)-" + String(repeating: "n", count: 211)) != nil)
  }

  @Test(arguments: [
    "", "/nix/store", "/nix/store/", "/nix/store/wsapfasykqjyaw5h4glxcsgprzxp7bjd",
    "/nix/store/wsapfasykqjyaw5h4glxcsgprzxp7bjd-", "/nix/store/wsapfasykqjyaw5h4glxcsgprzxp7bjd-a/b",
    "/nix/store/wsapfasykqjyaw5h4glxcsgprzxp7bje-e", "/nix/store/wsapfasykqjyaw5h4glxcsgprzxp7bjd-a b",
    "/nix/store/wsapfasykqjyaw5h4glxcsgprzxp7bjd-ä", "/nix/store/.links",
    "/gnu/store/wsapfasykqjyaw5h4glxcsgprzxp7bjd-a",
  ])
  func refuses(_ text: String) {
    #expect(StorePath(path: text) == nil)
  }

  @Test func refusesLongNames() {
    #expect(StorePath(name: "\(hash)-" + String(repeating: "n", count: 212)) == nil)
  }

  @Test(arguments: [
    "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13",
    "sha256:1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13",
    "sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw",
    "04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw",
    "sha256-HDfQGvQL4ugGkd48w99EN3ppmvuxfGjwgJZLL9Bx/BM=",
  ])
  func hashesAreReadInEverySpelling(_ text: String) {
    #expect(
      NarHash(text)?.description == "sha256:1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13")
  }

  @Test(arguments: [
    "", "sha256:", "sha1:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw",
    "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc1",
    "zzzwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw",
    "sha256-04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw",
    "sha256-HDfQGvQL4ugGkd48w99EN3ppmvuxfGjwgJZLL9Bx/BM!",
  ])
  func wrongHashesAreRefused(_ text: String) {
    #expect(NarHash(text) == nil)
  }
}

struct StoreLocationTests {
  @Test func linksAreFollowedUpToTheStore() throws {
    var fixture = try StoreFixture()
    let scratch = fixture.scratch.path
    let elsewhere = try fixture.add("file") { try write("x", to: $0) }
    // An object that is a link itself stays what it is.
    let path = try fixture.add("link") { try link($0, to: elsewhere.path) }
    try link(scratch.appending("system-1-link"), to: path.path)
    try link(scratch.appending("result"), to: "./../\(try #require(scratch.lastComponent))/system-1-link")
    for text in ["result", "\(scratch)/result/", path.path, fixture.location.file(of: path).string] {
      #expect(try fixture.location.storePath(of: text, from: scratch) == path)
    }
  }

  @Test func aFileOfAnObjectStandsForTheObjectWhereOneIsAskedFor() throws {
    var fixture = try StoreFixture()
    let path = try fixture.add("tool") { folder in
      try makeFolder(folder.appending("bin"))
      try write("x", to: folder.appending(["bin", "tool"]))
    }
    let scratch = fixture.scratch.path
    let location = fixture.location
    #expect(try location.storePath(holding: "\(path)/bin/tool", from: scratch) == path)
    #expect(try location.storePath(holding: "\(location.directory)/\(path.name)/bin", from: scratch) == path)
    #expect(try location.storePath(holding: path.path, from: scratch) == path)
    #expect(throws: Fault.self) { try location.storePath(of: "\(path)/bin", from: scratch) }
    let error = #expect(throws: Fault.self) {
      try location.storePath(holding: "\(path)/bin/none", from: scratch)
    }
    #expect(error?.cause == "there is no such file in \(path)")
  }

  @Test func aChrootStoreIsFoundByItsPaths() throws {
    var fixture = try StoreFixture()
    let scratch = fixture.scratch.path
    let path = try fixture.add("system") { try makeFolder($0) }
    try link(scratch.appending("result"), to: "root/nix/store/\(path.name)")
    for text in [
      "result", "\(scratch)/result", "root/nix/store/\(path.name)",
      "\(fixture.location.directory)/\(path.name)/x",
    ] {
      let found = try StoreLocation(holding: text, from: scratch)
      #expect(found.directory.lexicallyNormalized().string.hasSuffix("/root/nix/store"), "\(text)")
      #expect(found.exists(FilePath(path.path)))
    }
    for text in [path.path, "/etc", "absent", "\(fixture.location.directory)", "/nix/store"] {
      #expect(try StoreLocation(holding: text, from: scratch) == StoreLocation(), "\(text)")
    }
    #expect(try StoreLocation(holding: nil, from: scratch) == StoreLocation())
  }

  @Test func otherPlacesAreRefused() throws {
    let fixture = try StoreFixture()
    let scratch = fixture.scratch.path
    let path = try storePath("x")
    try link(scratch.appending("loop"), to: "loop")
    try link(scratch.appending("inside"), to: "\(path)/bin")
    try link(scratch.appending("odd"), to: "/nix/store/.links")
    for (text, reason) in [
      ("/etc", "not an object in \(fixture.location.directory)"), ("absent", "No such file"),
      ("loop", "Too many levels"),
      ("inside", "Give \(path) itself"), ("odd", "not the name of a store object"),
      ("/nix/store", "not an object in \(fixture.location.directory)"),
    ] {
      let error = #expect(throws: Fault.self) {
        try fixture.location.storePath(of: text, from: scratch)
      }
      #expect(error?.kind == .badInput && error?.failure?.hasSuffix("as a store path") == true)
      #expect("\(try #require(error))".contains(reason))
    }
  }
}
