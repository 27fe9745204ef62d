import Basics
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import EFIVariables

@Suite("Formats of hypervisors")
struct HypervisorFormatTests {
  private static let enrolled = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"

  private func enrolled() throws -> VariableStore {
    try VariableStore(reading: Array(Data(contentsOf: URL(filePath: Self.enrolled))))
  }

  private func decode(_ bytes: [UInt8], dictionary: [UInt8]? = nil) throws -> [Variable] {
    switch try #require(HypervisorFormat(of: bytes)) {
    case .aws: try AWSVariables(reading: bytes).variables(dictionary: dictionary)
    case .qemuJSON: try VariablesJSON.decode(Data(bytes))
    }
  }

  @Test(
    "Random variables come back with names, vendors, attributes, times and data",
    arguments: HypervisorFormat.allCases)
  func random(format: HypervisorFormat) throws {
    var generator = SplitMix(state: 23)
    for _ in 0..<200 {
      var variables: [VariableKey: Variable] = [:]
      for _ in 0..<Int.random(in: 0...8, using: &generator) {
        var variable = try randomVariable(&generator, true)
        // What firmware does not look at has no place.
        variable.monotonicCount = 0
        variable.publicKeyIndex = 0
        if !variable.attributes.contains(.timeBasedAuthenticatedWriteAccess) { variable.time = .zero }
        if format == .qemuJSON {
          let name =
            String(variable.key.name.description.unicodeScalars.filter(\.isASCII).map(Character.init)) + "x"
          variable.key = try #require(VariableKey(variable.key.vendor, name))
        }
        variables[variable.key] = variable
      }
      let list = variables.values.sorted { $0.key < $1.key }
      let bytes = try format.encode(list)
      #expect(HypervisorFormat(of: bytes) == format)
      #expect(try decode(bytes) == list)
    }
  }

  @Test("virt-firmware reads what is written, variable by variable", arguments: HypervisorFormat.allCases)
  func theyRead(format: HypervisorFormat) async throws {
    try await withScratchDirectory { scratch in
      let store = try enrolled()
      let bytes = try format.encode(store.variables)
      let listed = try await VirtFirmware(scratch: scratch).list(bytes)
      #expect(listed == VirtFirmware.listed(store) && !listed.isEmpty)
    }
  }

  @Test("What virt-firmware writes is read, AWS's with its dictionary")
  func weRead() async throws {
    try await withScratchDirectory { scratch in
      let store = try enrolled()
      let tool = VirtFirmware(scratch: scratch)
      let dictionary = try Array(Data(contentsOf: URL(filePath: await VirtFirmware.awsDictionary().string)))
      for (option, format) in [("--output-aws", HypervisorFormat.aws), ("--output-json", .qemuJSON)] {
        let bytes = try await tool.output(option, of: store.serialized())
        #expect(HypervisorFormat(of: bytes) == format)
        #expect(try Set(decode(bytes, dictionary: dictionary)) == Set(store.variables))
      }

      let ours = try HypervisorFormat.aws.encode(store.variables, dictionary: dictionary)
      #expect(try await tool.list(ours) == VirtFirmware.listed(store))
      let aws = try AWSVariables(reading: ours)
      #expect(aws.dictionaryChecksum == Zlib.checksum(of: dictionary))
      #expect(try aws.variables(dictionary: dictionary) == store.variables)
      for wrong in [nil, Array(dictionary.dropLast())] {
        let fault = #expect(throws: EFIFault.self) { try aws.variables(dictionary: wrong) }
        #expect(fault?.offset == 16)
        #expect(fault?.reason == "the data was compressed with another dictionary")
      }
    }
  }

  @Test("Formats are told by what files begin with")
  func told() {
    #expect(HypervisorFormat(of: Array("\n {".utf8)) == .qemuJSON)
    #expect(HypervisorFormat(of: Array(" QU1aTlVFRk".utf8)) == .aws)
    for other in ["", " ", "[]", "QU1aTlVFR", "AMZNUEFI"] {
      #expect(HypervisorFormat(of: Array(other.utf8)) == nil)
    }
  }

  @Test("Base64 may have lines; whatever is around the variables has to be right")
  func envelope() throws {
    let text = try HypervisorFormat.aws.encode(enrolled().variables)
    let lines = stride(from: 0, to: text.count, by: 76).map { text[$0..<min($0 + 76, text.count)] }
    #expect(try decode(Array(lines.joined(separator: "\r\n".utf8)) + [10]) == enrolled().variables)
    let bytes = try #require(Data(base64Encoded: Data(text)))
    func fault(_ change: (inout Data) -> Void, sum: Bool = true) -> EFIFault? {
      var bytes = bytes
      change(&bytes)
      if sum, bytes.count > 12 { bytes.replaceSubrange(8..<12, with: little(crc32C(bytes[12...]))) }
      return #expect(throws: EFIFault.self) {
        try AWSVariables(reading: Array(bytes.base64EncodedData())).variables(dictionary: nil)
      }
    }
    #expect(fault({ $0[0] = 0 })?.offset == 0)
    #expect(fault({ $0[40] ^= 1 }, sum: false)?.offset == 8)
    #expect(fault({ $0[12] = 1 })?.reason == "version 1 is not known; 0 is")
    #expect(fault({ $0 = $0.prefix(10) })?.offset == 8)
    #expect(fault({ $0 = $0.prefix(16) })?.reason == "the compressed data is damaged or cut off")
    #expect(fault({ $0.removeLast() })?.reason == "the compressed data is damaged or cut off")
    #expect(fault({ $0[17] ^= 1 })?.offset == 18)
    #expect(fault({ $0.append(0) })?.reason == "something follows the compressed data")
    #expect(fault({ $0.append(0) })?.offset == bytes.count)
    for text in ["QU1aTlVFRk=", "QU1aTlVFRkk!"] {
      #expect(throws: EFIFault(at: 0, "it is not base64")) { try AWSVariables(reading: Array(text.utf8)) }
    }
  }

  @Test("What unpacks to more than any store has is refused before it is kept")
  func bomb() throws {
    let zeros = try Zlib.compress(Array(repeating: 0, count: 20 << 20), dictionary: nil)
    let checked = little(UInt32(0)) + zeros
    let bytes = Array("AMZNUEFI".utf8) + little(crc32C(checked)) + checked
    let store = try AWSVariables(reading: Array(Data(bytes).base64EncodedData()))
    let fault = #expect(throws: EFIFault.self) { try store.variables(dictionary: nil) }
    #expect(fault?.reason == "the compressed data unpacks to more than 16777216 bytes")
  }

  private static let guid = Array(repeating: UInt8(7), count: 16)
  private static let one = little(UInt64(1)) + little(UInt64(1)) + [0x41]
  private static let head = one + little(UInt64(1)) + [9] + guid
  private static let plain = head + little(UInt32(7))
  private static let signed = head + little(UInt32(0x27)) + Array(repeating: 0, count: 16)

  @Test(
    "Each number is held against what is left",
    arguments: [
      ([], 0), (Array(repeating: 0, count: 7), 0), (little(UInt64(1)), 8), (little(UInt64.max), 8),
      (one.dropLast(), 16), (little(UInt64(1)) + little(UInt64.max) + [0x41], 16),
      (little(UInt64(1)) + little(UInt64(0)), 8), (little(UInt64(1)) + little(UInt64(1)) + [0xff], 8),
      (little(UInt64(1)) + little(UInt64(1)) + [0], 8), (one, 17), (one + little(UInt64.max), 25),
      (one + little(UInt64(0)) + guid + little(UInt32(7)), 8), (head.dropLast(), 26), (head, 42),
      (plain + [0], 46),
      (little(UInt64(2)) + plain.dropFirst(8), 46),
      (little(UInt64(2)) + plain.dropFirst(8) + plain.dropFirst(8), 46),
      (signed.dropLast(), 46), (signed, 62), (signed + little(UInt64.max), 70),
      (signed + little(UInt64(1)) + [1], 62),
    ] as [([UInt8], Int)])
  func numbers(content: [UInt8], offset: Int) {
    let fault = #expect(throws: EFIFault.self) { try AWSVariables.variables(in: content) }
    #expect(fault?.offset == offset, "\(fault?.reason ?? "")")
  }

  @Test("A digest of nothing but zeros, as python-uefivars writes, is none")
  func emptyDigest() throws {
    for count in [0, 32] {
      let digest = little(UInt64(count)) + Array(repeating: 0, count: count)
      #expect(try AWSVariables.variables(in: Self.signed + digest).count == 1)
    }
    let time = EFITime(year: 2025, month: 3, day: 10)
    for fields in [#""timestamp":"\#(hex(time.bytes))""#, #""time":"\#(hex(time.bytes))","digest":"0000""#] {
      #expect(try VariablesJSON.decode(Data(Self.json(fields).utf8)).first?.time == time)
    }
    #expect(throws: DecodingError.self) {
      try VariablesJSON.decode(Data(Self.json(#""digest":"0100""#).utf8))
    }
  }

  private static func json(_ fields: String) -> String {
    #"{"version":2,"variables":[{"name":"A","guid":"\#(SyntheticStore.vendor)","attr":39,"data":"00",\#(fields)}]}"#
  }

  @Test("What firmware needs and a format has no place for is refused by the variable's name")
  func losses() throws {
    func fault(_ variable: Variable, _ format: HypervisorFormat) -> String? {
      #expect(throws: EFIFault.self) { try format.encode([variable]) }?.reason
    }
    let counted = try Variable(key("A"), [.standard, .authenticatedWriteAccess], [1], monotonicCount: 1)
    let bound = Variable(.certificates, .signatureDatabase, Array(repeating: 5, count: 70))
    for format in HypervisorFormat.allCases {
      #expect(fault(counted, format)?.contains("A-\(SyntheticStore.vendor)") == true)
      #expect(fault(bound, format)?.contains("certdb-") == true)
      let empty = Variable(.certificates, .signatureDatabase, [4, 0, 0, 0])
      #expect(try decode(format.encode([empty])) == [empty])
    }
    let foreign = try Variable(key("字"), .standard, [1])
    #expect(fault(foreign, .qemuJSON) == "the name 字 is not ASCII, and QEMU has no others")
    #expect(try decode(HypervisorFormat.aws.encode([foreign])) == [foreign])
    let old = try Variable(key("A"), .standard, [1], monotonicCount: 1, publicKeyIndex: 2)
    let text = try String(decoding: HypervisorFormat.qemuJSON.encode([old]), as: UTF8.self)
    #expect(!text.contains("count") && !text.contains("pkidx"))
  }
}
