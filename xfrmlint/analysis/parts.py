"""A tree cut into parts that can be analysed each by itself: a driver's folder is one.

Modules of a vendor's folder call each other, share headers and hand states to each other's ops
tables; between such folders there is nothing but the kernel's own interfaces. A text that several
modules include is compiled in each of them, and says there what that one has defined: they are read
apart.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from typing import NamedTuple

from xfrmlint.analysis.part import Part, Plan
from xfrmlint.analysis.taken import own_tables
from xfrmlint.c.corpus import Corpus, Memo
from xfrmlint.c.definitions import definition_in
from xfrmlint.c.reader import Reader
from xfrmlint.c.templates import is_template, lists
from xfrmlint.c.unit import Unit
from xfrmlint.contract.behaviour import own_states
from xfrmlint.contract.recognise import recognise, refuse_strange_names, refuse_stubs
from xfrmlint.contract.revisions import NO_NAMES, Names
from xfrmlint.contract.words import (
    ABSENT,
    ADD,
    MARK,
    NETDEV_OPS,
    OFFLOAD_OK,
    OWN_STATES,
    OWN_TABLE,
    RESOLVE,
    XFRM,
    Contract,
    worth_reading,
)
from xfrmlint.errors import InputError, nesting_named
from xfrmlint.kernel.kbuild import Module
from xfrmlint.kernel.places import COMMON, HEADERS, is_core, part_of
from xfrmlint.kernel.release import Release
from xfrmlint.tree import Tree

# The resolver is called here, not declared; or a macro holds the flag.
_WRAPS = (
    r"(?:\breturn|[=(,?:&|]|#[ \t]*define[^\n]*\))\s*{resolver}\s*\("
    r"|#[ \t]*define[ \t]+\w+[^\n\w][^\n]*\b{flag}\b"
)
# An ops table, or a pointer to one.
_TABLE = re.compile(rb"\bstruct\s+xfrmdev_ops\b")
_TAGS = re.compile(rb"\bstruct\s+(\w+)")
_POINTER = re.compile(rb"\(\s*\*\s*(?:const\s+)?(\w+)\s*\)\s*\(")
# Whoever else includes a header makes it the kernel's.
_OWN = ("drivers/", "include/")


def words_of(contract: Contract) -> re.Pattern[bytes]:
    """Return what a reader's words are in a real run."""
    return re.compile(worth_reading(contract).encode())


def contract_in(tree: Tree, memo: Memo | None = None, names: Names = NO_NAMES) -> Contract:
    """Return the contract that a tree has. memo: see Corpus. names: see recognise()."""
    with nesting_named(f"{XFRM}, or what is read with it"):
        return recognise(Reader(tree, words_of(ABSENT), memo), names)


def refuse_strange(trees: Sequence[Tree], names: Names) -> None:
    """Raise InputError for the first of some names that the headers of no tree have.

    trees: the one under check; or those before and after a change, which can bring or take a name.
    """
    readers = [Reader(tree, words_of(ABSENT)) for tree in trees] if names != NO_NAMES else []
    for kind, role, name in names.listed() if readers else ():
        alone = NO_NAMES._replace(**{kind: {role: name}})
        errors = [error for reader in readers if (error := _strange(reader, alone)) is not None]
        if len(errors) == len(readers):
            raise errors[0]


def _strange(reader: Reader, names: Names) -> InputError | None:
    try:
        refuse_strange_names(reader, names)
    except InputError as error:
        return error
    return None


def reader_of(tree: Tree, memo: Memo | None = None, contract: Contract | None = None) -> Reader:
    """Return a reader whose words are those of a real run. contract: the tree's, if it is known."""
    known = contract_in(tree, memo) if contract is None else contract
    return Reader(tree, words_of(known), memo, known)


def whole_reader(tree: Tree, whole: Plan, memo: Memo | None = None) -> Reader:
    """Return a reader of a whole tree; each part has one of its own."""
    reader = reader_of(tree, memo, whole.contract)
    reader.universe.shared = whole.shared
    return reader


def read_ahead(tree: Tree, memo: Memo) -> None:
    """Read what nearly every part reads: the headers of the contract and all that they include."""
    corpus = Corpus(tree, words_of(ABSENT), memo)
    for path in corpus.closure(XFRM):
        corpus.includes(path)
        corpus.defines(path)


def plan(
    tree: Tree, under: Sequence[str] = (), memo: Memo | None = None, names: Names = NO_NAMES
) -> Plan:
    """Cut a tree into its parts; under: only what lies below these folders, and the headers.

    memo: see Corpus. names: see recognise(). Raises InputError for headers that are not a kernel's.
    """
    reader = reader_of(tree, memo, contract_in(tree, memo, names))
    refuse_stubs(reader)
    words = worth_reading(reader.contract)
    searched = tuple(dict.fromkeys((*under, HEADERS))) if under else ()
    paths, commented = _candidates(reader, words, searched)
    ties = _ties(reader, paths)
    tied = {folder for tie in ties for folder in tie.folders}
    if under and not tied <= set(under):
        more, _ = _candidates(reader, words, sorted(tied))
        paths = sorted({*paths, *more})
    wrappers = [
        path
        for path in paths
        if path.startswith("include/") and path != XFRM and _wraps(reader, path)
    ]
    if any(one.place.path == XFRM for one in reader.contract.wrappers):
        wrappers.append(XFRM)
    contract = _with_own_states(reader, paths, bool(under))
    if ADD in contract.slots:
        installing = reader.corpus.tree.search(NETDEV_OPS, ["drivers", "net"]) if under else paths
        own = own_tables(reader, installing)
        contract = replace(contract, core={**contract.core, OWN_TABLE: own})
    headers = [tie.header for tie in ties if tie.header.startswith("include/")]
    shared = tuple(dict.fromkeys([*wrappers, *headers]))
    users = [f for f in _users(reader, shared) if not under or f in under or f in tied]
    return Plan(contract, shared, tuple(_parts(reader, paths, users, ties)), commented)


def _with_own_states(reader: Reader, paths: Sequence[str], partly: bool) -> Contract:
    """Return a tree's contract, and whose states a driver is asked for each packet about.

    partly: the paths are not all that there are.
    """
    contract = reader.contract
    slot = contract.slot(OFFLOAD_OK).encode()
    # In a table's initializer, whatever its form: neither called nor declared.
    filled = re.compile(rb"(?<!->)(?<!\*)\b%s\b(?!\s*\()" % re.escape(slot))
    if not slot or not any(
        filled.search(reader.corpus.data(p)) for p in paths if slot in reader.corpus.data(p)
    ):
        return contract
    asking = reader.corpus.tree.search(slot.decode(), ["drivers"]) if partly else paths
    said = own_states(reader, contract, asking)
    return replace(contract, core={**contract.core, OWN_STATES: said})


def _wraps(reader: Reader, path: str) -> bool:
    """Tell whether a header calls the resolver, or has a macro of the flag."""
    data = reader.corpus.data(path)
    # What a tree has not is found nowhere.
    contract = reader.contract
    askers = "|".join((*contract.askers, *(one.name for one in contract.inlines))) or "\0"
    flag = reader.contract.promise(RESOLVE) or "\0"
    if not re.search(f"{askers}|{flag}".encode(), data):
        return False
    pattern = _WRAPS.format(resolver=f"(?:{askers})", flag=flag)
    return re.search(pattern.encode(), data) is not None


def unit_of(path: str, data: bytes, known: Release | None, contract: Contract) -> Unit:
    """Return a file as a real run parses it. known: the tree's version."""
    return Unit(path, data, words_of(contract), release=known)


class _Tie(NamedTuple):
    """A header with a struct of function pointers that parts of a tree call each other by."""

    header: str
    folders: frozenset[str]


def _ties(reader: Reader, paths: Sequence[str]) -> list[_Tie]:
    """Return what ties modules to drivers that have an ops table.

    Such a module fills a struct of function pointers, and the driver calls through it. One that has
    a table itself includes the header from the driver's folder, or one below include/ with tables.
    """
    corpus, tree = reader.corpus, reader.corpus.tree
    sources = [path for path in paths if path.endswith(".c") and not is_core(path)]
    tabled = {path for path in sources if _TABLE.search(corpus.data(path))}
    shared = any(
        path.startswith("include/") and path not in COMMON and _TABLE.search(corpus.data(path))
        for path in paths
    )
    found = []
    with_table: dict[object, bool] = {}
    for path in sources:
        modules = reader.universe.modules(path)
        own = path in tabled or any(_has_one(module, tabled, with_table) for module in modules)
        if own and not (shared or _looks_outside(reader, path)):
            continue
        headers = _included(reader, path) - {XFRM, path}
        filling = [path]
        if own:
            headers = {one for one in headers if _is_anothers(reader, one, path)}
            filling = [source for module in modules for source in module.sources] if headers else []
        tags = {tag for source in filling for tag in _TAGS.findall(corpus.data(source))}
        for header in sorted(headers):
            called = "|".join(sorted(_pointers(reader, header, tags)))
            name = re.escape(posixpath.basename(header))
            users = tree.search(rf'include\s*["<]([^">]*/)?{name}[">]') if called else ()
            if not called or not all(user.startswith(_OWN) for user in users):
                continue
            drivers = tree.search(_TABLE.pattern.decode(), ["drivers"])
            folders = sorted({part_of(driver) for driver in drivers})
            asked = tree.search(rf"(->|\.)\s*({called})\b", folders) if folders else ()
            callers = [caller for caller in asked if header in _included(reader, caller)]
            if callers:
                found.append(_Tie(header, frozenset(map(part_of, [path, *callers]))))
    return found


def _looks_outside(reader: Reader, path: str) -> bool:
    """Tell whether a source includes from a folder of another part; few do."""
    folders = reader.corpus.kbuild.include_folders(path)
    if any(part_of(f"{folder}/") not in (part_of(path), HEADERS) for folder in folders):
        return True
    upwards = [name for name, quoted in reader.corpus.named(path) if quoted and b".." in name]
    found = (reader.corpus.resolved(path, name, True) for name in upwards)
    return any(one is not None and part_of(one) not in (part_of(path), HEADERS) for one in found)


def _is_anothers(reader: Reader, header: str, path: str) -> bool:
    """Tell whether a header is of another part than a source, and no header of the kernel's."""
    if part_of(header) in (part_of(path), HEADERS):
        found = header.startswith("include/") and header not in COMMON
        return found and _TABLE.search(reader.corpus.data(header)) is not None
    return not is_core(header)


def _has_one(module: Module, of: Set[str], known: dict[object, bool]) -> bool:
    """Tell whether one of a module's sources is one of some. known: the answers so far."""
    key = _key(module)
    if key not in known:
        known[key] = not of.isdisjoint(module.sources)
    return known[key]


def _key(module: Module) -> tuple[object, ...]:
    """Return what tells a module from others; its sources may be as many as there are modules."""
    return module.name, len(module.sources), *module.sources[:1]


def _included(reader: Reader, path: str) -> set[str]:
    """Return a file and the driver's headers that it reaches, and what all of them include."""
    own = reader.corpus.local(path)
    return {name for near in own for name in (near, *reader.corpus.includes(near))}


def _pointers(reader: Reader, header: str, tags: Iterable[bytes]) -> set[str]:
    """Return the function pointers in those structs of a header that have one of some tags."""
    data = reader.corpus.data(header)
    found: set[str] = set()
    for tag in tags:
        text = reader.corpus.unit(header).text if tag in data else b""
        defined = definition_in(text, "struct", tag)
        if defined is not None:
            body = text[defined[0] : defined[1]]
            found.update(name.decode("ascii", "replace") for name in _POINTER.findall(body))
    return found


def _parts(
    reader: Reader, paths: Sequence[str], users: Sequence[str], ties: Sequence[_Tie]
) -> Iterator[Part]:
    """Group files by folder; what a Makefile links, or a struct ties together, stays together."""
    sources = [path for path in paths if not path.startswith("include/")]
    # Asked for all first: a Makefile can link sources of another folder.
    for path in sources:
        reader.corpus.kbuild.modules_of(path)
    groups = {folder: {folder} for folder in (*map(part_of, paths), *users)}
    together = {
        (part_of(path), _key(module)): frozenset([part_of(path), *map(part_of, module.sources)])
        for path in sources
        for module in reader.corpus.kbuild.modules_of(path)
    }
    for folders in (*(tie.folders for tie in ties), *together.values()):
        whole = set().union(*(groups.get(folder, {folder}) for folder in folders))
        groups.update(dict.fromkeys(whole, whole))
    lying: dict[str, list[str]] = {}
    for path in sorted(paths):
        lying.setdefault(part_of(path), []).append(path)
    for own in sorted(
        tuple(sorted(group)) for group in {id(g): g for g in groups.values()}.values()
    ):
        paths = sorted(path for folder in own for path in lying.get(folder, ()))
        yield from _apart(reader, Part(own, tuple(paths)))


def _apart(reader: Reader, part: Part) -> list[Part]:
    """Return a part for each of the modules that include the same text; the first has the rest.

    Modules that call each other by their names stay together.
    """
    corpus, universe = reader.corpus, reader.universe
    universe.home = part.folders
    sharing: dict[str, Module] = {}
    # No search finds what is called neither .c nor .h.
    others = {file for path in part.paths for file in lists(corpus, path)}
    for path in (*part.paths, *sorted(others)):
        known = bool(corpus.kbuild.modules_of(path))
        included = is_template(path, corpus.data(path), known)
        modules = universe.modules(path) if included else ()
        if len(modules) > 1:
            sharing |= {module.name: module for module in modules}
    sources = {name: {*module.sources} for name, module in sharing.items()}
    every = set().union(*sources.values())
    if not every or any(b"EXPORT_SYMBOL" in corpus.data(source) for source in every):
        return [part]
    found: list[Part] = []
    for own in sources.values():
        without = every - own
        linked = {p for p in part.paths if p.endswith(".c") and corpus.kbuild.modules_of(p)}
        left = without | (linked - own if found else set())
        paths = tuple(path for path in part.paths if path not in left)
        found.append(Part(part.folders, paths, tuple(sorted(without))))
    return found


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


def _users(reader: Reader, shared: Iterable[str]) -> list[str]:
    """Return the parts whose sources include a shared header."""
    reader.universe.shared = tuple(shared)
    found: dict[str, None] = {}
    for path in shared:
        for module in reader.universe.modules(path):
            found.update(dict.fromkeys(map(part_of, module.sources)))
    return [folder for folder in found if folder != HEADERS]
