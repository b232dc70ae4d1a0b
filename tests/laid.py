"""Miniature kernels laid out for a test, and what their comments expect of them."""

import posixpath
import re
import shutil
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

FIXTURES = Path(__file__).parent.parent / "fixtures"
EXAMPLE = "drivers/net/example/example.c"
_MAKEFILE = "drivers/net/Makefile"
_COMMENT = re.compile(r"/\*\s*(expect|expect-missing):\s*([A-Z0-9_]+(?:\s*,\s*[A-Z0-9_]+)*)\s*\*/")
_ANY_COMMENT = re.compile(r"(?:/\*|//)\s*expect\b")
_OVER = re.compile(r"\s*/\* over (\w+) \*/\n")
_CORE_FILE = re.compile(r"/\* ((?:net|include)/[\w./]+) \*/\n")
_CHECKED = ("drivers", "net", "include")

Expected = dict[tuple[str, int], set[str]]


def trees() -> list[str]:
    """Return the names of the fixtures that can be laid, sorted."""
    return sorted(
        path.name for path in FIXTURES.iterdir() if (path / "base").is_file() or path.name == "demo"
    )


def lay(base: str, destination: Path, overlay: Path | None = None) -> Path:
    """Copy fixtures/base/<base>, and a folder's files over it, into destination; return that."""
    shutil.copytree(FIXTURES / "base" / base, destination, dirs_exist_ok=True)
    if overlay is not None:
        shutil.copytree(overlay, destination, dirs_exist_ok=True)
        # It names the base, and is a folder of no kernel.
        (destination / "base").unlink(missing_ok=True)
    return destination


def lay_fixture(name: str, destination: Path) -> Path:
    """Lay the fixture of that name into destination, over its base if it names one."""
    folder = FIXTURES / name
    if not (folder / "base").exists():
        shutil.copytree(folder, destination, dirs_exist_ok=True)
        return destination
    return lay((folder / "base").read_text("utf-8").strip(), destination, folder)


@cache
def files_of(folder: str) -> Mapping[str, bytes]:
    """Return what lies in a folder of fixtures/, by path."""
    top = FIXTURES / folder
    files = (path for path in sorted(top.rglob("*")) if path.is_file())
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in files}


def is_core(text: str) -> bool:
    """Tell whether an example is a file of the core, not a driver."""
    return _CORE_FILE.match(_OVER.sub("", text.lstrip(), count=1)) is not None


def lay_example(text: str, destination: Path) -> Path:
    """Lay the tree with the resolver, and in it a driver `example` of one file.

    An example that begins with a path in a comment is that file of the core instead. One that
    begins with `/* over shared */` is laid over the later form's tree, of which no driver is left.
    """
    example = _example(text)
    lay(example.base, destination)
    if example.alone:
        shutil.rmtree(destination / "drivers/net")
    for path, data in example.files.items():
        (destination / path).parent.mkdir(parents=True, exist_ok=True)
        (destination / path).write_bytes(data)
    return destination


def example_files(text: str) -> dict[str, bytes]:
    """Return the files of that tree, by path."""
    example = _example(text)
    base = files_of(f"base/{example.base}")
    kept = (path for path in base if not (example.alone and path.startswith("drivers/net/")))
    return {path: base[path] for path in kept} | example.files


class _Example(NamedTuple):
    """A tree as what is laid over another one. alone: of which no driver is left."""

    base: str
    alone: bool
    files: dict[str, bytes]


def _example(text: str) -> _Example:
    over = _OVER.match(text)
    base = over.group(1) if over is not None else "rfc"
    whole = _OVER.sub("", text, count=1).lstrip()
    named = _CORE_FILE.match(whole)
    if named is not None:
        return _Example(base, over is not None, {named.group(1): whole.encode()})
    makefile = b"" if over is not None else files_of(f"base/{base}")[_MAKEFILE]
    files = {
        EXAMPLE: text.encode(),
        posixpath.join(posixpath.dirname(EXAMPLE), "Makefile"): b"obj-m += example.o\n",
        _MAKEFILE: makefile + b"obj-m += example/\n",
    }
    return _Example(base, over is not None, files)


def expected(tree: Path) -> Expected:
    """Return (path, line) -> types of every `/* expect: A, B */` below drivers/, net/, include/."""
    return _commented(_texts(tree), "expect")


def expected_missing(tree: Path) -> Expected:
    """Return the same of `/* expect-missing: A */`: what is right to ask for, and not found yet."""
    return _commented(_texts(tree), "expect-missing")


def expected_in(files: Mapping[str, bytes]) -> Expected:
    """Return what is expected of a tree in memory."""
    texts = {path: data.decode("utf-8", "surrogateescape") for path, data in files.items()}
    return _commented(texts, "expect")


def expected_types(text: str) -> set[str]:
    """Return the types that one file's text expects, on any line."""
    return {kind for word, kinds in _comments(text) for kind in kinds if word == "expect"}


def difference(found: Expected, wanted: Expected) -> list[str]:
    """Return a line of text for each (path, line, type) that only one side has; empty if equal."""
    one, other = _flat(found), _flat(wanted)
    return [
        f"{path}:{line}: {kind} {'was not expected' if (path, line, kind) in one else 'not found'}"
        for path, line, kind in sorted(one ^ other)
    ]


def _flat(places: Expected) -> set[tuple[str, int, str]]:
    return {(path, line, kind) for (path, line), kinds in places.items() for kind in kinds}


def _texts(tree: Path) -> dict[str, str]:
    return {
        path.relative_to(tree).as_posix(): path.read_text("utf-8", "surrogateescape")
        for top in _CHECKED
        for path in (tree / top).rglob("*")
        if path.is_file()
    }


def _commented(texts: Mapping[str, str], wanted: str) -> Expected:
    found: Expected = {}
    for path, text in sorted(texts.items()):
        # Most files expect nothing.
        lines = text.split("\n") if "expect" in text else ()
        for number, line in enumerate(lines, 1):
            for word, kinds in _comments(line):
                if word == wanted:
                    found.setdefault((path, number), set()).update(kinds)
    return found


def _comments(text: str) -> Iterable[tuple[str, set[str]]]:
    found = [(m.group(1), set(re.split(r"\s*,\s*", m.group(2)))) for m in _COMMENT.finditer(text)]
    # A misspelt comment would make its line look as if it had to be silent.
    if len(found) != len(_ANY_COMMENT.findall(text)):
        raise ValueError(f"an expectation that can't be read: {text.strip()}")
    return found
