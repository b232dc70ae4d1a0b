"""Trees: folders that are read and never left, the word search, and what Makefiles say."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.laid import lay, lay_fixture
from tests.ran import run, run_json
from tests.trees import tree as memory
from xfrmlint.errors import InputError
from xfrmlint.kernel.kbuild import Kbuild, Module
from xfrmlint.kernel.make import Makefile
from xfrmlint.kernel.release import Release, release, version
from xfrmlint.tree import Unreadable
from xfrmlint.tree.folder import Folder, find_tree, is_tree
from xfrmlint.tree.search import files_with

NAME = os.fsdecode(b"caf\xe9\xff.c")
ROOT = os.geteuid() == 0


def written(root: Path, files: dict[str, str]) -> Folder:
    for path, text in files.items():
        full = root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text, "utf-8", "surrogateescape", newline="")
    return Folder(root)


def reason(tree: Folder, path: str) -> str:
    with pytest.raises(Unreadable) as caught:
        tree.read(path)
    return str(caught.value)


@pytest.mark.parametrize("path", ["a.c", "d/a.c", "./a.c", "d/../a.c", "d//a.c", NAME, ".a.c"])
def test_a_file_of_the_tree_is_read(path: str, tmp_path: Path) -> None:
    tree = written(tmp_path, {"a.c": "int a;", "d/a.c": "int a;", NAME: "int a;", ".a.c": "int a;"})
    assert tree.read(path) == b"int a;"
    assert tree.is_file(path)


def test_bytes_come_as_they_are(tmp_path: Path) -> None:
    data = bytes(range(256)) + b"\r\n\f\0"
    (tmp_path / "a.c").write_bytes(data)
    assert Folder(tmp_path).read("a.c") == data


def test_a_link_inside_the_tree_is_followed(tmp_path: Path) -> None:
    tree = written(tmp_path, {"d/a.c": "int a;"})
    (tmp_path / "file.c").symlink_to("d/a.c")
    (tmp_path / "whole.c").symlink_to(tmp_path / "d/a.c")
    (tmp_path / "folder").symlink_to("d")
    for path in ("file.c", "whole.c", "folder/a.c"):
        assert tree.read(path) == b"int a;"
        assert tree.is_file(path)


def test_a_root_that_is_a_link(tmp_path: Path) -> None:
    written(tmp_path / "linux", {"a.c": "int xso;"})
    (tmp_path / "link").symlink_to("linux")
    tree = Folder(tmp_path / "link")
    assert tree.name == str(tmp_path / "linux")
    assert tree.read("a.c") == b"int xso;"
    assert tree.search("xso") == ["a.c"]


def test_folder_lists_regular_files_only(tmp_path: Path) -> None:
    tree = written(tmp_path, {"b.c": "", "a.h": "", ".c": "", "d/x.c": ""})
    (tmp_path / "l.c").symlink_to("b.c")
    os.mkfifo(tmp_path / "f.c")
    assert tree.folder("") == [".c", "a.h", "b.c", "l.c"]
    assert tree.folder("d") == ["x.c"]
    assert tree.folder("nothing") == []
    assert tree.folder("b.c") == []


# Name -> how it is made in a folder, and why it can't be read.
def _outside_file(path: Path) -> None:
    (path.parent.parent / "secret").write_text("xso")
    path.symlink_to(path.parent.parent / "secret")


def _relative(path: Path) -> None:
    (path.parent.parent / "secret").write_text("xso")
    path.symlink_to("../secret")


def _chain(path: Path) -> None:
    _outside_file(path.with_name("between"))
    path.symlink_to("between")


UNREADABLE = {
    "a link out of the tree": (_outside_file, "a name that leads out of the tree"),
    "a relative link out of the tree": (_relative, "a name that leads out of the tree"),
    "a link to a link out of the tree": (_chain, "a name that leads out of the tree"),
    "a link to a device": (
        lambda p: p.symlink_to("/dev/zero"),
        "a name that leads out of the tree",
    ),
    "a link to itself": (lambda p: p.symlink_to(p.name), "Too many levels of symbolic links"),
    "a dangling link": (lambda p: p.symlink_to("nothing"), "No such file or directory"),
    "a FIFO": (os.mkfifo, "not a regular file"),
    "a folder": (Path.mkdir, "Is a directory"),
    "nothing": (lambda p: None, "No such file or directory"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_file_of_the_tree_is_refused(kind: str, tmp_path: Path) -> None:
    make, why = UNREADABLE[kind]
    root = tmp_path / "linux"
    tree = written(root, {"beside.c": "int xso;"})
    make(root / "a.c")

    assert reason(tree, "a.c") == why
    assert tree.search("xso") == ["beside.c"]
    assert tree.is_file("beside.c")
    if "out of the tree" not in why:
        assert not tree.is_file("a.c")


def test_a_folder_that_is_a_link_out_of_the_tree(tmp_path: Path) -> None:
    written(tmp_path / "other", {"a.c": "int xso;"})
    tree = written(tmp_path / "linux", {"b.c": ""})
    (tmp_path / "linux/d").symlink_to(tmp_path / "other")
    assert reason(tree, "d/a.c") == "a name that leads out of the tree"
    assert not tree.is_file("d/a.c")
    assert tree.folder("d") == []
    assert tree.search("xso") == []


@pytest.mark.parametrize(
    "path", ["../secret", "d/../../secret", "/etc/passwd", "..", "a\0b", "a\0/b", "\0", "x" * 5_000]
)
def test_a_name_that_leads_nowhere_is_refused(path: str, tmp_path: Path) -> None:
    tree = written(tmp_path / "linux", {"a": "", "d/a": ""})
    (tmp_path / "secret").write_text("secret")
    assert reason(tree, path)
    assert not tree.is_file(path)
    assert tree.folder(f"{path}/") == []


@pytest.mark.skipif(ROOT, reason="root reads everything")
def test_a_file_whose_mode_forbids_reading_is_listed(tmp_path: Path) -> None:
    tree = written(tmp_path, {"a.c": "int xso;", "b.c": "int xso;"})
    (tmp_path / "a.c").chmod(0)
    assert reason(tree, "a.c") == "Permission denied"
    assert tree.search("xso") == ["b.c"]
    assert tree.problems == {"a.c": "Permission denied"}


def test_a_link_out_of_the_tree_is_listed_by_a_run(tmp_path: Path) -> None:
    from xfrmlint.check import check_tree

    root = lay("rfc", tmp_path / "linux")
    written(
        root,
        {
            "drivers/net/x/Makefile": "obj-m += x.o\nx-y := a.o b.o\n",
            "drivers/net/x/a.c": "struct xfrmdev_ops a_ops = { 0 };\n",
        },
    )
    (root / "drivers/net/x/b.c").symlink_to("/etc/passwd")
    unknown = check_tree(Folder(root), []).unknown
    assert [(u.path, u.reason) for u in unknown] == [
        ("drivers/net/x/b.c", "not read: a name that leads out of the tree")
    ]


# Text of a file -> whether the words x_one and x_two are found in it.
SEARCHED = {
    "int x_one;": True,
    "int x_two;\n": True,
    "/* x_one */": True,
    "a\0b\n\0 x_one": True,
    "\ufeffint x_one;": True,
    "\udcff\udcfe x_one \udcff": True,
    "\udcffx_one\udcff": True,
    "a\rx_one\rb": True,
    "int x_ones;": False,
    "int ax_one;": False,
    "int x_\\\none;": False,
    "": False,
}


@pytest.mark.parametrize("text", SEARCHED)
def test_search_finds_words(text: str, tmp_path: Path) -> None:
    tree = written(tmp_path, {"d/a.c": text, "d/a.h": text, "d/a.S": text, "d/a.cc": text})
    assert tree.search(r"\b(x_one|x_two)\b") == (["d/a.c", "d/a.h"] if SEARCHED[text] else [])


def test_search_is_limited_to_folders_and_sorted(tmp_path: Path) -> None:
    names = ["z.c", "a/b.c", "a/B.c", "a-b.c", "b/a.h", NAME]
    tree = written(tmp_path, dict.fromkeys(names, "xso"))
    assert tree.search("xso") == sorted(names)
    assert tree.search("xso", ["a"]) == ["a/B.c", "a/b.c"]
    assert tree.search("xso", ["b", "a/b.c"]) == ["a/b.c", "b/a.h"]
    # A folder that came or went with a change.
    assert tree.search("xso", ["gone", "b"]) == ["b/a.h"]
    assert tree.problems == {}


def test_names_that_no_terminal_likes(tmp_path: Path) -> None:
    names = [NAME, "a\nb.c", "a b.c", "-e.c", "--help.c", "a:1:b.c", "\x1b[2J.c", "*.c", "é.c"]
    tree = written(tmp_path, dict.fromkeys(names, "xso"))
    assert tree.search("xso") == sorted(names)
    assert all(tree.read(name) == b"xso" for name in names)


@pytest.mark.parametrize("name", [".gitignore", ".ignore", ".rgignore", ".git/info/exclude"])
def test_nothing_in_the_tree_hides_files(name: str, tmp_path: Path) -> None:
    tree = written(
        tmp_path, {name: "*\n**\n/a.c\n", "a.c": "xso", ".hidden/.b.c": "xso", ".git/c.c": "xso"}
    )
    assert tree.search("xso") == [".git/c.c", ".hidden/.b.c", "a.c"]


def test_the_users_configuration_has_no_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = written(tmp_path / "linux", {"a.c": "xso", "b.c": "XSO"})
    (tmp_path / "config").write_text("--ignore-case\n--glob=!a.c\n--files-without-match\n")
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".rgignore").write_text("*\n")
    (tmp_path / ".ignore").write_text("*\n")
    assert tree.search("xso") == ["a.c"]


@pytest.mark.parametrize("name", ["plain.h", "a+b(c)[d].h", "a b-c.h", "é.h", "\udcff.h", "a\nb.h"])
def test_a_pattern_may_hold_any_file_name(name: str, tmp_path: Path) -> None:
    tree = written(tmp_path, {"a.c": f'#include "{name}"\n', "b.c": '#include "other.h"\n'})
    found = tree.search(rf'include\s*"({re.escape(name)}|nothing)"')
    assert found == ([] if "\n" in name else ["a.c"])


@pytest.mark.slow
def test_a_pattern_of_a_megabyte(tmp_path: Path) -> None:
    tree = written(tmp_path, {"a.c": "name_19999", "b.c": "name_20001"})
    words = "|".join(f"name_{n}" for n in range(20_000))
    padded = "|".join(f"{'long' * 12}_{n}" for n in range(20_000))
    assert tree.search(rf"\b({words}|{padded})\b") == ["a.c"]


def test_a_pattern_that_is_none_does_not_look_like_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ripgrep failed"):
        files_with(tmp_path, "(")


MARKS = ("Makefile", "drivers/net/Makefile", "include/linux/netdevice.h", "include/net/xfrm.h")


def kernel(root: Path, without: str = "") -> Path:
    written(root, {name: "" for name in MARKS if name != without})
    return root


def test_a_tree_is_found_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = kernel(tmp_path / "linux")
    deep = root / "drivers/net/ethernet/a"
    deep.mkdir(parents=True)
    for here in (root, deep):
        monkeypatch.chdir(here)
        assert find_tree(None).root == root
        assert find_tree(None, Path()).root == root
    monkeypatch.chdir(tmp_path)
    assert find_tree("linux").root == root
    assert find_tree(None, deep).root == root


def test_the_nearest_tree_is_taken(tmp_path: Path) -> None:
    kernel(tmp_path / "linux")
    inner = kernel(tmp_path / "linux/drivers/other")
    assert find_tree(None, inner / "drivers/net").root == inner


def test_the_tree_around_a_folder_that_nobody_may_look_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = lay("rfc", tmp_path / "linux")
    shut = root / "drivers/net"
    there = Path.exists

    def exists(path: Path) -> bool:
        if path.is_relative_to(shut) and path != shut:
            raise PermissionError(13, "Permission denied", str(path))
        return there(path)

    monkeypatch.setattr(Path, "exists", exists)
    assert find_tree(None, shut).root == root


# What lacks -> what the message says.
LACKING = {
    "Makefile": "not a kernel tree (no Makefile)",
    "include/linux/netdevice.h": "include/linux",
    "include/net/xfrm.h": "include/net/xfrm.h is missing; the tree looks half unpacked",
}


@pytest.mark.parametrize("without", LACKING)
def test_half_a_tree_is_refused(without: str, tmp_path: Path) -> None:
    root = kernel(tmp_path / "linux", without)
    with pytest.raises(InputError) as caught:
        find_tree(str(root))
    assert LACKING[without] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda p: p.symlink_to("/etc/passwd")])
def test_a_landmark_that_is_no_file_is_refused(make: object, tmp_path: Path) -> None:
    root = kernel(tmp_path / "linux", "include/net/xfrm.h")
    (root / "include/net").mkdir()
    assert callable(make)
    make(root / "include/net/xfrm.h")
    with pytest.raises(InputError, match=r"include/net/xfrm\.h: "):
        find_tree(str(root))


def test_no_tree_anywhere(tmp_path: Path) -> None:
    for named, why in (
        ("nothing", "no such folder"),
        ("file", "not a folder"),
        ("", "not a kernel"),
    ):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match=why):
            find_tree(str(tmp_path / named))
    with pytest.raises(InputError, match="name one: xfrmlint check"):
        find_tree(None, tmp_path)


def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    program = (
        "import os, shutil, sys; from xfrmlint.tree.folder import find_tree\n"
        "os.chdir(sys.argv[1]); shutil.rmtree(sys.argv[1])\n"
        "try: find_tree(None)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "gone"], capture_output=True, text=True
    )
    assert done.stdout == "InputError the working directory is gone; name a kernel tree\n"


def test_a_folder_is_meant_as_a_tree_by_its_marks(tmp_path: Path) -> None:
    root = kernel(tmp_path / "linux")
    assert is_tree(root)
    assert is_tree(kernel(tmp_path / "half", "include/net/xfrm.h"))
    assert not is_tree(root / "drivers")
    assert not is_tree(root / "drivers/net")
    assert not is_tree(root / "Makefile")
    assert not is_tree(tmp_path)


SYNTAX: dict[str, dict[str, list[str]]] = {
    "": {},
    "a = b": {"a": ["b"]},
    "a := b c": {"a": ["b", "c"]},
    "a ::= b": {"a": ["b"]},
    "a ?= b": {"a": ["b"]},
    "a += b\na += c": {"a": ["b", "c"]},
    "a=b": {"a": ["b"]},
    "a =": {"a": []},
    "  a = b  ": {"a": ["b"]},
    "a = b # c = d": {"a": ["b"]},
    "# a = b": {},
    "\ta = b": {"a": ["b"]},
    "a:\n\tb = c\n\nd = e\n\tf = g": {"d": ["e"], "f": ["g"]},
    "export a = b\noverride c := d": {"a": ["b"], "c": ["d"]},
    "a = b\na = c": {"a": ["c"]},
    "a := b\na := $(a) c": {"a": ["b", "c"]},
    "a := b\nifdef C\na := d\nendif": {"a": ["b", "d"]},
    "a-$(B) := b\na-$(C) := c": {"a-y": ["b", "c"]},
    "a := $(b)\nb := c": {"a": ["$(b)"], "b": ["c"]},
    "b := c\na += $(b)\nb := d": {"b": ["d"], "a": ["d"]},
    "b := c\na := $(b)\na += $(b)\nb := d": {"b": ["d"], "a": ["c", "c"]},
    "a != ls": {"a": ["$(shell)"]},
    "define a\nb = c\nendef\nd = e": {"d": ["e"]},
    "define a\nb += c\nendef\ndefine a\nb += d\nendef\n$(eval $(call a))": {"b": ["d"]},
    "define a\n$1 += $2 $$(c)\nendef\nc = z\n$(eval $(call a,b,x y))": {
        "c": ["z"],
        "b": ["x", "y", "z"],
    },
    "n = x\n$(n)-objs := b.o": {"n": ["x"], "x-objs": ["b.o"]},
    "$(n)-objs := b.o": {"$(n)-objs": ["b.o"]},
    "a-$(subst m,y,$(CONFIG_B)) = b": {"a-y": ["b"]},
    "a = $(b-y) c": {"a": ["c"]},
    "a = $(shell find . -name '*.c')": {"a": ["$(shell)"]},
    "a = $(call f,b) $(if $(C),d,e)": {"a": ["$(call)", "d", "e"]},
    "a = b $(filter %.c,c.c d.h $(x)) $(filter-out d.o,d.o e.o)": {
        "a": ["b", "c.c", "$(x)", "e.o"]
    },
    "a = $(foreach d,x y,$(d)/$(d).o)": {"a": ["x/x.o", "y/y.o"]},
    "a = $(notdir x/b.c) $(dir x/b.c c) $(basename x/b.c)": {"a": ["b.c", "x/", "./", "x/b"]},
    "a = $(subst x y)": {"a": ["$(subst)"]},
    "d := x\nifdef E\nd := y\nendif\na = $(d)/b.o $(d)": {
        "d": ["x", "y"],
        "a": ["$(d)/b.o", "x", "y"],
    },
    "i = b\na = $($(i))\nb = c": {"i": ["b"], "a": ["c"], "b": ["c"]},
    "a = b \\\n c \\\n\td": {"a": ["b", "c", "d"]},
    "a = b \\\r\n c\r\n": {"a": ["b", "c"]},
    "a = b \\": {"a": ["b"]},
    "a-m = b": {"a-y": ["b"]},
    "a-$(CONFIG_B) = b": {"a-y": ["b"]},
    "a-${CONFIG_B} = b": {"a-y": ["b"]},
    "a-y = b\na-m += c\na-$(C) += d": {"a-y": ["b", "c", "d"]},
    "a-n = b": {"a-n": ["b"]},
    "ifdef A\na := b\nelse\na := c\nendif": {"a": ["b", "c"]},
    "b = c\na = $(b) ${b}": {"a": ["c", "c"], "b": ["c"]},
    "a = $(b)\nb = c": {"a": ["c"], "b": ["c"]},
    "a = $(b)": {"a": ["$(b)"]},
    "a = $(a)": {"a": ["$(a)"]},
    "a = $(b)\nb = $(a)": {"a": ["$(b)"], "b": ["$(a)"]},
    "a = $(addprefix x/, b c)": {"a": ["x/b", "x/c"]},
    "a = $(addsuffix .o, b c)": {"a": ["b.o", "c.o"]},
    "a = $(patsubst %.c,%.o,b.c d.h)": {"a": ["b.o", "d.h"]},
    "a = $(patsubst %.c,%,b.c)": {"a": ["b"]},
    "a = $(patsubst b.c,%.o,b.c c.c)": {"a": ["%.o", "c.c"]},
    "a = $(patsubst %,%0.o,1 2)": {"a": ["10.o", "20.o"]},
    "a = $(patsubst %,\\%,b)": {"a": ["\\b"]},
    "a = $(subst x,y,xx z)": {"a": ["yy", "z"]},
    "a = $(sort c b) $(strip  d )": {"a": ["c", "b", "d"]},
    "b = c\na = $(addprefix x/, $(addsuffix .o, $(b)))": {"a": ["x/c.o"], "b": ["c"]},
    "b = c.c d.h\na = $(b:.c=.o)": {"a": ["c.o", "d.h"], "b": ["c.c", "d.h"]},
    "b = c.c d.h\na = $(b:%.c=x/%.o)": {"a": ["x/c.o", "d.h"], "b": ["c.c", "d.h"]},
    "a = $(wildcard *.c) $(wildcard $(src)/*.h $(src)/x/*.c)": {"a": []},
    "a = $(wildcard *) $(wildcard */*.mk)": {"a": ["$(wildcard)", "$(wildcard)"]},
    "a = $(wildcard $(srctree)/../*/*.c ../../../../*/*.c ../../b/*/*.c)": {
        "a": ["$(wildcard)", "$(wildcard)", "$(wildcard)"]
    },
    "a = $(wildcard gone/*/*.c ../../../../*.c)": {"a": []},
    "a = $(foreach": {"a": ["$(foreach"]},
    "a:\n\tb = c\nd: e": {},
    "include $(srctree)/a\nifeq ($(A),y)\nendif": {},
    "= b\n := c\n+=\n$\n$(\n-\n\\": {},
}


@pytest.mark.parametrize("text", SYNTAX)
def test_assignments(text: str) -> None:
    assert variables(text) == SYNTAX[text]


def variables(text: str, **files: str) -> dict[str, list[str]]:
    """Return the words of all variables of a Makefile. files: what lies beside it."""
    below = {f"drivers/net/a/{name}": text for name, text in files.items()}
    makefile = Makefile(memory({**below, "drivers/net/a/Makefile": text}), "drivers/net/a")
    return {name: makefile.words(name) for name in makefile.names()}


# Makefile of drivers/net/a -> name and sources (in that folder) of its modules.
MAKEFILES: dict[str, dict[str, list[str]]] = {
    "": {},
    "obj-y += a.o": {"a": ["a.c"]},
    "obj-m := a.o b.o": {"a": ["a.c"], "b": ["b.c"]},
    "obj-$(CONFIG_A) += a.o": {"a": ["a.c"]},
    "obj-$(CONFIG_A) += sub/": {},
    "obj-n += a.o": {},
    "lib-y += a.o": {},
    "#obj-m += a.o": {},
    "obj-m += a.o # b.o": {"a": ["a.c"]},
    "obj-m += a.o\na-y := b.o c.o": {"a": ["b.c", "c.c"]},
    "obj-m += a.o\na-objs := b.o c.o": {"a": ["b.c", "c.c"]},
    "obj-m += a.o\na-y := b.o\na-objs += c.o": {"a": ["b.c", "c.c"]},
    "obj-m += a.o\na-y := b.o\na-$(CONFIG_C) += c.o": {"a": ["b.c", "c.c"]},
    "obj-m += a.o\nifdef B\na-y := b.o\nelse\na-y := c.o\nendif": {"a": ["b.c", "c.c"]},
    "obj-m += a.o\na-y := b.o \\\n\tc.o \\\n\td.o": {"a": ["b.c", "c.c", "d.c"]},
    "obj-m += a.o\nparts := b.o c.o\na-y := $(parts)": {"a": ["b.c", "c.c"]},
    "obj-m += a.o\na-y := $(addprefix sub/, b.o c.o)": {"a": ["sub/b.c", "sub/c.c"]},
    "obj-m += a.o\nsrcs := b.c\na-y := $(srcs:.c=.o)": {"a": ["b.c"]},
    "obj-m += a.o\na-y := sub/b.o ../c.o": {"a": ["sub/b.c", "../c.c"]},
    "obj-m += a.o\na-y := b.o\nb-y := c.o d.o": {"a": ["c.c", "d.c"]},
    "obj-m += a.o\na-y := a.o b.o": {"a": ["a.c", "b.c"]},
    "obj-m += a.o\na-y := b.o a.o b.o": {"a": ["b.c", "a.c"]},
    "obj-m += a.o\na-y := b.o\nb-y := a.o c.o": {"a": ["c.c"]},
    "obj-m += a.o b.o\na-y := c.o\nb-y := c.o": {"a": ["c.c"], "b": ["c.c"]},
    "obj-m += a.o\na-y := b.o c/ d": {"a": ["b.c"]},
    "obj-m += a.o\na-y :=": {"a": ["a.c"]},
    "obj-m += a.o\na-n := b.o": {"a": ["a.c"]},
    "obj-m += a.o\r\na-y := b.o\r\n": {"a": ["b.c"]},
    "obj-m += sub/a.o": {"a": ["sub/a.c"]},
    "obj-m += $(nothing)": {},
    "obj-m += .o": {"": [".c"]},
    "obj-m += \udcff.o": {"\udcff": ["\udcff.c"]},
    "\0\0obj-m += a.o": {},
    "obj-m += a.o\n" + "".join(f"c{n}-y := c{n + 1}.o\n" for n in range(3_000)): {"a": ["a.c"]},
}


@pytest.mark.parametrize("text", MAKEFILES, ids=lambda text: repr(text[:60]))
def test_modules(text: str, tmp_path: Path) -> None:
    kbuild = Kbuild(written(tmp_path, {"drivers/net/a/Makefile": text}))
    wanted = [
        Module(name, tuple(os.path.normpath(f"drivers/net/a/{source}") for source in sources))
        for name, sources in MAKEFILES[text].items()
    ]
    for module in wanted:
        for source in module.sources:
            if not source.startswith("drivers/net/a/"):
                continue
            assert kbuild.modules_of(source) == [m for m in wanted if source in m.sources]
    assert kbuild.modules_of("drivers/net/a/none.c") == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", {}),
        ("ccflags-y := -DA -DB=2 -Wall -I$(src)", {"A": "1", "B": "2"}),
        ("ccflags-y += -DA\nEXTRA_CFLAGS += -DB", {"A": "1", "B": "1"}),
        ("subdir-ccflags-y += -DA", {"A": "1"}),
        ("CFLAGS_b.o += -DA\nasflags-y += -DB", {}),
        ("CFLAGS_a.o += -DA", {"A": "1"}),
        ("CFLAGS_a.o += -DA=b", {"A": "b"}),
        ("CFLAGS_a.o += -DA=\"'b'\"", {}),
        ("ccflags-y += -DA -DB\nCFLAGS_REMOVE_a.o := -DA", {"B": "1"}),
        ("ccflags-y += -DA -DB\nCFLAGS_REMOVE_b.o := -DA", {"A": "1", "B": "1"}),
        ("subdir-ccflags-y += -DA -DB\nccflags-remove-y := -DB", {"A": "1"}),
        # An option, a condition or somebody else decides.
        ("CFLAGS_a.o-$(CONFIG_A) += -DA", {}),
        ("ifdef X\nCFLAGS_a.o := -DA\nendif", {}),
        ("ccflags-$(CONFIG_A) += -DA", {}),
        ("ifeq ($(X),y)\nccflags-y += -DA\nendif\nccflags-y += -DB", {"B": "1"}),
        ("ifdef X\nF := -DA\nendif\nccflags-y += $(F)", {}),
        ("ccflags-y += $(if $(X),-DA)", {}),
        ("ccflags-y := -DA\nifdef X\nccflags-y := -DB\nendif", {}),
        ("ccflags-y ?= -DA", {}),
        ("ccflags-y += -DA\nccflags-y := -DB", {"B": "1"}),
        ("ccflags-y += -DA\nccflags-$(X) += -UA", {}),
        ("ccflags-y += -DA=1\nccflags-$(X) += -DA=2", {}),
        ("ccflags-y += -DA=$(X) -DB=b", {"B": "b"}),
        ("ifdef X\ninclude flags.mk\nendif", {}),
        ("include flags.mk", {"C": "1"}),
    ],
)
def test_what_the_compiler_is_told(text: str, wanted: dict[str, str]) -> None:
    files = {"drivers/net/a/Makefile": text, "drivers/net/a/flags.mk": "ccflags-y += -DC\n"}
    assert Kbuild(memory(files)).options("drivers/net/a/a.c").defines == wanted


@pytest.mark.parametrize(
    ("text", "sure", "maybe"),
    [
        ("ccflags-y += -I$(src)", [], []),
        ("ccflags-y += -include $(src)/h.h", ["drivers/net/a/h.h"], []),
        ("ccflags-y += -include $(srctree)/$(src)/h.h -Wall", ["drivers/net/a/h.h"], []),
        ("ccflags-y += -include drivers/h.h", ["drivers/h.h"], []),
        ("CFLAGS_a.o := -include ${src}/../h.h", ["drivers/net/h.h"], []),
        ("CFLAGS_b.o := -include $(src)/h.h", [], []),
        ("ccflags-$(CONFIG_A) += -include $(src)/h.h", [], ["drivers/net/a/h.h"]),
        ("D := $(src)/gen\nccflags-y += -include $(D)/h.h", [], ["drivers/net/a/gen/h.h"]),
        ("ccflags-y += -include $(X)/h.h -include /usr/h.h", [], [""]),
        ("ccflags-y += $(shell cat flags)", [], [""]),
        ("ccflags-y += -I$(X) -DA=$(X)", [], []),
    ],
)
def test_what_is_taken_in_before_a_source(text: str, sure: list[str], maybe: list[str]) -> None:
    found = Kbuild(memory({"drivers/net/a/Makefile": text})).options("drivers/net/a/a.c")
    assert (found.forced, found.maybe) == (sure, maybe)


def test_a_folder_gets_what_is_said_for_those_below() -> None:
    files = {
        "drivers/net/Makefile": "subdir-ccflags-y := -DA\nccflags-y := -DB",
        "drivers/net/a/Makefile": "ccflags-y := -DC\nobj-m += b/b.o\nCFLAGS_b/b.o := -DD",
    }
    kbuild = Kbuild(memory(files))
    assert kbuild.options("drivers/net/a/a.c").defines == {"A": "1", "C": "1"}
    # A Makefile speaks for what it links, wherever that lies.
    assert kbuild.options("drivers/net/a/b/b.c").defines == {"A": "1", "C": "1", "D": "1"}
    assert kbuild.options("drivers/net/a/b/c.c").defines == {"A": "1"}


def test_a_chain_and_a_net_of_composites_end(tmp_path: Path) -> None:
    chain = "".join(f"a{n}-y := a{n + 1}.o\n" for n in range(5_000))
    net = "".join(f"b{n}-y := b{n + 1}.o b{n + 1}.o c{n}.o\n" for n in range(60))
    kbuild = Kbuild(written(tmp_path, {"d/Makefile": f"obj-m += a0.o b0.o\n{chain}{net}"}))
    assert [m.name for m in kbuild.modules_of("d/a5000.c")] == ["a0"]
    assert [m.name for m in kbuild.modules_of("d/c59.c")] == ["b0"]
    assert len(kbuild.modules_of("d/b60.c")[0].sources) == 61


def test_variables_that_double_end(tmp_path: Path) -> None:
    doubling = "".join(f"V{n} = $(V{n + 1}) $(V{n + 1})\n" for n in range(60))
    wide = "W = " + "$(X)" * 16_000 + "\nX = " + "x.o " * 16_000
    found = variables(f"obj-m += a.o $(V0) $(W)\n{doubling}{wide}")
    assert found["obj-y"][0] == "a.o"
    assert sum(map(len, found["W"])) < 1 << 20


# A list of objects -> the sources of drivers/net/a that it names; these are all there are.
SOURCES = ("main.c", "core/b.c", "core/c.c", "sa/d.c", "sa/d.h", "sa/x/e.c")
LISTS: dict[str, list[str]] = {
    "main.o $(patsubst %.c,%.o,$(wildcard core/*.c))": ["main.c", "core/b.c", "core/c.c"],
    "$(patsubst $(src)/%.c,%.o,$(wildcard $(src)/core/*.c $(src)/sa/*.c))": [
        "core/b.c",
        "core/c.c",
        "sa/d.c",
    ],
    "$(patsubst %.c,%.o,$(wildcard $(srctree)/$(src)/*/?.c))": ["core/b.c", "core/c.c", "sa/d.c"],
    "$(patsubst $(srctree)/$(src)/%.c,%.o,$(wildcard $(srctree)/$(src)/*/*/*.c))": ["sa/x/e.c"],
    "$(subst .c,.o,$(subst $(M)/,,$(wildcard $(M)/sa/*.c)))": ["sa/d.c"],
    "$(foreach d,core sa,$(patsubst %.c,%.o,$(wildcard $(d)/*.c)))": [
        "core/b.c",
        "core/c.c",
        "sa/d.c",
    ],
    "$(filter-out core/c.o,$(patsubst %.c,%.o,$(wildcard core/*.c)))": ["core/b.c"],
    "$(addprefix core/,$(notdir $(patsubst %.c,%.o,$(wildcard core/*.c))))": [
        "core/b.c",
        "core/c.c",
    ],
    "$(addsuffix .o,$(basename $(wildcard $(shell pwd)/sa/*.c)))": ["sa/d.c"],
    "$(addprefix $(dir sa/any.c),d.o)": ["sa/d.c"],
}


@pytest.mark.parametrize("text", LISTS)
def test_lists_that_the_tree_tells(text: str) -> None:
    files = {f"drivers/net/a/{name}": "int a;" for name in SOURCES}
    makefile = f"obj-m += a.o\na-objs := {text}\n"
    kbuild = Kbuild(memory({**files, "drivers/net/a/Makefile": makefile}))
    named = [name for name in SOURCES if kbuild.modules_of(f"drivers/net/a/{name}")]
    assert named == LISTS[text]
    assert [kbuild.doubt(f"drivers/net/a/{name}") for name in named] == [""] * len(named)


MAKE = "drivers/net/a/Makefile"
# Makefile of drivers/net/a -> why it isn't known what b.c is linked with.
DOUBTS: dict[str, str] = {
    "obj-m += a.o\na-y := b.o": "",
    "obj-m += a.o\na-y := b.o $(c-y)": "",
    "obj-m += $(N).o\n$(N)-objs := b.o": "",
    "obj-m += b.o\nobj-m += $(shell ls)": "",
    "obj-m += b.o\n-include gone.mk": "",
    "obj-m += b.o\nx := $(shell ls)": "",
    "define f\nifeq ($(shell grep $1 x),y)\n ccflags-y += -D$(2)\nendif\nendef\n"
    "obj-m += b.o\n$(eval $(call f,x,Y))": "",
    "define f\n $1-objs := $2.o\nendef\nobj-m += a.o\n$(eval $(call f,a,b))": "",
    "ifdef X\ndefine f\n a-y += b.o\nendef\nelse\ndefine f\n a-y += c.o\nendef\nendif\n"
    "obj-m += a.o\n$(eval $(call f))": "",
    "define f\n a-y += $(1)\n a-y += $$(X)\nendef\nobj-m += a.o\n\n$(eval $(call f,c.o))": (
        f"{MAKE}:7 is not evaluated: $(X)"
    ),
    "define f\n$(eval $(call f))\nendef\nobj-m += b.o\n$(eval $(call f))": (
        f"{MAKE}:5 is not evaluated: $(eval $(call f))"
    ),
    "obj-m += a.o": "no Makefile links drivers/net/a/b.c",
    "obj-m += a.o c.o\nc-y := $(X)": f"{MAKE}:2 is not evaluated: $(X)",
    "obj-m += a.o\nobj-m += $(X)": f"{MAKE}:2 is not evaluated: $(X)",
    "obj-m += a.o\n\na-y := b.o \\\n $(shell ls)": f"{MAKE}:3 is not evaluated: $(shell)",
    "obj-m += a.o\na-y := b.o\na-y += $(call f,x)": f"{MAKE}:3 is not evaluated: $(call)",
    "obj-m += a.o\na-y := b.o c.o\nc-y := $(X)/d.o": f"{MAKE}:3 is not evaluated: $(X)/d.o",
    "obj-m += b.o\n$(eval $(call f,x))": f"{MAKE}:2 is not evaluated: $(eval $(call f,x))",
    "obj-m += b.o\ninclude gone.mk": (
        f"{MAKE}:2 includes gone.mk, which can't be read (No such file or directory)"
    ),
    "obj-m += b.o\ninclude $(X)/b.mk": f"{MAKE}:2 includes $(X)/b.mk, which can't be read",
}


@pytest.mark.parametrize("text", DOUBTS)
def test_what_is_not_known_of_a_list_has_a_reason(text: str) -> None:
    kbuild = Kbuild(memory({MAKE: text, "drivers/net/a/b.c": ""}))
    assert kbuild.doubt("drivers/net/a/b.c").removesuffix(" (not evaluated)") == DOUBTS[text]


@pytest.mark.parametrize(
    ("make", "why"), [(os.mkfifo, "not a regular file"), (Path.mkdir, "Is a directory")]
)
def test_a_makefile_that_is_no_file_links_nothing(
    make: Callable[[Path], None], why: str, tmp_path: Path
) -> None:
    tree = written(tmp_path, {"d/e/b.c": "", "d/e/Makefile": "obj-y += c.o\n"})
    make(tmp_path / "d/Makefile")
    assert Kbuild(tree).modules_of("d/e/b.c") == []
    assert Kbuild(tree).doubt("d/e/b.c") == f"d/Makefile can't be read ({why})"


def test_folders_above_stand_in_for_lost_options(tmp_path: Path) -> None:
    files = {"drivers/net/a/b/c/x.c": "", "drivers/net/a/y.h": ""}
    above = ["drivers/net/a/b", "drivers/net/a"]
    tree = written(tmp_path / "lost", files)
    assert Kbuild(tree).include_folders("drivers/net/a/b/c/x.c") == above
    tree = written(tmp_path / "there", {**files, "drivers/net/a/Makefile": "obj-y += b/"})
    assert Kbuild(tree).include_folders("drivers/net/a/b/c/x.c") == []


def test_kbuild_comes_before_makefile(tmp_path: Path) -> None:
    files = {"d/Kbuild": "obj-m += a.o\n", "d/Makefile": "obj-m += b.o\n"}
    kbuild = Kbuild(written(tmp_path, files))
    assert [m.name for m in kbuild.modules_of("d/a.c")] == ["a"]
    assert kbuild.modules_of("d/b.c") == []


def test_a_makefile_above_names_objects_below(tmp_path: Path) -> None:
    files = {"d/Makefile": "obj-m += a.o\na-y := m.o sub/n.o\n", "d/sub/Makefile": "obj-y += o.o\n"}
    kbuild = Kbuild(written(tmp_path, files))
    module = Module("a", ("d/m.c", "d/sub/n.c"))
    assert kbuild.modules_of("d/sub/n.c") == [module]
    assert kbuild.modules_of("d/m.c") == [module]
    assert [m.name for m in kbuild.modules_of("d/sub/o.c")] == ["o"]
    assert kbuild.modules_of("elsewhere/m.c") == []
    assert kbuild.modules_of("m.c") == []


# Makefile of drivers/net/a -> the include folders of drivers/net/a/x.c and .../sub/x.c.
FLAGS: dict[str, tuple[list[str], list[str]]] = {
    "": ([], []),
    "ccflags-y := -DA -Wall": ([], []),
    "ccflags-y += -I$(src)": (["drivers/net/a"], ["drivers/net/a"]),
    "ccflags-y += -I $(src)/inc": (["drivers/net/a/inc"], ["drivers/net/a/inc"]),
    "ccflags-y += -I${src}/../b": (["drivers/net/b"], ["drivers/net/b"]),
    "ccflags-y += -I$(obj)/gen": (["drivers/net/a/gen"], ["drivers/net/a/gen"]),
    "ccflags-y += -I$(srctree)/$(src)/inc": (["drivers/net/a/inc"], ["drivers/net/a/inc"]),
    "ccflags-y += -I $(srctree)/$(src)": (["drivers/net/a"], ["drivers/net/a"]),
    "ccflags-y += -I$(srctree)/drivers/b": (["drivers/b"], ["drivers/b"]),
    "ccflags-y += -I$(srctree)": (["."], ["."]),
    "ccflags-y += -Idrivers/b -Idrivers/c": (
        ["drivers/b", "drivers/c"],
        ["drivers/b", "drivers/c"],
    ),
    "ccflags-$(CONFIG_A) += -Idrivers/b": (["drivers/b"], ["drivers/b"]),
    "b := -Idrivers/b\nccflags-y += $(b)": (["drivers/b"], ["drivers/b"]),
    "subdir-ccflags-y += -I$(src)": (["drivers/net/a"], ["drivers/net/a"]),
    "EXTRA_CFLAGS += -I$(src)": (["drivers/net/a"], []),
    "CFLAGS_x.o := -I$(src)": (["drivers/net/a"], []),
    "CFLAGS_sub/x.o := -I$(src)": ([], ["drivers/net/a"]),
    "ccflags-y += -I/usr/include -I$(HOME)/x -I$(srctree)/$(B) -I": ([], []),
}


@pytest.mark.parametrize("text", FLAGS)
def test_include_folders(text: str, tmp_path: Path) -> None:
    kbuild = Kbuild(written(tmp_path, {"drivers/net/a/Makefile": text}))
    found = tuple(kbuild.include_folders(f"drivers/net/a/{p}") for p in ("x.c", "sub/x.c"))
    assert found == FLAGS[text]


VERSIONS = {
    "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\nNAME = Odd One\n": "7.3.4",
    "VERSION = 7\nPATCHLEVEL = 4\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n": "7.4.0-rc1",
    "# SPDX\nVERSION=6\nPATCHLEVEL=12\nSUBLEVEL=\nEXTRAVERSION=\n": "6.12",
    "VERSION = 7\r\nPATCHLEVEL = 3\r\nSUBLEVEL = 0\r\n": "7.3.0",
    "VERSION = 7\n": "7",
    "": "unknown",
    "VERSION =\nPATCHLEVEL = 3\n": "unknown",
    "KERNELVERSION = 7\nMYVERSION = 8\n": "unknown",
    "\0\udcff\n": "unknown",
}


@pytest.mark.parametrize("text", VERSIONS)
def test_version(text: str, tmp_path: Path) -> None:
    assert version(written(tmp_path, {"Makefile": text})) == VERSIONS[text]


def test_version_without_makefile(tmp_path: Path) -> None:
    assert version(Folder(tmp_path)) == "unknown"
    assert release(Folder(tmp_path)) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("obj-y += a.o\n", None),
        ("VERSION = x\n", None),
        ("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION = -rc1\n", Release(7, 3, 4)),
        ("VERSION = 7\nPATCHLEVEL = 3\n", Release(7, 3, 0)),
        ("VERSION = 7\nPATCHLEVEL = $(X)\n", None),
    ],
)
def test_release(text: str, wanted: Release | None, tmp_path: Path) -> None:
    assert release(written(tmp_path, {"Makefile": text})) == wanted


@pytest.mark.parametrize(
    "line",
    [
        "include $(src)/sub/Makefile.objs",
        "include $(srctree)/d/sub/Makefile.objs",
        "-include $(obj)/sub/Makefile.objs",
    ],
)
def test_an_included_makefile_counts(line: str, tmp_path: Path) -> None:
    (tmp_path / "d/sub").mkdir(parents=True)
    (tmp_path / "d/Makefile").write_text(f"obj-m += a.o\na-y := b.o\n{line}\n")
    (tmp_path / "d/sub/Makefile.objs").write_text("a-y += sub/c.o\n")
    found = Kbuild(Folder(tmp_path)).modules_of("d/sub/c.c")
    assert found == [Module("a", ("d/b.c", "d/sub/c.c"))]


def test_makefiles_that_include_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/Makefile").write_text("obj-m += a.o\ninclude $(src)/Makefile\n")
    assert Kbuild(Folder(tmp_path)).modules_of("d/a.c")[0].name == "a"


def test_a_source_beside_the_makefiles_folder_is_linked(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/Makefile").write_text("obj-m += a.o\na-y := b.o ../e/c.o\n")
    kbuild = Kbuild(Folder(tmp_path))
    assert kbuild.modules_of("e/c.c") == []
    assert [m.name for m in kbuild.modules_of("d/b.c")] == ["a"]
    assert [m.name for m in kbuild.modules_of("e/c.c")] == ["a"]


def test_a_driver_that_is_a_link_out_of_the_tree_is_told(tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    folder = tree / "drivers/net/sunrise"
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside")
    document = run_json("--no-cache", cwd=tree)
    assert [u["path"] for u in document["unknown"]] == ["drivers/net/sunrise"]
    ran = run("check", "-q", "--no-cache", "--fail-on-unknown", cwd=tree)
    assert ran.status == 1
    assert run("check", "-q", "--no-cache", cwd=tree).status == 0


def test_links_that_stay_in_the_tree_or_lead_to_nothing_are_not_told(tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    (tree / "drivers/net/again").symlink_to("sunrise")
    (tree / "drivers/net/none").symlink_to("nowhere")
    (tree / "drivers/net/passwd").symlink_to("/etc/passwd")
    assert run_json("--no-cache", cwd=tree)["unknown"] == []
