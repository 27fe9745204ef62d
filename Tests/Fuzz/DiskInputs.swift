import Basics
import FoundationEssentials
import Glibc
import ImageModel
import ImageReading
import SystemPackage

@testable import ImageBuilder
@testable import NixStore

extension Inputs {
  /// Two filesystems are read and compared, or refused; one differs in nothing from itself.
  static func ext4(_ bytes: [UInt8]) {
    compare(SparseDisks(bytes, size: 128 << 10)) { left, right, ranges, list in
      try Ext4Comparison(left, right, ranges, region: "root", list) { _, _ in [] }.run()
    }
  }

  static func fat(_ bytes: [UInt8]) {
    compare(SparseDisks(bytes, size: 64 << 10)) { left, right, ranges, list in
      try FATComparison(left, right, ranges, region: "esp", list).run()
    }
  }

  /// Tables and whatever they lead to. What has other bytes is never equal.
  static func disk(_ bytes: [UInt8]) {
    let disks = SparseDisks(bytes, size: 256 << 10)
    let files = [disks.left, disks.right].map(memoryFile)
    defer { files.forEach { close($0) } }
    do {
      let list = DifferenceList()
      let foreign = try DiskFile.with(FilePath("/proc/self/fd/\(files[0])")) { left in
        try DiskFile.with(FilePath("/proc/self/fd/\(files[1])")) { right in
          try DiskComparison(left: left, right: right, list: list).run()
        }
      }
      let isEqual = list.result.isEmpty && foreign.isEmpty
      precondition(isEqual == (disks.left == disks.right), "a difference was missed, or made up")
    } catch {
      preconditionFailure("\(error)")
    }
  }

  /// Whatever is on a disk, there is a report of it, which survives its JSON.
  static func imageReport(_ bytes: [UInt8]) {
    let file = memoryFile(SparseDisks(bytes, size: 256 << 10).left)
    defer { close(file) }
    do {
      let report = try DiskFile.with(FilePath("/proc/self/fd/\(file)")) { disk in
        do {
          _ = try InstalledImageReader(
            map: DiskMap(of: disk), disk: disk, profile: "system", mountPoints: [:]
          ).read()
        } catch {
          // Whatever a disk has, it is refused for that, and nothing fails.
          precondition(
            error is UnreadableStructure || (error as? Fault)?.kind == .badInput, "a system is read: \(error)"
          )
        }
        let inspection = DiskInspection(
          image: .init(file: "disk.img", format: .raw, fileSize: disk.size), build: nil, store: nil,
          scratch: FilePath("/nonexistent"), emulated: nil)
        return try inspection.run(disk)
      }
      let json = try JSONEncoder().encode(report)
      let copy = try JSONDecoder().decode(ImageReport.self, from: json)
      precondition(copy == report, "a report is lost in its JSON")
    } catch {
      preconditionFailure("\(error)")
    }
  }

  /// The rows of two databases are compared, or refused, and one differs in nothing from itself.
  static func nixDatabase(_ bytes: [UInt8]) {
    let half = bytes.count / 2
    for (left, right) in [(bytes, bytes), (Array(bytes[..<half]), Array(bytes[half...]))] {
      let differences = try? NixDatabase.differences(left, right)
      _ = try? NixDatabase.summary(of: left, log: right)
      do {
        _ = try RegisteredPaths(left, log: right, schema: Array(NixDatabase.schemaVersion.utf8))
      } catch {
        precondition((error as? Fault)?.kind == .badInput, "a database is not refused: \(error)")
      }
      precondition(left != right || differences?.isEmpty != false, "a database differs from itself")
    }
  }

  private static func compare(
    _ disks: SparseDisks,
    _ body: (ImageBytes, ImageBytes, DifferingRanges, DifferenceList) throws -> Void
  ) {
    let (left, right) = (disks.left, disks.right)
    for other in left == right ? [left] : [left, right] {
      let list = DifferenceList()
      let ranges = DifferingRanges(units(left, other))
      do {
        try body(image(left), image(other), ranges, list)
      } catch {
        precondition(error is UnreadableStructure, "\(error)")
        continue
      }
      precondition(left != other || list.result.isEmpty, "a filesystem differs from itself: \(list.result)")
    }
  }

  private static func units(_ one: [UInt8], _ other: [UInt8]) -> [Range<UInt64>] {
    one.withUnsafeBytes { one in
      other.withUnsafeBytes { other in
        guard let left = one.baseAddress, let right = other.baseAddress else { return [] }
        return stride(from: 0, to: one.count, by: 512).filter { memcmp(left + $0, right + $0, 512) != 0 }
          .map { UInt64($0)..<UInt64($0) + 512 }
      }
    }
  }

  private static func image(_ bytes: [UInt8]) -> ImageBytes {
    ImageBytes(size: UInt64(bytes.count)) { count, offset in
      offset < UInt64(bytes.count) ? Array(bytes[Int(offset)...].prefix(count)) : []
    }
  }

  private static func memoryFile(_ bytes: [UInt8]) -> Int32 {
    var name = Array("/dev/shm/slipway-fuzz-XXXXXX".utf8CString)
    let file = mkstemp(&name)
    unlink(name)
    precondition(file >= 0 && write(file, bytes, bytes.count) == bytes.count, "no file in memory")
    return file
  }
}

/// Two disks of an input of a few bytes: pieces of 64 bytes, each behind two bytes with its number. The highest bit of a
/// number says that the piece is the right disk's alone.
private struct SparseDisks {
  var left: [UInt8]
  var right: [UInt8]

  init(_ input: [UInt8], size: Int) {
    left = Array(repeating: 0, count: size)
    right = left
    for start in stride(from: 0, through: input.count - 66, by: 66) {
      let number = input.littleEndian(at: start, 2)
      let place = Int(number & 0xfff) * 64 % size
      let piece = Array(input[start + 2..<start + 66])
      right.replace(at: place, by: piece)
      if number < 0x8000 { left.replace(at: place, by: piece) }
    }
  }
}
