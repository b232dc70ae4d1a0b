"""A real driver converted in four commits: what each of them brings, as commits and as mail."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.git.test_commit import git
from tests.ran import run
from tests.real.at_hand import kernel_at_hand
from tests.real.converted import IXGBE, flag
from tests.real.ported import Ported

pytestmark = [pytest.mark.real, pytest.mark.slow]

_PARTS = (
    "include",
    "net/core",
    "net/xfrm",
    "drivers/net/bonding",
    "drivers/net/ethernet/intel/ixgbe",
    "drivers/net/ethernet/intel/ixgbevf",
)
_RESOLVED = "handle = xfrm_dev_state_lower_handle(xs, tx_ring->netdev);\n"
# The read, and the check of the index that also caught what is no handle.
_READ = r"""itd->sa_idx = xs->xso\.offload_handle -(.*)
\tif \(unlikely\(itd->sa_idx >= IXGBE_IPSEC_MAX_SA_COUNT\)\) \{
(?:\t\t.*\n)+\t\}
"""
DIRECT = ("DIRECT_OFFLOAD_HANDLE", "ERROR", IXGBE)

# What each commit brings: its subject, the findings' type, level and file, how many are gone.
EXPECTED = [
    ("xfrm: add the lower handle's interfaces", [], 0),
    (
        "ixgbe: set the flag",
        [("LOWER_HANDLE_NOT_RESOLVED", "ERROR", IXGBE), DIRECT, DIRECT],
        0,
    ),
    # The two reads, the promise that was not kept, and an access of xso.dev.
    ("ixgbe: ask the resolver", [("UNCHECKED_LOWER_HANDLE", "ERROR", IXGBE)], 4),
    ("ixgbe: a state without a handle is not sent", [], 1),
]


class Series(NamedTuple):
    """A repository with the four commits on top, a folder as before them, and the four as mail."""

    repository: Path
    before: Path
    mbox: Path


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Series:
    kernel = kernel_at_hand("7.3")
    folder = tmp_path_factory.mktemp("series")
    tree = Ported(kernel, folder / "linux", _PARTS)
    Ported(kernel, folder / "before", _PARTS)
    git(tree.root, "init", "-q")
    _commit(tree.root, "linux")
    tree.port()
    _commit(tree.root, EXPECTED[0][0])
    tree.edit(IXGBE, flag("ixgbe_xfrmdev_ops"))
    _commit(tree.root, EXPECTED[1][0])
    tree.edit(
        IXGBE,
        (r"^\txs->xso\.dev = adapter->netdev;\n", ""),
        (r"(?<=ixgbe_ipsec_tx_data \*itd\)\n\{\n)", "\tunsigned long handle;\n"),
        (_READ, f"{_RESOLVED}\titd->sa_idx = handle - IXGBE_IPSEC_BASE_TX_INDEX;\n"),
    )
    _commit(tree.root, EXPECTED[2][0])
    tree.edit(
        IXGBE,
        (
            _RESOLVED.replace("(", r"\(").replace(")", r"\)"),
            f"{_RESOLVED}\tif (!handle)\n\t\treturn 0;\n",
        ),
    )
    _commit(tree.root, EXPECTED[3][0])
    mbox = folder / "series.mbox"
    mbox.write_text(git(tree.root, "format-patch", "--stdout", "HEAD~4..HEAD") + "\n", "utf-8")
    return Series(tree.root, folder / "before", mbox)


def _commit(folder: Path, subject: str) -> None:
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-qm", subject)


def _brought(document: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str, str]], int]]:
    """Return subject, findings and number of fixed ones of each change.

    Until it implements the callback a bond is a CHECK; that is another patch of the RFC.
    """
    return [
        (
            change["title"],
            sorted(
                (finding["type"], finding["level"], finding["path"])
                for finding in document["findings"]
                if finding["change"] == change["name"]
                and finding["type"] != "UPPER_WITHOUT_RESOLVER"
            ),
            change["fixed"],
        )
        for change in document["changes"]
    ]


def _places(document: Mapping[str, Any]) -> list[tuple[object, ...]]:
    names = ("type", "level", "path", "line", "message", "function", "chain", "fingerprint")
    return [tuple(map(str, (finding[name] for name in names))) for finding in document["findings"]]


def test_what_each_commit_brings(series: Series) -> None:
    ran = run("check", "--format", "json", "--git", "HEAD-4", cwd=series.repository, timeout=600)
    assert (ran.status, ran.err) == (1, "")
    wanted = [(title, sorted(findings), fixed) for title, findings, fixed in EXPECTED]
    assert _brought(json.loads(ran.out)) == wanted


def test_the_same_as_mail_over_a_folder(series: Series) -> None:
    asked = ("check", "--format", "json")
    commits = run(*asked, "--git", "HEAD-4", cwd=series.repository, timeout=600)
    mails = run(*asked, "--patch", series.mbox, series.before, cwd=series.before, timeout=600)
    assert (mails.status, mails.err) == (1, "")
    one, other = json.loads(commits.out), json.loads(mails.out)
    assert _places(one) == _places(other) != []
    fixed = [[change["fixed"] for change in document["changes"]] for document in (one, other)]
    assert fixed[0] == fixed[1]
    # Where the tree holds the series already, the same is said of it.
    held = run(*asked, "--patch", series.mbox, cwd=series.repository, timeout=600)
    assert _places(json.loads(held.out)) == _places(one)


def test_a_good_commit_is_silent(series: Series) -> None:
    quiet = ("check", "-q", "--terse", "--git")
    assert run(*quiet, "HEAD", cwd=series.repository, timeout=600) == (0, "", "")
    assert run(*quiet, "HEAD~3", cwd=series.repository, timeout=600).err == ""
