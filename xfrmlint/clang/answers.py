"""Answers that were given before: one file each, named by the digest of all that decides it."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xfrmlint.c.regions import Region
from xfrmlint.clang import vocabulary
from xfrmlint.clang.vocabulary import Call, Declared, Filled, Member, Named, Seen

# A kernel needs some twenty, of a few kilobytes each.
_KEPT = 400


class Answers:
    """The answers in a folder; None: nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._digests: dict[str, tuple[bytes, bytes]] = {}
        self._written = False

    def key(self, asked: Iterable[object], texts: Mapping[str, bytes]) -> str:
        """Return the name of an answer: what is asked, how, of which texts, and by which code."""
        digest = hashlib.sha256(_code())
        digest.update(json.dumps(list(map(repr, asked))).encode())
        for name in sorted(texts):
            known = self._digests.get(name)
            # A generated one can have another text by now.
            if known is None or known[0] is not texts[name]:
                known = self._digests[name] = texts[name], hashlib.sha256(texts[name]).digest()
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + known[1])
        return digest.hexdigest()[:32]

    def get(self, key: str) -> dict[Region, Seen] | None:
        """Return an answer if it is there."""
        if self._folder is None:
            return None
        path = self._folder / f"{key}.json"
        try:
            found = decoded(json.loads(path.read_bytes()))
            os.utime(path)
        except (OSError, ValueError, TypeError, KeyError):
            # One that can't be read is one that isn't there.
            return None
        return found

    def put(self, key: str, answer: Mapping[Region, Seen]) -> None:
        """Keep an answer."""
        if self._folder is None:
            return
        made = self._folder / f"{key}.{os.getpid()}"
        try:
            made.write_text(json.dumps(list(answer.items())), "ascii")
            made.replace(self._folder / f"{key}.json")
        except OSError:
            made.unlink(missing_ok=True)
        self._written = True

    def prune(self) -> None:
        """Remove what was not asked for longest, if anything was added."""
        if self._folder is None or not self._written:
            return
        try:
            files = sorted(self._folder.glob("*.json"), key=lambda p: p.stat().st_mtime)
            for path in files[:-_KEPT]:
                path.unlink(missing_ok=True)
        except OSError:
            return


def decoded(rows: Any) -> dict[Region, Seen]:
    """Return an answer from what JSON made of it; raises TypeError or ValueError."""
    if not isinstance(rows, list):
        raise TypeError("not a list")
    found = {}
    for region, (reason, errors, clean, declared, members, calls, filled, skipped, named) in rows:
        found[Region(*region)] = Seen(
            reason,
            tuple(errors),
            clean,
            tuple(Declared(*row) for row in declared),
            tuple(Member(p, o, f, r, tuple(w), *more) for p, o, f, r, w, *more in members),
            tuple(Call(*row) for row in calls),
            tuple(Filled(p, o, r, f, tuple(t), tuple(n), m) for p, o, r, f, t, n, m in filled),
            tuple((start, end) for start, end in skipped),
            tuple(Named(*row) for row in named),
        )
    return found


def _code() -> bytes:
    """Return a digest of the modules that answers come from: other code answers otherwise."""
    digest = hashlib.sha256()
    for path in sorted(Path(vocabulary.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()
