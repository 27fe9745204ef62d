internal import Foundation

/// Looks for keys that an object of a JSON text has more than once (RFC 8259, 4: what they mean then is not defined).
/// Foundation's decoder keeps one of them and says nothing.
enum JSONKeys {
  /// What is open at a place of the text.
  private enum Container {
    case list
    /// The keys so far, and whether a key comes next.
    case object(keys: Set<String>, wantsKey: Bool)
  }

  /// The first key that its object has already, at any depth; nil when there is none.
  ///
  /// - Parameter json: UTF-8 that Foundation's decoder has read.
  static func firstDuplicate(in json: [UInt8]) -> String? {
    var open: [Container] = []
    var position = 0
    while position < json.count {
      switch json[position] {
      case UInt8(ascii: "{"): open.append(.object(keys: [], wantsKey: true))
      case UInt8(ascii: "["): open.append(.list)
      case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = open.popLast()
      case UInt8(ascii: ","):
        if case .object(let keys, _)? = open.popLast() {
          open.append(.object(keys: keys, wantsKey: true))
        } else {
          open.append(.list)
        }
      case UInt8(ascii: "\""):
        let end = self.end(ofStringAt: position, in: json)
        if case .object(var keys, true)? = open.last {
          let key = text(json[position..<end])
          guard keys.insert(key).inserted else { return key }
          open[open.count - 1] = .object(keys: keys, wantsKey: false)
        }
        position = end - 1
      default: break
      }
      position += 1
    }
    return nil
  }

  /// The place behind the closing quotation mark.
  private static func end(ofStringAt start: Int, in json: [UInt8]) -> Int {
    var position = start + 1
    while position < json.count, json[position] != UInt8(ascii: "\"") {
      position += json[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    return min(position + 1, json.count)
  }

  /// A key as it is meant: `"a"` and `"\u0061"` are one.
  private static func text(_ quoted: ArraySlice<UInt8>) -> String {
    (try? JSONDecoder().decode(String.self, from: Data(quoted))) ?? String(decoding: quoted, as: UTF8.self)
  }
}
