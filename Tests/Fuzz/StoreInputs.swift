import Foundation

@testable import EFIVariables

extension Inputs {
  /// A store that is read is written and read again the same.
  static func variableStore(_ input: [UInt8]) {
    var bytes = input
    fix(&bytes)
    guard let store = try? VariableStore(reading: bytes) else { return }
    guard let written = try? store.serialized(), let again = try? VariableStore(reading: written) else {
      preconditionFailure("a store that was read cannot be written and read again")
    }
    precondition(
      again.variables == store.variables && again.deadCount == 0, "the store changed by being written")
    precondition(again.canonical().variables.count <= store.variables.count)
    for variable in store.variables { check(variable) }
    _ = store.withoutFirmwareVariables()
    _ = DiskCheck(of: store, on: BootDisk(partitions: []))
  }

  static func variablesJSON(_ bytes: [UInt8]) {
    guard let variables = try? VariablesJSON.decode(Data(bytes)) else { return }
    guard let written = try? VariablesJSON.encode(variables), let again = try? VariablesJSON.decode(written)
    else { preconditionFailure("variables that were read cannot be written and read again") }
    precondition(again == variables, "the variables changed by being written")
    for variable in variables { check(variable) }
  }

  /// Variables of an EC2 instance: the whole text, or behind a byte of zero what is compressed in it, which nothing would
  /// reach by chance.
  static func awsVariables(_ bytes: [UInt8]) {
    let read =
      bytes.first == 0
      ? try? AWSVariables.variables(in: Array(bytes.dropFirst()))
      : try? AWSVariables(reading: bytes).variables(dictionary: nil)
    guard let variables = read else { return }
    comeBack(variables, from: .aws) { try AWSVariables(reading: $0).variables(dictionary: nil) }
    for variable in variables { check(variable) }
  }

  /// Variables of QEMU's, which other tools write with more fields.
  static func qemuVariables(_ bytes: [UInt8]) {
    guard HypervisorFormat(of: bytes) == .qemuJSON, let variables = try? VariablesJSON.decode(Data(bytes))
    else { return }
    comeBack(variables, from: .qemuJSON) { try VariablesJSON.decode(Data($0)) }
  }

  private static func comeBack(
    _ variables: [Variable], from format: HypervisorFormat, _ decode: ([UInt8]) throws -> [Variable]
  ) {
    guard let written = try? format.encode(variables) else { return }
    precondition(HypervisorFormat(of: written) == format, "the format is not told")
    let kept = variables.map { Variable($0.key, $0.attributes, $0.data, time: $0.time) }
    guard let again = try? decode(written), again == kept else {
      preconditionFailure("the variables changed by being written")
    }
  }

  static func certificate(_ bytes: [UInt8]) {
    _ = try? Certificate.all(in: bytes)
    _ = try? Certificate(der: bytes)
  }

  /// Both of a path's forms.
  static func devicePath(_ bytes: [UInt8]) {
    if let path = try? DevicePath(reading: bytes) {
      precondition(DevicePath(path.description) == path, "the text of a path is another path")
    }
    guard let path = DevicePath(text(bytes)) else { return }
    precondition(DevicePath(path.description) == path, "a path changed by being spelled")
  }

  private static func check(_ variable: Variable) {
    _ = variable.text
    guard let value = try? VariableValue(of: variable) else { return }
    precondition(value.data == variable.data, "a value changed by being read")
    guard case .loadOption(let option) = value else { return }
    for path in option.paths {
      precondition(DevicePath(path.description) == path, "the text of a path is another path")
    }
  }

  /// Makes the checksum of the volume's header right, which nothing would find by chance.
  private static func fix(_ bytes: inout [UInt8]) {
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
}
