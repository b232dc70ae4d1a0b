"""The tools that come nearest, with the best rule that could be written for each."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.sites import Place, Sites
from bench.timing import Command
from xfrmlint.tree.search import ripgrep

RULES = Path(__file__).resolve().parent / "peers"
_JOBS = str(len(os.sched_getaffinity(0)))


class Peer(NamedTuple):
    """A way to run a tool. rule: its file in peers/; read: makes sites of what it prints.

    arguments: over the folder it is started in. narrowed: a shell's script that first asks ripgrep
    for the files that hold the word, as a practised user does; "$@" is the tool with its arguments.
    """

    name: str
    program: str
    rule: str
    arguments: tuple[str, ...]
    read: Callable[[str], Sites]
    narrowed: str = ""


def command(peer: Peer, tree: Path, folders: str) -> Command:
    """Return the row of a peer. folders: where its program is searched for, as in PATH."""
    program = shutil.which(peer.program, path=folders)
    if program is None:
        return Command(peer.name, missing=f"{peer.program} is not installed")
    argv = (program, *peer.arguments, str(RULES / peer.rule))
    if not peer.narrowed:
        return Command(peer.name, argv, tree)
    listed = f"{_LIST} | {peer.narrowed}"
    return Command(peer.name, ("sh", "-c", listed, ripgrep(tree), *argv), tree)


def _from_spatch(printed: str) -> Sites:
    lines = [line.split("\t") for line in printed.splitlines() if line.count("\t") == 2]
    return _sites([(kind, path, int(number)) for kind, path, number in lines])


def _from_semgrep(printed: str) -> Sites:
    found = json.loads(printed)["results"] if printed else []
    # A rule's name is preceded by its folder's; the field stands last in what is matched.
    return _sites([(r["check_id"].split(".")[-1], r["path"], r["end"]["line"]) for r in found])


def _from_ast_grep(printed: str) -> Sites:
    found = [json.loads(line) for line in printed.splitlines()]
    return _sites([(r["ruleId"], r["file"], r["range"]["end"]["line"] + 1) for r in found])


def _sites(rows: list[tuple[str, str, int]]) -> Sites:
    places: dict[str, set[Place]] = {"site": set(), "datapath": set()}
    for kind, path, line in rows:
        places[kind].add((path.removeprefix("./"), line))
    return Sites(frozenset(places["site"]), frozenset(places["datapath"]))


_LIST = "\"$0\" --no-config -uu -l -w -g '*.[ch]' offload_handle ."
# A name to a line, whatever is in it but a line's end.
_EACH = "xargs -r -d '\\n' \"$@\""
_SPATCH = ("--very-quiet", "--include-headers", "--no-includes", "-j", _JOBS)
_SEMGREP = (
    *("scan", "--metrics=off", "--disable-version-check", "--json", "--quiet", "-j", _JOBS),
    *("--no-git-ignore", "--x-ignore-semgrepignore-files", "--max-target-bytes", "0"),
)
# Nothing is left out for a .gitignore.
_AST_GREP = (
    *("scan", "--json=stream", "--no-ignore", "hidden", "--no-ignore", "dot"),
    *("--no-ignore", "vcs", "--no-ignore", "parent"),
)

PEERS = (
    Peer(
        "spatch",
        "spatch",
        "handle.cocci",
        (*_SPATCH, "--dir", ".", "--sp-file"),
        _from_spatch,
    ),
    Peer(
        "ripgrep, spatch",
        "spatch",
        "handle.cocci",
        (*_SPATCH, "--sp-file"),
        _from_spatch,
        # An empty line between two files: each is a program of its own.
        'sed G | "$@" --file-groups /dev/stdin',
    ),
    Peer("semgrep", "semgrep", "handle.semgrep.yml", (*_SEMGREP, "--config"), _from_semgrep),
    Peer(
        "ripgrep, semgrep",
        "semgrep",
        "handle.semgrep.yml",
        (*_SEMGREP, "--config"),
        _from_semgrep,
        _EACH,
    ),
    Peer("ast-grep", "ast-grep", "handle.ast-grep.yml", (*_AST_GREP, "--rule"), _from_ast_grep),
    Peer(
        "ripgrep, ast-grep",
        "ast-grep",
        "handle.ast-grep.yml",
        (*_AST_GREP, "--rule"),
        _from_ast_grep,
        _EACH,
    ),
)
