"""Makes one store path out of Debian packages, so that every reference in it is a store path.

Usage: relocate.py OUT SPEC, where SPEC is JSON: {"debs": [path], "deps": [store path], "only": [path],
"isLibc": bool, "libc": store path}. What the path itself lacks is looked up in `deps`, in order.
"""

import json
import os
import re
import subprocess
import sys

import debs

OUT = sys.argv[1]
with open(sys.argv[2], encoding="utf-8") as spec_file:
    SPEC = json.load(spec_file)
PLACES = [OUT] + SPEC["deps"]
LOADER = debs.fold("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
# Text files that programs of the system read, and that name programs by absolute path.
TEXTS = ("lib/systemd/", "lib/udev/rules.d/", "lib/tmpfiles.d/", "lib/sysctl.d/", "lib/modprobe.d/", "etc/pam.d/",
         "share/dbus-1/")


def find(path):
    """The store path of what Debian calls `path`, or None."""
    folded = debs.fold(path)
    for place in PLACES:
        if os.path.lexists(os.path.join(place, folded)):
            return os.path.join(place, folded)
    return None


def make_links(links):
    """Links within the package become relative, links to another package absolute, others are dropped."""
    own = set(links) | set(debs.regular_files(OUT))
    folders = {os.path.dirname(path) for path in own}
    for path, target in sorted(links.items()):
        folded = debs.fold(target)
        place = os.path.join(OUT, path)
        if os.path.lexists(place) or folded == path:
            continue
        if target == "/dev/null" or target.startswith(("/proc/", "/run/")):
            value = target
        elif folded in own or folded in folders:
            value = os.path.relpath(folded, os.path.dirname(path))
        else:
            value = find(target)
        if value is None:
            print(f"dropped link {path} -> {target}")
            continue
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(value, place)


def library_folders():
    """{soname: folder}: own folders first, then the dependencies'."""
    found = {}
    for place in PLACES:
        for top in ("lib", "libexec"):
            for folder, _, names in sorted(os.walk(os.path.join(place, top))):
                for name in names:
                    if ".so" in name:
                        found.setdefault(name, folder)
    return found


def patch_elfs():
    folders = library_folders()
    for path, elf in debs.elf_files(OUT).items():
        file = os.path.join(OUT, path)
        arguments = []
        if elf["interpreter"] and not path.endswith(".so.6"):
            arguments += ["--set-interpreter", os.path.join(SPEC["libc"], LOADER)]
        # libc's own libraries stay as they are: patching the loader or libc.so.6 breaks both.
        if elf["needed"] and not (SPEC["isLibc"] and path.startswith("lib/")):
            lost = [name for name in elf["needed"] if name not in folders]
            if lost:
                raise SystemExit(f"{path} needs {lost}, which no dependency has: add its package in debs/")
            used = elf["needed"] + [name for name in elf["opened"] if name in folders]
            arguments += ["--set-rpath", ":".join(dict.fromkeys(folders[name] for name in used))]
        if arguments:
            os.chmod(file, 0o755)
            subprocess.run(["patchelf", *arguments, file], check=True)


def rewrite_text(path):
    file = os.path.join(OUT, path)
    with open(file, "rb") as stream:
        data = stream.read()
    script = data.startswith(b"#!")
    if b"\0" in data or not (script or path.startswith(TEXTS)):
        return

    def replace(match):
        return find(match.group(0)) or match.group(0)

    def absolute(match):  # ExecStart=systemd-tmpfiles ...
        program = find("/bin/" + match.group(2)) or find("/sbin/" + match.group(2))
        return match.group(1) + (program or match.group(2))

    text = data.decode("utf-8", "surrogateescape")
    text = re.sub(r"(?<![\w/.])(?:/usr)?/(?:bin|sbin|lib)/[\w./@+-]*\w", replace, text)
    if path.startswith("lib/systemd/"):
        text = re.sub(r"(?m)^(Exec\w+=[-+!@:|]*)([\w.-]+)(?=\s|$)", absolute, text)
    if script:
        # `#!/usr/bin/env python3`; other interpreters are replaced above.
        text = re.sub(r"\A#! ?\S*/env ([\w.]+)", lambda m: "#!" + (find("/bin/" + m[1]) or m[1]), text)
    with open(file, "wb") as stream:
        stream.write(text.encode("utf-8", "surrogateescape"))


os.makedirs(OUT)
if debs.NIXPKGS_SHAPE:
    os.makedirs(os.path.join(OUT, "bin"))
    os.symlink("bin", os.path.join(OUT, "sbin"))
all_links = {}
for deb in SPEC["debs"]:
    all_links.update(debs.unpack(deb, OUT, SPEC["only"]))
make_links(all_links)
patch_elfs()
for text_path in debs.regular_files(OUT):
    rewrite_text(text_path)
