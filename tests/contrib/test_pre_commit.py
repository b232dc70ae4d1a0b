"""The hooks in .pre-commit-hooks.yaml, as the real pre-commit runs them in a kernel."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.change.test_changes import FILES, FLAG, README, SET_FLAG, TX, commit, edit
from tests.git.test_commit import git, write
from tests.laid import lay
from tests.ran import Ran, environment

pytestmark = pytest.mark.slow

# Both come with the extra `dev`.
yaml = pytest.importorskip("yaml")
pytest.importorskip("pre_commit")

CHECKOUT = Path(__file__).parents[2]
MANIFEST = CHECKOUT / ".pre-commit-hooks.yaml"
# What a wheel is built from.
SOURCES = ("xfrmlint", "rules", "pyproject.toml", "README.md", "LICENSE", MANIFEST.name)
PROMISED = "ERROR: example_handle() reads xso.offload_handle on the datapath, "


def pre_commit(*arguments: str, cwd: Path, home: Path) -> Ran:
    """Run pre-commit, or git if that is the first argument. home: what pre-commit installs to."""
    kept = {k: v for k, v in environment().items() if not k.startswith("GIT_")}
    kept |= {"PRE_COMMIT_HOME": str(home), "PRE_COMMIT_COLOR": "never"}
    kept |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        kept |= {f"GIT_{who}_NAME": "A", f"GIT_{who}_EMAIL": "a@example.org"}
    program = () if arguments[0] == "git" else (sys.executable, "-m", "pre_commit")
    command = [*program, *arguments]
    done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, stdin=subprocess.DEVNULL)
    return Ran(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of xfrmlint as it is in this checkout."""
    folder = tmp_path_factory.mktemp("hooks")
    for name in SOURCES:
        source = CHECKOUT / name
        if source.is_dir():
            left_out = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=left_out)
        else:
            shutil.copy(source, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "xfrmlint")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps what it installed: once for all tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def linux(hooks: Path, tmp_path: Path) -> Path:
    """A kernel with one driver, whose contributor uses the hooks."""
    folder = lay("rfc", tmp_path / "linux")
    config = f"repos:\n- repo: {hooks}\n  rev: {git(hooks, 'rev-parse', 'HEAD')}\n"
    config += "  hooks:\n  - id: xfrmlint\n  - id: xfrmlint-tree\n"
    write(folder, {**FILES, ".pre-commit-config.yaml": config})
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Linux 7.4")
    return folder


def stage(folder: Path, *edits: tuple[str, str, str]) -> None:
    edit(folder, *edits)
    git(folder, "add", "-A")


COMMENT = (TX, "static netdev_tx_t", "/* Sends. */\nstatic netdev_tx_t")


def test_the_manifest_is_valid(tmp_path: Path) -> None:
    ran = pre_commit("validate-manifest", str(MANIFEST), cwd=tmp_path, home=tmp_path / "home")
    assert ran == (0, "", "")
    assert [hook["id"] for hook in yaml.safe_load(MANIFEST.read_text("utf-8"))] == [
        "xfrmlint",
        "xfrmlint-tree",
    ]


def test_it_is_tried_out_of_a_checkout(hooks: Path, linux: Path, tmp_path: Path) -> None:
    stage(linux, SET_FLAG)
    ran = pre_commit("try-repo", str(hooks), "xfrmlint", cwd=linux, home=tmp_path / "home")
    assert ran.status == 1, ran
    assert "xfrmlint (what is staged)" in ran.out
    assert PROMISED in ran.out


def outcome(ran: Ran) -> str:
    """Return what pre-commit says of the one hook that it ran."""
    (line,) = [line for line in ran.out.splitlines() if line.startswith("xfrmlint (")]
    return line.rpartition(".")[2]


def test_a_clean_change_passes_without_a_word(linux: Path, home: Path) -> None:
    stage(linux, COMMENT)
    ran = pre_commit("run", "--verbose", "xfrmlint", cwd=linux, home=home)
    assert (ran.status, outcome(ran)) == (0, "Passed")
    # With --verbose it would show what the hook said.
    told = [line for line in ran.out.splitlines() if not line.startswith(("[", "xfrmlint (", "- "))]
    assert told == []


def test_a_bad_change_fails_with_its_finding(linux: Path, home: Path) -> None:
    stage(linux, SET_FLAG)
    ran = pre_commit("run", "xfrmlint", cwd=linux, home=home)
    assert (ran.status, outcome(ran)) == (1, "Failed")
    assert "- exit code: 1\n" in ran.out
    assert ran.out.count(PROMISED) == 1


@pytest.mark.parametrize("path", [README, "MAINTAINERS", "drivers/net/Kconfig"])
def test_a_change_of_no_code_is_skipped(path: str, linux: Path, home: Path) -> None:
    write(linux, {path: "words\n"})
    git(linux, "add", "-A")
    ran = pre_commit("run", "xfrmlint", cwd=linux, home=home)
    assert (ran.status, outcome(ran)) == (0, "(no files to check)Skipped")


@pytest.mark.parametrize(
    "path",
    ["Kbuild", "Makefile", "drivers/net/example/Makefile", "a/Makefile.x", "a.h", "a.inc", "a.mk"],
)
def test_a_change_of_code_is_not_skipped(path: str, linux: Path, home: Path) -> None:
    former = (linux / path).read_text("utf-8") if (linux / path).exists() else ""
    write(linux, {path: f"{former}\n"})
    git(linux, "add", "-A")
    ran = pre_commit("run", "xfrmlint", cwd=linux, home=home)
    assert (ran.status, outcome(ran)) == (0, "Passed")


def test_commits_that_are_named(linux: Path, home: Path) -> None:
    commit(linux, "example: words", COMMENT)
    commit(linux, "example: promise", SET_FLAG)
    named = ("run", "xfrmlint", "--from-ref", "HEAD~2", "--to-ref")
    ran = pre_commit(*named, "HEAD~1", cwd=linux, home=home)
    assert (ran.status, outcome(ran)) == (0, "Passed")
    ran = pre_commit(*named, "HEAD", cwd=linux, home=home)
    assert (ran.status, outcome(ran), PROMISED in ran.out) == (1, "Failed", True)


def test_what_is_no_longer_known_is_said(linux: Path, home: Path) -> None:
    stage(linux, (TX, "= example_handle(", "= another_module_s("))
    ran = pre_commit("run", "xfrmlint", cwd=linux, home=home)
    assert (ran.status, outcome(ran), "1 no longer known" in ran.out) == (0, "Passed", True)


def test_an_edit_that_is_not_staged_does_not_count(linux: Path, home: Path) -> None:
    stage(linux, COMMENT)
    edit(linux, SET_FLAG)
    ran = pre_commit("run", "xfrmlint", cwd=linux, home=home)
    assert (ran.status, outcome(ran)) == (0, "Passed")
    assert FLAG in (linux / SET_FLAG[0]).read_text("utf-8")


def test_git_commit_is_stopped(linux: Path, home: Path) -> None:
    assert pre_commit("install", cwd=linux, home=home).status == 0
    stage(linux, SET_FLAG)
    ran = pre_commit("git", "commit", "-qm", "example: promise", cwd=linux, home=home)
    assert (ran.status, PROMISED in ran.err) == (1, True)
    assert git(linux, "log", "--format=%s") == "Linux 7.4"


def test_git_commit_of_a_path_takes_its_own_index(linux: Path, home: Path) -> None:
    """git makes an index of HEAD and the path, and names it in GIT_INDEX_FILE."""
    assert pre_commit("install", cwd=linux, home=home).status == 0
    stage(linux, SET_FLAG)
    edit(linux, COMMENT)
    ran = pre_commit("git", "commit", "-qm", "example: words", TX, cwd=linux, home=home)
    assert ran.status == 0, ran
    assert "Passed" in ran.err
    edit(linux, (TX, "/* Sends. */\n", ""))
    ran = pre_commit("git", "commit", "-qam", "example: all", cwd=linux, home=home)
    assert (ran.status, PROMISED in ran.err) == (1, True)


def test_a_linked_worktree(linux: Path, home: Path) -> None:
    """There git names the repository in GIT_DIR, too."""
    assert pre_commit("install", cwd=linux, home=home).status == 0
    linked = linux.parent / "linked"
    git(linux, "worktree", "add", "-q", str(linked))
    stage(linked, SET_FLAG)
    ran = pre_commit("git", "commit", "-qm", "example: promise", cwd=linked, home=home)
    assert (ran.status, PROMISED in ran.err) == (1, True)
    git(linked, "reset", "-q", "--hard")
    stage(linked, COMMENT)
    ran = pre_commit("git", "commit", "-qm", "example: words", cwd=linked, home=home)
    assert ran.status == 0, ran


def test_the_whole_tree(linux: Path, home: Path) -> None:
    command = ("run", "--hook-stage", "manual", "xfrmlint-tree")
    ran = pre_commit(*command, cwd=linux, home=home)
    # The driver reads the shared handle already.
    assert (ran.status, outcome(ran)) == (1, "Failed")
    assert "WARNING: example_handle() reads xso.offload_handle" in ran.out
    commit(linux, "example: silent", (TX, "\treturn x->xso.offload_handle;", "\treturn 0;"))
    ran = pre_commit(*command, cwd=linux, home=home)
    assert (ran.status, outcome(ran)) == (0, "Passed")


def test_the_whole_tree_is_not_checked_at_a_commit(linux: Path, home: Path) -> None:
    stage(linux, COMMENT)
    ran = pre_commit("run", cwd=linux, home=home)
    assert (ran.status, outcome(ran)) == (0, "Passed")
