internal import Basics
internal import Command
internal import SystemPackage

/// The one way in which a file of the host gets to a tool: by a fixed name, in the folder that the tool runs in.
///
/// A path is never an argument. Tools read more than a name in it: options in a leading `-`, a protocol or a remote host
/// in `a:b`, JSON, an offset in `@@`; and mtools hands it to a shell.
struct ToolFolder {
  /// A private folder.
  let path: FilePath

  /// Lets tools reach a file by `name`, which is ours.
  ///
  /// - Throws: `Fault`.
  func link(_ file: FilePath, as name: String) throws {
    do {
      try Folder.link(path.appending(name), to: file.absolute)
    } catch {
      throw Fault(error)
    }
  }

  /// A command that runs in the folder. Names of its files in the arguments are ours, or begin with `./`.
  func command(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:], input: String = ""
  ) -> Command {
    Command(executable, arguments, environment: environment, input: input, folder: path.string)
  }
}
