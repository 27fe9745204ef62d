public import ImageModel

/// What an image has: its disk, what boots from it, and what will not boot.
///
/// All text in it is the image's own, and may be anything.
public struct ImageReport: Hashable, Codable, Sendable {
  /// The report's own version; raised when a key changes its meaning.
  public var version = 1
  /// The image as a file.
  public var image: Image
  /// The partition table and what the partitions hold.
  public var disk: DiskReport
  /// The files of each EFI system partition and extended boot loader partition.
  public var bootFiles: [BootFile]
  /// EFI programs that are no boot loader entry: boot loaders, drivers, tools.
  public var programs: [BootProgramReport]
  /// What a boot menu offers, in the order of the menu.
  public var entries: [BootEntryReport]
  /// The generations of NixOS's profiles, and their specialisations.
  public var generations: [GenerationReport]
  /// What the Nix database has; nil without one that can be read.
  public var nixDatabase: NixDatabaseReport?
  /// The variables of the EFI variable store; nil where none was given.
  public var efiVariables: [EFIVariableReport]?
  /// The build that made it; nil unless an output folder was given.
  public var build: BuildStepsReport?
  /// What will not boot, and why.
  public var warnings: [BootWarning]
  /// What was not looked at, and why.
  public var notes: [String]

  /// The image as a file.
  public struct Image: Hashable, Codable, Sendable {
    /// The path that was given.
    public var file: String
    /// Its format.
    public var format: ImageFormat
    /// Bytes of the file.
    public var fileSize: UInt64
  }
}

/// One file or folder of a boot partition.
public struct BootFile: Hashable, Codable, Sendable {
  /// The partition's number.
  public var partition: Int
  /// Its path there; that of a folder ends with a slash.
  public var path: String
  /// Its bytes.
  public var size: UInt64
}

/// An EFI program.
public struct BootProgramReport: Hashable, Codable, Sendable {
  /// The partition's number.
  public var partition: Int
  /// Its path there.
  public var path: String
  /// What it says it is, such as `systemd-boot 252`; nil when it says nothing.
  public var name: String?
  /// Whether firmware starts it without a boot entry.
  public var isFallback: Bool
}

/// One choice of a boot menu.
public struct BootEntryReport: Hashable, Codable, Sendable {
  /// How it is written.
  public enum Kind: String, Codable, Sendable {
    /// A text file of the boot loader specification.
    case type1
    /// A unified kernel image.
    case unified
    /// A menu entry of GRUB's configuration.
    case grub
  }

  /// A file that it loads.
  public struct File: Hashable, Codable, Sendable {
    /// What it is for, as the entry says: `linux`, `initrd`, …
    public var role: String
    /// Its path on its filesystem.
    public var path: String
    /// Its bytes; nil where there is no such file.
    public var size: UInt64?
    /// Whether it was looked for: a filesystem that is not read may have it.
    public var isKnown: Bool
  }

  /// A part of a unified kernel image.
  public struct Section: Hashable, Codable, Sendable {
    /// Its name, such as `.linux`.
    public var name: String
    /// Its bytes.
    public var size: UInt64
  }

  /// How it is written.
  public var kind: Kind
  /// What names it: its file without the counters of boot counting, or its places in GRUB's menu.
  public var identifier: String
  /// The partition that has it; 0 for a disk without partitions.
  public var partition: Int
  /// The file that it is, or is in.
  public var file: String
  /// What the menu shows.
  public var title: String
  /// The version it states.
  public var version: String?
  /// What it is sorted by.
  public var sortKey: String?
  /// The machine it is for.
  public var machineID: String?
  /// Attempts that are left; nil without boot counting.
  public var triesLeft: UInt64?
  /// Attempts that there were.
  public var triesDone: UInt64?
  /// What it loads.
  public var files: [File]
  /// The kernel's command line.
  public var options: String
  /// The parts of a unified kernel image.
  public var sections: [Section]
  /// The filesystem identifiers that its loader looks for.
  public var searches: [String]
  /// The system that it starts, by its `init=`; nil for none of NixOS's.
  public var system: String?
  /// The profile of the generation that it starts.
  public var profile: String?
  /// The generation that it starts.
  public var generation: UInt64?
  /// The specialisation of the generation that it starts.
  public var specialisation: String?
  /// Whether its menu starts it by itself.
  public var isDefault: Bool
}

/// A generation of a profile.
public struct GenerationReport: Hashable, Codable, Sendable {
  /// A variant that a generation has.
  public struct Specialisation: Hashable, Codable, Sendable {
    /// Its name.
    public var name: String
    /// Its system; nil where the boot specification does not say it.
    public var system: String?
  }

  /// The profile: `system`, or another one's name.
  public var profile: String
  /// Its number.
  public var number: UInt64
  /// The system's store path; nil where the profile's link leads nowhere.
  public var system: String?
  /// The label of its boot specification.
  public var label: String?
  /// The kernel of its boot specification.
  public var kernel: String?
  /// Whether it has a boot specification (NixOS RFC 125), which newer boot loaders make entries of.
  public var hasBootSpecification: Bool
  /// Its specialisations.
  public var specialisations: [Specialisation]
  /// The devices that its `/etc/fstab` mounts, in its order.
  public var mounts: [Mount]
  /// Whether the profile is at this generation.
  public var isCurrent: Bool
  /// Whether the default boot entry starts it.
  public var isDefault: Bool

  /// One line of an fstab.
  public struct Mount: Hashable, Codable, Sendable {
    /// What is mounted, such as `/dev/disk/by-uuid/…`.
    public var device: String
    /// Where.
    public var place: String
    /// Whether the system comes up without it.
    public var isOptional: Bool
  }
}

/// The summary of a Nix database.
public struct NixDatabaseReport: Hashable, Codable, Sendable {
  /// The partition's number; 0 for a disk without partitions.
  public var partition: Int
  /// How many store paths are valid.
  public var paths: UInt64
  /// How many references they have.
  public var references: UInt64
  /// The sum of their NAR sizes, in bytes.
  public var narSize: UInt64
  /// The latest registration, in seconds since 1970; nil without any.
  public var latestRegistration: Int64?
}

/// A variable of the EFI variable store.
public struct EFIVariableReport: Hashable, Codable, Sendable {
  /// Its name.
  public var name: String
  /// Its vendor.
  public var vendor: GUID
  /// Its attributes, as UEFI abbreviates them.
  public var attributes: String
  /// Bytes of its data.
  public var size: Int
  /// Its value, for people.
  public var value: String
}

/// What the output folder of a build tells of it.
public struct BuildStepsReport: Hashable, Codable, Sendable {
  /// A step of the build.
  public struct Step: Hashable, Codable, Sendable {
    /// Its name.
    public var name: String
    /// Seconds it took.
    public var seconds: Double
  }

  /// A picture of a screen.
  public struct Screenshot: Hashable, Codable, Sendable {
    /// The file in the folder.
    public var file: String
    /// A PNG, in Base64.
    public var png: String
  }

  /// The steps, in the order in which they ended.
  public var steps: [Step]
  /// The screens of boots.
  public var screenshots: [Screenshot]
}

/// Why something of an image will not boot.
public struct BootWarning: Hashable, Codable, Sendable {
  /// What is wrong.
  public enum Kind: String, Codable, Sendable {
    /// The partition table is damaged.
    case damagedTable
    /// An entry loads a file that is not there.
    case missingFile
    /// An entry or a generation needs a filesystem that the disk does not have.
    case missingFilesystem
    /// No attempts are left for the default entry.
    case noTriesLeft
    /// Firmware finds nothing to start.
    case noFallbackLoader
    /// A boot entry of the variable store does not fit the disk.
    case bootEntry
    /// A generation has no boot specification.
    case noBootSpecification
    /// A boot partition has no room for one more generation.
    case fullBootPartition
  }

  /// What is wrong.
  public var kind: Kind
  /// The same as a sentence, with what it is about.
  public var text: String
}
