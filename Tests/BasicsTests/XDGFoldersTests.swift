import Basics
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite struct XDGFoldersTests {
  @Test func emptyCountsAsUnsetAndRelativeIsIgnored() async throws {
    try await withScratchDirectory { home in
      let usual = XDGFolders(environment: ["HOME": home.string])
      #expect(usual.cache == "\(home)/.cache" && usual.config == "\(home)/.config")
      for value in ["", "relative", "./c"] {
        let odd = ["HOME": home.string, "XDG_CACHE_HOME": value, "XDG_CONFIG_HOME": value]
        #expect(XDGFolders(environment: odd) == usual)
      }
      let named = XDGFolders(
        environment: ["HOME": home.string, "XDG_CACHE_HOME": "/c", "XDG_CONFIG_HOME": "/d"])
      #expect(named.cache == "/c" && named.config == "/d")
    }
  }

  /// The home of a Nix build is one that does not exist, and must stay so.
  @Test(arguments: ["/homeless-shelter", "", "relative", "/dev/null"])
  func aHomeThatIsNoFolderIsNone(home: String) {
    let folders = XDGFolders(environment: ["HOME": home])
    #expect(folders.cache == nil && folders.config == nil)
    #expect(!FileManager.default.fileExists(atPath: "/homeless-shelter"))
  }

  @Test func aHomeThatMayNotBeWrittenToHasNoCache() {
    #expect(XDGFolders(environment: ["HOME": "/proc/self"]).cache == nil)
    #expect(XDGFolders(environment: [:]).cache == nil)
  }

  /// Every other reader would have a rule of its own.
  @Test func nothingElseReadsTheseVariables() throws {
    var readers: [String] = []
    for file in try sources() {
      let text = try String(contentsOf: file, encoding: .utf8)
      let names = ["XDG_", #""HOME""#, "NSHomeDirectory", "homeDirectoryForCurrentUser"]
      let lines = text.split(separator: "\n").filter { line in
        // What the guest is given, and what a remedy says, reads nothing.
        names.contains { line.contains($0) } && !line.contains("Set HOME")
          && !line.contains("\"HOME\": Self.home")
          && !line.trimmingPrefix(" ").hasPrefix("///")
      }
      if !lines.isEmpty { readers.append(file.lastPathComponent) }
    }
    #expect(readers == ["XDGFolders.swift"])
  }

  private func sources() throws -> [URL] {
    let folder = URL(fileURLWithPath: TestSystem.repository("Sources"))
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
    let all = try #require(files).compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
    try #require(all.count > 100)
    return all
  }
}
