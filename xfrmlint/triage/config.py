"""A tree's own settings: `.xfrmlint.toml` at its top."""

import os
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from xfrmlint.contract.revisions import NO_NAMES, Names, names_in
from xfrmlint.errors import InputError
from xfrmlint.findings import LEVELS, Finding, Report
from xfrmlint.tree import ABSENT, Tree, Unreadable
from xfrmlint.tree.folder import Folder

NAME = ".xfrmlint.toml"
OFF = "OFF"
# tomllib takes a second for 16 KiB of dots, and half a minute for 64.
_LARGEST = 16 << 10


class Ignore(NamedTuple):
    """Findings of some types that don't count below some paths (globs), and why."""

    types: frozenset[str]
    paths: tuple[str, ...]
    reason: str


class Config(NamedTuple):
    """What a tree's maintainers set. levels: of a type, or OFF. fail_on: a level, or empty.

    names: what the tree calls things of the contract.
    """

    levels: Mapping[str, str] = MappingProxyType({})
    ignores: tuple[Ignore, ...] = ()
    fail_on: str = ""
    names: Names = NO_NAMES


def load_config(tree: Tree, types: Collection[str]) -> Config:
    """Return the settings of a tree, empty where it has none. types: all that exist.

    For a change this is to be the tree before it, lest a change loosens its own check. Raises
    InputError that says what is wrong where.
    """
    data = _settings(tree)
    if data is None:
        return Config()
    try:
        return parsed(data, types)
    except InputError as error:
        raise InputError(f"{tree.name}: {NAME}: {error}") from None


def load_names(tree: Tree) -> Names:
    """Return what the settings of a tree say that things of the contract are called."""
    data = _settings(tree)
    if data is None or b"contract" not in data:
        return NO_NAMES
    try:
        return _names(_read(data))
    except InputError as error:
        raise InputError(f"{tree.name}: {NAME}: {error}") from None


def _settings(tree: Tree) -> bytes | None:
    """Return the text of a tree's settings, None where it has none."""
    try:
        return tree.read(NAME)
    except Unreadable as error:
        # A link that leads nowhere is not nothing.
        linked = isinstance(tree, Folder) and os.path.islink(tree.root / NAME)
        if str(error) == ABSENT and not linked:
            return None
        raise InputError(f"{tree.name}: {NAME}: {error}") from None


def parsed(data: bytes, types: Collection[str]) -> Config:
    """Return what the text of a configuration says; raises InputError without the file's name."""
    read = _read(data)
    _no_others(read, "", ("levels", "ignore", "fail-on", "contract"))
    levels, ignores = read.get("levels", {}), read.get("ignore", [])
    if not isinstance(levels, dict):
        raise InputError("levels is no table of TYPE = LEVEL")
    if not isinstance(ignores, list):
        raise InputError("ignore is no list of tables ([[ignore]])")
    return Config(
        {
            _type(name, "levels", types): _level(value, f"levels.{name}", (*LEVELS, OFF))
            for name, value in levels.items()
        },
        tuple(_ignore(one, f"ignore {n}", types) for n, one in enumerate(ignores, 1)),
        _level(read["fail-on"], "fail-on", LEVELS) if "fail-on" in read else "",
        _names(read),
    )


def _read(data: bytes) -> dict[str, Any]:
    if len(data) > _LARGEST:
        raise InputError(f"larger than {_LARGEST >> 10} KiB")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except RecursionError:
        raise InputError("nested too deeply") from None
    except ValueError as error:
        raise InputError(str(error)) from None


def _names(read: Mapping[str, Any]) -> Names:
    named = read.get("contract", {})
    if not isinstance(named, dict):
        raise InputError("contract is no table")
    try:
        return names_in(named)
    except InputError as error:
        raise InputError(f"contract: {error}") from None


def configured(report: Report, config: Config, asked: Collection[str] = ()) -> Report:
    """Return a report with a tree's settings applied to its findings.

    asked: types that the user asked for by name, which a tree can't turn off.
    """
    kept, ignored = [], []
    for finding in report.findings:
        level = config.levels.get(finding.type, finding.level)
        if level == OFF and finding.type in asked:
            level = finding.level
        off = level == OFF or any(_covers(one, finding) for one in config.ignores)
        if off:
            ignored.append(finding)
        else:
            kept.append(finding._replace(level=level))
    return report._replace(findings=tuple(kept), ignored=(*report.ignored, *ignored))


def idle_ignores(findings: Iterable[Finding], config: Config) -> tuple[str, ...]:
    """Return the entries of a tree's settings that match nothing of what is found in all of it."""
    found = list(findings)
    return tuple(
        f"ignore {number} ({', '.join(sorted(one.types))} in {', '.join(one.paths)})"
        for number, one in enumerate(config.ignores, 1)
        if not any(_covers(one, finding) for finding in found)
    )


def matches(glob: str, path: str) -> bool:
    """Tell whether a path, or a folder above it, is meant by a glob.

    `*` and `?` stand for what is no slash, a part `**` for any number of folders. The time is
    bounded by the product of both lengths.
    """
    parts = [*glob.rstrip("/").split("/"), "**"]
    return _wild(parts, path.split("/"), "**", lambda part, name: _wild(part, name, "*", _same))


def _same(wanted: str, found: str) -> bool:
    return wanted in ("?", found)


def _wild(
    pattern: Sequence[str], text: Sequence[str], star: str, same: Callable[[str, str], bool]
) -> bool:
    at = position = tried = 0
    back = -1
    while position < len(text):
        if at < len(pattern) and pattern[at] == star:
            back, tried = at, position
            at += 1
        elif at < len(pattern) and same(pattern[at], text[position]):
            at += 1
            position += 1
        elif back >= 0:
            # The last star takes one more; those before it need not be tried again.
            tried += 1
            at, position = back + 1, tried
        else:
            return False
    return all(rest == star for rest in pattern[at:])


def _covers(one: Ignore, finding: Finding) -> bool:
    return finding.type in one.types and any(matches(glob, finding.path) for glob in one.paths)


def _no_others(table: Mapping[str, Any], where: str, known: Collection[str]) -> None:
    strange = sorted(set(table) - set(known))
    if strange:
        raise InputError(f"{where}unknown key {', '.join(strange)}")


def _type(name: str, where: str, types: Collection[str]) -> str:
    if name not in types:
        raise InputError(f"{where}: {name}: no such type; xfrmlint check --list-types")
    return name


def _level(value: object, where: str, known: Sequence[str]) -> str:
    if not isinstance(value, str) or value.upper() not in known:
        raise InputError(f"{where} is none of {', '.join(known).replace(OFF, OFF.lower())}")
    return value.upper()


def _ignore(table: object, where: str, types: Collection[str]) -> Ignore:
    if not isinstance(table, dict):
        raise InputError(f"{where} is no table")
    _no_others(table, f"{where}: ", ("types", "paths", "reason"))
    named, paths = _texts(table, "types", where), _texts(table, "paths", where)
    reason = table.get("reason")
    if not isinstance(reason, str) or not any(map(str.isalnum, reason)):
        raise InputError(f"{where}: a reason is missing")
    for glob in paths:
        if any(part in ("", ".", "..") for part in glob.rstrip("/").split("/")):
            raise InputError(f"{where}: {glob!r} is no path below the top of the tree")
        if "[" in glob or "\\" in glob:
            raise InputError(f"{where}: {glob!r}: only *, ? and ** stand for something else")
    return Ignore(frozenset(_type(name, where, types) for name in named), tuple(paths), reason)


def _texts(table: Mapping[str, Any], name: str, where: str) -> list[str]:
    found = table.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(t, str) for t in found):
        raise InputError(f"{where}: {name} is no list of texts")
    return found
