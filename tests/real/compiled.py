#!/usr/bin/env python3
"""Compile what `xfrmlint convert` makes of real kernels, with the kernel's own make.

    python -m tests.real.compiled [--folder DIR] [VERSION ...]

The RFC's interfaces are laid into a copy of each kernel (hard links, broken where a file is
edited); every lower driver is converted. Each mail has to go in with `git am`, to stand
checkpatch.pl --strict, and to compile: the sources that it edits, and those that include a header
that it edits, W=1, x86-64, with no warning more than before. Prints a table in Markdown; status 1
if anything fails.

Needs make, gcc, flex, bison, bc, perl, git and the headers of libelf and openssl.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.real import kernels
from tests.real.ported import Ported

VERSIONS = ("7.3", "6.12")
# What the drivers with an ops table need, and what those options depend on.
OPTIONS = (
    "64BIT COMPILE_TEST MODULES PCI PCI_MSI SMP NET INET IPV6 CRYPTO DEBUG_FS XFRM_USER INET_ESP "
    "INET_ESP_OFFLOAD INET6_ESP INET6_ESP_OFFLOAD NETDEVICES NET_CORE ETHERNET NET_VENDOR_INTEL "
    "IXGBE=m IXGBE_IPSEC IXGBEVF=m IXGBEVF_IPSEC NET_VENDOR_MELLANOX MLX5_CORE=m MLX5_CORE_EN "
    "MLX5_EN_IPSEC NET_VENDOR_NETRONOME NFP=m NFP_NET_IPSEC NET_VENDOR_CHELSIO CHELSIO_T4=m "
    "CHELSIO_INLINE_CRYPTO CHELSIO_IPSEC_INLINE=m NET_VENDOR_MARVELL OCTEONTX2_AF=m OCTEONTX2_PF=m "
    "NETDEVSIM=m"
)
_WARNING = re.compile(r"^\S+?:\d+:\d+: (warning|error): (.*)$")
_AUTHOR = {
    "GIT_AUTHOR_NAME": "A Developer",
    "GIT_AUTHOR_EMAIL": "dev@example.org",
    "GIT_COMMITTER_NAME": "A Developer",
    "GIT_COMMITTER_EMAIL": "dev@example.org",
}


class Outcome(NamedTuple):
    """What came of one driver. faults: what is wrong, empty where all is well."""

    kernel: str
    driver: str
    objects: int
    warnings: tuple[int, int]
    faults: tuple[str, ...]


class Built:
    """A kernel with the interfaces laid in, and the folder that it is built in."""

    def __init__(self, version: str, folder: Path) -> None:
        self.version = version
        self.source = folder / f"src-{version}"
        self.out = folder / "build" / version
        kernel = kernels.kernel(version, fetch=False)
        if not self.source.is_dir():
            subprocess.run(["cp", "-al", kernel, self.source], check=True)
            ported = Ported(kernel, Path(tempfile.mkdtemp(dir=folder)), ("include", "net/xfrm"))
            ported.port()
            for path in (
                "include/linux/netdevice.h",
                "include/net/xfrm.h",
                "net/xfrm/xfrm_state.c",
            ):
                self.put(path, (ported.root / path).read_bytes())
            shutil.rmtree(ported.root)

    def put(self, path: str, data: bytes) -> None:
        """Put a file in place of the linked one: the other end is the real kernel."""
        (self.source / path).unlink(missing_ok=True)
        (self.source / path).write_bytes(data)

    def make(self, *arguments: str, failing: bool = False) -> str:
        """Run make, and return what the compiler says."""
        command = ["make", "-C", str(self.source), f"O={self.out}", "ARCH=x86_64", *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode and not failing:
            raise SystemExit(
                f"{' '.join(command)} failed:\n{ran.stdout[-500:]}{ran.stderr[-2000:]}"
            )
        return ran.stderr

    def prepare(self) -> None:
        """Configure it, and build what every object needs."""
        self.out.mkdir(parents=True, exist_ok=True)
        wanted = dict((f"{one}=y".split("=")[:2]) for one in OPTIONS.split())
        if not (self.out / "include/generated/utsrelease.h").is_file():
            lines = [f"CONFIG_{name}={value}\n" for name, value in wanted.items()]
            chosen = self.out / "chosen"
            chosen.write_text("".join([*lines, "CONFIG_WERROR=n\n"]), "utf-8")
            self.make(f"KCONFIG_ALLCONFIG={chosen}", "allnoconfig")
            self.make("-j2", "prepare")
        config = (self.out / ".config").read_text("utf-8")
        missing = [n for n in wanted if not re.search(rf"^CONFIG_{n}=[ym]$", config, re.M)]
        if missing:
            raise SystemExit(f"{self.version}: not to be had: {' '.join(missing)}")

    def compiled(self, sources: Sequence[str]) -> list[str]:
        """Compile sources anew, and return the warnings and errors."""
        objects = [str(Path(one).with_suffix(".o")) for one in sources]
        for one in objects:
            (self.out / one).unlink(missing_ok=True)
        said = self.make("W=1", "-k", "-j2", *objects, failing=True)
        found = [match.group(0) for line in said.split("\n") if (match := _WARNING.match(line))]
        lost = [one for one in objects if not (self.out / one).is_file()]
        return [*found, *(f"{one}: error: is not built" for one in lost)]

    def has(self, source: str) -> bool:
        """Tell whether a source was compiled."""
        return (self.out / Path(source).with_suffix(".o")).is_file()

    def including(self, header: str) -> Iterator[str]:
        """Yield the sources of a driver's folder that include a header, or one that does."""
        top = self.source / "/".join(header.split("/")[:6])
        top = top if top.is_dir() else (self.source / header).parent
        files = sorted(top.rglob("*.[ch]"))
        texts = {path: path.read_text("utf-8", "replace") for path in files}
        names = {Path(header).name}
        while True:
            named = re.compile("|".join(rf'#include ".*\b{re.escape(n)}"' for n in sorted(names)))
            found = {path for path, text in texts.items() if named.search(text)}
            more = {path.name for path in found if path.suffix == ".h"} - names
            if not more:
                break
            names |= more
        for path in sorted(found):
            if path.suffix == ".c":
                yield str(path.relative_to(self.source))


def converted(built: Built, folder: Path) -> Iterator[tuple[str, Path]]:
    """Convert every lower driver of a kernel; yield those that got a mail, with that."""
    command = [sys.executable, "-m", "xfrmlint", "convert", str(built.source), "--all", "--signoff"]
    run = [*command, "-o", str(folder)]
    ran = subprocess.run(run, capture_output=True, text=True, check=False, env=_environment())
    sys.stderr.write(ran.stderr)
    for line in ran.stdout.split():
        subject = re.search(r"^Subject: \[PATCH\] ([\w-]+):", Path(line).read_text("utf-8"), re.M)
        assert subject is not None
        yield subject.group(1), Path(line)


def _environment() -> dict[str, str]:
    return {**os.environ, **_AUTHOR}


def outcome(built: Built, driver: str, mail: Path) -> Outcome:
    """Take a mail in, check its style, and compile before and after."""
    text = mail.read_text("utf-8")
    paths = re.findall(r"^--- a/(.*)$", text, re.M)
    before = {path: (built.source / path).read_bytes() for path in paths}
    faults = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path, data in before.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        for command in (
            ("init", "-q"),
            ("add", "."),
            ("commit", "-qm", "before"),
            ("am", str(mail)),
        ):
            ran = subprocess.run(
                ["git", "-c", "commit.gpgsign=false", *command],
                cwd=root,
                env=_environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            if ran.returncode:
                faults.append(f"git {command[0]}: {ran.stderr.strip()}")
        after = {path: (root / path).read_bytes() for path in paths}
    style = ["perl", "scripts/checkpatch.pl", "--no-tree", "--strict", "--no-summary", str(mail)]
    ran = subprocess.run(style, cwd=built.source, capture_output=True, text=True, check=False)
    faults += [line for line in ran.stdout.split("\n") if re.match(r"(ERROR|WARNING|CHECK):", line)]
    sources = {path for path in paths if path.endswith(".c")}
    for path in paths:
        if path.endswith(".h"):
            sources |= {*built.including(path)}
    known = sorted(sources)
    said = built.compiled(known)
    if not all(map(built.has, known)):
        # The configuration need not have all that include a header.
        known = [one for one in known if built.has(one)]
        said = built.compiled(known)
    for path, data in after.items():
        built.put(path, data)
    now = built.compiled(known)
    for path, data in before.items():
        built.put(path, data)
    more = Counter(map(_without_line, now)) - Counter(map(_without_line, said))
    faults += sorted(more)
    return Outcome(built.version, driver, len(known), (len(said), len(now)), tuple(faults))


def _without_line(said: str) -> str:
    return re.sub(r":\d+:\d+:", ":", said)


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert and compile; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="where to build, kept for the next time")
    parser.add_argument("versions", nargs="*", default=VERSIONS, metavar="VERSION")
    chosen = parser.parse_args(arguments)
    folder = chosen.folder or kernels.cache_folder() / "compiled"
    folder.mkdir(parents=True, exist_ok=True)
    status = 0
    print("| kernel | driver | objects | warnings before | after | |")
    print("|---|---|---|---|---|---|")
    for version in chosen.versions:
        built = Built(version, folder)
        built.prepare()
        with tempfile.TemporaryDirectory() as mails:
            for driver, mail in converted(built, Path(mails)):
                one = outcome(built, driver, mail)
                said = "; ".join(one.faults) or "applies, compiles, no complaint"
                before, after = one.warnings
                print(
                    f"| {version} | {driver} | {one.objects} | {before} | {after} | {said} |",
                    flush=True,
                )
                status |= bool(one.faults)
    return status


if __name__ == "__main__":
    sys.exit(main())
