import Foundation

/// libFuzzer's door, `make fuzz`: the parser that `SLIPWAY_FUZZ` names gets each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  chosen.feed(Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}

private let chosen: FuzzedParser = {
  let name = ProcessInfo.processInfo.environment["SLIPWAY_FUZZ"] ?? ""
  guard let parser = FuzzedParser(rawValue: name) else {
    let known = FuzzedParser.allCases.map(\.rawValue).joined(separator: " ")
    print("SLIPWAY_FUZZ names no parser: \(known)")
    exit(1)
  }
  return parser
}()
