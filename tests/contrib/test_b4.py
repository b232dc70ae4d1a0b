"""The configuration in contrib/b4.md, taken by b4 itself."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.change.test_changes import OPS, README, SET_FLAG, TX, commit, linux, patches_of, pristine
from tests.git.test_commit import git
from tests.ran import installed

pytestmark = pytest.mark.slow

__all__ = ["linux", "pristine"]

# It comes with the extra `dev`.
pytest.importorskip("b4")

TEXT = (Path(__file__).parents[2] / "contrib" / "b4.md").read_text("utf-8")
CONFIGURED = re.findall(r"^    git (config --add b4\.\S+) (\".*\")$", TEXT, re.M)
READ = "return x->xso.offload_handle;"
EDITS = {
    "nothing": (TX, "static netdev_tx_t", "/* Sends. */\nstatic netdev_tx_t"),
    "no code": (README, "Example", "The example"),
    "ERROR": SET_FLAG,
    "WARNING": (TX, READ, f"{READ[:-1]} & 7;"),
    "CHECK": (OPS, "READ_ONCE(x->xso.offload_handle);", "x->xso.offload_handle;"),
}
# What b4 does of a mail: it reads its configuration, splits the commands, runs each.
ASK = """\
import json, shlex, sys, email
import b4, b4.review.checks as checks

def split(text):
    found = shlex.shlex(text, posix=True)
    found.whitespace_split = True
    return list(found)

kind, name = sys.argv[1:]
message = email.message_from_bytes(open(name, "rb").read(), policy=b4.emlpolicy)
b4._setup_main_config()
commands = b4.get_main_config()[f"{kind}-perpatch-check-cmd"]
commands = [one for one in commands if "checkpatch" not in one]
if kind == "review":
    found = checks.run_perpatch_checks([("id", message)], commands, b4.git_get_toplevel())["id"]
else:
    found = [one for command in commands
             for one in b4.LoreMessage.run_local_check(split(command), "id", message)]
print(json.dumps(found))
"""


def environment_of(folder: Path) -> dict[str, str]:
    """Return an environment with a home, and so a cache of checks, of the test's own."""
    kept = {k: v for k, v in installed(folder / "tools").items() if not k.startswith("GIT_")}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return kept | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}


def configured(folder: Path) -> None:
    """Type in what is documented."""
    for command, value in CONFIGURED:
        git(folder, *shlex.split(command), *shlex.split(value))


def asked(kind: str, mail: str, folder: Path) -> Any:
    """Return what b4 makes of a mail: (flag, text) or, of a review, dictionaries."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, kind, mail],
        cwd=folder,
        env=environment_of(folder.parent),
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


def mail_of(kind: str, what: str, folder: Path) -> str:
    """Commit a change and return its mail; only `am` takes what the tree does not have."""
    commit(folder, "example: a change", EDITS[what])
    (mail,) = patches_of(folder)
    if kind == "am":
        git(folder, "reset", "-q", "--hard", "HEAD~1")
    return mail


def test_every_kind_is_documented() -> None:
    kinds = [command.split(".")[1].partition("-")[0] for command, _ in CONFIGURED]
    assert kinds == ["prep", "prep", "am", "am", "review", "review"]


LOCAL = {
    "nothing": ["success"],
    "no code": ["success"],
    "ERROR": ["fail", "fail"],
    "WARNING": ["warning"],
    "CHECK": ["warning"],
}


@pytest.mark.parametrize("kind", ["prep", "am"])
@pytest.mark.parametrize("what", LOCAL)
def test_prep_and_am(what: str, kind: str, linux: Path) -> None:
    configured(linux)
    found = asked(kind, mail_of(kind, what, linux), linux)
    assert [flag for flag, _ in found] == LOCAL[what]
    if LOCAL[what] == ["success"]:
        assert found == [["success", "xfrmlint: passed all checks"]]
    else:
        for _, said in found:
            assert re.match(rf"xfrmlint: drivers/net/example/\w+\.c:\d+: {what}: ", said)


REVIEWED = {
    "nothing": ("pass", "passed all checks"),
    "no code": ("pass", "passed all checks"),
    "ERROR": ("fail", "2 errors"),
    "WARNING": ("warn", "1 warning"),
    "CHECK": ("warn", "1 check"),
}


@pytest.mark.parametrize("tree", ["review", "am"])
@pytest.mark.parametrize("what", REVIEWED)
def test_review(what: str, tree: str, linux: Path) -> None:
    configured(linux)
    (found,) = asked("review", mail_of(tree, what, linux), linux)
    assert (found["tool"], found["status"], found["summary"]) == ("xfrmlint", *REVIEWED[what])
    assert (what in found["details"]) == (found["status"] != "pass")


def test_b4_prep_check(linux: Path) -> None:
    """All of it: b4 makes the branch, and the patch of its commit."""
    configured(linux)
    # The fixture has no checkpatch.
    git(linux, "config", "--unset", "b4.prep-perpatch-check-cmd", "checkpatch")
    for key, value in {"user.name": "A", "user.email": "a@example.org"}.items():
        git(linux, "config", key, value)

    def b4(*arguments: str) -> str:
        program = "import sys, b4.command; b4.command.cmd()"
        command = [sys.executable, "-c", program, "--no-interactive", "--offline-mode", *arguments]
        env = environment_of(linux.parent)
        return subprocess.run(command, cwd=linux, env=env, capture_output=True, text=True).stderr

    b4("prep", "-n", "topic", "-f", "HEAD")
    commit(linux, "example: words\n\nWhat it sends.", EDITS["nothing"])
    commit(linux, "example: promise\n\nIt doesn't keep it.", EDITS["ERROR"])
    said = b4("prep", "--check")
    assert "Success: 1, Warning: 0, Error: 2" in said, said


COVER = "Subject: [PATCH 0/1] example: words\nFrom: A <a@example.org>\n\nWords.\n"


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("prep", [["success", "xfrmlint: passed all checks"]]),
        ("am", [["success", "xfrmlint: passed all checks"]]),
        ("review", []),
    ],
)
def test_a_cover_letter(kind: str, wanted: object, linux: Path) -> None:
    mail = linux.parent / "cover"
    mail.write_text(COVER, "utf-8")
    configured(linux)
    assert asked(kind, str(mail), linux) == wanted


@pytest.mark.parametrize("kind", ["prep", "am", "review"])
def test_a_patch_that_does_not_fit(kind: str, linux: Path) -> None:
    mail = mail_of("am", "WARNING", linux)
    commit(linux, "example: silent", (TX, READ, "return 0;"))
    configured(linux)
    (found,) = asked(kind, mail, linux)
    if isinstance(found, dict):
        assert (found["status"], found["summary"]) == ("fail", "exited with error code 2")
        said = found["details"]
    else:
        flag, said = found
        assert flag == "fail"
    assert f"{TX}: hunk 1 of 1 doesn't fit: line 5 should be " in said


@pytest.mark.parametrize("kind", ["prep", "am", "review"])
def test_nothing_is_said_of_a_cache_that_can_not_be_used(kind: str, linux: Path) -> None:
    mail = mail_of(kind, "nothing", linux)
    for command, value in CONFIGURED:
        elsewhere = value.replace("xfrmlint", "env XDG_CACHE_HOME=/dev/null/none xfrmlint")
        git(linux, *shlex.split(command), *shlex.split(elsewhere))
    (found,) = asked(kind, mail, linux)
    if isinstance(found, dict):
        assert (found["status"], found["details"]) == ("pass", "")
    else:
        assert found == ["success", "env: passed all checks"]
