/// What a build or a verification tells while it runs. One stream; terminals, logs and JSON draw it.
public enum BuildEvent: Hashable, Sendable {
  /// A step has begun.
  case began(BuildStep)
  /// A step has done this much of a known total, in bytes.
  case progress(BuildStep, done: UInt64, total: UInt64)
  /// How far a step without a total is: the phase of a boot, or the last line of its console.
  case status(BuildStep, String)
  /// A step is done, after this many seconds. `detail` says what came of it, such as a size.
  case ended(BuildStep, seconds: Double, detail: String?)
  /// A step has failed, after this many seconds, for this reason.
  case failed(BuildStep, seconds: Double, reason: String)
  /// A step was ended before it was done: by an interruption, or because something beside it failed.
  case stopped(BuildStep, seconds: Double)
  /// A line of output of a step's command.
  case log(BuildStep, line: String)
  /// Something that a user should know and that does not stop the build.
  case warning(String)
}

/// Takes events as they happen. Called from any task, one call at a time for a step.
public typealias BuildEventHandler = @Sendable (BuildEvent) -> Void
