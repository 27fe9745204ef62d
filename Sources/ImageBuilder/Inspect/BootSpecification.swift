internal import Foundation

/// The boot specification of a system, `boot.json` (NixOS RFC 125), as far as a report has it.
struct BootSpecification: Hashable {
  var toplevel: String
  var label: String?
  var kernel: String?
  /// Specialisations by name; those of a specialisation are not defined.
  var specialisations: [String: String] = [:]

  /// More than any system has.
  static let mostSpecialisations = 200
  static let fileName = "boot.json"
  /// The most bytes of such a file that are read.
  static let sizeLimit = 1 << 20

  /// - Returns: nil for what is no boot specification of version 1.
  init?(_ json: [UInt8]) {
    guard let document = try? JSONDecoder().decode(Document.self, from: Data(json)) else { return nil }
    toplevel = document.bootspec.toplevel
    label = document.bootspec.label
    kernel = document.bootspec.kernel
    for (name, inner) in (document.specialisations ?? [:]).sorted(by: { $0.key < $1.key }).prefix(
      Self.mostSpecialisations)
    {
      specialisations[name] = inner.bootspec.toplevel
    }
  }

  private struct Document: Decodable {
    var bootspec: Fields
    var specialisations: [String: Inner]?

    enum CodingKeys: String, CodingKey {
      case bootspec = "org.nixos.bootspec.v1"
      case specialisations = "org.nixos.specialisation.v1"
    }
  }

  private struct Inner: Decodable {
    var bootspec: Fields

    enum CodingKeys: String, CodingKey {
      case bootspec = "org.nixos.bootspec.v1"
    }
  }

  private struct Fields: Decodable {
    var toplevel: String
    var label: String?
    var kernel: String?
  }
}
