"""What no check of a whole tree can be faster than: reading its files, and searching them."""

import sys
from pathlib import Path

from bench.timing import Command
from xfrmlint.contract.words import ABSENT, worth_reading
from xfrmlint.tree.search import ripgrep

CAT, RIPGREP, GREP, PYTHON = "cat", "ripgrep", "grep -rlE", "python -c pass"
_WORDS = worth_reading(ABSENT)


def whole_tree(tree: Path, listed: Path) -> list[Command]:
    """Return the commands over all .c and .h files. listed: a file for their names, written."""
    names = sorted(str(path) for end in "ch" for path in tree.rglob(f"*.{end}") if path.is_file())
    listed.write_bytes(b"".join(name.encode("utf-8", "surrogateescape") + b"\0" for name in names))
    rg = [ripgrep(tree), "--no-config", "-uu", "-l", "-g", "*.[ch]", "-e", _WORDS, "."]
    grep = ["grep", "-rlE", "--include=*.c", "--include=*.h", _WORDS, "."]
    return [
        Command(CAT, ("xargs", "-0", "cat"), tree, stdin=listed),
        Command(RIPGREP, tuple(rg), tree, good=frozenset({0, 1})),
        Command(GREP, tuple(grep), tree, good=frozenset({0, 1})),
    ]


def interpreter(folder: Path) -> Command:
    """Return what starting the interpreter alone costs."""
    return Command(PYTHON, (sys.executable, "-P", "-c", "pass"), folder)
