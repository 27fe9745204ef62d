internal import Basics
internal import EFIVariables
internal import ImageModel

/// `fillVariables`: the variable store has hardly any room left.
struct FillVariablesStep: ScenarioAction {
  static let key = "fillVariables"
  static let help =
    "Fill the EFI variable store of the copy with variables SlipwayFiller-N, but for some bytes."
  static let shape = ScenarioShape.object(
    [ScenarioField("leave", .size, isRequired: true, "Bytes that stay free, to what a variable takes.")],
    short: "leave")

  private let leave: UInt64

  /// Bytes of one variable's value: firmware takes no larger variables than 8 KiB with their names.
  private static let largest = 7 << 10
  /// That of Linux's crash records (`LINUX_EFI_CRASH_GUID`), which are what fills a store in the field.
  private static let vendor = GUID(high: 0xcfc8_fc79_be2e_4ddc, low: 0x97f0_9f98_bfe2_98a0)

  init(_ value: YAMLValue) throws(ScenarioError) {
    leave = try value.required("leave").size ?? 0
  }

  var text: String { "fill the EFI variable store but for \(leave) bytes" }

  func run(on stage: ScenarioStage) async throws -> String? {
    let free = try await stage.variables().edit(into: nil) { try fill(&$0) }
    return "\(free) bytes are free"
  }

  /// - Returns: bytes that are still free.
  private func fill(_ store: inout VariableStore) throws -> Int {
    let leave = Int(clamping: leave)
    var size = Self.largest
    var number = 1
    while size > 0 {
      guard let key = VariableKey(Self.vendor, "SlipwayFiller-\(number)") else { break }
      try store.set(Variable(key, .standard, [UInt8](repeating: 0, count: size)))
      if store.free >= leave {
        number += 1
      } else {
        store.delete(key)
        size /= 2
      }
    }
    return store.free
  }
}
