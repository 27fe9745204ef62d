#pragma once
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

/* What Swift does not import: ioctl is variadic, and its request is a macro that takes arguments. */

/* Fills the table, whose nent says for how many entries it has room. Returns 0 or an errno. */
static inline int ckvm_supported_cpuid(int device, struct kvm_cpuid2 *table) {
  return ioctl(device, KVM_GET_SUPPORTED_CPUID, table) < 0 ? errno : 0;
}
