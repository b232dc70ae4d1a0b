"""The tables, in the order in which they are printed."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import converted, edited, floor, grown, own, peer, table
from bench.plan import Plan
from bench.sites import Score, Sites, marked_missing, read_by_hand, score, sites_of
from bench.table import Table
from bench.timing import Command, Timing, measured

_XFRMLINT = "xfrmlint check"


def whole_tree(plan: Plan) -> Iterator[Table]:
    """A check of the whole tree, of a part and of a change, beside reading and searching it."""
    path = _smallest(plan)
    commands = floor.whole_tree(plan.tree, plan.scratch / "files")
    commands += own.whole_tree(plan.tree, plan.environment)
    if path:
        commands.append(own.one_driver(plan.tree, str(Path(path).parent)))
        commands.append(edited.one_file(plan.tree, path, plan.scratch))
        commands.append(edited.one_patch(plan.tree, path, plan.scratch))
    commands.append(converted.every_driver(plan.tree, plan.scratch))
    rows = _measured(plan, commands)
    floors = [("x ripgrep", floor.RIPGREP), ("x grep", floor.GREP)]
    yield table.timings("A kernel", rows, floors)


def small_runs(plan: Plan) -> Iterator[Table]:
    """What is run often and has little to do, beside the interpreter's own start."""
    commands = [floor.interpreter(plan.scratch), own.version(plan.scratch)]
    kernel = plan.tree if plan.git else None
    commands += edited.nothing_to_do(plan.scratch, plan.environment, kernel)
    rows = _measured(plan, commands)
    title = "Little to do" + (": a whole kernel in git" if plan.git else "")
    yield table.timings(title, rows, [("x python", floor.PYTHON)])


def peers(plan: Plan) -> Iterator[Table]:
    """What other tools take for the same question, what they find and miss."""
    rows = _peers(plan, plan.tree)
    yield table.timings("Other tools", rows, [("x xfrmlint", _XFRMLINT)])
    own_sites = sites_of(plan.tree, plan.environment)
    by_hand = read_by_hand(plan.tree)
    note = "Counted against what people read in exactly this kernel."
    if by_hand is None:
        note = "Counted against xfrmlint's own sites: nobody has read this tree."
    yield _found("What they find in the tree", rows, own_sites, by_hand or own_sites, note)

    forms = grown.forms(plan.scratch / "forms")
    rows = _peers(plan._replace(runs=0), forms)
    own_sites = sites_of(forms, plan.environment)
    every = own_sites.every | marked_missing(forms)
    note = "Counted against the comments in the fixtures, which are xfrmlint's own tests."
    wanted = Sites(every, own_sites.datapath)
    yield _found("What they find in the fixtures' forms", rows, own_sites, wanted, note)


def growth(plan: Plan) -> Iterator[Table]:
    """How time grows with the number of drivers."""
    commands = []
    for size in plan.sizes:
        tree = grown.grow(plan.scratch / f"grown{size}", size)
        commands.append(own.whole_tree(tree, plan.environment)[0]._replace(name=str(size)))
    yield table.growth(plan.sizes, _measured(plan, commands))


SECTIONS: tuple[Callable[[Plan], Iterator[Table]], ...] = (whole_tree, small_runs, peers, growth)


def _measured(plan: Plan, commands: list[Command]) -> list[Timing]:
    return measured(commands, plan.runs, plan.environment, plan.patience, plan.progress)


def _peers(plan: Plan, tree: Path) -> list[Timing]:
    first = own.whole_tree(tree, plan.environment)[0]._replace(name=_XFRMLINT)
    others = [peer.command(one, tree, plan.folders) for one in peer.PEERS]
    return _measured(plan, [first, *others])


def _found(title: str, rows: list[Timing], own_sites: Sites, wanted: Sites, note: str) -> Table:
    scores: list[tuple[str, Score | None]] = [(_XFRMLINT, score(own_sites, wanted))]
    readers = {one.name: one.read for one in peer.PEERS}
    notes = [note]
    for row in rows:
        if row.name not in readers:
            continue
        got = None
        if not row.problem:
            try:
                got = score(readers[row.name](row.output), wanted)
            except (ValueError, KeyError):
                notes.append(f"{row.name}: not available: what it printed can't be read")
        scores.append((row.name, got))
    return table.scores(title, scores, score(wanted, wanted), notes)


def _smallest(plan: Plan) -> str:
    """Return the smallest C file in which a driver accesses the handle; empty if none does."""
    try:
        found = sites_of(plan.tree, plan.environment).every
    except subprocess.CalledProcessError:
        return ""
    paths = {path for path, _ in found if path.startswith("drivers/") and path.endswith(".c")}
    return min(paths, key=lambda path: ((plan.tree / path).stat().st_size, path), default="")
