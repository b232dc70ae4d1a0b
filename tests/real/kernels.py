#!/usr/bin/env python3
"""Debian's kernel source trees, for the tests that read real kernels.

    python -m tests.real.kernels [--no-fetch] [VERSION ...]

A tree is fetched once, into a cache folder outside the checkout, and is only
read from then on: $XFRMLINT_KERNELS, else $XDG_CACHE_HOME/xfrmlint-kernels,
else ~/.cache/xfrmlint-kernels. A tree that is there already is used as it is,
without apt and without network, whoever unpacked it.

Fetching needs a machine that has a Debian mirror configured. Its apt is asked
for the mirror's address and does the download, with sources, lists and caches
of its own below the cache folder: the machine's configuration and package
lists stay as they are.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

#: Where each kernel's linux-source package lives, the main archive first.
SUITES: Mapping[str, tuple[str, ...]] = {
    "6.1": ("bookworm", "bookworm-security"),
    "6.12": ("bookworm", "bookworm-security"),
    "7.3": ("trixie-backports",),
}
#: The hand-read results, one folder per exact version.
EXPECTED = Path(__file__).resolve().parent / "expected"

_CHECKOUT = Path(__file__).resolve().parents[2]
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TIMEOUT = 3600
#: Names of Debian releases, for a machine whose apt has no lists to tell.
_RELEASES = frozenset(
    [
        "stable",
        "oldstable",
        "testing",
        "unstable",
        "sid",
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
    ]
)


class Unavailable(Exception):
    """A kernel tree can't be had here; `reason` is fit for pytest.skip()."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Work(NamedTuple):
    """Where a kernel is unpacked, and the lock that its commands hold.

    They inherit it: should this process be killed, then the next one waits for
    a tar that is still writing, instead of clearing the folder under its feet.
    """

    folder: Path
    lock: int


class _Target(NamedTuple):
    """One package index that the machine's apt is configured to use."""

    uri: str
    release: str
    component: str
    origin: str
    label: str


def cache_folder() -> Path:
    """The folder that holds the trees; it need not exist."""
    named = os.environ.get("XFRMLINT_KERNELS")
    if named:
        folder = Path(named).expanduser()
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
        if not caches.is_absolute():
            caches = Path.home() / ".cache"
        folder = caches / "xfrmlint-kernels"
    folder = folder.resolve()
    if folder.is_relative_to(_CHECKOUT):
        raise Unavailable(f"the cache folder {folder} lies inside the checkout")
    return folder


def exact_version(tree: Path) -> str:
    """The version that a tree's Makefile states, such as 6.12.117."""
    try:
        text = (tree / "Makefile").read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise Unavailable(f"{tree} is no kernel tree: {error.strerror}") from error
    parts: dict[str, str] = {}
    for name, value in re.findall(
        r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(.*?)[ \t]*$", text, re.MULTILINE
    ):
        parts.setdefault(name, value)
    numbers = [parts.get(name, "") for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    if not all(number.isdecimal() for number in numbers):
        raise Unavailable(f"{tree}/Makefile states no kernel version")
    return ".".join(numbers) + parts.get("EXTRAVERSION", "")


def expected(tree: Path) -> Path:
    """The folder of the results expected of exactly this tree."""
    exact = exact_version(tree)
    folder = EXPECTED / exact
    if not folder.is_dir():
        known = ", ".join(sorted(entry.name for entry in EXPECTED.iterdir() if entry.is_dir()))
        raise Unavailable(f"the expected results are of {known}; the tree {tree} is {exact}")
    return folder


def kernel(version: str, *, fetch: bool = True) -> Path:
    """The tree of a kernel series such as "6.12", fetched if it isn't there yet."""
    if not re.fullmatch(r"\d+\.\d+", version):
        raise ValueError(f"not a kernel series: {version!r}")
    cache = cache_folder()
    tree = cache / f"linux-source-{version}"
    if _present(tree, version):
        return tree
    if not fetch:
        raise Unavailable(f"{tree} isn't there, and fetching is off")
    if version not in SUITES:
        raise Unavailable(f"{tree} isn't there, and no package with it is known")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / ".lock") as lock:
            if not _present(tree, version):
                _fetch(version, _Work(cache / "apt" / version, lock), tree)
    except OSError as error:
        raise Unavailable(f"can't unpack linux-source-{version}: {error}") from error
    return tree


def _present(tree: Path, version: str) -> bool:
    """Whether the tree is there; something else in its place is an error."""
    if not tree.exists():
        return False
    exact = exact_version(tree)
    if exact.split(".")[:2] != version.split("."):
        raise Unavailable(f"{tree} holds kernel {exact}")
    return True


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold a lock file; the other runs on this machine wait for it."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()


def _fetch(version: str, work: _Work, tree: Path) -> None:
    """Download and unpack one kernel; the tree appears complete or not at all."""
    if not _KEYRING.is_file():
        raise Unavailable(f"no Debian archive keyring on this machine ({_KEYRING})")
    sources = _sources(SUITES[version])
    _discard(work.folder)  # what an interrupted run left
    try:
        work.folder.mkdir(parents=True)
        work.folder.chmod(0o700)  # the addresses of mirrors and proxies may hold passwords
        unpacked = _unpack(tree.name, _download(tree.name, sources, work), work)
        if not _present(unpacked, version):
            raise Unavailable(f"{tree.name} holds no folder {unpacked.name}")
        os.rename(unpacked, tree)
    finally:
        _discard(work.folder)
        with contextlib.suppress(OSError):
            work.folder.parent.rmdir()  # unless something else is in there


def _discard(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _download(name: str, sources: str, work: _Work) -> Path:
    """The package's .deb, brought by an apt that sees nothing but our sources."""
    folder = work.folder
    for needed in ("lists/partial", "cache/archives/partial"):
        (folder / needed).mkdir(parents=True)
    (folder / "sources.list").write_text(sources, encoding="utf-8")
    (folder / "status").touch()
    # Options come after the configuration has been read, too late to keep the
    # machine's hooks from running. So a file replaces it, with the machine's
    # Acquire settings: proxies, time-outs, certificates.
    (folder / "apt.conf").write_text(
        _run(["apt-config", "dump", "Acquire"])
        + 'Dir::Etc::Main "/dev/null";\nDir::Etc::Parts "/dev/null";\n',
        encoding="utf-8",
    )
    options = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "Acquire::Retries": "2",
    }
    apt = ["apt-get", "-q"]
    for option, value in options.items():
        apt += ["-o", f"{option}={value}"]
    environment = {"APT_CONFIG": str(folder / "apt.conf")}
    _run([*apt, "update"], environment=environment, lock=work.lock)
    _run([*apt, "download", name], cwd=folder, environment=environment, lock=work.lock)
    packages = list(folder.glob(f"{name}_*.deb"))
    if len(packages) != 1:
        raise Unavailable(f"apt-get download {name} left {len(packages)} packages")
    return packages[0]


def _unpack(name: str, package: Path, work: _Work) -> Path:
    """The tree out of the tarball out of the package, still in the work folder."""
    folder = work.folder
    _run(["dpkg", "-x", str(package), str(folder / "package")], lock=work.lock)
    package.unlink()
    tarball = folder / "package" / "usr" / "src" / f"{name}.tar.xz"
    (folder / "tree").mkdir()
    command = ["tar", "--no-same-owner", "-xf", str(tarball), "-C", str(folder / "tree")]
    _run(command, lock=work.lock)
    return folder / "tree" / name


def _sources(suites: Sequence[str]) -> str:
    """A sources.list for the suites, from the mirrors that the machine uses."""
    main, security = _mirrors()
    lines: list[str] = []
    for suite in suites:
        mirror = security if suite.endswith("-security") else main
        if mirror is not None:  # else the main archive alone has to do
            lines.append(f"deb [signed-by={_KEYRING} target=Packages] {mirror} {suite} main\n")
    return "".join(lines)


def _mirrors() -> tuple[str, str | None]:
    """The addresses of the machine's Debian mirror and of its security mirror."""
    main: Counter[str] = Counter()
    security: Counter[str] = Counter()
    targets = [target for target in _targets() if target.origin == "Debian"]
    for target in targets:
        if target.label == "Debian":
            main[target.uri] += 1
        elif target.label == "Debian-Security":
            security[target.uri] += 1
    if not (main and security):  # lists are missing here: go by the names of the suites
        named: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
        for target in _targets("--no-release-info"):
            base = re.sub(r"(-security|-updates|/updates)$", "", target.release)
            if base in _RELEASES and target.component == "main":
                named[target.release.endswith(("-security", "/updates"))][target.uri] += 1
        main, security = main or named[False], security or named[True]
    if not main:
        raise Unavailable("no Debian mirror is configured on this machine")
    return _commonest(main) or "", _commonest(security)


def _commonest(mirrors: Counter[str]) -> str | None:
    return mirrors.most_common(1)[0][0] if mirrors else None


def _targets(*options: str) -> list[_Target]:
    fields = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(ORIGIN)\t$(LABEL)"
    output = _run(["apt-get", "indextargets", *options, "--format", fields, "Created-By: Packages"])
    rows = (line.split("\t") for line in output.splitlines())
    targets = [_Target(*row) for row in rows if len(row) == len(_Target._fields)]
    return [
        target
        for target in targets
        if not target.uri.startswith("cdrom:") and not re.search(r"\s", target.uri)
    ]


def _run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    lock: int | None = None,
) -> str:
    """What a command prints; its failure makes the kernel unavailable."""
    try:
        result = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
            pass_fds=() if lock is None else (lock,),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} isn't installed") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{command[0]} took more than {_TIMEOUT} s") from error
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("E:")] or lines[-1:]
        reason = errors[0] if errors else f"exit status {result.returncode}"
        raise Unavailable(f"{command[0]} failed: {reason}")
    return result.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Print series, exact version and folder of the kernels that are named."""
    parser = argparse.ArgumentParser(prog="kernels", description="fetch Debian's kernel sources")
    parser.add_argument("--no-fetch", action="store_true", help="only look into the cache folder")
    parser.add_argument("version", nargs="*", metavar="VERSION", help=", ".join(SUITES))
    options = parser.parse_args(arguments)
    status = 0
    for version in options.version or SUITES:
        try:
            tree = kernel(version, fetch=not options.no_fetch)
            print(version, exact_version(tree), tree, sep="\t", flush=True)
        except (Unavailable, ValueError) as error:
            print(f"{version}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
