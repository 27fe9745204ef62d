internal import Basics

/// HTML that was made here: text of images gets into it escaped, and in no other way.
struct HTML: Hashable {
  private(set) var markup: String

  /// Text, as a reader sees it.
  init(text: String) {
    markup = Self.escaped(text)
  }

  /// - Parameter name: an element's, and `attributes` its attributes' with their values. Names are ours.
  init(_ name: String, _ attributes: [(String, String)] = [], _ content: [HTML] = []) {
    let words = attributes.map { " \($0.0)=\"\(Self.escaped($0.1))\"" }.joined()
    let isVoid = ["img", "meta", "rect", "line", "br"].contains(name)
    markup = isVoid ? "<\(name)\(words)/>" : "<\(name)\(words)>\(content.map(\.markup).joined())</\(name)>"
  }

  init(_ name: String, _ attributes: [(String, String)] = [], text: String) {
    self.init(name, attributes, [HTML(text: text)])
  }

  /// A style sheet, which is ours.
  init(style: String) {
    markup = "<style>\(style)</style>"
  }

  /// Characters that HTML gives a meaning, and those that reorder or hide text, spelled out.
  private static func escaped(_ text: String) -> String {
    TerminalText.escaped(text).unicodeScalars.reduce(into: "") { result, scalar in
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
  }
}

/// A page that needs nothing but itself: no script, no other file; light or dark as the reader's system is.
struct HTMLPage {
  var title: String
  private var sections: [HTML] = []

  init(title: String) {
    self.title = title
  }

  /// Adds a part with a heading; one without content is left out.
  mutating func add(_ heading: String, _ content: [HTML]) {
    guard !content.isEmpty else { return }
    sections.append(HTML("section", [], [HTML("h2", text: heading)] + content))
  }

  /// Adds a part with a table; one without rows is left out. On narrow screens a row is a list of its cells.
  ///
  /// - Parameter classes: a row's class by its index; nil for none.
  mutating func add(
    _ heading: String, titles: [String], _ rows: [[String]], classes: (Int) -> String? = { _ in nil }
  ) {
    guard !rows.isEmpty else { return }
    add(heading, [Self.table(titles, rows, classes: classes)])
  }

  /// Columns whose text is ours and short: it is not broken.
  private static let shortTitles: Set = [
    "Partition", "Number", "Size", "Free", "Content", "Tries", "Bytes", "Took",
  ]

  static func table(
    _ titles: [String], _ rows: [[String]], classes: (Int) -> String? = { _ in nil }
  ) -> HTML {
    let head = HTML("thead", [], [HTML("tr", [], titles.map { HTML("th", [("scope", "col")], text: $0) })])
    let body = rows.enumerated().map { index, row in
      HTML(
        "tr", classes(index).map { [("class", $0)] } ?? [],
        zip(titles, row).map { title, cell in
          let isShort = shortTitles.contains(title)
          return HTML("td", [("data-title", title)] + (isShort ? [("class", "short")] : []), text: cell)
        })
    }
    return HTML("table", [], [head, HTML("tbody", [], body)])
  }

  var html: String {
    let head = HTML(
      "head", [],
      [
        HTML("meta", [("charset", "utf-8")]),
        HTML("meta", [("name", "viewport"), ("content", "width=device-width, initial-scale=1")]),
        HTML("meta", [("name", "color-scheme"), ("content", "light dark")]),
        // Whatever was overlooked: nothing of the page can run, or load anything.
        HTML(
          "meta",
          [
            ("http-equiv", "Content-Security-Policy"),
            ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
          ]),
        HTML("title", text: title), HTML(style: Self.style),
      ])
    let body = HTML("body", [], [HTML("main", [], [HTML("h1", text: title)] + sections)])
    return "<!DOCTYPE html>\n" + HTML("html", [("lang", "en")], [head, body]).markup + "\n"
  }

  private static let style = """

    :root { --back: #ffffff; --text: #1b1f24; --faint: #59636e; --line: #d0d7de; --mark: #fff1e5; --markline: #bc4c00;
      --boot: #8250df; --ext: #0969da; --other: #1a7f37; --swap: #9a6700; --none: #6e7781; --gap: #eaeef2; }
    @media (prefers-color-scheme: dark) {
      :root { --back: #0d1117; --text: #e6edf3; --faint: #9198a1; --line: #3d444d; --mark: #2b1d0e; --markline: #f0883e;
        --boot: #a371f7; --ext: #4493f8; --other: #3fb950; --swap: #d29922; --none: #8b949e; --gap: #21262d; }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
    main { max-width: 75rem; margin: 0 auto; padding: 1rem; }
    h1 { font-size: 1.5rem; overflow-wrap: anywhere; }
    h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
    p, li, td, summary { overflow-wrap: anywhere; }
    ul { padding-left: 1.25rem; }
    .facts { color: var(--faint); }
    .warnings { background: var(--mark); border-left: 4px solid var(--markline); padding: .75rem .75rem .75rem 2rem;
      margin: 0; }
    table { width: 100%; border-collapse: collapse; font-size: .875rem; }
    th { text-align: left; font-weight: 600; color: var(--faint); }
    th, td { padding: .3rem .75rem .3rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
    tr.default td { font-weight: 600; }
    td { min-width: 6.5rem; }
    td.short { min-width: 0; white-space: nowrap; }
    tr.failed td { font-weight: 600; background: var(--mark); }
    pre { overflow-x: auto; font-size: .8125rem; line-height: 1.35; }
    svg { display: block; width: 100%; height: auto; }
    svg text { font: 600 28px system-ui, sans-serif; fill: var(--text); text-anchor: middle;
      paint-order: stroke; stroke: var(--back); stroke-width: 8px; stroke-linejoin: round;
      dominant-baseline: central; }
    .boot { fill: var(--boot); } .ext { fill: var(--ext); } .other { fill: var(--other); } .swap { fill: var(--swap); }
    .none { fill: var(--none); } .gap { fill: var(--gap); } .free { fill: var(--back); opacity: .45; }
    .key { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px; }
    .key.boot { background: var(--boot); } .key.ext { background: var(--ext); } .key.other { background: var(--other); }
    .key.swap { background: var(--swap); } .key.none { background: var(--none); } .key.gap { background: var(--gap); }
    .keys { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; font-size: .875rem; }
    img { max-width: 100%; height: auto; border: 1px solid var(--line); }
    figure { margin: 0 0 1rem; }
    figcaption { color: var(--faint); font-size: .875rem; }
    @media (max-width: 60rem) {
      thead { display: none; }
      svg text { font-size: 44px; }
      table, tbody, tr { display: block; }
      tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
      td { display: grid; grid-template-columns: 7.5rem minmax(0, 1fr); border: 0; padding: .1rem 0; }
      td::before { content: attr(data-title); color: var(--faint); font-weight: 400; }
    }

    """
}
