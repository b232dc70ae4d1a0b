"""How a story ends: what devices are given, what that breaks, and what happened on the way."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from xfrmlint.concrete.kernel import NOWHERE, Event, Spot
from xfrmlint.model.predicates import Broken
from xfrmlint.model.stories import Story
from xfrmlint.model.worlds import World


class Blamed(NamedTuple):
    """The function that an answer, or the state behind it, is owed to."""

    name: str
    path: str
    line: int


class Answer(NamedTuple):
    """What a device gets. value: None where that can't be told, for `reason`.

    read_at: where the owner's code read the handle's member for it.
    """

    asking: str
    value: int | None
    reason: str
    by_callback: bool
    read_at: Spot = NOWHERE


class Scene(NamedTuple):
    """How a story ends.

    handed: the owner took the state and handed it on. assumed: what the owner's own numbers are in
    it. broken: what breaks P1 to P4. events: what happened, by step. supposed: why it may go
    otherwise. reader: how what was moved is read, if it was. refused: the owner's add failed.
    joined: its ports were made ports by its own code. unset: a pointer that nobody is seen to store
    leads to a port. missed: what was supposed may rest on these members, which code stores that was
    not run. looked: the lowers whose promises the owner read on the way. rewritten: members of the
    owner's own that tell whose handle it is, which the last step changed where the callback reads.
    """

    story: Story
    assumed: tuple[str, ...]
    world: World
    handed: bool
    answers: tuple[Answer, ...]
    broken: tuple[tuple[Broken, Blamed], ...]
    events: tuple[tuple[Event, ...], ...]
    supposed: tuple[str, ...]
    reader: "Reading | None" = None
    refused: bool = False
    joined: bool = False
    unset: bool = False
    missed: frozenset[tuple[str, str]] = frozenset()
    looked: frozenset[str] = frozenset()
    rewritten: tuple[str, ...] = ()


class Reading(NamedTuple):
    """How the resolver and the callback behind it read what an owner moves.

    members: the names of xso's members in the order in which they are read, some of them twice.
    handle: what comes of values that were read one by one; None where that can't be told.
    """

    members: tuple[str, ...]
    handle: Callable[[Sequence[str | int | None], str], int | None]
