internal import Glibc

/// The guest's only program of ours. The kernel starts it as `/init`; it then starts itself again as the
/// agent:
///
/// ```
/// kernel ─► FirstProcess (PID 1): mounts, modules, reaping ─► Agent: the port, the steps
///              └─ says so on the console and powers off when the agent is dead
/// ```
///
/// The kernel's command line must have `SWIFT_ROOT=/`, which becomes a variable of PID 1: a static Swift
/// program looks for itself in `/proc` before `main`, and aborts where neither is there.
@main
struct SlipwayAgent {
  static func main() {
    if getpid() == 1 {
      FirstProcess.run()
    }
    // Powering off is the agent's answer to nearly everything, so it must never run on anyone's own machine.
    guard getppid() == 1, CommandLine.arguments.dropFirst() == [FirstProcess.agentArgument] else {
      Console.say("this program runs as the first process of Slipway's build guest, and nowhere else")
      exit(2)
    }
    Agent.run()
  }
}
