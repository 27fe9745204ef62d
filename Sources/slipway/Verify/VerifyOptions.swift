internal import ArgumentParser
internal import Basics
internal import ImageBuilder

/// Whether every entry is booted, and who asks a system what has booted.
struct BootProofOptions: ParsableArguments {
  @Flag(help: "Boot every entry, each on a copy of its own.")
  var all = false

  @Option(
    help: ArgumentHelp(
      "User who logs in on the serial console to ask what has booted.", valueName: "user"))
  var login = "root"

  @Option(
    help: ArgumentHelp("File with the password of --login. (default: none is needed)", valueName: "file"),
    completion: .file())
  var passwordFile: String?

  /// - Throws: `Fault` when the password cannot be read.
  func user() throws -> ConsoleLogin {
    guard let passwordFile else { return ConsoleLogin(user: login) }
    let bytes = try InputFile.read(passwordFile, "the password", limit: InputFile.keyLimit)
    let text = String(decoding: bytes, as: UTF8.self)
    return ConsoleLogin(user: login, password: text.hasSuffix("\n") ? String(text.dropLast()) : text)
  }
}

/// What happens in a boot.
struct BootTrialOptions: ParsableArguments {
  @Flag(help: "Have the system reboot, and wait until it is up again.")
  var reboot = false

  @Option(
    help: ArgumentHelp(
      "Cut the power so many seconds after the start, or when the console shows a match; then it must come up.",
      valueName: "regex|seconds"))
  var cutPowerAt: String?

  @Flag(help: "Fail when the system comes up, and say why it does not.")
  var mustNotBoot = false

  func validate() throws {
    guard [reboot, cutPowerAt != nil, mustNotBoot].count(where: \.self) <= 1 else {
      throw ValidationError("Give one of --reboot, --cut-power-at and --must-not-boot.")
    }
  }

  func trial() -> BootTrial {
    if reboot { return .reboots }
    if mustNotBoot { return .doesNotComeUp }
    guard let cutPowerAt else { return .comesUp }
    if let seconds = Double(cutPowerAt), seconds.isFinite, seconds >= 0 {
      return .losesPower(.seconds(seconds))
    }
    return .losesPower(.console(cutPowerAt))
  }
}

/// How boots are reported.
struct BootReportOptions: ParsableArguments {
  @Flag(help: "Print what was seen as JSON.")
  var json = false

  @Option(
    help: ArgumentHelp("Write a JUnit report, which CI systems read.", valueName: "file.xml"),
    completion: .file(extensions: ["xml"]))
  var junit: String?

  /// - Parameters:
  ///   - name: what was booted.
  ///   - asTable: whether there may be several boots.
  ///   - summary: whether people want to read it.
  /// - Throws: `Fault`, `OutputFailure`.
  func show(_ result: VerifyResult, of name: String, asTable: Bool, summary: Bool) throws {
    if let junit { try OutputFile.write(BootReport.junit(result, of: name), to: junit) }
    if json {
      try DataOutput.standard.write(json: BootReport.json(result))
    } else if asTable {
      try DataOutput.standard.write(lines: BootReport.table(result))
    } else if summary {
      try DataOutput.standard.write(lines: BootReport.summary(result))
    }
  }
}
