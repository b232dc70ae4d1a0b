"""A tree out of git's objects: what is read, what changed, and that nothing of it is run."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.slow import but_first
from xfrmlint.errors import InputError
from xfrmlint.git.repository import Changed, Repository
from xfrmlint.tree import Unreadable

FILES = {
    "Makefile": "VERSION = 7\n",
    "drivers/net/a/a.c": "int offload_handle;\n",
    "drivers/net/a/a.h": "#define A 1\n",
    "drivers/net/b/b.c": "int b;\n",
}


def git(folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    names = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    command = ["git", *names, *arguments]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    return ran.stdout.decode().strip()


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def commit(folder: Path, subject: str, files: Mapping[str, str]) -> str:
    write(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", subject)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(params=but_first(["sha1", "sha256"]))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A repository with one commit, in each of git's object formats."""
    git(tmp_path, "init", "-q", f"--object-format={request.param}")
    commit(tmp_path, "one", FILES)
    return tmp_path


def test_a_commit_is_read_as_it_is_not_as_the_folder_is(folder: Path) -> None:
    write(folder, {"drivers/net/a/a.c": "int changed;\n", "drivers/net/a/new.c": ""})
    with Repository(folder) as repository:
        tree = repository.tree(repository.commit("HEAD"))
        assert tree.read("drivers/net/a/a.c") == FILES["drivers/net/a/a.c"].encode()
        assert tree.folder("drivers/net/a") == ["a.c", "a.h"]
        assert (tree.is_file("drivers/net/b/b.c"), tree.is_file("drivers/net")) == (True, False)
        assert tree.search("offload_handle|A") == ["drivers/net/a/a.c", "drivers/net/a/a.h"]
        assert tree.search("int", ["drivers/net/b"]) == ["drivers/net/b/b.c"]


@pytest.mark.parametrize("path", ["drivers/net/nobody.c", "drivers/net", "../x", "a\nb"])
def test_what_is_not_there_is_said(folder: Path, path: str) -> None:
    with Repository(folder) as repository:
        tree = repository.tree(repository.commit("HEAD"))
        with pytest.raises(Unreadable):
            tree.read(path)


def test_a_link_is_no_file(folder: Path) -> None:
    (folder / "drivers/net/a/link.c").symlink_to("/etc/passwd")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "link")
    with Repository(folder) as repository:
        tree = repository.tree(repository.commit("HEAD"))
        assert not tree.is_file("drivers/net/a/link.c")
        with pytest.raises(Unreadable, match="not a regular file"):
            tree.read("drivers/net/a/link.c")


def test_revisions_are_oldest_first(folder: Path) -> None:
    git(folder, "checkout", "-qb", "side")
    commit(folder, "side", {"drivers/net/b/side.c": ""})
    git(folder, "checkout", "-q", "-")
    commit(folder, "two", {"drivers/net/b/b.c": "int two;\n"})
    git(folder, "merge", "-q", "--no-ff", "-m", "merge", "side")
    commit(folder, "three", {"drivers/net/b/b.c": "int three;\n"})
    with Repository(folder) as repository:
        assert [r.subject for r in repository.revisions("HEAD")] == ["three"]
        assert [r.subject for r in repository.revisions("HEAD-2")] == ["two", "three"]
        for one in ("HEAD^!", ":/three", "HEAD^{/three}", ":/th..e"):
            assert [r.subject for r in repository.revisions(one)] == ["three"]
        with pytest.raises(InputError, match=r"^HEAD HEAD~1: no such commit; --git takes REV, "):
            repository.revisions("HEAD HEAD~1")
        several = {r.subject: r for r in repository.revisions("HEAD~2..HEAD")}
        assert set(several) == {"side", "merge", "three"}
        (merge,) = repository.revisions("HEAD~1")
        assert (merge.subject, merge.in_range) == ("merge", False)
        assert merge.others == (several["side"].commit,)
        assert several["merge"] == merge._replace(in_range=True)
        assert repository.subject(merge.parent) == "two"
        with pytest.raises(InputError, match="no commits in there"):
            repository.revisions("HEAD..HEAD")
        with pytest.raises(InputError, match="nobody: no such commit"):
            repository.revisions("nobody")
        with pytest.raises(InputError, match="no such commit"):
            repository.revisions("--all")


def test_what_changed(folder: Path) -> None:
    git(folder, "mv", "drivers/net/a/a.c", "drivers/net/a/moved.c")
    git(folder, "rm", "-q", "drivers/net/b/b.c")
    last = commit(folder, "two", {"drivers/net/a/a.h": "#define A 2\n", "drivers/net/c.c": "x\n"})
    with Repository(folder) as repository:
        (found,) = repository.revisions(last)
        assert sorted(repository.changed(found.parent, found.commit)) == [
            Changed("", "drivers/net/c.c"),
            Changed("drivers/net/a/a.c", "drivers/net/a/moved.c"),
            Changed("drivers/net/a/a.h", "drivers/net/a/a.h"),
            Changed("drivers/net/b/b.c", ""),
        ]
        (first,) = repository.revisions("HEAD~1")
        assert first.parent == ""
        assert {c.after for c in repository.changed("", first.commit)} == set(FILES)


def test_the_index_is_what_is_staged(folder: Path) -> None:
    write(folder, {"drivers/net/a/a.c": "int staged;\n", "drivers/net/a/new.c": "new\n"})
    git(folder, "add", "-A")
    git(folder, "rm", "-q", "--cached", "drivers/net/b/b.c")
    write(folder, {"drivers/net/a/a.c": "int later;\n"})
    with Repository(folder) as repository:
        changed = repository.staged()
        tree = repository.staged_tree(changed)
        assert tree.read("drivers/net/a/a.c") == b"int staged;\n"
        assert tree.folder("drivers/net/a") == ["a.c", "a.h", "new.c"]
        assert not tree.is_file("drivers/net/b/b.c")
        assert tree.read("Makefile") == FILES["Makefile"].encode()


def test_nothing_staged_is_head_and_a_deletion_alone_is_one(folder: Path) -> None:
    with Repository(folder) as repository:
        assert repository.staged() == []
        assert repository.staged_tree([]).is_file("drivers/net/b/b.c")
    git(folder, "rm", "-q", "--cached", "drivers/net/b/b.c")
    with Repository(folder) as repository:
        assert not repository.staged_tree(repository.staged()).is_file("drivers/net/b/b.c")


def test_a_linked_worktree_and_a_hooks_environment(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(folder, "worktree", "add", "-q", str(other), "HEAD")
    hook = {**os.environ, "GIT_DIR": "/nowhere", "GIT_INDEX_FILE": str(folder / ".git/index")}
    with Repository(other, hook) as repository:
        assert repository.top == other
        assert repository.tree(repository.commit("HEAD")).is_file("Makefile")


def test_a_shallow_clone(folder: Path, tmp_path: Path) -> None:
    commit(folder, "two", {"drivers/net/b/b.c": "int two;\n"})
    git(folder, "clone", "-q", "--depth=1", folder.as_uri(), str(tmp_path / "shallow"))
    with Repository(tmp_path / "shallow") as repository:
        (found,) = repository.revisions("HEAD")
        assert (found.subject, found.parent) == ("two", "")


def test_nothing_of_a_repository_is_run(folder: Path) -> None:
    ran = folder / "ran"
    script = folder / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "gpg.program", "core.pager", "diff.external", "core.sshCommand"):
        git(folder, "config", key, str(script))
    for key in ("filter.x.clean", "filter.x.smudge", "diff.x.textconv", "diff.x.command"):
        git(folder, "config", key, str(script))
    git(folder, "config", "log.showSignature", "true")
    (folder / ".git/hooks/post-index-change").write_text(script.read_text())
    (folder / ".git/hooks/post-index-change").chmod(0o755)
    (folder / ".gitattributes").write_text("*.c filter=x diff=x\n")
    with Repository(folder) as repository:
        (found,) = repository.revisions("HEAD")
        repository.changed("", found.commit)
        repository.tree(found.commit).search("int")
        repository.staged_tree(repository.staged())
    assert not ran.exists()


def test_a_folder_outside_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a git repository"):
        Repository(tmp_path, {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path)})


@pytest.mark.parametrize("path", ["drivers/net/a/a.c", "drivers/net/a/a.h"])
def test_what_git_has_not_got_is_not_taken_for_gone(folder: Path, path: str) -> None:
    name = git(folder, "rev-parse", f"HEAD:{path}")
    (folder / ".git/objects" / name[:2] / name[2:]).unlink()
    (folder / path).write_text("int edited;\n", "utf-8")
    with Repository(folder) as repository:
        tree = repository.tree(repository.commit("HEAD"))
        assert tree.is_file(path)
        for ask in (lambda: tree.read(path), lambda: tree.search("int|A", ["drivers/net/a"])):
            with pytest.raises(InputError, match="git has not got its content here"):
                ask()
