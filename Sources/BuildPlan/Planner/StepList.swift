internal import AgentProtocol
internal import ImageModel

/// What the agent does for one image, in order. The order follows from what each step needs: identifiers are
/// final before the bootloader reads them, the root is mounted before the ESP, and a generation is in the profile
/// before the bootloader lists them.
struct StepList {
  let layout: DiskLayout
  let root: RootPlace
  let pour: PourPlan
  /// What the tree takes.
  let content: ByteSize
  let contents: [PlannedContent]
  /// Files of one machine's state that the contents bring.
  let kept: [String]
  let generations: Generations
  let profileTime: Int64
  let installBootLoader: Bool
  let touchEFIVariables: Bool
  /// What the bootloader copies.
  let bootFiles: ByteSize
  /// Whether it signs what it installs.
  let signs: Bool
  let grubDevices: [String]
  let rootOptions: [String]
  let postInstall: String?
  /// Nil where the guest's own writes stay on the disk.
  let seal: SealPlan?
  let limit: Int?

  var steps: [PlannedStep] {
    let target = BlockDevice.disk(serial: DiskSerial.target)
    var made = layout.partitions.compactMap { partition in
      partition.filesystem.map { (device: partition.device(on: DiskSerial.target), filesystem: $0) }
    }
    if layout.root == nil { made.append((root.device, root.filesystem)) }
    var list: [InstallStep] = []
    if layout.table != .none { list.append(.partitionDisk(disk: target, layout: layout)) }
    // What is poured into its place on the target is made already.
    list += made.filter { $0.device != pour.device }.map {
      .makeFilesystem(
        on: $0.device, filesystem: $0.filesystem,
        options: $0.filesystem.mountPoint == "/" ? rootOptions : [])
    }
    // A place comes before what is in it.
    let mounted = made.filter { $0.filesystem.mountPoint != nil }
    list += mounted.sorted { $0.filesystem.mountPoint ?? "" < $1.filesystem.mountPoint ?? "" }.map {
      .mountFilesystem(on: $0.device, filesystem: $0.filesystem)
    }
    if !made.contains(where: { $0.device == pour.device }) {
      list.append(
        .copyTree(from: pour.device, type: pour.filesystem.kind, workers: 4, content: content))
    }
    let installed = generations.systems[0]
    list.append(setProfile(to: 1))
    list.append(.activate(system: installed))
    let owned: [OwnedPath] = contents.compactMap { content in
      guard case .names(let user, let group, let marker) = content.owner else { return nil }
      return OwnedPath(path: content.entry.target, user: user, group: group, marker: marker)
    }
    // Activation has made the users by now.
    if !owned.isEmpty { list.append(.setOwners(system: installed, paths: owned)) }
    if installBootLoader { list.append(bootLoader(of: 1)) }
    list += switches
    if let postInstall { list.append(.runScript(system: installed, script: postInstall)) }
    if let seal {
      list.append(
        .handOver(to: seal.device, trees: seal.trees, regions: seal.regions, kept: kept))
    } else {
      list.append(.finish(disk: target, kept: kept))
    }
    return list.map {
      PlannedStep(step: $0, timeLimit: limit ?? defaultLimit($0), secrets: secrets(of: $0))
    }
  }

  /// What a machine does that runs generation 1 and gets the others, one after the other: `nixos-rebuild boot` for each, and in
  /// the end `nixos-rebuild boot --rollback` where another than the last is to boot. None of them is activated, as each
  /// activates itself when it boots.
  private var switches: [InstallStep] {
    let last = generations.systems.count
    let numbers = Array(1...last).dropFirst() + (generations.current == last ? [] : [generations.current])
    return numbers.flatMap { [setProfile(to: $0)] + (installBootLoader ? [bootLoader(of: $0)] : []) }
  }

  private func setProfile(to number: Int) -> InstallStep {
    .setSystemProfile(
      system: generations.systems[number - 1], profile: generations.profilePath, generation: number,
      time: profileTime)
  }

  private func bootLoader(of number: Int) -> InstallStep {
    .installBootLoader(
      system: generations.systems[number - 1], installsLoader: true, touchEFIVariables: touchEFIVariables,
      disk: .disk(serial: DiskSerial.target), diskNames: grubDevices, bootFiles: bootFiles)
  }

  private func secrets(of step: InstallStep) -> [String] {
    guard signs, case .installBootLoader = step else { return [] }
    return [SigningSpec.keySecret, SigningSpec.certificateSecret]
  }

  /// Ten minutes for a step, and a second for every MiB of the closure on top where it is copied: both are far
  /// above what an emulated processor needs, and far below what a person would wait for.
  private func defaultLimit(_ step: InstallStep) -> Int {
    if case .copyTree = step { return 600 + Int(pour.size.bytes >> 20) }
    return 600
  }
}
