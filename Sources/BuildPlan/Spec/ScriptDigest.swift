internal import AgentProtocol
internal import Basics
internal import Crypto

/// What is shown of a script, which may hold secrets: that it is there, and whether it is the same as another.
enum ScriptDigest {
  /// `sha256:` and the digest of the script's bytes, in hexadecimal.
  static func text(of script: String) -> String {
    let digest = SHA256.hash(data: Array(script.utf8))
    return "sha256:" + Hexadecimal.text(digest)
  }
}

extension ImageSpec {
  /// This spec with digests in the place of its scripts.
  package var withoutScripts: ImageSpec {
    var spec = self
    spec.preVM = preVM.map(ScriptDigest.text)
    spec.postInstall = postInstall.map(ScriptDigest.text)
    spec.postVM = postVM.map(ScriptDigest.text)
    return spec
  }
}

extension BuildPlan {
  /// This plan with digests in the place of its scripts.
  var withoutScripts: BuildPlan {
    var plan = self
    plan.preVM = preVM.map(ScriptDigest.text)
    plan.postVM = postVM.map(ScriptDigest.text)
    plan.steps = steps.map { planned in
      guard case .runScript(let system, let script) = planned.step else { return planned }
      var planned = planned
      planned.step = .runScript(system: system, script: ScriptDigest.text(of: script))
      return planned
    }
    return plan
  }
}
