import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// The ends of a run that have nothing to do with images: what is printed, to whom, and how it is taken down.
@Suite(.virtualMachines, .serialized) struct EndsTests {
  private static let slipway = SlipwayCommand.executable.string

  /// Runs a shell script, in which `$slipway` is the executable and `$system` a small system.
  private func shell(_ script: String, in scratch: FilePath) async throws -> SlipwayCommand.Result {
    let prefix = """
      slipway='\(FilePath(FileManager.default.currentDirectoryPath).pushing(SlipwayCommand.executable))'
      system='\(try await TestSystem.path("tiny"))'
      cd '\(scratch)' || exit 99

      """
    return try await SlipwayCommand.run([], wrapper: ["bash", "-c", prefix + script, "--"])
  }

  /// Commands whose data cannot be written.
  static let data = [
    "$slipway --help", "$slipway --version", "$slipway build --help", "$slipway doctor",
    "$slipway doctor --json",
    "$slipway --generate-completion-script bash", "$slipway plan --system $system",
    "$slipway plan --system $system --json", "$slipway efivars show store",
    "$slipway efivars show store --json",
    "$slipway efivars get store BootOrder --raw", "$slipway efivars diff store other",
  ]

  @Test(arguments: data, [">/dev/full", ">&-", "> >(exec true; sleep 0)"])
  func dataThatIsLostIsAFailureInOneLine(command: String, place: String) async throws {
    try await withScratchDirectory { scratch in
      let stores = """
        cp /usr/share/OVMF/OVMF_VARS_4M.fd empty
        $slipway efivars set empty BootOrder --hex 0000 --out store && cp empty other || exit 98
        sleep 0.2

        """
      let gone = place.contains("exec true") ? "{ sleep 0.3; \(command); }" : command
      let result = try await shell(stores + "\(gone) \(place); exit $?", in: scratch)
      #expect(result.status == 1 || result.status == 3, "\(result.status) \(result.errors)")
      #expect(result.cause.contains("standard output could not be written"), "\(result.errors)")
      #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    }
  }

  @Test func progressThatNobodyReadsStopsNoBuild() async throws {
    try await withScratchDirectory { scratch in
      let build = "$slipway build --system $system --only-nix-store"
      let result = try await shell(
        """
        \(build) --out a 2>&1 | head -n 1; echo "a ${PIPESTATUS[0]}"
        \(build) --out b 2>/dev/full; echo "b $?"
        \(build) --out c 2>&-; echo "c $?"
        \(build) --out d --progress json | head -n 1; echo "d ${PIPESTATUS[0]}"
        \(build) --out e >/dev/full; echo "e $?"
        \(build) --out f >&- 2>&- <&-; echo "f $?"
        ls a b c d e f
        """, in: scratch)
      for line in ["a 0", "b 0", "c 0", "d 1", "e 1", "f 1"] {
        #expect(result.output.contains(line), "\(result.output)\n\(result.errors)")
      }
      #expect(result.output.components(separatedBy: "manifest.json").count == 7, "\(result.output)")
    }
  }

  @Test(arguments: [("-n 24", "ulimit -n"), ("-n 16", "ulimit -n"), ("-v 2000000", "ulimit -v")])
  func aLimitThatIsTooLowIsNamed(limit: String, name: String) async throws {
    try await withScratchDirectory { scratch in
      let result = try await shell("ulimit \(limit); exec $slipway plan --system $system", in: scratch)
      #expect(result.status == 3, "\(result.status) \(result.errors)")
      #expect(result.cause.contains(name), "\(result.errors)")
    }
  }

  @Test func aFileSizeLimitIsNoSignal() async throws {
    try await withScratchDirectory { scratch in
      let result = try await shell(
        "ulimit -f 1000; exec $slipway build --system $system --only-nix-store --out r", in: scratch)
      #expect(result.status == 1, "\(result.status) \(result.errors)")
      #expect(result.errors.contains("File too large"), "\(result.errors)")
    }
  }

  @Test(arguments: ["", "TERM=dumb", "NO_COLOR=1"])
  func aTerminalGetsEscapesUnlessItIsToldNotTo(setting: String) async throws {
    try await withScratchDirectory { scratch in
      let result = try await shell(
        """
        unset NO_COLOR; export TERM=xterm; export \(setting) NONE=
        script -qec "$slipway build --system $system --only-nix-store --out r --disk-size 1M" shown >/dev/null
        cat shown
        """, in: scratch)
      #expect(result.output.contains("\u{1B}[K") == setting.isEmpty, "\(result.output)")
      #expect(result.output.contains("slipway: "), "\(result.output)")
    }
  }

  @Test func noLiveLineIsWiderThanTheTerminal() async throws {
    try await withScratchDirectory { scratch in
      let result = try await shell(
        """
        unset NO_COLOR COLUMNS; export TERM=xterm
        script -qec "stty cols 20; $slipway build --system $system --only-nix-store --out r" shown >/dev/null
        cat shown
        """, in: scratch)
      let live = result.output.split(separator: "\u{1B}[K").filter { $0.hasPrefix("…") }
      #expect(!live.isEmpty, "\(result.output)")
      for line in live { #expect(line.prefix { !$0.isNewline }.count < 20, "\(result.output)") }
    }
  }

  @Test func aQuietBuildSaysNothing() async throws {
    try await withScratchDirectory { scratch in
      let build = "build --quiet --system $system --only-nix-store --out r"
      let result = try await shell("$slipway \(build) && exec $slipway \(build)", in: scratch)
      #expect(result.status == 2 && result.output.isEmpty, "\(result.output)")
      #expect(result.errors.hasPrefix("slipway: "), "\(result.errors)")
    }
  }

  /// As it is printed, for paths that a shell and QEMU would take apart. What it runs is as before.
  @Test func theCommandOfTheSummaryRunsTheImage() async throws {
    try await withScratchDirectory { scratch in
      let result = try await shell(
        """
        out="it's, here"
        $slipway build --system $system --format qcow2 --out "$out" >summary 2>log || { cat log; exit 99; }
        sha256sum "$out"/* >before 2>/dev/null
        timeout 300 sh -c "exec $(tail -n 1 summary)" </dev/null >console 2>&1 &
        until grep -q 'login:' console; do sleep 0.5; kill -0 $! || break; done
        kill $!; wait $!
        cat summary console
        sha256sum "$out"/* 2>/dev/null | diff before - && grep -q 'login:' console
        """, in: scratch)
      #expect(result.status == 0, "\(result.output)")
      #expect(result.output.contains(#"boots by EFI: systemd-boot, \EFI\systemd\systemd-bootx64.efi"#))
      #expect(result.output.contains("free in the root: "), "\(result.output)")
    }
  }

  @Test(.enabled(if: geteuid() == 0), arguments: ["200k", "20M"])
  func aFullOutputFilesystemIsNamedWithWhatItHasAndWhatIsNeeded(size: String) async throws {
    try await withScratchDirectory { scratch in
      let result = try await shell(
        """
        mkdir small && mount -t tmpfs -o size=\(size) tmpfs small || exit 99
        $slipway build --system $system --only-nix-store --out small/r; status=$?
        ls -A small; umount small; exit $status
        """, in: scratch)
      #expect(result.status == 1, "\(result.status) \(result.errors)")
      #expect(result.cause.contains("the filesystem \(scratch)/small"), "\(result.errors)")
      #expect(result.cause.contains("is full: "), "\(result.errors)")
      #expect(result.cause.contains("free"), "\(result.errors)")
    }
  }

  @Test func aDigestIsInterruptedWithinASecond() async throws {
    try await withScratchDirectory { scratch in
      let result = try await shell(
        """
        $slipway build --system $system --only-nix-store --disk-size 1T --out r 2>log &
        until grep -q '^digest' log; do sleep 0.1; kill -0 $! || exit 99; done
        start=$(date +%s%N); kill -TERM $!; wait $!; status=$?
        echo "took $((($(date +%s%N) - start) / 1000000))"; ls -A; exit $status
        """, in: scratch)
      #expect(result.status == 130, "\(result.status) \(result.output)")
      let milliseconds = result.output.split(separator: "\n").first.flatMap { Int($0.dropFirst(5)) }
      #expect(milliseconds.map { $0 < 3000 } == true, "\(result.output)")
      #expect(!result.output.contains("slipway-"), "\(result.output)")
    }
  }

  /// However a run is killed, what it has started and what it has made is gone soon.
  @Test(arguments: ["KILL", "HUP", "INT INT", "TERM TERM"])
  func aKilledRunLeavesNoProcessAndNoFile(signals: String) async throws {
    try await withScratchDirectory { scratch in
      let result = try await shell(
        """
        cat >pre.sh <<'END'
        mkdir in; chmod 555 in; (setsid sleep 987 &); sh -c 'sleep 988 & wait' & echo up; sleep 989
        END
        $slipway build --system $system --out r --verbose --pre-vm pre.sh 2>log &
        until grep -q 'up$' log; do sleep 0.1; kill -0 $! || { cat log; exit 99; }; done
        for signal in \(signals); do kill -$signal $!; sleep 0.3; done
        wait $!; echo "status $?"
        for n in $(seq 100); do
          ps -eww -o args= | grep -q '^sleep 98[789]$' || ls -A | grep -q '^.slipway-' || break; sleep 0.1
        done
        ps -eww -o args= | grep '^sleep 98[789]$'; ls -A; cat log
        """, in: scratch)
      #expect(!result.output.contains("sleep 98"), "\(result.output)")
      #expect(!result.output.contains(".slipway-"), "\(result.output)")
      if signals.contains(" ") { #expect(result.output.contains("status 130"), "\(result.output)") }
    }
  }
}
