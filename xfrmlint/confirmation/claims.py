"""What a finding takes for granted, each a question that libclang can answer."""

from typing import Any, NamedTuple

from xfrmlint.c.reader import Reader
from xfrmlint.c.regions import Region, offset_of, regions_at
from xfrmlint.c.unit import Place
from xfrmlint.contract.words import OPS
from xfrmlint.contract.words import RESOLVE as PROMISE
from xfrmlint.facts.store import Store
from xfrmlint.findings import Finding
from xfrmlint.program.sites import RESOLVE

ACCESS, CALL, TABLE, FILLED, CODE = "access", "call", "table", "filled", "code"


class Claim(NamedTuple):
    """One thing to be true at an offset of a file.

    kind: access (of the member `name` of a state's xso), call (of the function `name`), table (an
    object of type struct xfrmdev_ops), filled (its member `name`, with the function `target`) or
    code (that can be compiled). macro: it stands in a macro's text; regions: the item around it,
    or those that use the macro, of which one is enough. struct: the one that is filled.
    """

    kind: str
    regions: tuple[Region, ...]
    path: str
    offset: int
    line: int
    name: str = ""
    target: str = ""
    macro: bool = False
    struct: str = OPS


class SiteClaim(NamedTuple):
    """What is claimed of a site. access: read, write, ... or resolve."""

    place: Place
    function: str
    access: str
    field: str
    claim: Claim


class TableClaim(NamedTuple):
    """What is claimed of an ops table, and of what its callbacks hold, each by its place."""

    place: Place
    symbol: str
    claim: Claim
    callbacks: dict[Place, Claim]


class Claims:
    """The claims of a tree's facts. reader: of that tree, for places that are no facts."""

    def __init__(self, store: Store, reader: Reader) -> None:
        self._reader = reader
        self._items = _items(store)
        self.sites = [self._site(*row) for row in _rows(store, _SITES)]
        self.tables = self._tables(store)
        # What a place is, by what it is first.
        self._claims: dict[Place, list[Claim]] = {}
        for site in self.sites:
            self._claims.setdefault(site.place, []).append(site.claim)
        callbacks = {at: claim for t in self.tables for at, claim in t.callbacks.items()}
        # A related place has no column; on its line stands one resolver call, or a callback.
        self._related = list(dict.fromkeys([*self._claims, *callbacks]))
        for table in self.tables:
            self._claims.setdefault(table.place, [table.claim, *table.callbacks.values()])
        for place, claim in callbacks.items():
            self._claims.setdefault(place, [claim])
        holder = reader.contract.holder(PROMISE)
        for kind, place, _ in self._items if holder else ():
            if kind == "flag":
                self._claims.setdefault(place, [self._plain(FILLED, kind, place, holder)])
        for item, asked in (("sleep", _SLEEPS), ("freed", _FREED)):
            for path, line, column, what in _rows(store, asked):
                place = Place(path, line, column)
                # `mutex_lock()`, `kzalloc() with GFP_KERNEL`, `guard(mutex)`, `kfree(sa)`.
                name = what.partition("(")[0]
                self._claims.setdefault(place, [self._plain(CALL, item, place, name)])

    def of(self, finding: Finding) -> list[Claim]:
        """Return what has to be true for a finding; what its place is comes first."""
        found = list(self._at(Place(finding.path, finding.line, finding.column)))
        for related in finding.related:
            for other in self._related:
                if (other.path, other.line) == (related.path, related.line):
                    found += self._at(other)
        return list(dict.fromkeys(found))

    def at(self, place: Place) -> list[Claim]:
        """Return what is claimed of a fact's place; nothing if it is none."""
        return self._claims.get(place, [])

    def everything(self) -> list[Claim]:
        """Return what is claimed of all facts."""
        return list(dict.fromkeys(claim for claims in self._claims.values() for claim in claims))

    def _at(self, place: Place) -> list[Claim]:
        return self._claims.get(place) or [self._plain(CODE, "", place, "")]

    def _site(
        self, path: str, line: int, column: int, function: str, access: str, field: str
    ) -> SiteClaim:
        place = Place(path, line, column)
        kind, name = CALL if access == RESOLVE else ACCESS, field
        claim = self._plain(kind, "site", place, name, function)
        return SiteClaim(place, function, access, field, claim)

    def _tables(self, store: Store) -> list[TableClaim]:
        callbacks: dict[int, dict[Place, Claim]] = {}
        for number, field, target, *at in _rows(store, _CALLBACKS):
            place = Place(*at)
            claim = self._plain(FILLED, "callback", place, field)
            struct = self._reader.contract.struct_of(field)
            claim = claim._replace(target=target, struct=struct)
            callbacks.setdefault(number, {})[place] = claim
        found = []
        for number, symbol, *at in _rows(store, _TABLES):
            place = Place(*at)
            claim = self._plain(TABLE, "table", place, symbol)
            found.append(TableClaim(place, symbol, claim, callbacks.get(number, {})))
        return found

    def _plain(self, kind: str, item: str, place: Place, name: str, function: str = "") -> Claim:
        known = self._items.get((item, place, function))
        if known is None:
            at = offset_of(self._reader, *place)
            regions = regions_at(self._reader, place.path, at)
        else:
            at, regions = known.offset, tuple(known.regions)
        around = any(r.path == place.path and r.start <= at < r.end for r in regions)
        macro = bool(regions) and not around
        return Claim(kind, regions, place.path, at, place.line, name, macro=macro)


class _Item(NamedTuple):
    offset: int
    regions: list[Region]


# A site that two drivers' folders share stands in both.
_SITES = """
SELECT DISTINCT path, line, column, function, access, field FROM site
ORDER BY path, line, column, function, access, field
"""
_CALLBACKS = "SELECT ops_table, field, target, path, line, column FROM callback"
_TABLES = "SELECT id, symbol, path, line, column FROM ops_table ORDER BY id"
_SLEEPS = "SELECT path, line, column, what FROM sleep ORDER BY id"
_FREED = "SELECT path, line, column, what FROM freed ORDER BY id"


def _rows(store: Store, question: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in store.query(question)[1]]


def _items(store: Store) -> dict[tuple[str, Place, str], _Item]:
    found: dict[tuple[str, Place, str], _Item] = {}
    for kind, path, line, column, function, offset, *region in _rows(store, "SELECT * FROM item"):
        key = kind, Place(path, line, column), function
        found.setdefault(key, _Item(offset, [])).regions.append(Region(*region))
    return found
