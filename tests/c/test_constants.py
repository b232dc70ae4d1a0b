"""The numbers that names stand for: constant expressions in, numbers out."""

import re

import pytest

from tests.trees import tree
from xfrmlint.c.constants import Constants
from xfrmlint.c.reader import Reader

HERE = "drivers/net/foo/foo.c"
TEXT = """\
#include "foo.h"
#define BASE 0x10
#define MAX (BASE + 1)
#define TWICE(x) ((x) * 2)
#define SUM BASE + 1
#define MINUS ((u32)-1)
#define ITSELF ITSELF
#ifdef CONFIG_A
#define EITHER 1
#else
#define EITHER 2
#endif
enum result { A, B = 5, C, D = TWICE(B), E, G = 1 << 3, H, ITSELF = 3 };
enum { X = SOMETHING_ELSE, Y };
static int calls(int a, enum result b);
"""
HEADER = "typedef unsigned int u32;\n#define FAR(n) (BASE << (n))\nenum far { NEAR, FARTHER };\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("017", 15),
        ("0b11", 3),
        ("'a'", 97),
        ("~0", -1),
        ("~0U", 0xFFFFFFFF),
        ("-BASE", -16),
        ("MAX", 17),
        ("TWICE(MAX)", 34),
        ("SUM * 2", 18),
        ("0U - BASE", 0xFFFFFFF0),
        ("MINUS", 0xFFFFFFFF),
        ("(u32)-1 > 0", 1),
        ("-1 > 0U", 1),
        ("(u32)(BASE)", 16),
        ("FAR(1)", 32),
        ("BIT(3)", 8),
        ("GENMASK(7, 4)", 0xF0),
        ("FIELD_PREP(GENMASK(7, 4), 3)", 0x30),
        ("FIELD_PREP(BIT(4), 2)", 0),
        ("FIELD_GET(0xf0, 0x35)", 3),
        ("BASE == 16 && !A", 1),
        ("A ? 1 : B", 5),
        ("C", 6),
        ("D", 10),
        ("E", 11),
        ("H", 9),
        ("ITSELF", 3),
        ("FARTHER", 1),
        # Not known, or not of this configuration alone.
        ("EITHER", None),
        ("X", None),
        ("Y", None),
        ("calls", None),
        ("b", None),
        ("1 << 40", None),
        ("1 / A", None),
        ("nothing", None),
        ("FIELD_FIT(0xf0, 0x35)", None),
        ("f(1)", None),
        ("", None),
    ],
)
def test_a_constant_expression_has_its_number(text: str, value: int | None) -> None:
    files = {HERE: TEXT, "drivers/net/foo/foo.h": HEADER}
    found = Constants(Reader(tree(files), re.compile(b"xso")).types).value(text, HERE)
    assert (found.value if found is not None else None) == value
