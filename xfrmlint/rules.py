"""Rules: one TOML file each, a question in SQL over the facts, run through a sealed store."""

import re
import sqlite3
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from xfrmlint.contract.words import (
    ABSENT,
    KEPT,
    NEEDS,
    OWNER,
    PINNED,
    PRIVATE,
    RESOLVE,
    SHARE,
    SLOTS,
    TELLING,
    XSO,
    Contract,
    what_there_is,
)
from xfrmlint.errors import InputError
from xfrmlint.facts.store import Store, TooMuch
from xfrmlint.findings import LEVELS, Finding, Hop, Related, fingerprint

# The rules about comments that silence findings. No comment silences theirs.
ABOUT_COMMENTS = frozenset(
    {"SUPPRESSION_UNUSED", "SUPPRESSION_WITHOUT_REASON", "SUPPRESSION_WITHOUT_TYPE"}
)
# What every query gives; further columns are values for the message.
COLUMNS = ("path", "line", "column", "function", "driver")


class Rule(NamedTuple):
    """A rule as its file states it.

    level_not_opted_in: the level for a driver that has not set the flag (else `level`).
    level_own_states: the level where packets of states alone that the device itself owns get there.
    needs: what a tree must have, else it is silent (words.py, NEEDS). reports: what is reported, in
    words, where the message is made of values. fix: what to do, in one line.
    """

    type: str
    level: str
    level_not_opted_in: str
    level_own_states: str
    needs: frozenset[str]
    message: str
    reports: str
    fix: str
    why: str
    reference: str
    query: str
    bad: tuple[str, ...]
    good: tuple[str, ...]


_TYPE = re.compile(r"^[A-Z][A-Z0-9_]*$")
_REQUIRED = ("level", "message", "fix", "why", "reference", "query")
_OPTIONAL = ("level_not_opted_in", "level_own_states", "needs", "reports", "bad", "good")


class Words(NamedTuple):
    """What a tree's contract has.

    there: what rules can need. renamed: what the tree calls that which messages call otherwise.
    """

    there: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = MappingProxyType({})

    def said(self, message: str) -> str:
        """Return a message in the tree's own words."""
        for known, own in self.renamed.items():
            # What lies in a struct of xso is told with that one's name already.
            part = own.removesuffix(known) if own.endswith(f".{known}") else ""
            told = rf"(?<!{re.escape(part)})" if part else ""
            message = re.sub(rf"{told}\b{re.escape(known)}\b", own, message)
        return message


# Roles whose names no other word of a message can be.
_TELLING = {("member", role) for role in TELLING}
_TELLING |= {("slot", role) for role in SLOTS}
_TELLING |= {("promise", RESOLVE), ("promise", SHARE), ("core", "resolver")}


def words_of(store: Store) -> Words:
    """Return what a tree's contract has, of its facts."""
    _, trees = store.query("SELECT revision FROM tree")
    _, rows = store.query("SELECT kind, role, name FROM word")
    named = {(row["kind"], row["role"]): row["name"] for row in rows}
    return _words(next((tree["revision"] for tree in trees), "absent"), named)


def words_in(contract: Contract) -> Words:
    """Return what a contract has."""
    named = {(kind, role): name for kind, role, name, _ in contract.named()}
    return _words(contract.revision, named)


def _words(revision: str, named: Mapping[tuple[str, str], str]) -> Words:
    kept = named.get(("member", KEPT))
    if kept is not None:
        # To a message it is the same.
        named = {("member", PRIVATE): kept, **named}
    renamed: dict[str, str] = {}
    mainline = {(kind, role): name for kind, role, name, _ in ABSENT.named()}
    strange = any(mainline.get(what, name) != name for what, name in named.items())
    if revision == "unnamed" or (revision == "absent" and strange):
        from xfrmlint.contract.revisions import usual_names

        renamed = {
            name: named[what]
            for what, name in usual_names().items()
            if what in _TELLING and named.get(what, name) != name
        }
        for role in (OWNER, PINNED):
            usual, own = usual_names()["member", role], named.get(("member", role), "")
            if own not in ("", usual):
                renamed[f"{XSO}.{usual}"] = f"{XSO}.{own}"
    return Words(what_there_is(named), renamed)


def rules_folder() -> Path:
    """Return the folder of the bundled rules: in the package, or beside it in a checkout."""
    package = Path(__file__).parent
    for folder in (package / "rules", package.parent / "rules"):
        if folder.is_dir() and any(folder.glob("*.toml")):
            return folder
    raise InputError(f"{package}: the rules are missing; install xfrmlint again")


def load_rules(folders: Sequence[Path]) -> list[Rule]:
    """Return the rules of some folders sorted by type; raises InputError for one that is wrong."""
    found: dict[str, Rule] = {}
    for folder in folders:
        paths = sorted(folder.glob("*.toml"))
        if not paths:
            raise InputError(f"{folder}: no rules (*.toml) in there")
        for path in paths:
            rule = load_rule(path)
            found[rule.type] = rule
    return [found[name] for name in sorted(found)]


def load_rule(path: Path) -> Rule:
    """Read one rule file; raises InputError that says what is wrong with it."""
    try:
        with open(path, "rb") as file:
            data = tomllib.load(file)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: {error}") from None
    _refuse_fields(path, data)
    # b4 takes any line with `ERROR:` in it for an error, whatever its level.
    if not _TYPE.match(path.stem.upper()) or path.stem.upper().endswith("ERROR"):
        raise InputError(f"{path}: a rule's name is lower case, digits and _, not ending in error")
    lower = data.get("level_not_opted_in", data["level"])
    own = data.get("level_own_states", "")
    for level in (data["level"], lower, own or data["level"]):
        if level not in LEVELS:
            raise InputError(f"{path}: level {level!r} is none of {', '.join(LEVELS)}")
    return Rule(
        path.stem.upper(),
        data["level"],
        lower,
        own,
        frozenset(data.get("needs", ())),
        data["message"],
        data.get("reports", "").strip(),
        data["fix"].strip(),
        data["why"].strip(),
        data["reference"].strip(),
        data["query"].strip(),
        tuple(data.get("bad", ())),
        tuple(data.get("good", ())),
    )


def _refuse_fields(path: Path, data: Mapping[str, Any]) -> None:
    """Raise InputError for a field that is missing, strange, or not what it has to be."""
    missing = [name for name in _REQUIRED if not isinstance(data.get(name), str)]
    if missing:
        raise InputError(f"{path}: {', '.join(missing)} missing")
    for name in ("bad", "good"):
        listed = data.get(name, [])
        if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
            raise InputError(f"{path}: {name} is not a list of texts")
    if not isinstance(data.get("reports", ""), str):
        raise InputError(f"{path}: reports is not a text")
    if "\n" in data["fix"].strip():
        raise InputError(f"{path}: fix is more than a line")
    needs = data.get("needs", [])
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        raise InputError(f"{path}: needs is not a list of texts")
    for need in needs:
        if need not in NEEDS:
            raise InputError(f"{path}: needs: {need!r} is none of {', '.join(NEEDS)}")
    strange = sorted(set(data) - {*_REQUIRED, *_OPTIONAL})
    if strange:
        raise InputError(f"{path}: unknown field {', '.join(strange)}")


def run_rules(
    rules: Iterable[Rule],
    store: Store,
    words: Words,
    source: Callable[[str, int], str],
    unanswered: list[str] | None = None,
) -> list[Finding]:
    """Return what the rules find, sorted by path, line, type.

    words: of the tree's contract. source: the text of a line of a file. unanswered: is given the
    types of the rules that would take too long; without it, such a rule raises InputError.
    """
    chains = _chains(store)
    found: list[Finding] = []
    counts: dict[tuple[str, str, str, str], int] = {}
    for rule in rules:
        if not rule.needs <= words.there:
            continue
        seen: set[tuple[str, int, str]] = set()
        # A source that two drivers link is reported once, for the one that promised more.
        try:
            rows = _rows(rule, store)
        except TooMuch as error:
            if unanswered is None:
                raise InputError(f"rule {rule.type}: {error}") from None
            unanswered.append(rule.type)
            continue
        for row in sorted(rows, key=lambda row: not row.get("opted_in", 1)):
            place = (row["path"], row["line"], row.get("field") or "")
            if place in seen:
                continue
            seen.add(place)
            text = source(row["path"], row["line"])
            key = (rule.type, row["path"], row["function"], " ".join(text.split()))
            nth = counts.get(key, 0)
            counts[key] = nth + 1
            found.append(_finding(rule, row, chains, text, nth, words))
    return sorted(found, key=lambda f: (f.path, f.line, f.type, f.column))


def _rows(rule: Rule, store: Store) -> list[dict[str, Any]]:
    try:
        names, rows = store.query(rule.query)
    except TooMuch:
        raise
    except sqlite3.Error as error:
        raise InputError(f"rule {rule.type}: {error}") from None
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise InputError(f"rule {rule.type}: its query lacks {', '.join(missing)}")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _finding(
    rule: Rule,
    row: Mapping[str, object],
    chains: Mapping[object, list[tuple[Hop, ...]]],
    text: str,
    nth: int,
    words: Words,
) -> Finding:
    values = {name: "" if value is None else value for name, value in row.items()}
    level = rule.level if values.get("opted_in", 1) else rule.level_not_opted_in
    if values.get("own_states") and rule.level_own_states:
        level = rule.level_own_states
    try:
        message = words.said(rule.message.format_map(values))
    except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
        raise InputError(f"rule {rule.type}: its message wants {error}") from None
    ways = chains.get(values.get("site"), [])
    related: tuple[Related, ...] = ()
    if values.get("related_path"):
        line = _number(rule, values, "related_line")
        related = (Related(str(values["related_path"]), line, str(values["related_text"])),)
    path, function = str(row["path"]), str(row["function"])
    return Finding(
        rule.type,
        level,
        path,
        _number(rule, row, "line"),
        _number(rule, row, "column"),
        function,
        str(row["driver"]),
        message,
        ways[0] if ways else (),
        tuple(ways[1:]),
        related,
        "medium" if values.get("by_name") else "high",
        "tree-sitter",
        text,
        fingerprint(rule.type, path, function, text, nth),
        fix=words.said(rule.fix),
    )


def _number(rule: Rule, row: Mapping[str, object], name: str) -> int:
    value = row.get(name)
    if not isinstance(value, int):
        raise InputError(f"rule {rule.type}: its query gives {value!r} as {name}, not a number")
    return value


def _chains(store: Store) -> dict[object, list[tuple[Hop, ...]]]:
    _, rows = store.query("SELECT * FROM hop ORDER BY site, chain, position")
    grouped: dict[tuple[int, int], list[Hop]] = {}
    for row in rows:
        hop = Hop(row["function"], row["path"], row["line"], row["via"])
        grouped.setdefault((row["site"], row["chain"]), []).append(hop)
    found: dict[object, list[tuple[Hop, ...]]] = {}
    for (site, _), hops in sorted(grouped.items()):
        found.setdefault(site, []).append(tuple(hops))
    return found
