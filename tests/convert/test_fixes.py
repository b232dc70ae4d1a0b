"""The edits that SARIF and rdjson carry: what they make of a file, and where there are none."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.convert.test_convert import begun, example_tx, source_of
from tests.laid import EXAMPLE, lay_example, lay_fixture
from tests.ran import run

pytestmark = pytest.mark.slow

_ASKED = (
    "\tunsigned long h;\n\n\tif (!x)\n\t\treturn false;\n"
    "\th = xfrm_dev_state_lower_handle(x, ex->netdev);\n"
)
_FLAG = "	.flags			= XFRMDEV_OPS_F_LOWER_HANDLE,"


class Case(NamedTuple):
    """A driver's datapath, with the type of what is found and the lines that mend it."""

    what: str
    datapath: str
    kind: str
    more: tuple[str, ...]


MENDED = (
    Case(
        "a read",
        example_tx(
            "\tif (!x)\n\t\treturn false;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n"
        ),
        "DIRECT_OFFLOAD_HANDLE",
        (
            "	unsigned long handle;",
            "	handle = xfrm_dev_state_lower_handle(x, ex->netdev);",
            "	if (!handle)",
            "		return false;",
            "",
            "	writel(handle, ex->hw);",
        ),
    ),
    Case(
        "a promise",
        example_tx(f"{_ASKED}\tif (!h)\n\t\treturn false;\n\twritel(h, ex->hw);\n\treturn true;\n"),
        "LOWER_HANDLE_FLAG_MISSING",
        (_FLAG,),
    ),
    Case(
        "a test",
        example_tx(f"{_ASKED}\twritel(h, ex->hw);\n\treturn true;\n"),
        "UNCHECKED_LOWER_HANDLE",
        ("	if (!h)", "		return false;", ""),
    ),
)
UNMENDED = (
    Case(
        "a read where the function has no exit",
        begun(example_tx("\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n")),
        "DIRECT_OFFLOAD_HANDLE",
        (),
    ),
    Case(
        "a handle that is kept",
        example_tx(
            "\tif (!x)\n\t\treturn false;\n\tex->last = x->xso.offload_handle;\n\treturn true;\n"
        ),
        "DIRECT_OFFLOAD_HANDLE",
        (),
    ),
    Case(
        "a call where a lock is held that is not where the function leaves",
        example_tx(
            "\tunsigned long h;\n\n\tif (!x)\n\t\treturn false;\n\tspin_lock(&ex->lock);\n"
            "\th = xfrm_dev_state_lower_handle(x, ex->netdev);\n"
            "\twritel(h, ex->hw);\n\tspin_unlock(&ex->lock);\n\treturn true;\n"
        ),
        "UNCHECKED_LOWER_HANDLE",
        (),
    ),
)


def _name(case: Case) -> str:
    return case.what


def _checked(case: Case, form: str, tmp_path: Path) -> tuple[Any, str]:
    text = source_of(case.datapath)
    tmp_path.mkdir(exist_ok=True)
    tree = lay_example(text, tmp_path / "t")
    ran = run("check", tree, "--format", form, "--no-cache", cwd=tmp_path)
    return json.loads(ran.out), text


def _put(text: str, some: list[tuple[dict[str, int], dict[str, int], str]]) -> str:
    """Return a text with replacements of it, from line and column to line and column."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    made = text
    for start, end, new in reversed(some):
        first, last = (starts[one["line"] - 1] + one["column"] - 1 for one in (start, end))
        made = made[:first] + new + made[last:]
    return made


def _suggested(case: Case, tmp_path: Path) -> tuple[str, str]:
    said, text = _checked(case, "rdjson", tmp_path)
    (found,) = [one for one in said["diagnostics"] if one["code"]["value"] == case.kind]
    (one,) = found["suggestions"]
    return text, _put(text, [(one["range"]["start"], one["range"]["end"], one["text"])])


@pytest.mark.parametrize("case", MENDED, ids=_name)
def test_a_suggestion_mends_what_it_is_of(case: Case, tmp_path: Path) -> None:
    text, made = _suggested(case, tmp_path)
    assert [line for line in made.split("\n") if line not in text.split("\n")] == [
        line for line in case.more if line not in text.split("\n")
    ]
    (tmp_path / "t" / EXAMPLE).write_text(made, "utf-8")
    ran = run("check", tmp_path / "t", "--terse", "--show-types", "--no-cache", cwd=tmp_path)
    assert case.kind not in ran.out


@pytest.mark.parametrize("case", MENDED, ids=_name)
def test_both_formats_carry_the_same(case: Case, tmp_path: Path) -> None:
    _, made = _suggested(case, tmp_path / "one")
    said, text = _checked(case, "sarif", tmp_path / "other")
    (found,) = [one for one in said["runs"][0]["results"] if one["ruleId"] == case.kind]
    (fix,) = found["fixes"]
    (change,) = fix["artifactChanges"]
    assert change["artifactLocation"]["uri"] == EXAMPLE
    some = [
        (
            {
                "line": one["deletedRegion"]["startLine"],
                "column": one["deletedRegion"]["startColumn"],
            },
            {"line": one["deletedRegion"]["endLine"], "column": one["deletedRegion"]["endColumn"]},
            one["insertedContent"]["text"],
        )
        for one in change["replacements"]
    ]
    assert _put(text, some) == made


@pytest.mark.parametrize("case", UNMENDED, ids=_name)
def test_what_is_not_shown_right_is_not_suggested(case: Case, tmp_path: Path) -> None:
    said, _ = _checked(case, "rdjson", tmp_path)
    found = [one for one in said["diagnostics"] if one["code"]["value"] == case.kind]
    assert found
    assert all("suggestions" not in one for one in found)


def test_a_tree_without_the_resolver_has_no_fixes(tmp_path: Path) -> None:
    tree = lay_fixture("mainline-before", tmp_path / "t")
    ran = run("check", tree, "--format", "sarif", "--no-cache", cwd=tmp_path)
    results = json.loads(ran.out)["runs"][0]["results"]
    assert results
    assert all("fixes" not in one for one in results)


def test_one_read_can_be_mended_where_the_driver_as_a_whole_is_refused(tmp_path: Path) -> None:
    gone = (
        "static void example_gone(struct net_device *dev, struct xfrm_state *x)\n{\n"
        "\tx->xso.offload_handle = 0;\n}\n\n"
    )
    case = MENDED[0]._replace(datapath=gone + MENDED[0].datapath)
    tree = lay_example(source_of(case.datapath), tmp_path / "w")
    assert run("convert", tree, "example", cwd=tmp_path).status == 1
    text, made = _suggested(case, tmp_path)
    assert "writel(handle, ex->hw)" in made
    assert made.count("offload_handle") == text.count("offload_handle") - 1
