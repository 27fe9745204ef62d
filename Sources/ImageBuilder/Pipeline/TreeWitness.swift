internal import Basics
internal import Ext4
internal import Synchronization

/// What a tree looked like when it was walked: two walks that saw the same have the same fingerprint, in one process.
final class TreeWitness: Sendable {
  private let hasher = Mutex(Hasher())

  /// Covers names, types, sizes, times of files and targets of links; contents only by size and time.
  var fingerprint: Int { hasher.withLock { $0.finalizedCopy() } }

  /// The same nodes, seen by this witness as they pass.
  func watch(_ nodes: any NodeSource) -> any NodeSource {
    WatchedNodes(nodes: nodes, witness: self)
  }

  fileprivate func see(_ node: Node) {
    hasher.withLock { hasher in
      hasher.combine(node.path)
      hasher.combine(node.attributes.mode)
      switch node.kind {
      case .file(.host(let file)):
        // Whether it may have holes is left out: the host's filesystem may come to allocate its blocks later.
        hasher.combine(file.path)
        hasher.combine(file.size)
        hasher.combine(file.modified)
      default: hasher.combine(node.kind)
      }
    }
  }
}

extension Hasher {
  fileprivate func finalizedCopy() -> Int {
    let copy = self
    return copy.finalize()
  }
}

private struct WatchedNodes: NodeSource {
  var nodes: any NodeSource
  let witness: TreeWitness

  mutating func next() throws(Fault) -> Node? {
    guard let node = try nodes.next() else { return nil }
    witness.see(node)
    return node
  }
}
