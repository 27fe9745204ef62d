// swift-tools-version: 6.2

import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let certificates: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let sqlite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let mustache: Target.Dependency = .product(name: "Mustache", package: "swift-mustache")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

let package = Package(
  name: "slipway",
  products: [
    .executable(name: "slipway", targets: ["slipway"]),
    .executable(name: "slipway-agent", targets: ["slipway-agent"]),
    .library(name: "ImageBuilder", targets: ["Basics", "ImageModel", "BuildPlan", "ImageBuilder"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.0"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    // No trait: with Foundation the static agent would grow from 14 MB to 58 MB.
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
  ],
  targets: [
    // Words both sides share: sizes, GUIDs, partitions, filesystems.
    .target(name: "ImageModel", dependencies: ["Basics"]),
    // What every module may need of the system, without Foundation: threads, files, text for terminals.
    .target(name: "Basics", dependencies: ["CLinux", systemPackage]),
    // One external command: value, runner, failure that can be pasted into a shell.
    .target(name: "Command", dependencies: ["Basics", "ImageModel", subprocess, systemPackage]),
    // What host and guest say to each other, and the frames it travels in.
    .target(name: "AgentProtocol", dependencies: ["Basics", "ImageModel"]),
    // Request and host facts in, plan out: geometry, identifiers, domain, steps.
    .target(
      name: "BuildPlan",
      dependencies: ["Basics", "ImageModel", "AgentProtocol", "Ext4Geometry", crypto, mustache],
      resources: [
        .embedInCode("../../vm-templates/installer.xml"), .embedInCode("../../vm-templates/disk.xml"),
        .embedInCode("../../vm-templates/verify.xml"), .embedInCode("../../vm-templates/run.xml"),
      ]),
    // Closures, their registration, and the Nix database.
    .target(
      name: "NixStore", dependencies: ["ImageModel", "Command", "Basics", grdb, sqlite, systemPackage]),
    // libext2fs; headers only.
    .systemLibrary(
      name: "CExt2fs", pkgConfig: "ext2fs", providers: [.apt(["libext2fs-dev", "comerr-dev"])]),
    // FAT filesystems, written on the host in sorted order.
    .target(name: "FAT", dependencies: ["Basics", "ImageModel", systemPackage]),
    // Filesystems of any origin, read and never trusted.
    .target(name: "ImageReading", dependencies: ["Basics", "ImageModel"]),
    // libguestfs's C API, for the types of its functions; headers only.
    .systemLibrary(name: "CGuestfs", providers: [.apt(["libguestfs-dev"])]),
    // Filesystems of other kinds, read by a machine of libguestfs's.
    .target(name: "Guestfs", dependencies: ["CGuestfs", "Basics", systemPackage]),
    // How large an ext4 filesystem must be, as a pure function.
    .target(name: "Ext4Geometry", dependencies: ["ImageModel"]),
    // The pour: a tree into an ext4 filesystem, without a kernel or a VM.
    .target(
      name: "Ext4",
      dependencies: ["CExt2fs", "CLinux", "Ext4Geometry", "ImageModel", "Basics", systemPackage]),
    // System calls that Swift cannot import; headers only.
    .systemLibrary(name: "CLinux"),
    // The tool for partition tables: its scripts, and what it reads back.
    .target(name: "Sfdisk", dependencies: ["Basics", "Command", "ImageModel"]),
    // The guest's side of each step, one file a step.
    .target(
      name: "InstallSteps",
      dependencies: [
        "AgentProtocol", "ImageModel", "ImageReading", "Sfdisk", "Command", "CLinux", "Basics", systemPackage,
      ]),
    // The guest executable: first process, supervisor and agent.
    .executableTarget(
      name: "slipway-agent",
      dependencies: [
        "InstallSteps", "AgentProtocol", "ImageModel", "Command", "CLinux", "Basics", systemPackage,
      ]),
    // The kernel and initramfs that carry the agent, built once and cached.
    .target(name: "Appliance", dependencies: ["Basics", "ImageModel", "Command", crypto, systemPackage]),
    // What this machine can do: accelerator, firmware, tools.
    .target(
      name: "HostProbe",
      dependencies: ["Basics", "CLinux", "BuildPlan", "EFIVariables", "ImageModel", "Command", systemPackage]),
    // zlib, for the variables of EC2 instances; headers only.
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    // The firmware's variable store: read, edit, compare, make canonical.
    .target(name: "EFIVariables", dependencies: ["Basics", "CZlib", "ImageModel", asn1]),
    // libvirt's C API.
    .systemLibrary(name: "CLibvirt", pkgConfig: "libvirt", providers: [.apt(["libvirt-dev"])]),
    // Connections, domains, events and errors; knows nothing of images.
    .target(name: "Libvirt", dependencies: ["CLibvirt", "CLinux", "Basics"]),
    // One VM session: channel, console, deadlines, teardown.
    .target(
      name: "BuildMachine",
      dependencies: [
        "Libvirt", "AgentProtocol", "Command", "Basics", "ImageModel", crypto, subprocess, systemPackage,
      ]),
    // The pipeline from plan to verified artefacts.
    .target(
      name: "ImageBuilder",
      dependencies: [
        "BuildMachine", "BuildPlan", "AgentProtocol", "EFIVariables", "FAT", "Guestfs", "ImageModel",
        "ImageReading",
        "NixStore",
        "Ext4", "Ext4Geometry", "Sfdisk",
        "Appliance", "HostProbe", "Command", "CLinux", "Basics", asn1, certificates, crypto, systemPackage,
        yams,
      ]),
    // The command line.
    .executableTarget(
      name: "slipway",
      dependencies: [
        "Basics", "Command", "ImageBuilder", "BuildPlan", "EFIVariables", "ImageModel", argumentParser,
      ]),

    // `make bench`: ratios, both sides measured in one run.
    .executableTarget(
      name: "slipway-bench",
      dependencies: [
        "Basics", "BuildMachine", "BuildPlan", "AgentProtocol", "Ext4", "Ext4Geometry", "HostProbe",
        "ImageModel",
        "NixStore",
        "Command", argumentParser, systemPackage,
      ]),

    .target(
      name: "TestSupport",
      dependencies: [
        "Basics", "AgentProtocol", "Command", "EFIVariables", "ImageModel", subprocess, systemPackage,
      ],
      path: "Tests/TestSupport"),
    .testTarget(name: "BasicsTests", dependencies: ["Basics", "Command", "TestSupport", systemPackage]),
    .testTarget(name: "ImageModelTests", dependencies: ["ImageModel"]),
    .testTarget(
      name: "FATTests",
      dependencies: ["FAT", "Basics", "Command", "TestSupport", systemPackage]),
    .testTarget(name: "CommandTests", dependencies: ["Command", "TestSupport"]),
    .testTarget(
      name: "AgentProtocolTests", dependencies: ["AgentProtocol", "ImageModel", "TestSupport"],
      exclude: ["Snapshots"]),
    .testTarget(
      name: "BuildPlanTests",
      dependencies: [
        "AgentProtocol", "Basics", "BuildPlan", "Command", "Ext4Geometry", "ImageModel", "TestSupport",
        systemPackage,
      ],
      exclude: ["Snapshots"]),
    .testTarget(
      name: "NixStoreTests",
      dependencies: ["NixStore", "Basics", "ImageModel", "Command", "TestSupport", grdb, systemPackage]),
    .testTarget(
      name: "Ext4Tests",
      dependencies: [
        "Ext4", "Ext4Geometry", "CExt2fs", "Basics", "Command", "ImageModel", "TestSupport", systemPackage,
      ]),
    .testTarget(
      name: "InstallStepsTests",
      dependencies: [
        "InstallSteps", "AgentProtocol", "ImageModel", "Command", "CLinux", "Basics", "TestSupport",
        systemPackage,
      ]),
    .testTarget(
      name: "SfdiskTests",
      dependencies: ["Sfdisk", "Basics", "Command", "ImageModel", "TestSupport", systemPackage]),
    .testTarget(
      name: "ApplianceTests", dependencies: ["Appliance", "Basics", "Command", "TestSupport", systemPackage]),
    .testTarget(
      name: "HostProbeTests",
      dependencies: [
        "HostProbe", "Basics", "BuildPlan", "Command", "ImageModel", "TestSupport", systemPackage,
      ],
      exclude: ["Snapshots"]),
    .testTarget(
      name: "EFIVariablesTests",
      dependencies: ["Basics", "EFIVariables", "Command", "ImageModel", "TestSupport", systemPackage]),
    .testTarget(name: "LibvirtTests", dependencies: ["Libvirt"]),
    .testTarget(
      name: "BuildMachineTests",
      dependencies: [
        "Basics", "AgentProtocol", "BuildMachine", "Command", "ImageModel", "Libvirt", "TestSupport",
        systemPackage,
      ]),
    .testTarget(
      name: "ImageBuilderTests",
      dependencies: [
        "AgentProtocol", "Appliance", "Basics", "BuildMachine", "BuildPlan", "CLinux", "Command",
        "EFIVariables", "Ext4", "Ext4Geometry", "FAT", "Guestfs", "HostProbe", "ImageBuilder", "ImageModel",
        "ImageReading", "InstallSteps", "NixStore", "TestSupport", systemPackage,
      ]),
    // `make fuzz`: each parser of outside bytes, for libFuzzer. Sees what only its module sees, so debug builds only.
    .target(
      name: "Fuzz",
      dependencies: [
        "AgentProtocol", "Appliance", "Basics", "BuildMachine", "BuildPlan", "EFIVariables", "Ext4", "FAT",
        "HostProbe", "ImageBuilder", "ImageModel", "ImageReading", "NixStore", "Sfdisk", grdb, sqlite,
        systemPackage,
      ],
      path: "Tests/Fuzz", exclude: ["Seeds", "seeds.py"]),
    .testTarget(name: "FuzzTests", dependencies: ["Fuzz", "TestSupport"]),
    // `make drill`: faults injected into real builds.
    .testTarget(
      name: "DrillTests",
      dependencies: [
        "AgentProtocol", "Basics", "Command", "EFIVariables", "ImageModel", "TestSupport", systemPackage,
      ]),
    .testTarget(
      name: "SlipwayAgentTests",
      dependencies: [
        "slipway-agent", "AgentProtocol", "Basics", "InstallSteps", "TestSupport", systemPackage,
      ]),
    .testTarget(
      name: "SlipwayTests",
      dependencies: [
        "slipway", "Basics", "ImageBuilder", "BuildPlan", "ImageModel", "TestSupport", argumentParser,
      ],
      exclude: ["Snapshots"]),
    .testTarget(
      name: "IntegrationTests",
      dependencies: [
        "Appliance", "Basics", "BuildMachine", "BuildPlan", "Command", "EFIVariables", "Ext4", "Ext4Geometry",
        "ImageBuilder", "ImageModel", "TestSupport", systemPackage,
      ],
      exclude: ["Filesystem", "Snapshots"]),
  ]
)

for target in package.targets where target.type != .system {
  target.swiftSettings = settings
}
