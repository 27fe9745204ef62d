"""Writes what each Debian package offers and needs as JSON: the graph of the packages, out of the ELF files.

Usage: graph.py OUT DEB...
OUT: {deb name: {"soname": [...], "needed": {path: [soname, ...]}, "opened": the same}}. The dependencies that Debian declares
are not used: they have cycles and drag in what only dpkg needs.
"""

import json
import os
import sys
import tempfile

import debs


def describe(deb):
    with tempfile.TemporaryDirectory() as root:
        links = debs.unpack(deb, root)
        elfs = debs.elf_files(root)
        # The loader finds a library by the name of its file or link, which is the soname.
        names = {os.path.basename(path) for path in list(elfs) + list(links) if ".so" in os.path.basename(path)}
        return {
            "soname": sorted(names & {elf["soname"] for elf in elfs.values()}),
            "needed": {path: elf["needed"] for path, elf in elfs.items()},
            "opened": {path: elf["opened"] for path, elf in elfs.items()},
        }


out, *packages = sys.argv[1:]
graph = {}
for package in packages:
    name = os.path.basename(package).split("-", 1)[1].split("_")[0]  # HASH-NAME_VERSION_ARCH.deb
    graph[name] = describe(package)
with open(out, "w", encoding="utf-8") as file:
    json.dump(graph, file, sort_keys=True, indent=1)
