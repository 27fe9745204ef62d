"""Reading Debian packages and the ELF files in them. Used by graph.py and relocate.py.

With SHAPE=nixpkgs in the environment a package looks as nixpkgs' do: programs in bin, libraries in lib.
"""

import json
import os
import posixpath
import re
import subprocess
import tarfile

# What no system needs at run time, as folders of the folded tree (without /usr).
UNWANTED = (
    "etc/apparmor.d/", "etc/default/", "etc/init.d/", "etc/kernel/", "etc/rc", "lib/udev/hwdb.d/",
    "lib/x86_64-linux-gnu/gconv/", "share/bash-completion/", "share/bug/", "share/doc", "share/i18n/",
    "share/info/", "share/initramfs-tools/", "share/libc-bin/", "share/lintian/", "share/locale/", "share/man/",
    "share/menu/", "share/zsh/", "var/",
)
NIXPKGS_SHAPE = os.environ.get("SHAPE") == "nixpkgs"
# What a module of NixOS reads.
WANTED_IN_NIXPKGS = ("lib/udev/hwdb.d/",)


def fold(path):
    """An absolute path of Debian as a path inside a package: `/usr/bin/env` -> `bin/env`."""
    path = posixpath.normpath("/" + path).lstrip("/")
    if path == "usr" or path.startswith("usr/"):
        path = path[4:]
    path = "lib/" + path[6:] if path.startswith("lib64/") else path
    if NIXPKGS_SHAPE:
        path = re.sub(r"^sbin(?=/|$)", "bin", path)
        path = re.sub(r"^lib/x86_64-linux-gnu(?=/|$)", "lib", path)
    return path


def selected(path, only):
    if path.startswith(UNWANTED) and not (NIXPKGS_SHAPE and path.startswith(WANTED_IN_NIXPKGS)):
        return False
    return not only or any(path == wanted or path.startswith(wanted + "/") for wanted in only)


def unpack(deb, root, only=()):
    """Unpacks the wanted files of `deb` under `root`, folded; returns its symbolic links as {path: target}.

    `dpkg-deb -x` is no choice: Nix forbids a builder to make setuid files, so modes are masked here.
    Targets are absolute paths of Debian; the caller decides what they mean.
    """
    links = {}
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                path = fold(member.name)
                if member.isdir() or not selected(path, only):
                    continue
                if member.issym():
                    parent = posixpath.dirname("/" + member.name)
                    links[path] = posixpath.normpath(posixpath.join(parent, member.linkname))
                    continue
                target = os.path.join(root, path)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                if member.islnk():
                    os.link(os.path.join(root, fold(member.linkname)), target)
                elif member.isfile():
                    with open(target, "wb") as file:
                        file.write(archive.extractfile(member).read())
                    os.chmod(target, 0o755 if member.mode & 0o111 else 0o644)
    if process.returncode != 0:
        raise SystemExit(f"dpkg-deb cannot read {deb}")
    return links


def regular_files(root):
    """Every regular file under `root`, as sorted relative paths."""
    found = []
    for folder, _, names in os.walk(root):
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(path for path in found if not os.path.islink(os.path.join(root, path)))


def opened_libraries(path):
    """The libraries that an ELF file says it opens at run time, in its note on them."""
    found = []
    with open(path, "rb") as file:
        for names in re.findall(rb'"soname":(\[[^]]*\])', file.read()):
            found += json.loads(names)
    return found


def elf_files(root):
    """{path: {"soname", "needed", "opened", "interpreter"}} of the dynamic ELF files under `root`."""
    paths = []
    for path in regular_files(root):
        with open(os.path.join(root, path), "rb") as file:
            if file.read(4) == b"\x7fELF" and not path.endswith((".o", ".a", ".ko", ".img")):
                paths.append(path)
    found = {}
    for path in paths:
        text = subprocess.run(["readelf", "-ldW", os.path.join(root, path)], check=True,
                              capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout
        entry = {"soname": None, "needed": [], "opened": [], "interpreter": "Requesting program interpreter" in text}
        for line in text.splitlines():
            if "(NEEDED)" in line:
                entry["needed"].append(line.split("[")[1].rstrip("]"))
            elif "(SONAME)" in line:
                entry["soname"] = line.split("[")[1].rstrip("]")
        if "Dynamic section" in text:
            entry["opened"] = opened_libraries(os.path.join(root, path))
            found[path] = entry
    return found
