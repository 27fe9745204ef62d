internal import Basics
internal import BuildMachine
internal import BuildPlan
internal import Foundation

extension MachineChoice {
  var hypervisor: Hypervisor {
    connection.map { .uri($0) } ?? .embedded
  }

  /// The same machines, with the built-in template: a user's is for one kind of machine.
  var withoutTemplate: MachineChoice {
    var choice = self
    choice.template = nil
    return choice
  }

  /// The user's template, or a built-in one.
  ///
  /// - Throws: `Fault` when the file cannot be read; `DomainTemplateError` when it is not a template.
  func domainTemplate(or builtIn: () throws -> DomainTemplate) throws -> DomainTemplate {
    guard let template else { return try builtIn() }
    let bytes = try readInput(template, "the domain template", limit: InputFile.textLimit)
    return try DomainTemplate(name: template, text: String(decoding: bytes, as: UTF8.self))
  }
}

/// Reads a file that the user names, or standard input.
///
/// - Parameters:
///   - what: what the file is: `the certificate`.
///   - limit: the most bytes that it may have.
/// - Throws: `Fault` of kind `badInput`; `CancellationError`.
func readInput(_ file: String, _ what: String, limit: Int) throws -> [UInt8] {
  do {
    return try InputFile.read(file, limit: limit)
  } catch let error as InputFault {
    throw Fault(.badInput, "\(what), \(error)", remedy: "Check its path and permissions")
  }
}
