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
  /// - Throws: `Fault` when the file cannot be read, or is no template.
  func domainTemplate(or builtIn: () throws -> DomainTemplate) throws -> DomainTemplate {
    guard let template else { return try builtIn() }
    let bytes = try InputFile.read(template, "the domain template", limit: InputFile.textLimit)
    return try DomainTemplate(name: template, text: String(decoding: bytes, as: UTF8.self))
  }
}
