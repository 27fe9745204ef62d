package import Basics
internal import ImageModel

extension VariableValue {
  /// The value on one line, for people. What `init(text:for:)` takes back, where it takes anything.
  package func text(for key: VariableKey) -> String {
    switch self {
    case .order(let numbers): return numbers.map(VariableKey.fourDigits).joined(separator: ",")
    case .number(let number):
      return key == .timeout ? "\(number)" : VariableKey.fourDigits(number)
    case .flags(let bits): return hex(bits)
    case .isOn(let isOn): return isOn ? "on" : "off"
    case .loadOption(let option): return option.text
    case .path(let path): return printable(path.description)
    case .signatures(let lists): return Self.text(of: lists)
    case .language(let text): return printable(text.hasSuffix("\0") ? String(text.dropLast()) : text)
    case .text(let text): return printable(text)
    case .texts(let texts): return texts.map(printable).joined(separator: ", ")
    case .bytes(let bytes):
      let shown = 32
      return hex(bytes.prefix(shown)) + (bytes.count > shown ? "… (\(bytes.count) bytes)" : "")
    }
  }

  /// Reads a value from its text.
  ///
  /// Numbers of load options have four hexadecimal digits, lists of them commas between; flags are on or off;
  /// device paths have the text form of UEFI 2.10, 10.6.
  ///
  /// - Throws: `Fault` for text that is none of the variable's kind, and for the kinds that have no text.
  package init(text: String, for key: VariableKey) throws(Fault) {
    let name = key.name.description
    switch ValueKind(key) {
    case .order:
      let words = text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false)
      let numbers = words.compactMap { VariableKey.number(digits: $0.drop { $0 == " " }) }
      guard numbers.count == words.count else {
        throw Fault(.badInput, "\(name) is a list of numbers of four hexadecimal digits, such as 0001,0000")
      }
      self = .order(numbers)
    case .number:
      guard let number = key == .timeout ? UInt16(text) : VariableKey.number(digits: text[...]) else {
        throw Fault(
          .badInput,
          key == .timeout
            ? "Timeout is a number of seconds up to 65535"
            : "\(name) is a number of four hexadecimal digits, such as 0001")
      }
      self = .number(number)
    case .flags:
      guard let bits = NodeArguments.number(UInt64.self, text) else {
        throw Fault(.badInput, "\(name) is a number of 64 bits, such as 0x1")
      }
      self = .flags(bits)
    case .isOn:
      guard ["on", "off"].contains(text) else { throw Fault(.badInput, "\(name) is on or off") }
      self = .isOn(text == "on")
    case .path:
      guard let path = DevicePath(text) else { throw Fault(.badInput, "'\(text)' is not a device path") }
      self = .path(path)
    case .language:
      guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) else {
        throw Fault(.badInput, "\(name) is a language, such as en")
      }
      self = .language(key == .lang ? text : text + "\0")
    case .text:
      guard !text.utf16.contains(0) else { throw Fault(.badInput, "a text cannot hold a NUL") }
      self = .text(text)
    case .loadOption: throw Fault(.badInput, "\(name) is a load option: it is given by its parts")
    case .signatures: throw Fault(.badInput, "\(name) is a list of signatures: certificates are enrolled")
    case .texts, .bytes: throw Fault(.badInput, "the value of \(name) has no text form: it is given as bytes")
    }
  }

  private static func text(of lists: [SignatureList]) -> String {
    var counts: [(word: String, count: Int)] = []
    for list in lists {
      let word =
        switch list.type {
        case SignatureList.x509: "X.509"
        case SignatureList.sha256: "SHA-256"
        default: list.type.description
        }
      if let index = counts.firstIndex(where: { $0.word == word }) {
        counts[index].count += list.signatures.count
      } else {
        counts.append((word, list.signatures.count))
      }
    }
    return counts.isEmpty ? "empty" : counts.map { "\($0.count) \($0.word)" }.joined(separator: ", ")
  }
}

extension LoadOption {
  /// Description, paths, and what is not as usual, on one line.
  package var text: String {
    var words = ["\"\(printable(description))\""] + paths.map { printable($0.description) }
    if !attributes.contains(.active) { words.append("inactive") }
    if attributes.contains(.hidden) { words.append("hidden") }
    if !optionalData.isEmpty {
      words.append(isMadeByFirmware ? "made by the firmware" : "with \(optionalData.count) bytes of data")
    }
    return words.joined(separator: " ")
  }
}

extension Variable {
  /// The value on one line, for people; what a variable holds that is known and malformed is shown as bytes.
  package var text: String {
    do {
      return try VariableValue(of: self).text(for: key)
    } catch {
      return "\(VariableValue.bytes(data).text(for: key)) (malformed \(error))"
    }
  }
}

extension VariableAttributes: CustomStringConvertible {
  /// Abbreviations as in UEFI's own tables, with `+` between.
  package var description: String {
    let words: [(Self, String)] = [
      (.nonVolatile, "NV"), (.bootServiceAccess, "BS"), (.runtimeAccess, "RT"), (.hardwareErrorRecord, "HR"),
      (.authenticatedWriteAccess, "AW"), (.timeBasedAuthenticatedWriteAccess, "AT"), (.appendWrite, "AP"),
    ]
    return words.filter { contains($0.0) }.map(\.1).joined(separator: "+")
  }
}

/// Text from a store in a form that a terminal shows and does not obey.
package func printable(_ text: String) -> String {
  text.unicodeScalars.reduce(into: "") { shown, scalar in
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse:
      shown += "\\u{\(String(scalar.value, radix: 16))}"
    default: shown.unicodeScalars.append(scalar)
    }
  }
}
