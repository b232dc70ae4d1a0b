"""Real kernels, seen by tree-sitter and by libclang."""

import pytest

from tests.real.test_kernels import RULES, VERSIONS, Kernel, _kernel
from xfrmlint.analysis.part import quietly
from xfrmlint.clang.compiler import Clang
from xfrmlint.confirmation.compare import compared
from xfrmlint.confirmation.compiled import check_compiled
from xfrmlint.confirmation.run import confirmed
from xfrmlint.findings import BOTH
from xfrmlint.memory.cache import Cache, place
from xfrmlint.memory.gather import Session
from xfrmlint.report import comparison
from xfrmlint.tree.folder import Folder

pytestmark = [pytest.mark.real, pytest.mark.slow]

# SIMPLE_DEV_PM_OPS() fills a table where CONFIG_PM_SLEEP is set; libclang reads a tree without it.
_PM_SLEEP = {
    "drivers/net/ethernet/intel/ixgbe/ixgbe_main.c:11583: slot: "
    f"{slot} = ixgbe_resume: tree-sitter alone (libclang sees no {slot} that holds ixgbe_resume())"
    for slot in ("restore", "resume", "thaw")
}
# Where the two may differ, by version: what `check --parser both` prints.
DIFFERENT: dict[str, set[str]] = {"6.1.192": _PM_SLEEP}
# Findings that libclang can't confirm, by version: path:line: type -> the reason. There are none.
UNCONFIRMED: dict[str, dict[str, str]] = {}


@pytest.fixture
def kernel(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Kernel:
    """A kernel, and a cache folder of the tests' own (the kernels lie in the user's)."""
    found = _kernel(request.param)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    return found


@pytest.mark.parametrize("kernel", VERSIONS, indirect=True)
def test_both_parsers_see_the_same(kernel: Kernel) -> None:
    tree = Folder(kernel.root)
    with Clang(tree, beside=place()) as clang:
        found = list(comparison.render(compared(tree, kernel.analysis.facts, clang)))
    assert found == sorted(DIFFERENT.get(kernel.expected.name, set()))


@pytest.mark.parametrize("kernel", VERSIONS, indirect=True)
def test_every_finding_is_confirmed_or_has_a_reason(kernel: Kernel) -> None:
    tree = Folder(kernel.root)
    with Clang(tree, beside=place()) as clang:
        report = confirmed(tree, kernel.analysis.facts, kernel.report, clang)
    # Each of them is a site that was read by hand: nothing may be withdrawn.
    assert len(report.findings) == len(kernel.report.findings) > 30
    assert set(report.unknown) == set(kernel.report.unknown)
    found = {
        f"{f.path}:{f.line}: {f.type}": f.confirmation.reason
        for f in report.findings
        if f.confirmation is not None and f.confirmation.status != "confirmed"
    }
    assert found == UNCONFIRMED.get(kernel.expected.name, {})


@pytest.mark.parametrize("kernel", VERSIONS, indirect=True)
def test_libclangs_rows_give_the_same_findings(kernel: Kernel) -> None:
    report = check_compiled(Folder(kernel.root), RULES, quietly, Session(Cache(place())))
    found, plain = (
        [finding._replace(parser="") for finding in one.findings] for one in (report, kernel.report)
    )
    assert found == plain
    # What becomes of a value behind its site is tree-sitter's.
    alone = {finding.type for finding in report.findings if finding.parser != BOTH}
    assert alone <= {"ZERO_HANDLE_TX_BUSY", "HANDLE_OUTLIVES_PACKET"}
    assert report.unknown == kernel.report.unknown
    assert report.drivers == kernel.report.drivers
