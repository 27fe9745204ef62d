#!/usr/bin/env python3
"""Makes a tree that looks like a large part of a store: make-tree.py FOLDER

Four parts of the same make-up, so that a quarter of the tree is a tree too. The same bytes every time: all chance
comes from random.random(), which Python promises to keep for a seed.
"""
import os
import random
import sys

PARTS = 4
FILES_PER_PART = 16_000
LARGE_FILES_PER_PART = 15
POOL_SIZE = 16 << 20
DEPTH_LIMIT = 8
ENTRY_LIMIT = 500

# Of all files but the large ones: how many in a hundred are of a size from, to.
SIZES = [(55, 60, 4_000), (85, 4_000, 24_000), (98, 24_000, 120_000), (100, 120_000, 500_000)]


class Chance:
    def __init__(self, seed):
        self.random = random.Random(seed).random

    def below(self, limit):
        return int(self.random() * limit)

    def between(self, low, high):
        return low + self.below(high - low)


def make_pool(chance):
    """Bytes that compress to about half, as programs and texts do: words of a fixed set, in any order."""
    words = [bytes(chance.below(256) for _ in range(chance.between(2, 10))) for _ in range(4096)]
    pool = bytearray()
    while len(pool) < POOL_SIZE:
        pool += words[chance.below(4096)]
    return bytes(pool[:POOL_SIZE])


def file_size(chance):
    percent = chance.below(100)
    low, high = next((low, high) for below, low, high in SIZES if percent < below)
    return chance.between(low, high)


def write_file(path, size, chance, pool):
    """A size's worth of the pool from anywhere in it; files longer than the pool go on at its start."""
    start = chance.below(POOL_SIZE - 64)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    file = os.open(path, flags, 0o755 if chance.below(10) == 0 else 0o644)
    try:
        while size > 0:
            size -= os.write(file, memoryview(pool)[start : start + size])
            start = 0
    finally:
        os.close(file)


def entry_count(chance):
    """Most folders are small, a few are at the limit."""
    luck = chance.random()
    return 1 + int(luck * luck * luck * luck * (ENTRY_LIMIT - 1))


def make_part(root, chance, pool):
    os.mkdir(root)
    sizes = [file_size(chance) for _ in range(FILES_PER_PART - LARGE_FILES_PER_PART)]
    for _ in range(LARGE_FILES_PER_PART):
        sizes.insert(chance.below(len(sizes)), chance.between(1 << 20, 8 << 20))
    folders = [(root, 0)]
    number = 0
    while sizes:
        parent, depth = folders[chance.below(len(folders))]
        number += 1
        folder = f"{parent}/{number:04}-{'lib' if chance.below(2) else 'share'}"
        os.mkdir(folder)
        if depth + 2 < DEPTH_LIMIT:
            folders.append((folder, depth + 1))
        for index in range(min(entry_count(chance), len(sizes))):
            name = f"{index:03}-{chance.below(1 << 40):x}"
            if index > 0 and chance.below(30) == 0:
                os.symlink(last, f"{folder}/{name}")
            else:
                write_file(f"{folder}/{name}", sizes.pop(), chance, pool)
                last = name


def main(root):
    os.umask(0o022)
    os.mkdir(root)
    pool = make_pool(Chance(0))
    for part in range(PARTS):
        make_part(f"{root}/part-{part}", Chance(part + 1), pool)


main(sys.argv[1])
