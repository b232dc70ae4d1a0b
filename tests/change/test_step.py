"""Which line of a patch's text a line after the patch is."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trees import Memory
from xfrmlint.change.step import BUILT_FROM, lines_of, places_of
from xfrmlint.git.overlay import laid
from xfrmlint.git.patch import series_of

PATH = "drivers/net/x.c"
# No line twice: a hunk fits at one place only.
TEXTS = st.lists(st.integers(0, 60).map(str), unique=True, max_size=40)


def diff(old: list[str], new: list[str]) -> str:
    lines = difflib.unified_diff(old, new, f"a/{PATH}", f"b/{PATH}", lineterm="")
    return "From: A\nSubject: x\n\nWords.\n---\n" + "".join(f"{line}\n" for line in lines)


def text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


@given(TEXTS, TEXTS, st.integers(0, 5), st.booleans())
def test_a_line_stands_where_the_patch_has_it(
    old: list[str], new: list[str], above: int, contained: bool
) -> None:
    """above: lines that only the tree has; with them a hunk lies where its header doesn't say."""
    # More lines around than a hunk's context: one that begins or ends a file may not move.
    old, new = ([*"abcd", *lines, *"efgh"] for lines in (old, new))
    mail = diff(old, new)
    if old == new:
        return
    own = [f"own {number}" for number in range(above)]
    (patch,) = series_of(mail.encode(), "p")
    there = [*own, *(new if contained else old)]
    found = laid(Memory({PATH: text(there)}), [patch], contained)
    places = places_of(patch, found.changed)
    after = found.after.read(PATH).decode().split("\n")
    told = mail.split("\n")
    for (path, line), number in places.items():
        assert (path, told[number - 1][0] in " +") == (PATH, True)
        assert told[number - 1][1:] == after[line - 1]
    shown = [n for n, line in enumerate(told, 1) if line[:1] in (" ", "+") and n > 7]
    assert sorted(places.values()) == shown
    assert lines_of(patch) == len([line for line in told[7:] if line[:1] in (" ", "+", "-")])


@pytest.mark.parametrize(
    ("path", "built"),
    [
        ("drivers/net/x.c", True),
        ("include/net/x.h", True),
        ("drivers/net/Makefile", True),
        ("Kbuild", True),
        ("Documentation/x.rst", False),
        ("drivers/net/Kconfig", False),
        ("drivers/net/Makefile.txt", False),
        ("tools/x.c.py", False),
    ],
)
def test_what_a_kernel_is_built_from(path: str, built: bool) -> None:
    assert (BUILT_FROM.search(path) is not None) == built
