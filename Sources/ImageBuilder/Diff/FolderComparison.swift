internal import Basics
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// Compares two output folders, file by file. What tells of the builds and not of what was built, `log` and `nix-support`,
/// is left out.
struct FolderComparison {
  let left: FilePath
  let right: FilePath

  /// - Throws: `Fault`; `CancellationError`.
  func run() async throws -> ImageDifferences {
    var result = try manifests()
    let (mine, others) = (Set(OutputFiles.names(in: left)), Set(OutputFiles.names(in: right)))
    var isDiskSaid = false
    for name in mine.union(others).sorted() {
      guard mine.contains(name), others.contains(name) else {
        let isLeft = mine.contains(name)
        result.differences.append(
          ImageDifference(
            region: name, field: "entry", left: isLeft ? "file" : nil, right: isLeft ? nil : "file"))
        continue
      }
      let files = FileComparison(left.appending(name), right.appending(name))
      let bytes = try await files.bytes(name)
      guard !bytes.isEmpty else { continue }
      result.add(try await explained(files, bytes, isDiskSaid: &isDiskSaid))
    }
    return result
  }

  /// What differs in two files whose bytes do. Every image of a folder has the same disk, which is looked into once.
  private func explained(
    _ files: FileComparison, _ bytes: ImageDifferences, isDiskSaid: inout Bool
  ) async throws -> ImageDifferences {
    // A file of another kind, such as one that postVM has made.
    guard let kind = try? await ComparedKind(of: files.left, nil), kind == .store || !isDiskSaid else {
      return bytes
    }
    do {
      let found = try await files.run(kind, ComparedKind(of: files.right, nil))
      if kind != .store { isDiskSaid = true }
      return found.isEmpty ? bytes : found
    } catch let fault as Fault {
      var bytes = bytes
      bytes.notes.append(
        "\(files.left.lastComponent?.string ?? "") was compared by its bytes alone: \(fault.message)")
      return bytes
    }
  }

  private func manifests() throws -> ImageDifferences {
    let list = DifferenceList()
    let (one, other) = (try manifest(of: left), try manifest(of: right))
    switch (one, other) {
    case (nil, nil): break
    case (let one?, let other?):
      for key in Set(one.keys).union(other.keys).sorted() where one[key] != other[key] {
        list.add(Manifest.fileName, nil, key, one[key], other[key])
      }
    default:
      list.add(
        Manifest.fileName, nil, "entry", one.map { _ in "file" }, other.map { _ in "file" })
    }
    return list.result
  }

  /// Every value of a manifest by the way to it, such as `files[0].sha256`; nil without a manifest.
  private func manifest(of folder: FilePath) throws -> [String: String]? {
    let file = folder.appending(Manifest.fileName)
    guard HostFiles.exists(file) else { return nil }
    do {
      let bytes = try WholeFile.read(RegularFile.check(file), limit: 16 << 20)
      let value = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
      var values: [String: String] = [:]
      Self.flatten(value, at: "", into: &values)
      return values
    } catch let failure as PathFailure {
      throw Fault(.badInput, "\(failure)", remedy: "Check its permissions and size")
    } catch let error as CocoaError {
      throw Fault(
        .badInput, "\(file) is not JSON", remedy: "Build the image again", evidence: ["\(error.code)"])
    }
  }

  /// Foundation reads no JSON deeper than 512.
  private static func flatten(_ value: Any, at way: String, into values: inout [String: String]) {
    switch value {
    case let object as [String: Any]:
      if object.isEmpty { values[way] = "{}" }
      for (key, value) in object { flatten(value, at: way.isEmpty ? key : "\(way).\(key)", into: &values) }
    case let array as [Any]:
      if array.isEmpty { values[way] = "[]" }
      for (index, value) in array.enumerated() { flatten(value, at: "\(way)[\(index)]", into: &values) }
    default: values[way] = "\(value)"
    }
  }
}
