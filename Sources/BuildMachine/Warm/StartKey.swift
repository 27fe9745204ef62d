internal import AgentProtocol
internal import Basics
internal import Crypto
internal import Foundation

/// Everything that the state of a machine depends on until its host begins a session. Two starts with one key can be
/// served by one saved machine; where anything differs, so does the key.
package struct StartKey: Hashable, Sendable {
  /// What each of the things is: a digest of its bytes, or its own text.
  package let inputs: [String: String]

  /// Gathers the inputs. What every key has is added: the form of saved machines, and the protocol.
  package init(_ inputs: [String: String]) {
    self.inputs = inputs.merging([
      "form": "\(SavedMachines.formatVersion)", "protocol": "\(AgentProtocol.version)",
    ]) { $1 }
  }

  /// SHA-256 over all of it, in hexadecimal.
  package var digest: String {
    var hash = SHA256()
    for (name, value) in inputs.sorted(by: { $0.key < $1.key }) {
      // With their lengths, so that no two sets have the same bytes.
      hash.update(data: Data("\(name.utf8.count) \(name) \(value.utf8.count) \(value)\n".utf8))
    }
    return Hexadecimal.text(hash.finalize())
  }
}
