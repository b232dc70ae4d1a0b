"""What the measurements rest on: turns, ratios, tables, rules and made trees; never a time."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bench import edited, peer, table
from bench.grown import forms, grow
from bench.memory import Peak
from bench.peer import PEERS, RULES, Peer
from bench.sites import Score, Sites, score
from bench.timing import Command, Timing, measured
from tests.laid import expected
from xfrmlint.check import check_tree
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree.folder import Folder

pytestmark = pytest.mark.slow

PEER_NAMES = [one.name for one in PEERS]


def run(commands: list[Command], runs: int, patience: float = 60) -> list[Timing]:
    return measured(commands, runs, dict(os.environ), patience, lambda _: None)


def python(name: str, code: str, folder: Path) -> Command:
    return Command(name, (sys.executable, "-c", code), folder)


def marking(name: str, folder: Path) -> Command:
    return python(name, f"open('order', 'a').write('{name}')", folder)


def test_commands_take_turns_after_one_run_of_each(tmp_path: Path) -> None:
    rows = run([marking("A", tmp_path), marking("B", tmp_path)], 2)
    assert (tmp_path / "order").read_text() == "ABABAB"
    assert [len(row.seconds) for row in rows] == [2, 2]


def test_what_is_slow_is_run_once(tmp_path: Path) -> None:
    rows = run([marking("A", tmp_path), marking("B", tmp_path)], 3, patience=0)
    assert (tmp_path / "order").read_text() == "AB"
    assert [len(row.seconds) for row in rows] == [1, 1]


def test_a_command_is_made_ready_before_each_run(tmp_path: Path) -> None:
    turns: list[int] = []
    run([marking("A", tmp_path)._replace(before=turns.append)], 2)
    assert turns == [0, 1, 2]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (Command("x", missing="x is not installed"), "x is not installed"),
        (Command("x", ("/nonexistent/x",)), "can't be started: No such file or directory"),
        (Command("x", ("sh", "-c", "echo No option >&2; exit 2")), "exit status 2: No option"),
    ],
)
def test_what_can_not_be_run_is_a_row_that_says_why(command: Command, problem: str) -> None:
    (row,) = run([command], 2)
    assert (row.problem, row.seconds, row.peak) == (problem, (), None)


def test_a_status_can_be_a_good_one(tmp_path: Path) -> None:
    (row,) = run([Command("x", ("sh", "-c", "echo out; exit 1"), good=frozenset({0, 1}))], 1)
    assert (row.problem, row.output) == ("", "out\n")


def test_memory_of_a_process_and_of_what_it_starts(tmp_path: Path) -> None:
    child = "import time; held = bytearray(80_000_000); time.sleep(2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    (row,) = run([python("x", parent, tmp_path)], 0)
    assert row.peak is not None
    assert row.peak.itself < 80 < row.peak.others < 160


ROWS = [
    Timing("floor", (1.0, 2.0, 4.0), Peak(2, 0)),
    # Twice the floor in each round, however the machine drifts.
    Timing("check", (2.0, 4.0, 8.0), Peak(40.4, 6.6)),
    Timing("once", (300.0,), Peak(10, 10)),
    Timing("absent", problem="absent is not installed"),
]


def test_a_table_as_text() -> None:
    assert list(table.text(table.timings("Title", ROWS, [("x floor", "floor")]))) == [
        "Title",
        "        min s  median s  max s  x floor  MB  MB below  runs",
        "floor    1.00      2.00   4.00     1.00   2         -     3",
        "check    2.00      4.00   8.00     2.00  40         7     3",
        "once      300       300    300      300  10        10     1",
        "absent      -         -      -        -   -         -     0",
        "absent: not available: absent is not installed",
    ]


def test_a_table_as_markdown() -> None:
    made = table.timings("Title", ROWS[-1:], [])
    assert list(table.markdown(made)) == [
        "**Title**",
        "",
        "|  | min s | median s | max s | MB | MB below | runs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| absent | - | - | - | - | - | 0 |",
        "",
        "absent: not available: absent is not installed",
    ]


def test_a_floor_that_is_absent_gives_no_ratio() -> None:
    made = table.timings("Title", ROWS, [("x absent", "absent")])
    assert [row[4] for row in made.rows] == ["-", "-", "-", "-"]


def test_growth_is_shown_by_driver_and_for_each_more() -> None:
    rows = [Timing("2", (1.0,)), Timing("4", (1.5,)), Timing("8", problem="why")]
    assert list(table.growth((2, 4, 8), rows).rows) == [
        ["2", "1.00", "500.00", "-", "1.00", "-", "1"],
        ["4", "1.50", "375.00", "250.00", "1.50", "-", "1"],
        ["8", "-", "-", "-", "-", "-", "-"],
    ]


def test_a_score_counts_drivers_and_leaves_the_core_aside() -> None:
    a, b, c, core = (("drivers/a.c", 1), ("drivers/a.c", 2), ("drivers/b.c", 1), ("net/c.c", 1))
    wanted = Sites(frozenset({a, b}), frozenset({a}))
    found = Sites(frozenset({a, c, core}), frozenset({a, c}))
    told = Score(found=1, missed=1, wrong=1, core=1, told=1, mistold=1)
    assert score(found, wanted) == told
    assert list(table.scores("Title", [("x", told), ("y", None)], told, []).rows) == [
        ["x", "1", "1", "1", "1", "1", "1"],
        ["y", "-", "-", "-", "-", "-", "-"],
    ]


@pytest.mark.parametrize("one", PEERS, ids=PEER_NAMES)
def test_a_rule_asks_for_the_field_and_for_a_packet(one: Peer) -> None:
    text = (RULES / one.rule).read_text("utf-8")
    for word in ("offload_handle", "struct xfrm_dev_offload", "struct sk_buff", "site", "datapath"):
        assert word in text


def test_every_rule_belongs_to_a_peer() -> None:
    assert {path.name for path in RULES.iterdir()} == {one.rule for one in PEERS}


@pytest.mark.parametrize("one", PEERS, ids=PEER_NAMES)
def test_a_peer_that_is_not_installed_says_so(one: Peer, tmp_path: Path) -> None:
    assert peer.command(one, tmp_path, str(tmp_path)).missing == f"{one.program} is not installed"


@pytest.mark.parametrize("one", PEERS, ids=PEER_NAMES)
def test_what_a_peer_prints_is_read(one: Peer) -> None:
    printed = {
        "spatch": "note\nsite\t./drivers/a.c\t7\ndatapath\tdrivers/a.c\t7\nsite\tdrivers/a.c\t9\n",
        "semgrep": '{"results": [{"check_id": "x.site", "path": "drivers/a.c", "end": {"line": 7}},'
        ' {"check_id": "x.datapath", "path": "./drivers/a.c", "end": {"line": 7}},'
        ' {"check_id": "site", "path": "drivers/a.c", "end": {"line": 9}}]}',
        "ast-grep": '{"ruleId": "site", "file": "drivers/a.c", "range": {"end": {"line": 6}}}\n'
        '{"ruleId": "datapath", "file": "drivers/a.c", "range": {"end": {"line": 6}}}\n'
        '{"ruleId": "site", "file": "drivers/a.c", "range": {"end": {"line": 8}}}\n',
    }
    both, first = {("drivers/a.c", 7), ("drivers/a.c", 9)}, {("drivers/a.c", 7)}
    assert one.read(printed[one.program]) == Sites(frozenset(both), frozenset(first))


@pytest.mark.parametrize("one", PEERS, ids=PEER_NAMES)
def test_a_peer_is_given_its_rule_and_narrowed_the_files_with_the_word(
    one: Peer, tmp_path: Path
) -> None:
    (tmp_path / "a b.c").write_text("x->xso.offload_handle;\n")
    (tmp_path / "c.c").write_text("x->xso.offload_handles;\n")
    program = tmp_path / "bin" / one.program
    program.parent.mkdir()
    listed = "cat; " if one.program == "spatch" and one.narrowed else ""
    program.write_text(f'#!/bin/sh\n{listed}for word; do echo "$word"; done\n')
    program.chmod(0o755)
    (row,) = run([peer.command(one, tmp_path, str(program.parent))], 0)
    assert row.problem == ""
    assert str(RULES / one.rule) in row.output.splitlines()
    assert ("./a b.c" in row.output.splitlines()) == bool(one.narrowed)
    assert "c.c" not in row.output.splitlines()


def found(tree: Path) -> Counter[tuple[str, str]]:
    report = check_tree(Folder(tree), load_rules([rules_folder()]))
    assert report.unknown == ()
    return Counter((finding.level, finding.type) for finding in report.findings)


def test_findings_grow_with_the_drivers_of_a_made_kernel(tmp_path: Path) -> None:
    few, many = found(grow(tmp_path / "few", 2)), found(grow(tmp_path / "many", 6))
    assert few
    assert many == Counter({key: 3 * count for key, count in few.items()})


@pytest.mark.parametrize("drivers", [-2, 0, 3])
def test_drivers_are_made_in_pairs(drivers: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pairs"):
        grow(tmp_path / "kernel", drivers)
    assert not (tmp_path / "kernel").exists()


def test_the_kernel_of_forms_has_every_expected_finding(tmp_path: Path) -> None:
    tree = forms(tmp_path / "forms")
    report = check_tree(Folder(tree), load_rules([rules_folder()]))
    wanted = {place for place in expected(tree) if place[0].startswith("drivers/")}
    places = {
        (one.path, one.line)
        for one in report.findings
        # Whether an owner that undoes an add has to free, too, is up to the lowers beside it.
        if one.type != "UPPER_ADD_NOT_ROLLED_BACK" or (one.path, one.line) in wanted
        if one.path.startswith("drivers/")
    }
    assert places == wanted


def test_a_changed_file_is_another_one_each_time_and_only_in_the_copy(tmp_path: Path) -> None:
    tree = grow(tmp_path / "kernel", 2)
    path = "drivers/net/sunrise0/sunrise0_tx.c"
    before = (tree / path).read_bytes()
    command = edited.one_file(tree, path, tmp_path)
    assert command.before is not None
    texts = set()
    for turn in range(3):
        command.before(turn)
        texts.add((command.folder / path).read_bytes())
    assert len(texts) == 3
    assert (tree / path).read_bytes() == before
    assert tree not in (command.folder, *command.folder.parents)


def test_the_patch_applies(tmp_path: Path) -> None:
    tree = grow(tmp_path / "kernel", 2)
    command = edited.one_patch(tree, "drivers/net/sunrise0/sunrise0_tx.c", tmp_path)
    patch = command.argv[command.argv.index("--patch") + 1]
    subprocess.run(["git", "apply", "--check", patch], cwd=tree, check=True)


def test_what_is_staged_for_the_hook_is_no_driver(tmp_path: Path) -> None:
    diff, hook = edited.nothing_to_do(tmp_path, dict(os.environ))
    assert diff.folder == hook.folder
    (row,) = run([diff], 0)
    assert (row.problem, row.output) == ("", "MAINTAINERS\n")
