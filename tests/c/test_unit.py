"""What a file is where the parser does not understand all of it."""

import pytest

from xfrmlint.c.unit import Unit

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
