internal import CLinux
internal import Glibc

/// The kernel's KVM device.
enum KVMDevice {
  /// Why it cannot serve, as far as the kernel itself tells; nil when nothing speaks against it.
  ///
  /// Opening takes no time and may change within one boot, so it is never cached.
  static func problem(path: String) -> String? {
    let device = open(path, O_RDWR | O_CLOEXEC)
    guard device >= 0 else {
      return switch errno {
      case ENOENT: "\(path) does not exist: virtualisation is off, or not handed down to this machine"
      case EACCES, EPERM: "\(path) may not be opened: join the group that owns it (Debian: kvm)"
      default: "\(path) cannot be opened: \(String(cString: strerror(errno)))"
      }
    }
    defer { close(device) }
    switch guestFeatures(device) {
    case .failure(let code): return "\(path) does not answer: \(String(cString: strerror(code.value)))"
    case .success(let features):
      // Every x86-64 processor with hardware virtualisation has SSE3. A KVM that cannot offer it has none.
      guard features & 1 == 1 else { return "\(path) offers guests no SSE3, so it emulates in software" }
      return nil
    }
  }

  private struct ErrorCode: Error {
    var value: Int32
  }

  /// ECX of CPUID leaf 1, as guests would see it.
  private static func guestFeatures(_ device: Int32) -> Result<UInt32, ErrorCode> {
    let capacity = 256
    let header = MemoryLayout<kvm_cpuid2>.size
    let entrySize = MemoryLayout<kvm_cpuid_entry2>.stride
    return withUnsafeTemporaryAllocation(
      byteCount: header + capacity * entrySize, alignment: MemoryLayout<kvm_cpuid2>.alignment
    ) { buffer in
      buffer.initializeMemory(as: UInt8.self, repeating: 0)
      guard let table = buffer.baseAddress?.assumingMemoryBound(to: kvm_cpuid2.self) else {
        return .failure(ErrorCode(value: ENOMEM))
      }
      table.pointee.nent = UInt32(capacity)
      let code = slipway_kvm_supported_cpuid(device, table)
      guard code == 0 else { return .failure(ErrorCode(value: code)) }
      let entries = (0..<min(Int(table.pointee.nent), capacity)).map {
        buffer.loadUnaligned(fromByteOffset: header + $0 * entrySize, as: kvm_cpuid_entry2.self)
      }
      return .success(entries.first { $0.function == 1 }?.ecx ?? 0)
    }
  }
}
