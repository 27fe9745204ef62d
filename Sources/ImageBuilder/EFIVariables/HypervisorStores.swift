internal import Basics
package import EFIVariables

extension VariableStoreFile {
  /// The store's variables in the format of a hypervisor, sorted by vendor and name.
  ///
  /// - Parameter dictionary: file with AWS's preset dictionary, to compress with; nil to do without.
  /// - Throws: `Fault`, `CancellationError`.
  package func exported(as format: HypervisorFormat, dictionary: String?) async throws -> [UInt8] {
    let variables = try await read().variables.sorted { $0.key < $1.key }
    do {
      return try format.encode(variables, dictionary: Self.dictionary(dictionary, for: format))
    } catch let fault as EFIFault {
      throw Fault(
        .badInput, "\(path) cannot be exported: \(fault.reason)",
        remedy: "Export a copy without the variable: slipway efivars delete STORE NAME --out COPY")
    }
  }

  /// Makes a store with the layout of this one and the variables of a hypervisor's.
  ///
  /// - Parameters:
  ///   - file: the hypervisor's store, or `-` for standard input; its format is told by its content.
  ///   - dictionary: file with AWS's preset dictionary.
  ///   - out: the file to make, in the format of this one.
  /// - Returns: how many variables it has, and how many were left out because they are volatile.
  /// - Throws: `Fault`, `CancellationError`.
  package func importing(
    _ file: String, dictionary: String?, into out: String
  ) async throws -> (kept: Int, volatile: Int) {
    let bytes = try InputFile.read(file, "the variables", limit: InputFile.textLimit)
    guard let format = HypervisorFormat(of: bytes) else {
      throw Fault(
        .badInput, "\(file) is in neither format that can be imported",
        remedy: "Give what 'slipway efivars export' writes, QEMU's JSON, or UefiData of EC2's API as text")
    }
    let dictionary = try Self.dictionary(dictionary, for: format)
    let variables =
      switch format {
      case .aws: try Self.variables(aws: bytes, of: file, dictionary)
      case .qemuJSON: try Self.variables(json: bytes, of: file)
      }
    let kept = variables.filter { $0.attributes.contains(.nonVolatile) }
    try await edit(into: out, with: file) { $0 = try VariableStore(kept, like: $0) }
    return (kept.count, variables.count - kept.count)
  }

  private static func variables(
    aws bytes: [UInt8], of file: String, _ dictionary: [UInt8]?
  ) throws -> [Variable] {
    do {
      let store = try AWSVariables(reading: bytes)
      if store.dictionaryChecksum != nil, dictionary == nil {
        throw Fault(
          .badInput, "\(file) was compressed with AWS's preset dictionary, which Slipway does not have",
          remedy: "Give it with --aws-dictionary; virt-firmware has it, as virt/firmware/aws/dict.v0")
      }
      return try store.variables(dictionary: dictionary)
    } catch let fault as EFIFault {
      throw Fault(.badInput, "\(file) is not an intact variable store of AWS: \(fault)")
    }
  }

  private static func dictionary(_ file: String?, for format: HypervisorFormat) throws -> [UInt8]? {
    guard let file else { return nil }
    guard format == .aws else {
      throw Fault(.badInput, "QEMU's JSON has no dictionary", remedy: "Leave --aws-dictionary out")
    }
    return try InputFile.read(file, "the dictionary", limit: InputFile.keyLimit)
  }
}
