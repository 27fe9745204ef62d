internal import Basics
import Testing

@testable import ImageBuilder

@Suite struct BootVerdictTests {
  private let login = VerifyRequest.loginPrompt

  @Test func aLoginPromptIsUp() throws {
    var verdict = try BootVerdict(expect: login)
    #expect(verdict.read("Welcome to NixOS\r\n\r\nnixos lo") == .open)
    #expect(verdict.read("gin: ") == .up("nixos login: "))
  }

  /// A unit that starts later, or a driver, writes behind it before it is read.
  @Test(arguments: [
    "[  OK  ] Started dbus.service.\r\n", "[   12.5] random: crng init done\r\n",
    "         Starting nscd...\r\n",
  ])
  func aPromptWithAMessageBehindItIsUp(message: String) throws {
    var verdict = try BootVerdict(expect: login)
    #expect(verdict.read("\r\nnixos login: \(message)") == .up("nixos login: "))
  }

  @Test(arguments: ["Last login: Fri Nov 27 on tty1\n", "login: failed for root\n", "pam_login: [x]\n"])
  func otherWordsOfALoginAreNone(console: String) throws {
    var verdict = try BootVerdict(expect: login)
    #expect(verdict.read("noise\n\(console)more\n") == .open)
  }

  @Test func controlSequencesBetweenTheWordsDoNotHideIt() throws {
    var verdict = try BootVerdict(expect: "nixos login:")
    #expect(
      verdict.read("\u{1b}[2J\u{1b}[01;01H\u{1b}[0mnixos\u{1b}[1;32m login\u{1b}[0m: ") == .up("nixos login:")
    )
  }

  @Test(arguments: [
    ("[    1.5] Kernel panic - not syncing: Attempted to kill init!\n", "the kernel panicked"),
    ("You are in emergency mode. After logging in, type\n", "emergency shell"),
    ("BdsDxe: No bootable option or device was found.\n", "the firmware found nothing to boot"),
    ("UEFI Interactive Shell v2.2\nEDK II\n", "the firmware found nothing to boot"),
    ("An error occurred in stage 1 of the boot process, which must mount the\n", "the initrd"),
  ])
  func aLostBootIsSeenAtOnce(console: String, reason: String) throws {
    var verdict = try BootVerdict(expect: login)
    guard case .lost(let why) = verdict.read("noise\n" + console) else {
      Issue.record("not seen: \(console)")
      return
    }
    #expect(why.contains(reason))
  }

  @Test func whatSecureBootRefusedIsTheReason() throws {
    var verdict = try BootVerdict(expect: login)
    let console = """
      BdsDxe: failed to load Boot0003 "Linux Boot Manager" from HD(1,GPT,A)/\\EFI\\B.EFI: Access Denied
      BdsDxe: No bootable option or device was found.

      """
    guard case .lost(let why) = verdict.read(console) else {
      Issue.record("not seen")
      return
    }
    #expect(why.contains("signature") && why.contains("Linux Boot Manager"))
  }

  @Test(arguments: [
    "Error loading \\EFI\\nixos\\k.efi: Load Error", "error: file `/kernels/k' not found.",
    "EFI stub: ERROR: Failed to open file: \\EFI\\nixos\\initrd.efi",
    "BdsDxe: failed to load Boot0003 \"Linux Boot Manager\" from HD(1,GPT,A)/\\EFI\\B.EFI: Not Found",
  ])
  func whatWasSaidFirstIsTheCauseOfALoss(line: String) throws {
    var verdict = try BootVerdict(expect: login)
    #expect(verdict.read("noise\n" + line) == .open)
    #expect(verdict.complaints.isEmpty, "a line that is not over")
    guard case .lost(let why) = verdict.read("\nmore\nUEFI Interactive Shell v2.2\n") else {
      Issue.record("not seen")
      return
    }
    #expect(why.contains("started its shell") && why.contains("before that: \(line)"), "\(why)")
    #expect(verdict.complaints == [line])
  }

  @Test func aComplaintIsNoLoss() throws {
    var verdict = try BootVerdict(expect: login)
    let line = "BdsDxe: failed to load Boot0001 \"Gone\" from HD(1): Not Found"
    #expect(verdict.read("\(line)\n\(line)\n") == .open)
    #expect(verdict.read("nixos login: ") == .up("nixos login: "))
    #expect(verdict.complaints == [line])
  }

  @Test func theEntryThatTheFirmwareStartedLastIsKnown() throws {
    var verdict = try BootVerdict(expect: login)
    #expect(verdict.read("BdsDxe: starting Boot0001 \"First\" from HD(1)\r\n") == .open)
    #expect(
      verdict.read("BdsDxe: loading Boot0042 \"\u{1b}[31mOther\" from HD(2)\r\nBdsDxe: starting Boo") == .open
    )
    #expect(verdict.started == "Boot0001 \"First\" from HD(1)", "a line that is not over")
    #expect(verdict.read("t0042 \"Other\" from HD(2)\r\n") == .open)
    #expect(verdict.started == "Boot0042 \"Other\" from HD(2)")
  }

  @Test func aLossOutweighsTheExpectedText() throws {
    var verdict = try BootVerdict(expect: "panic")
    guard case .lost = verdict.read("Kernel panic - not syncing: x\n") else {
      Issue.record("a panic passed for a sign of life")
      return
    }
  }

  @Test func textThatArrivesByteByByteIsFound() throws {
    var verdict = try BootVerdict(expect: "nixos login:")
    let verdicts = (String(repeating: "boot noise\n", count: 200) + "nixos login:").map {
      verdict.read(String($0))
    }
    #expect(verdicts.last == .up("nixos login:"))
    #expect(verdicts.dropLast().allSatisfy { $0 == .open })
  }

  @Test func aCombiningMarkHidesNeitherTextNorLoss() throws {
    var verdict = try BootVerdict(expect: "login:")
    #expect(verdict.read("nixos login:\u{301}") == .up("nixos login:"))
    var lost = try BootVerdict(expect: "login:")
    guard case .lost = lost.read("Kernel panic - not syncing\u{301}: x") else {
      Issue.record("a mark hid the panic")
      return
    }
  }

  @Test func aBadExpressionIsBadInput() throws {
    let error = try #require(throws: Fault.self) { try BootVerdict(expect: "(") }
    #expect(error.kind == .badInput)
  }
}
