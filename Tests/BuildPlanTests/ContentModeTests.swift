import BuildPlan
import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Modes of contents, as rsync's `--chmod` has them.
@Suite struct ContentModeTests {
  @Test(arguments: [
    // An octal number alone is for files, and folders that may be read may be entered.
    ("0644", 0o600, 0o644, 0o755), ("4640", 0o600, 0o4640, 0o4750), ("0", 0o777, 0, 0),
    ("D755,F644", 0o600, 0o644, 0o755), ("F644", 0o600, 0o644, 0o600), ("D2710", 0o644, 0o644, 0o2710),
    ("u=rwX,go=rX", 0o600, 0o644, 0o755), ("u=rwX,go=rX", 0o700, 0o755, 0o755),
    ("a+r,go-w", 0o622, 0o644, 0o644), ("Du+x,Fg=", 0o660, 0o600, 0o760), ("ug+s,o+t", 0o755, 0o7755, 0o7755),
    ("u=,g=,o=", 0o777, 0, 0), ("u=s", 0o2777, 0o6077, 0o6077), ("+s", 0o755, 0o4755, 0o4755),
    // Without a class it is the usual umask that counts, and never this process's.
    ("=rw", 0o777, 0o644, 0o644), ("+w", 0o444, 0o644, 0o644), ("-x", 0o755, 0o644, 0o644),
    ("644,+X", 0o700, 0o755, 0o755), ("644,+X", 0o600, 0o644, 0o755),
  ])
  func bits(text: String, found: UInt16, file: UInt16, folder: UInt16) throws {
    let mode = try #require(ContentMode(text))
    #expect(mode.bits(of: found, isFolder: false) == file)
    #expect(mode.bits(of: found, isFolder: true) == folder)
  }

  @Test(arguments: [
    "", ",", "u", "rwx", "u+q", "u+r,", "10000", "+644", "u644", "DF755", "u=g", "u+r-w", "8", "u +r", "-",
    "D",
  ])
  func whatIsNoModeIsRefused(text: String) {
    // A sign alone changes nothing, as in rsync.
    #expect((ContentMode(text) == nil) == (text != "-"))
  }

  /// coreutils' chmod has the same words, but for the prefixes; an `=` there also takes set-user-id away.
  @Test(arguments: [
    "u=rwX,go=rX", "a+rX", "go-rwx", "u+s,g+x", "a=r,u+w", "o=", "ug=rw,o=r", "+X", "=rx", "o+t",
  ])
  func chmodAgrees(text: String) async throws {
    let mode = try #require(ContentMode(text))
    try await withScratchDirectory { scratch in
      for found: UInt16 in [0o600, 0o700, 0o444, 0o755, 0o640] {
        let file = scratch.appending(String(found, radix: 8)).string
        try await SubprocessRunner().run(
          "sh", "-c", "touch $1; chmod \(String(found, radix: 8)) $1; umask 022; chmod -- \(text) $1", "sh",
          file)
        let made = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(made == Int(mode.bits(of: found, isFolder: false)), "\(text) of \(String(found, radix: 8))")
      }
    }
  }
}
