"""What the preprocessor leaves of a file when some CONFIG_ options are settled."""

import re
from collections.abc import Mapping
from functools import lru_cache

from xfrmlint.c.blanking import Branch
from xfrmlint.c.unit import Unit

OPTION = "CONFIG_XFRM_OFFLOAD"
_LONGEST_CONDITION = 100

Configuration = Mapping[str, bool]
# net/xfrm/Kconfig: whatever selects XFRM_OFFLOAD needs the network and xfrm.
ON: Configuration = {OPTION: True, "CONFIG_XFRM": True, "CONFIG_INET": True, "CONFIG_NET": True}
OFF: Configuration = {OPTION: False}


_CONDITION_TOKEN = re.compile(r"\s*(defined\b|\w+|&&|\|\||[!()]|\S)")


class _Condition:
    """A preprocessor condition in three values: true, false, or None for open."""

    def __init__(self, text: str, configuration: Configuration) -> None:
        self._tokens = _CONDITION_TOKEN.findall(text)
        self._at = 0
        self._configuration = configuration

    def value(self) -> bool | None:
        if len(self._tokens) > _LONGEST_CONDITION:
            return None
        found = self._or()
        return found if self._at == len(self._tokens) else None

    def _take(self, *wanted: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] in wanted:
            self._at += 1
            return True
        return False

    def _or(self) -> bool | None:
        found = self._and()
        while self._take("||"):
            other = self._and()
            found = True if found or other else None if None in (found, other) else False
        return found

    def _and(self) -> bool | None:
        found = self._not()
        while self._take("&&"):
            other = self._not()
            false = found is False or other is False
            found = False if false else None if None in (found, other) else True
        return found

    def _not(self) -> bool | None:
        if self._take("!"):
            found = self._not()
            return None if found is None else not found
        if self._take("("):
            found = self._or()
            return found if self._take(")") else None
        if self._take("defined"):
            return self._name(defined=True)
        if self._take("IS_ENABLED", "IS_BUILTIN", "IS_REACHABLE"):
            return self._name(defined=False)
        word = self._tokens[self._at] if self._at < len(self._tokens) else ""
        self._at += 1
        return bool(int(word)) if re.fullmatch(r"[0-9]{1,9}", word) else None

    def _name(self, defined: bool) -> bool | None:
        inside = self._take("(")
        word = self._tokens[self._at] if self._at < len(self._tokens) else ""
        self._at += 1
        if inside and not self._take(")"):
            return None
        return option(word, self._configuration, defined)


def option(name: str, configuration: Configuration, defined: bool = True) -> bool | None:
    """Tell whether a macro is defined (or a CONFIG_ option on): None if that is open."""
    if name in configuration:
        return configuration[name]
    if name == "__KERNEL__":
        return True
    # An include guard. What else starts so is a compiler's or an assembler's.
    return False if defined and re.fullmatch(r"_+\w+_H_*", name) else None


def branch_truth(unit: Unit, branch: Branch, configuration: Configuration) -> bool | None:
    """Tell whether a branch of a conditional is compiled."""
    if branch.dead:
        return False
    found = _own_truth(branch, configuration)
    now = branch
    steps = 0
    while found is not False and now.condition.startswith("#el"):
        before = _before(unit, now)
        steps += 1
        if before is None or steps > _LONGEST_CONDITION:
            return None
        taken = False if before.dead else _own_truth(before, configuration)
        if taken:
            return False
        if taken is None:
            found = None
        now = before
    return found


def _own_truth(branch: Branch, configuration: Configuration) -> bool | None:
    """Tell whether a branch's own condition holds, whatever came before it."""
    word, _, rest = branch.condition[1:].replace("\\ ", " ").partition(" ")
    if word == "else":
        return True
    if word in ("if", "elif"):
        return _Condition(rest, configuration).value()
    found = option(rest.strip(), configuration)
    return not found if found is not None and word.endswith("ndef") else found


@lru_cache(maxsize=16)
def _by_end(unit: Unit) -> dict[int, Branch]:
    return {branch.end: branch for branch in unit.blanked.branches}


def _before(unit: Unit, branch: Branch) -> Branch | None:
    """Return the branch before an #else or #elif in the same conditional."""
    # It ends where the directive's line (continuations joined) begins.
    at = branch.start
    while at > 0:
        at = unit.data.rfind(b"\n", 0, at)
        if at < 0 or unit.data[:at].rstrip(b"\r")[-1:] != b"\\":
            break
    return _by_end(unit).get(at + 1)


def compiled(unit: Unit, offset: int, configuration: Configuration) -> bool | None:
    """Tell whether the text at an offset is compiled; None if that is open."""
    found: bool | None = True
    for branch in unit.blanked.branches:
        if branch.start <= offset < branch.end:
            truth = branch_truth(unit, branch, configuration)
            if truth is False:
                return False
            found = None if truth is None else found
    return found
