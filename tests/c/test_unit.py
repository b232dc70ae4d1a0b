"""A text that was made of another one is parsed as if it stood alone."""

import pytest
from tree_sitter import Tree

from xfrmlint.c.unit import Change, Unit, changed_lines, parse, parse_again

HEAD = b"int a(int b)\n{\n\treturn b;\n}\n\n"
TAIL = b"\nstruct c {\n\tint d;\n};\n"


def nodes(tree: Tree) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    stack = [tree.root_node]
    while stack:
        one = stack.pop()
        place = (one.start_byte, one.end_byte, one.start_point, one.end_point)
        found.append((one.type, *place, one.is_missing))
        stack += one.children
    return found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"TX(esp)", b"static int esp_tx(void)\n{\n\treturn 1;\n}\n"),
        (b"int e(void)\n{\n\tif (1) {\n}\n", b"int e(void)\n{\n\tif (1) {}\n}\n"),
        (b"int f;\nint g;\n", b""),
        (b"", b"int f;\nint g;\n"),
        (b"int h(", b"int h(void);"),
        (b"\tint i;", b"\tint i; }"),
    ],
)
def test_what_is_parsed_again_is_what_is_parsed_alone(old: bytes, new: bytes) -> None:
    before, behind = HEAD + old + TAIL, HEAD + new + TAIL
    start = len(HEAD)
    change = Change(start, start + len(old), start, start + len(new))
    made = parse_again(parse(before), before, behind, [change])
    assert nodes(made) == nodes(parse(behind))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (b"a\nb\nc", b"a\nb\nc", []),
        (b"a\nb\nc", b"a\nB\nc", [(12, 13, 22, 23)]),
        (b"a\nb\nc", b"A\nb\nC", [(10, 11, 20, 21), (14, 15, 24, 25)]),
        (b"a\nb", b"a\nbc", [(10, 13, 20, 24)]),
        (b"a\nb", b"a b", [(10, 13, 20, 23)]),
    ],
)
def test_changed_lines(old: bytes, new: bytes, wanted: list[tuple[int, ...]]) -> None:
    assert [*changed_lines(old, new, 10, 20)] == wanted


def test_a_turn_of_a_file_is_parsed_like_its_text() -> None:
    text = b"#ifdef A\nint a(int b) {\n#else\nint a(void) {\n#endif\n\treturn 1;\n}\n" + TAIL
    unit = Unit("a.c", text)
    other = unit.turned(1)
    assert other.text != unit.text
    assert nodes(other.tree) == nodes(parse(other.text))
