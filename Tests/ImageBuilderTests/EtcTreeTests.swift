import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

@Suite struct EtcTreeTests {
  @Test func directoriesAndFilesBehindTheLinkAreCounted() async throws {
    try await withScratchDirectory { scratch in
      let manager = FileManager.default
      try manager.createDirectory(
        atPath: scratch.appending("etc-1/ssh/keys").string, withIntermediateDirectories: true)
      try Data().write(to: URL(fileURLWithPath: scratch.appending("etc-1/hosts").string))
      try manager.createSymbolicLink(
        atPath: scratch.appending("etc-1/ssh/config").string, withDestinationPath: "/nowhere")
      try manager.createDirectory(
        atPath: scratch.appending("system").string, withIntermediateDirectories: true)
      try manager.createSymbolicLink(
        atPath: scratch.appending("system/etc").string, withDestinationPath: "../etc-1")
      let etc = try EtcTree(of: scratch.appending("system"))
      #expect(etc.directories == 2)
      #expect(etc.links == 2)
    }
  }

  @Test func aSystemWithoutEtcHasNone() throws {
    let etc = try EtcTree(of: "/nonexistent")
    #expect(etc.directories == 0 && etc.links == 0)
  }
}
