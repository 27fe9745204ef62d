internal import Foundation
internal import Subprocess
internal import Synchronization
internal import SystemPackage

/// Cleans up after a process that uses machines, however that process ends.
///
/// A shell waits, in a session of its own, on a pipe whose other end only this process holds. When this process
/// is gone, even by `kill -9`, the shell kills the hypervisors of the embedded driver and removes the folders.
/// The folder alone says what to do, so the same script also clears what an earlier crash left.
enum Watchdog {
  /// `$1` is the folder of a `ProcessFolder`.
  static let script = """
    trap '' HUP INT QUIT TERM
    # A line says that the process ends in order. Without it a hypervisor may be just about to start.
    if read -r _; then passes=1; else passes=2; fi
    while [ $passes -gt 0 ]; do
      for file in "$1"/libvirt/run/qemu/*.pid "$1"/libvirt/lib/qemu/qmp-*/qmp.pid; do
        pid=$(cat "$file" 2>/dev/null) || continue
        # A pid may be in use again; ours is the one whose arguments name this folder.
        if grep -qaF -- "$1/" "/proc/$pid/cmdline" 2>/dev/null; then kill -KILL "$pid"; fi
      done
      passes=$((passes - 1))
      if [ $passes -gt 0 ]; then sleep 1; fi
    done
    for link in "$1"/leftovers/*; do
      if [ -L "$link" ]; then rm -rf -- "$(readlink "$link")"; fi
    done
    rm -rf -- "$1"
    """

  /// Starts to watch over this process, and returns when that has begun.
  ///
  /// - Throws: `Errno` when there is no pipe, `SubprocessError` when there is no shell.
  static func start(over folder: FilePath) async throws {
    let (reading, writing) = try FileDescriptor.pipe(options: .closeOnExec)
    var options = PlatformOptions()
    options.createSession = true
    let configuration = Configuration(
      executable: .path("/bin/sh"), arguments: arguments(folder), platformOptions: options)
    let started = OneShot<Result<Void, any Error>>()
    Task.detached {
      do {
        _ = try await Subprocess.run(
          configuration, input: .fileDescriptor(reading, closeAfterSpawningProcess: true),
          output: .discarded, error: .discarded
        ) { _ in started.set(.success(())) }
      } catch {
        started.set(.failure(error))
      }
    }
    try await started.get().get()
    watched.withLock { $0 = Watched(folder: folder, pipe: writing) }
    atexit(endInOrder)
  }

  /// Does the work of the watchdog of a process that is gone.
  static func clear(_ folder: FilePath) async throws {
    _ = try await Subprocess.run(
      .path("/bin/sh"), arguments: arguments(folder), input: .string("in order\n"), output: .discarded,
      error: .discarded)
  }

  private static func arguments(_ folder: FilePath) -> Arguments {
    Arguments(["-c", script, "slipway-watchdog", folder.string])
  }
}

private struct Watched {
  var folder: FilePath
  var pipe: FileDescriptor
}

private let watched = Mutex<Watched?>(nil)

/// Tells the watchdog, and waits until it has cleaned up, so that nothing is left when this process is gone.
private func endInOrder() {
  guard let watched = watched.withLock({ $0 }) else { return }
  _ = try? watched.pipe.writeAll("in order\n".utf8)
  try? watched.pipe.close()
  for _ in 0..<400 where access(watched.folder.string, F_OK) == 0 { usleep(5_000) }
}
