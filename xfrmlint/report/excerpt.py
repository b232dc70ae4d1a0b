"""Lines of source around the steps of a path, each step marked in them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

# Returns the lines of a file, as they stand there; none of one that can't be read.
Source = Callable[[str], Sequence[str]]

_AROUND = 2
# Steps this near to each other stand in one excerpt.
_NEAR = 8
_TAB = 4


class Stop(NamedTuple):
    """A step of a path: its number, its place, and what happens there."""

    number: int
    path: str
    line: int
    function: str
    said: str


class Line(NamedTuple):
    """A line of source, and the steps on it."""

    number: int
    text: str
    stops: tuple[Stop, ...]


class Excerpt(NamedTuple):
    """Some lines of a file that a path goes through. function: the one that they are in, if any."""

    path: str
    function: str
    lines: tuple[Line, ...]


def excerpts(stops: Iterable[Stop], source: Source) -> Iterator[Excerpt]:
    """Yield the lines around some steps, in the order of the path."""
    group: list[Stop] = []
    for stop in stops:
        if group and not _follows(group[-1], stop):
            yield _excerpt(group, source)
            group = []
        group.append(stop)
    if group:
        yield _excerpt(group, source)


def _follows(before: Stop, stop: Stop) -> bool:
    same = (before.path, before.function) == (stop.path, stop.function)
    return same and 0 <= stop.line - before.line <= _NEAR


def _excerpt(group: Sequence[Stop], source: Source) -> Excerpt:
    text = source(group[0].path)
    first = max(1, group[0].line - _AROUND)
    last = max(group[-1].line, min(group[-1].line + _AROUND, len(text)))
    lines = tuple(
        Line(
            number,
            text[number - 1].expandtabs(_TAB).rstrip() if number <= len(text) else "",
            tuple(stop for stop in group if stop.line == number),
        )
        for number in range(first, last + 1)
    )
    return Excerpt(group[0].path, group[0].function, _without_indent(_without_ends(lines)))


def _without_ends(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Leave out empty lines at both ends."""
    said = [at for at, line in enumerate(lines) if line.text or line.stops]
    return lines[said[0] : said[-1] + 1]


def _without_indent(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    indents = [len(line.text) - len(line.text.lstrip()) for line in lines if line.text.strip()]
    least = min(indents, default=0)
    return tuple(line._replace(text=line.text[least:]) for line in lines)
