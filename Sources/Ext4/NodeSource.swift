package import Basics

/// A tree, one node after another in the order of `TreePath`, each directory before what is in it.
package protocol NodeSource: Sendable {
  /// The next node, or nil after the last.
  mutating func next() throws(Fault) -> Node?
}

/// Nodes that are in memory.
package struct ListedNodes: NodeSource {
  private var remaining: [Node]

  /// Takes nodes in any order.
  package init(_ nodes: [Node]) {
    remaining = nodes.sorted { $1.path < $0.path }
  }

  package mutating func next() -> Node? {
    remaining.popLast()
  }
}

/// Several trees as one.
///
/// Where more than one has a directory, the first of them gives its attributes. Any other path may be in one
/// only: the pour refuses it.
package struct MergedNodes: NodeSource {
  private var sources: [any NodeSource]
  private var heads: [Node?]
  private var isStarted = false

  package init(_ sources: [any NodeSource]) {
    self.sources = sources
    heads = Array(repeating: nil, count: sources.count)
  }

  package mutating func next() throws(Fault) -> Node? {
    if !isStarted {
      for index in sources.indices { heads[index] = try sources[index].next() }
      isStarted = true
    }
    guard let first = lowest(), let node = heads[first] else { return nil }
    heads[first] = try sources[first].next()
    guard case .directory = node.kind else { return node }
    for index in sources.indices where index != first {
      if let other = heads[index], other.path == node.path, case .directory = other.kind {
        heads[index] = try sources[index].next()
      }
    }
    return node
  }

  private func lowest() -> Int? {
    var best: (index: Int, path: TreePath)?
    for (index, head) in heads.enumerated() {
      guard let path = head?.path else { continue }
      if let found = best, !(path < found.path) { continue }
      best = (index, path)
    }
    return best?.index
  }
}
