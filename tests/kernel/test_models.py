"""A vendor's own table of what functions do: its faults are said, its rows are used."""

import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.laid import EXAMPLE, lay_example
from tests.ran import run
from xfrmlint.analysis import analyse
from xfrmlint.concrete.builtins import _CONSTANT, _IN_WORLDS
from xfrmlint.errors import InputError
from xfrmlint.kernel.functions import (
    _SCHEMAS,
    Models,
    Operand,
    Store,
    read_models,
    use_models,
)
from xfrmlint.kernel.tables import Names
from xfrmlint.memory import gather
from xfrmlint.memory.cache import Cache
from xfrmlint.memory.gather import Session, gathered
from xfrmlint.tree.folder import Folder

pytestmark = pytest.mark.slow

ROW = '[[function]]\nnames = ["v"]\nsource = "v.h"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("names = ", "own.toml: ", id="no TOML"),
        pytest.param("[[functions]]\n", "functions is no table of it; there are [[f", id="table"),
        pytest.param("[function]\n", "function is no table of it", id="not [[ ]]"),
        pytest.param("function = [1]\n", "[[function]] number 1 is no table", id="no row"),
        pytest.param(f"{ROW}sleep = true\n", "sleep is not known; there are n", id="key"),
        pytest.param(f'{ROW}sleeps = "often"\n', "sleeps is 'often'; it can be always", id="word"),
        pytest.param(f"{ROW}truth = true\n", "truth is True; that is no int", id="a truth"),
        pytest.param(f'{ROW}stores = "1 -> 0"\n', "that is no list", id="no list"),
        pytest.param(f"{ROW}stores = [1]\n", "holds something that is no str", id="no string"),
        pytest.param(f"{ROW}stores = []\n", "stores is empty", id="empty"),
        pytest.param(f"{ROW}gfp = -1\n", "gfp is -1; arguments are counted from 0", id="negative"),
        pytest.param(f'{ROW}stores = ["x -> 0"]\n', "'x' is no operand", id="operand"),
        pytest.param(f'{ROW}stores = ["1 > 0"]\n', "'1 > 0' is no operand", id="arrow"),
        pytest.param(f'{ROW}keeps = ["**1 -> 0"]\n', "'**1' is no operand", id="stars"),
        pytest.param(f'{ROW}returns = "struct x"\n', "'x' is no operand", id="struct"),
        pytest.param('[[function]]\nsource = "v.h"\n', "number 1 has no names", id="no names"),
        pytest.param('[[guard]]\nnames = ["v"]\n', "[[guard]] number 1 has no source", id="source"),
        pytest.param(f"{ROW}{ROW}gfp = 1.5\n", "[[function]] number 2: gfp is 1.5", id="second"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        read_models(text, "own.toml")
    assert str(error.value).startswith("own.toml: ")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "named", "others"),
    [
        ("lock", "lock", "locks unlock Lock"),
        ("lock*", "lock locks lock_bh", "unlock loc"),
        ("*lock", "lock unlock", "locks"),
        ("a*b*c", "abc axbyc abbc", "ac ab abcd xabc"),
        ("ab*ba", "abba abxba", "aba ab"),
        ("*_x_*", "a_x_b _x_", "_x x_"),
    ],
)
def test_a_star_stands_for_the_rest_of_a_name(pattern: str, named: str, others: str) -> None:
    names = Names([{"names": ["other"]}, {"names": [pattern]}])
    assert [names.rows_of(name) for name in named.split()] == [[1]] * len(named.split())
    assert not any(names.rows_of(name) for name in others.split())


def test_rows_add_up_and_a_later_one_is_right_about_sleeping() -> None:
    first = f'{ROW}stores = ["1 -> *0"]\nsleeps = "flags"\ngfp = 2\n'
    later = f'{ROW}returns = "0"\nsleeps = "always"\n[[guard]]\nnames = ["v*"]\nsource = "v.h"\n'
    models = Models([read_models(first, "a"), read_models(later, "b")])
    does = models.function("v")
    assert does.stores == (Store(Operand(1), Operand(0, True)),)
    assert (does.returned, does.sleeps, does.gfp) == (Operand(0), "always", -1)
    assert models.function("v_noprof") == does
    assert (models.function("w").known, does.known) == (False, True)
    assert (models.guard("vv"), models.guard("w")) == ("always", "")


TABLE = """\
static const struct xfrmdev_ops example_ops = { .xdo_dev_state_lower_handle = example_answer };
void example_init(struct net_device *dev) { dev->xfrmdev_ops = &example_ops; }
"""
DRIVER = f"""\
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <net/xfrm.h>
struct example {{ struct mutex lock; void (*hook)(struct example *e); }};
#include <vendor.h>
int vendor_ask(struct example *e);
static void example_hook(struct example *e) {{ mutex_lock(&e->lock); }}
void example_open(struct example *e) {{ vendor_set(e->hook, example_hook); }}
static unsigned long example_answer(struct net_device *dev, struct xfrm_state *x,
				    struct net_device *lower)
{{
	struct example *e = netdev_priv(dev);

	e->hook(e);
	return vendor_ask(e) ? x->xso.offload_handle : 0;
}}
{TABLE}"""
SET = '[[function]]\nnames = ["vendor_set"]\nsource = "vendor.h"\nstores = ["1 -> 0"]\n'
ASK = '[[function]]\nnames = ["vendor_a*"]\nsource = "vendor.h"\nsleeps = "always"\n'
QUIET = ASK.replace("always", "never")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return lay_example(DRIVER, tmp_path / "linux")


@pytest.mark.parametrize(
    ("rows", "sleeping", "unknown"),
    [
        pytest.param(QUIET, [], ["a function pointer"], id="harmless"),
        pytest.param(ASK, [15], ["a function pointer"], id="a sleep"),
        pytest.param(SET, [7], ["vendor_ask()"], id="a store"),
        pytest.param(SET + ASK, [7, 15], [], id="both"),
        pytest.param("", [], ["a function pointer", "vendor_ask()"], id="nothing"),
    ],
)
def test_what_a_vendor_s_row_says_is_seen(
    rows: str, sleeping: list[int], unknown: list[str], tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(rows)
    asked = ("--models", tmp_path / "own.toml", tree)
    # The facts of one run are remembered, and are not those of another one's models.
    for models in (asked, asked[2:], asked):
        ran = run("query", "SELECT line FROM sleep ORDER BY line", *models, cwd=tmp_path)
        wanted = sleeping if models is asked else []
        assert (ran.out.split()[1:], ran.err) == ([*map(str, wanted)], "")
        ran = run("query", "SELECT reason FROM unknown ORDER BY 1", *models, cwd=tmp_path)
        reasons = unknown if models is asked else ["a function pointer", "vendor_ask()"]
        told = [line for line in ran.out.splitlines()[1:] if "sleep" in line]
        assert len(told) == len(reasons)
        assert all(reason in line for reason, line in zip(reasons, told, strict=True))
    ran = run(
        "check", "--terse", "--show-types", "--types", "RESOLVER_MAY_SLEEP", *asked, cwd=tmp_path
    )
    lines = [int(n) for n in re.findall(rf"^linux/{EXAMPLE}:(\d+): ERROR:", ran.out, re.M)]
    assert lines == sleeping


def test_processes_that_share_the_work_have_them(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tree / "drivers/net/example", tree / "drivers/net/other")
    (tree / "drivers/net/Makefile").write_text("obj-m += example/ other/\n")
    parent, one = os.getpid(), analyse.analysed

    def slow(*arguments: Any) -> Any:
        # The other process has the time to take one of the two.
        if os.getpid() == parent:
            time.sleep(0.5)
        return one(*arguments)

    monkeypatch.setattr(analyse, "analysed", slow)
    monkeypatch.setattr(gather, "_PAYS", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    use_models(read_models(ASK, "own.toml"))
    try:
        store = gathered(Folder(tree), Session(Cache(None))).store
    finally:
        use_models()
    _, found = store.query("SELECT path, what FROM sleep ORDER BY path")
    paths = [EXAMPLE, "drivers/net/other/example.c"]
    assert [tuple(row) for row in found] == [(path, "vendor_ask()") for path in paths]


@pytest.mark.parametrize("command", ["check", "drivers", "judge", "query"])
def test_a_bad_file_is_one_line(command: str, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(f"{ROW}sleep = true\n")
    (tmp_path / "binary.toml").write_bytes(b"# \xff\n")
    sql = ("SELECT 1",) if command == "query" else ()
    for name, said in {
        "bad.toml": "[[function]] number 1: sleep is not known; ",
        "binary.toml": "no UTF-8 at byte 2",
        "none.toml": "No such file or directory",
        ".": "Is a directory",
    }.items():
        ran = run(command, *sql, tree, "--models", name, cwd=tmp_path)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith(f"xfrmlint: {name}: {said}")
        assert ran.err.count("\n") == 1


def test_each_word_for_what_is_run_has_a_rule() -> None:
    words = _SCHEMAS["run"]["does"]
    assert isinstance(words, tuple)
    ruled = {*_CONSTANT, *_IN_WORLDS, "built in", "said", "reads once", "looks"}
    assert {word for word in words if not word.startswith("over ")} == ruled
