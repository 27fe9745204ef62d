internal import Foundation

/// How long each step of some builds took, and whose work it is.
struct StepTimes {
  /// The times of each step by its name, in the order of the first build; of several steps of one name their sum.
  private var steps: [(name: String, times: [Double])] = []
  /// How long the builds took.
  private var totals: [Double] = []

  /// What a step runs that is not Slipway's own: the rest of its time is what Slipway could save.
  private static let programs = [
    "boot": "libvirt, QEMU", "partitionDisk": "sfdisk", "makeFilesystem": "mkfs",
    "activate": "the system's activation", "installBootLoader": "the system's installBootLoader",
    "powerOff": "kernel, QEMU, libvirt", "export": "qemu-img",
  ]

  /// Adds a build.
  mutating func add(_ measure: SlipwayRun.Measure) {
    totals.append(measure.seconds)
    var sums: [String: Double] = [:]
    for step in measure.steps {
      sums[step.name, default: 0] += step.seconds
      if !steps.contains(where: { $0.name == step.name }) { steps.append((step.name, [])) }
    }
    for index in steps.indices { if let sum = sums[steps[index].name] { steps[index].times.append(sum) } }
  }

  /// Prints a row for each step. Some run side by side, and reading the spec and starting the machine are no steps, so that
  /// the shares need not come to one.
  func print(_ title: String) {
    Swift.print("\n\(title): medians of \(totals.count), and shares of \(number(median(totals))) s")
    for (name, times) in steps {
      let time = median(times)
      let share = String(format: "%3.0f %%", 100 * time / median(totals))
      Swift.print(
        "  \(padded(name, 20)) \(String(format: "%6.3f", time)) s \(share)  \(Self.programs[name] ?? "Slipway")"
      )
    }
    fflush(nil)
  }
}
