extension HostMessage: Codable {
  private enum Key: String, CodingKey {
    case hello, request, debugShell, powerOff
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    switch try container.onlyKey() {
    case .hello: self = .hello(try container.decode(Hello.self, forKey: .hello))
    case .request: self = .request(try container.decode(Request.self, forKey: .request))
    case .debugShell: self = .debugShell(id: try container.decode(Int.self, forKey: .debugShell))
    case .powerOff: self = .powerOff
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    switch self {
    case .hello(let hello): try container.encode(hello, forKey: .hello)
    case .request(let request): try container.encode(request, forKey: .request)
    case .debugShell(let id): try container.encode(id, forKey: .debugShell)
    case .powerOff: try container.encode(true, forKey: .powerOff)
    }
  }
}

extension AgentMessage: Codable {
  private enum Key: String, CodingKey {
    case hello, reply, event
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    switch try container.onlyKey() {
    case .hello: self = .hello(try container.decode(Hello.self, forKey: .hello))
    case .reply: self = .reply(try container.decode(Reply.self, forKey: .reply))
    case .event: self = .event(try container.decode(Event.self, forKey: .event))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    switch self {
    case .hello(let hello): try container.encode(hello, forKey: .hello)
    case .reply(let reply): try container.encode(reply, forKey: .reply)
    case .event(let event): try container.encode(event, forKey: .event)
    }
  }
}

extension Event: Codable {
  private enum Key: String, CodingKey {
    case heartbeat, log, warning, progress
  }

  private struct Progress: Codable {
    var done: UInt64
    var total: UInt64
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    switch try container.onlyKey() {
    case .heartbeat: self = .heartbeat
    case .log: self = .log(try container.decode(String.self, forKey: .log))
    case .warning: self = .warning(try container.decode(String.self, forKey: .warning))
    case .progress:
      let progress = try container.decode(Progress.self, forKey: .progress)
      self = .bounded(done: progress.done, total: progress.total)
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    switch self {
    case .heartbeat: try container.encode(true, forKey: .heartbeat)
    case .log(let line): try container.encode(line, forKey: .log)
    case .warning(let text): try container.encode(text, forKey: .warning)
    case .progress(let done, let total):
      try container.encode(Progress(done: done, total: total), forKey: .progress)
    }
  }
}

extension KeyedDecodingContainer {
  /// The one known key of a message. A message is an object with its kind as the only known key; other
  /// keys are a newer peer's and are passed over.
  fileprivate func onlyKey() throws -> Key {
    guard allKeys.count == 1, let key = allKeys.first else {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: codingPath,
          debugDescription: "a message needs exactly one kind of this version, and has \(allKeys.count)"))
    }
    return key
  }
}
