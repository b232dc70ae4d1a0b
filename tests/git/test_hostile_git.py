"""Repositories that nobody wrote in good faith: nothing of them is run, waited for or believed."""

import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path

import pytest

from tests.git.test_commit import git
from tests.laid import lay_fixture
from tests.ran import run
from tests.slow import but_first
from xfrmlint.errors import InputError
from xfrmlint.git.repository import Repository
from xfrmlint.programs import Answering, output_of, program

IPSEC = "drivers/net/sunrise/sunrise_ipsec.c"
HERE = dict(os.environ)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The demo in a repository, with a change of its driver staged."""
    tree = lay_fixture("demo", tmp_path / "linux")
    git(tree, "init", "-q", "-b", "main")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "x")
    text = (tree / IPSEC).read_text()
    (tree / IPSEC).write_text(
        text.replace("kfree_rcu(sa, rcu);", "kfree_rcu(sa, rcu);\n\tx->xso.upper_priv = 0;")
    )
    git(tree, "add", "-A")
    return tree


def put(tree: Path, kind: str, data: bytes, size: int | None = None) -> str:
    """Write an object into a repository, of a size that may be a lie; return its name."""
    whole = f"{kind} {len(data) if size is None else size}".encode() + b"\0" + data
    name = sha1(whole).hexdigest()
    file = tree / ".git/objects" / name[:2] / name[2:]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(zlib.compress(whole))
    return name


def committed(tree: Path, top: str) -> str:
    text = f"tree {top}\nauthor a <a@b> 0 +0000\ncommitter a <a@b> 0 +0000\n\nx\n"
    return put(tree, "commit", text.encode())


def cut(file: Path) -> None:
    data = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(data[: len(data) // 2])


def of_blob(tree: Path) -> Path:
    name = git(tree, "rev-parse", f"HEAD:{IPSEC}")
    return tree / ".git/objects" / name[:2] / name[2:]


def of_staged(tree: Path) -> Path:
    name = git(tree, "rev-parse", f":{IPSEC}")
    return tree / ".git/objects" / name[:2] / name[2:]


def test_what_is_staged_is_judged(tree: Path) -> None:
    assert run("check", "--staged", "-q", cwd=tree).status == 1


@pytest.mark.parametrize("damage", but_first([cut, Path.unlink]))
@pytest.mark.parametrize("which", but_first([of_blob, of_staged]))
@pytest.mark.parametrize("way", [["--staged"], ["--base", "HEAD"]])
def test_a_change_that_can_not_be_read_is_never_clean(
    damage: Callable[[Path], None], which: Callable[[Path], Path], way: list[str], tree: Path
) -> None:
    damage(which(tree))
    if which is of_staged and way != ["--staged"]:
        (tree / IPSEC).write_text("int other;\n")
        ran = run("check", *way, "-q", cwd=tree)
        # The folder has its own text, and the index is only listed.
        assert (ran.status, ran.err) == (0, "")
        return
    ran = run("check", *way, "-q", cwd=tree)
    assert (ran.status, ran.out) == (2, "")
    assert IPSEC in ran.err


@pytest.mark.slow
@pytest.mark.parametrize("side", ["before", "after"])
def test_an_object_s_size_is_asked_before_it_is_read(side: str, tree: Path) -> None:
    size = 65 << 20
    (tree / "big").write_bytes(b" " * size)
    big = git(tree, "hash-object", "-w", "big")
    (tree / "big").unlink()
    git(tree, "update-index", "--cacheinfo", f"100644,{big},{IPSEC}")
    if side == "before":
        git(tree, "commit", "-qm", "big")
        git(tree, "add", "-A")
    ran = run("check", "--staged", "-q", cwd=tree, memory=600 << 20)
    assert (ran.status, ran.out) == (2, "")
    assert f"{IPSEC}: " in ran.err
    assert "larger than 64 MiB" in ran.err


@pytest.mark.parametrize(
    "where",
    but_first(["config", "HEAD", "index", "packed-refs", "shallow", "refs/x", "objects/x"]),
)
def test_a_fifo_of_git_is_refused(where: str, tree: Path) -> None:
    (tree / ".git" / where).unlink(missing_ok=True)
    os.mkfifo(tree / ".git" / where)
    ran = run("check", "--git", "HEAD", "-q", cwd=tree)
    assert (ran.status, ran.out) == (2, "")
    assert f".git/{where}: a FIFO" in ran.err


def test_a_link_to_a_device_is_refused(tree: Path) -> None:
    (tree / ".git/config").unlink()
    (tree / ".git/config").symlink_to("/dev/zero")
    assert "a device" in run("check", "--staged", cwd=tree).err


@pytest.mark.parametrize("entry", but_first([".", "", "bin", "{tree}/bin"]))
def test_no_program_of_the_tree_is_run(
    entry: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tree, tree / "bin"):
        folder.mkdir(exist_ok=True)
        for name in ("git", "rg"):
            (folder / name).write_text(f"#!/bin/sh\ntouch {tree}/ran\n")
            (folder / name).chmod(0o755)
    path = f"{entry.format(tree=tree)}:{os.environ['PATH']}"
    assert run("check", "--staged", "-q", cwd=tree, env={"PATH": path}).status == 1
    assert not (tree / "ran").exists()
    monkeypatch.chdir(tree)
    monkeypatch.setenv("PATH", f"{path}:")
    program.cache_clear()
    assert program("git", str(tree)) not in (None, str(tree / "git"), str(tree / "bin/git"))
    program.cache_clear()


def test_a_link_on_path_into_the_tree_is_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "linux").mkdir()
    (tmp_path / "linux/git").write_text("#!/bin/sh\n")
    (tmp_path / "linux/git").chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(tmp_path / "linux/git")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    program.cache_clear()
    assert program("git", str(tmp_path / "linux")) is None
    program.cache_clear()


# Trees that no git writes; each the top of a commit.
def deep(tree: Path) -> str:
    name = put(tree, "blob", b"int a;\n")
    inner = put(tree, "tree", b"100644 a.c\0" + bytes.fromhex(name))
    for _ in range(3000):
        inner = put(tree, "tree", b"40000 d\0" + bytes.fromhex(inner))
    return inner


def shared(tree: Path) -> str:
    """Ten folders in ten folders, ten times: 10^10 files of a few objects."""
    name = put(tree, "blob", b"int a;\n")
    inner = put(tree, "tree", b"100644 a.c\0" + bytes.fromhex(name))
    for _ in range(10):
        one = bytes.fromhex(inner)
        inner = put(tree, "tree", b"".join(b"40000 d%d\0" % n + one for n in range(10)))
    return inner


MADE: dict[str, Callable[[Path], str]] = {
    "a mode too big": lambda t: put(t, "tree", b"7" * 40 + b" a.c\0" + bytes(20)),
    "a mode that is none": lambda t: put(t, "tree", b"9 a.c\0" + bytes(20)),
    "no name": lambda t: put(t, "tree", b"100644 \0" + bytes(20)),
    "cut off": lambda t: put(t, "tree", b"100644 a.c\0" + bytes(7)),
    "no tree at all": lambda t: put(t, "tree", b"\xff" * 50),
    "a size that lies": lambda t: put(t, "tree", b"100644 a.c\0" + bytes(20), size=1 << 40),
    "a size that is less": lambda t: put(t, "tree", b"100644 a.c\0" + bytes(20), size=3),
    "a blob": lambda t: put(t, "blob", b"x"),
    "3,000 folders deep": deep,
}


@pytest.mark.parametrize("name", but_first(MADE, 2))
def test_a_tree_that_no_git_writes_is_one_line(name: str, tree: Path) -> None:
    commit = committed(tree, MADE[name](tree))
    ran = run("check", "--git", commit, cwd=tree, timeout=20)
    assert ran.status in (0, 1, 2)
    assert "internal error" not in ran.err
    assert ran.err.count("\n") <= 1


def test_folders_that_share_their_subfolders_are_not_walked(tree: Path) -> None:
    with Repository(tree) as repository:
        found = repository.tree(committed(tree, shared(tree)))
        assert found.folder("d0/d1/d2") == []
        with pytest.raises(InputError, match="more than a kernel has"):
            found.search("int")


def test_a_program_that_gives_no_answer_is_ended() -> None:
    with pytest.raises(InputError, match="no answer in"):
        output_of([sys.executable, "-c", "import time; time.sleep(60)"], HERE, Path("/"), 0.2, 100)
    silent = Answering(["/bin/sh", "-c", "sleep 60"], HERE, Path("/"), 0.2)
    silent.ask(b"?\n")
    with pytest.raises(EOFError):
        silent.line()
    silent.end()


def test_a_program_that_says_too_much_is_ended() -> None:
    assert output_of(["/bin/cat", "/dev/zero"], HERE, Path("/"), 20, 1 << 20) is None


def test_an_answer_is_read_in_lines_and_pieces() -> None:
    cat = Answering(["/bin/cat"], HERE, Path("/"), 20)
    cat.ask(b"one\ntwo\0three\n")
    assert (cat.line(), cat.exactly(4), cat.line()) == (b"one\n", b"two\0", b"three\n")
    cat.end()
    with pytest.raises((EOFError, ValueError)):
        cat.ask(b"more\n")


def test_a_program_dies_with_us() -> None:
    code = (
        "import os, time\nfrom pathlib import Path\n"
        "from xfrmlint.programs import Answering\n"
        "a = Answering(['/bin/sleep', '60'], dict(os.environ), Path('/'), 5)\n"
        "print(a._running.pid, flush=True)\ntime.sleep(60)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(500):
        if _ended(child):
            break
        time.sleep(0.01)
    assert _ended(child)


def _ended(pid: int) -> bool:
    try:
        # A zombie that init has not yet collected has ended, too.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
