"""The published schema of `check --format json` and what is printed have the same fields."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.change.test_changes import SET_FLAG, commit, linux, pristine
from tests.laid import lay_fixture
from tests.ran import run, run_json

pytestmark = pytest.mark.slow

__all__ = ["linux", "pristine"]

# It comes with the extra `dev`.
jsonschema = pytest.importorskip("jsonschema")

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "xfrmlint/report/check.schema.json").read_text("utf-8")
)


def fields(schema: Any, where: str = "") -> set[str]:
    """Return every field that a schema, or a part of it, names."""
    found = set()
    for name, inner in schema.get("properties", {}).items():
        found |= {f"{where}{name}", *fields(inner, f"{where}{name}.")}
    if "items" in schema:
        found |= fields(schema["items"], where)
    if "$ref" in schema:
        found |= fields(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], where)
    return found


def named(document: Any, where: str = "") -> set[str]:
    """Return every field of a document, as fields() names them."""
    if isinstance(document, list):
        return {name for one in document for name in named(one, where)}
    if not isinstance(document, dict):
        return set()
    found = {f"{where}{name}" for name in document}
    return found.union(*(named(inner, f"{where}{name}.") for name, inner in document.items()))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("fixture", ["demo", "upper-with-resolver", "known-misses"])
def test_a_tree(fixture: str, tmp_path: Path) -> None:
    tree = lay_fixture(fixture, tmp_path / "linux")
    jsonschema.validate(run_json("--strict", cwd=tree), SCHEMA)


def test_a_line_that_a_change_wrote_anew(linux: Path) -> None:
    commit(
        linux,
        "example: mask",
        ("drivers/net/example/tx.c", "offload_handle;", "offload_handle & 7;"),
    )
    document = run_json("--git", "HEAD", cwd=linux)
    jsonschema.validate(document, SCHEMA)
    assert [found["was"]["line"] for found in document["findings"]] == [5]


def test_what_is_printed_has_all_that_the_schema_names(linux: Path) -> None:
    text = "\tDEFINED_NOWHERE(a, b)\n#include"
    commit(linux, "example: promise", SET_FLAG, ("drivers/net/example/ipsec.c", "#include", text))
    documents = [run_json("--git", "HEAD", cwd=linux)]
    ran = run("check", "--format", "json", "--confirm", cwd=linux)
    documents.append(json.loads(ran.out))
    for document in documents:
        jsonschema.validate(document, SCHEMA)
    assert {name for one in documents for name in named(one)} >= fields(SCHEMA) - CHAINS


# No fixture needs more than one way to a finding.
CHAINS = {f"findings.more_chains.{name}" for name in ("function", "path", "line", "via")}
