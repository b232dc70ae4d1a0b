"""Run inputs made by dice: python -m tests.fuzz [--minutes N] [--count N] [--kind K] [--seed S].

It ends after so many minutes, or after so many seeds of each kind; after a minute if neither is
given. Every failure is printed with the command that repeats it; the status is 1 if there is one.
"""

import argparse
import itertools
import math
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.fuzz.kinds import KINDS, run


def main() -> int:
    """Run the kinds by turns till the time is over, or each of `--count` seeds is done."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, help="so long, and no longer")
    parser.add_argument("--count", type=int, help="so many seeds of each kind, and no more")
    parser.add_argument("--kind", choices=sorted(KINDS), action="append")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    given = parser.parse_args()
    minutes = given.minutes or (math.inf if given.count else 1.0)
    end = time.monotonic() + 60 * minutes
    done: Counter[str] = Counter()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="xfrmlint-fuzz-") as folder:
        for seed in itertools.count(given.seed):
            for kind in given.kind or sorted(KINDS):
                if time.monotonic() > end or done[kind] == given.count:
                    said = ", ".join(f"{count} {name}" for name, count in sorted(done.items()))
                    print(f"{said or 'nothing'}: {failed} failed")
                    return 1 if failed else 0
                try:
                    run(kind, seed, Path(folder) / "input")
                except Exception:
                    failed += 1
                    print(f"python -m tests.fuzz --kind {kind} --seed {seed} --count 1")
                    traceback.print_exc(limit=-4)
                    sys.stdout.flush()
                done[kind] += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
