public import Basics
internal import Foundation

/// An IPv4 address of this machine on which something listens.
public struct ListenAddress: Hashable, Sendable {
  /// The address.
  public var address: String
  /// The port; nil for a free one.
  public var port: UInt16?

  /// This machine alone.
  public static let local = ListenAddress(address: "127.0.0.1", port: nil)
  /// What stands for all addresses of this machine.
  static let every = "0.0.0.0"

  init(address: String, port: UInt16?) {
    (self.address, self.port) = (address, port)
  }

  /// Reads `ADDRESS` or `ADDRESS:PORT`.
  ///
  /// - Parameter option: the flag that it is given to, for messages.
  /// - Throws: `Fault` of kind `badInput`.
  public init(_ text: String, option: String) throws(Fault) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    address = try Self.address(parts[0], option: option)
    port = parts.count == 2 ? try Self.port(parts[1], option: option) : nil
  }

  static func address(_ word: String, option: String) throws(Fault) -> String {
    guard binary(word) != nil else {
      throw Fault(
        .badInput, "\(option): '\(word)' is no IPv4 address", remedy: "Give one such as 127.0.0.1")
    }
    return word
  }

  static func port(_ word: String, option: String) throws(Fault) -> UInt16 {
    guard word.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(word), port > 0 else {
      throw Fault(
        .badInput, "\(option): '\(word)' is no port", remedy: "Give a number from 1 to 65535")
    }
    return port
  }

  static func binary(_ address: String) -> in_addr? {
    var binary = in_addr()
    return inet_pton(AF_INET, address, &binary) == 1 ? binary : nil
  }
}
