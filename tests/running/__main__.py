"""Build kernels, run them, and hold what their NICs are given against what `xfrmlint judge` says.

    python3 -m tests.running [--revision N]... [--driver NAME]... [--scenario NAME]... [--no-build]
                             [--write]

Prints a table of drivers and topologies for each revision: what was seen, and the judge's word
where it is another. --write puts them into docs/running-kernel.md, and what was seen into
tests/running/seen1.tsv and seen2.tsv. Exit status: 0 if all that differs has a reason, 1 if
something does not, 2 if no kernel can be had here; it is said why.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.real.kernels import Unavailable, kernel
from tests.running import boot, compare, page
from tests.running.console import Seen
from tests.running.kernel import alone, build, built, source
from tests.running.needed import Missing
from tests.running.revisions import REVISIONS, SERIES, Revision

_DRIVERS = sorted({name for one in REVISIONS for name in one.names})
_SCENARIOS = sorted({name for one in REVISIONS for name in one.scenarios})
_NUMBERS = [one.number for one in REVISIONS]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, run, compare; return the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.running")
    parser.add_argument("--revision", action="append", type=int, choices=_NUMBERS, metavar="N")
    parser.add_argument("--driver", action="append", choices=_DRIVERS, metavar="NAME")
    parser.add_argument("--scenario", action="append", choices=_SCENARIOS, metavar="NAME")
    parser.add_argument("--no-build", action="store_true", help="run what has been built")
    parser.add_argument(
        "--if-built", action="store_true", help="leave out what has not been built yet"
    )
    parser.add_argument("--write", action="store_true", help="write docs/running-kernel.md")
    options = parser.parse_args(arguments)
    if options.write and (options.driver or options.scenario or options.revision):
        parser.error("--write takes a whole run")
    chosen = [one for one in REVISIONS if one.number in (options.revision or _NUMBERS)]
    tables: dict[int, list[compare.Row]] = {}
    with ThreadPoolExecutor(len(chosen)) as pool:
        runs = [(one, pool.submit(run, one, options)) for one in chosen]
    for revision, ran in runs:
        try:
            tables[revision.number] = rows = report(revision, *ran.result())
        except (Missing, Unavailable) as error:
            print(f"no running kernel: {error.reason}", file=sys.stderr)
            if not options.if_built:
                return 2
    if options.write:
        for revision in REVISIONS:
            rows = tables[revision.number]
            compare.remember(revision, {(row.driver, row.topology): row.seen for row in rows})
        page.PAGE.write_text(page.render(tables), "utf-8")
    differing = [row for rows in tables.values() for row in compare.differing(rows)]
    return 0 if all(row.why for row in differing) else 1


def run(revision: Revision, options: argparse.Namespace) -> tuple[list[Seen], compare.Words]:
    """Build a kernel, play in it, and return what was seen, and what the judge says."""
    if options.if_built or options.no_build:
        built(revision)
    played = revision.plays(options.driver or _DRIVERS, options.scenario or _SCENARIOS)
    with alone(revision), ThreadPoolExecutor(1) as pool:
        if not options.no_build:
            took = build(revision, kernel(SERIES))
            print(f"revision {revision.number}: built in {took:.0f} s", file=sys.stderr)
        begin = time.monotonic()
        words = pool.submit(compare.judged, source(revision))
        seen = boot.see(revision, played)
        took = time.monotonic() - begin
        told = f"revision {revision.number}: {len(seen)} scenarios in {took:.0f} s"
        print(told, file=sys.stderr)
        return seen, words.result()


def report(revision: Revision, seen: Sequence[Seen], words: compare.Words) -> list[compare.Row]:
    """Print what was seen and said, and return it."""
    rows = compare.compare(revision, compare.outcomes_of(revision, seen), words)
    print(f"{revision.title}\n\n{page.table(rows)}")
    for one in seen:
        if one.outcome() is None:
            print(f"{one.play.driver} {one.play.scenario}: not seen: {one.error or 'no packet'}")
    for row in compare.differing(rows):
        if not row.why:
            print(f"{row.driver}, {row.topology}: seen {row.seen}, judged {row.judged}")
    print(f"{compare.summary(rows)}\n")
    return rows


if __name__ == "__main__":
    sys.exit(main())
