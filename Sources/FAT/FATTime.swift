/// A time as FAT keeps it: in steps of two seconds, in UTC, from 1980 to 2107 (Microsoft FAT specification, 6.3).
struct FATTime: Hashable {
  let date: UInt16
  let time: UInt16

  /// - Parameter seconds: since 1970. What FAT cannot keep becomes the nearest that it can.
  init(_ seconds: Int64) {
    let seconds = min(max(seconds, Self.first), Self.last)
    let (days, rest) = seconds.quotientAndRemainder(dividingBy: 86400)
    let (year, month, day) = Self.civil(days)
    date = UInt16((year - 1980) << 9 | month << 5 | day)
    time = UInt16((rest / 3600) << 11 | (rest / 60 % 60) << 5 | rest % 60 / 2)
  }

  private static let first: Int64 = 315_532_800
  private static let last: Int64 = 4_354_819_198

  /// Year, month and day of a day since 1970, which is after 1970-01-01 and before 2108.
  private static func civil(_ days: Int64) -> (Int64, Int64, Int64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year.
    let days = days + 719_468
    let era = days / 146_097
    let dayOfEra = days % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * shifted + 2) / 5 + 1)
  }
}
