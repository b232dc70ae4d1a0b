"""What convert makes of drivers that were written for other questions: shapes, and each patch.

Whatever gets a patch is silent with it, and has nothing to do a second time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.asked import remembering
from tests.laid import lay_fixture, trees
from xfrmlint.analysis.analyse import analyse
from xfrmlint.check import report_of
from xfrmlint.convert.plan import names_of_drivers
from xfrmlint.convert.proof import Proof, proven
from xfrmlint.git.overlay import Overlay
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder

pytestmark = pytest.mark.slow

RULES = load_rules([rules_folder()])

# A fixture's driver -> how what is said against a patch begins; nothing for one that gets it.
SHAPES = {
    ("demo", "sunrise"): "",
    ("uld-flag-on-uld", "heron_core"): "",
    ("uld-wrong-index", "grove_core"): "",
    ("optin-runtime", "gale"): "",
    ("lower-own-ops", "knoll"): "",
    ("conditionals", "petrel"): "petrel_slow_xmit(): xso.offload_handle is written in a macro",
    ("entries-napi", "alder"): "alder_aux_poll(): the test of the handle has no exit",
    ("entries-outside", "tephra"): "tephra_connect(): whether packets reach it is not known",
    ("optin-array", "mesa"): "mesa_xfrmdev_ops[0] is not filled by an initializer",
    ("optin-ifdef", "harbor"): "harbor_ipsec_tx(): the handle is read in a branch of an #if",
    ("optin-tested-or-cleared", "pebble"): "the flags of pebble_xfrmdev_ops change as the driver",
    ("pointers-same-field", "delta"): "delta_dp_send(): the function has no exit",
    ("module-without-table", "slate"): "slatexl_sa_gone(): xso.offload_handle is written outside",
}


@pytest.fixture(autouse=True)
def _remembering() -> Iterator[None]:
    with remembering():
        yield


class Tried(NamedTuple):
    """What convert made of one driver of a tree."""

    tree: Tree
    driver: str
    proof: Proof


def _tried(tree: Tree, driver: str = "") -> Iterator[Tried]:
    analysis = analyse(tree)
    if not analysis.reader.contract.present:
        return
    for name in names_of_drivers(analysis)[0]:
        if not driver or name == driver:
            yield Tried(tree, name, proven(tree, analysis, name, RULES))


@pytest.mark.parametrize("shape", SHAPES, ids="-".join)
def test_a_shape_is_converted_or_refused_for_what_it_is(
    shape: tuple[str, str], tmp_path: Path
) -> None:
    fixture, driver = shape
    (tried,) = _tried(Folder(lay_fixture(fixture, tmp_path / "t")), driver)
    said = [reason.text for reason in tried.proof.reasons]
    if SHAPES[shape]:
        assert any(text.startswith(SHAPES[shape]) for text in said)
        return
    assert said == []
    assert tried.proof.plan.edits


@pytest.mark.slow
@pytest.mark.parametrize("fixture", trees())
def test_what_gets_a_patch_is_silent_with_it(fixture: str, tmp_path: Path) -> None:
    tree = Folder(lay_fixture(fixture, tmp_path / "t"))
    for tried in _tried(tree):
        if tried.proof.reasons or not tried.proof.plan.edits:
            continue
        files = {path: after for path, (_, after) in tried.proof.files.items()}
        over = Overlay(tree, files, "converted")
        found = report_of(analyse(over).facts, over, RULES).findings
        own = [one for one in found if one.driver == tried.driver and one.level != "CHECK"]
        assert own == []
        (again,) = _tried(over, tried.driver)
        assert (again.proof.plan.edits, again.proof.reasons) == ((), ())
