package import Basics
internal import Foundation

/// One of QEMU's firmware descriptors: what a firmware is, what can run it and where its files are.
///
/// The format is that of `docs/interop/firmware.json` in QEMU's source. Words that QEMU may add later are kept
/// as they are and do not make a descriptor unreadable.
package struct FirmwareDescriptor: Hashable, Sendable {
  /// Machines that can run it.
  package struct Target: Hashable, Sendable, Decodable {
    /// The emulator: `x86_64`.
    package var architecture: String
    /// Machine types, as shell patterns: `pc-q35-*`.
    package var machines: [String]
  }

  /// Two flash images, raw or in qcow2.
  package struct Flash: Hashable, Sendable {
    /// The read-only code.
    package var code: String
    /// What each new variable store is a copy of.
    package var variablesTemplate: String
  }

  /// The file it was read from.
  package var file: String
  /// What it is, for people.
  package var description: String
  /// `uefi`, `bios`, …
  package var interfaces: Set<String>
  /// Machines that can run it.
  package var targets: [Target]
  /// `requires-smm`, `secure-boot`, `enrolled-keys`, …
  package var features: Set<String>
  /// Code and variables; nil for a firmware that does not keep its variables in a flash image of its own.
  package var flash: Flash?

  /// Reads a descriptor.
  ///
  /// - Throws: `Fault` when it is not JSON of that format.
  package init(file: String, json: [UInt8]) throws(Fault) {
    let document: Document
    do {
      document = try JSONDecoder().decode(Document.self, from: Data(json))
    } catch {
      throw Fault(.hostNotAble, "\(file) is not a firmware descriptor", cause: Self.reason(error))
    }
    self.file = file
    description = document.description
    interfaces = Set(document.interfaces)
    targets = document.targets
    features = Set(document.features)
    flash = document.mapping.flash
  }

  private static func reason(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    switch error {
    case .keyNotFound(let key, _): return "the key '\(key.stringValue)' is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return (path.isEmpty ? "" : "'\(path)': ") + context.debugDescription
    @unknown default: return "\(error)"
    }
  }
}

/// The descriptor as it is written.
private struct Document: Decodable {
  struct File: Decodable {
    var filename: String
    var format: String
  }

  struct Mapping: Decodable {
    var device: String
    var mode: String?
    var executable: File?
    var template: File?

    enum CodingKeys: String, CodingKey {
      case device, mode, executable
      case template = "nvram-template"
    }

    private static let formats: Set<String> = ["raw", "qcow2"]

    /// QEMU's formats are raw and qcow2, which Fedora ships. Which one it is, the file itself tells.
    var flash: FirmwareDescriptor.Flash? {
      guard device == "flash", mode ?? "split" == "split", let executable, let template,
        Self.formats.contains(executable.format), Self.formats.contains(template.format)
      else { return nil }
      return FirmwareDescriptor.Flash(code: executable.filename, variablesTemplate: template.filename)
    }
  }

  var description: String
  var interfaces: [String]
  var mapping: Mapping
  var targets: [FirmwareDescriptor.Target]
  var features: [String]

  enum CodingKeys: String, CodingKey {
    case description, mapping, targets, features
    case interfaces = "interface-types"
  }
}
