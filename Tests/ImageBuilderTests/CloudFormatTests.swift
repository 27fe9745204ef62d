internal import Basics
import Command
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import BuildPlan
@testable import ImageBuilder

/// The formats of clouds, held against their specifications by Python's standard library.
@Suite struct CloudFormatTests {
  private let runner = SubprocessRunner()

  /// A disk of 64 MiB with data, zeros in between, and holes.
  private func makeDisk(_ disk: FilePath) async throws {
    try HostFiles.makeSparseFile(disk, bytes: 64 << 20)
    let content = FilePath(disk.string + ".content")
    let bytes = (0..<(5 << 20)).map {
      $0 >> 16 & 3 == 0 ? 0 : UInt8(truncatingIfNeeded: $0 / 512 * 7 ^ $0 >> 3)
    }
    try HostFiles.write(bytes, to: content)
    try await FileRange.copy(of: content, to: disk, at: 7 << 20)
  }

  /// Exports, and runs Python with the image and the disk as its arguments.
  private func check(
    _ format: ImageFormat, named name: String = "disk", environment: [String: String] = [:], _ python: String
  ) async throws -> String {
    try await withScratchDirectory { scratch in
      let (disk, copy, image) = (
        scratch.appending(name), scratch.appending("copy"), scratch.appending("image")
      )
      try await makeDisk(copy)
      try await runner.run("cp", "--sparse=always", copy.string, disk.string)
      let runner = SubprocessRunner(
        environment: ProcessInfo.processInfo.environment.merging(environment) { $1 })
      let output = OutputImage(
        disk: "d", format: format, file: "image",
        identifier: GUID(high: 0x0123_4567_89ab_5def, low: 0x8123 << 48))
      try await DiskExport(runner: runner).export(raw: disk, as: [output], in: scratch)
      return try await runner.run("python3", "-c", python, image.string, copy.string)
    }
  }

  @Test func aFixedVHDIsTheDiskAndAFooterOfItsExactSize() async throws {
    let report = try await check(
      .fixedVPC,
      """
      import struct, sys
      image, disk = (open(path, 'rb').read() for path in sys.argv[1:])
      assert image[:-512] == disk
      footer = image[-512:]
      cookie, features, version, offset, time = struct.unpack('>8sIIQI', footer[:28])
      original, current, cylinders, heads, sectors, kind, checksum = struct.unpack('>QQHBBII', footer[40:68])
      assert cookie == b'conectix' and offset == 2**64 - 1 and kind == 2
      assert original == current == len(image) - 512 == 64 << 20
      assert checksum == ~sum(footer[:64] + footer[68:]) & 0xffffffff
      assert current % 2**20 == 0
      print(time, footer[68:84].hex())
      """)
    // 2000-01-02 at noon, in seconds since 2000.
    #expect(report == "129600 0123456789ab5def8123000000000000")
  }

  /// "Virtual Disk Format 5.0", VMware: SparseExtentHeader, and the markers of grains.
  @Test func aStreamOfGrainsHasItsHeaderAndItsData() async throws {
    let report = try await check(
      .streamVMDK,
      """
      import struct, sys, zlib
      image, disk = (open(path, 'rb').read() for path in sys.argv[1:])
      magic, version, flags, capacity, grain, at, size, entries, _, directory = struct.unpack('<4sIIQQQQIQQ', image[:64])
      overhead, = struct.unpack('<Q', image[64:72])
      assert magic == b'KDMV' and version == 3 and capacity * 512 == len(disk)
      assert flags >> 16 == 3 and struct.unpack('<H', image[77:79]) == (1,)
      found = {}
      place = overhead * 512
      while place < len(image):
        sector, length = struct.unpack('<QI', image[place:place + 12])
        if length == 0:
          # The marker of the end.
          assert not any(image[place:])
          break
        found[sector * 512] = zlib.decompress(image[place + 12:place + 12 + length])
        place += (12 + length + 511) // 512 * 512
      for start in range(0, len(disk), grain * 512):
        expected = disk[start:start + grain * 512]
        assert found.pop(start, bytes(len(expected))) == expected, start
      assert not found
      text = image[at * 512:(at + size) * 512].rstrip(b'\\0').decode()
      print(*[line for line in text.split('\\n') if line.startswith(('CID', 'createType', 'ddb.adapterType'))])
      """)
    #expect(report == #"CID=01234567 createType="streamOptimized" ddb.adapterType = "lsilogic""#)
  }

  private static let readArchive = """
    import sys, tarfile
    with open(sys.argv[1], 'rb') as file:
      header = file.read(10)
    assert header[:2] == b'\\x1f\\x8b' and header[3] == 0 and header[4:8] == bytes(4), header
    with tarfile.open(sys.argv[1]) as archive:
      member, = archive.getmembers()
      assert member.type == tarfile.GNUTYPE_SPARSE and archive.extractfile(member).read() == open(sys.argv[2], 'rb').read()
      assert archive.pax_headers == {} and member.uname == member.gname == ''
      print(member.name, oct(member.mode), member.uid, member.gid, member.size, member.mtime)
    """
  private static let archived = "disk.raw 0o644 0 0 67108864 946814400"

  @Test(arguments: ["disk", "-C ,\\n*", "disk.raw"])
  func anArchiveHasOneSparseMemberOfAFixedName(name: String) async throws {
    #expect(try await check(.archivedRaw, named: name, Self.readArchive) == Self.archived)
  }

  @Test func anArchiveDoesNotDependOnTheEnvironment() async throws {
    let environment = [
      "TAR_OPTIONS": "--mtime=@5 --owner=me:7", "GZIP": "-1", "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo",
    ]
    #expect(try await check(.archivedRaw, environment: environment, Self.readArchive) == Self.archived)
  }

  /// Archives that are not what a build makes, as Python makes them.
  @Test(arguments: [
    "add('disk.raw', tarfile.SYMTYPE, link='/etc/passwd')",
    "add('disk.raw', tarfile.LNKTYPE, link='../victim')",
    "add('disk.raw', tarfile.FIFOTYPE)",
    "add('disk.raw', tarfile.DIRTYPE); add('disk.raw/x', data=b'x')",
    "add('../victim', data=b'x')",
    "add('x disk.raw', data=b'x')",
    "add('x \"disk.raw', data=b'x')",
    "add('./disk.raw', data=b'x')",
    "add('disk.raw', data=b'x'); add('../victim', data=b'x')",
    "add('disk.raw', tarfile.SYMTYPE, link='../victim'); add('disk.raw', data=b'x')",
    "add('disk.raw', data=b'x'); add('disk.raw', data=b'y')",
    "pass",
  ])
  func anArchiveOfAnythingElseIsRefused(members: String) async throws {
    try await withScratchDirectory { scratch in
      let (folder, archive, victim) = (
        scratch.appending("work"), scratch.appending("x.raw.tar.gz"), scratch.appending("victim")
      )
      try HostFiles.makeDirectory(folder)
      for file in [victim, folder.appending("victim")] { try HostFiles.write("mine".utf8, to: file) }
      let script = """
        import io, sys, tarfile
        with tarfile.open(sys.argv[1], 'w:gz') as archive:
          def add(name, type=tarfile.REGTYPE, data=b'', link=''):
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = type, len(data), link
            archive.addfile(member, io.BytesIO(data))
          \(members)
        """
      try await runner.run("python3", "-c", script, archive.string)
      let error = await #expect(throws: Fault.self) {
        try ToolFolder(path: folder).link(archive, as: "image")
        try await DiskExport(runner: runner).unpack(
          "image", .archivedRaw, to: "disk", in: ToolFolder(path: folder))
      }
      #expect(error?.kind == .badInput)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted() == ["image", "victim"])
      for file in [victim, folder.appending("victim")] {
        #expect(try HostFiles.read(file) == Array("mine".utf8))
      }
    }
  }

  /// As an archive made by hand has it: another mode, another user, no holes.
  @Test func anArchiveFromElsewhereIsUnpacked() async throws {
    try await withScratchDirectory { scratch in
      let (disk, archive, unpacked) = (
        scratch.appending("disk.raw"), scratch.appending("x.raw.tar.gz"), scratch.appending("unpacked")
      )
      try await makeDisk(disk)
      try await runner.run("chmod", "4555", disk.string)
      try await runner.run(
        "tar", "-C", scratch.string, "--owner=77", "--group=77", "-czf", archive.string, "disk.raw")
      try await runner.run("chmod", "640", archive.string)
      try await DiskExport(runner: runner).unpack(
        "x.raw.tar.gz", .archivedRaw, to: "unpacked", in: ToolFolder(path: scratch))
      try await runner.run("cmp", disk.string, unpacked.string)
      #expect(try await runner.run("stat", "-c", "%a %u", unpacked.string) == "640 \(getuid())")
    }
  }

  @Test(arguments: [
    (ImageFormat.archivedRaw, "tar"), (.compressedRaw, "zstd"), (.fixedVPC, "qemu-img"),
  ])
  func aMissingToolIsNamedWithItsPackage(format: ImageFormat, tool: String) async throws {
    let export = DiskExport(runner: SubprocessRunner(environment: ["PATH": "/nowhere"]))
    let error = await #expect(throws: Fault.self) { try await export.check([.raw, format]) }
    #expect(error?.kind == .hostNotAble)
    #expect(error?.message.hasPrefix("the format \(format.rawValue) needs \(tool): ") == true)
    #expect(error?.remedy?.contains("apt install") == true)
  }

  @Test(arguments: ImageFormat.allCases)
  func aFileIsReadAsWhatItsNameSays(format: ImageFormat) throws {
    let found = try #require(ImageFormat.named(by: "/a.b/nixos-24.05.\(format.fileExtension)"))
    #expect(found.qemuName == format.qemuName && found.isPacked == format.isPacked)
    #expect(found.tools == format.tools)
  }

  /// Where the formats are listed for people.
  @Test(arguments: ["docs/reference.md", "docs/parity.md", "README.md"])
  func everyFormatIsListed(file: String) throws {
    let root = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
    let text = String(decoding: try HostFiles.read(root.appending(file)), as: UTF8.self)
    for format in ImageFormat.allCases { #expect(text.contains(format.rawValue), "\(format.rawValue)") }
  }
}
