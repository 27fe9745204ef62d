internal import Basics
internal import Command
internal import Foundation
internal import Subprocess
internal import Synchronization
internal import SystemPackage

/// Cleans up after a process that uses machines, however that process ends.
///
/// A shell waits, in a session of its own, on a pipe whose other end only this process holds. When this process
/// is gone, even by `kill -9`, the shell kills the hypervisors of the embedded driver and every command that the
/// process has started, and removes the folders. The folder alone says what to do, so the same script also clears
/// what an earlier crash left.
enum Watchdog {
  /// `$1` is the folder of a `ProcessFolder`.
  ///
  /// What a process of ours has started carries the mark in its environment, whatever group or session it is in. Its
  /// group is killed with it, unless another's process leads it.
  static let script = """
    trap '' HUP INT QUIT TERM
    folder=$1
    kill_hypervisors() {
      for file in "$folder"/libvirt/run/qemu/*.pid "$folder"/libvirt/lib/qemu/qmp-*/qmp.pid; do
        pid=$(cat "$file" 2>/dev/null) || continue
        # A pid may be in use again; ours is the one whose arguments name this folder.
        if grep -qaF -- "$folder/" "/proc/$pid/cmdline" 2>/dev/null; then kill -KILL "$pid"; fi
      done
    }
    kill_commands() {
      mark=$(cat "$folder/mark" 2>/dev/null) && [ -n "$mark" ] || return 0
      marked=" $(grep -lzxF -- "$mark" /proc/[0-9]*/environ 2>/dev/null | tr '\\n' ' ')"
      for environment in $marked; do
        pid=${environment#/proc/}
        pid=${pid%/environ}
        stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
        group=$(set -f; set -- ${stat##*) }; echo "$3")
        kill -KILL "$pid" 2>/dev/null
        case "$marked" in *" /proc/$group/environ "*) led=yes;; *) led=no;; esac
        if [ $led = yes ] || [ ! -e "/proc/$group" ]; then kill -KILL "-$group" 2>/dev/null; fi
      done
    }
    remove() {
      rm -rf --one-file-system -- "$1" && return 0
      # An ordinary user removes nothing from a folder without write permission.
      if [ -d "$1" ] && [ ! -L "$1" ]; then
        find "$1" -xdev -type d ! -perm -700 -exec chmod u+rwx '{}' +
        rm -rf --one-file-system -- "$1"
      fi
    }
    # A line says that the process ends in order. Without it a hypervisor may be just about to start.
    if read -r _; then passes=1; else passes=2; fi
    while [ $passes -gt 0 ]; do
      kill_hypervisors
      kill_commands
      passes=$((passes - 1))
      if [ $passes -gt 0 ]; then sleep 1; fi
    done
    tries=0
    while [ $tries -lt 60 ]; do
      left=no
      for link in "$folder"/leftovers/*; do
        if [ -L "$link" ]; then remove "$(readlink "$link")" || left=yes; fi
      done
      if [ $left = no ] && remove "$folder"; then
        # The last process of a user leaves nothing.
        rmdir -- "${folder%/*}" 2>/dev/null
        exit 0
      fi
      # A command that is being started has no mark yet.
      kill_commands
      tries=$((tries + 1))
      sleep 1
    done
    exit 1
    """

  /// Starts to watch over this process, and returns when that has begun.
  ///
  /// - Throws: `Errno` when there is no pipe, `SubprocessError` when there is no shell.
  static func start(over folder: FilePath) async throws {
    let (reading, writing) = try FileDescriptor.pipe(options: .closeOnExec)
    var options = PlatformOptions()
    options.createSession = true
    let configuration = Configuration(
      executable: .path("/bin/sh"), arguments: arguments(folder),
      // Also when a command of another slipway started this one: that one's watchdog must not kill this one's.
      environment: .inherit.updating([Environment.Key(stringLiteral: ProcessMark.variable): nil]),
      platformOptions: options)
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
  rmdir(watched.folder.removingLastComponent().string)
}
