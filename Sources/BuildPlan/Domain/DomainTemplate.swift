internal import Basics
internal import Foundation
internal import Mustache
internal import Synchronization

/// A libvirt domain template: XML with `{{placeholders}}`, in Mustache's syntax. Values are escaped for XML.
public struct DomainTemplate: Sendable {
  /// Where the text came from, for messages.
  public let name: String
  private let template: MustacheTemplate

  /// Parses a template.
  ///
  /// - Throws: `Fault` when its tags are not well-formed.
  public init(name: String, text: String) throws {
    self.name = name
    do {
      template = try MustacheTemplate(string: text)
    } catch {
      throw Self.unusable(name, "its placeholders are not well-formed: \(error)")
    }
  }

  /// The template of the VM that installs.
  public static func installer() throws -> DomainTemplate {
    try DomainTemplate(
      name: "vm-templates/installer.xml",
      text: String(decoding: PackageResources.installer_xml, as: UTF8.self))
  }

  /// The template of a disk that is plugged into the VM that installs.
  public static func disk() throws -> DomainTemplate {
    try DomainTemplate(
      name: "vm-templates/disk.xml", text: String(decoding: PackageResources.disk_xml, as: UTF8.self))
  }

  /// The template of the VM that boots the artefacts.
  public static func verify() throws -> DomainTemplate {
    try DomainTemplate(
      name: "vm-templates/verify.xml", text: String(decoding: PackageResources.verify_xml, as: UTF8.self))
  }

  /// The template of the VM in which a person uses an image.
  public static func run() throws -> DomainTemplate {
    try DomainTemplate(
      name: "vm-templates/run.xml", text: String(decoding: PackageResources.run_xml, as: UTF8.self))
  }

  /// The domain's XML.
  ///
  /// - Parameters:
  ///   - values: one value a placeholder. A section `{{#name}}…{{/name}}` is kept when its value is
  ///     neither empty nor missing.
  ///   - lists: values of sections that are kept for a list that is not empty, with a section `{{#items}}` in them for
  ///     its items.
  ///   - hints: lists for which a template need not have a section.
  /// - Throws: `Fault` when the template names a placeholder that has no value, or has no place for a list.
  public func render(
    _ values: [String: String], lists: [String: [String]] = [:], hints: [String: [String]] = [:]
  ) throws -> String {
    let lookup = Lookup(values: values, lists: lists.merging(hints) { $1 })
    for (key, value) in values where value.hasPrefix("/") && hasControlCharacter(value) {
      throw Self.unusable(
        name, "the value of \(key) has a control character, which no XML can carry: rename '\(value)'")
    }
    let xml = template.render(lookup)
    let unknown = lookup.unknown
    guard unknown.isEmpty else {
      throw Self.unusable(
        name,
        "it names \(unknown.sorted().joined(separator: ", ")), and known placeholders are: "
          + values.keys.sorted().joined(separator: ", "))
    }
    if let unused = lists.keys.filter({ lists[$0]?.isEmpty == false && !lookup.used.contains($0) }).min() {
      throw Self.unusable(name, "it has no section {{#\(unused)}}, and there are values for it")
    }
    return xml
  }

  /// Whether it has a place for a value.
  package func names(_ placeholder: String) -> Bool {
    let lookup = Lookup(values: [placeholder: placeholder], lists: [:])
    _ = template.render(lookup)
    return lookup.used.contains(placeholder)
  }

  private static func unusable(_ name: String, _ reason: String) -> Fault {
    Fault(.badInput, "the domain template \(name) cannot be used: \(reason). See vm-templates/README.md")
  }
}

private func hasControlCharacter(_ text: String) -> Bool {
  text.unicodeScalars.contains { $0.properties.generalCategory == .control }
}

/// Hands out values and remembers what was asked for in vain; Mustache itself renders that as nothing.
private final class Lookup: MustacheParent {
  private let values: [String: String]
  private let lists: [String: [String]]
  private let names = Mutex<Set<String>>([])

  init(values: [String: String], lists: [String: [String]]) {
    self.values = values
    self.lists = lists
  }

  /// Every name that was asked for.
  var used: Set<String> { names.withLock { $0 } }
  var unknown: Set<String> { used.filter { values[$0] == nil && lists[$0] == nil } }

  func child(named name: String) -> Any? {
    names.withLock { _ = $0.insert(name) }
    if let list = lists[name] { return list.isEmpty ? nil : ["items": list] }
    guard let value = values[name] else { return nil }
    // Mustache takes an empty text for true; here it switches a section off.
    return value.isEmpty ? nil : value
  }
}
