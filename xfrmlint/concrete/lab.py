"""Runs an owner's own code through the model's stories, and asks the tree's resolver what is left.

Each story is run once for each way in which what is open in it can go (stage.py), and again with
more of the owner's code where it turns out that what was left out matters (slices.py).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from xfrmlint.c.configuration import ON
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View
from xfrmlint.concrete.asking import Code
from xfrmlint.concrete.bodies import bodies_of, owners_files
from xfrmlint.concrete.choices import choices
from xfrmlint.concrete.core import may_clear_where_add_fails
from xfrmlint.concrete.cores import core_definitions
from xfrmlint.concrete.evaluate import ENDLESS
from xfrmlint.concrete.faults import Outside
from xfrmlint.concrete.lowers import OFFLOADS
from xfrmlint.concrete.names import Source, parameters
from xfrmlint.concrete.owner import Owner, owner_of
from xfrmlint.concrete.resolver import in_worlds
from xfrmlint.concrete.scene import Blamed, Scene
from xfrmlint.concrete.slices import Slices
from xfrmlint.concrete.sources import Sources
from xfrmlint.concrete.stage import Stage
from xfrmlint.contract.words import (
    ADD,
    DELETE,
    DEVICE,
    ESN,
    FREE,
    RESOLVE,
    SHARE,
    STATE,
    Contract,
)
from xfrmlint.model.stories import Deed, Step, Story, stories
from xfrmlint.model.worlds import A, B, C, D, U

_MOST_RUNS = 32
# Times that a story is run again with more of the owner's code.
_MOST_WANTED = 3
_LONG = (Deed.FAIL_OVER, Deed.LEAVE)
# include/uapi/linux/if.h: IFF_UP and IFF_RUNNING.
_UP = 0x41
# What a state and devices are when a state is added: it is valid, leaves the machine, they are up.
_GIVEN = {"x.km.state": "XFRM_STATE_VALID", "x->xso.dir": "XFRM_DEV_OFFLOAD_OUT"}


class Untold(NamedTuple):
    """A story that could not be run to its end, and why.

    missed: members that were read, and stored by code that was not run; with their structs.
    """

    story: Story
    reason: str
    path: str
    line: int
    missed: frozenset[tuple[str, str]] = frozenset()


class Ran(NamedTuple):
    """An owner in all stories. answers: it has the resolver callback. total: how many there are."""

    owner: Owner
    answers: bool
    scenes: tuple[Scene, ...]
    untold: tuple[Untold, ...]
    total: int


def run_owner(reader: Reader, path: str, callbacks: Mapping[str, str]) -> Ran | None:
    """Run an owner through all stories; None if the tree has no resolver, or one that is wrong.

    Where the contract has none, nobody is asked, and only an add that fails says something.

    path: of its ops table. callbacks: the names of the functions in its slots.
    """
    contract = reader.contract
    bodies = bodies_of(reader, owners_files(reader, path))
    slices = Slices(reader, path, bodies, callbacks.values())
    sources = Sources(reader, ON, home=path, slices=slices)
    resolvers = core_definitions(reader, sources, contract.asks) if contract.present else []
    if contract.present and not resolvers:
        return None
    heads = _heads(sources)
    core = _core(sources, heads)
    owner = owner_of(reader, sources, path, callbacks, bodies)
    given = _given(sources, resolvers[0].path if resolvers else path)
    cleared = may_clear_where_add_fails(reader, heads.get(ADD))
    code = Code(sources, next(iter(resolvers), None), core, owner, given, cleared, [])
    slices.run(owner.run())
    if not _can_be_joined(code):
        code = code._replace(owner=owner._replace(joins=None, creates=None))
        slices.run(code.owner.run())
    scenes: list[Scene] = []
    untold: list[Untold] = []
    hopeless: dict[Deed, Untold] = {}
    total = 0
    for story in stories(SHARE in sources.contract.slots):
        if not _concerns(story, owner, sources) or not (resolvers or _fails(story)):
            continue
        total += 1
        gone = next((hopeless[s.deed] for s in story.steps if s.deed in hopeless), None)
        if gone is not None:
            untold.append(gone._replace(story=story))
            continue
        told = _told_with_all(code, story)
        lost = [one for one in told if isinstance(one, Untold)]
        untold += lost[:1]
        ended = [one for one in told if isinstance(one, Scene)]
        if not ended:
            # What comes to an end in no way here will not in the next story.
            endless = lost[0].reason.startswith(ENDLESS)
            hopeless.update((s.deed, lost[0]) for s in story.steps if endless or s.deed in _LONG)
        scenes += ended
        if not lost:
            open_ = [a.reason for one in ended for a in one.answers if a.value is None]
            open_ += [reason for one in ended for reason in one.supposed]
            untold += [Untold(story, reason, path, 0) for reason in open_[:1]]
    if any(scene.broken for scene in scenes):
        alone = in_worlds(resolvers[0], sources)
        if alone.broken:
            # Nobody's answers are right then.
            return None
        if alone.unanswered:
            # Whether it is right by itself is not known: what it gives is wrong.
            scenes = [_blamed_on(resolvers[0], owner, contract, scene) for scene in scenes]
    answers = sources.contract.slot(RESOLVE) in owner.slots
    return Ran(owner, answers, tuple(scenes), tuple(untold), total)


def _blamed_on(resolver: Source, owner: Owner, contract: Contract, scene: Scene) -> Scene:
    """Return a scene of which what is owed to no callback is owed to the resolver."""
    callback = owner.callbacks.get(contract.slot(RESOLVE))
    own = Blamed(resolver.name, resolver.path, resolver.line)
    spared = callback.name if callback is not None else ""
    found = [(one, blamed if blamed.name == spared else own) for one, blamed in scene.broken]
    return scene._replace(broken=tuple(found))


def _given(sources: Sources, path: str) -> Mapping[str, int]:
    """Return what is not 0 in a world's objects at its beginning."""
    found = {f"{name}.flags": _UP for name in (U, A, B, C, D)}
    for member, constant in (*_GIVEN.items(), (OFFLOADS, OFFLOADS)):
        value = sources.constant(constant, path)
        if value is not None:
            found[member] = value.value
    return found


def _heads(sources: Sources) -> Mapping[str, View]:
    """Return the core's add, delete and free as they are written."""
    functions = sources.contract.functions
    named = {role: functions[role] for role in (ADD, DELETE, FREE) if role in functions}
    heads = {
        role: sources.head(one.name, one.place.path)
        for role, one in named.items()
        if one.place.path
    }
    return {role: head for role, head in heads.items() if head is not None}


def _core(sources: Sources, heads: Mapping[str, View]) -> Mapping[str, Source]:
    """Return those of the core's functions that can be called here.

    What takes more than the state, and the device before it, nobody can.
    """
    return {
        role: found[0][0]
        for role, head in heads.items()
        if [kind.base for kind in parameters(head)][:2] in ([DEVICE, STATE], [STATE])
        and (found := sources.definitions(head.item.name, head.path))
    }


def _concerns(story: Story, owner: Owner, sources: Sources) -> bool:
    """Tell whether an owner has code for each step: one without delete deletes nothing."""
    deeds = {step.deed for step in story.steps}
    if story.apart > 1 and not owner.by_index:
        return False
    if Deed.FAIL_OVER in deeds and not owner.other:
        return False
    if Deed.JOIN in deeds and (owner.joins is None or (Deed.LEAVE in deeds and not owner.leaves)):
        # What nothing is seen to take out leaves no place for another one.
        return False
    # What it does for a port that a shared state was installed on is more than that it is gone.
    if Step(Deed.LEAVE, story.ports[0]) in story.steps and owner.leaves is None:
        return SHARE not in sources.contract.slots
    # Who could have the callback and has none keeps no map.
    asked = (RESOLVE,) if RESOLVE in sources.contract.slots else ()
    wanted = {Deed.DELETE: (DELETE,), Deed.ESN: (ESN, *asked)}
    slots = [sources.contract.slot(role) for deed in deeds for role in wanted.get(deed, ())]
    return all(slot in owner.slots for slot in slots)


def _fails(story: Story) -> bool:
    """Tell whether a story is of an add that a lower refuses, and of nothing else."""
    return bool(story.refuses) and story.steps == (Step(Deed.ADD),)


def _can_be_joined(code: Code) -> bool:
    """Tell whether what makes a device a port can be run; else ports are made by their shape."""
    story = next(stories(SHARE in code.sources.contract.slots))
    for choose in choices():
        try:
            Stage(code, story, choose).join()
        except Outside:
            return False
    return True


def _told_with_all(code: Code, story: Story) -> list[Scene | Untold]:
    """Run a story with as much of the owner's code as it turns out to need."""
    told = list(_told(code, story, told_all=False))
    wanted = frozenset[tuple[str, str]]()
    for left in reversed(range(_MOST_WANTED)):
        missed = frozenset().union(*(one.missed for one in told))
        if not missed:
            break
        # Not known is what was not run: so it is run, too.
        wanted |= missed
        code.sources.want(wanted)
        told = list(_told(code, story, told_all=not left))
    code.sources.want()
    return told


def _told(code: Code, story: Story, told_all: bool = True) -> Iterator[Scene | Untold]:
    """Run a story once for each way in which what is open can go.

    told_all: also where it turns out that more of the owner's code has to be run.
    """
    for count, choose in enumerate(choices()):
        if count == _MOST_RUNS:
            yield Untold(story, "too many ways", code.owner.path, 0)
            return
        stage = Stage(code, story, choose)
        try:
            scene = stage.play()
            yield scene
            if scene.missed and not told_all:
                return
        except Outside as error:
            missed = frozenset(stage.kernel.missed)
            yield Untold(story, error.reason, error.path, error.line, missed)
            if missed and not told_all:
                return
            if error.reason.startswith(ENDLESS):
                return
