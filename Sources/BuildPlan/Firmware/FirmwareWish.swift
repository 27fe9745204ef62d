/// What somebody asks of a firmware.
package struct FirmwareWish: Hashable, Sendable {
  /// The code; nil for the preferred one.
  package var code: String?
  /// The template of its variable store; nil for the one that belongs to the code.
  package var variables: String?
  /// Whether the code hangs without system management mode; nil where its descriptor or its name tells.
  package var needsSMM: Bool?
  /// Whether it must have Secure Boot.
  package var secureBoot: Bool

  package init(
    code: String? = nil, variables: String? = nil, needsSMM: Bool? = nil, secureBoot: Bool = false
  ) {
    self.code = code
    self.variables = variables
    self.needsSMM = needsSMM
    self.secureBoot = secureBoot
  }
}

extension ImageSpec {
  /// The firmware that the spec asks for.
  package var firmwareWish: FirmwareWish {
    FirmwareWish(
      code: firmwareCode, variables: ovmf.map { "\($0)/FV/OVMF_VARS.fd" } ?? efiVariables,
      needsSMM: efiFirmwareNeedsSMM, secureBoot: secureBoot != nil)
  }

  /// The code that the spec names, by itself or by its folder.
  var firmwareCode: String? { ovmf.map { "\($0)/FV/OVMF_CODE.fd" } ?? efiFirmware }
}
