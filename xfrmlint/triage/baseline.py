"""Baselines: findings that are known already, in a JSON file with a line for each."""

import json
import os
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from xfrmlint.errors import InputError
from xfrmlint.findings import LEVELS, Finding, Known, Report, in_order

SCHEMA = 1
_FIELDS = {
    "path": str,
    "function": str,
    "type": str,
    "level": str,
    "fingerprint": str,
    "count": int,
}
_HEAD = {"schema", "baseline"}
_LARGEST = 64 << 20


def baseline_of(findings: Iterable[Finding]) -> tuple[Known, ...]:
    """Return what a baseline remembers of findings, in the order in which it is written."""
    found: dict[str, Known] = {}
    for f in findings:
        one = found.get(f.fingerprint, Known(f.path, f.function, f.type, f.level, f.fingerprint, 0))
        worst = min(one.level, f.level, key=LEVELS.index)
        found[f.fingerprint] = one._replace(level=worst, times=one.times + 1)
    return tuple(sorted(found.values()))


def compared(report: Report, baseline: Sequence[Known]) -> Report:
    """Return a report without what a baseline knows, and with what it knows and is gone.

    A finding that got worse than it was is new. What else keeps a finding from being shown (a
    comment, the tree's configuration) doesn't make it gone.
    """
    known = {one.fingerprint: one for one in baseline}
    left = Counter({one.fingerprint: one.times for one in baseline})
    new, old = [], []
    for finding in in_order([*report.findings, *report.baselined]):
        one = known.get(finding.fingerprint)
        if one is not None and left[one.fingerprint] > 0:
            left[one.fingerprint] -= 1
            if LEVELS.index(finding.level) >= LEVELS.index(one.level):
                old.append(finding)
                continue
        new.append(finding)
    left.subtract(f.fingerprint for f in (*report.suppressed, *report.ignored))
    gone = [one._replace(times=left[one.fingerprint]) for one in baseline]
    return report._replace(
        findings=tuple(new),
        baselined=tuple(old),
        gone=(*report.gone, *(one for one in gone if one.times > 0)),
    )


def text_of(baseline: Iterable[Known]) -> str:
    """Return a baseline as JSON, all ASCII, one finding a line."""
    lines = [json.dumps(dict(zip(_FIELDS, one, strict=True))) for one in sorted(baseline)]
    rows = ",\n".join(f"    {line}" for line in lines)
    return f'{{\n  "schema": {SCHEMA},\n  "baseline": [\n{rows}\n  ]\n}}\n'


def parsed(data: bytes) -> tuple[Known, ...]:
    """Return the baseline in a file's bytes; raises InputError without the file's name."""
    try:
        read = json.loads(data)
    except RecursionError:
        raise InputError("nested too deeply") from None
    except ValueError as error:
        raise InputError(f"no JSON: {error}") from None
    if not isinstance(read, dict) or "schema" not in read:
        raise InputError("no baseline; xfrmlint check --write-baseline writes one")
    if read["schema"] is True or read["schema"] != SCHEMA:
        raise InputError(f"a baseline of another schema than {SCHEMA}; write it again")
    if set(read) != _HEAD or not isinstance(read["baseline"], list):
        raise InputError("no baseline; xfrmlint check --write-baseline writes one")
    found: dict[str, Known] = {}
    for number, row in enumerate(read["baseline"], 1):
        one = _known(row, f"finding {number}")
        if one.fingerprint in found:
            raise InputError(f"finding {number}: its fingerprint is there twice")
        found[one.fingerprint] = one
    return tuple(found.values())


def read_baseline(path: Path) -> tuple[Known, ...]:
    """Return the baseline in a file; raises InputError that says what is wrong with it."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {_why(error)}") from None
    if len(data) > _LARGEST:
        raise InputError(f"{path}: larger than {_LARGEST >> 20} MiB")
    try:
        return parsed(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def write_baseline(path: Path, baseline: Iterable[Known]) -> None:
    """Write a baseline, all of it or nothing; raises InputError if that can't be done."""
    # Nobody else can know it, and nothing is followed: the folder may be somebody else's.
    temporary = path.parent / f".xfrmlint-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # To replace /dev/stdout by a file would be worse than an error.
        if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
            raise InputError(f"{path}: not a regular file")
        handle = os.open(temporary, flags, 0o666)
        try:
            with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
                file.write(text_of(baseline))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink()
            raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {_why(error)}") from None


def _why(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def _known(row: Any, where: str) -> Known:
    if not isinstance(row, dict) or set(row) != set(_FIELDS):
        raise InputError(f"{where}: not {', '.join(_FIELDS)}")
    for name, kind in _FIELDS.items():
        if type(row[name]) is not kind:
            raise InputError(f"{where}: {name} is no {'number' if kind is int else 'text'}")
    if row["level"] not in LEVELS:
        raise InputError(f"{where}: level is none of {', '.join(LEVELS)}")
    if row["count"] < 1:
        raise InputError(f"{where}: count is less than 1")
    return Known(*(row[name] for name in _FIELDS))
