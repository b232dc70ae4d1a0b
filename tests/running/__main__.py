"""Build a kernel, run it, and hold what its NICs are given against what `xfrmlint judge` says.

    python3 -m tests.running [--driver NAME]... [--scenario NAME]... [--no-build] [--write]

Prints a table of drivers and topologies: what was seen, and the judge's word where it is another.
--write puts it into docs/running-kernel.md. Exit status: 0 if all that differs has a reason, 1 if
something does not, 2 if no kernel can be had here; it is said why.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from tests.real.kernels import Unavailable, kernel
from tests.running import boot, compare, page
from tests.running.kernel import SERIES, build, folder, source
from tests.running.needed import Missing
from tests.running.scenarios import NETDEVSIM, SCENARIOS, SIMULATED, plays
from tests.running.variants import VARIANTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, run, compare; return the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.running")
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--driver", action="append", choices=[*names, NETDEVSIM], metavar="NAME")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), metavar="NAME")
    parser.add_argument("--no-build", action="store_true", help="run what has been built")
    parser.add_argument("--write", action="store_true", help="write docs/running-kernel.md")
    options = parser.parse_args(arguments)
    try:
        if not options.no_build:
            took = build(kernel(SERIES), folder() / "build.log")
            print(f"built in {took:.0f} s", file=sys.stderr)
        begin = time.monotonic()
        scenarios = options.scenario or tuple(SCENARIOS)
        played = plays(options.driver or names, scenarios)
        if not options.driver or NETDEVSIM in options.driver:
            played = [one for one in played if one.driver != NETDEVSIM]
            played += plays([NETDEVSIM], [one for one in scenarios if one in SIMULATED])
        seen = boot.see(played)
    except (Missing, Unavailable) as error:
        print(f"no running kernel: {error.reason}", file=sys.stderr)
        return 2
    print(f"{len(seen)} scenarios in {time.monotonic() - begin:.0f} s", file=sys.stderr)
    rows = compare.compare(seen, compare.judged(source()))
    print(page.table(rows))
    for one in seen:
        if one.outcome() is None:
            print(f"{one.play.driver} {one.play.scenario}: not seen: {one.error or 'no packet'}")
    wrong = [row for row in compare.differing(rows) if not row.why]
    for row in wrong:
        print(f"{row.driver}, {row.topology}: seen {row.seen}, judged {row.judged}")
    print(compare.summary(rows))
    if options.write:
        page.PAGE.write_text(page.render(rows), "utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
