internal import Foundation
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import Basics

@Suite struct OutputTests {
  private func pipe() throws -> (reading: FileDescriptor, writing: FileDescriptor) {
    let ends = try FileDescriptor.pipe(options: .closeOnExec)
    return (ends.readEnd, ends.writeEnd)
  }

  private func read(_ file: FileDescriptor) throws -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0) }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  @Test func dataThatDoesNotArriveIsAnError() throws {
    let full = try FileDescriptor.open("/dev/full", .writeOnly)
    defer { try? full.close() }
    let failure = #expect(throws: OutputFailure.self) {
      try DataOutput(descriptor: full.rawValue).write(lines: ["x"])
    }
    #expect(failure?.reason == .noSpace)
    let unwritable = try FileDescriptor.open("/dev/null", .readOnly)
    defer { try? unwritable.close() }
    #expect(throws: OutputFailure(reason: .badFileDescriptor)) {
      try DataOutput(descriptor: unwritable.rawValue).write(bytes: [1])
    }
  }

  @Test func aLostReaderOfProgressStopsNothing() throws {
    signal(SIGPIPE, SIG_IGN)
    let (reading, writing) = try pipe()
    try reading.close()
    let output = ProgressOutput(descriptor: writing.rawValue)
    for _ in 0..<3 { output.write(line: "a line") }
    try writing.close()
  }

  @Test func textFromOutsideIsEscapedByTheWriter() throws {
    let (reading, writing) = try pipe()
    let data = DataOutput(descriptor: writing.rawValue)
    try data.write(lines: ["a\nforged\u{1B}]52;c;x\u{7}\u{9B}31m\u{7F}"])
    #expect(try read(reading) == "a\\u{A}forged\\u{1B}]52;c;x\\u{7}\\u{9B}31m\\u{7F}\n")
    ProgressOutput(descriptor: writing.rawValue).write(line: "b\nslipway: \u{1B}Pq")
    #expect(try read(reading) == "b\\u{A}slipway: \\u{1B}Pq\n")
    try data.write(text: "one\ntwo\n")
    #expect(try read(reading) == "one\ntwo\n")
  }

  @Test func jsonHasNothingThatATerminalObeys() throws {
    let encoded = try JSONEncoder().encode(["a": "\u{7F}\u{9B}31m\u{202E}\u{E0001}\u{1B}ü"])
    let escaped = TerminalText.escapedJSON(String(decoding: encoded, as: UTF8.self))
    #expect(escaped.contains("\\u007f\\u009b31m\\u202e\\udb40\\udc01"))
    #expect(escaped.contains("ü"))
    let decoded = try JSONDecoder().decode([String: String].self, from: Data(escaped.utf8))
    #expect(decoded["a"] == "\u{7F}\u{9B}31m\u{202E}\u{E0001}\u{1B}ü")
  }

  @Test func aLineEndsTheLiveLine() throws {
    let (reading, writing) = try pipe()
    let output = ProgressOutput(descriptor: writing.rawValue)
    output.draw(line: "… pour")
    output.write(line: "slipway: failed")
    output.write(line: "more")
    #expect(try read(reading) == "\r\u{1B}[K… pour\r\u{1B}[Kslipway: failed\nmore\n")
  }

  @Test func aLiveLineIsCutWhereItWouldWrap() throws {
    let (reading, writing) = try pipe()
    ProgressOutput(descriptor: writing.rawValue).draw(line: String(repeating: "x", count: 5000))
    #expect(try read(reading).count <= "\r\u{1B}[K".count + 79)
  }

  /// Every other way to write can lose what it writes, or trap.
  @Test func nothingElseWritesToTheStandardStreams() throws {
    let sources = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
      .appending("Sources")
    // A measurement for developers, and a program whose standard streams are the guest's console.
    let others = ["slipway-bench/", "slipway-agent/"]
    let forbidden = /\bprint\(|\bdebugPrint\(|FileHandle\.standard|\bfputs\(|\bputs\(|\.write\(Data\(/
    var found: [String] = []
    let files = FileManager.default.enumerator(atPath: sources.string)
    while let name = files?.nextObject() as? String {
      guard name.hasSuffix(".swift"), !others.contains(where: { name.hasPrefix($0) }) else { continue }
      let text = try String(contentsOfFile: sources.appending(name).string, encoding: .utf8)
      if text.contains(forbidden) { found.append(name) }
    }
    #expect(found.isEmpty)
  }
}

@Suite struct FullFilesystemTests {
  @Test func whatIsFullIsNamedWithWhatItHasAndWhatIsNeeded() {
    let full = FullFilesystem(of: "/proc/self/nowhere", need: 3 << 30)
    #expect(full.description.contains("/proc"))
    #expect(full.description.contains("free"))
    #expect(full.description.contains("3072 MiB needed"))
    #expect(full.remedy.contains("Free some space"))
  }

  @Test func aQuotaIsNotAFullDisk() {
    let full = FullFilesystem(of: "/tmp", reason: .diskQuotaExceeded)
    #expect(full.description.contains("quota"))
    #expect(full.remedy.contains("quota"))
  }
}
