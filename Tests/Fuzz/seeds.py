"""Writes the binary seeds of the fuzzers: small variable stores with the variables of real ones, device paths, frames.

Usage: python3 Tests/Fuzz/seeds.py Tests/Fuzz/Seeds     (the other seeds there are real files, cut short)
"""

import base64
import json
import os
import pathlib
import sqlite3
import struct
import subprocess
import sys
import tempfile
import uuid
import zlib

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
DATABASE = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
LOADER = uuid.UUID("4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")


def utf16(text):
    return text.encode("utf-16le") + b"\0\0"


def node(kind, subtype, data):
    return struct.pack("<BBH", kind, subtype, 4 + len(data)) + data


def load_option():
    drive = node(4, 1, struct.pack("<IQQ", 1, 2048, 4096) + bytes(range(16)) + b"\2\2")
    path = drive + node(4, 4, utf16("\\EFI\\A.EFI")) + node(0x7F, 0xFF, b"")
    return struct.pack("<IH", 1, len(path)) + utf16("Linux") + path + b"data"


def console():
    line = node(3, 14, struct.pack("<IQBBB", 0, 115200, 8, 1, 1))
    serial = node(2, 1, struct.pack("<II", 0x050141D0, 0)) + line
    return node(1, 1, b"\0\x1f") + serial + node(0x7F, 1, b"") + node(3, 5, b"\1\0") + node(0x7F, 0xFF, b"")


def signatures():
    return uuid.UUID("c1c41626-504c-4092-aca9-41f936934328").bytes_le + struct.pack("<III", 76, 0, 48) + bytes(48)


def handover():
    """The records of an archive: a root with what is kept and what is new, and an ESP."""

    def path(name):
        return struct.pack("<H", len(name)) + name.encode()

    def attributes(mode, time, extended=()):
        data = struct.pack("<HIIqIH", mode, 0, 30000, time, 5, len(extended))
        for name, value in extended:
            data += struct.pack("<B", len(name)) + name.encode() + struct.pack("<I", len(value)) + value
        return data

    def file(name, group, size, pieces, data):
        fields = struct.pack("<QQI", group, size, len(pieces)) + b"".join(struct.pack("<QQ", *piece) for piece in pieces)
        return b"\x07" + path(name) + attributes(0o644, 1_000_000_000) + fields + data

    def directory(name):
        return b"\x06" + path(name) + attributes(0o755, 1)

    root = directory("") + directory("etc") + file("etc/a", 7, 9000, [(0, 3), (8190, 4)], b"abcdefg")
    root += b"\x05" + path("etc/b") + struct.pack("<Q", 7)
    root += b"\x08" + path("etc/link") + attributes(0o777, 1) + struct.pack("<H", 6) + b"/nix/x"
    root += b"\x09" + path("fifo") + attributes(0o600, 1) + b"\x04" + path("nix")
    root += b"\x0a" + path("socket") + attributes(0o600, 1, [("user.a", b"value"), ("user.b", b"")])
    boot = directory("") + directory("EFI") + file("EFI/BOOTX64.EFI", 0, 4, [(0, 4)], b"MZ\0\0")
    code = b"\x03" + struct.pack("<IQ", 0, 4) + b"\xeb\x63\x90\0"
    return b"\x02" + struct.pack("<I", 0) + root + b"\x02" + struct.pack("<I", 1) + boot + code + b"\x01"


def store(authenticated):
    records = b""
    for name, vendor, data, state in [
        ("Boot0001", GLOBAL, load_option(), 0x3F),
        ("BootOrder", GLOBAL, b"\1\0", 0x3E),
        ("BootOrder", GLOBAL, b"\1\0\2\0", 0x3F),
        ("ConOut", GLOBAL, console(), 0x3F),
        ("Timeout", GLOBAL, b"\0\0", 0x3D),
        ("db", DATABASE, signatures(), 0x3F),
        ("LoaderEntryDefault", LOADER, utf16("a.conf"), 0x3F),
    ]:
        record = struct.pack("<HBBI", 0x55AA, state, 0, 7)
        if authenticated:
            record += bytes(28)
        record += struct.pack("<II", 2 * len(name) + 2, len(data)) + vendor.bytes_le + utf16(name) + data
        records += record + b"\xff" * (-len(record) % 4)
    size = 0x3B8
    kind = "aaf32c78-947b-439a-a180-2e144ec37792" if authenticated else "ddcf3616-3275-4164-98b6-fe85707ffe7d"
    body = uuid.UUID(kind).bytes_le + struct.pack("<IBB", size, 0x5A, 0xFE) + bytes(6) + records
    volume = bytes(16) + uuid.UUID("fff12b8d-7696-4c8b-a985-2747075b4f50").bytes_le
    volume += struct.pack("<Q4sIHHHBB", 0x800, b"_FVH", 0x4FEFF, 0x48, 0, 0, 0, 2)
    volume += struct.pack("<IIII", 0x20, 0x40, 0, 0)
    return (volume + body).ljust(0x800, b"\xff")


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


VARIABLES = [
    ("Boot0001", GLOBAL, 7, load_option(), None),
    ("BootOrder", GLOBAL, 7, b"\1\0", None),
    ("ConOut", GLOBAL, 7, console(), None),
    ("db", DATABASE, 0x27, signatures(), struct.pack("<H14x", 2025)),
]


def aws():
    content = struct.pack("<Q", len(VARIABLES))
    for name, vendor, attributes, data, time in VARIABLES:
        content += struct.pack("<Q", len(name)) + name.encode() + struct.pack("<Q", len(data)) + data
        content += vendor.bytes_le + struct.pack("<I", attributes)
        if time:
            content += time + struct.pack("<Q", 32) + bytes(32)
    checked = bytes(4) + zlib.compress(content, 9)
    text = base64.b64encode(b"AMZNUEFI" + struct.pack("<I", crc32c(checked)) + checked)
    return text, b"\0" + content


def qemu():
    variables = []
    for name, vendor, attributes, data, time in VARIABLES:
        variable = {"guid": str(vendor), "name": name, "attr": attributes, "data": data.hex()}
        variables.append(variable | ({"time": time.hex()} if time else {}))
    return json.dumps({"version": 2, "variables": variables}, indent=4).encode()


AGENT = [
    {"hello": {"build": "1", "magic": "slipway-agent", "oldestVersion": 5, "version": 5}},
    {"event": {"_0": {"heartbeat": {}}}},
    {"event": {"_0": {"log": {"_0": "mkfs.vfat \x1b[31mdone \x07"}}}},
    {"event": {"_0": {"warning": {"_0": "activation ended with status 1"}}}},
    {"event": {"_0": {"progress": {"done": 3, "total": 2**64 - 1}}}},
    {"reply": {"id": 1}},
    {"reply": {"id": 2, "failure": {"command": "c", "message": "m", "output": ["o"]}}},
]
HOST = [
    {"hello": {"build": "1", "magic": "slipway-agent", "oldestVersion": 5, "version": 5}},
    {"request": {"id": 1, "secrets": [], "step": {"runScript": {"system": "/nix/store/a", "script": "true"}}}},
    {"request": {"id": 2, "secrets": [], "step": {"finish": {"disk": {"disk": {"serial": "d"}}, "kept": []}}}},
    {"debugShell": {"id": 3}},
    {"powerOff": {}},
]


def frames(messages):
    """The first byte says how the fuzzer cuts the stream."""
    payloads = [json.dumps(message, separators=(",", ":")).encode() for message in messages]
    return b"\x07" + b"".join(struct.pack(">I", len(payload)) + payload for payload in payloads)


def write_ahead_log(*statements):
    """The first byte says that the fuzzer makes the checksums right: the salt is another in each log."""
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(f"{folder}/db", isolation_level=None)
        for statement in [
            "PRAGMA page_size = 512", "PRAGMA journal_mode = WAL", "PRAGMA wal_autocheckpoint = 0",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, x)", "PRAGMA wal_checkpoint(TRUNCATE)", *statements,
        ]:
            database.execute(statement).fetchall()
        log = pathlib.Path(f"{folder}/db-wal").read_bytes()
        database.close()
    salted = log[:16] + b"saltsalt" + bytes(8)
    for start in range(32, len(log), 24 + 512):
        salted += log[start : start + 8] + b"saltsalt" + bytes(8) + log[start + 24 : start + 24 + 512]
    return b"\1" + salted


def write(parser, name, data):
    folder = pathlib.Path(sys.argv[1]) / parser
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


for kind in ["authenticated", "plain"]:
    write("variableStore", kind, store(kind == "authenticated"))
for kind, data in zip(["text", "unpacked"], aws()):
    write("awsVariables", kind, data)
write("qemuVariables", "store.json", qemu())
write("devicePath", "binary", console())
TEXT = "PciRoot(0x0)/Pci(0x1f,0x0)/Serial(0x0)/Uart(115200,8,N,1)/VenMsg(00000000-0000-0000-0000-000000000000,00)"
write("devicePath", "text", TEXT.encode())
write("agentFrames", "all", frames(AGENT))
write("agentFrames", "broken", frames(AGENT[:3]) + b"\xff\xff\xff\xff")
write("hostFrames", "all", frames(HOST))
write("writeAheadLog", "one", write_ahead_log("INSERT INTO t (x) VALUES (1)"))
GROWN = write_ahead_log("INSERT INTO t (x) VALUES (zeroblob(900))", "DELETE FROM t", "VACUUM")
write("writeAheadLog", "grownAndShrunk", GROWN)
write("handover", "all", handover())


def sparse(left, right=None):
    """A disk as the fuzzer takes it: pieces of 64 bytes that are not zeros, behind their numbers; then those of the right
    disk that differ."""
    pieces = b""
    for number in range(len(left) // 64):
        piece = left[number * 64 : number * 64 + 64]
        if any(piece):
            pieces += struct.pack("<H", number) + piece
    for number in range(len(left) // 64 if right else 0):
        piece = right[number * 64 : number * 64 + 64]
        if piece != left[number * 64 : number * 64 + 64]:
            pieces += struct.pack("<H", number | 0x8000) + piece
    return pieces


def filesystem(*command, debugfs=None, files=None):
    """The disk that a command makes, and the same with a change. `files` are more of the tree's, links as `-> TARGET`."""
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder) / "tree"
        (tree / "d").mkdir(parents=True)
        (tree / "d" / "f").write_text("content")
        (tree / "l").symlink_to("d/f")
        for name, content in (files or {}).items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            if content.startswith("-> "):
                (tree / name).symlink_to(content[3:])
            else:
                (tree / name).write_text(content)
        for path in [tree / "d" / "f", tree / "d", tree]:
            os.utime(path, (1, 1))
        image = pathlib.Path(folder) / "image"
        image.write_bytes(bytes(256 << 10))
        environment = dict(os.environ, E2FSPROGS_FAKE_TIME="1", SOURCE_DATE_EPOCH="1", LC_ALL="C")
        for words in command:
            words = [word.replace("TREE", str(tree)).replace("IMAGE", str(image)) for word in words]
            subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)
        left = image.read_bytes()
        for words in debugfs or []:
            subprocess.run(["debugfs", "-w", "-R", words, image], check=True, env=environment, stderr=subprocess.DEVNULL)
        return left, image.read_bytes()


IDENTIFIER = "11111111-2222-4333-8444-555555555555"
EXT = ["mke2fs", "-q", "-F", "-b", "1024", "-N", "16", "-U", IDENTIFIER, "-E", f"hash_seed={IDENTIFIER}", "-d", "TREE"]
PLAIN = "^has_journal,^resize_inode,^dir_index"
CHANGES = ["set_inode_field /d/f mtime 2", "ea_set /d/f user.a b", "rm /l"]
for name, words in [
    ("extents", ["-t", "ext4", "-I", "256", "-O", PLAIN]),
    ("inline", ["-t", "ext4", "-I", "256", "-O", f"{PLAIN},inline_data"]),
    ("pointers", ["-t", "ext2", "-I", "128", "-O", PLAIN]),
]:
    write("ext4", name, sparse(*filesystem([*EXT, *words, "IMAGE", "128k"], debugfs=CHANGES)))
FAT = ["mkfs.fat", "-i", "12345678", "-s", "1", "-r", "16", "-F", "12", "IMAGE", "64"]
COPY = ["mcopy", "-s", "-m", "-i", "IMAGE", "TREE/d", "::/a long name"]
left, right = filesystem(FAT, COPY)[0], bytearray(filesystem(FAT, COPY)[0])
right[39] ^= 1
right[right.index(b"content")] ^= 1
write("fat", "files", sparse(left, bytes(right)))
for label, table in [("gpt", "label: gpt"), ("dos", "label: dos")]:
    disk = filesystem(
        ["sh", "-c", f"printf '{table}\nlabel-id: {'0x1234' if label == 'dos' else IDENTIFIER}\n64 128 L\n192 64 L\n' | sfdisk -q IMAGE"]
    )[0]
    root = filesystem([*EXT, "-t", "ext2", "-I", "128", "-O", PLAIN, "IMAGE", "64k"])[0]
    disk = disk[: 64 * 512] + root[: 64 << 10] + disk[192 * 512 :]
    right = bytearray(disk)
    right[100] ^= 1
    right[200 * 512] ^= 1
    right[64 * 512 + 1024 + 0x34] ^= 1
    write("disk", label, sparse(disk, bytes(right)))


def nix_database(time):
    database = sqlite3.connect(":memory:", isolation_level=None)
    for statement in [
        "PRAGMA page_size = 512",
        "CREATE TABLE ValidPaths (id integer primary key not null, path text not null, hash text not null,"
        " registrationTime integer not null, deriver text, narSize integer, ultimate integer, sigs text, ca text)",
        "CREATE TABLE Refs (referrer integer not null, reference integer not null)",
        "CREATE TABLE DerivationOutputs (drv integer not null, id text not null, path text not null)",
        f"INSERT INTO ValidPaths VALUES (1, '/nix/store/a', 'sha256:0', {time}, NULL, 9, NULL, NULL, NULL)",
        "INSERT INTO Refs VALUES (1, 1)",
        "INSERT INTO DerivationOutputs VALUES (1, 'out', '/nix/store/a')",
    ]:
        database.execute(statement)
    return database.serialize()


if hasattr(sqlite3.Connection, "serialize"):
    write("nixDatabase", "rows", nix_database(1) + nix_database(2))


def efi_program(*sections):
    """A PE32+ file with sections of a name and a content, as far as a reader of sections looks."""
    table, contents, place = b"", b"", 512
    for name, content in sections:
        table += struct.pack("<8sIIII12xI", name, len(content), place, 512, place, 0x40000040)
        contents += content.ljust(512, b"\0")
        place += 512
    header = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 64)
    header += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, 0, 0x22) + table
    return header.ljust(512, b"\0") + contents


UNIFIED = efi_program(
    (b".osrel", b'PRETTY_NAME="NixOS 25.05"\nID=nixos\nVERSION_ID="25.05"\n'),
    (b".cmdline", b"init=/nix/store/a/init root=UUID=1234"), (b".linux", b"kernel"),
)
write("efiSections", "unified", UNIFIED)
write("efiSections", "loader", efi_program((b".sdmagic", b"#### LoaderInfo: systemd-boot 252 ####\0")))
MENU = """set default=0
search --set=drive1 --fs-uuid 1111
menuentry "NixOS" --class nixos { search --set=drive1 --fs-uuid 1111
  linux ($drive1)/nix/store/a/kernel init=/nix/store/a/init
  initrd ($drive1)/nix/store/a/initrd
}
submenu 'All' { menuentry 'One' --id one { linux /k } }
"""
SPECIFICATION = {
    "org.nixos.bootspec.v1": {"toplevel": "/nix/store/a", "label": "NixOS", "kernel": "/nix/store/a/kernel"},
    "org.nixos.specialisation.v1": {"s": {"org.nixos.bootspec.v1": {"toplevel": "/nix/store/b"}}},
}
ENTRY = "title NixOS\nsort-key nixos\nversion Generation 1\nlinux /EFI/k.efi\ninitrd /EFI/i\noptions init=/nix/store/a/init\n"
write("loaderEntry", "type1", b"nixos-generation-1+2-1.conf\n" + ENTRY.encode())
write("loaderEntry", "loader.conf", b"nixos-generation-1.conf\ndefault nixos-*[1-3].conf\npreferred n?xos*\ntimeout 3\n")
write("grubMenu", "nixos", MENU.encode())
write("bootSpecification", "v1", json.dumps(SPECIFICATION).encode())
write("filesystemTable", "nixos", b"/dev/disk/by-label/a\\x20b / ext4 x-a 0 1\nUUID=1-2 /boot\\040x vfat nofail 0 2\n")
inspected = filesystem(
    ["sh", "-c", f"printf 'label: gpt\nlabel-id: {IDENTIFIER}\n64 128 L\n192 128 U\n' | sfdisk -q IMAGE"]
)[0]
root = filesystem(
    [word if word != "16" else "48" for word in EXT] + ["-t", "ext2", "-I", "128", "-O", PLAIN, "IMAGE", "64k"],
    files={
        "nix/store/a/boot.json": json.dumps(SPECIFICATION), "nix/store/a/etc/fstab": "UUID=1 / ext4",
        "nix/var/nix/profiles/system": "-> system-1-link", "nix/var/nix/profiles/system-1-link": "-> /nix/store/a",
        "boot/grub/grub.cfg": MENU,
    },
)[0]
esp = filesystem(
    ["mkfs.fat", "-i", "12345678", "-s", "1", "-r", "16", "-F", "12", "IMAGE", "64"],
    ["mcopy", "-s", "-m", "-i", "IMAGE", "TREE/loader", "TREE/EFI", "::/"],
    files={
        "loader/loader.conf": "default nixos-*", "loader/entries/nixos-generation-1.conf": ENTRY, "EFI/k.efi": "k",
        "EFI/BOOT/BOOTX64.EFI": "MZ",
    },
)[0]
inspected = inspected[: 64 * 512] + root[: 64 << 10] + esp[: 64 << 10] + inspected[320 * 512 :]
write("imageReport", "nixos", sparse(inspected))
