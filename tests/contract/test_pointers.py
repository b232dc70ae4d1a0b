"""A revision whose handles are pointers: it is judged as one whose handles are numbers."""

import re
from pathlib import Path

import pytest

from tests.contract.test_contract import names
from tests.laid import FIXTURES, lay, lay_fixture
from tests.whole.test_fixtures import places
from xfrmlint.analysis.parts import contract_in
from xfrmlint.check import check_tree
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree.folder import Folder

BASES = ("rfc", "shared")
XFRM = Path("include/net/xfrm.h")


def pointed(tree: Path, kind: str = "void") -> Path:
    """Make pointers of all handles, as of all else that is an unsigned long."""
    for path in tree.rglob("*.[ch]"):
        text = path.read_text("utf-8")
        path.write_text(re.sub(r"\bunsigned long\b[ \t]*", f"{kind} *", text), "utf-8")
    return tree


def laid(name: str, to: Path) -> Path:
    return lay(name, to) if name in BASES else lay_fixture(name, to)


@pytest.mark.parametrize(
    "name",
    [
        *BASES,
        "shared-failover-stale",
        "shared-left-port",
        "shared-torn",
        "shared-unpromised",
        "upper-with-resolver",
        "zero-handle",
    ],
)
@pytest.mark.slow
def test_what_is_said_of_numbers_is_said_of_pointers(name: str, tmp_path: Path) -> None:
    rules = load_rules([rules_folder()])
    numbers = check_tree(Folder(laid(name, tmp_path / "numbers")), rules)
    pointers = check_tree(Folder(pointed(laid(name, tmp_path / "pointers"))), rules)
    assert places(pointers.findings) == places(numbers.findings)
    assert len(pointers.unknown) == len(numbers.unknown)


@pytest.mark.parametrize("kind", ["void", "struct hw_key"])
@pytest.mark.parametrize("base", BASES)
def test_the_field_is_what_the_resolver_gives(base: str, kind: str, tmp_path: Path) -> None:
    found = contract_in(Folder(pointed(lay(base, tmp_path / "linux"), kind)))
    assert names(found) == names(contract_in(Folder(FIXTURES / "base" / base)))
    assert found.members["handle"].type == f"{kind} *"


def test_a_handle_that_is_a_struct_is_not_followed(tmp_path: Path) -> None:
    tree = lay("rfc", tmp_path / "linux")
    for path in ("include/net/xfrm.h", "include/linux/netdevice.h"):
        text = (tree / path).read_text("utf-8")
        text = re.sub(
            r"\bunsigned long\b(?=\s+(?:offload_handle|handle\b|\(\*xdo|xfrm_dev_state_l))",
            "struct hw_key",
            text,
        )
        text = text.replace("return 0;", "return (struct hw_key){ .id = 0 };")
        text = text.replace("handle : 0;", "handle : (struct hw_key){ .id = 0 };")
        text = text.replace(
            "struct xfrmdev_ops {", "struct hw_key { int id; };\nstruct xfrmdev_ops {"
        )
        (tree / path).write_text(text, "utf-8")
    report = check_tree(Folder(tree), load_rules([rules_folder()]))
    assert not report.findings
    assert any("gives a struct" in one.reason for one in report.unknown)


def test_where_nobody_tells_two_pointers_apart_neither_has_a_role(tmp_path: Path) -> None:
    tree = pointed(lay("rfc", tmp_path / "linux"))
    text = (tree / XFRM).read_text("utf-8")
    # Of two that it reads nobody can say which the handle is.
    text = text.replace("if (owner == lower_dev)", "if (x->xso.upper_priv && owner == lower_dev)")
    (tree / XFRM).write_text(text, "utf-8")
    found = contract_in(Folder(tree))
    assert found.resolver is not None
    assert not {"handle", "private"} & set(found.members)
    report = check_tree(Folder(tree), load_rules([rules_folder()]))
    assert not report.findings
    assert any("no member of" in one.reason for one in report.unknown)
