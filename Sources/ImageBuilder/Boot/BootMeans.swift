internal import Basics
internal import EFIVariables

/// How a boot loader is told, for one boot, what to start. Its entries stay as they are.
enum BootMeans: Hashable {
  /// What starts by itself.
  case none
  /// systemd-boot's variable `LoaderEntryOneShot` (systemd.io/BOOT_LOADER_INTERFACE).
  case loaderEntryOneShot(String)
  /// The firmware's own `BootNext` (UEFI 2.10, 3.3).
  case bootNext(UInt16)
  /// `next_entry` in GRUB's environment block, as by grub-reboot.
  case grubEnvironment(partition: Int, folder: String, entry: String)

  /// Decides it.
  ///
  /// - Parameters:
  ///   - entry: what to start; nil for what starts by itself.
  ///   - store: the EFI variables of the boot; nil for a BIOS.
  /// - Throws: `Fault` where nothing starts the entry for one boot.
  static func make(for entry: BootEntryReport?, in report: ImageReport, _ store: VariableStore?) throws(Fault)
    -> BootMeans
  {
    guard let entry else { return .none }
    if entry.kind == .grub {
      let folder = entry.file.split(separator: "/").dropLast().map { "/\($0)" }.joined()
      return .grubEnvironment(partition: entry.partition, folder: folder, entry: entry.identifier)
    }
    guard let store else {
      throw Fault(
        .badInput, "a BIOS cannot be told to start the boot entry \(entry.identifier)",
        remedy: "Boot by EFI, without --bios")
    }
    if report.programs.contains(where: { $0.name?.hasPrefix("systemd-boot") == true }) {
      return .loaderEntryOneShot(entry.identifier)
    }
    if entry.kind == .unified, let number = number(of: entry.file, in: store) { return .bootNext(number) }
    throw Fault(
      .badInput, "nothing starts the boot entry \(entry.identifier) for one boot",
      cause:
        "the image has neither systemd-boot nor GRUB for it, and the variable store no entry with its file",
      remedy: "Boot what starts by itself, or add an entry with 'slipway efivars set'")
  }

  /// The entry of the firmware that starts a file.
  private static func number(of file: String, in store: VariableStore) -> UInt16? {
    let wanted = file.split(separator: "/").map { #"\\#($0)"# }.joined().lowercased()
    return store.variables.compactMap(\.key.bootNumber).sorted().first { number in
      guard let option = try? store.bootOption(number) else { return false }
      return option.paths.contains { path in
        let names = path.nodes.compactMap { if case .file(let name) = $0 { name } else { nil } }
        return names.joined(separator: #"\"#).lowercased() == wanted
      }
    }
  }

  /// Writes it into a store.
  ///
  /// - Throws: `EFIFault` when the store has no room.
  func apply(to store: inout VariableStore) throws(EFIFault) {
    switch self {
    case .none, .grubEnvironment: break
    case .loaderEntryOneShot(let name):
      let key = VariableKey.loaderEntryOneShot
      try store.set(Variable(key, key.usualAttributes, VariableValue.text(name).data))
    case .bootNext(let number):
      try store.set(Variable(.bootNext, .standard, VariableValue.number(number).data))
    }
  }
}
