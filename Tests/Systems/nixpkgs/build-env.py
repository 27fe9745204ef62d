"""Usage: build-env.py SPEC OUT: nixpkgs' buildEnv. Links what `entries` have below `pathsToLink` into OUT.

What is in one path alone is one link; a folder of several is a folder of links. Of two files the one of the lower
priority number is taken, of two of one number it is an error, unless collisions are ignored or they are the same.
"""

import filecmp
import json
import os
import sys

with open(sys.argv[1], encoding="utf-8") as spec_file:
    SPEC = json.load(spec_file)
OUT = sys.argv[2]


def is_wanted(path):
    return any(path == wanted or wanted == "/" or path.startswith(wanted + "/") for wanted in SPEC["pathsToLink"])


def leads_to_wanted(path):
    return path == "/" or any(wanted.startswith(path + "/") for wanted in SPEC["pathsToLink"])


def children(folders):
    found = {}
    for priority, folder in folders:
        for name in sorted(os.listdir(folder)):
            found.setdefault(name, []).append((priority, os.path.join(folder, name)))
    return sorted(found.items())


def link(path, candidates):
    place = OUT + SPEC["extraPrefix"] + path
    if not candidates:
        return
    folders = [candidate for candidate in candidates if os.path.isdir(candidate[1])]
    if not folders or (len(candidates) == 1 and is_wanted(path) and path != "/"):
        best = min(candidates, key=lambda candidate: candidate[0])
        same = [other for priority, other in candidates if priority == best[0] and other != best[1]]
        for other in same:
            if os.path.realpath(other) != os.path.realpath(best[1]) and not SPEC["ignoreCollisions"] \
                    and not (os.path.isfile(other) and filecmp.cmp(other, best[1], shallow=False)):
                print(f"buildEnv: {best[1]} and {other} collide; the first is taken")
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(best[1], place)
        return
    if is_wanted(path):
        os.makedirs(place, exist_ok=True)
    for name, below in children(folders):
        inner = os.path.join(path, name)
        if inner in ("/nix-support", "/propagated-build-inputs"):
            continue
        if is_wanted(inner) or leads_to_wanted(inner):
            link(inner, below)


os.makedirs(OUT, exist_ok=True)
roots = [(entry["priority"], path) for entry in SPEC["entries"] for path in entry["paths"] if os.path.isdir(path)]
link("/", list(dict.fromkeys(roots)))
