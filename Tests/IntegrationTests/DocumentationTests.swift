import Foundation
import Testing

/// What the documentation says of the tests.
@Suite struct DocumentationTests {
  private let project = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")

  @Test(arguments: ["docs/parity.md", "docs/reproducibility.md", "docs/testing.md", "nix/README.md"])
  func everyTestThatAPageNamesExists(name: String) throws {
    let page = try String(contentsOf: project.appending(path: name), encoding: .utf8)
    let named = Set(
      page.matches(of: /`([A-Z][A-Za-z0-9]*Tests)\.([a-z][A-Za-z0-9]*)`/).map { "\($0.1) \($0.2)" })
    #expect(named.count > 10)
    let existing = try tests()
    #expect(named.subtracting(existing).sorted() == [])
  }

  /// The suites' names, each with the names of its functions.
  private func tests() throws -> Set<String> {
    let folder = project.appending(path: "Tests")
    let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
    var found: Set<String> = []
    for case let file as URL in files where file.pathExtension == "swift" {
      var suite: Substring = ""
      for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
        if let type = line.firstMatch(of: /struct ([A-Z][A-Za-z0-9]*Tests)\b/) { suite = type.1 }
        if let function = line.firstMatch(of: /^  (?:@Test.* )?func ([a-z][A-Za-z0-9]*)\(/) {
          found.insert("\(suite) \(function.1)")
        }
      }
    }
    return found
  }
}
