"""The kinds of input. Each is given dice and an empty folder, and raises Wrong."""

import inspect
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random

from tests.fuzz.killed import killed as killed_run
from tests.fuzz.mutate import mutated
from tests.fuzz.ran import Wrong, checked, ran
from tests.laid import EXAMPLE, FIXTURES, lay_example, lay_fixture
from tests.real.kernels import cache_folder
from xfrmlint.check import check_tree
from xfrmlint.memory.cache import Cache
from xfrmlint.memory.gather import Session
from xfrmlint.rules import Rule, load_rules, rules_folder
from xfrmlint.tree.folder import Folder

Kind = Callable[[Random, Path], None]
IPSEC = "drivers/net/sunrise/sunrise_ipsec.c"

_C = [
    *(b"{", b"}", b"(", b")", b"[", b"]", b";", b",", b"=", b"&", b"*", b"->", b".", b"##", b"#"),
    *(b"\n#if 0\n", b"\n#ifdef A\n", b"\n#else\n", b"\n#elif B\n", b"\n#endif\n", b"/*", b"*/"),
    *(b"\n#define A(x) x->xso.offload_handle\n", b"\n#define A A\n", b"\n#define B(a, ...) a##B\n"),
    *(b"\n#undef A\n", b'\n#include "x.h"\n', b"__attribute__((", b"typeof(", b"A(", b"B(x, y)"),
    *(b"\n\tscoped_guard(mutex, &x->lock) {\n", b"\n\tfor_each_x(a, b)\n", b"goto out;", b"out:"),
    *(b"x->xso.offload_handle", b"xfrm_dev_state_lower_handle(x, dev)", b"struct xfrm_state *"),
    *(b"READ_ONCE(", b"if (", b"while (1) ", b"switch (a) { case 1: ", b"return ", b"({ ", b"; })"),
    *(b"static const struct xfrmdev_ops t = {", b".flags = ~0,", b"static int f(void)\n{\n", b"?"),
]


@cache
def _sources() -> list[bytes]:
    """Return drivers to begin with: of the fixtures, and of a kernel if one is unpacked."""
    found = [p.read_bytes() for p in sorted(FIXTURES.rglob("*.c")) if b"xso" in p.read_bytes()]
    for kernel in sorted(cache_folder().glob("linux-source-*")):
        for path in sorted((kernel / "drivers/net").rglob("*ipsec*.c")):
            data = path.read_bytes()
            if b"xso" in data and len(data) < 60_000:
                found.append(data)
    return found


def source(dice: Random, folder: Path) -> None:
    """A driver's C."""
    tree = lay_example("", folder / "linux")
    text = dice.choice(_sources())
    (tree / EXAMPLE).write_bytes(mutated(dice, text, _C, 12))
    checked(tree)


def macros(dice: Random, folder: Path) -> None:
    """Macros that stand for one another, in any order and number."""
    names = [f"M{n}" for n in range(dice.randint(2, 8))]
    words = [*names, *(f"{n}(x)" for n in names), "x", "x->xso.offload_handle", "(", ")", "##"]
    words += ["#x", "+", ",", "{", "}", "__VA_ARGS__", "x##y", "\\\n"]
    lines = []
    for name in names:
        head = dice.choice(["", "(x)", "(x, y)", "(...)", "(x, ...)", "()"])
        body = " ".join(dice.choices(words, k=dice.randint(0, 8)))
        lines.append(f"#define {name}{head} {body}\n")
    use = " + ".join(dice.choices(words, k=dice.randint(1, 6)))
    (driver,) = [p for p in FIXTURES.rglob("sunrise_ipsec.c") if "demo" in str(p)]
    tree = lay_example("", folder / "linux")
    text = (
        f"{''.join(lines)}{driver.read_text()}\nlong f(struct xfrm_state *x) {{ return {use}; }}\n"
    )
    (tree / EXAMPLE).write_text(text)
    checked(tree)


def header(dice: Random, folder: Path) -> None:
    """The core's own text."""
    tree = lay_fixture("demo", folder / "linux")
    path = tree / dice.choice(
        ["include/net/xfrm.h", "include/linux/netdevice.h", "net/xfrm/xfrm_device.c"]
    )
    if path.exists():
        path.write_bytes(mutated(dice, path.read_bytes(), _C))
    checked(tree)
    ran("judge", tree, "--no-cache")


def patch(dice: Random, folder: Path) -> None:
    """A patch, a mail, a mailbox."""
    tree = lay_fixture("demo", folder / "linux")
    chunks = [
        b"\n@@ -1,3 +1,4 @@\n",
        b"--- a/x.c\n+++ b/x.c\n",
        b"\n-- \n",
        b"rename from a\n",
        b"+",
    ]
    chunks += [b"From a Mon Sep 17 00:00:00 2001\nSubject: [PATCH 2/3] x\n\n", b"/dev/null", b"../"]
    chunks += [
        b"GIT binary patch\n",
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"copy to b\n",
    ]
    (folder / "p").write_bytes(mutated(dice, _series(), chunks))
    checked("--patch", folder / "p", tree)


@cache
def _series() -> bytes:
    found = b""
    text = (FIXTURES / "demo" / IPSEC).read_text()
    for number in (1, 2):
        lines = text.split("\n")
        at = next(n for n, line in enumerate(lines) if "kfree_rcu(sa, rcu)" in line)
        old = [f" {line}" for line in lines[at - 3 : at]]
        after = [f" {line}" for line in lines[at : at + 3]]
        new = f"+\tx->xso.offload_handle = {number};"
        hunk = [f"@@ -{at - 2},6 +{at - 2},7 @@", *old, new, *after]
        found += (
            "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
            f"From: A <a@b.c>\nSubject: [PATCH {number}/2] net: x\nMessage-Id: <{number}@x>\n\n"
            f"A text.\n---\ndiff --git a/{IPSEC} b/{IPSEC}\nindex 1..2 100644\n"
            f"--- a/{IPSEC}\n+++ b/{IPSEC}\n" + "\n".join(hunk) + "\n-- \n2.39\n\n"
        ).encode()
        text = "\n".join([*lines[:at], new[1:], *lines[at:]])
    return found


def _git(tree: Path, *arguments: str) -> None:
    given = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    given |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *arguments], cwd=tree, env=given, check=True, capture_output=True)


def repository(dice: Random, folder: Path) -> None:
    """git's files, damaged."""
    tree = lay_fixture("demo", folder / "linux")
    _git(tree, "init", "-q", "-b", "main")
    _git(tree, "add", "-A")
    _git(tree, "commit", "-qm", "one")
    text = (tree / IPSEC).read_text()
    (tree / IPSEC).write_text(
        text.replace("kfree_rcu(sa, rcu);", "kfree_rcu(sa, rcu);\n\tx->xso.upper_priv = 0;")
    )
    _git(tree, "add", "-A")
    _git(tree, "commit", "-qm", "two")
    (tree / IPSEC).write_text(text)
    _git(tree, "add", "-A")
    if dice.random() < 0.3:
        _git(tree, "gc", "-q")
    files = sorted(p for p in (tree / ".git").rglob("*") if p.is_file() and "hooks" not in p.parts)
    for _ in range(dice.randint(1, 3)):
        file = dice.choice(files)
        # One that was damaged before may be a FIFO by now.
        data = file.read_bytes() if file.is_file() and not file.is_symlink() else b""
        file.unlink(missing_ok=True)
        match dice.randrange(6):
            case 0:
                os.mkfifo(file)
            case 1:
                file.symlink_to(dice.choice(["/dev/zero", "/etc/passwd", file.name, "."]))
            case 2:
                continue
            case _:
                file.write_bytes(mutated(dice, data, [b"\0", b"tree ", b"100644 x\0", b"[core]\n"]))
    for way in (["--git", "HEAD"], ["--staged"], ["--base", "HEAD~1"]):
        checked(*way, tree)


def makefile(dice: Random, folder: Path) -> None:
    """A driver's Makefile."""
    tree = lay_fixture("demo", folder / "linux")
    chunks = [b"$(", b")", b"$(shell ls)", b"$(foreach a,b c,$(a))", b"include x\n", b"\\\n", b"+="]
    chunks += [b"ifeq ($(A),)\n", b"endif\n", b"define x\n", b"$(eval ", b"$(call a,b)", b"obj-m"]
    chunks += [
        b"$(subst a,aaaa,aaaa)",
        b"A = $(A) $(A)\n",
        b"-y := a.o\n",
        b"$(wildcard *.c)",
        b"%",
    ]
    files = sorted(tree.rglob("Makefile"))
    for _ in range(dice.randint(1, 2)):
        file = dice.choice(files)
        file.write_bytes(mutated(dice, file.read_bytes(), chunks))
    checked(tree)


def config(dice: Random, folder: Path) -> None:
    """The tree's .xfrmlint.toml."""
    tree = lay_fixture("demo", folder / "linux")
    text = (
        b'fail-on = "ERROR"\n[levels]\nDIRECT_OFFLOAD_HANDLE = "CHECK"\n'
        b'[[ignore]]\ntypes = ["CONTROL_OFFLOAD_HANDLE"]\npaths = ["drivers/net/*"]\nreason = "x"\n'
    )
    chunks = [
        b"[[",
        b"]]",
        b"=",
        b"{a = {",
        b"}}",
        b"'''",
        b"1979-05-27",
        b"[" * 50,
        b"a." * 50,
        b"*",
    ]
    (tree / ".xfrmlint.toml").write_bytes(mutated(dice, text, chunks))
    checked(tree)


_SQL = [b"SELECT ", b"(", b")", b"*", b" FROM site ", b" WHERE ", b"'", b";", b"--", b" UNION ALL "]
_SQL += [b"ATTACH 'x' AS y", b"PRAGMA query_only = 0", b"load_extension('x')", b"WITH RECURSIVE "]
_SQL += [b"randomblob(99999999)", b"printf('%.*c', 99999999, 'x')", b"readfile('/etc/passwd')"]


def rule(dice: Random, folder: Path) -> None:
    """A rule of the user's."""
    tree = lay_fixture("demo", folder / "linux")
    (folder / "rules").mkdir()
    file = dice.choice(sorted(rules_folder().glob("*.toml")))
    text = mutated(dice, file.read_bytes(), [*_SQL, b"{message.__class__}", b"'''", b"{0}"])
    (folder / "rules" / file.name).write_bytes(text)
    checked("--rules", folder / "rules", tree)


def query(dice: Random, folder: Path) -> None:
    """A question in SQL."""
    tree = lay_fixture("demo", folder / "linux")
    text = b"SELECT path, line, count(*) FROM site WHERE field = 'offload_handle' GROUP BY 1, 2"
    asked = mutated(dice, text, _SQL).replace(b"\0", b"")
    ran("query", os.fsdecode(asked), tree, "--no-cache")


def cached(dice: Random, folder: Path) -> None:
    """A cache's file."""
    tree = lay_fixture("demo", folder / "linux")
    file = folder / "home/xfrmlint/facts.sqlite"

    def found() -> list[tuple[str, str, int]]:
        with Cache(file) as kept:
            read = Folder(tree)
            kept.know(read)
            report = check_tree(read, _rules(), session=Session(kept))
        return [(f.type, f.path, f.line) for f in report.findings]

    right = found()
    if dice.random() < 0.3:
        with suppress(sqlite3.Error), sqlite3.connect(file) as database:
            table, column = dice.choice(
                [("entry", "document"), ("entry", "seen"), ("root", "known"), ("entry", "used")]
            )
            junk = dice.choice([b"", b"x", None, 1, "text", bytes(99)])
            database.execute(f"UPDATE {table} SET {column} = ?", (junk,))
        database.close()
    else:
        file.write_bytes(mutated(dice, file.read_bytes(), [b"SQLite format 3\0", bytes(4096)]))
    for _ in range(2):
        if found() != right:
            raise Wrong(f"a damaged cache gives {found()}, not {right}")


def killed(dice: Random, folder: Path) -> None:
    """A run that is killed."""
    tree = lay_fixture("demo", folder / "linux")
    _git(tree, "init", "-q", "-b", "main")
    _git(tree, "add", "-A")
    _git(tree, "commit", "-qm", "one")
    ways = [["check"], ["check", "--git", "HEAD"], ["check", "--staged"], ["check", "--confirm"]]
    killed_run(dice, tree, folder / "home", dice.choice(ways))


# What an interpreter needs that has but the commands to run, and what analyses the demo whole.
_FRAMES = (36, 110)
_COMMANDS = ("judge", "drivers", "contract", "resolver")


def shallow(dice: Random, folder: Path) -> None:
    """An interpreter that makes fewer calls in each other, for which all code is nested deeply."""
    name = dice.choice(
        ["demo", "shared-right", "upper-maps", "handles-listed-wrong", "rfc-converted"]
    )
    tree = lay_fixture(name, folder / "linux")
    asked = dice.choice(_COMMANDS)
    options = [] if asked in ("contract", "resolver") else ["--no-cache"]
    whole = checked(tree)
    ran(asked, tree, *options)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + dice.randint(*_FRAMES))
    try:
        less = checked(tree)
        ran(asked, tree, *options)
    finally:
        sys.setrecursionlimit(before)
    if less.status == 2:
        if "nested too deeply" not in less.err:
            raise Wrong(less.err)
        return
    found, left = json.loads(whole.out), json.loads(less.out)
    lost = [one for one in found["findings"] if one not in left["findings"]]
    new = [one for one in left["findings"] if one not in found["findings"]]
    if new or (lost and not any(row["matters"] for row in left["unknown"])):
        raise Wrong(f"without a word of it: lost {lost}, new {new}")


@cache
def _rules() -> tuple[Rule, ...]:
    return tuple(load_rules([rules_folder()]))


KINDS: Mapping[str, Kind] = {
    kind.__name__: kind
    for kind in (
        *(
            source,
            macros,
            header,
            patch,
            repository,
            makefile,
            config,
            rule,
            query,
            cached,
            killed,
            shallow,
        ),
    )
}


def run(kind: str, seed: int, folder: Path) -> None:
    """Run one input in a folder of its own, which is gone afterwards; raises Wrong and the like."""
    folder.mkdir()
    try:
        KINDS[kind](Random(f"{kind} {seed}"), folder)
    finally:
        shutil.rmtree(folder)
