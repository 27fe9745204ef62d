internal import Foundation
internal import SystemPackage

/// How a machine that a test boots is given the host's Nix store, under the tag `store`.
package enum HostShare: String, CaseIterable, Sendable {
  case ninePFS = "9p"
  case virtiofs

  /// Debian 12's, of the package qemu-system-common.
  private static let daemon = "/usr/lib/qemu/virtiofsd"

  /// Whether this host has what serves it.
  package var isAvailable: Bool {
    self == .ninePFS || FileManager.default.isExecutableFile(atPath: Self.daemon)
  }

  /// What a shell does in front of QEMU. It becomes QEMU, and what it started ends with it.
  func preparation(socket: FilePath) -> String {
    switch self {
    case .ninePFS: ""
    case .virtiofs:
      """
      setpriv --pdeathsig KILL \(Self.daemon) --socket-path='\(socket)' -o source=/nix/store -o sandbox=chroot 2>&- &
      until [ -S '\(socket)' ]; do kill -0 $! || exit 1; sleep 0.05; done
      """
    }
  }

  /// QEMU's arguments, for a machine with a GiB of memory.
  func arguments(socket: FilePath) -> [String] {
    switch self {
    case .ninePFS: ["-virtfs", "local,path=/nix/store,mount_tag=store,security_model=none,readonly=on"]
    case .virtiofs:
      [
        "-object", "memory-backend-memfd,id=memory,size=1G,share=on", "-numa", "node,memdev=memory",
        "-chardev", "socket,id=share,path=\(socket)", "-device", "vhost-user-fs-pci,chardev=share,tag=store",
      ]
    }
  }
}
