"""Real kernels, held against what was read in them by hand."""

import csv
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ran import run
from tests.real import kernels
from tests.real.ported import Ported, opt_in
from xfrmlint.analysis.analyse import Analysis, analyse
from xfrmlint.analysis.judgement import judgements, topologies
from xfrmlint.analysis.parts import contract_in, reader_of
from xfrmlint.check import check_tree, report_of
from xfrmlint.contract.behaviour import core_says
from xfrmlint.contract.words import OWN_STATES
from xfrmlint.findings import Finding, Report
from xfrmlint.model.judge import Outcome
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree.folder import find_tree

pytestmark = [pytest.mark.real, pytest.mark.slow]

VERSIONS = ("7.3", "6.12", "6.1")
RULES = load_rules([rules_folder()])
OWNERS = {
    "UPPER_ADD_NOT_ROLLED_BACK",
    "UPPER_IGNORES_LOWER_FLAG",
    "UPPER_PRIV_NOT_CLEARED",
    "UPPER_STALE_HANDLE",
    "RESOLVER_TORN",
}
CALLBACKS = (
    "ADD_RETURNS_ZERO",
    "CALLBACK_MAY_SLEEP",
    "HANDLE_FREED_ON_DELETE",
    "TX_WITHOUT_XFRM_OFFLOAD",
)


class Kernel(NamedTuple):
    """A kernel, analysed once, and the folder of what is expected of it."""

    root: Path
    expected: Path
    analysis: Analysis
    report: Report


_KERNELS: dict[str, Kernel] = {}


def _kernel(version: str) -> Kernel:
    if version not in _KERNELS:
        try:
            # A test run downloads nothing: python -m tests.real.kernels does.
            root = kernels.kernel(version, fetch=False)
            expected = kernels.expected(root)
        except kernels.Unavailable as error:
            pytest.skip(error.reason)
        tree = find_tree(str(root))
        analysis = analyse(tree)
        report = report_of(analysis.facts, tree, RULES)
        _KERNELS[version] = Kernel(root, expected, analysis, report)
    return _KERNELS[version]


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _chains(analysis: Analysis, site: int) -> list[str]:
    _, rows = analysis.store.query(
        f"SELECT * FROM hop WHERE site = {site} ORDER BY chain, position"
    )
    chains: list[str] = []
    for row in rows:
        if row["position"] == 0:
            chains.append(f"{row['via']}={row['function']}")
        else:
            chains[-1] += (" ~> " if row["via"] else " > ") + row["function"]
    return chains


@pytest.mark.parametrize("version", VERSIONS)
def test_ops_tables_and_roles(version: str) -> None:
    kernel = _kernel(version)
    expected = {
        (row["ops_symbol"], row["path"], int(row["line"]), row["role"], row["driver"])
        for row in _rows(kernel.expected / "drivers.tsv")
    }
    found = {(d.table, d.path, d.line, d.role, d.driver) for d in kernel.report.drivers}
    assert found == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_sites_and_their_context(version: str) -> None:
    kernel = _kernel(version)
    names = ("path", "line", "function", "driver", "field", "access", "context")
    expected = {tuple(row[name] for name in names) for row in _rows(kernel.expected / "sites.tsv")}
    _, rows = kernel.analysis.store.query("SELECT * FROM site WHERE role <> 'core'")
    assert {tuple(str(row[name]) for name in names) for row in rows} == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_chains(version: str) -> None:
    kernel = _kernel(version)
    _, rows = kernel.analysis.store.query("SELECT * FROM site")
    found = {
        (row["path"], str(row["line"]), row["field"]): _chains(kernel.analysis, row["id"])
        for row in rows
    }
    for row in _rows(kernel.expected / "sites.tsv"):
        expected = row["chain"].split(" | ") if row["chain"] else []
        chains = found[row["path"], row["line"], row["field"]]
        assert set(expected) <= set(chains), row
        assert chains[:1] == [] or chains[0] in expected, row


@pytest.mark.parametrize("version", VERSIONS)
def test_what_callbacks_do(version: str) -> None:
    kernel = _kernel(version)
    rows = _rows(kernel.expected / "callbacks.tsv")
    names = ("type", "path", "line", "function")
    found = [f for f in kernel.report.findings if f.type in CALLBACKS]
    assert {tuple(str(getattr(f, name)) for name in names) for f in found} == {
        tuple(row[name] for name in names) for row in rows
    }
    assert all(row["verdict"] == "true" and row["reason"] for row in rows)


def test_no_finding_on_a_look_alike() -> None:
    kernel = _kernel("6.12")
    wrong = {(row["path"], int(row["line"])) for row in _rows(kernel.expected / "lookalikes.tsv")}
    assert not [f for f in kernel.report.findings if (f.path, f.line) in wrong]
    _, rows = kernel.analysis.store.query("SELECT path, line FROM site")
    assert not {(row["path"], row["line"]) for row in rows} & wrong


@pytest.mark.parametrize(("version", "count"), [("7.3", 15), ("6.12", 16), ("6.1", 13)])
def test_lower_datapath_sites(version: str, count: int) -> None:
    store = _kernel(version).analysis.store
    _, rows = store.query("SELECT DISTINCT path, line FROM lower_site WHERE context = 'datapath'")
    assert len(rows) == count


@pytest.mark.parametrize("version", VERSIONS)
def test_only_real_fields_of_the_contract_are_reported(version: str) -> None:
    kernel = _kernel(version)
    sites = {(r["path"], int(r["line"])) for r in _rows(kernel.expected / "sites.tsv")}
    at_sites = [f for f in kernel.report.findings if f.type not in (BUSY, *CALLBACKS)]
    assert not [f for f in at_sites if (f.path, f.line) not in sites]


BUSY = "ZERO_HANDLE_TX_BUSY"
CHELSIO = "drivers/net/ethernet/chelsio/inline_crypto/ch_ipsec/chcr_ipsec.c"
MARVELL = "drivers/net/ethernet/marvell/octeontx2/nic"


@pytest.mark.parametrize(
    ("version", "places"),
    [
        # cn10k frees the packet of a state without a handle, and its three callers then queue it.
        (
            "7.3",
            {
                (CHELSIO, 718),
                (f"{MARVELL}/otx2_pf.c", 2248),
                (f"{MARVELL}/otx2_vf.c", 443),
                (f"{MARVELL}/rep.c", 445),
            },
        ),
        ("6.12", {(CHELSIO, 723)}),
        ("6.1", {(CHELSIO, 719)}),
    ],
)
def test_a_packet_without_a_handle_is_queued_for_ever(
    version: str, places: set[tuple[str, int]]
) -> None:
    findings = _kernel(version).report.findings
    assert {(f.path, f.line) for f in findings if f.type == BUSY} == places


@pytest.mark.parametrize("version", VERSIONS)
def test_every_handle_is_another_devices_under_a_lag(version: str) -> None:
    """All that a driver does more with than print it; nothing stays unknown."""
    lag = [t.name for t in topologies()].index("LAG, lower A")
    found = judgements(_kernel(version).analysis.store, lambda path, line: "")
    handles = [handle for one in found for handle in one.handles]
    assert {h.outcomes[lag] for h in handles if h.note != "unused"} == {Outcome.OTHER}
    printed = {h.driver for h in handles if h.note == "unused"}
    assert printed == {"ixgbe", "ixgbevf"}
    assert not [doubt for one in found for doubt in one.doubts]


IXGBE = "drivers/net/ethernet/intel/ixgbe/ixgbe_ipsec.c"
HEADER = "drivers/net/ethernet/intel/ixgbe/ixgbe.h"
READ = r"itd->sa_idx = xs->xso\.offload_handle -"
PRINTED = r"itd->sa_idx, xs->xso\.offload_handle\)"
TESTED = "handle = {call};\n\tif (!handle)\n\t\treturn 0;\n\titd->sa_idx = handle -"
DECLARED = (r"(?<=ixgbe_ipsec_tx_data \*itd\)\n\{\n)", "\tunsigned long handle;\n")
DIRECT = "xfrm_dev_state_lower_handle(xs, tx_ring->netdev)"
WRAPPER = (
    "static inline unsigned long ixgbe_handle(struct xfrm_state *x, struct net_device *dev)\n"
    "{\n\treturn xfrm_dev_state_lower_handle(x, dev);\n}\n"
)
MACRO = "#define ixgbe_handle(x, dev) xfrm_dev_state_lower_handle((x), (dev))\n"
DECLARATION = "unsigned long ixgbe_handle(struct xfrm_state *x, struct net_device *dev);\n"


@pytest.fixture
def ported(tmp_path: Path) -> Ported:
    tree = Ported(_kernel("7.3").root, tmp_path / "linux")
    tree.port()
    return tree


def _findings(tree: Ported) -> list[Finding]:
    return list(check_tree(find_tree(str(tree.root)), RULES).findings)


def _of(findings: list[Finding], kind: str) -> set[tuple[str, str]]:
    return {(f.driver, f.level) for f in findings if f.type == kind}


def test_opting_in_turns_direct_reads_into_errors_for_that_driver_alone(ported: Ported) -> None:
    opt_in(ported, IXGBE, "ixgbe_xfrmdev_ops")
    found = _findings(ported)
    direct = _of(found, "DIRECT_OFFLOAD_HANDLE")
    assert {driver for driver, level in direct if level == "ERROR"} == {"ixgbe"}
    assert ("ixgbe", "WARNING") not in direct
    assert _of(found, "LOWER_HANDLE_NOT_RESOLVED") == {("ixgbe", "ERROR")}
    assert _of(found, "UPPER_WITHOUT_RESOLVER") == {("bonding", "CHECK")}
    # It has the state on one slave at a time, and writes real_dev when that has taken it.
    assert not {f.type for f in found} & OWNERS


@pytest.mark.parametrize("version", ["7.3", "6.12"])
def test_a_kernel_with_the_interfaces_is_judged_to_the_end(version: str, tmp_path: Path) -> None:
    tree = Ported(_kernel(version).root, tmp_path / "linux")
    tree.port()
    # Before 6.16 a lower finds its device in the state, where bonding has not put it yet.
    assert _of(_findings(tree), "UPPER_WITHOUT_RESOLVER") == {("bonding", "CHECK")}


@pytest.mark.parametrize("form", ["direct", "wrapper", "macro", "other file"])
def test_a_conversion_silences_it(ported: Ported, form: str) -> None:
    opt_in(ported, IXGBE, "ixgbe_xfrmdev_ops")
    call = DIRECT if form == "direct" else "ixgbe_handle(xs, tx_ring->netdev)"
    ported.edit(
        IXGBE, DECLARED, (READ, TESTED.format(call=call)), (PRINTED, "itd->sa_idx, handle)")
    )
    if form == "wrapper":
        ported.edit(
            IXGBE,
            (r"^static const struct xfrmdev_ops", WRAPPER + "\nstatic const struct xfrmdev_ops"),
        )
    elif form == "macro":
        ported.edit(HEADER, (r"^#define _IXGBE_H_\n", "#define _IXGBE_H_\n" + MACRO))
    elif form == "other file":
        ported.edit(HEADER, (r"^#endif /\* _IXGBE_H_ \*/", DECLARATION + "#endif /* _IXGBE_H_ */"))
        main = "drivers/net/ethernet/intel/ixgbe/ixgbe_lib.c"
        text = (ported.root / main).read_text("utf-8")
        ported.write(main, text + WRAPPER.removeprefix("static inline "))
    found = [f for f in _findings(ported) if f.driver == "ixgbe"]
    # What sleeps there waits for a timestamp whose packet could not be mapped.
    left = {"CONTROL_OFFLOAD_HANDLE", "OFFLOAD_DEV_ACCESS", "ADD_RETURNS_ZERO"}
    left |= {"CALLBACK_MAY_SLEEP"}
    assert {f.type for f in found} <= left


def test_a_conversion_without_the_flag(ported: Ported) -> None:
    ported.edit(
        IXGBE, DECLARED, (READ, TESTED.format(call=DIRECT)), (PRINTED, "itd->sa_idx, handle)")
    )
    found = [f for f in _findings(ported) if f.driver == "ixgbe"]
    assert "LOWER_HANDLE_FLAG_MISSING" in {f.type for f in found}
    assert "DIRECT_OFFLOAD_HANDLE" not in {f.type for f in found}


README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.mark.parametrize("command", ["xfrmlint drivers", "xfrmlint check", "xfrmlint judge"])
def test_the_readme_shows_what_a_kernel_gives(command: str) -> None:
    """README's examples, run again: all of what it shows stands at the head of the output."""
    kernel = _kernel("7.3")
    shown = next(part for part in README.split("```") if part.startswith(f"\n$ {command} "))
    line, _, wanted = shown.lstrip("\n").partition("\n")
    ran = run(*line.split()[2:], cwd=kernel.root.parent)
    assert ran.out.startswith(wanted)


# How each kernel's core calls what its drivers fill, read by hand: xfrm_state_delete() and
# xfrm_state_update() take x->lock, as xfrm_input() does before xfrm_replay_advance(); since 7.3 the
# replay of an outgoing packet comes first.
_RUNS = {
    "7.3": ("under a lock", "under a lock"),
    "6.12": ("under a lock", "under a lock"),
    "6.1": ("under a lock", "under a lock"),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_no_kernel_has_the_contract_and_each_says_what_it_has(version: str) -> None:
    reader = _kernel(version).analysis.reader
    found = reader.contract
    assert (found.revision, found.state, found.resolver) == ("absent", "xfrm_dev_offload", None)
    assert found.fields == ("offload_handle", "dev", "real_dev")
    assert found.add_takes_device == (version == "7.3")
    assert [found.slot(role) for role in ("add", "delete", "free", "offload_ok", "esn")] == [
        "xdo_dev_state_add",
        "xdo_dev_state_delete",
        "xdo_dev_state_free",
        "xdo_dev_offload_ok",
        "xdo_dev_state_advance_esn",
    ]
    assert (found.promises, found.others) == ({}, ())
    said = core_says(reader, found)
    assert (said["delete runs"].says, said["esn runs"].says) == _RUNS[version]
    assert said["free clears"].says == "dev"
    own = said[OWN_STATES]
    forwards = ("no", "drivers/net/bonding/bond_main.c")
    asks_owner = ("yes", "net/xfrm/xfrm_device.c")
    assert (own.says, own.place.path) == (asks_owner if version == "7.3" else forwards)


def test_a_port_of_the_rfc_is_revision_1(tmp_path: Path) -> None:
    ported = Ported(_kernel("7.3").root, tmp_path / "linux")
    ported.port()
    tree = find_tree(str(ported.root))
    found = contract_in(tree)
    assert found.revision == "revision 1"
    assert found.functions["add"].name == "xfrm_dev_state_add"
    said = core_says(reader_of(tree, contract=found), found)
    assert said["free clears"].says == "dev, upper_priv"
