internal import Foundation
internal import ImageBuilder

/// One event as a JSON object of one line.
struct ProgressJSON: Encodable {
  private var event: String
  private var step: String?
  private var what: String?
  private var `where`: String?
  private var done: UInt64?
  private var total: UInt64?
  private var seconds: Double?
  private var detail: String?
  private var text: String?

  init(_ event: BuildEvent) {
    switch event {
    case .began(let step):
      self.init("began", step)
    case .progress(let step, let done, let total):
      self.init("progress", step)
      self.done = done
      self.total = total
    case .status(let step, let text):
      self.init("status", step, text: text)
    case .ended(let step, let seconds, let detail):
      self.init("ended", step, seconds: seconds)
      self.detail = detail
    case .failed(let step, let seconds, let reason):
      self.init("failed", step, seconds: seconds, text: reason)
    case .stopped(let step, let seconds):
      self.init("stopped", step, seconds: seconds)
    case .log(let step, let line):
      self.init("log", step, text: line)
    case .warning(let text):
      self.init("warning", nil, text: text)
    }
  }

  private init(_ event: String, _ step: BuildStep?, seconds: Double? = nil, text: String? = nil) {
    self.event = event
    self.step = step?.name
    what = step?.what
    self.where = step?.place
    self.seconds = seconds
    self.text = text
  }

  /// The object.
  func line() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}
