/* Prints all that a mounted tree is, an entry a line and in order of names: trees are equal when their lines are.
 *
 *     listing ROOT [SECONDS]
 *
 * With SECONDS, inodes that changed after that moment are shown without times, which no two runs share.
 *
 * A row of data is shown by the numbers of its chunks of 64 KiB, the first and the one after the last. Sizes and
 * link counts of directories are left to e2fsck, and so is lost+found. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { CHUNK = 65536 };

static void print_escaped(const char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    unsigned char byte = bytes[i];
    if (byte > ' ' && byte < 0x7f && byte != '\\' && byte != '=')
      putchar(byte);
    else
      printf("\\%02x", byte);
  }
}

/* The first name of each inode that has several. */
static struct link { dev_t device; ino_t inode; char *path; } *links;
static size_t link_count;

static const char *first_name(const struct stat *status, const char *path) {
  for (size_t i = 0; i < link_count; i++)
    if (links[i].inode == status->st_ino && links[i].device == status->st_dev) return links[i].path;
  links = realloc(links, (link_count + 1) * sizeof *links);
  if (!links) err(1, "memory");
  links[link_count] = (struct link){status->st_dev, status->st_ino, strdup(path)};
  return links[link_count++].path;
}

static void print_time(const char *name, struct timespec time) {
  printf(" %s=%jd.%09ld", name, (intmax_t)time.tv_sec, time.tv_nsec);
}

static uint64_t hashed(int file, off_t chunk, uint64_t hash, const char *path) {
  static union { char bytes[CHUNK]; uint64_t words[CHUNK / 8]; } buffer;
  ssize_t count = pread(file, buffer.bytes, CHUNK, chunk * CHUNK);
  if (count < 0) err(1, "read %s", path);
  memset(buffer.bytes + count, 0, CHUNK - count);
  hash = (hash ^ (uint64_t)chunk) * 0x100000001b3;
  for (ssize_t i = 0; i < (count + 7) / 8; i++) {
    hash = (hash ^ buffer.words[i]) * 0x100000001b3;
    hash ^= hash >> 29;
  }
  return hash;
}

/* Where there is data, and a digest of it. What is not data reads as zeros, as the kernel has it. */
static void print_content(const char *path) {
  int file = open(path, O_RDONLY | O_NOFOLLOW);
  if (file < 0) err(1, "open %s", path);
  /* What is in memory of blocks that were allocated and never written would count as data. */
  posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
  uint64_t hash = 0xcbf29ce484222325;
  off_t begin = 0, end = 0, data, hole;
  printf(" data=");
  for (off_t position = 0; (data = lseek(file, position, SEEK_DATA)) >= 0; position = hole) {
    if ((hole = lseek(file, data, SEEK_HOLE)) < 0) err(1, "holes of %s", path);
    if (data / CHUNK > end || !end) {
      if (end) printf("%jd-%jd,", (intmax_t)begin, (intmax_t)end);
      begin = end = data / CHUNK;
    }
    for (; end * CHUNK < hole; end++) hash = hashed(file, end, hash, path);
  }
  if (end) printf("%jd-%jd", (intmax_t)begin, (intmax_t)end);
  printf(" content=%016" PRIx64, hash);
  close(file);
}

static int by_text(const void *left, const void *right) {
  return strcmp(*(char *const *)left, *(char *const *)right);
}

static void print_attributes(const char *path) {
  static char names[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
  char *sorted[1024];
  size_t count = 0;
  ssize_t length = llistxattr(path, names, sizeof names);
  if (length < 0) err(1, "attributes of %s", path);
  for (char *name = names; name < names + length && count < 1024; name += strlen(name) + 1)
    sorted[count++] = name;
  qsort(sorted, count, sizeof *sorted, by_text);
  for (size_t i = 0; i < count; i++) {
    ssize_t size = lgetxattr(path, sorted[i], value, sizeof value);
    if (size < 0) err(1, "attribute %s of %s", sorted[i], path);
    putchar(' ');
    print_escaped(sorted[i], strlen(sorted[i]));
    putchar('=');
    for (ssize_t j = 0; j < size; j++) printf("%02x", (unsigned char)value[j]);
  }
}

static void print_kind(const char *path, const struct stat *status) {
  static char target[PATH_MAX];
  ssize_t length;
  switch (status->st_mode & S_IFMT) {
  case S_IFREG:
    printf(" type=file size=%jd", (intmax_t)status->st_size);
    print_content(path);
    break;
  case S_IFLNK:
    if ((length = readlink(path, target, sizeof target)) < 0) err(1, "link %s", path);
    printf(" type=link size=%jd target=", (intmax_t)status->st_size);
    print_escaped(target, length);
    break;
  case S_IFDIR: printf(" type=directory"); break;
  case S_IFIFO: printf(" type=fifo"); break;
  case S_IFSOCK: printf(" type=socket"); break;
  case S_IFBLK:
  case S_IFCHR:
    printf(" type=%s device=%u:%u", S_ISBLK(status->st_mode) ? "block" : "character",
           major(status->st_rdev), minor(status->st_rdev));
    break;
  default: errx(1, "%s is of an unknown type", path);
  }
}

static void print_entry(const char *path, const char *name, const struct stat *status, time_t moment) {
  print_escaped(name, strlen(name));
  print_kind(path, status);
  printf(" mode=%04o uid=%u gid=%u", status->st_mode & 07777, status->st_uid, status->st_gid);
  if (!S_ISDIR(status->st_mode)) printf(" links=%ju", (uintmax_t)status->st_nlink);
  if (!S_ISDIR(status->st_mode) && status->st_nlink > 1) {
    const char *first = first_name(status, name);
    printf(" first=");
    print_escaped(first, strlen(first));
  }
  if (status->st_ctim.tv_sec <= moment) {
    print_time("mtime", status->st_mtim);
    print_time("atime", status->st_atim);
    print_time("ctime", status->st_ctim);
  }
  print_attributes(path);
  putchar('\n');
}

static int by_name(const FTSENT **left, const FTSENT **right) {
  return strcmp((*left)->fts_name, (*right)->fts_name);
}

int main(int count, char **words) {
  if (count < 2) errx(2, "usage: listing ROOT [SECONDS]");
  time_t moment = count > 2 ? atoll(words[2]) : INT64_MAX;
  char *roots[] = {words[1], NULL};
  FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
  if (!tree) err(1, "%s", words[1]);
  for (FTSENT *entry; (entry = fts_read(tree));) {
    if (entry->fts_info == FTS_DP) continue;
    if (entry->fts_errno) errx(1, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
    if (entry->fts_level == 1 && !strcmp(entry->fts_name, "lost+found")) {
      fts_set(tree, entry, FTS_SKIP);
      continue;
    }
    const char *name = entry->fts_path + strlen(words[1]);
    print_entry(entry->fts_path, *name ? name : "/", entry->fts_statp, moment);
  }
  return fflush(stdout) ? 1 : 0;
}
