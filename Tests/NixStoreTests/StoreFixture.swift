import Foundation
import Glibc
import SystemPackage

@testable import NixStore

/// A folder that lives as long as the test.
final class ScratchFolder: Sendable {
  let path: FilePath

  init() throws {
    path = FilePath(NSTemporaryDirectory()).appending("nix-store-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: true)
  }

  deinit {
    // Nix takes write permission from its folders.
    for case let entry as URL in FileManager.default.enumerator(
      at: URL(filePath: path.string), includingPropertiesForKeys: [.isDirectoryKey]) ?? .init()
    where (try? entry.resourceValues(forKeys: [.isDirectoryKey]).isDirectory) == true {
      chmod(entry.path(percentEncoded: false), 0o755)
    }
    try? FileManager.default.removeItem(atPath: path.string)
  }
}

/// A store made by hand, without Nix.
struct StoreFixture {
  let scratch: ScratchFolder
  let location: StoreLocation
  private(set) var paths: [StorePathInfo] = []

  init() throws {
    scratch = try ScratchFolder()
    location = StoreLocation(root: scratch.path.appending("root"))
    try makeFolder(location.directory)
    try makeFolder(location.databaseDirectory)
  }

  /// Adds an object and registers it with the size of its archive.
  @discardableResult
  mutating func add(
    _ name: String, references: [StorePath] = [], _ build: (FilePath) throws -> Void
  ) throws -> StorePath {
    let path = try storePath(name)
    try build(location.file(of: path))
    let size = try ArchiveSize.of(location.file(of: path))
    paths.append(StorePathInfo(path: path, narHash: try someHash(), narSize: size, references: references))
    return path
  }

  /// Adds a library and a system that refers to it, with all that a system needs but a boot specification.
  mutating func addSystem(version: String? = nil) throws -> StorePath {
    let library = try add("library") { folder in
      try makeFolder(folder.appending("lib"))
      try write("bytes of a library", to: folder.appending(["lib", "lib.so"]))
    }
    let kernel = try add("linux") { folder in
      try makeFolder(folder)
      try write("a kernel", to: folder.appending("bzImage"))
    }
    return try add("nixos-system", references: [library, kernel]) { folder in
      try makeFolder(folder.appending("bin"))
      for name in ["init", "activate", "bin/switch-to-configuration"] {
        try write("#!", to: folder.pushing(FilePath(name)), mode: 0o555)
      }
      try link(folder.appending("kernel"), to: "\(kernel)/bzImage")
      if let version { try write(version, to: folder.appending("nixos-version")) }
    }
  }

  /// Registers an object that is nowhere on disk.
  mutating func register(_ info: StorePathInfo) {
    paths.append(info)
  }

  func closure(_ roots: StorePath...) -> Closure {
    Closure(roots: roots, paths: paths)
  }
}

/// A store path with a hash made of its name.
func storePath(_ name: String) throws -> StorePath {
  let alphabet = Array("0123456789abcdfghijklmnpqrsvwxyz")
  var state = name.utf8.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
  var hash = ""
  for _ in 0..<32 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    hash.append(alphabet[Int(state >> 59)])
  }
  return try required(StorePath(name: "\(hash)-\(name)"))
}

func someHash() throws -> NarHash {
  try required(NarHash("1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13"))
}

struct MissingValue: Error {}

func required<Value>(_ value: Value?) throws -> Value {
  guard let value else { throw MissingValue() }
  return value
}

func makeFolder(_ path: FilePath) throws {
  try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: true)
}

func write(_ text: String, to file: FilePath, mode: mode_t = 0o444) throws {
  try Data(text.utf8).write(to: URL(filePath: file.string))
  chmod(file.string, mode)
}

func link(_ file: FilePath, to target: String) throws {
  try FileManager.default.createSymbolicLink(atPath: file.string, withDestinationPath: target)
}

func contents(_ file: FilePath) throws -> Data {
  try Data(contentsOf: URL(filePath: file.string))
}

func isInstalled(_ command: String) -> Bool {
  (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
    access("\($0)/\(command)", X_OK) == 0
  }
}
