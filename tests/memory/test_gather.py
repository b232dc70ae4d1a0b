"""Facts part by part: remembered, or made again, they are those of a tree read whole."""

import gc
import itertools
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.laid import lay_fixture, trees
from tests.trees import Memory
from xfrmlint.analysis import analyse
from xfrmlint.analysis.part import Part
from xfrmlint.analysis.parts import plan
from xfrmlint.c.reader import Reader
from xfrmlint.check import check_tree
from xfrmlint.facts.rows import TABLES
from xfrmlint.facts.store import Store
from xfrmlint.memory import cache
from xfrmlint.memory.cache import Cache, state
from xfrmlint.memory.gather import Session, gathered
from xfrmlint.report.json import render
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder

pytestmark = pytest.mark.slow

RULES = load_rules([rules_folder()])


def facts(store: Store) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: [tuple(row) for row in store.query(f"SELECT * FROM {table}")[1]]
        for table in TABLES.values()
    }


def known(tree: Path, file: Path | None) -> dict[str, list[tuple[object, ...]]]:
    """Return all facts of a tree as a new run finds them. file: what is known already."""
    said: list[str] = []
    with Cache(file, said.append) as kept:
        folder = Folder(tree)
        kept.know(folder)
        found = facts(gathered(folder, Session(kept)).store)
    assert said == []
    return found


def checked(tree: Path, file: Path | None) -> str:
    """Return what `check --format json` prints."""
    with Cache(file) as kept:
        folder = Folder(tree)
        kept.know(folder)
        report = check_tree(folder, RULES, session=Session(kept))
    return "\n".join(render(report, report.findings))


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first folder of each part that is analysed; "core" for what is none."""
    called: list[str] = []
    one, core = analyse.analysed, analyse.core_facts

    def counted(tree: Tree, part: Part, *rest: object) -> object:
        called.append(part.folders[0])
        return one(tree, part, *rest)  # type: ignore[arg-type]

    def counted_core(*everything: object) -> object:
        called.append("core")
        return core(*everything)  # type: ignore[arg-type]

    monkeypatch.setattr(analyse, "analysed", counted)
    monkeypatch.setattr(analyse, "core_facts", counted_core)
    return called


@pytest.mark.parametrize("name", trees())
def test_a_second_run_gives_what_the_first_gave(
    name: str, tmp_path: Path, analysed: list[str]
) -> None:
    tree, file = lay_fixture(name, tmp_path / "linux"), tmp_path / "facts.sqlite"
    without = checked(tree, None)
    assert checked(tree, file) == without
    analysed.clear()
    assert checked(tree, file) == without
    assert analysed == []


def test_a_second_run_starts_no_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, file = lay_fixture("demo", tmp_path / "linux"), tmp_path / "facts.sqlite"
    monkeypatch.setattr("xfrmlint.tree.marks._TICK", 20_000_000)
    time.sleep(0.03)
    before = known(tree, file)
    for search in ("files_with", "Search"):
        monkeypatch.setattr(f"xfrmlint.tree.searches.{search}", None)
    assert known(tree, file) == before


@pytest.mark.parametrize("name", ["demo", "uld-flag-on-core", "resolve-elsewhere"])
def test_parts_hold_what_a_tree_read_whole_holds(name: str, tmp_path: Path) -> None:
    folder = Folder(lay_fixture(name, tmp_path))
    whole = facts(analyse.analyse(folder).store)
    assert facts(gathered(folder, Session(Cache(None))).store) == whole


def test_an_empty_tree_has_no_parts() -> None:
    assert plan(Memory({})).parts == ()


PARTS = {
    "drivers/net/ethernet/a/x/a.c": b"xso",
    "drivers/net/ethernet/a/y/b.c": b"xso",
    "drivers/net/c/c.c": b"xdo_dev_state_add",
    "drivers/net/d/d.c": b"offload_handle",
    "drivers/net/e/e.c": b"int xsomething;",
    "include/net/xfrm.h": b"struct xfrm_state { struct xfrm_dev_offload xso; };",
    "net/xfrm/xfrm_state.c": b"xso",
}


@pytest.mark.parametrize(
    ("files", "folders"),
    [
        (
            {},
            [
                ("drivers/net/c",),
                ("drivers/net/d",),
                ("drivers/net/ethernet/a",),
                ("include",),
                ("net/xfrm",),
            ],
        ),
        # A Makefile links across: what it links stays together.
        (
            {"drivers/net/c/Makefile": b"obj-m += c.o\nc-y := c.o ../d/d.o\n"},
            [
                ("drivers/net/c", "drivers/net/d"),
                ("drivers/net/ethernet/a",),
                ("include",),
                ("net/xfrm",),
            ],
        ),
    ],
)
def test_a_tree_is_cut_by_folders(files: dict[str, bytes], folders: list[tuple[str, ...]]) -> None:
    assert [part.folders for part in plan(Memory({**PARTS, **files})).parts] == folders


def test_only_some_folders() -> None:
    tree = Memory(PARTS)
    found = plan(tree, ["drivers/net/c"])
    assert [part.folders for part in found.parts] == [("drivers/net/c",), ("include",)]
    assert set(found.parts) <= set(plan(tree).parts)


TIED = ("drivers/net/slate", "drivers/net/slatexl")
SLATE = "include/net/slate.h"


@pytest.mark.parametrize(
    ("edit", "together", "shared"),
    [
        pytest.param(
            lambda tree: (tree / "net/any.c").write_text("#include <net/slate.h>\n"),
            False,
            (),
            id="the core's header",
        ),
        pytest.param(
            lambda tree: _replace("drivers/net/slate/slate.c", "engine->", "engine_")(tree),
            False,
            (),
            id="nobody calls",
        ),
        pytest.param(
            lambda tree: _replace(SLATE, "struct slate_engine {", "struct engine {")(tree),
            False,
            (),
            id="another struct",
        ),
        pytest.param(lambda tree: None, True, (SLATE,), id="below include"),
        pytest.param(
            lambda tree: _replace(
                "drivers/net/slate/slate.c",
                "port->engine->encrypt(port, skb);",
                "int (*run)(struct slate_port *, struct sk_buff *) = port->engine->encrypt;\n"
                "\t\trun(port, skb);",
            )(tree),
            True,
            (SLATE,),
            id="through a variable",
        ),
        pytest.param(
            lambda tree: [
                (tree / SLATE).rename(tree / "drivers/net/slate/slate.h"),
                _replace("drivers/net/slate/slate.c", "<net/slate.h>", '"slate.h"')(tree),
                _replace("drivers/net/slatexl/slatexl.c", "<net/slate.h>", '"../slate/slate.h"')(
                    tree
                ),
            ],
            True,
            (),
            id="beside the table",
        ),
    ],
)
def test_a_struct_of_function_pointers_ties_parts(
    edit: Callable[[Path], object], together: bool, shared: tuple[str, ...], tmp_path: Path
) -> None:
    tree = lay_fixture("module-without-table", tmp_path)
    before = plan(Folder(tree))
    edit(tree)
    found = plan(Folder(tree))
    assert (TIED in [part.folders for part in found.parts], found.shared) == (together, shared)
    under = plan(Folder(tree), [TIED[1]])
    assert [part for part in under.parts if TIED[1] in part.folders] == [
        part for part in found.parts if TIED[1] in part.folders
    ]
    assert plan(Folder(tree), [TIED[0]]).parts[0].folders == TIED[:1]
    assert before.shared == (SLATE,)
    sites = gathered(Folder(tree), Session(Cache(None))).store.query(
        "SELECT DISTINCT driver FROM datapath_read WHERE path LIKE '%slatexl.c'"
    )[1]
    assert [tuple(row) for row in sites] == ([("slate",)] if together else [])


EDITED = {
    "a driver": ("drivers/net/sunrise/sunrise_tx.c", ["drivers/net/sunrise"]),
    "another": ("drivers/net/moonset/moonset_rx.c", ["drivers/net/moonset"]),
    "its header": ("drivers/net/moonset/moonset.h", ["drivers/net/moonset"]),
    "its Makefile": ("drivers/net/sunrise/Makefile", ["drivers/net/sunrise"]),
    "nobody's": ("drivers/net/other/other.c", []),
    "text beside": ("Documentation/xso.txt", []),
}


@pytest.mark.parametrize(("path", "again"), EDITED.values(), ids=EDITED)
def test_only_what_an_edit_touches_is_analysed_again(
    path: str, again: list[str], tmp_path: Path, analysed: list[str]
) -> None:
    tree, file = lay_fixture("demo", tmp_path / "linux"), tmp_path / "facts.sqlite"
    known(tree, file)
    analysed.clear()
    full = tree / path
    full.parent.mkdir(parents=True, exist_ok=True)
    with open(full, "a") as written:
        written.write("\n\n# if 0\n# endif\n" if path.endswith("Makefile") else "\n\n\n")
    known(tree, file)
    assert analysed == again


def test_trees_by_turns_are_all_remembered(tmp_path: Path, analysed: list[str]) -> None:
    file = tmp_path / "facts.sqlite"
    both = [lay_fixture(name, tmp_path / name) for name in ("demo", "mainline-before")]
    before = [known(tree, file) for tree in both]
    analysed.clear()
    assert [known(tree, file) for tree in both] == before
    assert analysed == []


def test_a_copy_of_a_tree_is_known_too(tmp_path: Path, analysed: list[str]) -> None:
    file = tmp_path / "facts.sqlite"
    before = known(lay_fixture("demo", tmp_path / "one"), file)
    analysed.clear()
    assert known(lay_fixture("demo", tmp_path / "two"), file) == before
    assert analysed == []


def test_documents_of_a_strange_shape_are_none(tmp_path: Path) -> None:
    tree, file = lay_fixture("demo", tmp_path / "linux"), tmp_path / "facts.sqlite"
    before = known(tree, file)

    documents: list[object] = [None, [], 7, "x", [1, 2, 3], {"site": [[1]]}, {"no": [[]]}, {"a": 1}]
    for document in documents:
        with closing(sqlite3.connect(file)) as database, database:
            for number, *told in database.execute(
                "SELECT id, version, key, seen FROM entry"
            ).fetchall():
                packed = cache._packed(document)
                row = (packed, cache._digest(*told, packed), number)
                database.execute("UPDATE entry SET document = ?, digest = ? WHERE id = ?", row)
        assert known(tree, file) == before


# Any edit: what was remembered must not show.
SUNRISE = "drivers/net/sunrise"
MOONSET = "drivers/net/moonset"


def _write(path: str, text: str) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        full = tree / path
        if full.is_symlink() or full.exists():
            full.unlink()
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)

    return edit


def _remove(path: str) -> Callable[[Path], None]:
    return lambda tree: (tree / path).unlink(missing_ok=True)


def _replace(path: str, old: str, new: str) -> Callable[[Path], None]:
    """Exchange two texts wherever either stands: twice is once."""

    def edit(tree: Path) -> None:
        full = tree / path
        if full.is_file():
            text = full.read_text()
            full.write_text(text.replace(old, new) if old in text else text.replace(new, old))

    return edit


def _link(path: str, target: str) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        full = tree / path
        full.unlink(missing_ok=True)
        full.parent.mkdir(parents=True, exist_ok=True)
        full.symlink_to(target)

    return edit


def _swap(one: str, other: str) -> Callable[[Path], None]:
    def edit(tree: Path) -> None:
        if (tree / one).exists() and (tree / other).exists():
            (tree / one).rename(tree / "swapped")
            (tree / other).rename(tree / one)
            (tree / "swapped").rename(tree / other)

    return edit


NEW = """\
#include <net/xfrm.h>
unsigned long new_handle(struct xfrm_state *x)
{
	return x->xso.offload_handle;
}
static const struct xfrmdev_ops new_xfrmdev_ops = { .xdo_dev_state_add = new_add };
"""
EDITS = [
    _replace(f"{SUNRISE}/sunrise_ipsec.c", "xso.offload_handle", "xso.upper_priv"),
    _replace(f"{SUNRISE}/sunrise_tx.c", "sunrise_sa_of", "sunrise_sa_off"),
    _replace(f"{SUNRISE}/sunrise_main.c", "ndo_start_xmit", "ndo_stop"),
    _replace(f"{SUNRISE}/sunrise_main.c", "XFRMDEV_OPS_F_LOWER_HANDLE", "0"),
    _replace(f"{SUNRISE}/sunrise.h", "#include", "# include"),
    _write(f"{SUNRISE}/sunrise.h", "#define xso gone\n"),
    _replace(f"{SUNRISE}/Makefile", "sunrise_tx.o", "sunrise_xx.o"),
    _replace(f"{SUNRISE}/Makefile", "obj-", "subdir-ccflags-y += -I$(src)/inc\nobj-"),
    # These stand before the real ones where -I says so.
    _write(f"{SUNRISE}/inc/net/xfrm.h", "struct xfrm_state { int xso; };\n"),
    _write(f"{SUNRISE}/net/xfrm.h", "struct xfrm_state { int xso; };\n"),
    _remove(f"{SUNRISE}/inc/net/xfrm.h"),
    _remove(f"{SUNRISE}/sunrise_tx.c"),
    _remove(f"{SUNRISE}/Makefile"),
    _swap(f"{SUNRISE}/sunrise_tx.c", f"{SUNRISE}/sunrise_rx.c"),
    _swap(SUNRISE, MOONSET),
    _replace(f"{MOONSET}/moonset_tx.c", "xfrm_dev_state_lower_handle", "moonset_handle"),
    _link(f"{MOONSET}/moonset_rx.c", f"../../../{SUNRISE}/sunrise_rx.c"),
    _link(f"{MOONSET}/moonset.h", "../sunrise/sunrise.h"),
    _link(f"{MOONSET}/moonset.h", "/etc/passwd"),
    _link(f"{MOONSET}/moonset.h", "moonset.h"),
    _replace("include/net/xfrm.h", "xfrm_dev_state_lower_handle", "xfrm_dev_state_handle"),
    _replace("include/net/xfrm.h", "xfrm_dev_offload", "xfrm_state_offload"),
    _replace("include/linux/netdevice.h", "xfrmdev_ops;", "other_ops;"),
    _replace("include/linux/skbuff.h", "struct sk_buff {", "struct sk_buff { int xso;"),
    _write("include/net/wraps.h", "#define get(x, d) (xfrm_dev_state_lower_handle(x, d))\n"),
    _replace(f"{MOONSET}/moonset.h", "#include <net/xfrm.h>", "#include <net/wraps.h>"),
    _replace("Makefile", "VERSION = 7", "VERSION = 8"),
    _write("drivers/net/new/new.c", NEW),
    _write(
        "drivers/net/new/Makefile",
        f"obj-m += new.o\nnew-y := new.o ../../../{SUNRISE}/sunrise_tx.o\n",
    ),
    _write("net/new.c", "int xso;\n"),
    _remove("net/xfrm/xfrm_state.c"),
    _remove("drivers/net/new/new.c"),
    _write("include/linux/new.h", "int upper_priv;\n"),
]


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_fixture("demo", tmp_path_factory.mktemp("demo"))


_number = itertools.count()


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.sampled_from(EDITS), min_size=1, max_size=4))
def test_after_any_edit_a_used_cache_gives_what_an_empty_one_gives(
    steps: list[Callable[[Path], None]], laid: Path, tmp_path: Path
) -> None:
    tree = tmp_path / f"linux{next(_number)}"
    shutil.copytree(laid, tree, symlinks=True)
    file = tmp_path / "facts.sqlite"
    with pytest.MonkeyPatch.context() as patched:
        # Stamps are trusted soon, as they are in a tree that nobody touched for a while.
        patched.setattr("xfrmlint.tree.marks._TICK", 20_000_000)
        time.sleep(0.03)
        known(tree, file)
        for step in steps:
            step(tree)
            time.sleep(0.03)
            assert known(tree, file) == known(tree, None)
    shutil.rmtree(tree)


@pytest.mark.parametrize("number", range(len(EDITS)))
def test_after_each_edit_and_back(number: int, laid: Path, tmp_path: Path) -> None:
    tree, file = tmp_path / "linux", tmp_path / "facts.sqlite"
    shutil.copytree(laid, tree, symlinks=True)
    before = known(tree, file)
    EDITS[number](tree)
    assert known(tree, file) == known(tree, None)
    shutil.rmtree(tree)
    shutil.copytree(laid, tree, symlinks=True)
    assert known(tree, file) == before


CALLS = (
    "int nook_offload_tx(void *, void *);\nint any(void)\n{\n\treturn nook_offload_tx(0, 0);\n}\n"
)
DEFINES = "int nook_offload_tx(void *dev, void *skb)\n{\n\treturn 0;\n}\n"


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("lost-makefiles", _write("drivers/net/nook/new/new.c", CALLS)),
        ("lost-makefiles", _write("drivers/net/nook/new/new.c", DEFINES)),
        ("lost-makefiles", _write("drivers/net/nook/new/new.c", "int other;\n")),
        ("lost-makefiles", _write("drivers/net/nook/Makefile", "obj-m += nook_main.o\n")),
        ("lost-makefiles", _write("drivers/net/nook/lib/Kbuild", "obj-m += ring.o\n")),
        ("lost-makefiles", _remove("drivers/net/nook/lib/ring.c")),
        ("evaluated-makefiles", _write("drivers/net/reed/core/any.c", CALLS)),
        ("evaluated-makefiles", _remove("drivers/net/reed/core/reed_main.c")),
        ("evaluated-makefiles", _remove("drivers/net/reed/common.mk")),
        ("evaluated-makefiles", _replace("drivers/net/reed/Makefile", "core xfrm", "xfrm")),
    ],
)
def test_what_makefiles_and_names_tell_is_asked_again(
    name: str, edit: Callable[[Path], None], tmp_path: Path
) -> None:
    tree, file = lay_fixture(name, tmp_path / "linux"), tmp_path / "facts.sqlite"
    known(tree, file)
    edit(tree)
    assert known(tree, file) == known(tree, None)


def test_a_file_that_becomes_unreadable_for_another_reason(laid: Path, tmp_path: Path) -> None:
    tree, file = tmp_path / "linux", tmp_path / "facts.sqlite"
    shutil.copytree(laid, tree)
    source = tree / SUNRISE / "sunrise_rx.c"
    source.unlink()
    known(tree, file)
    # Sparse: it takes no place.
    os.close(os.open(source, os.O_CREAT | os.O_WRONLY))
    os.truncate(source, 65 << 20)
    large = known(tree, file)
    assert large == known(tree, None)
    assert any("larger than" in str(row) for row in large["unknown"])
    source.unlink()
    os.mkfifo(source)
    assert known(tree, file) == known(tree, None)


def test_an_edit_between_two_runs_of_one_session(laid: Path, tmp_path: Path) -> None:
    tree = tmp_path / "linux"
    shutil.copytree(laid, tree)
    session = Session(Cache(None))
    gathered(Folder(tree), session)
    EDITS[0](tree)
    assert facts(gathered(Folder(tree), session).store) == known(tree, None)


def test_what_a_part_was_made_of_is_given_back(laid: Path) -> None:
    def readers() -> int:
        return sum(isinstance(one, Reader) for one in gc.get_objects())

    gc.collect()
    before = readers()
    gc.disable()
    try:
        gathered(Folder(laid), Session(Cache(None)))
        assert readers() == before
    finally:
        gc.enable()


def test_what_is_kept_of_a_tree_is_small(laid: Path, tmp_path: Path) -> None:
    file = tmp_path / "facts.sqlite"
    known(laid, file)
    assert state(file).entries == 6
    with closing(sqlite3.connect(file)) as database:
        (held,) = database.execute("SELECT sum(length(document)) FROM entry").fetchone()
    assert held < 1 << 20


def test_a_header_of_two_drivers_is_told_for_the_one_whose_packets_reach_it(
    tmp_path: Path,
) -> None:
    folder = lay_fixture("demo", tmp_path / "linux")
    sunrise = folder / "drivers/net/sunrise"
    (folder / "drivers/net/moonset/v.h").write_text(
        "static inline unsigned long vsa(struct xfrm_state *x)\n{\n"
        "\treturn x->xso.offload_handle;\n}\n"
    )
    for file in sunrise.glob("*.c"):
        text = file.read_text("utf-8").replace(
            "x->xso.offload_handle; /* expect: DIR", "vsa(x); /* DIR"
        )
        file.write_text('#include "../moonset/v.h"\n' + text, "utf-8")
    _, rows = gathered(Folder(folder), Session(Cache(None))).store.query(
        "SELECT context, driver FROM site WHERE path = 'drivers/net/moonset/v.h'"
    )
    assert [tuple(row) for row in rows] == [("datapath", "sunrise")]
