"""The running kernel's root: an archive with busybox, ip, and the scenarios."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.running.needed import Missing, program

_HERE = Path(__file__).parent / "c"


def write_root(archive: Path, scenarios: str, work: Path) -> None:
    """Write a cpio archive (newc) that the kernel unpacks.

    scenarios: what /init plays. work: a folder for what is compiled. Raises Missing.
    """
    sender = work / "send"
    source = _HERE / "send.c"
    if not sender.exists() or sender.stat().st_mtime < source.stat().st_mtime:
        command = [program("gcc"), "-static", "-O1", "-Wall", "-o", str(sender), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"gcc can't link statically: {done.stderr.strip()[-200:]}")
    busybox, ip = Path(program("busybox")), Path(program("ip"))
    files = {
        "init": (_HERE / "init").read_bytes(),
        "scenarios": scenarios.encode(),
        "bin/busybox": busybox.read_bytes(),
        "bin/send": sender.read_bytes(),
        # In front of busybox's own in the PATH.
        "sbin/ip": ip.read_bytes(),
        **{name.lstrip("/"): Path(name).read_bytes() for name in _libraries(ip)},
    }
    if _libraries(busybox):
        raise Missing("busybox is not linked statically (Debian's busybox-static is)")
    folders = {str(parent) for name in files for parent in Path(name).parents}
    folders |= {"dev", "proc", "sys", "tmp"}
    parts = [_entry(name, stat.S_IFDIR | 0o755) for name in sorted(folders - {"."})]
    parts.append(_entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)))
    parts += [_entry(name, stat.S_IFREG | 0o755, data) for name, data in files.items()]
    parts.append(_entry("TRAILER!!!", 0))
    archive.write_bytes(b"".join(parts))


def _libraries(binary: Path) -> list[str]:
    """Return the shared libraries that a binary is started with, loader included."""
    ldd = shutil.which("ldd")
    if ldd is None:
        raise Missing("ldd isn't installed")
    done = subprocess.run([ldd, binary], capture_output=True, text=True, check=False)
    return [word for line in done.stdout.splitlines() for word in _path_of(line)]


def _path_of(line: str) -> Iterator[str]:
    # "libc.so.6 => /lib/libc.so.6 (0x7f..)", or "/lib64/ld-linux-x86-64.so.2 (0x7f..)".
    name = line.rpartition("=>")[2].split("(")[0].strip()
    if os.path.isabs(name):
        yield name


def _entry(name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    path = name.encode() + b"\0"
    numbers = (0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + path
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
