"""What an owner's code gave where it was run in worlds, as rows of facts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from xfrmlint.concrete.conduct import in_doubt, misdeeds
from xfrmlint.concrete.lab import Ran
from xfrmlint.concrete.scene import Blamed, Scene
from xfrmlint.concrete.tears import Tear
from xfrmlint.contract.words import ADD, RESOLVE, Contract
from xfrmlint.facts.rows import (
    CoreFunctionRow,
    MisdeedRow,
    OwnerRow,
    TearRow,
    UnknownRow,
    UntoldRow,
    WorldRow,
)
from xfrmlint.kernel.places import is_core
from xfrmlint.model.interleave import READS, lines
from xfrmlint.model.judge import Outcome
from xfrmlint.model.predicates import Broken, sentence
from xfrmlint.model.worlds import with_cast

_BROKEN = {
    "P1": Outcome.OTHER,
    "P2": Outcome.MISSING,
    "P3": Outcome.STALE,
    "P4": Outcome.OTHER,
}


def owner_rows(
    owners: Sequence[Ran], tears: Sequence[Tear], contract: Contract
) -> Iterator[tuple[object, ...]]:
    """Yield what each owner's lower devices get in each world, and what tears in between.

    And what it does wrong with them. contract: the tree's.
    """
    for ran in owners:
        name = ran.owner.name
        reaches = _reaches_unasking(ran.scenes)
        spreads = _spreads_unsharing(ran.scenes)
        yield OwnerRow(name, ran.owner.path, ran.total, len(ran.untold), reaches, spreads)
        for one in dict.fromkeys(ran.untold):
            yield UntoldRow(name, one.path or ran.owner.path, one.line, one.reason)
        yield from _worlds(name, ran.scenes)
        yield from _misdeeds(ran, contract)
        own = sorted((t for t in tears if t.driver == name), key=lambda t: len(t.schedule.moves))
        for number, tear in enumerate(own):
            for position, line in enumerate(lines(tear.schedule)):
                yield TearRow(name, number, tear.scene.world.name, position, line)
    yield from _broken_rows(owners, contract)
    yield from _tear_rows(owners, tears)


def _misdeeds(ran: Ran, contract: Contract) -> Iterator[tuple[object, ...]]:
    name = ran.owner.name
    for one in misdeeds(ran, contract):
        at = one.at
        where = (at.function, at.path, at.line, at.column)
        yield MisdeedRow(name, one.kind, *where, with_cast(one.detail), int(one.supposed))
    for one in in_doubt(ran, contract):
        reason = f"{one.doubt}: {with_cast(one.detail)}"
        yield UnknownRow(one.at.path, one.at.line, one.at.function, reason, name)


def _reaches_unasking(scenes: Iterable[Scene]) -> int | None:
    """Tell whether a state is handed to a device that does not promise to ask; None if untried."""
    told = [
        scene
        for scene in scenes
        if any(not one.asks and one.master is not None for one in scene.story.devices)
    ]
    return int(any(map(_is_issued_by_unasking, told))) if told else None


def _is_issued_by_unasking(scene: Scene) -> bool:
    unasking = {one.name for one in scene.story.devices if not one.asks}
    return any(scene.world.issued[handle] in unasking for handle in scene.world.issued)


def _spreads_unsharing(scenes: Iterable[Scene]) -> int | None:
    """Tell whether a state that is transmitted by several is handed on although one of the ports
    does not promise to share it; None if untried."""
    told = [
        scene
        for scene in scenes
        if any(not one.shares and one.master is not None for one in scene.story.devices)
    ]
    return int(any(one.handed and len(one.world.carries) > 1 for one in told)) if told else None


def _worlds(driver: str, scenes: Iterable[Scene]) -> Iterator[WorldRow]:
    """Yield a row for each device in each world; worlds that differ in nothing told are one."""
    rows: dict[tuple[str, bool, tuple[tuple[str, Outcome], ...]], list[str]] = {}
    for scene in scenes:
        key = (scene.story.name, scene.handed, tuple(_given_in(scene)))
        rows.setdefault(key, []).append(" and ".join(scene.assumed))
    alone = Counter(story for story, _, _ in rows)
    for number, ((story, handed, outcomes), assumed) in enumerate(rows.items()):
        said = " or ".join(filter(None, assumed)) if alone[story] > 1 else ""
        for device, outcome in outcomes:
            yield WorldRow(driver, number, story, said, int(handed), device, outcome)


def _given_in(scene: Scene) -> Iterator[tuple[str, Outcome]]:
    """Yield what each device comes to in a scene."""
    wrong = {broken.asking: broken for broken, _ in scene.broken}
    for answer in scene.answers:
        broken = wrong.get(answer.asking)
        if answer.value is None:
            yield answer.asking, Outcome.UNKNOWN
        elif broken is not None:
            live = broken.answer in scene.world.live
            stale = broken.name == "P1" and not live and broken.answer in scene.world.issued
            yield answer.asking, Outcome.STALE if stale else _BROKEN[broken.name]
        elif not scene.handed:
            yield answer.asking, Outcome.NOT_HANDED
        else:
            yield answer.asking, Outcome.RIGHT if answer.value else Outcome.ZERO_TESTED


def _broken_rows(
    owners: Sequence[Ran], contract: Contract
) -> Iterator[CoreFunctionRow | UnknownRow]:
    """Yield the first world that each function of an owner gets wrong, and why some are untold."""
    for ran in owners:
        told: dict[Blamed, Broken] = {}
        for scene in ran.scenes:
            for broken, blamed in scene.broken:
                told.setdefault(blamed, broken)
        for blamed, broken in told.items():
            detail = f"breaks the contract. {with_cast(sentence(broken))}"
            place = (blamed.name, blamed.path, blamed.line)
            yield CoreFunctionRow("resolves", *place, 0, detail, ran.owner.name)
        # Of an upper without the callback, its absence is told, if there is one to fill: but not
        # what it does wrong with its ports, of which nothing is seen if no world came to its end.
        unseen = not ran.scenes and (ran.owner.joins or ran.owner.creates) is not None
        if ran.untold and (ran.answers or RESOLVE not in contract.slots or unseen):
            first = ran.untold[0]
            reason = f"{len(ran.untold)} of {ran.total} worlds of this owner not answered"
            # Where not one came to its end, nothing that is wrong could be found.
            none = int(not ran.scenes)
            where, line, why = first.path or ran.owner.path, first.line, first.reason
            if is_core(where):
                # Of which owner, only a place of its own says.
                where, line, why = ran.owner.path, 0, f"{where}:{line}: {why}"
            yield UnknownRow(where, line, "", f"{reason}: {why}", matters=none)
        yield from _rewritten(ran)
        if not ran.untold and ran.answers and _refuses_all(ran, contract):
            reason = f"this owner's add refuses the state in each of {ran.total} worlds"
            yield UnknownRow(ran.owner.path, 0, "", f"{reason}: why is not known", matters=1)


def _rewritten(ran: Ran) -> Iterator[UnknownRow]:
    """Yield the first step in which what an owner keeps by itself may be read half changed."""
    scene = next((one for one in ran.scenes if one.rewritten and not one.supposed), None)
    blamed = ran.owner.blamed or ran.owner.moves or ran.owner.leaves or ran.owner.joins
    if scene is not None and ran.answers and blamed is not None:
        names = ", ".join(dict.fromkeys(scene.rewritten))
        reason = f"whether a packet can read {names} half changed is not looked at"
        where = (blamed.path, blamed.line, blamed.name)
        yield UnknownRow(*where, f"{reason}: {with_cast(scene.world.name)}", ran.owner.name)


def _refuses_all(ran: Ran, contract: Contract) -> bool:
    """Tell whether an owner that takes states took none in any world."""
    takes = contract.slot(ADD) in ran.owner.slots
    return takes and bool(ran.scenes) and all(scene.refused for scene in ran.scenes)


def _tear_rows(owners: Sequence[Ran], tears: Sequence[Tear]) -> Iterator[CoreFunctionRow]:
    """Yield the shortest schedule that each function of an owner with the callback makes possible.

    Of one without it that is told, and the rest in `xfrmlint judge`.
    """
    converted = {ran.owner.name for ran in owners if ran.answers}
    told: dict[Blamed, Tear] = {}
    for tear in sorted(tears, key=lambda one: len(one.schedule.moves)):
        if tear.driver not in converted:
            continue
        told.setdefault(tear.blamed, tear)
    for blamed, tear in told.items():
        last = tear.schedule.moves[-1]
        where, names = tear.scene.world.name, tear.schedule.names
        detail = f"lets a reader in between: {where}: the resolver {last.text} (P5)"
        if tear.by_reads:
            own, wanted = (
                ", ".join(names[field] for field in order) for order in (tear.schedule.order, READS)
            )
            order = f"reads in the order {own}, and not {wanted}"
            detail = f"{order}: with {tear.driver}, {where}: it {last.text} (P5)"
        place = (blamed.name, blamed.path, blamed.line)
        driver = "" if tear.by_reads else tear.driver
        yield CoreFunctionRow("torn", *place, 0, with_cast(detail), driver)
