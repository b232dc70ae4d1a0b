"""Which members of a struct lie in a range of its bytes, as memset() of a part is told of one.

Source: Linux 7.3, include/linux/stddef.h (offsetof, offsetofend) and include/linux/string.h
(memset_after, memset_startat).
"""

import re
from collections.abc import Sequence

# The word struct is taken away where an argument is a type.
_BEGINS = r"-offsetof\((?:struct)?(?P<tag>\w+),(?P<first>\w+)\)"
_OF_SEVERAL = re.compile(
    r"(?:offsetof(?P<until>end)?\((?:struct)?(?P<same>\w+),(?P<last>\w+)\)|sizeof\([^()]*\))"
    + _BEGINS
)


def members_in(
    written: str, struct: str, members: Sequence[str], first: str, of: str
) -> Sequence[str] | None:
    """Return the members that a size covers from one on; None if it is no such size.

    written: the size without blanks. struct: `struct tag`. members: of that, in order. of: what the
    struct itself is written as.
    """
    while written.startswith("(") and written.endswith(")") and _closes_last(written):
        written = written[1:-1]
    match = _OF_SEVERAL.fullmatch(written)
    if match is None or match["first"] != first or f"struct {match['tag']}" != struct:
        return None
    if first not in members or (match["same"] or match["tag"]) != match["tag"]:
        return None
    if match["last"] is None:
        # All that there are: whether the size is that of this struct, its text says.
        named = rf"(?:struct)?{match['tag']}|{re.escape(of)}"
        whole = re.match(rf"sizeof\((?:{named})\)", written)
        return members[members.index(first) :] if whole else None
    if match["last"] not in members:
        return None
    end = members.index(match["last"]) + (match["until"] is not None)
    begin = members.index(first)
    return members[begin:end] if end > begin else None


def members_from(name: str, members: Sequence[str], of: str) -> Sequence[str] | None:
    """Return the members that memset_after() and memset_startat() are told of. of: the member."""
    if of not in members:
        return None
    return members[members.index(of) + (name == "memset_after") :]


def _closes_last(text: str) -> bool:
    """Tell whether the bracket that a text begins with closes at its end."""
    depth = 0
    for at, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if not depth:
            return at == len(text) - 1
    return False
