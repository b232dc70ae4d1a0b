"""Names that conditions weigh against the tree's version: another distributor's kernel has them.

    #ifdef RHEL_RELEASE_CODE
    ...
    #elif LINUX_VERSION_CODE >= KERNEL_VERSION(7, 4, 0) && !defined(VENDOR_BACKPORT)

A name that stands alone in its condition, and has no version in the other branches, is an option.
"""

import re
from collections.abc import Set

from xfrmlint.c.conditionals import VERSIONED

_LINE = re.compile(
    rb"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|elifdef|elifndef|else|endif)\b((?:[^\n\\]|\\\r?\n?)*)",
    re.M,
)
_VERSIONS = re.compile(rb"#[ \t]*define[ \t]+(\w+)(?=[^\n]*\b%s)" % VERSIONED)
_WORD = re.compile(rb"[A-Za-z_]\w*")


class _Group:
    """A conditional: what its conditions ask for, and which branches ask for the version."""

    def __init__(self) -> None:
        self.names: set[bytes] = set()
        self.asks = [False]


def asking_versions(defines: bytes) -> set[bytes]:
    """Return the macros, of some #defines, that ask for the tree's version."""
    return {*_VERSIONS.findall(defines)} if VERSIONED in defines else set()


def beside_version(text: bytes, asking: Set[bytes]) -> set[bytes]:
    """Return the names that a text without comments weighs against the version.

    asking: macros that ask for it.
    """
    found: set[bytes] = set()
    open_: list[_Group] = []
    for kind, rest in _LINE.findall(text):
        if kind.startswith(b"if"):
            open_.append(_Group())
        elif not open_:
            continue
        elif kind.startswith(b"el"):
            open_[-1].asks.append(False)
        if kind == b"endif":
            group = open_.pop()
            if open_ and any(group.asks):
                open_[-1].asks[-1] = True
            if len(group.asks) > 1 and any(group.asks):
                found |= group.names
            continue
        names = {*_WORD.findall(rest)}
        if VERSIONED in rest or not names.isdisjoint(asking):
            # One condition for both.
            found |= names
            open_[-1].asks[-1] = True
        open_[-1].names |= names
    return found - asking
