"""`xfrmlint kbuild`, called as Linux 7.3's scripts/Makefile.build and checker-valid.sh call CHECK.

Configuring a real kernel takes flex, bison and libelf, which no Python package brings.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.change.test_changes import FILES, HEADER, OPS, TX
from tests.git.test_commit import write
from tests.laid import lay
from tests.ran import Ran, installed, run
from xfrmlint.memory.cache import state

pytestmark = pytest.mark.slow

# Of each kind that the build of a module passes one at least; 7.3 passes 118 arguments.
FLAGS = (
    "-D__linux__ -Dlinux -D__STDC__ -Wbitwise -Wno-return-void --arch=x86 -mlittle-endian -m64 "
    "-Wp,-MMD,drivers/net/example/.tx.o.d -nostdinc -I./include -I./arch/x86/include/generated "
    "-include ./include/linux/kconfig.h -include ./include/linux/compiler_types.h -D__KERNEL__ "
    "-fmacro-prefix-map=./= -fshort-wchar -std=gnu11 -mno-sse -mhard-float -O2 -h --help-me - -- "
    "-march=x86-64 -Werror=strict-prototypes -Wframe-larger-than=1280 -DMODULE "
    "-DKBUILD_BASENAME='\"tx\"' -DKBUILD_MODNAME='\"example\"' -D__KBUILD_MODNAME=example"
)
DIRECT = (
    "warning: example_handle() reads xso.offload_handle on the datapath, where it can be another "
    "device's handle [-WDIRECT_OFFLOAD_HANDLE]"
)

# What the rule's own file says.
RULE = Path(__file__).parents[2] / "rules/direct_offload_handle.toml"
FIX = tomllib.loads(RULE.read_text("utf-8"))["fix"]


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    """A kernel with one driver, not converted, and one that has nothing to do with it."""
    folder = lay("rfc", tmp_path / "linux")
    write(folder, {**FILES, "drivers/net/other/other.c": "int other;\n", "lib/crc.c": "int crc;\n"})
    return folder


def compiled(source: str | Path, cwd: Path, srctree: str | Path = ".", **more: str) -> Ran:
    """Run the checker on a source as the build does."""
    env = {"srctree": str(srctree), "objtree": ".", "SRCARCH": "x86", **more}
    return run("kbuild", *shlex.split(FLAGS), source, cwd=cwd, env=env)


def said(name: str) -> str:
    """Return what is said of tx.c. name: what the build puts before its names."""
    folder = f"{name}drivers/net/example"
    return (
        f"{folder}/tx.c:5:23: {DIRECT}\n"
        f"{folder}/tx.c:21: note: ndo_start_xmit = example_xmit()\n"
        f"{folder}/tx.c:10: note: example_xmit() calls example_handle()\n"
        f"{folder}/tx.c:5: note: fix: {FIX}\n"
    )


QUIET = {
    "another driver": "drivers/net/other/other.c",
    "no driver": "lib/crc.c",
    "a file without findings of a folder with some": "drivers/net/example/quiet.c",
    "no such file": "drivers/net/example/none.c",
    "no file of the tree": "/nowhere/x.c",
    "above the tree": "../x.c",
    "no C file": "drivers/net/example/entry.S",
    "no source at all": "-DMODULE",
}


@pytest.mark.parametrize("what", QUIET)
def test_nothing_is_said_of(what: str, linux: Path) -> None:
    write(linux, {"drivers/net/example/quiet.c": "int quiet;\n"})
    assert compiled(QUIET[what], linux) == (0, "", "")


def test_no_arguments(linux: Path) -> None:
    assert run("kbuild", cwd=linux) == (0, "", "")


def test_the_build_finds_the_checker_valid(linux: Path) -> None:
    """scripts/checker-valid.sh turns checking off if anything with `error` in it is said."""
    source = linux.parent / "tmp.7iOQ3VLb2T"
    source.write_text("static inline int u(const int *q)\n{\n\treturn *q;\n}\n", "utf-8")
    flags = shlex.split(FLAGS)
    assert run("kbuild", *flags[:10], source, cwd=linux) == (0, "", "")


def test_what_stands_in_the_file_that_is_compiled(linux: Path) -> None:
    assert compiled(TX, linux) == (0, "", said(""))
    ran = compiled(OPS, linux)
    assert (ran.status, ran.out) == (0, "")
    found = [line.partition(" ")[0] for line in ran.err.splitlines() if "note: fix: " not in line]
    assert found == [f"{OPS}:5:49:"]


def test_an_object_tree_elsewhere(linux: Path) -> None:
    """O=: the working directory is the object tree, the source's name is absolute."""
    objects = linux.parent / "objects"
    objects.mkdir()
    assert compiled(linux / TX, objects, linux) == (0, "", said(f"{linux}/"))


def test_an_object_tree_within(linux: Path) -> None:
    objects = linux / "build"
    objects.mkdir()
    assert compiled(f"../{TX}", objects, "..") == (0, "", said("../"))


def test_a_source_that_the_build_generates(linux: Path) -> None:
    objects = linux.parent / "objects"
    write(objects, {TX: FILES[TX]})
    assert compiled(TX, objects, linux) == (0, "", "")


def test_a_module_of_another_tree(linux: Path) -> None:
    write(linux.parent / "module", {"tx.c": FILES[TX]})
    assert compiled(linux.parent / "module/tx.c", linux) == (0, "", "")


def test_without_a_build_the_tree_around_the_source_counts(linux: Path) -> None:
    ran = run("kbuild", linux / TX, cwd=linux.parent)
    assert ran == (0, "", said(""))


def test_a_tree_through_a_link(linux: Path) -> None:
    link = linux.parent / "link"
    link.symlink_to(linux)
    assert compiled(link / TX, linux.parent, link) == (0, "", said(f"{link}/"))


def test_comments_and_settings_count(linux: Path) -> None:
    write(linux, {".xfrmlint.toml": '[levels]\nDIRECT_OFFLOAD_HANDLE = "ERROR"\n'})
    assert " error: example_handle() " in compiled(TX, linux).err
    comment = "\treturn x->xso.offload_handle; /* xfrmlint: ignore[DIRECT_OFFLOAD_HANDLE] why */"
    text = FILES[TX].replace("\treturn x->xso.offload_handle;", comment)
    write(linux, {TX: text})
    assert compiled(TX, linux) == (0, "", "")


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({".xfrmlint.toml": "[levels\n"}, ".xfrmlint.toml"),
        ({"include/net/xfrm.h": None}, "include/net/xfrm.h is missing"),
    ],
)
def test_a_tree_that_can_not_be_checked_does_not_end_the_build(
    files: dict[str, str | None], wanted: str, linux: Path
) -> None:
    for path, text in files.items():
        (linux / path).unlink(missing_ok=True)
        if text is not None:
            write(linux, {path: text})
    ran = compiled(TX, linux)
    assert (ran.status, ran.out, ran.err.count("\n")) == (0, "", 1)
    assert ran.err.startswith("xfrmlint: ")
    assert wanted in ran.err


def test_a_crash_does_not_end_the_build(linux: Path) -> None:
    body = "import xfrmlint.check, xfrmlint.cli\n"
    body += "def crash(*_, **__): raise RuntimeError('oops')\n"
    body += f"xfrmlint.check.check_tree = crash\nxfrmlint.cli.main(['kbuild', {TX!r}])\n"
    done = subprocess.run([sys.executable, "-c", body], cwd=linux, capture_output=True, text=True)
    said = "xfrmlint: internal error: RuntimeError: oops\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", said)


def test_a_full_disk_does_not_end_the_build(linux: Path) -> None:
    command = ["sh", "-c", f"xfrmlint kbuild {TX} 2>/dev/full"]
    env = installed(linux.parent / "tools")
    assert subprocess.run(command, cwd=linux, env=env).returncode == 0


def test_a_cache_that_can_not_be_used(linux: Path) -> None:
    assert compiled(TX, linux, XDG_CACHE_HOME="/dev/null/none") == (0, "", said(""))


def test_nothing_is_written_into_the_tree(linux: Path) -> None:
    before = sorted(linux.rglob("*"))
    assert compiled(TX, linux, XDG_CACHE_HOME=str(linux)) == (0, "", said(""))
    assert sorted(linux.rglob("*")) == before


@pytest.mark.parametrize("source", ["lib/crc.c", "drivers/net/other/other.c"])
def test_what_analyses_is_not_loaded_for_other_files(source: str, linux: Path) -> None:
    body = "import sys\nfrom xfrmlint.command.kbuild import checked\n"
    body += f"print(list(checked([{source!r}], {{}})))\n"
    body += "print([m for m in ('tree_sitter', 'sqlite3', 'xfrmlint.check') if m in sys.modules])\n"
    done = subprocess.run([sys.executable, "-c", body], cwd=linux, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n[]\n", "")


def test_several_at_once_find_out_once(linux: Path) -> None:
    def entries(cache: Path, sources: list[str]) -> tuple[int, list[Ran]]:
        with ThreadPoolExecutor(len(sources)) as pool:
            ran = list(pool.map(lambda s: compiled(s, linux, XDG_CACHE_HOME=str(cache)), sources))
        return state(cache / "xfrmlint" / "facts.sqlite").entries, ran

    alone, (first,) = entries(linux.parent / "one", [TX])
    together, others = entries(linux.parent / "several", [TX] * 4)
    assert alone > 0
    assert (together, others) == (alone, [first] * 4)


BUILD = f"""\
export srctree := $(SRCTREE)
FLAGS := {FLAGS.replace("'", "")}
sources := {TX} {OPS} lib/crc.c drivers/net/other/other.c
all: $(sources:.c=.o)
$(sources:.c=.o): %.o: $(SRCTREE)/%.c
\t$(CHECK) $(FLAGS) $<
\t@mkdir -p $(@D) && touch $@
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="make is no Python package")
@pytest.mark.parametrize("jobs", ["-j1", "-j4"])
def test_make(jobs: str, linux: Path) -> None:
    """CHECK has several words, and an object is made whatever is found."""
    objects = linux.parent / "objects"
    write(objects, {"Makefile": BUILD})
    command = ["make", "-s", jobs, "CHECK=xfrmlint kbuild", f"SRCTREE={linux}"]
    env = {k: v for k, v in installed(linux.parent / "tools").items() if not k.startswith("MAKE")}
    done = subprocess.run(command, cwd=objects, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert said(f"{linux}/") in done.stderr
    kinds = sorted(line.split(" ")[1] for line in done.stderr.splitlines() if " [-W" in line)
    assert kinds == ["note:", "warning:"]
    assert sorted(os.listdir(objects / "drivers/net/example")) == ["ipsec.o", "tx.o"]


def test_a_finding_in_a_header_is_left_to_check(linux: Path) -> None:
    """No header is compiled, and each source that includes it would tell it again."""
    inline = "static inline unsigned long header_handle(struct xfrm_state *x)\n{\n"
    inline += "\treturn x->xso.offload_handle;\n}\n"
    write(linux, {HEADER: FILES[HEADER] + inline})
    assert compiled(TX, linux).err == said("")
    assert f"#6: FILE: {HEADER}:" not in compiled(OPS, linux).err
