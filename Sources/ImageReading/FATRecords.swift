extension RecordLayout {
  private static let fatBeginning = [
    RecordField("jump", 0, 3, .bytes), RecordField("OEM name", 3, 8, .text),
    RecordField("bytes per sector", 11, 2), RecordField("sectors per cluster", 13, 1),
    RecordField("reserved sectors", 14, 2), RecordField("number of tables", 16, 1),
    RecordField("entries of the root directory", 17, 2), RecordField("sectors (16 bits)", 19, 2),
    RecordField("media", 21, 1, .hexadecimal), RecordField("sectors of a table (16 bits)", 22, 2),
    RecordField("sectors of a track", 24, 2), RecordField("heads", 26, 2),
    RecordField("hidden sectors", 28, 4), RecordField("sectors (32 bits)", 32, 4),
  ]

  private static func fatEnd(at offset: Int) -> [RecordField] {
    [
      RecordField("drive number", offset, 1, .hexadecimal), RecordField("state", offset + 1, 1, .hexadecimal),
      RecordField("extended signature", offset + 2, 1, .hexadecimal),
      RecordField("volume id", offset + 3, 4, .hexadecimal), RecordField("label", offset + 7, 11, .text),
      RecordField("type", offset + 18, 8, .text),
      RecordField("boot code", offset + 26, 510 - offset - 26, .bytes),
      RecordField("signature", 510, 2, .hexadecimal),
    ]
  }

  /// The boot sector of FAT12 and FAT16 (Microsoft FAT specification, 3).
  package static let fatBootSector = RecordLayout(fields: fatBeginning + fatEnd(at: 36))

  /// The boot sector of FAT32.
  package static let fat32BootSector = RecordLayout(
    fields: fatBeginning + [
      RecordField("sectors of a table", 36, 4), RecordField("flags", 40, 2, .hexadecimal),
      RecordField("version", 42, 2, .hexadecimal), RecordField("cluster of the root directory", 44, 4),
      RecordField("sector of the counts", 48, 2), RecordField("sector of the backup", 50, 2),
      RecordField("reserved bytes", 52, 12, .bytes),
    ] + fatEnd(at: 64))

  /// The sector of FAT32 that counts what is free.
  package static let fatInformation = RecordLayout(fields: [
    RecordField("lead signature", 0, 4, .hexadecimal), RecordField("signature", 484, 4, .hexadecimal),
    RecordField("free clusters", 488, 4), RecordField("next free cluster", 492, 4),
    RecordField("trail signature", 508, 4, .hexadecimal),
  ])

  /// A directory's entry.
  package static let fatEntry = RecordLayout(fields: [
    RecordField("short name", 0, 11, .text), RecordField("attributes", 11, 1, .hexadecimal),
    RecordField("letter case", 12, 1, .hexadecimal), RecordField("hundredths of the creation time", 13, 1),
    RecordField("creation time", 14, 2, .fatTime, high: (16, 2)),
    RecordField("access date", 18, 2, .fatTime),
    RecordField("first cluster", 26, 2, high: (20, 2)),
    RecordField("modification time", 22, 2, .fatTime, high: (24, 2)), RecordField("size", 28, 4),
  ])
}
