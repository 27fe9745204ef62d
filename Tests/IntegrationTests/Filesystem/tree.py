"""Makes a tree of all that an ext4 filesystem can hold, in an empty folder: tree.py FOLDER

Rows of zeros of 64 KiB or more are holes here from the start, as Slipway makes holes of them.
"""

import os
import random
import struct
import sys

CHUNK = 65536
chance = random.Random(1)


def file(name, content=b"", mode=0o644):
    with open(name, "xb") as stream:
        stream.write(content)
    os.chmod(name, mode)


def sparse(name, size, pieces):
    with open(name, "xb") as stream:
        for offset, content in pieces:
            os.pwrite(stream.fileno(), content, offset)
        os.truncate(stream.fileno(), size)


def comb(name, teeth):
    """Every other chunk has data, so that extents need a tree."""
    sparse(name, 2 * teeth * CHUNK, [(2 * i * CHUNK + i, b"tooth %d" % i) for i in range(teeth)])


def noise(size):
    return chance.randbytes(size)


def names():
    os.mkdir("names")
    for name in [
        b"\xff\xfe\x80", b" blank ", b"line\nbreak", b"tab\t", b"back\\slash", b"-rf", b"*", b"'\"$(x)`", b"\x01\x7f",
        "naïve-日本".encode(), "nai\u0308ve".encode(), b"a" * 255, b"\xf0" * 255, b"...", b"A", b"a",
    ]:
        file(b"names/" + name, name)
    deep = b"deep"
    os.mkdir(deep)
    for level in range(12):
        deep += b"/" + bytes([65 + level]) * 250
        os.mkdir(deep)
        file(deep + b"/file", b"at level %d" % level)
    os.mkdir("empty")
    os.makedirs("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z")


def files():
    os.mkdir("files")
    for size in [0, 1, 59, 60, 4095, 4096, 4097, 65535, 65536, 65537, 5 << 20, (3 << 20) + 5]:
        file(f"files/{size}", noise(size))
    os.mkdir("sparse")
    sparse("sparse/nothing", 1 << 30, [])
    sparse("sparse/first", 10 * CHUNK + 1, [(10 * CHUNK, b"!")])
    sparse("sparse/last", 100 * CHUNK, [(0, noise(CHUNK))])
    sparse("sparse/large", 6 << 30, [
        (0, b"begin"), (1000 * CHUNK + 4000, noise(200)), ((4 << 30) - 10, noise(20)), (5 << 30, noise(3 * CHUNK)),
        ((6 << 30) - 1, b"end"[2:])])
    comb("sparse/comb", 400)
    with open("sparse/allocated", "xb") as stream:
        os.posix_fallocate(stream.fileno(), 0, 20 * CHUNK)
        os.pwrite(stream.fileno(), noise(CHUNK), 7 * CHUNK)


def links():
    os.mkdir("links")
    os.mkdir("links/folder")
    file("links/one", noise(10000))
    for name in ["links/folder/two", "names/three", "empty-link", "a/b/c/four"] + [f"links/{i}" for i in range(200)]:
        os.link("links/one", name)
    for length in [1, 58, 59, 60, 61, 255, 1024, 4094, 4095]:
        os.symlink("x" * length, f"links/symbolic-{length}")
    os.symlink(b"../\xff\n ", "links/symbolic-odd")
    os.symlink("/files/1", "links/symbolic-absolute")
    os.link("links/symbolic-4095", "links/folder/symbolic", follow_symlinks=False)
    os.mkfifo("links/fifo")
    os.link("links/fifo", "links/folder/fifo")


def special():
    os.mkdir("special")
    os.mkfifo("special/fifo", 0o600)
    os.mknod("special/socket", 0o140755)
    for major, minor in [(0, 0), (1, 3), (255, 255), (255, 256), (256, 0), (4095, 1048575)]:
        os.mknod(f"special/character-{major}-{minor}", 0o020666, os.makedev(major, minor))
        os.mknod(f"special/block-{major}-{minor}", 0o060660, os.makedev(major, minor))
    os.mkdir("modes")
    for mode in [0, 0o1, 0o644, 0o4755, 0o2755, 0o6711, 0o1644, 0o7777]:
        file(f"modes/file-{mode:o}", b"x", mode)
        os.mkdir(f"modes/folder-{mode:o}")
        os.chmod(f"modes/folder-{mode:o}", mode)
    os.mkdir("owners")
    for user, group in [(1, 0), (0, 1), (1000, 100), (65535, 65536), (65536, 65535), (4294967294, 4294967294)]:
        file(f"owners/{user}-{group}")
        os.symlink("link", f"owners/link-{user}-{group}")
        for name in [f"owners/{user}-{group}", f"owners/link-{user}-{group}"]:
            os.chown(name, user, group, follow_symlinks=False)
    os.chown("owners", 70000, 80000)


def access_list(*entries):
    """An access control list as setxattr(2) takes it: tag, permissions, user or group."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 0xFFFFFFFF
LIST = access_list(
    (1, 7, NOBODY), (2, 4, 1000), (2, 6, 100000), (4, 5, NOBODY), (8, 4, 33), (8, 7, 70000), (16, 7, NOBODY),
    (32, 0, NOBODY))
SHORT_LIST = access_list((1, 6, NOBODY), (2, 4, 7), (4, 4, NOBODY), (16, 4, NOBODY), (32, 4, NOBODY))


def attributes():
    os.mkdir("attributes")
    capability = struct.pack("<5I", 0x02000001, 1 << 10 | 1 << 13, 0, 0, 0)
    many = {
        "user.zz": noise(10), "user.a": b"", "trusted.longer-than-others": noise(100), "security.b": noise(33),
        "user." + "n" * 250: noise(7), "trusted.a": noise(200), "user.b": noise(1000), "user.c": noise(1),
        "security.capability": capability, "user.ab": noise(500), "trusted.z": noise(3),
    }
    sets = {
        "empty": {"user.x": b""}, "small": {"user.x": b"value", "trusted.y": b"\0\xff"}, "many": many,
        "large": {"user.x": noise(4000)}, "capability": {"security.capability": capability},
        "list": {"system.posix_acl_access": LIST}, "short-list": {"system.posix_acl_access": SHORT_LIST},
        "list-and-more": many | {"system.posix_acl_access": LIST},
    }
    for name, values in sets.items():
        file(f"attributes/{name}", name.encode())
        os.mkdir(f"attributes/folder-{name}")
        for key, value in values.items():
            os.setxattr(f"attributes/{name}", key, value)
            if key != "security.capability":
                os.setxattr(f"attributes/folder-{name}", key, value)
    os.setxattr("attributes/folder-list", "system.posix_acl_default", LIST)
    os.setxattr("attributes/folder-small", "system.posix_acl_default", SHORT_LIST)
    os.symlink("x", "attributes/link")
    os.symlink("x" * 1000, "attributes/long-link")
    os.mkfifo("attributes/fifo")
    for name in ["link", "long-link", "fifo"]:
        for key, value in [("trusted.a", noise(20)), ("trusted.b", noise(300)), ("security.c", b"")]:
            os.setxattr(f"attributes/{name}", key, value, follow_symlinks=False)


def crowds():
    os.mkdir("many")
    for i in range(3500):
        file(f"many/{i}-" + "x" * (i % 200), b"%d" % i if i % 10 == 0 else b"")
    os.mkdir("many/folders")
    for i in range(300):
        os.mkdir(f"many/folders/{i}")


def victims():
    """What the load changes."""
    os.mkdir("victims")
    for name in ["append", "overwrite", "punch", "shrink", "gone", "owned"]:
        file(f"victims/{name}", noise((2 << 20) + 17))
    for name in ["allocate", "beyond", "grow"]:
        sparse(f"victims/{name}", 60 * CHUNK, [(CHUNK, noise(5 * CHUNK))])
    sparse("victims/comb", 5 << 30, [(2 * i * CHUNK, b"tooth") for i in range(350)])
    os.symlink("y" * 2000, "victims/long-link")
    os.mkdir("victims/folder")
    file("victims/folder/file", b"moves with its folder")
    file("victims/over", b"new")
    file("victims/overwritten", b"old")
    file("victims/few-attributes")
    os.setxattr("victims/few-attributes", "user.old", b"stays")
    file("victims/many-attributes")
    for key, size in [("user.a", 60), ("user.b", 900), ("user.c", 100), ("trusted.a", 700), ("security.d", 40)]:
        os.setxattr("victims/many-attributes", key, noise(size))
    os.mkdir("victims/list")
    os.setxattr("victims/list", "system.posix_acl_default", LIST)
    os.mkdir("victims/many")
    for i in range(2000):
        file(f"victims/many/{i}-" + "y" * (i % 100))


def times():
    """Gives everything times of its own; those of access are in the future, so that reading leaves them."""
    os.mkdir("times")
    extremes = [-2147483648, -1, 0, 1, 2147483647, 2147483648, 4294967296, 7000000000]
    for second in extremes:
        file(f"times/{second}")
    for folder, folders, entries in os.walk(b".", topdown=False):
        for name in entries + folders + [b"."]:
            access = 2300000000000000000 + chance.randrange(10**18)
            os.utime(folder + b"/" + name, ns=(access, chance.randrange(1700000000 * 10**9)), follow_symlinks=False)
    for second in extremes:
        os.utime(f"times/{second}", ns=(3000000000 * 10**9 + 7, second * 10**9 + 999999999))


if __name__ == "__main__":
    os.umask(0)
    os.chdir(sys.argv[1])
    for part in [names, files, links, special, attributes, crowds, victims, times]:
        part()
    os.sync()
