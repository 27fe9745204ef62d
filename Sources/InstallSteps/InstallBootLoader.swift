internal import AgentProtocol
internal import Basics
internal import Command
internal import ImageModel

extension StepContext {
  /// Runs the system's own bootloader installation, as nixos-install does, in a chroot that is prepared. For a later generation
  /// that is `nixos-rebuild boot --install-bootloader`, as it may bring another bootloader.
  ///
  /// - Parameter installsLoader: without, it is `nixos-rebuild boot`: the bootloader that is there stays, and with it the way to
  ///   what booted before.
  func installBootLoader(in chroot: Chroot, installsLoader: Bool = true) async throws {
    let program = "\(chroot.system)/bin/switch-to-configuration"
    guard chroot.has(program) else {
      throw StepFailure(
        message: "the system has no bin/switch-to-configuration, which installs its bootloader",
        remedy:
          "Set system.switch.enable = true in its configuration, or build with installBootLoader = false")
    }
    // Tools that want to know what is mounted look here; nixos-install makes the link for them too.
    try Files.makeLink("\(chroot.root)/etc/mtab", to: "/proc/mounts")
    var settings = installsLoader ? ["NIXOS_INSTALL_BOOTLOADER": "1"] : [:]
    settings.merge(try chroot.place(secrets)) { $1 }
    defer { chroot.remove(secrets) }
    do {
      try await run(chroot.command(program, ["boot"], settings: settings))
    } catch let failure as CommandFailure {
      var step = StepFailure(
        message: "the system's bootloader could not be installed: \(failure.summary)", from: failure)
      if let device = missingGRUBDevice(in: failure.tail, devices) {
        step.remedy =
          "Give \(device) as grubDevice (--grub-device), and the disk has that name during the installation"
      }
      throw step
    }
  }
}

/// The device that GRUB was to be installed on, when there is none of that name.
func missingGRUBDevice(in lines: [String], _ devices: DeviceTree) -> String? {
  let prefix = "/dev/"
  for var path in lines.filter({ $0.lowercased().contains("grub") }).flatMap(absolutePaths) {
    while path.hasSuffix(".") { path.removeLast() }
    guard path.hasPrefix(prefix), path.count > prefix.count else { continue }
    if !Files.exists("\(devices.dev)/\(path.dropFirst(prefix.count))") { return String(path) }
  }
  return nil
}

extension DeviceTree {
  /// Makes a disk known by the name that the system's configuration has for it.
  func link(_ disk: BlockDevice, as name: String) throws {
    let prefix = "/dev/"
    guard name.hasPrefix(prefix) else { return }
    let node = try device(disk).node
    let link = "\(dev)/\(name.dropFirst(prefix.count))"
    guard link != node else { return }
    let folder = name.split(separator: "/").dropFirst().dropLast().joined(separator: "/")
    try Files.makeDirectories(folder, below: dev)
    try Files.makeLink(link, to: node)
  }
}

extension Chroot {
  /// Makes EFI variables reachable inside, or makes the chroot look like a machine without EFI.
  ///
  /// An empty `/sys/firmware` is what bootctl takes for "not booted with EFI", and passes over the variables
  /// in peace; with an `efi` folder but no variables in it, it would fail.
  ///
  /// What an earlier generation's installation has mounted is left.
  func exposeEFIVariables(_ expose: Bool) throws {
    let firmware = "/sys/firmware"
    let variables = "\(firmware)/efi/efivars"
    let place = root + (expose ? variables : firmware)
    guard try !Mounts.places(atAndBelow: place).contains(place) else { return }
    guard expose else {
      return try Mounts.mount("tmpfs", on: place, type: "tmpfs", options: .readOnly)
    }
    guard try Mounts.places(atAndBelow: variables).contains(variables) else {
      throw StepFailure(
        message:
          "EFI variables are to be written, but the guest has none: it was not started by EFI firmware, "
          + "or its kernel has no efivarfs")
    }
    try Mounts.mount(variables, on: place, type: "", options: .bind)
  }
}
