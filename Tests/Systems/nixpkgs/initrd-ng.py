"""Usage: make-initrd-ng CONTENTS ROOT: copies into ROOT what a systemd in an initrd needs.

CONTENTS: a JSON list of {"source", "target"}, or of paths. A source comes with what its ELF files need and say they open,
and with what links in it lead to; a target is a link to it.
"""

import json
import os
import re
import shutil
import subprocess
import sys

ROOT = sys.argv[2]
done = set()


def needs(path):
    """The libraries and the interpreter of an ELF file, as paths."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"\x7fELF":
        return []
    words = [tool + [path] for tool in (["patchelf", "--print-needed"], ["patchelf", "--print-rpath"])]
    results = [subprocess.run(command, capture_output=True, text=True, check=False) for command in words]
    if any(result.returncode for result in results):
        return []
    names = results[0].stdout.split()
    for opened in re.findall(rb'"soname":(\[[^]]*\])', data):
        names += json.loads(opened)
    folders = [folder.replace("$ORIGIN", os.path.dirname(path)) for folder in results[1].stdout.strip().split(":")]
    found = []
    for name in names:
        places = [os.path.join(folder, name) for folder in folders + [os.path.dirname(path)]]
        found += [place for place in places if os.path.lexists(place)][:1]
    interpreter = subprocess.run(["patchelf", "--print-interpreter", path], capture_output=True, text=True, check=False)
    if interpreter.returncode == 0:
        found.append(interpreter.stdout.strip())
    return found


def add(path):
    path = os.path.normpath(path)
    if path in done or not path.startswith("/nix/store/"):
        return
    done.add(path)
    parent = os.path.dirname(path)
    if parent != "/" and os.path.realpath(parent) != parent:
        # A link on the way: itself, and what is behind it.
        way = "/"
        for part in parent.strip("/").split("/"):
            way = os.path.join(way, part)
            if os.path.islink(way):
                add_link(way)
        return add(os.path.join(os.path.realpath(parent), os.path.basename(path)))
    place = ROOT + path
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if os.path.islink(path):
        add_link(path)
    elif os.path.isdir(path):
        os.makedirs(place, exist_ok=True)
        for name in sorted(os.listdir(path)):
            add(os.path.join(path, name))
    elif os.path.exists(path):
        shutil.copy2(path, place)
        os.chmod(place, os.stat(place).st_mode | 0o200)
        for other in needs(path):
            add(other)
    return None


def add_link(path):
    done.add(path)
    place = ROOT + path
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if not os.path.lexists(place):
        os.symlink(os.readlink(path), place)
    target = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
    if os.path.lexists(target):
        add(target)


with open(sys.argv[1], encoding="utf-8") as contents_file:
    contents = json.load(contents_file)
for entry in contents:
    if isinstance(entry, str):
        entry = {"source": entry}
    add(entry["source"])
    if entry.get("target"):
        link = ROOT + "/" + entry["target"].lstrip("/")
        os.makedirs(os.path.dirname(link), exist_ok=True)
        if not os.path.lexists(link):
            os.symlink(entry["source"], link)
