"""Patches laid over a tree in memory: the tree before them and the tree after them, both readable.

Nothing is ever written. Hunks are placed where git apply places them (find_pos() in its apply.c):
at the line they name, else at the nearest place where all their old lines stand; no fuzz.
"""

import posixpath
import re
import stat
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from io import BytesIO
from typing import NamedTuple, Protocol, runtime_checkable

from xfrmlint.errors import InputError
from xfrmlint.git.patch import FileChange, Hunk, Patch, is_text_mode
from xfrmlint.tree import Tree, Unreadable
from xfrmlint.tree.digest import blob_name

# What is read to check a driver; where another file doesn't fit, the run goes on without it.
_NEEDED = re.compile(r"\.[ch]$|(?:^|/)(?:Makefile|Kbuild)$|^\.xfrmlint\.toml$")
# Lines looked at in search of hunks that are not where they say: 500 hunks in a file of 100,000
# lines, or two seconds.
_MOST_LOOKED_AT = 50_000_000
_LONGEST_QUOTE = 60


@runtime_checkable
class Linked(Protocol):
    """A tree that can hold symbolic links; one that can't has no need of this."""

    def real(self, path: str) -> str | None:
        """Return a path without the links on its way, or None where it leads out of the tree."""
        ...


class Place(NamedTuple):
    """A line of a patch's text. patch: the name of the file it came in."""

    patch: str
    line: int


class Same(NamedTuple):
    """A run of lines that both files have. old, new: the first one's number, from 1."""

    old: int
    new: int
    length: int


class Change(NamedTuple):
    """How a file differs between the trees before and after.

    old, new: its path before and after; None where it isn't there (a copy counts as new). same: the
    runs that both have, in order. added, removed: number of a line of the new, the old file -> the
    + or - line that says so.
    """

    old: str | None
    new: str | None
    same: tuple[Same, ...]
    added: Mapping[int, Place]
    removed: Mapping[int, Place]

    def new_line(self, line: int) -> int | None:
        """Return the number that a line of the old file has now; None if it is gone."""
        found = (s.new + line - s.old for s in self.same if 0 <= line - s.old < s.length)
        return next(found, None)


class Laid(NamedTuple):
    """The tree before and after patches, and what they changed.

    contained: whether the tree given is the one after. changed: by the path after, former: the same
    changes by the path before. skipped: path -> why its change is left out of both trees.
    """

    before: Tree
    after: Tree
    contained: bool
    changed: Mapping[str, Change]
    former: Mapping[str, Change]
    skipped: Mapping[str, str]


class Overlay:
    """A tree with some files replaced, or gone where their text is None."""

    def __init__(self, below: Tree, files: Mapping[str, bytes | None], name: str) -> None:
        # Of a series the last patch's tree answers as soon as the first one's.
        under = below if isinstance(below, Overlay) else None
        self._below: Tree = below if under is None else under._below
        self._files: dict[str, bytes | None] = {
            **(under._files if under is not None else {}),
            **files,
        }
        # (expression, object) -> whether it is in there; of all that lie over one another.
        self._searched: dict[tuple[str, str], bool] = {} if under is None else under._searched
        self._names: dict[str, str] = {}
        self._folders = {folder for path in self._files for folder in _folders_of(path)}
        self.name = name

    @property
    def problems(self) -> Mapping[str, str]:
        return {path: why for path, why in self._below.problems.items() if path not in self._files}

    def real(self, path: str) -> str | None:
        # A link that is gone is none on the way to what stands in its place.
        if any(way in self._files for way in (path, *_folders_of(path))):
            return path
        return self._below.real(path) if isinstance(self._below, Linked) else path

    def _own(self, path: str) -> str | None:
        """Return the name under which a path is replaced, if it is."""
        plain = posixpath.normpath(path)
        if plain in self._files:
            return plain
        real = self.real(plain)
        return real if real in self._files else None

    def read(self, path: str) -> bytes:
        own = self._own(path)
        if own is None:
            return self._below.read(path)
        data = self._files[own]
        if data is None:
            raise Unreadable("No such file or directory")
        return data

    def digest(self, path: str) -> str:
        own = self._own(path)
        return self._below.digest(path) if own is None else self._name_of(own, self.read(path))

    def _name_of(self, path: str, data: bytes) -> str:
        if path not in self._names:
            self._names[path] = blob_name(data)
        return self._names[path]

    def is_file(self, path: str) -> bool:
        own = self._own(path)
        return self._below.is_file(path) if own is None else self._files[own] is not None

    def folder(self, path: str) -> Sequence[str]:
        plain = posixpath.normpath(path)
        top = self.real(plain) or plain
        names = set(self._below.folder(path))
        for name, there in self._by_folder.get(top, ()):
            (names.add if there else names.discard)(name)
        return sorted(names)

    @cached_property
    def _by_folder(self) -> Mapping[str, Sequence[tuple[str, bool]]]:
        """The files of each folder by name, and whether they are there."""
        found: dict[str, list[tuple[str, bool]]] = {}
        for file, data in self._files.items():
            folder, name = posixpath.split(file)
            found.setdefault(folder or ".", []).append((name, data is not None))
        return found

    def search(self, pattern: str, under: Sequence[str] = ()) -> Sequence[str]:
        # What the tree below says of a replaced file is stale; its new text is searched here.
        found = {path for path in self._below.search(pattern, under) if path not in self._files}
        wanted = re.compile(pattern.encode("utf-8", "surrogateescape"))
        tops = [posixpath.normpath(top) for top in under] or ["."]
        for path, data in self._files.items():
            if data is None or not path.endswith((".c", ".h")):
                continue
            if any(t in (".", path) or path.startswith(f"{t}/") for t in tops):
                asked = pattern, self._name_of(path, data)
                if asked not in self._searched:
                    self._searched[asked] = wanted.search(data) is not None
                if self._searched[asked]:
                    found.add(path)
        return sorted(found)


def _folders_of(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def laid(tree: Tree, patches: Sequence[Patch], contained: bool | None = None) -> Laid:
    """Lay patches, in their order, over a tree, or take them off if it contains them already.

    contained: whether it does, where the caller knows. If both ways fit, the one counts whose hunks
    are nearer to where they should be, then the one that finds more of the patches' lines. Raises
    InputError for a patch that doesn't fit, and for a path that leaves the tree or leads through a
    link.
    """
    names = list(dict.fromkeys(patch.name for patch in patches)) or ["nothing"]
    name = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    if contained is None:
        forward, backward = _attempt(tree, patches, False), _attempt(tree, patches, True)
        if isinstance(forward, InputError) and isinstance(backward, InputError):
            raise forward
        contained = isinstance(forward, InputError) or (
            not isinstance(backward, InputError) and _rank(backward) < _rank(forward)
        )
        run = backward if contained else forward
    else:
        run = _attempt(tree, patches, contained)
    if isinstance(run, InputError):
        raise run
    other = Overlay(tree, run.files(), f"{tree.name} {'without' if contained else 'with'} {name}")
    changes = [_turned(c) for c in run.changes()] if contained else run.changes()
    return Laid(
        other if contained else tree,
        tree if contained else other,
        contained,
        {c.new: c for c in changes if c.new is not None},
        {c.old: c for c in changes if c.old is not None},
        run.skipped,
    )


class _Text(NamedTuple):
    """A file on its way through a series.

    origins: for each line its number in the file of the tree, or the patch's line that brought it,
    or None (copied from another file). root: its path in the tree, or the change that made it.
    gone: the lines of the tree's file that are no more.
    """

    lines: Sequence[bytes]
    origins: Sequence[int | Place | None]
    root: str | Place
    gone: Mapping[int, Place]
    alive: bool

    @property
    def source(self) -> str | None:
        """The file's path in the tree, None if it isn't there."""
        return self.root if isinstance(self.root, str) else None


_NOTHING = _Text((), (), Place("", 0), {}, False)


class _Run:
    """Patches being laid over a tree, or taken off it."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.texts: dict[str, _Text] = {}
        # Deleted ones whose place another one has taken.
        self.replaced: list[_Text] = []
        self.original: dict[str, bytes] = {}
        # Links that the patches made (True) or removed (False).
        self.links: dict[str, bool] = {}
        self.skipped: dict[str, str] = {}
        self.offset = 0
        self.matched = 0
        self.looked_at = 0

    def load(self, path: str) -> None:
        """Read a file of the tree, unless a patch came by it before."""
        if path in self.texts:
            return
        try:
            data = self.tree.read(path)
        except Unreadable:
            return
        lines = BytesIO(data).readlines()
        self.original[path] = data
        self.texts[path] = _Text(lines, range(1, len(lines) + 1), path, {}, True)

    def exists(self, path: str) -> bool:
        text = self.texts.get(path)
        if text is not None:
            return text.alive
        freed = any(self.links.get(p) is False for p in (path, *_folders_of(path)))
        return not freed and self.tree.is_file(path)

    def put(self, path: str, text: _Text) -> None:
        """Let a file stand at a path; a deleted one that stood there is remembered."""
        there = self.texts.get(path, _NOTHING)
        if not there.alive and there.root != text.root:
            self.replaced.append(there)
        self.texts[path] = text

    def files(self) -> dict[str, bytes | None]:
        """Return what differs from the tree."""
        found: dict[str, bytes | None] = {p: None for p, there in self.links.items() if not there}
        for path, text in self.texts.items():
            data = b"".join(text.lines) if text.alive else None
            if data != self.original.get(path):
                found[path] = data
        return found

    def changes(self) -> list[Change]:
        """Return how files went from the tree to what the patches made of it, sorted."""
        differ = self.files()
        found = []
        for path, text in [*self.texts.items(), *(("", text) for text in self.replaced)]:
            if text.alive and (text.source != path or path in differ):
                added = {i: o for i, o in enumerate(text.origins, 1) if isinstance(o, Place)}
                found.append(Change(text.source, path, _same(text.origins), added, text.gone))
            elif not text.alive and text.source is not None:
                found.append(Change(text.source, None, (), {}, text.gone))
        return sorted(found, key=lambda change: (change.new or "", change.old or ""))


def _same(origins: Iterable[int | Place | None]) -> tuple[Same, ...]:
    found: list[Same] = []
    for line, origin in enumerate(origins, 1):
        if not isinstance(origin, int):
            continue
        if found and (
            found[-1].old + found[-1].length == origin and found[-1].new + found[-1].length == line
        ):
            found[-1] = found[-1]._replace(length=found[-1].length + 1)
        else:
            found.append(Same(origin, line, 1))
    return tuple(found)


def _turned(change: Change) -> Change:
    same = tuple(Same(s.new, s.old, s.length) for s in change.same)
    return Change(change.new, change.old, same, change.removed, change.added)


def _rank(run: _Run) -> tuple[int, int, int]:
    """Return what is smaller the better patches fit a tree."""
    return len(run.skipped), run.offset, -run.matched


def _attempt(tree: Tree, patches: Sequence[Patch], backwards: bool) -> _Run | InputError:
    run = _Run(tree)
    try:
        for patch in reversed(patches) if backwards else patches:
            _lay(run, patch, backwards)
    except InputError as error:
        return error
    return run


def _lay(run: _Run, patch: Patch, backwards: bool) -> None:
    files = [_reversed(f) for f in reversed(patch.files)] if backwards else patch.files
    for change in files:
        if change.old is not None and is_text_mode(change.old_mode):
            run.load(change.old)
    # A file that is renamed or copied is meant as it was before this patch, whatever the order.
    before = dict(run.texts)
    leaving = {f.old for f in files if f.old != f.new and not (f.copied and f.new)}
    for change in files:
        for path, mode in ((change.old, change.old_mode), (change.new, change.new_mode)):
            if path is not None:
                _refuse_links(run, path, mode, f"{patch.name}:{change.line}")
        try:
            _lay_file(run, before, leaving, change, patch, backwards)
        except InputError as error:
            if any(path and _NEEDED.search(path) for path in (change.old, change.new)):
                raise
            run.skipped[change.path] = str(error)


def _refuse_links(run: _Run, path: str, mode: int, where: str) -> None:
    """Refuse a path that is a link or leads through one: one file would have two names."""
    # What the patch itself calls a link may be one.
    ways = [path][: is_text_mode(mode)] + list(_folders_of(path))
    known = [run.links[way] for way in ways if way in run.links]
    if ways and not known and isinstance(run.tree, Linked):
        known = [run.tree.real(ways[0]) != ways[0]]
    if any(known):
        raise InputError(f"{where}: {path}: a name that leads through a symbolic link")


def _lay_file(
    run: _Run,
    before: Mapping[str, _Text],
    leaving: set[str | None],
    change: FileChange,
    patch: Patch,
    backwards: bool,
) -> None:
    where = f"{patch.name}:{change.line}: {change.path}"
    old, new = change.old, change.new
    if not (is_text_mode(change.old_mode) and is_text_mode(change.new_mode)):
        for path, mode, there in ((old, change.old_mode, False), (new, change.new_mode, True)):
            if path is not None and stat.S_ISLNK(mode):
                run.links[path] = there
        return
    if change.hunks is None and new is not None:
        if backwards and old is None:
            # What a patch deletes without its text can't be brought back.
            run.skipped[new] = "its text is not in the patch"
            return
        raise InputError(f"{where}: its text is not in the patch (git format-patch --text has it)")
    if new is not None and new != old and new not in leaving and run.exists(new):
        raise InputError(f"{where}: the file is already there")
    text = _start(run, before, change, patch)
    result = _with_hunks(run, text, change, patch) if change.hunks else text
    if new is None:
        # A copy that is taken back still has the text it was copied from.
        if change.hunks and result.lines and not change.copied:
            raise InputError(f"{where}: the patch deletes the file but leaves text in it")
        result = result._replace(lines=(), origins=(), alive=False)
        if old is not None and run.texts[old].root != text.root:
            run.replaced.append(result)
            return
    elif change.copied:
        origins = [o if isinstance(o, Place) else None for o in result.origins]
        made = Place(patch.name, change.line)
        result = result._replace(origins=origins, root=made, gone={})
    elif old is not None and old != new and run.texts[old].root == text.root:
        run.texts[old] = _NOTHING
    run.put(new or old or "", result)


def _start(run: _Run, before: Mapping[str, _Text], change: FileChange, patch: Patch) -> _Text:
    """Return the file that a change speaks of, as it was before; without text if it makes it."""
    old, new = change.old, change.new
    where = f"{patch.name}:{change.line}"
    if old is None:
        there = run.texts.get(new or "", _NOTHING)
        # A file that was deleted before and is made anew is still the tree's file, with other text.
        if there.alive or there.source is None:
            there = _NOTHING._replace(root=Place(patch.name, change.line))
        return there._replace(alive=True)
    now, then = run.texts.get(old, _NOTHING), before.get(old, _NOTHING)
    if new is not None and old != new:
        if now is not then and now.root == then.root and not change.copied:
            raise InputError(f"{where}: {new}: the same patch has changed {old} before")
        now = then
    elif new is None and then.alive and now.root != then.root:
        # Another file has already been moved to its place.
        now = then
    if not now.alive:
        raise InputError(f"{where}: {old}: {_absence(run, old)}")
    return now


def _absence(run: _Run, path: str) -> str:
    if path in run.texts:
        return "an earlier change has removed the file"
    try:
        run.tree.read(path)
    except Unreadable as error:
        return str(error)
    return "a link"


def _reversed(change: FileChange) -> FileChange:
    hunks = None if change.hunks is None else tuple(map(_reversed_hunk, change.hunks))
    old, new = change.new, None if change.copied else change.old
    return change._replace(
        old=old,
        new=new,
        old_mode=change.new_mode,
        new_mode=change.old_mode,
        hunks=hunks,
    )


_OTHER = {" ": " ", "-": "+", "+": "-"}


def _reversed_hunk(hunk: Hunk) -> Hunk:
    lines = tuple(line._replace(sign=_OTHER[line.sign]) for line in hunk.lines)
    return Hunk(hunk.line, hunk.new_start, hunk.new_count, hunk.old_start, hunk.old_count, lines)


def _with_hunks(run: _Run, text: _Text, change: FileChange, patch: Patch) -> _Text:
    lines, origins, gone = list(text.lines), list(text.origins), dict(text.gone)
    # As lines, but None where a hunk has been: no second one may match there.
    free: list[bytes | None] = list(lines)
    hunks = change.hunks or ()
    for nth, hunk in enumerate(hunks, 1):
        at = _position(run, free, hunk)
        if at is None:
            why = _misfit(free, lines, hunk)
            if run.looked_at > _MOST_LOOKED_AT:
                why = "too many hunks are far from the lines they name"
            where = f"{patch.name}:{hunk.line}: {change.old or change.new}"
            raise InputError(f"{where}: hunk {nth} of {len(hunks)} doesn't fit: {why}")
        run.offset += abs(at - _expected(hunk))
        new_lines: list[bytes] = []
        new_origins: list[int | Place | None] = []
        here = at
        for line in hunk.lines:
            if line.sign == "+":
                new_lines.append(line.text)
                new_origins.append(Place(patch.name, line.line))
                continue
            run.matched += 1
            origin = origins[here]
            if line.sign == " ":
                new_lines.append(line.text)
                new_origins.append(origin)
            elif isinstance(origin, int):
                gone[origin] = Place(patch.name, line.line)
            here += 1
        lines[at:here] = new_lines
        origins[at:here] = new_origins
        free[at:here] = [None] * len(new_lines)
    return text._replace(lines=lines, origins=origins, gone=gone)


def _expected(hunk: Hunk) -> int:
    """Return the index at which a hunk should fit, after those before it."""
    return max(hunk.new_start - 1 if hunk.new_count else hunk.new_start, 0)


def _position(run: _Run, free: Sequence[bytes | None], hunk: Hunk) -> int | None:
    """Return the index at which a hunk's old lines stand, the nearest to where they should."""
    old = [line.text for line in hunk.lines if line.sign != "+"]
    contexts = [line.sign == " " for line in hunk.lines]
    # Context says where in a file a hunk belongs, and its absence that the file begins or ends.
    bare = not any(contexts)
    at_start = hunk.old_start <= 1 and not bare
    at_end = not bare and not contexts[-1]

    def fits(at: int) -> bool:
        if (at_start and at) or (at_end and at + len(old) != len(free)):
            return False
        return at + len(old) <= len(free) and free[at : at + len(old)] == old

    expected = _expected(hunk)
    if fits(expected):
        return expected
    # Without context there is nothing to search by.
    if bare:
        return None
    # A long line is a rare line.
    anchor = max(range(len(old)), key=lambda i: len(old[i]))
    places = [i - anchor for i, line in enumerate(free) if line == old[anchor] and i >= anchor]
    run.looked_at += len(free)
    for at in _outwards(places, expected):
        if run.looked_at > _MOST_LOOKED_AT:
            return None
        if fits(at):
            return at
        # Slower than to pass by a line of which the word is not the one.
        run.looked_at += 10 + len(old)
    return None


def _outwards(places: Sequence[int], start: int) -> Iterator[int]:
    """Yield ascending numbers by their distance from `start`; of two at one, the later first."""
    after = bisect_left(places, start)
    before = after - 1
    while before >= 0 or after < len(places):
        if before < 0 or (after < len(places) and places[after] - start <= start - places[before]):
            yield places[after]
            after += 1
        else:
            yield places[before]
            before -= 1


def _misfit(free: Sequence[bytes | None], lines: Sequence[bytes], hunk: Hunk) -> str:
    """Say where a hunk was expected, and the first thing there that it doesn't expect.

    Lines are numbered as in the file before the patch.
    """
    old = [line.text for line in hunk.lines if line.sign != "+"]
    start = _expected(hunk)
    first = hunk.old_start if hunk.old_count else hunk.old_start + 1
    for nth, line in enumerate(old):
        at, number = start + nth, first + nth
        if at >= len(lines):
            return f"line {number} should be {_quoted(line)}, but the file ends before it"
        if lines[at] != line:
            return f"line {number} should be {_quoted(line)}, but is {_quoted(lines[at])}"
        if free[at] is None:
            return f"line {number} belongs to a hunk before"
    if start > len(lines):
        return f"line {first} should be there, but the file ends before it"
    if hunk.old_start <= 1 and start:
        return f"line {first} should be the file's first"
    return f"line {first + len(old) - 1} should be the file's last"


def _quoted(line: bytes) -> str:
    text = line.removesuffix(b"\n").decode("utf-8", "surrogateescape")
    if len(text) > _LONGEST_QUOTE:
        text = text[:_LONGEST_QUOTE] + "..."
    return repr(text) + ("" if line.endswith(b"\n") else " without a newline")
