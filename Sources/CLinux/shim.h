// What Swift cannot import: variadic syscall(2), and constants that are function-like macros.
#ifndef SLIPWAY_CLINUX_H
#define SLIPWAY_CLINUX_H

// No _GNU_SOURCE: with it some structures have other members than in Swift's own view of glibc, and a file that
// imports both does not compile.

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

// Of <sys/mount.h>, which would also bring `struct stat` into this module and out of Glibc's.
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);

/// Writes back and drops the cached blocks of a block device.
static const unsigned long slipway_BLKFLSBUF = BLKFLSBUF;

/// Reads the partition table of a disk anew.
static const unsigned long slipway_BLKRRPART = BLKRRPART;

/// Hidden without _GNU_SOURCE, and <fcntl.h> would bring `struct stat` into this module.
#if defined(__aarch64__) || defined(__arm__)
static const int slipway_O_DIRECT = 0200000;
#else
static const int slipway_O_DIRECT = 040000;
#endif

/// POSIX_SPAWN_SETSID of <spawn.h>, hidden without _GNU_SOURCE.
static const short slipway_POSIX_SPAWN_SETSID = 0x80;

/// glibc has no wrapper of finit_module(2).
static inline int slipway_finit_module(int fd, const char *parameters) {
  return (int)syscall(SYS_finit_module, fd, parameters, 0);
}

/// Opens `path` with every component, links included, resolved as if `directory` were the root.
static inline int slipway_open_in_root(int directory, const char *path, int flags) {
  struct open_how how = {.flags = (unsigned long)flags, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

/// Hidden without _GNU_SOURCE.
static inline int slipway_syncfs(int fd) {
  return (int)syscall(SYS_syncfs, fd);
}

/// The function has the name of its structure, which Swift resolves to the latter.
static inline int slipway_statfs(const char *path, struct statfs *status) {
  return statfs(path, status);
}

/// Swaps two names of one filesystem in one step; Swift's view of glibc lacks renameat2(2).
static inline int slipway_exchange(int directory, const char *first, const char *second) {
  return (int)syscall(SYS_renameat2, directory, first, directory, second, RENAME_EXCHANGE);
}

/// Mount flags without the anonymous enum that gives them awkward types in Swift.
static const unsigned long slipway_MS_RDONLY = MS_RDONLY;
static const unsigned long slipway_MS_NOSUID = MS_NOSUID;
static const unsigned long slipway_MS_NODEV = MS_NODEV;
static const unsigned long slipway_MS_NOEXEC = MS_NOEXEC;
static const unsigned long slipway_MS_NOATIME = MS_NOATIME;
static const unsigned long slipway_MS_BIND = MS_BIND;
static const unsigned long slipway_MS_REC = MS_REC;

/// Makes a range of a file read as zeros, and gives its blocks back. fallocate(2) is hidden without _GNU_SOURCE.
static inline int slipway_punch_hole(int file, long offset, long length) {
  return (int)syscall(SYS_fallocate, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

/// Copies a range of one file to the offset of another inside the kernel, which shares blocks where the filesystem can.
/// copy_file_range(2) is hidden without _GNU_SOURCE.
static inline long slipway_copy_range(int from, long *position, int to, unsigned long length) {
  return syscall(SYS_copy_file_range, from, position, to, (void *)0, length, 0);
}

/// Has a range of one file share the blocks of another (ioctl_ficlonerange(2)). Returns 0, or -1 with errno set.
static inline int slipway_clone_range(int from, long position, long length, int to, long offset) {
  struct file_clone_range range = {
      .src_fd = from,
      .src_offset = (unsigned long)position,
      .src_length = (unsigned long)length,
      .dest_offset = (unsigned long)offset,
  };
  return ioctl(to, FICLONERANGE, &range);
}

/// Opens a name of `directory` that is neither a link nor on another mount (openat2(2), Linux 5.6).
static inline int slipway_open_on_this_mount(int directory, const char *name, int flags) {
  struct open_how how = {.flags = (unsigned long)flags, .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};
  return (int)syscall(SYS_openat2, directory, name, &how, sizeof how);
}

/// Starts the write-back of a range of a file, and waits for it (sync_file_range(2)).
static inline int slipway_write_back(int file, long offset, long length) {
  return (int)syscall(SYS_sync_file_range, file, offset, length, 7);
}

/// Adds random bytes, which count in full, to those that the kernel's generator is seeded with (random(4)), and seeds it
/// anew. Returns 0, or -1 with errno set.
static inline int slipway_add_entropy(int random, const void *bytes, int count) {
  struct {
    struct rand_pool_info info;
    unsigned char bytes[64];
  } pool = {.info = {.entropy_count = 8 * count, .buf_size = count}};
  if (count < 0 || count > (int)sizeof pool.bytes) {
    errno = EINVAL;
    return -1;
  }
  __builtin_memcpy(pool.info.buf, bytes, (unsigned long)count);
  if (ioctl(random, RNDADDENTROPY, &pool) < 0) return -1;
  return ioctl(random, RNDRESEEDCRNG);
}

/// Reads the processors that a thread may run on, one bit each (sched_setaffinity(2)). Returns the bytes that the kernel has, or
/// -1 with errno set.
static inline int slipway_get_affinity(int thread, unsigned long *mask, unsigned long bytes) {
  return (int)syscall(SYS_sched_getaffinity, thread, bytes, mask);
}

/// Sets the processors that a thread may run on. Returns 0, or -1 with errno set.
static inline int slipway_set_affinity(int thread, const unsigned long *mask, unsigned long bytes) {
  return (int)syscall(SYS_sched_setaffinity, thread, bytes, mask);
}

static const int slipway_O_PATH = 010000000;
/// To be given with O_DIRECTORY.
static const int slipway_O_TMPFILE = 020000000;

/// Hidden without _GNU_SOURCE; from the kernel's <linux/fs.h> and <asm-generic/fcntl.h>.
static const int slipway_SEEK_DATA = SEEK_DATA;
static const int slipway_SEEK_HOLE = SEEK_HOLE;
static const int slipway_O_NOATIME = 01000000;
static const int slipway_F_OFD_GETLK = 36;
static const int slipway_F_OFD_SETLK = 37;

/// Fills the table, whose nent says for how many entries it has room. Returns 0 or an errno.
static inline int slipway_kvm_supported_cpuid(int device, struct kvm_cpuid2 *table) {
  return ioctl(device, KVM_GET_SUPPORTED_CPUID, table) < 0 ? errno : 0;
}

#endif
