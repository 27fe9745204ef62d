// The coverage-guided fuzzer of EFIVariables, for libFuzzer: `make fuzz`. Not a part of the package's builds.

import EFIVariables

/// Whatever the bytes are, they are refused, or written and read again the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  var bytes = Array(UnsafeBufferPointer(start: start, count: count))
  fix(&bytes)
  guard let store = try? VariableStore(reading: bytes) else { return 0 }
  guard let written = try? store.serialized(), let again = try? VariableStore(reading: written) else {
    fatalError("a store that was read cannot be written and read again")
  }
  precondition(
    again.variables == store.variables && again.deadCount == 0, "the store changed by being written")
  precondition(again.canonical().variables.count <= store.variables.count)
  for variable in store.variables { check(variable) }
  _ = store.withoutFirmwareVariables()
  _ = DiskCheck(of: store, on: BootDisk(partitions: []))
  return 0
}

/// Makes the checksum of the volume's header right, which nothing would find by chance.
private func fix(_ bytes: inout [UInt8]) {
  guard bytes.count >= 0x48 else { return }
  let size = min(Int(bytes[0x30]) | Int(bytes[0x31]) << 8, bytes.count) & ~1
  bytes[0x32] = 0
  bytes[0x33] = 0
  var sum: UInt16 = 0
  for offset in stride(from: 0, to: size, by: 2) {
    sum &+= UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
  }
  sum = 0 &- sum
  bytes[0x32] = UInt8(truncatingIfNeeded: sum)
  bytes[0x33] = UInt8(truncatingIfNeeded: sum >> 8)
}

private func check(_ variable: Variable) {
  _ = variable.text
  guard let value = try? VariableValue(of: variable) else { return }
  precondition(value.data == variable.data, "a value changed by being read")
  guard case .loadOption(let option) = value else { return }
  for path in option.paths {
    precondition(DevicePath(path.description) == path, "the text of a path is another path")
  }
}
