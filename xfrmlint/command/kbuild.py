"""What the kernel's build asks of a checker: make C=1 CHECK="xfrmlint kbuild".

Source: Linux 7.3, scripts/Makefile.build (cmd_checksrc: the compiler's flags, the source last),
scripts/checker-valid.sh (a source without an extension, on which nothing may be said).
"""

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from xfrmlint.contract.words import MARK, WORDS
from xfrmlint.findings import Finding
from xfrmlint.kernel.places import vendor
from xfrmlint.tree.folder import Folder, find_tree, is_tree, tree_around


class Source(NamedTuple):
    """A file that is compiled. prefix: what the build puts before names in its tree."""

    tree: Folder
    path: str
    prefix: str


def checked(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the findings that stand in the file being compiled, as gcc would print them.

    Nothing for a file that is no kernel's, nor for one whose driver doesn't speak of the contract:
    those are most, and nothing else is loaded for them. Raises InputError for a tree that can't be
    checked.
    """
    source = source_of(arguments, environment)
    if source is None:
        return
    folder = vendor(source.path)
    if source.tree.search(f"{WORDS}|{MARK}", [folder]):
        yield from _found(source, folder)


def source_of(arguments: Sequence[str], environment: Mapping[str, str]) -> Source | None:
    """Return the kernel's source that is compiled; None if it is none."""
    if not arguments or not arguments[-1].endswith(".c"):
        return None
    folder, name = os.path.split(os.path.abspath(arguments[-1]))
    full = Path(os.path.realpath(folder), name)
    named = environment.get("srctree", "")
    root = Path(named) if named else tree_around(full.parent)
    if root is None or not is_tree(root):
        return None
    tree = find_tree(str(root))
    if not full.is_relative_to(tree.root):
        return None
    prefix = "" if named in ("", ".") else f"{named.rstrip('/')}/"
    return Source(tree, full.relative_to(tree.root).as_posix(), prefix)


def _found(source: Source, folder: str) -> Iterator[str]:
    from xfrmlint.check import check_tree
    from xfrmlint.memory.cache import Cache, place_outside
    from xfrmlint.memory.gather import Session
    from xfrmlint.report import checkpatch, gcc
    from xfrmlint.rules import load_rules, rules_folder
    from xfrmlint.triage.applied import triaged
    from xfrmlint.triage.config import load_config

    rules = load_rules([rules_folder()])
    config = load_config(source.tree, {rule.type for rule in rules})
    file = place_outside(source.tree.root)
    with _in_turn(file, folder), Cache(file) as kept:
        kept.know(source.tree)
        report = check_tree(
            source.tree, rules, session=Session(kept, config.names), under=(folder,)
        )
    report = triaged(report, config)
    shown = checkpatch.shown(report.findings, checkpatch.Options())
    here = [_as_named(f, source.prefix) for f in shown if f.path == source.path]
    unknown = tuple(one for one in report.unknown if one.path == source.path)
    yield from gcc.render(report._replace(unknown=unknown), here)


@contextmanager
def _in_turn(cache: Path | None, folder: str) -> Iterator[None]:
    """Let one process alone find out about a folder; those beside it wait, and then remember.

    Without a cache there is nothing to wait for.
    """
    import fcntl

    try:
        if cache is None:
            raise FileNotFoundError
        cache.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(cache.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        start = zlib.crc32(folder.encode("utf-8", "surrogateescape"))
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
        except OSError:
            # Who waited goes on with the others who did.
            fcntl.lockf(handle, fcntl.LOCK_EX, 1, start)
            fcntl.lockf(handle, fcntl.LOCK_UN, 1, start)
        yield
    finally:
        os.close(handle)


def _as_named(finding: Finding, prefix: str) -> Finding:
    """Return a finding with the names of files that the build uses."""
    return finding._replace(
        path=prefix + finding.path,
        chain=tuple(hop._replace(path=prefix + hop.path) for hop in finding.chain),
        related=tuple(one._replace(path=prefix + one.path) for one in finding.related),
    )
