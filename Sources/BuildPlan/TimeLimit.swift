/// Limits in seconds, as a person gives them.
package enum TimeLimit {
  /// A year. More would be no limit, and overflow a clock.
  package static let longest = 31_536_000
}
