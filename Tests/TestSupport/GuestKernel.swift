internal import Foundation
internal import Testing

/// The kernel for guests that tests make by themselves.
package enum GuestKernel {
  /// The newest of Debian's cloud kernels on this machine.
  package static func path() throws -> String { "/boot/vmlinuz-" + (try version()) }

  /// Its version, by which its modules are found.
  package static func version() throws -> String {
    let names = try FileManager.default.contentsOfDirectory(atPath: "/boot")
    let kernels = names.filter { $0.hasPrefix("vmlinuz-") && $0.hasSuffix("-cloud-amd64") }
    let newest = try #require(kernels.max(), "make setup installs linux-image-cloud-amd64")
    return String(newest.dropFirst("vmlinuz-".count))
  }
}
