internal import Basics
internal import ImageModel

/// What a variable means.
package enum VariableValue: Hashable, Sendable {
  /// BootOrder, DriverOrder: numbers of load options.
  case order([UInt16])
  /// BootNext, BootCurrent, Timeout.
  case number(UInt16)
  /// OsIndications, OsIndicationsSupported, LoaderFeatures, StubFeatures: bits.
  case flags(UInt64)
  /// SecureBoot, SetupMode and their kin: one byte.
  case isOn(Bool)
  /// Boot####, Driver####.
  case loadOption(LoadOption)
  /// ConIn, ConOut, ErrOut.
  case path(DevicePath)
  /// PK, KEK, db, dbx.
  case signatures([SignatureList])
  /// Lang, PlatformLang: one byte a character.
  case language(String)
  /// systemd-boot's texts: UTF-16 with a NUL at the end.
  case text(String)
  /// systemd-boot's list of entries.
  case texts([String])
  /// Of variables that are not known here.
  case bytes([UInt8])
}

extension VariableValue {
  /// Bits of OsIndications (UEFI 2.10, 8.5.4).
  package static let bootToFirmwareInterface: UInt64 = 1

  /// Reads what a variable holds, by its name.
  ///
  /// - Throws: `EFIFault` with an offset in the data, when a variable that is known here is malformed.
  package init(of variable: Variable) throws(EFIFault) {
    var reader = ByteReader(variable.data)
    self = try Self.read(&reader, ValueKind(variable.key))
    guard reader.isAtEnd else {
      throw EFIFault(at: reader.offset, "\(variable.key.name) has \(reader.remaining) bytes too many")
    }
  }

  private static func read(_ reader: inout ByteReader, _ kind: ValueKind) throws(EFIFault) -> VariableValue {
    switch kind {
    case .order: .order(try numbers(&reader))
    case .number: .number(try reader.integer(UInt16.self, "the number"))
    case .flags: .flags(try reader.integer(UInt64.self, "the flags"))
    case .isOn: .isOn(try flag(&reader))
    case .loadOption: .loadOption(try LoadOption(reading: reader.rest()))
    case .path: .path(try DevicePath(&reader))
    case .signatures: .signatures(try SignatureList.all(in: &reader))
    case .language: .language(try language(&reader))
    case .text: .text(try reader.terminatedText("the text"))
    case .texts: .texts(try texts(&reader))
    case .bytes: .bytes(reader.rest())
    }
  }

  private static func numbers(_ reader: inout ByteReader) throws(EFIFault) -> [UInt16] {
    var numbers: [UInt16] = []
    while !reader.isAtEnd { numbers.append(try reader.integer(UInt16.self, "a number of the order")) }
    return numbers
  }

  private static func texts(_ reader: inout ByteReader) throws(EFIFault) -> [String] {
    var texts: [String] = []
    while !reader.isAtEnd { texts.append(try reader.terminatedText("a text of the list")) }
    return texts
  }

  private static func flag(_ reader: inout ByteReader) throws(EFIFault) -> Bool {
    let byte = try reader.integer(UInt8.self, "the flag")
    guard byte <= 1 else { throw EFIFault(at: 0, "a flag is 0 or 1, and this is \(byte)") }
    return byte == 1
  }

  private static func language(_ reader: inout ByteReader) throws(EFIFault) -> String {
    // With or without a NUL: OVMF writes PlatformLang in both ways.
    let bytes = reader.rest()
    guard bytes.allSatisfy({ $0 < 0x80 }) else { throw EFIFault(at: 0, "the language is not ASCII") }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The bytes to store.
  package var data: [UInt8] {
    var bytes: [UInt8] = []
    switch self {
    case .order(let numbers): for number in numbers { bytes.append(littleEndian: number) }
    case .number(let number): bytes.append(littleEndian: number)
    case .flags(let bits): bytes.append(littleEndian: bits)
    case .isOn(let isOn): bytes = [isOn ? 1 : 0]
    case .loadOption(let option): bytes = option.data
    case .path(let path): bytes = path.data
    case .signatures(let lists): bytes = lists.flatMap(\.data)
    case .language(let text): bytes = Array(text.utf8)
    case .text(let text): bytes.append(terminated: text)
    case .texts(let texts): for text in texts { bytes.append(terminated: text) }
    case .bytes(let data): bytes = data
    }
    return bytes
  }
}

/// Which kind of value a variable has; by its key alone.
enum ValueKind {
  case order, number, flags, isOn, loadOption, path, signatures, language, text, texts, bytes

  init(_ key: VariableKey) {
    self =
      switch key.vendor {
      case .globalVariable: Self.global(key)
      case .imageSecurityDatabase:
        ["db", "dbx", "dbr", "dbt"].contains(key.name.description) ? .signatures : .bytes
      case .bootLoader: Self.loader(key.name.description)
      default: .bytes
      }
  }

  /// UEFI 2.10, table 3.1.
  private static func global(_ key: VariableKey) -> ValueKind {
    switch key.name.description {
    case "BootOrder", "DriverOrder", "SysPrepOrder": .order
    case "BootNext", "BootCurrent", "Timeout": .number
    case "OsIndications", "OsIndicationsSupported": .flags
    case "SecureBoot", "SetupMode", "AuditMode", "DeployedMode", "VendorKeys": .isOn
    case "ConIn", "ConOut", "ErrOut", "ConInDev", "ConOutDev", "ErrOutDev": .path
    case "PK", "KEK", "PKDefault", "KEKDefault", "dbDefault", "dbxDefault": .signatures
    case "Lang", "PlatformLang", "LangCodes", "PlatformLangCodes": .language
    default:
      ["Boot", "Driver", "SysPrep"].contains { key.number(after: $0) != nil } ? .loadOption : .bytes
    }
  }

  /// systemd.io/BOOT_LOADER_INTERFACE.
  private static func loader(_ name: String) -> ValueKind {
    switch name {
    case "LoaderEntries": .texts
    case "LoaderFeatures", "StubFeatures": .flags
    case "LoaderRandomSeed", "LoaderSystemToken": .bytes
    default: name.hasPrefix("Loader") || name.hasPrefix("Stub") ? .text : .bytes
    }
  }
}
