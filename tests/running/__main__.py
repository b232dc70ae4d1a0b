"""Build a kernel, run it, and hold what its NICs are given against what `xfrmlint judge` says.

    python3 -m tests.running [--driver NAME]... [--scenario NAME]... [--no-build] [--write]

Prints a table of drivers and topologies: what was seen, and the judge's word where it is another.
--write puts it into docs/running-kernel.md, and what was seen into tests/running/seen.tsv. Exit
status: 0 if all that differs has a reason, 1 if something does not, 2 if no kernel can be had here;
it is said why.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from tests.real.kernels import Unavailable, kernel
from tests.running import boot, compare, page
from tests.running.kernel import SERIES, alone, build, built, source
from tests.running.needed import Missing
from tests.running.scenarios import NETDEVSIM, SCENARIOS, Play, plays
from tests.running.variants import VARIANTS

_DRIVERS = [*(variant.name for variant in VARIANTS), NETDEVSIM]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, run, compare; return the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.running")
    parser.add_argument("--driver", action="append", choices=_DRIVERS, metavar="NAME")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), metavar="NAME")
    parser.add_argument("--no-build", action="store_true", help="run what has been built")
    parser.add_argument(
        "--if-built", action="store_true", help="do nothing where none has been built yet"
    )
    parser.add_argument("--write", action="store_true", help="write docs/running-kernel.md")
    options = parser.parse_args(arguments)
    if options.write and (options.driver or options.scenario):
        parser.error("--write takes a whole run")
    played = plays(options.driver or _DRIVERS, options.scenario or tuple(SCENARIOS))
    try:
        if options.if_built or options.no_build:
            built()
        with alone():
            rows = see(played, build_first=not options.no_build)
    except (Missing, Unavailable) as error:
        print(f"no running kernel: {error.reason}", file=sys.stderr)
        return 0 if options.if_built else 2
    wrong = [row for row in compare.differing(rows) if not row.why]
    if options.write:
        compare.remember({(row.driver, row.topology): row.seen for row in rows})
        page.PAGE.write_text(page.render(rows), "utf-8")
    return 1 if wrong else 0


def see(played: Sequence[Play], build_first: bool) -> list[compare.Row]:
    """Play scenarios, print what was seen and said, and return it."""
    if build_first:
        took = build(kernel(SERIES))
        print(f"built in {took:.0f} s", file=sys.stderr)
    begin = time.monotonic()
    seen = boot.see(played)
    print(f"{len(seen)} scenarios in {time.monotonic() - begin:.0f} s", file=sys.stderr)
    rows = compare.compare(compare.outcomes_of(seen), compare.judged(source()))
    print(page.table(rows))
    for one in seen:
        if one.outcome() is None:
            print(f"{one.play.driver} {one.play.scenario}: not seen: {one.error or 'no packet'}")
    for row in compare.differing(rows):
        if not row.why:
            print(f"{row.driver}, {row.topology}: seen {row.seen}, judged {row.judged}")
    print(compare.summary(rows))
    return rows


if __name__ == "__main__":
    sys.exit(main())
