/// What a build or a verification tells while it runs. One stream; terminals, logs and JSON draw it.
public enum BuildEvent: Hashable, Sendable {
  /// A step has begun.
  case began(step: String)
  /// A step has done this much of a known total, in bytes.
  case progress(step: String, done: UInt64, total: UInt64)
  /// A step is done, after this many seconds. `detail` says what came of it, such as a size.
  case ended(step: String, seconds: Double, detail: String?)
  /// A step has failed, after this many seconds, for this reason.
  case failed(step: String, seconds: Double, reason: String)
  /// A step was ended before it was done: by an interruption, or because something beside it failed.
  case stopped(step: String, seconds: Double)
  /// A line of output of a step's command.
  case log(step: String, line: String)
  /// Something that a user should know and that does not stop the build.
  case warning(String)
}

/// Takes events as they happen. Called from any task, one call at a time for a step.
public typealias BuildEventHandler = @Sendable (BuildEvent) -> Void
