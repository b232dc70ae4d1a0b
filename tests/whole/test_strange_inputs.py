"""Inputs that no program writes: one line or a report, and nothing lost in silence."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.git.test_commit import git
from tests.laid import EXAMPLE, lay_example, lay_fixture
from tests.ran import Ran, run
from tests.slow import but_first
from tests.whole.test_hostile import KIND, SOURCE

IPSEC = "drivers/net/sunrise/sunrise_ipsec.c"
CORE = "include/net/xfrm.h"
MEMORY = 1 << 30
READ = "\treturn x->xso.offload_handle ?"
ADD = "\tx->xso.offload_handle = 1;\n"


def held(*arguments: str | Path, cwd: Path, stdin: bytes = b"") -> Ran:
    """Run a command that must end soon, in little memory, with a status and a word of its own."""
    # Of processor time they need a few seconds at most.
    found = run(*arguments, cwd=cwd, timeout=120, memory=MEMORY, stdin=stdin)
    assert found.status in (0, 1, 2)
    assert "Traceback" not in found.err
    assert "internal error" not in found.err
    assert found.err.count("\n") <= 1
    assert (found.status == 2) <= (found.err != "")
    return found


def told(found: Ran) -> bool:
    """Tell whether a run has the driver's finding, or says what can hide it."""
    if found.status == 2:
        return True
    document = json.loads(found.out)
    return any(row["type"] == KIND for row in document["findings"]) or any(
        row["matters"] for row in document["unknown"]
    )


def doubling(operator: str, count: int) -> str:
    """Return constants each of which is made of the one before, twice."""
    rest = "".join(f"\tE{n + 1} = E{n} {operator} E{n},\n" for n in range(count))
    return f"enum {{\n\tE0 = 3,\n{rest}}};\n"


def in_xmit(text: str) -> str:
    return SOURCE.replace(READ, f"{text}{READ}")


C: dict[str, str] = {
    "keywords that are macros": "#define if(x) while (x)\n#define return\n#define struct\n"
    + SOURCE,
    "constants that double in length": doubling("*", 64)
    + in_xmit("\tif (x->xso.offload_handle == E64) return NETDEV_TX_OK;\n"),
    "a shift by a shift": doubling("<<", 6)
    + in_xmit("\tif (x->xso.offload_handle == (1UL << (E6 << 60))) return NETDEV_TX_OK;\n"),
    "a division by nothing": "#if 1 / 0 || 1 % 0\n#endif\nenum { N = 1 / 0, M = 1 % (N - N) };\n"
    + SOURCE.replace(ADD, "\tx->xso.offload_handle = N << M;\n"),
    "a number of 100,000 digits": SOURCE.replace("= 1;", f"= {'9' * 100_000};"),
    "a range of elements": "long t[] = { [0 ... 0x7fffffffffffffff] = 1, [1 << 62] = 2 };\n"
    + in_xmit("\tif (t[x->xso.offload_handle]) return NETDEV_TX_OK;\n"),
    "choices by type in each other": in_xmit(
        "\tlong h = " + "_Generic(1, default: " * 300 + "x->xso.offload_handle" + ")" * 300 + ";\n"
    ),
    "a function in a function": in_xmit(
        "\tlong inner(struct xfrm_state *s) { return s->xso.offload_handle; }\n\tinner(x);\n"
    ),
    "parameters of 1975": SOURCE
    + "long f(x) struct xfrm_state *x; { return x->xso.offload_handle; }\n",
    "names that a line gives": '#line 1 "../../../../etc/passwd"\n# 7 "\\0" 3\n' + SOURCE,
    "a line end in each word": SOURCE.replace("offload_handle", "offload_\\\nhandle"),
    "trigraphs": "??=define X ??/\n1\n" + SOURCE,
    "200 macros that paste": "".join(
        f"#define P{n}(a) a##_h##andle{n}\n#define Q{n} P{n}(x->xso.offload)\n" for n in range(200)
    )
    + in_xmit("\tlong h = Q0 + Q199;\n"),
}


@pytest.mark.parametrize("name", but_first(C))
def test_c(name: str, tmp_path: Path) -> None:
    tree = lay_example("", tmp_path / "linux")
    (tree / EXAMPLE).write_text(C[name])
    assert told(held("check", "--format", "json", "--no-cache", cwd=tree))


RETURN = "\treturn real == lower_dev ? handle : 0;\n"
CORES = {
    "a loop without end": "\tfor (;;)\n\t\thandle++;\n",
    "a loop of 2^62 rounds": "\tfor (long i = 0; i < 1L << 62; i++)\n\t\thandle++;\n",
    "a call of itself": "\thandle = xfrm_dev_state_lower_handle(x, lower_dev);\n",
    "a jump to itself": "again:\n\tgoto again;\n",
    "memory without end": "\tmemset(x, 0, 1UL << 62);\n\tmemcpy(x, x, ~0UL);\n",
    "a number that grows": "\tfor (int i = 0; i < 1000; i++)\n\t\thandle = handle << handle;\n",
    "an array of all": "\tchar a[1UL << 62] = { [1UL << 61] = 1 };\n\thandle += a[handle];\n",
    "3,000 denials": "\thandle = " + "!" * 3000 + "handle;\n",
    "3,000 calls in each other": "\thandle = " + "f(" * 3000 + "handle" + ")" * 3000 + ";\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CORES)
def test_a_resolver_that_can_not_be_run(name: str, tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    path = tree / CORE
    text = path.read_text()
    assert RETURN in text
    path.write_text(text.replace(RETURN, CORES[name] + RETURN))
    document = json.loads(held("check", "--format", "json", "--no-cache", cwd=tree).out)
    assert any(row["type"] == KIND for row in document["findings"])
    wrong = [row["path"] for row in document["findings"] if row["path"] == CORE]
    unknown = [row["path"] for row in document["unknown"] if row["matters"]]
    assert CORE in (*wrong, *unknown)
    assert held("contract", cwd=tree).status == 0
    held("resolver", cwd=tree)
    held("judge", "--no-cache", cwd=tree)


HEAD = f"--- a/{IPSEC}\n+++ b/{IPSEC}\n"
UP = "\\056\\056"
HUNK = "@@ -1 +1 @@\n-a\n+b\n"
LINK = "new file mode 120000\n--- /dev/null\n+++ b/drivers/net/l.c\n@@ -0,0 +1 @@\n+/etc/passwd\n"
NO_END = "\\ No newline at end of file\n"
PATCHES: dict[str, str] = {
    "a line of 40 digits": f"{HEAD}@@ -{'9' * 40},1 +{'9' * 40},1 @@\n-a\n+b\n",
    "5,000 digits of a hunk": f"{HEAD}@@ -1,{'9' * 5000} +1 @@\n-a\n+b\n",
    "a name that leaves by numbers": f'--- "a/{UP}/{UP}/x.c"\n+++ "b/{UP}/x.c"\n{HUNK}',
    "a name with a NUL": f'--- "a/x\\000.c"\n+++ "b/x\\000.c"\n{HUNK}',
    "renames in a circle": "".join(
        f"diff --git a/{a} b/{b}\nsimilarity index 100%\nrename from {a}\nrename to {b}\n"
        for a, b in ((IPSEC, "drivers/net/b.c"), ("drivers/net/b.c", IPSEC))
    ),
    "a file through a link it brings": "diff --git a/drivers/net/l.c b/drivers/net/l.c\n"
    + f"{LINK}{NO_END}"
    + "--- a/drivers/net/l.c/x.c\n+++ b/drivers/net/l.c/x.c\n@@ -0,0 +1 @@\n+a\n",
    "a copy of a folder": "diff --git a/drivers b/d2\ncopy from drivers\ncopy to d2\n",
    "a file in a folder's place": "--- /dev/null\n+++ b/drivers/net/sunrise\n@@ -0,0 +1 @@\n+a\n",
}


@pytest.mark.parametrize("name", but_first(PATCHES))
def test_patches(name: str, tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    text = f"From: A <a@b.c>\nSubject: [PATCH] x\n\nm\n---\n{PATCHES[name]}-- \n2\n"
    held("check", "--patch", "-", "--no-cache", cwd=tree, stdin=text.encode())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["linux"]


def nested(count: int) -> str:
    """Return a mail whose parts are in each other."""
    heads = "".join(
        f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(count)
    )
    return f"From: A <a@b.c>\nSubject: [PATCH] x\nMIME-Version: 1.0\n{heads}\n"


MAILS = {
    "1,000 parts in each other": nested(1000) + "--- a/x.c\n+++ b/x.c\n",
    "an unknown encoding": "From: A <a@b.c>\nSubject: x\nContent-Transfer-Encoding: x-none\n"
    "Content-Type: text/plain; charset=klingon\n\n---\n--- a/x.c\n+++ b/x.c\n",
    "a header of 50,000 lines": "From: A <a@b.c>\nSubject: x\n" + " y\n" * 50_000 + "\n---\n",
    "words in no charset": "From: A\nSubject: " + "=?x?b?////?= " * 5000 + "\n\n---\n",
    "a length that is none": "From a Mon Sep 17 00:00:00 2001\nContent-Length: -1\n\n---\n",
}


@pytest.mark.parametrize("name", but_first(MAILS))
def test_mails(name: str, tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    found = held("check", "--patch", "-", "--no-cache", cwd=tree, stdin=MAILS[name].encode())
    assert found.status == 2


def linked(to: str) -> Callable[[Path], None]:
    return lambda file: file.symlink_to(to)


def sparse(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(1 << 30)


FILES: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to a device": linked("/dev/zero"),
    "a link to itself": linked(".xfrmlint.toml"),
    "a gigabyte": sparse,
    "5,000 arrays": lambda file: file.write_text("a = " + "[" * 5000 + "]" * 5000),
    "5,000 tables": lambda file: file.write_text("a" + ".a" * 5000 + " = 1"),
    "no text": lambda file: file.write_bytes(b"\xff\xfe\0"),
    "stars": lambda file: file.write_text(
        '[[ignore]]\ntypes = ["CONTROL_OFFLOAD_HANDLE"]\nreason = "x"\n'
        f'paths = ["{"*a" * 40}b", "{"[!" * 40}", "{"**/" * 60}x"]\n'
    ),
}


@pytest.mark.parametrize("name", but_first(FILES))
def test_settings(name: str, tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    FILES[name](tree / ".xfrmlint.toml")
    assert told(held("check", "--format", "json", "--no-cache", cwd=tree))


MAKEFILES = {
    "files that never end": "include /dev/zero\n-include ../../../../../../etc/passwd\n",
    "an object outside": "obj-m += ../../../../../../etc/passwd.o\n",
    "itself": "include Makefile\ninclude $(src)/Makefile\n",
    "a list that calls itself": "f = $(call f,$(1) $(1))\nobj-m += $(call f,a.o)\n",
    "an open definition": "define x\n" * 3000,
    "conditionals in each other": "ifdef A\n" * 3000 + "obj-m += a.o\n" + "endif\n" * 3000,
    "NULs": "obj-m += a\0.o \0\n",
}


@pytest.mark.parametrize("name", but_first(MAKEFILES))
def test_makefiles(name: str, tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    file = tree / "drivers/net/sunrise/Makefile"
    file.write_text(MAKEFILES[name] + file.read_text())
    assert told(held("check", "--format", "json", "--no-cache", cwd=tree))


def test_names_of_files_that_are_options_or_lines(tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    folder = tree / "drivers/net/sunrise"
    for name in ("--help.c", "-rf.c", "a\nb.c", "\x1b[2J.c", "a:1:b.c", "é" * 100 + ".c"):
        (folder / name).write_text((tree / IPSEC).read_text())
    os.mkfifo(folder / "fifo.c")
    (folder / "loop").symlink_to(".")
    (folder / "self.c").symlink_to("self.c")
    found = held("check", "--no-cache", "--terse", cwd=tree)
    assert found.status == 1
    assert "\x1b" not in found.out


def ref(name: str, text: str) -> Callable[[Path], object]:
    return lambda tree: (tree / ".git" / name).write_text(text)


def replaced(tree: Path) -> None:
    """Let git show another commit in HEAD's place."""
    git(tree, "replace", "HEAD", "HEAD~1")


def asked_of_another(tree: Path) -> None:
    """Lose the blob of HEAD, and name a program that is to bring it."""
    name = subprocess.run(
        ["git", "rev-parse", f"HEAD:{IPSEC}"], cwd=tree, capture_output=True, text=True, check=True
    ).stdout.strip()
    (tree / ".git/objects" / name[:2] / name[2:]).unlink()
    for key, value in (
        ("remote.origin.url", f"ext::touch {tree}/RAN"),
        ("remote.origin.promisor", "true"),
        ("protocol.ext.allow", "always"),
        ("extensions.partialClone", "origin"),
        ("core.repositoryFormatVersion", "1"),
    ):
        git(tree, "config", key, value)


def filtered(tree: Path) -> None:
    (tree / ".gitattributes").write_text("* filter=x diff=x merge=x working-tree-encoding=UTF-16\n")
    for key in ("filter.x.smudge", "filter.x.clean", "filter.x.process", "diff.x.textconv"):
        git(tree, "config", key, f"touch {tree}/RAN")
    git(tree, "config", "diff.x.command", f"touch {tree}/RAN")
    git(tree, "config", "core.fsmonitor", f"touch {tree}/RAN")


REPOSITORIES: dict[str, Callable[[Path], object]] = {
    "a name that is its own": ref("HEAD", "ref: HEAD\n"),
    "a branch that is its own": ref("refs/heads/main", "ref: refs/heads/main\n"),
    "a branch that is a path": ref("HEAD", "ref: ../../../../etc/passwd\n"),
    "a million branches": ref("packed-refs", f"{'1' * 40} refs/heads/x\n" * 200_000),
    "an index of four milliards": lambda tree: (tree / ".git/index").write_bytes(
        b"DIRC\0\0\0\2\xff\xff\xff\xff" + bytes(200)
    ),
    "objects that are elsewhere": lambda tree: (tree / ".git/objects/info/alternates").write_text(
        "/proc/self/fd\n/dev\n.\n../objects\n" * 500
    ),
    "another commit in its place": replaced,
    "a program that brings what is lost": asked_of_another,
    "programs that filter": filtered,
    "settings without end": lambda tree: git(tree, "config", "include.path", "config"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REPOSITORIES)
def test_repositories(name: str, tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    git(tree, "init", "-q", "-b", "main")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "one")
    text = (tree / IPSEC).read_text()
    (tree / IPSEC).write_text(
        text.replace(ADD, ADD * 2).replace("\tkfree_rcu", "\tx->xso.upper_priv = 0;\n\tkfree_rcu")
    )
    git(tree, "commit", "-qam", "two")
    REPOSITORIES[name](tree)
    for way in (["--git", "HEAD"], ["--staged"], ["--base", "HEAD~1"]):
        held("check", *way, "--no-cache", "-q", cwd=tree)
    assert not (tree / "RAN").exists()
    if name == "another commit in its place":
        assert "upper_priv" in held("check", "--git", "HEAD", "--no-cache", cwd=tree).out


CACHES: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to itself": lambda file: file.symlink_to(file.name),
    "a view without end": lambda file: subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('CREATE VIEW entry AS WITH "
            "RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c')",
            str(file),
        ],
        check=True,
    ),
}


@pytest.mark.parametrize("name", but_first(CACHES))
def test_caches(name: str, tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    file = tmp_path / "home/xfrmlint/facts.sqlite"
    file.parent.mkdir(parents=True)
    CACHES[name](file)
    for _ in range(2):
        found = run("check", "-q", cwd=tree, env={"XDG_CACHE_HOME": str(tmp_path / "home")})
        assert found.status == 1
        assert "Traceback" not in found.err
