"""A tree cut into parts that can be analysed each by itself: a driver's folder is one.

Modules of a vendor's folder call each other, share headers and hand states to each other's ops
tables; between such folders there is nothing but the kernel's own interfaces.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from xfrmlint.analysis.part import Part, Plan
from xfrmlint.c.corpus import Memo
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import Unit
from xfrmlint.contract import FLAG, MARK, RESOLVER, TYPES, WORDS
from xfrmlint.kernel.places import HEADERS, part_of
from xfrmlint.kernel.release import Release
from xfrmlint.program.ops import add_takes_device
from xfrmlint.tree import Tree

# The resolver is called here, not declared; or a macro holds the flag.
_WRAPS = re.compile(
    rb"(?:\breturn|[=(,?:&|]|#[ \t]*define[^\n]*\))\s*"
    + RESOLVER.encode()
    + rb"\s*\(|#[ \t]*define[ \t]+\w+[^\n\w][^\n]*\b"
    + FLAG.encode()
    + rb"\b"
)
XFRM = "include/net/xfrm.h"
OFFLOAD = f"struct {TYPES[0]}"


def pattern(offload: str) -> str:
    """Return the regular expression of the words that make a file a candidate."""
    return "|".join(dict.fromkeys((WORDS, *TYPES, offload.split()[-1])))


def reader_of(tree: Tree, memo: Memo | None = None) -> Reader:
    """Return a reader whose words are those of a real run."""
    return Reader(tree, re.compile(pattern(OFFLOAD).encode()), memo)


def whole_reader(tree: Tree, whole: Plan, memo: Memo | None = None) -> Reader:
    """Return a reader of a whole tree; each part has one of its own."""
    reader = reader_of(tree, memo)
    reader.universe.shared = whole.shared
    return reader


def read_ahead(tree: Tree, memo: Memo) -> None:
    """Read what nearly every part reads: the headers of the contract and all that they include."""
    reader = reader_of(tree, memo)
    offload_of(reader)
    add_takes_device(reader)
    for path in reader.corpus.closure(XFRM):
        reader.corpus.includes(path)
        reader.corpus.defines(path)


def plan(tree: Tree, under: Sequence[str] = (), memo: Memo | None = None) -> Plan:
    """Cut a tree into its parts; under: only what lies below these folders, and the headers.

    memo: see Corpus.
    """
    reader = reader_of(tree, memo)
    offload = offload_of(reader)
    searched = tuple(dict.fromkeys((*under, HEADERS))) if under else ()
    paths, commented = _candidates(reader, pattern(offload), searched)
    shared = tuple(
        path
        for path in paths
        if path.startswith("include/") and path != XFRM and _wraps(reader.corpus.data(path))
    )
    users = [folder for folder in _users(reader, shared) if not under or folder in under]
    return Plan(offload, shared, tuple(_parts(reader, paths, users)), commented)


def _wraps(data: bytes) -> bool:
    named = RESOLVER.encode() in data or FLAG.encode() in data
    return named and _WRAPS.search(data) is not None


def unit_of(path: str, data: bytes, known: Release | None) -> Unit:
    """Return a file as a real run parses it. known: the tree's version."""
    return Unit(path, data, re.compile(pattern(OFFLOAD).encode()), release=known)


def _parts(reader: Reader, paths: Sequence[str], users: Sequence[str]) -> Iterator[Part]:
    """Group files by folder; what a Makefile links together stays together."""
    sources = [path for path in paths if not path.startswith("include/")]
    # Asked for all first: a Makefile can link sources of another folder.
    for path in sources:
        reader.corpus.kbuild.modules_of(path)
    groups = {folder: {folder} for folder in (*map(part_of, paths), *users)}
    for path in sources:
        own = part_of(path)
        for module in reader.corpus.kbuild.modules_of(path):
            for other in {part_of(source) for source in module.sources} - groups[own]:
                both = groups[own] | groups.get(other, {other})
                groups.update(dict.fromkeys(both, both))
    for folders in sorted({tuple(sorted(folders)) for folders in groups.values()}):
        yield Part(folders, tuple(sorted(path for path in paths if part_of(path) in folders)))


def _candidates(
    reader: Reader, words: str, under: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the files with one of the words, and those with a comment for xfrmlint."""
    mark, wanted = MARK.encode(), re.compile(words.encode())
    data = reader.corpus.data
    # One search: a second one over 64,000 files would take as long as the first.
    found = reader.corpus.tree.search(f"{words}|{MARK}", under)
    commented = tuple(path for path in found if mark in data(path))
    strange = {path for path in commented if not wanted.search(data(path))}
    return [path for path in found if path not in strange], commented


def offload_of(reader: Reader) -> str:
    """Return the type of a state's xso; its name was struct xfrm_state_offload until 5.19."""
    kind = reader.types.fields_named("struct xfrm_state", XFRM).get("xso")
    return kind.base if kind is not None else OFFLOAD


def _users(reader: Reader, shared: Iterable[str]) -> list[str]:
    """Return the parts whose sources include a shared header."""
    reader.universe.shared = tuple(shared)
    found: dict[str, None] = {}
    for path in shared:
        for module in reader.universe.modules(path):
            found.update(dict.fromkeys(map(part_of, module.sources)))
    return [folder for folder in found if folder != HEADERS]
