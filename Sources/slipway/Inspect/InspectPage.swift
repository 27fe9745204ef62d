internal import ImageBuilder
internal import ImageModel

/// What an image has, as one page.
enum InspectPage {
  static func html(_ report: ImageReport) -> String {
    var page = HTMLPage(title: report.image.file)
    page.add(
      "Image",
      [
        HTML(
          "p", [("class", "facts")],
          text: "\(report.image.format.rawValue), \(ByteSize(bytes: report.image.fileSize)), with a disk of "
            + "\(ByteSize(bytes: report.disk.size))")
      ])
    page.add("What will not boot", warnings(report))
    page.add("Disk (\(InspectWords.table(of: report.disk)))", disk(report.disk))
    page.add("Boot entries", entries(report.entries))
    page.add(
      "Generations", titles: ["Profile", "Number", "Label", "System", "Specialisations"],
      report.generations.map { generation in
        [
          generation.profile, "\(generation.number)" + (generation.isCurrent ? ", current" : ""),
          generation.label ?? "-", generation.system ?? "-",
          generation.specialisations.map(\.name).joined(separator: ", "),
        ]
      }, classes: { report.generations[$0].isDefault ? "default" : nil })
    if let database = report.nixDatabase {
      page.add("Nix database", [HTML("p", text: InspectWords.summary(of: database))])
    }
    page.add(
      "EFI programs", titles: ["Partition", "Path", "Name"],
      report.programs.map { ["\($0.partition)", $0.path, InspectWords.name(of: $0)] })
    page.add(
      "EFI variables", titles: ["Name", "Vendor", "Attributes", "Value"],
      (report.efiVariables ?? []).map { [$0.name, $0.vendor.description, $0.attributes, $0.value] })
    page.add("Files of boot partitions", files(report.bootFiles))
    page.add("Build", build(report.build))
    page.add("Not looked at", list(report.notes, style: "facts"))
    return page.html
  }

  private static func list(_ lines: [String], style: String) -> [HTML] {
    lines.isEmpty ? [] : [HTML("ul", [("class", style)], lines.map { HTML("li", text: $0) })]
  }

  private static func warnings(_ report: ImageReport) -> [HTML] {
    list(report.warnings.map(\.text), style: "warnings")
  }

  private static func disk(_ disk: DiskReport) -> [HTML] {
    let rows = disk.partitions.map { partition in
      [
        InspectWords.number(of: partition), "\(ByteSize(bytes: partition.size))",
        partition.content.free.map { "\(ByteSize(bytes: $0))" } ?? "-", partition.content.kind,
        partition.content.label ?? "-", partition.content.uuid ?? "-", InspectWords.type(of: partition),
        partition.name.isEmpty ? "-" : partition.name, partition.identifier(on: disk) ?? "-",
      ]
    }
    let titles = ["Partition", "Size", "Free", "Content", "Label", "UUID", "Type", "Name", "Partition UUID"]
    return DiskPicture.html(disk) + (rows.isEmpty ? [] : [HTMLPage.table(titles, rows)])
  }

  private static func entries(_ entries: [BootEntryReport]) -> [HTML] {
    guard !entries.isEmpty else { return [] }
    let rows = entries.map { entry in
      [
        entry.title + (entry.isDefault ? " (default)" : ""), entry.version ?? "-",
        InspectWords.generation(of: entry) ?? "-", InspectWords.tries(of: entry) ?? "-", entry.identifier,
        entry.files.map(text).joined(separator: ", "), entry.options.isEmpty ? "-" : entry.options,
      ]
    }
    let titles = ["Title", "Version", "Starts", "Tries", "Entry", "Files", "Options"]
    let table = HTMLPage.table(titles, rows) { entries[$0].isDefault ? "default" : nil }
    let unified = entries.filter { !$0.sections.isEmpty }.map { entry in
      HTML(
        "details", [],
        [
          HTML("summary", text: "Sections of \(entry.identifier)"),
          HTMLPage.table(["Section", "Bytes"], entry.sections.map { [$0.name, "\($0.size)"] }),
        ])
    }
    return [table] + unified
  }

  private static func text(_ file: BootEntryReport.File) -> String {
    let size = file.size.map { "\(ByteSize(bytes: $0))" } ?? (file.isKnown ? "missing" : "not looked for")
    return "\(file.role) \(file.path) (\(size))"
  }

  private static func files(_ files: [BootFile]) -> [HTML] {
    guard !files.isEmpty else { return [] }
    let rows = files.map { ["\($0.partition)", $0.path, $0.path.hasSuffix("/") ? "" : "\($0.size)"] }
    return [
      HTML(
        "details", [],
        [
          HTML("summary", text: "\(files.count) files and folders"),
          HTMLPage.table(["Partition", "Path", "Bytes"], rows),
        ])
    ]
  }

  private static func build(_ build: BuildStepsReport?) -> [HTML] {
    guard let build else { return [] }
    let steps = build.steps.map { [$0.name, InspectWords.seconds($0.seconds)] }
    let table = steps.isEmpty ? [] : [HTMLPage.table(["Step", "Took"], steps)]
    let pictures = build.screenshots.map { picture in
      HTML(
        "figure", [],
        [
          HTML("img", [("src", "data:image/png;base64,\(picture.png)"), ("alt", "The screen of a boot")]),
          HTML("figcaption", text: picture.file),
        ])
    }
    return table + pictures
  }
}
