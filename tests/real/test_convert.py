"""Real drivers, converted without a hand: what gets a patch, and why the others don't."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.asked import remembering
from tests.real.at_hand import kernel_at_hand
from tests.real.converted import CONVERSIONS, Conversion, edited, laid, line_of
from tests.real.test_converted import BROKEN, STYLES, Converted, Way, places_of
from xfrmlint.analysis.analyse import Analysis, analyse
from xfrmlint.convert.plan import names_of_drivers
from xfrmlint.convert.proof import Proof, findings_of, proven
from xfrmlint.git.overlay import Overlay
from xfrmlint.model.judge import FINE
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder

pytestmark = [pytest.mark.real, pytest.mark.slow]

RULES = load_rules([rules_folder()])

# A kernel and a driver, as in CONVERSIONS -> what stands against a patch. No tree has an owner: in
# 6.12 as it is the bond speaks against cxgb4, too.
REFUSED = {
    "7.3 chelsio": "cxgb4_advance_esn_state(): xso.dev is read, and xdo_dev_state_advance_esn (",
    "7.3 mlx5_core": "mlx5e_ipsec_tx_build_eseg(): what the caller does with nothing is not known",
    "7.3 octeontx2": "cn10k_ipsec_transmit(): otx2_sq_set_sqe_base() is not undone where",
    "6.12 mlx5_core": "mlx5e_ipsec_tx_build_eseg(): what the caller does with nothing is not known",
}
NAMES = {"octeontx2": "rvu_nicpf", "chelsio": "cxgb4"}


class Tried(NamedTuple):
    """A driver of a tree that was not converted by anybody, and what convert made of it."""

    tree: Tree
    analysis: Analysis
    proof: Proof


def _tried(tree: Tree, conversion: Conversion) -> Tried:
    driver = NAMES.get(conversion.driver, conversion.driver)
    with remembering():
        analysis = analyse(tree)
        assert driver in names_of_drivers(analysis)[0]
        return Tried(tree, analysis, proven(tree, analysis, driver, RULES))


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda one: one.name)
def test_a_real_driver_is_converted_or_refused_for_what_it_does(
    conversion: Conversion, tmp_path: Path
) -> None:
    plain = conversion._replace(edits={})
    root = laid(kernel_at_hand(conversion.kernel), plain, tmp_path / "tree").root
    tried = _tried(Folder(root), conversion)
    against = [reason.text for reason in tried.proof.reasons]
    if conversion.name in REFUSED:
        assert any(text.startswith(REFUSED[conversion.name]) for text in against)
        return
    assert against == []
    assert tried.proof.after is not None
    assert {*tried.proof.after.outcomes} <= FINE
    files = {path: after for path, (_, after) in tried.proof.files.items()}
    again = _tried(Overlay(tried.tree, files, "converted"), conversion)
    assert (again.proof.plan.edits, again.proof.reasons) == ((), ())


_STYLES = [(c, way) for c in CONVERSIONS for way in STYLES.get(c.name, ())]
_BROKEN = [(c, way) for c in CONVERSIONS for way in BROKEN[c.name]]


@pytest.mark.parametrize(
    ("conversion", "way"), _STYLES, ids=[f"{c.name}: {w.how}" for c, w in _STYLES]
)
def test_a_right_conversion_in_another_style_is_left(
    converted: Converted, conversion: Conversion, way: Way
) -> None:
    tree = converted(conversion)
    with edited(tree, way.edits):
        proof = _tried(Folder(tree.root), conversion).proof
    assert (proof.plan.edits, proof.reasons) == ((), ())


@pytest.mark.parametrize(
    ("conversion", "way"), _BROKEN, ids=[f"{c.name}: {w.how}" for c, w in _BROKEN]
)
def test_a_broken_conversion_is_told_and_mended_or_refused(
    converted: Converted, conversion: Conversion, way: Way
) -> None:
    tree = converted(conversion)
    with edited(tree, way.edits):
        wanted = {(kind, path, line_of(tree, path, text)) for kind, path, text in way.expected}
        tried = _tried(Folder(tree.root), conversion)
        found = findings_of(tried.analysis, tried.tree, RULES)
    assert places_of(found) == wanted
    proof = tried.proof
    if not wanted:
        assert (proof.plan.edits, proof.reasons) == ((), ())
        return
    assert proof.plan.edits or proof.reasons
    if not proof.reasons:
        assert proof.after is not None
        assert {*proof.after.outcomes} <= FINE
