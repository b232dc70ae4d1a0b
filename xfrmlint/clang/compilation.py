"""The flags of a build, from the compile_commands.json that `make compile_commands.json` writes.

Only flags that say what the text means are taken: no plugin, no response file, no output. Folders
outside of the tree and of the build are left out.
"""

import json
import os
import posixpath
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from xfrmlint.clang.sources import BUILD, ROOT
from xfrmlint.errors import InputError
from xfrmlint.tree import Tree

_FOLDERS = ("-I", "-isystem", "-iquote")
_DEFINES = ("-D", "-U")
_PLAIN = re.compile(
    r"^(-std=\w[\w+:]*|-m(64|32|16)|-f(short-wchar|ms-extensions|unsigned-char|signed-char)|"
    r"--target=[\w.-]+)$"
)
_CROSS = re.compile(r"^([\w.]+(?:-[\w.]+)+)-(?:gcc|cc)(?:-[\d.]+)?$")


class Command(NamedTuple):
    """How a build compiles a source. folders: its -I, as full paths. first: what it -includes."""

    arguments: tuple[str, ...]
    folders: tuple[str, ...]
    first: tuple[str, ...]


class Build:
    """A build's commands by source. folder: where it was built, if that is not the tree."""

    def __init__(self, file: Path, tree: Tree) -> None:
        self._entries: dict[str, dict[str, Any]] = {}
        self._root = ""
        self.folder: Path | None = None
        for entry in _entries(file):
            path = os.path.join(entry["directory"], entry["file"])
            full = os.path.normpath(path)
            if not self._root:
                self._root = _root_of(full, tree)
            if self._root and full.startswith(f"{self._root}/"):
                self._entries.setdefault(full[len(self._root) + 1 :], entry)
        if not self._entries:
            raise InputError(f"{file}: none of its files is in this tree")
        directory = os.path.normpath(next(iter(self._entries.values()))["directory"])
        if directory != self._root and not directory.startswith(f"{self._root}/"):
            self.folder = Path(directory)

    def of(self, source: str) -> Command | None:
        """Return the command for a source of the tree; None if the build didn't compile it."""
        entry = self._entries.get(source)
        return None if entry is None else self._command(entry)

    def _command(self, entry: dict[str, Any]) -> Command:
        words = _words(entry)
        given: list[str] = []
        folders: list[str] = []
        first: list[str] = []
        cross = _CROSS.match(posixpath.basename(words[0])) if words else None
        target = f"--target={cross.group(1)}" if cross else "--target=x86_64-linux-gnu"
        rest = iter(words[1:])
        for word in rest:
            flag = next((f for f in (*_FOLDERS, "-include", *_DEFINES) if word.startswith(f)), "")
            if flag in _DEFINES:
                given.append(flag + (word[2:] or next(rest, "")))
            elif flag == "-include" and word == flag:
                full = self._full(next(rest, ""), entry["directory"])
                if full:
                    first.append(full)
                    given += [flag, full]
            elif flag in _FOLDERS:
                full = self._full(word.removeprefix(flag) or next(rest, ""), entry["directory"])
                if full:
                    folders.append(full)
                    given += [flag, full]
            elif _PLAIN.match(word):
                if word.startswith("--target="):
                    target = word
                else:
                    given.append(word)
        return Command((target, *given), tuple(folders), tuple(first))

    def _full(self, path: str, directory: str) -> str:
        """Return a path of the build as libclang is given it; empty if it is neither's."""
        real = os.path.normpath(os.path.join(directory, path))
        for top, mounted in ((self._root, ROOT), (str(self.folder or ""), BUILD)):
            if top and (real == top or real.startswith(f"{top}/")):
                return posixpath.normpath(f"{mounted}/{real[len(top) + 1 :]}")
        return ""


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with open(file, "rb") as opened:
            listed = json.load(opened)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{file}: not JSON") from None
    if not isinstance(listed, list):
        raise InputError(f"{file}: not a list of compile commands")
    for entry in listed:
        if not isinstance(entry, dict) or not all(
            isinstance(entry.get(name), str) for name in ("directory", "file")
        ):
            raise InputError(f"{file}: an entry without directory and file")
        yield entry


def _words(entry: dict[str, Any]) -> list[str]:
    listed = entry.get("arguments")
    if isinstance(listed, list):
        return [word for word in listed if isinstance(word, str)]
    command = entry.get("command")
    try:
        return shlex.split(command) if isinstance(command, str) else []
    except ValueError:
        return []


def _root_of(full: str, tree: Tree) -> str:
    """Return the top of the tree that a build's path speaks of; empty if it is none of it."""
    parts = full.split("/")
    for start in range(1, len(parts) - 1):
        if tree.is_file("/".join(parts[start:])):
            return "/".join(parts[:start])
    return ""
