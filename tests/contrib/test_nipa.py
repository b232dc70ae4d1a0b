"""contrib/nipa/xfrmlint, run by a harness that keeps the contract of NIPA's core/test.py."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.change.test_changes import FILES, README, SET_FLAG, TX, commit, pristine
from tests.change.test_changes import linux as linux
from tests.git.test_commit import git, write
from tests.ran import installed

pytestmark = pytest.mark.slow

__all__ = ["linux", "pristine"]

TEST = Path(__file__).parents[2] / "contrib" / "nipa" / "xfrmlint"
OKAY, WARNING, FAILED = 0, 250, 1
PROMISED = "ERROR:DIRECT_OFFLOAD_HANDLE: example_handle() reads xso.offload_handle on the datapath"
# Linux gives a pipe this much.
PIPE = 65536


class Result(NamedTuple):
    """What NIPA keeps of a test: its status, both streams, and the line for patchwork."""

    status: int
    out: str
    err: str
    said: str


def nipa(linux: Path, **more: str) -> Result:
    """Run the test on the commit that is checked out, as NIPA does."""
    script = json.loads((TEST / "info.json").read_text("utf-8"))["run"]
    reads, writes = os.pipe()
    told = {
        "DESC_FD": str(writes),
        "RESULTS_DIR": str(linux.parent / "results" / TEST.name),
        "BRANCH_BASE": "main",
        "FIRST_IN_SERIES": "1",
    }
    try:
        done = subprocess.run(
            [str(TEST / script[0]), *script[1:]],
            cwd=linux,
            env=installed(linux.parent / "tools") | told | more,
            capture_output=True,
            pass_fds=[writes],
            timeout=60,
        )
    finally:
        os.close(writes)
    # Only now: a test that says more than the pipe holds would wait for ever.
    with os.fdopen(reads, encoding="utf-8") as pipe:
        said = pipe.read()
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode(), said)


def add(linux: Path, *edits: tuple[str, str, str]) -> None:
    """Commit a change and check it out as NIPA leaves it: detached."""
    commit(linux, "example: a change", *edits)
    git(linux, "checkout", "-q", "--detach")


def test_what_nipa_loads() -> None:
    info = json.loads((TEST / "info.json").read_text("utf-8"))
    assert list(info) == ["run"]
    assert os.access(TEST / info["run"][0], os.X_OK)


def test_a_clean_change(linux: Path) -> None:
    add(linux, (TX, "static netdev_tx_t", "/* Sends. */\nstatic netdev_tx_t"))
    result = nipa(linux)
    assert (result.status, result.err) == (OKAY, "")
    assert result.said == "Findings added: 0 errors, 0 warnings, 0 checks\n"


def test_a_change_that_fixes(linux: Path) -> None:
    add(linux, (TX, "\treturn x->xso.offload_handle;", "\treturn 0;"))
    result = nipa(linux)
    assert (result.status, result.err) == (OKAY, "")
    assert result.said == "Findings added: 0 errors, 0 warnings, 0 checks ; fixed: 1\n"


def test_a_change_that_hides(linux: Path) -> None:
    add(linux, (TX, "= example_handle(", "= another_module_s("))
    result = nipa(linux)
    assert (result.status, result.err) == (WARNING, "")
    assert re.fullmatch(
        r"Findings added: 0 errors, .* ; no longer known: 1 ; not analysed: [1-9]\d*\n", result.said
    )


@pytest.mark.parametrize("path", [README, "drivers/net/Kconfig"])
def test_a_change_of_no_code_needs_no_xfrmlint(path: str, linux: Path) -> None:
    write(linux, {path: "words\n"})
    add(linux)
    skipped = Result(OKAY, "", "", "No C, header or Makefile touched, skip\n")
    assert nipa(linux, PATH="/usr/bin:/bin") == skipped


def test_an_error(linux: Path) -> None:
    add(linux, SET_FLAG)
    result = nipa(linux)
    assert result.status == FAILED
    counted, *fixes = result.said.removesuffix("\n").split(" ; ")
    assert counted == "Findings added: 2 errors, 0 warnings, 0 checks"
    assert [fix.split(": ")[0] for fix in fixes] == [
        "DIRECT_OFFLOAD_HANDLE",
        "LOWER_HANDLE_NOT_RESOLVED",
    ]
    assert PROMISED in result.out
    assert "  chain: " in result.out
    first, *rest = result.err.splitlines()
    assert first == "New errors added"
    assert [line.split(":")[1] for line in rest] == [
        "LOWER_HANDLE_NOT_RESOLVED",
        "DIRECT_OFFLOAD_HANDLE",
    ]


READ = "return x->xso.offload_handle;"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ((TX, READ, f"{READ[:-1]} & 7;"), "0 errors, 1 warnings, 0 checks"),
        (
            (
                "drivers/net/example/ipsec.c",
                "READ_ONCE(x->xso.offload_handle);",
                "x->xso.offload_handle;",
            ),
            "0 errors, 0 warnings, 1 checks",
        ),
    ],
)
def test_a_warning_or_a_check(edit: tuple[str, str, str], said: str, linux: Path) -> None:
    add(linux, edit)
    result = nipa(linux)
    assert (result.status, result.err) == (WARNING, "")
    assert result.said.startswith(f"Findings added: {said} ; ")
    # The line is as wrong as it was.
    assert "fixed" not in result.said


def test_a_driver_that_is_deleted_is_looked_at(linux: Path) -> None:
    for path in FILES:
        if path.startswith("drivers/net/example/"):
            (linux / path).unlink()
    add(linux)
    result = nipa(linux)
    assert (result.status, result.err) == (OKAY, "")
    # CHECKs are counted only below folders in which they are shown.
    assert result.said == "Findings added: 0 errors, 0 warnings ; fixed: 2\n"


def test_what_is_checked_out_stays(linux: Path) -> None:
    add(linux, SET_FLAG)
    before = git(linux, "rev-parse", "HEAD"), git(linux, "status", "--porcelain")
    nipa(linux)
    assert (git(linux, "rev-parse", "HEAD"), git(linux, "status", "--porcelain")) == before
    assert git(linux, "branch", "--show-current") == ""


def test_many_findings_do_not_fill_the_pipe(linux: Path) -> None:
    lines = "".join(f"\thandle += x->xso.offload_handle + {number};\n" for number in range(1000))
    add(
        linux,
        (TX, READ, f"unsigned long handle = 0;\n\n{lines}\treturn handle;"),
        SET_FLAG,
    )
    result = nipa(linux)
    assert len(result.err) > PIPE
    assert result.status == FAILED
    assert result.said.startswith("Findings added: 1001 errors, 0 warnings, 0 checks ; ")


def test_without_xfrmlint(linux: Path) -> None:
    add(linux, SET_FLAG)
    result = nipa(linux, PATH="/usr/bin:/bin")
    assert (result.status, result.said) == (FAILED, "xfrmlint is not installed\n")


def test_a_tree_that_can_not_be_checked(linux: Path) -> None:
    (linux / "include/net/xfrm.h").unlink()
    add(linux)
    result = nipa(linux)
    assert (result.status, result.said) == (FAILED, "xfrmlint could not run, status 2\n")
    assert "include/net/xfrm.h is missing" in result.err
