internal import ArgumentParser
internal import EFIVariables
internal import ImageBuilder
internal import ImageModel

/// `slipway efivars enroll`
struct EFIVarsEnrollCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "enroll",
    abstract: "Put the keys of Secure Boot into a store, and turn it on.",
    discussion: """
      Certificates are RSA, in PEM or DER. Keys that are there are replaced, but for a dbx when none is given. The \
      variables have always the same time, so that equal keys make equal stores.
      """)

  @OptionGroup var storeOptions: StoreOptions

  @Option(help: ArgumentHelp("Certificate of the platform key.", valueName: "cert"))
  var pk: String

  @Option(
    help: ArgumentHelp("Certificate that may change db and dbx; may be given again.", valueName: "cert"))
  var kek: [String] = []

  @Option(
    help: ArgumentHelp("Certificate, or SHA-256, of what may start; may be given again.", valueName: "cert"))
  var db: [String] = []

  @Option(
    help: ArgumentHelp(
      "Certificate, or SHA-256, of what may not start; may be given again.", valueName: "cert"))
  var dbx: [String] = []

  @Option(help: ArgumentHelp("Owner of the keys. (default: one of Slipway's)", valueName: "guid"))
  var owner: GUID?

  @Flag(help: "Put Microsoft's keys beside them, from the firmware templates of this machine.")
  var microsoft = false

  func run() async throws {
    let enrolment = KeyEnrolment(
      platformKey: pk, keyExchangeKeys: kek, signatures: db, forbidden: dbx, owner: owner,
      withMicrosoft: microsoft)
    try await enrolment.enrol(in: VariableStoreFile(storeOptions.store), out: storeOptions.out)
  }
}
