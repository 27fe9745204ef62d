internal import Basics
internal import Command
internal import Foundation

/// What shows a guest's screen, checked before there is a machine.
struct GuestScreen: Sendable {
  /// Placeholders of the domain template.
  let values: [String: String]

  /// Without one, or with one that nobody sees.
  private static let none = [
    "screen": "", "display": "", "xauth": "", "vncAddress": "", "vncPort": "", "vncAutoport": "",
  ]
  /// libvirt takes no other ports.
  private static let vncPorts: ClosedRange<UInt16> = 5900...65535

  /// - Parameter environment: this process's.
  /// - Throws: `Fault` where nothing can show it.
  init(
    _ view: RunRequest.View, environment: [String: String] = ProcessInfo.processInfo.environment,
    runner: any CommandRunner = SubprocessRunner()
  ) async throws {
    switch view {
    case .console: values = Self.none
    case .window: values = Self.none.merging(try await Self.window(environment, runner)) { $1 }
    case .vnc(let place):
      let port = place.port
      guard port.map(Self.vncPorts.contains) ?? true else {
        throw Fault(
          .badInput, "the screen cannot be on the port \(port ?? 0)",
          remedy:
            "Use \(Self.vncPorts.lowerBound) to \(Self.vncPorts.upperBound), or none: libvirt chooses one then"
        )
      }
      let own = [
        "screen": "yes", "vncAddress": place.address, "vncPort": port.map { "\($0)" } ?? "-1",
        "vncAutoport": port == nil ? "yes" : "no",
      ]
      values = Self.none.merging(own) { $1 }
    }
  }

  private static func window(
    _ environment: [String: String], _ runner: any CommandRunner
  ) async throws -> [String: String] {
    guard let display = environment["DISPLAY"], !display.isEmpty else {
      let hasWayland = environment["WAYLAND_DISPLAY"]?.isEmpty == false
      throw Fault(
        .hostNotAble, "there is no display for a window",
        cause: hasWayland
          ? "DISPLAY is not set, and WAYLAND_DISPLAY alone is not enough: the window needs X or Xwayland"
          : "DISPLAY is not set",
        remedy: "Use --vnc, or leave out --window for the serial console")
    }
    let emulator = Architecture.current.emulator
    // What it cannot load it reports on standard error.
    let kinds = try await runner.run(emulator, "-display", "help").split(whereSeparator: \.isNewline)
    guard kinds.contains("sdl") else {
      throw Fault(
        .hostNotAble, "\(emulator) cannot open a window", cause: "it has no display of the kind sdl",
        remedy: "Install it (Debian: qemu-system-gui), or use --vnc")
    }
    var values = ["screen": "yes", "display": display]
    // Where X looks without the variable (Xsecurity(7)).
    let cookies =
      environment["XAUTHORITY"] ?? XDGFolders(environment: environment).home.map { "\($0)/.Xauthority" }
    if let cookies, FileManager.default.isReadableFile(atPath: cookies) { values["xauth"] = cookies }
    return values
  }
}
