internal import Basics
internal import SystemPackage

/// The drivers of one kernel: which are modules, what each needs first, and which are built in.
///
/// Names are as `modprobe` takes them: `-` and `_` are the same letter.
struct ModuleIndex {
  private var needs: [String: [String]] = [:]
  private var paths: [String: String] = [:]
  private var builtin: Set<String> = []

  /// Reads the text of `modules.dep` (`PATH: PATH PATH`) and `modules.builtin` (a path a line).
  init(dependencies: String, builtin: String) {
    for line in dependencies.split(separator: "\n") {
      let sides = line.split(separator: ":", maxSplits: 1)
      guard let path = sides.first else { continue }
      let name = moduleName(path)
      paths[name] = String(path)
      needs[name] = sides.dropFirst().joined().split(separator: " ").map(moduleName)
    }
    self.builtin = Set(builtin.split(separator: "\n").map(moduleName))
  }

  /// Reads the index of a modules folder.
  ///
  /// - Throws: `Fault`.
  init(of folder: FilePath) throws {
    guard exists(folder.appending("modules.dep")) else { throw Fault.modulesMissing(folder) }
    self.init(
      dependencies: try text(of: folder.appending("modules.dep")),
      builtin: try text(of: folder.appending("modules.builtin")))
  }

  /// Whether the kernel has the driver, as a module or built in.
  func has(_ name: String) -> Bool {
    let name = moduleName(name)
    return paths[name] != nil || builtin.contains(name)
  }

  /// The files to load, relative to the modules folder, so that each comes after all it needs.
  ///
  /// A driver that is built in needs no file. An optional driver that the kernel lacks is left out.
  ///
  /// - Throws: `Fault` for a required driver.
  func loadOrder(of names: [String], required: Bool, folder: FilePath) throws -> [String] {
    var order: [String] = []
    var seen: Set<String> = []
    func visit(_ name: String) throws {
      guard seen.insert(name).inserted else { return }
      guard let path = paths[name] else {
        guard builtin.contains(name) || !required else {
          throw Fault.moduleMissing(name: name, folder: folder)
        }
        return
      }
      for need in needs[name] ?? [] { try visit(need) }
      order.append(path)
    }
    for name in names { try visit(moduleName(name)) }
    return order
  }
}

/// `kernel/fs/nls/nls_iso8859-1.ko.xz` is the module `nls_iso8859_1`.
private func moduleName(_ path: some StringProtocol) -> String {
  let file = path.split(separator: "/").last ?? ""
  return String(file.prefix { $0 != "." }.map { $0 == "-" ? "_" : $0 })
}
