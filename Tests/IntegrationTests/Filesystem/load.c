/* Writes into a tree in every way that a busy system does. The same on every filesystem: what it leaves is
 * compared with what it leaves on the source of the tree.
 *
 *     load ROOT first|fill|drain|second
 *
 * `fill` writes until nothing more fits, then removes every other file; `drain` removes the rest. */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { CHUNK = 65536, MEBIBYTE = 1 << 20 };

static char buffer[MEBIBYTE];

#define CHECK(call) do { if ((call) < 0) err(1, "%s (line %d)", #call, __LINE__); } while (0)

static const char *path(const char *format, int number) {
  static char text[512];
  snprintf(text, sizeof text, format, number);
  return text;
}

/* Writes bytes that tell which file they are of, and where. */
static int put(int file, off_t offset, size_t size, unsigned seed) {
  for (size_t done = 0; done < size;) {
    size_t part = size - done < sizeof buffer ? size - done : sizeof buffer;
    for (size_t i = 0; i < part; i += 8) {
      uint64_t word = (seed + 1) * 0x9e3779b97f4a7c15 ^ (uint64_t)(offset + done + i + 1);
      memcpy(buffer + i, &word, 8);
    }
    ssize_t written = pwrite(file, buffer, part, offset + done);
    if (written < 0) return -1;
    done += written;
  }
  return 0;
}

static void edit(const char *name, int flags, off_t offset, size_t size, unsigned seed) {
  int file = open(name, O_WRONLY | flags, 0640);
  if (file < 0) err(1, "open %s", name);
  if (flags & O_APPEND) CHECK(offset = lseek(file, 0, SEEK_END));
  CHECK(put(file, offset, size, seed));
  CHECK(close(file));
}

static void allocate(const char *name, int mode, off_t offset, off_t size) {
  int file = open(name, O_WRONLY);
  if (file < 0) err(1, "open %s", name);
  CHECK(fallocate(file, mode, offset, size));
  CHECK(close(file));
}

static unsigned hash(const char *name) {
  unsigned hash = 5381;
  while (*name) hash = hash * 33 ^ (unsigned char)*name++;
  return hash >> 3;
}

/* Removes a third of the names in a directory, and moves a third to another, whatever order they are listed in. */
static void thin(const char *from, const char *to) {
  struct dirent **entries;
  int count = scandir(from, &entries, NULL, NULL);
  CHECK(count);
  CHECK(mkdir(to, 0755));
  for (int i = 0; i < count; i++) {
    const char *name = entries[i]->d_name;
    char old[512], new[512];
    snprintf(old, sizeof old, "%s/%s", from, name);
    snprintf(new, sizeof new, "%s/%s", to, name);
    if (*name == '.') continue;
    if (hash(name) % 3 == 0) CHECK(unlink(old));
    if (hash(name) % 3 == 1) CHECK(rename(old, new));
  }
}

static void make_files(const char *format, int count, unsigned largest) {
  for (int i = 0; i < count; i++) edit(path(format, i), O_CREAT | O_EXCL, 0, i * 7919u % largest, i);
}

static void change_files(void) {
  edit("victims/append", O_APPEND, 0, 300000, 1);
  edit("victims/overwrite", 0, 1000001, 500000, 2);
  allocate("victims/punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * CHUNK, 20 * CHUNK);
  allocate("victims/allocate", 0, 100 * CHUNK, 50 * CHUNK);
  edit("victims/allocate", 0, 120 * CHUNK, CHUNK, 3);
  allocate("victims/beyond", FALLOC_FL_KEEP_SIZE, 100 * CHUNK, 50 * CHUNK);
  for (int i = 1; i < 700; i += 6) edit("victims/comb", 0, (off_t)i * CHUNK, 100, i);
  edit("victims/comb", 0, (off_t)5 << 30, CHUNK, 4);
  CHECK(truncate("victims/shrink", 100000));
  CHECK(truncate("victims/grow", 200 * CHUNK));
  CHECK(unlink("victims/gone"));
  CHECK(unlink("victims/long-link"));
  CHECK(chown("victims/owned", 123456, 7));
  CHECK(chmod("victims/owned", 04711));
}

static void change_attributes(void) {
  char name[] = "user.0";
  for (; name[5] < '6'; name[5]++) {
    memset(buffer, name[5], 300);
    CHECK(setxattr("victims/few-attributes", name, buffer, 300, 0));
  }
  CHECK(removexattr("victims/many-attributes", "user.b"));
  CHECK(setxattr("victims/many-attributes", "trusted.a", "shorter", 7, XATTR_REPLACE));
  CHECK(setxattr("victims/many-attributes", "security.z", "new", 3, XATTR_CREATE));
  /* It inherits. */
  CHECK(mkdir("victims/list/folder", 0777));
  edit("victims/list/file", O_CREAT | O_EXCL, 0, 10, 5);
}

static void first(void) {
  CHECK(mkdir("load", 0755));
  CHECK(mkdir("load/a", 0755));
  CHECK(mkdir("load/b", 0755));
  make_files("load/a/%05d", 3000, 9000);
  make_files("many/load-%05d-with-a-name-of-some-length-to-split-the-blocks-of-the-index", 2000, 20);
  for (int i = 0; i < 3000; i += 3) {
    char old[32];
    snprintf(old, sizeof old, "load/a/%05d", i);
    CHECK(rename(old, path("load/b/moved-%05d", i)));
  }
  for (int i = 1; i < 3000; i += 3) CHECK(unlink(path("load/a/%05d", i)));
  for (int i = 2; i < 3000; i += 9) edit(path("load/a/%05d", i), O_APPEND, 0, 5000, i);
  for (int i = 0; i < 300; i++) CHECK(link("links/one", path("load/b/link-%05d", i)));
  for (int i = 0; i < 100; i++) CHECK(symlink("target", path("load/b/symbolic-%05d", i)));
  CHECK(mknod("load/b/device", S_IFBLK | 0600, makedev(300, 70000)));
  thin("victims/many", "load/thinned");
  CHECK(rename("victims/folder", "load/folder"));
  CHECK(rename("victims/over", "victims/overwritten"));
  change_files();
  change_attributes();
}

static void second(void) {
  edit("load/large", O_CREAT | O_EXCL, 0, 64 * MEBIBYTE, 6);
  CHECK(mkdir("load/c", 0755));
  make_files("load/c/%05d", 2000, 12000);
  make_files("victims/many/again-%05d", 1000, 20);
  thin("load/b", "load/d");
  edit("victims/append", O_APPEND, 0, 3000000, 7);
  allocate("load/large", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 7 * CHUNK, 500 * CHUNK);
}

/* Files of a size until one does not fit. */
static int fill_with(size_t size, int number) {
  for (;; number++) {
    int file = open(path("load/fill/%06d", number), O_WRONLY | O_CREAT | O_EXCL, 0644);
    int failed = file < 0 || put(file, 0, size, number);
    if (failed && errno != ENOSPC) err(1, "fill");
    if (file >= 0) CHECK(close(file));
    if (failed) return number + 1;
  }
}

static void fill(void) {
  CHECK(mkdir("load/fill", 0755));
  int count = fill_with(4096, fill_with(MEBIBYTE, 0));
  sync();
  for (int i = 0; i < count; i += 2) CHECK(unlink(path("load/fill/%06d", i)));
  printf("full with %d files\n", count);
}

static void drain(void) {
  struct dirent **entries;
  int count = scandir("load/fill", &entries, NULL, NULL);
  CHECK(count);
  CHECK(chdir("load/fill"));
  for (int i = 0; i < count; i++)
    if (*entries[i]->d_name != '.') CHECK(unlink(entries[i]->d_name));
  CHECK(chdir("../.."));
  CHECK(rmdir("load/fill"));
}

int main(int count, char **words) {
  if (count != 3) errx(2, "usage: load ROOT first|fill|drain|second");
  umask(022);
  CHECK(chdir(words[1]));
  if (!strcmp(words[2], "first")) first();
  else if (!strcmp(words[2], "fill")) fill();
  else if (!strcmp(words[2], "drain")) drain();
  else if (!strcmp(words[2], "second")) second();
  else errx(2, "no load '%s'", words[2]);
  sync();
  return 0;
}
