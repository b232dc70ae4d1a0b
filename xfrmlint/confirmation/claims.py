"""What a finding takes for granted, each a question that libclang can answer."""

from collections.abc import Iterator
from typing import NamedTuple

from xfrmlint.analysis.analyse import Analysis
from xfrmlint.confirmation.places import offset_of, region_of, regions_at
from xfrmlint.contract import RESOLVER
from xfrmlint.findings import Finding
from xfrmlint.frontend.clang.vocabulary import Region
from xfrmlint.frontend.unit import Place
from xfrmlint.program.ops import Table
from xfrmlint.program.sites import RESOLVE, Site

ACCESS, CALL, TABLE, FILLED, CODE = "access", "call", "table", "filled", "code"


class Claim(NamedTuple):
    """One thing to be true at an offset of a file.

    kind: access (of the member `name` of a state's xso), call (of the function `name`), table (an
    object of type struct xfrmdev_ops), filled (its member `name`, with the function `target`) or
    code (that can be compiled). macro: it stands in a macro's text; regions: the item around it,
    or those that use the macro, of which one is enough.
    """

    kind: str
    regions: tuple[Region, ...]
    path: str
    offset: int
    line: int
    name: str = ""
    target: str = ""
    macro: bool = False


class Claims:
    """The claims of the findings of one analysis."""

    def __init__(self, analysis: Analysis) -> None:
        self._reader = analysis.reader
        self._sites: dict[Place, list[Site]] = {}
        for site in analysis.sites:
            self._sites.setdefault(site.place, []).append(site)
        self._tables: dict[Place, Table] = {}
        self._flags: set[Place] = set()
        self._callbacks: dict[Place, tuple[str, str]] = {}
        for driver in analysis.drivers:
            table = driver.table
            self._tables.setdefault(table.place, table)
            self._flags.update(table.flags)
            for callback in table.callbacks:
                self._callbacks[callback.place] = (callback.field, callback.target)
        _, rows = analysis.store.query("SELECT path, line, column, what FROM sleep")
        self._sleeps = {Place(r["path"], r["line"], r["column"]): r["what"] for r in rows}

    def of(self, finding: Finding) -> list[Claim]:
        """Return what has to be true for a finding; what its place is comes first."""
        place = Place(finding.path, finding.line, finding.column)
        found = list(self._at(place))
        for related in finding.related:
            # A related place has no column; on its line stands one resolver call, or a callback.
            found += [
                claim
                for other in (*self._sites, *self._callbacks)
                if (other.path, other.line) == (related.path, related.line)
                for claim in self._at(other)
            ]
        return list(dict.fromkeys(found))

    def of_site(self, site: Site) -> Claim:
        """Return what a site is."""
        region = region_of(site)
        at = self._offset(site.place)
        within = site.place.path == region.path and region.start <= at < region.end
        kind, name = (CALL, RESOLVER) if site.access == RESOLVE else (ACCESS, site.field)
        return Claim(kind, (region,), site.place.path, at, site.place.line, name, macro=not within)

    def of_table(self, table: Table) -> list[Claim]:
        """Return what a table is, and what its callbacks hold."""
        found = [self._plain(TABLE, table.place, table.symbol)]
        for callback in table.callbacks:
            claim = self._plain(FILLED, callback.place, callback.field)
            found.append(claim._replace(target=callback.target))
        return found

    def _at(self, place: Place) -> Iterator[Claim]:
        for site in self._sites.get(place, ()):
            yield self.of_site(site)
        if place in self._tables:
            yield from self.of_table(self._tables[place])
        elif place in self._callbacks:
            field, target = self._callbacks[place]
            yield self._plain(FILLED, place, field)._replace(target=target)
        elif place in self._flags:
            yield self._plain(FILLED, place, "flags")
        elif place in self._sleeps:
            yield self._plain(CALL, place, self._sleeps[place])
        elif place not in self._sites:
            yield self._plain(CODE, place, "")

    def _plain(self, kind: str, place: Place, name: str) -> Claim:
        at = self._offset(place)
        regions = regions_at(self._reader, place.path, at)
        around = any(r.path == place.path and r.start <= at < r.end for r in regions)
        macro = bool(regions) and not around
        return Claim(kind, regions, place.path, at, place.line, name, macro=macro)

    def _offset(self, place: Place) -> int:
        return offset_of(self._reader, place.path, place.line, place.column)
