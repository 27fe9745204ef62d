/// What a value of a spec looks like in JSON.
package indirect enum SpecShape: Hashable, Sendable {
  case text
  /// A path of this machine, or of the store.
  case path
  /// The text of a shell script; a flag names its file.
  case script
  case flag
  case number
  case size
  /// `auto`, MiB, or a size with a suffix.
  case diskSize
  case guid
  /// Permission bits, as an octal text or as changes.
  case mode
  /// The name of a filesystem, which may be one that Slipway does not know.
  case filesystem
  /// A GUID, or a hexadecimal number for an MBR.
  case partitionType
  /// A path, or false.
  case channel
  case choice([String])
  case list(SpecShape)
  /// One value, or a list of them.
  case oneOrMore(SpecShape)
  case object([SpecField])
}

/// A field of an object in a spec.
package struct SpecField: Hashable, Sendable {
  package var name: String
  package var shape: SpecShape
  package var isRequired: Bool
  package var help: String

  init(_ name: String, _ shape: SpecShape, isRequired: Bool = false, _ help: String) {
    self.name = name
    self.shape = shape
    self.isRequired = isRequired
    self.help = help
  }
}

extension ContentEntry {
  /// The fields of an entry, in the order of the flag's words.
  static let fields = [
    SpecField("source", .path, isRequired: true, "File or folder of this machine, or a pattern with '*'."),
    SpecField("target", .path, isRequired: true, "Absolute path in the image."),
    SpecField("mode", .mode, "Permission bits of files in octal, or changes such as u=rwX,go=rX."),
    SpecField("user", .text, "Owner, by name or number; with 'group' only."),
    SpecField("group", .text, "Group, by name or number; with 'user' only."),
  ]
}

extension PartitionEntry {
  /// The fields of an entry, in the order of the flag's words.
  static let fields = [
    SpecField("name", .text, isRequired: true, "Name of the partition in a GPT."),
    SpecField("size", .size, isRequired: true, "Size, in whole MiB."),
    SpecField("fsType", .filesystem, isRequired: true, "Filesystem."),
    SpecField("mountPoint", .path, "Where it is mounted during the installation."),
    SpecField("label", .text, "Label of the filesystem."),
    SpecField("type", .partitionType, "What the table says it is for: a GUID, or a number for an MBR."),
  ]
}

extension SecureBootSpec {
  static let fields = [
    SpecField("pk", .path, "Certificate to enroll as the platform key."),
    SpecField("kek", .oneOrMore(.path), "Certificate to enroll in KEK."),
    SpecField("db", .oneOrMore(.path), "Certificate to enroll in db."),
    SpecField("sign", .object(SigningSpec.fields), "What the bootloader installation signs with."),
  ]
}

extension SigningSpec {
  static let fields = [
    SpecField("key", .path, "Private key that the bootloader installation signs with."),
    SpecField("cert", .path, "Certificate of the signing key."),
  ]
}
