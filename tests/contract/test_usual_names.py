"""Where the program names a member, a slot or a flag of the contract, and how that is told."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import xfrmlint
from tests.contract.test_contract import OTHERWISE, rename
from tests.laid import lay_fixture
from tests.ran import run
from xfrmlint.contract.revisions import usual_names

PACKAGE = Path(xfrmlint.__file__).parent
# `dev` is what many a struct calls a device, `flags` its flags.
NAMES = frozenset(usual_names().values()) - {"dev", "flags"}
_WORD = re.compile(r"\w+")

SAID = "a sentence in the usual names, which Words.said() puts into the tree's own"
# A file that names something, and why it may.
ALLOWED = {
    "contract/words.py": "what is supposed of headers that can't be read, and the first search",
    "contract/revision1.toml": "the names of a revision",
    "contract/revision2.toml": "the names of a revision",
    "kernel/structs.py": "a member of struct vlan_dev_priv",
    "flow/devices.py": "a member of struct vlan_dev_priv",
    "flow/callbacks.py": SAID,
    "flow/events.py": SAID,
    "report/judge.py": SAID,
    "report/rulepage.py": SAID,
    "report/templates/judge.html": SAID,
}


def code_of(path: Path) -> Iterator[str]:
    """Yield what a file of the package says or does; of Python no comments and no docstrings."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        yield text
        return
    tree = ast.parse(text)
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            value = node.value if isinstance(node.value, str) else node.value.decode()
            yield "" if id(node) in documents else value
        for field in ("id", "attr", "arg", "name"):
            named = getattr(node, field, None)
            yield named if isinstance(named, str) else ""


def test_names_stand_where_they_may_and_nowhere_else() -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*")
        if path.suffix in (".py", ".toml", ".sql", ".html", ".css", ".js")
        and NAMES & set(_WORD.findall("\n".join(code_of(path))))
        and "rules" not in path.relative_to(PACKAGE).parts
    }
    assert found == set(ALLOWED)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "json", "html"])
@pytest.mark.parametrize("name", ["read-forms-plain", "upper-with-resolver"])
def test_no_usual_name_is_said_of_a_tree_that_has_others(
    name: str, form: str, tmp_path: Path
) -> None:
    tree = rename(lay_fixture(name, tmp_path / "linux"))
    options = [] if form == "text" else ["--format", form]
    for command in (("judge",), ("check", "--strict", "--no-cache")):
        if command[0] == "check" and form == "html":
            continue
        ran = run(*command, *options, tree, cwd=tmp_path)
        assert ran.status in (0, 1), ran.err
        # `real_dev` is the own name of many a thing.
        assert not (set(OTHERWISE) - {"real_dev"}) & set(_WORD.findall(ran.out)), command
        if form == "json":
            json.loads(ran.out)
