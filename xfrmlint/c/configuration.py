"""What the preprocessor leaves of a file when some CONFIG_ options are settled."""

import re
from collections.abc import Mapping
from functools import lru_cache

from xfrmlint.c.blanking import Branch
from xfrmlint.c.conditionals import known_in, truth
from xfrmlint.c.unit import Unit

OPTION = "CONFIG_XFRM_OFFLOAD"
_LONGEST_CONDITION = 100

Configuration = Mapping[str, bool]
# net/xfrm/Kconfig: whatever selects XFRM_OFFLOAD needs the network and xfrm.
ON: Configuration = {OPTION: True, "CONFIG_XFRM": True, "CONFIG_INET": True, "CONFIG_NET": True}


class _AllOn(dict[str, bool]):
    """Every CONFIG_ option is on: one build that there is, where an owner's code asks for many."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.startswith("CONFIG_")

    def __missing__(self, name: str) -> bool:
        return True

    def get(self, name: str, default: bool | None = None) -> bool | None:  # type: ignore[override]
        return True if name in self else default


# A header that an assembler or a C++ compiler reads, too, asks for these.
_OTHER_LANGUAGES = ("__ASSEMBLY__", "__ASSEMBLER__", "__cplusplus")
ALL_ON: Configuration = _AllOn()
OFF: Configuration = {**ON, OPTION: False}


def option(name: str, configuration: Configuration, defined: bool = True) -> bool | None:
    """Tell whether a macro is defined (or a CONFIG_ option on): None if that is open."""
    if name in configuration:
        return configuration[name]
    if name == "__KERNEL__":
        return True
    if name in _OTHER_LANGUAGES:
        return False
    # An include guard. What else starts so is a compiler's or an assembler's.
    return False if defined and re.fullmatch(r"_+\w+_H_*", name) else None


def branch_truth(unit: Unit, branch: Branch, configuration: Configuration) -> bool | None:
    """Tell whether a branch of a conditional is compiled."""
    if branch.compiled is not None:
        return branch.compiled
    found = _own_truth(unit, branch, configuration)
    now = branch
    steps = 0
    while found is not False and now.condition.startswith("#el"):
        before = _before(unit, now)
        steps += 1
        if before is None or steps > _LONGEST_CONDITION:
            return None
        taken = False if before.dead else _own_truth(unit, before, configuration)
        if taken:
            return False
        if taken is None:
            found = None
        now = before
    return found


def _own_truth(unit: Unit, branch: Branch, configuration: Configuration) -> bool | None:
    """Tell whether a branch's own condition holds, whatever came before it."""
    word, _, rest = branch.condition[1:].replace("\\ ", " ").partition(" ")
    if branch.last:
        return True
    if word in ("if", "elif"):
        release = known_in(unit.release)

        def known(asking: str, name: str) -> int | None:
            own = option(name, configuration, asking == "defined") if asking else None
            return release(asking, name) if own is None else own

        return truth(rest, known)
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
