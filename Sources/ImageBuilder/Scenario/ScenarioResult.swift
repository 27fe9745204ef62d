public import Basics

/// What came of a scenario.
public struct ScenarioResult: Sendable {
  /// What it is called.
  public var name: String
  /// Its steps, in their order.
  public var steps: [Step]
  /// Why it ended before its end; nil where it passed.
  public var failure: Fault?

  /// Whether every step was as it had to be.
  public var isPassed: Bool { failure == nil }

  /// One step.
  public struct Step: Sendable {
    /// What became of it.
    public enum Outcome: Hashable, Sendable {
      case passed
      /// Why it was not as it had to be.
      case failed(String)
      /// A step before it failed.
      case skipped
    }

    /// Its kind's key.
    public var key: String
    /// What it is called.
    public var name: String
    /// Its line in the file.
    public var line: Int
    /// What became of it.
    public var outcome = Outcome.skipped
    /// How long it took.
    public var seconds = 0.0
    /// What came of it, for people.
    public var detail: String?
    /// The boots of it, in their order.
    public var boots: [Boot] = []

    init(key: String, name: String, line: Int) {
      (self.key, self.name, self.line) = (key, name, line)
    }
  }

  /// One boot of a step.
  public struct Boot: Sendable {
    /// The end of what the console showed. A guest wrote it.
    public var console: String
    /// A picture of the screen, as a PNG; nil where none could be taken.
    public var screenshot: [UInt8]?
  }
}
