import Testing

@testable import ImageBuilder

/// The readers of what boot loaders are told.
@Suite struct LoaderEntryTests {
  @Test(
    arguments: [
      ("nixos-generation-3.conf", "nixos-generation-3.conf", nil, nil),
      ("nixos-0a1b+3.conf", "nixos-0a1b.conf", 3, nil), ("a+2-1.conf", "a.conf", 2, 1),
      ("a+0-3.CONF", "a.CONF", 0, 3), ("a+x.conf", "a+x.conf", nil, nil),
      ("a+1-.conf", "a+1-.conf", nil, nil),
      ("a+b+1.conf", "a+b.conf", 1, nil), ("a+1-2-3.conf", "a+1-2-3.conf", nil, nil),
      ("a+99999999999999999999.conf", "a+99999999999999999999.conf", nil, nil),
    ] as [(String, String, UInt64?, UInt64?)])
  func countersAreTakenFromNames(file: String, identifier: String, left: UInt64?, done: UInt64?) throws {
    let name = try #require(EntryName(file, suffix: ".conf"))
    #expect(name.identifier == identifier)
    #expect(name.triesLeft == left)
    #expect(name.triesDone == done)
  }

  @Test(arguments: ["entry", "entry.conf.tmp", ".conf", ".hidden.conf"])
  func otherFilesAreNoEntries(file: String) {
    #expect(EntryName(file, suffix: ".conf") == nil)
  }

  @Test(
    arguments: [
      ("nixos-generation-3.conf", "system", 3, nil),
      ("nixos-my-profile-generation-12.conf", "my-profile", 12, nil),
      ("nixos-generation-3-specialisation-no-gui.conf", "system", 3, "no-gui"),
      ("nixos-generation-4-abcdef.efi", "system", 4, nil),
    ] as [(String, String, UInt64, String?)])
  func generationsAreTakenFromNames(file: String, profile: String, number: UInt64, specialisation: String?)
    throws
  {
    let name = try #require(EntryName(file, suffix: file.hasSuffix(".conf") ? ".conf" : ".efi"))
    let found = try #require(name.generation)
    #expect(found.profile == profile)
    #expect(found.number == number)
    #expect(found.specialisation == specialisation)
  }

  @Test func anEntryIsRead() {
    let entry = Type1Entry(
      """
      # comment
      title   NixOS
      sort-key nixos
      linux /EFI/k.efi
      initrd \\EFI\\a
      initrd EFI/b
      options one
      options two  three
      devicetree-overlay /o1 /o2
      unheard-of value
      lonely
      """)
    #expect(entry.title == "NixOS")
    #expect(entry.sortKey == "nixos")
    #expect(entry.options == ["one", "two  three"])
    #expect(entry.files.map(\.path) == ["/EFI/k.efi", "/EFI/a", "/EFI/b", "/o1", "/o2"])
    #expect(
      entry.files.map(\.role) == ["linux", "initrd", "initrd", "devicetree-overlay", "devicetree-overlay"])
  }

  @Test(arguments: [
    ("nixos-*", "nixos-generation-1.conf", true), ("NIXOS-*.conf", "nixos-1.conf", true),
    ("n?xos", "nixos", true), ("n?xos", "nxos", false), ("a[1-3]b", "a2b", true), ("a[1-3]b", "a4b", false),
    ("*a*a*b", "aaaaaaaaaaaaaaaaaaaaaa", false), ("*", "", true), ("", "", true), ("a[", "a[", true),
  ])
  func patternsAreThoseOfShells(pattern: String, text: String, isMatch: Bool) {
    #expect(GlobPattern(pattern).matches(text) == isMatch)
  }

  @Test func theDefaultIsThePreferredOneUnlessItFailed() throws {
    let names = try ["a+0-3.conf", "b.conf", "c.conf"].map { try #require(EntryName($0, suffix: ".conf")) }
    #expect(LoaderConfiguration("preferred a*\ndefault c*").defaultIndex(of: names, override: nil) == 2)
    #expect(LoaderConfiguration("preferred b*\ndefault c*").defaultIndex(of: names, override: nil) == 1)
    #expect(LoaderConfiguration("default c*").defaultIndex(of: names, override: "b.conf") == 1)
    #expect(LoaderConfiguration("default x*").defaultIndex(of: names, override: nil) == 0)
    #expect(LoaderConfiguration("default x*").defaultIndex(of: [], override: nil) == nil)
  }

  /// From the specification of version comparison (UAPI.10).
  @Test(arguments: [
    ("11", "11", 0), ("systemd-123", "systemd-123", 0), ("bar-123", "foo-123", -1), ("123a", "123", 1),
    ("123.a", "123", 1), ("123.a", "123.b", -1), ("123a", "123.a", 1), ("11α", "11β", 0), ("A", "a", -1),
    ("", "0", -1), ("0.", "0", 1), ("0.0", "0", 1), ("0", "~", 1), ("", "~", 1), ("1_", "1", 0),
    ("_1", "1", 0),
    ("1_2", "1.2", 1), ("9", "10", -1), ("1~rc1", "1", -1), ("1^2", "1-2", 1),
  ])
  func versionsAreCompared(one: String, other: String, order: Int) {
    #expect(EntryOrder.compareVersions(one, other).signum() == order)
    #expect(EntryOrder.compareVersions(other, one).signum() == -order)
  }

  @Test func menusAreSorted() throws {
    func key(_ file: String, _ sortKey: String? = nil, _ version: String? = nil) throws -> EntryOrder.Key {
      .init(
        name: try #require(EntryName(file, suffix: ".conf")), sortKey: sortKey, machineID: nil,
        version: version)
    }
    let keys = [
      try key("a.conf"), try key("b.conf"), try key("c.conf", "nixos", "Generation 9"),
      try key("d.conf", "nixos", "Generation 10"), try key("e+0.conf", "nixos", "Generation 11"),
      try key("f.conf", "alpha"),
    ]
    #expect(
      keys.sorted(by: EntryOrder.precedes).map(\.name.identifier)
        == ["f.conf", "d.conf", "c.conf", "b.conf", "a.conf", "e.conf"])
  }

  @Test func debiansMenuIsRead() {
    let menu = GRUBMenu(
      """
      if [ -s $prefix/grubenv ]; then
        load_env
      fi
      if [ "${next_entry}" ] ; then
         set default="${next_entry}"
      else
         set default="1>0"
      fi
      function savedefault {
        if [ -z "${boot_once}" ]; then saved_entry="${chosen}"; fi
      }
      menuentry 'Debian' --class debian $menuentry_id_option 'gnulinux-simple-1234' {
        search --no-floppy --fs-uuid --set=root 1234
        echo 'Loading { Linux'
        linux /boot/vmlinuz-6.1 root=UUID=1234 ro  quiet
        initrd /boot/initrd.img-6.1
      }
      submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-1234' {
        menuentry 'Its' { linux /boot/vmlinuz-6.2 ; }
        menuentry "Debian \\"old\\"" --class debian {
          linux /boot/vmlinuz-6.0
        }
      }
      menuentry 'UEFI Firmware Settings' { fwsetup }
      """)
    #expect(menu.entries.map(\.index) == ["0", "1>0", "1>1", "2"])
    #expect(menu.entries[0].titles == ["Debian"])
    #expect(menu.entries[0].identifier == "gnulinux-simple-1234")
    #expect(menu.entries[0].options == "root=UUID=1234 ro quiet")
    #expect(menu.entries[0].files.map(\.path) == ["/boot/vmlinuz-6.1", "/boot/initrd.img-6.1"])
    #expect(menu.entries[0].files[0].search == .init(kind: .uuid, value: "1234"))
    #expect(menu.entries[2].titles == ["Advanced options", "Debian \"old\""])
    #expect(menu.entries[2].files[0].search == nil)
    #expect(menu.defaultIndex == 1)
  }

  @Test func nixOSsMenuIsRead() {
    let menu = GRUBMenu(
      """
      set default=0
      set timeout=5
      menuentry "NixOS" --class nixos --unrestricted {
      search --set=drive1 --fs-uuid 1-2
      search --set=drive2 --label store
        linux ($drive2)/store/k init=/nix/store/a/init
        initrd ($drive1)//kernels/i
      }
      submenu "NixOS - All configurations" --class submenu {
      menuentry "NixOS - Configuration 1 (2025-01-01 - 25.05)" --class nixos {
        linux ($drive1)/kernels/k
      }
      }
      """)
    #expect(menu.defaultIndex == 0)
    #expect(menu.timeout == "5")
    #expect(menu.entries.map(\.index) == ["0", "1>0"])
    #expect(menu.entries[0].files.map(\.path) == ["/store/k", "/kernels/i"])
    #expect(
      menu.entries[0].files.map(\.search) == [
        .init(kind: .label, value: "store"), .init(kind: .uuid, value: "1-2"),
      ])
  }

  @Test(arguments: [
    "{", "}}}}", "menuentry {", "submenu 'a' {", "menuentry 'a' { menuentry 'b' { } }", "\\", "'", "set",
  ])
  func brokenMenusAreRead(text: String) {
    let menu = GRUBMenu(text)
    #expect(menu.entries.count <= 1)
  }

  @Test func mountsAreRead() {
    let table = FilesystemTable(
      "# c\n/dev/disk/by-label/a\\x20b /my\\040place ext4 nofail,x 0 0\nUUID=1 / ext4\nodd\n")
    #expect(table.mounts.map(\.place) == ["/my place", "/"])
    #expect(table.mounts.map(\.isOptional) == [true, false])
    #expect(FilesystemReference(device: table.mounts[0].device) == .init(.label, "a b"))
    #expect(FilesystemReference(device: "PARTUUID=1-2") == .init(.partitionUUID, "1-2"))
    #expect(FilesystemReference(device: "/dev/sda1") == nil)
  }

  @Test func aSystemNamesItself() {
    let release = OSRelease(
      "NAME=NixOS\nPRETTY_NAME=\"NixOS 25.05 (W)\"\n# x\nVERSION_ID='25.05'\nID=nixos\n")
    #expect(release.title == "NixOS 25.05 (W)")
    #expect(release.version == "25.05")
    #expect(release.sortKey == "nixos")
  }

  @Test func sectionsOfAProgramAreRead() throws {
    var bytes = [UInt8](repeating: 0, count: 1024)
    func put(_ offset: Int, _ values: [UInt8]) {
      bytes.replaceSubrange(offset..<offset + values.count, with: values)
    }
    put(0, [0x4d, 0x5a])
    put(0x3c, [64])
    put(64, [0x50, 0x45, 0, 0, 0x64, 0x86, 1, 0])
    put(64 + 24, Array(".osrel".utf8))
    put(64 + 24 + 8, [7, 0, 0, 0])
    put(64 + 24 + 16, [0, 2, 0, 0])
    put(64 + 24 + 20, [0, 2, 0, 0])
    put(512, Array("ID=os\n\0".utf8))
    let file = bytes
    let read = { (count: Int, offset: UInt64) in
      offset < UInt64(file.count) ? Array(file[Int(offset)...].prefix(count)) : []
    }
    let sections = try #require(try EFISections(read))
    #expect(sections.sections.map(\.name) == [".osrel"])
    #expect(sections.sections.map(\.size) == [7])
    #expect(try sections.text(".osrel") == "ID=os\n")
    #expect(try EFISections { _, _ in [] } == nil)
  }
}
