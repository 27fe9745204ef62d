internal import Basics
package import FoundationEssentials
internal import ImageModel

/// Variables in the JSON of virt-firmware and of QEMU: what `virt-fw-vars --output-json` writes and `--set-json` reads, and
/// what QEMU's device `uefi-vars` keeps (`qapi/uefi.json` in its source).
///
/// `{"version":2,"variables":[{"name":…,"guid":…,"attr":7,"data":"<hex>","time":"<hex>"}]}`. The time is there
/// unless it is zero. `count` and `pkidx`, of the deprecated authentication, are this module's own; virt-firmware
/// ignores them, and they are there unless they are zero. python-uefivars calls the time `timestamp`, which is read too. A
/// `digest` of the signer's certificate is refused.
package enum VariablesJSON {
  package static func encode(_ variables: [Variable]) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return try encoder.encode(Document(version: 2, variables: variables.map(Entry.init)))
  }

  /// - Throws: `DecodingError`, also for a key that is there twice.
  package static func decode(_ data: Data) throws -> [Variable] {
    let document = try JSONDecoder().decode(Document.self, from: data)
    guard document.version == 2 else { throw invalid("version \(document.version) is not known; 2 is") }
    let variables = try document.variables.map { try $0.variable() }
    var keys: Set<VariableKey> = []
    for variable in variables where !keys.insert(variable.key).inserted {
      throw invalid("\(variable.key) is there twice")
    }
    return variables
  }

  private static func invalid(_ reason: String) -> DecodingError {
    .dataCorrupted(.init(codingPath: [], debugDescription: reason))
  }

  private struct Document: Codable {
    var version: Int
    var variables: [Entry]
  }

  private struct Entry: Codable {
    var name: String
    var guid: GUID
    var attr: UInt32
    var data: String
    var time: String?
    var timestamp: String?
    var digest: String?
    var count: UInt64?
    var pkidx: UInt32?

    init(_ variable: Variable) {
      name = variable.key.name.description
      guid = variable.key.vendor
      attr = variable.attributes.rawValue
      data = hex(variable.data)
      time = variable.time == .zero ? nil : hex(variable.time.bytes)
      count = variable.monotonicCount == 0 ? nil : variable.monotonicCount
      pkidx = variable.publicKeyIndex == 0 ? nil : variable.publicKeyIndex
    }

    func variable() throws -> Variable {
      guard let key = VariableKey(guid, name) else { throw invalid("'\(name)' cannot be a variable's name") }
      guard let data = Hexadecimal.bytes(data), !data.isEmpty else {
        throw invalid("\(key) has no data in hexadecimal")
      }
      let time = time ?? timestamp
      guard let time = EFITime(bytes: time.map { Hexadecimal.bytes($0) ?? [] } ?? EFITime.zero.bytes) else {
        throw invalid("the time of \(key) is not sixteen bytes in hexadecimal")
      }
      // Some write a digest of zeros for none.
      guard digest?.allSatisfy({ $0 == "0" }) ?? true else {
        throw invalid(HypervisorFormat.boundToSigner(key))
      }
      return Variable(
        key, VariableAttributes(rawValue: attr), data, time: time, monotonicCount: count ?? 0,
        publicKeyIndex: pkidx ?? 0)
    }
  }
}
