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


NEXT = """
static int g(int x)
{
	return x;
}

MODULE_LICENSE("GPL");
"""
TORN = """
int f(int x)
{
	if (x) {
#ifdef A
		g(x,
#ifdef B
		  1);
#else
		  2);
#endif
	} else {
#endif
	return 1;
}
"""
TWO_LISTS = """
int h(struct p *p,
#ifdef A
      struct m *m
#else
      struct q *m
#endif
)
{
	return m->n;
}
"""
OPEN = "int f(int x)\n{\n\tif (x) {\n\treturn 1;\n}\n"


@pytest.mark.parametrize(
    ("text", "functions", "wrong"),
    [
        pytest.param(NEXT, ["g 2-5"], 0, id="nothing wrong"),
        pytest.param(TORN + NEXT, ["f 2-15", "g 17-20"], 1, id="a brace too many"),
        pytest.param(OPEN + NEXT * 2, ["f 1-5", "g 7-10", "g 14-17"], 1, id="a brace too few"),
        pytest.param(
            TORN + TWO_LISTS + NEXT,
            ["f 2-15", "h 17-26", "g 28-31"],
            4,
            id="and two parameter lists",
        ),
        pytest.param(
            OPEN.replace("\n}", "\n}\nelse {\nx = 2;\n}\nout:\n\tx y z;\n}") + NEXT,
            ["f 1-11", "g 13-16"],
            1,
            id="a statement behind a brace",
        ),
        pytest.param(
            OPEN.replace("(x) {", "(x y z) {").replace("\n}", "\n}\nx = 2;\ny(x);\n}") + NEXT,
            ["f 1-8", "g 10-13"],
            1,
            id="nothing is indented",
        ),
        pytest.param(
            "struct s {\n\tint a b c;\n};\n" + OPEN + NEXT, ["f 4-8", "g 10-13"], 2, id="a struct"
        ),
    ],
)
def test_what_is_not_understood_ends_with_its_brace(
    text: str, functions: list[str], wrong: int
) -> None:
    unit = Unit("a.c", text.encode())
    found = [i for i in unit.items if i.kind == "function"]
    assert [f"{i.name} {unit.line(i.start)}-{unit.line(i.end - 1)}" for i in found] == functions
    assert len(unit.errors) == wrong
    assert all(unit.item_at(i.node.start_byte) == i for i in found)
