/// A guest's processor architecture: its machine, firmware, console and file names, as QEMU, Linux, UEFI and Debian
/// call them. What differs between architectures stands here, and nowhere else.
package struct Architecture: Hashable, Sendable {
  /// As in `qemu-system-NAME`, libvirt's `arch`, QEMU's firmware descriptors, and Nix's `NAME-linux`.
  package var name: String
  /// QEMU's machine type; libvirt's `machine`.
  package var machineType: String
  /// A versioned name of that type, for where QEMU cannot be asked: descriptors have patterns such as `pc-q35-*`.
  package var anyMachineVersion: String
  /// The Debian package of its emulator.
  package var emulatorPackage: String
  /// The kernel's name of the first serial port, which is the console.
  package var console: String
  /// The kernel's name of the second serial port.
  package var secondSerialPort: String
  /// What firmware starts from a disk that no boot entry names (UEFI 2.10, 3.5.1.1).
  package var fallbackLoader: String
  /// The Debian package of a small kernel for virtual machines.
  package var smallKernelPackage: String
  /// The Debian package of a kernel with every driver.
  package var kernelPackage: String
  /// What its firmware (edk2) prints when a program of the firmware or a boot loader crashes.
  package var firmwareCrash: String
  /// Features of the processor, as QEMU and libvirt name them, with which a guest is slower where it is emulated.
  package var slowFeatures: [String]

  /// The emulator's program.
  package var emulator: String { "qemu-system-\(name)" }
  /// The device file of the second serial port.
  package var secondTerminal: String { "/dev/\(secondSerialPort)" }

  package static let amd64 = Architecture(
    name: "x86_64", machineType: "q35", anyMachineVersion: "pc-q35-0.0", emulatorPackage: "qemu-system-x86",
    console: "ttyS0", secondSerialPort: "ttyS1", fallbackLoader: #"\EFI\BOOT\BOOTX64.EFI"#,
    smallKernelPackage: "linux-image-cloud-amd64", kernelPackage: "linux-image-amd64",
    firmwareCrash: "X64 Exception Type",
    // Kernel and C library clear and copy memory byte by byte with them: each byte is a turn of the emulator's loop.
    slowFeatures: ["erms", "fsrm"])

  /// The one that images are built for.
  package static let current = amd64
}
