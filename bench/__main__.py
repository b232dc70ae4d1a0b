"""Measures xfrmlint, what it can't be faster than, and the tools that come nearest.

    python3 -m bench [--tree PATH] [--runs N] [--quick] [--format text|markdown]

It wants a checkout, and an interpreter that has xfrmlint installed; bench/README.md explains the
rows. Exit status: 0, or 2 if nothing can be measured.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import machine, own, table
from bench.grown import grow
from bench.plan import Plan, environment
from bench.sections import SECTIONS
from tests.real.kernels import Unavailable, exact_version, kernel

_SIZES = (16, 32, 64, 128)
_QUICK_SIZES = (4, 8, 16)
_KERNEL = "7.3"


def main() -> int:
    """Print the tables as they come, and return the exit status."""
    options = _options()
    # However it is ended: what it has started ends, and the copies are removed.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="xfrmlint-bench-", dir=options.scratch) as folder:
        try:
            plan = _plan(options, Path(folder))
            version = exact_version(plan.tree)
        except Unavailable as error:
            sys.stderr.write(f"{error.reason}; --tree names a kernel, --quick makes a small one\n")
            return 2
        problem = own.problem(plan.environment)
        if problem:
            sys.stderr.write(f"{sys.executable} can't run xfrmlint: {problem}\n")
            return 2
        made = f" (made of fixtures, {plan.sizes[-1]} drivers)" if _made(options) else ""
        head = [f"Linux {version}{made}, {plan.runs} runs", *machine.described()]
        _print(head, options.format)
        try:
            for one in (one for section in SECTIONS for one in section(plan)):
                plan.progress("")
                lines = table.markdown(one) if options.format == "markdown" else table.text(one)
                _print(["", *lines])
        except subprocess.CalledProcessError as error:
            said = os.fsdecode(error.stderr or b"").strip()
            sys.stderr.write(f"{' '.join(map(str, error.cmd))}: {said or error}\n")
            return 2
        except KeyboardInterrupt:
            return 130
    return 0


def _plan(options: argparse.Namespace, scratch: Path) -> Plan:
    if options.tree is not None:
        tree = options.tree.resolve()
    elif _made(options):
        tree = grow(scratch / "kernel", _QUICK_SIZES[-1])
    else:
        tree = kernel(_KERNEL, fetch=False)
    return Plan(
        tree=tree,
        scratch=scratch,
        environment=environment(scratch),
        folders=os.pathsep.join([*options.peers, os.environ.get("PATH", os.defpath)]),
        runs=options.runs or (2 if options.quick else 5),
        patience=options.patience or (2 if options.quick else 30),
        sizes=_QUICK_SIZES if options.quick else _SIZES,
        git=options.whole_git,
        progress=_progress,
    )


def _made(options: argparse.Namespace) -> bool:
    return bool(options.quick and options.tree is None)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m bench", description=__doc__.split("\n")[0])
    parser.add_argument("--tree", type=Path, help=f"a kernel; else the tests' own {_KERNEL}")
    parser.add_argument("--runs", type=_positive, help="timed runs of each; 5, or 2 if --quick")
    parser.add_argument(
        "--quick", action="store_true", help="a small kernel, made for this, in less than a minute"
    )
    parser.add_argument("--format", choices=["text", "markdown"], default="text")
    parser.add_argument(
        "--peers",
        action="append",
        default=[],
        metavar="FOLDER",
        help="where spatch, semgrep or ast-grep are, besides PATH",
    )
    parser.add_argument(
        "--patience",
        type=_positive,
        metavar="SECONDS",
        help="what takes longer in its first run is not run again; 30, or 2 if --quick",
    )
    parser.add_argument(
        "--whole-git", action="store_true", help="commit the whole kernel for the pre-commit row"
    )
    parser.add_argument(
        "--scratch", metavar="FOLDER", help="where copies are written, and removed at the end"
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _progress(what: str) -> None:
    """Show on a terminal what runs; an empty text clears the line."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what}")
        sys.stderr.flush()


def _print(lines: list[str], form: str = "text") -> None:
    # A line break that Markdown keeps.
    print(("  \n" if form == "markdown" else "\n").join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
