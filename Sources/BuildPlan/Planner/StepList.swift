internal import AgentProtocol
internal import ImageModel

/// What the agent does for one image, in order. The order follows from what each step needs: identifiers are
/// final before the bootloader reads them, the root is mounted before the ESP, and the profile exists before
/// the bootloader lists generations.
struct StepList {
  let disk: DiskLayout
  let source: SourcePlan
  let system: String
  let profileTime: Int64
  let content: ByteSize
  let installBootLoader: Bool
  let touchEFIVariables: Bool
  let limit: Int?

  var steps: [PlannedStep] {
    let target = DiskSerial.target
    let mounts = disk.partitions.sorted { $0.filesystem.mountPoint < $1.filesystem.mountPoint }
    var list: [InstallStep] = [.partitionDisk(PartitionDisk(disk: target, layout: disk))]
    list += disk.partitions.map {
      .makeFilesystem(MakeFilesystem(disk: target, partition: $0.number, filesystem: $0.filesystem))
    }
    list += mounts.map {
      .mountFilesystem(MountFilesystem(disk: target, partition: $0.number, filesystem: $0.filesystem))
    }
    list.append(.copyStore(CopyStore(sourceDisk: DiskSerial.source, sourceType: source.type, workers: 4)))
    list.append(.setSystemProfile(SetSystemProfile(system: system, time: profileTime)))
    list.append(.activate(ActivateSystem(system: system)))
    if installBootLoader {
      list.append(
        .installBootLoader(InstallBootLoader(system: system, touchEFIVariables: touchEFIVariables)))
    }
    list.append(.finish(Finish(disk: target)))
    return list.map { PlannedStep(step: $0, timeLimit: limit ?? defaultLimit($0)) }
  }

  /// Ten minutes for a step, and a second for every MiB of the closure on top where it is copied: both are far
  /// above what an emulated processor needs, and far below what a person would wait for.
  private func defaultLimit(_ step: InstallStep) -> Int {
    if case .copyStore = step { return 600 + Int(content.bytes >> 20) }
    return 600
  }
}
