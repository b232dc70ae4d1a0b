"""A run of `judge --format json`, read back to stand beside another."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from xfrmlint.analysis.judgement import topologies
from xfrmlint.errors import InputError
from xfrmlint.model.judge import Outcome
from xfrmlint.report.callgraph import where


class Handle(NamedTuple):
    """A place where a handle was got. outcomes: by topology, None for one that wasn't judged."""

    label: str
    outcomes: tuple[Outcome | None, ...]


class Run(NamedTuple):
    """What a file holds. title: whose version it is. drivers: their worst, and their handles."""

    title: str
    drivers: Mapping[str, tuple[Outcome, tuple[Handle, ...]]]
    owners: Mapping[str, Outcome]


def read_run(file: Path) -> Run:
    """Read what `judge --format json` printed; raises InputError for anything else."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    try:
        return _run(json.loads(text), file.name)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(f"{file}: not what judge --format json prints") from None


def _run(document: Any, name: str) -> Run:
    if document["schema"] != 1:
        raise ValueError(document["schema"])
    drivers = {
        _text(one["driver"]): (Outcome(one["outcome"]), tuple(map(_handle, one["handles"])))
        for one in document["drivers"]
    }
    owners = {_text(one["driver"]): Outcome(one["outcome"]) for one in document["owners"]}
    tree = document["tree"]
    at = _text(tree.get("commit", ""))[:12]
    title = f"{name} (Linux {_text(tree['version'])}{', ' + at if at else ''})"
    return Run(title, drivers, owners)


def _handle(one: Any) -> Handle:
    outcomes = {_text(name): Outcome(said) for name, said in one["outcomes"].items()}
    return Handle(
        where(_text(one["path"]), int(one["line"])),
        tuple(outcomes.get(topology.name) for topology in topologies()),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
