"""Where drivers access the shared handle, and how much of that a tool found."""

import csv
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bench.own import xfrmlint
from tests.laid import expected_missing
from tests.real.kernels import Unavailable, expected

# Path and line: two accesses in one line are one, since some tools tell them as one.
Place = tuple[str, int]
_SQL = """SELECT DISTINCT path, line, context FROM site
WHERE field = 'offload_handle' AND access <> 'resolve'"""
_TYPES = {"DIRECT_OFFLOAD_HANDLE", "CONTROL_OFFLOAD_HANDLE", "OFFLOAD_HANDLE_WRITE"}


class Sites(NamedTuple):
    """Lines that access a state's offload_handle, and those of them that lie on a datapath."""

    every: frozenset[Place]
    datapath: frozenset[Place]


class Score(NamedTuple):
    """found, missed, wrong: accesses below drivers/; core: what else was named, the core's own.

    told, mistold: lines below drivers/ said to be on the datapath that are, and that are not.
    """

    found: int
    missed: int
    wrong: int
    core: int
    told: int
    mistold: int


def sites_of(tree: Path, environment: Mapping[str, str]) -> Sites:
    """Return what xfrmlint finds; raises subprocess.CalledProcessError."""
    command = xfrmlint("query", _SQL, str(tree), "--format", "json")
    done = subprocess.run(command, env=environment, check=True, capture_output=True)
    return _sites(json.loads(done.stdout)["rows"])


def read_by_hand(tree: Path) -> Sites | None:
    """Return the accesses that people found in exactly this kernel; None if nobody has looked."""
    try:
        path = expected(tree) / "sites.tsv"
    except Unavailable:
        return None
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return _sites([row for row in rows if row["field"] == "offload_handle"])


def marked_missing(tree: Path) -> frozenset[Place]:
    """Return the accesses that a fixture's comments say xfrmlint should find and does not."""
    marked = expected_missing(tree)
    return frozenset(place for place, types in marked.items() if types & _TYPES)


def score(found: Sites, wanted: Sites) -> Score:
    """Hold what was found against what there is."""
    every, wanted_every = _below_drivers(found.every), _below_drivers(wanted.every)
    told, wanted_told = _below_drivers(found.datapath), _below_drivers(wanted.datapath)
    return Score(
        found=len(every & wanted_every),
        missed=len(wanted_every - every),
        wrong=len(every - wanted_every),
        core=len(found.every - every),
        told=len(told & wanted_told),
        mistold=len(told - wanted_told),
    )


def _sites(rows: list[dict[str, str]]) -> Sites:
    return Sites(
        frozenset((row["path"], int(row["line"])) for row in rows),
        frozenset((row["path"], int(row["line"])) for row in rows if row["context"] == "datapath"),
    )


def _below_drivers(places: frozenset[Place]) -> frozenset[Place]:
    return frozenset(place for place in places if place[0].startswith("drivers/"))
