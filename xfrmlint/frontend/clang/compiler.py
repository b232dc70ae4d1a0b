"""libclang over one tree: sources are parsed in other processes and asked about their items."""

import json
import os
import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from xfrmlint.frontend.clang import cache, flags, generated, library
from xfrmlint.frontend.clang.answers import Answers
from xfrmlint.frontend.clang.compilation import Build, Command
from xfrmlint.frontend.clang.configuration import Configuration
from xfrmlint.frontend.clang.hiding import Hiding
from xfrmlint.frontend.clang.sources import BUILD, GENERATED, ROOT, Sources, TooMuch
from xfrmlint.frontend.clang.vocabulary import Region, Seen
from xfrmlint.frontend.clang.walk import Walk
from xfrmlint.frontend.clang.workers import Outcome, Workers
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder
from xfrmlint.tree.kbuild import Kbuild

_PRECOMPILED = f"{GENERATED}/xfrmlint/common.h"


class Job(NamedTuple):
    """A source to parse. names: full paths of what it includes. regions: what is asked.

    listed: files whose items are gone through, those that mention a name of `sought` (all if it is
    None). key: of its answer.
    """

    source: str
    arguments: tuple[str, ...]
    names: tuple[str, ...]
    regions: tuple[Region, ...]
    listed: tuple[str, ...]
    fields: frozenset[str]
    offload: str
    sought: frozenset[bytes] | None
    key: str


class Answer(NamedTuple):
    """What was seen in the regions of a source, or why it could not be parsed."""

    seen: Mapping[Region, Seen]
    reason: str


class Asked(NamedTuple):
    """What to ask of a source: items, and files to be gone through.

    everything: every item of these, not only those that speak of a state's xso, or can by a macro.
    """

    regions: tuple[Region, ...] = ()
    listed: tuple[str, ...] = ()
    everything: bool = False


class Clang:
    """A tree's sources as libclang sees them; use it as a context manager.

    commands: a build's compile_commands.json, for the sources that it lists. Raises InputError if
    libclang can't be loaded, or that file not be read.
    """

    def __init__(self, tree: Tree, commands: Path | None = None) -> None:
        self._version = library.load()
        self._tree = tree
        self._build = Build(commands, tree) if commands is not None else None
        outside = self._build.folder if self._build is not None else None
        self._kbuild = Kbuild(tree)
        self._configuration = Configuration(tree)
        built = Folder(outside) if outside is not None else None
        self._sources = Sources(tree, generated.headers(tree), built)
        self._sources.put(flags.AUTOCONF, generated.autoconf(()))
        self._first = flags.first_headers(tree)
        self._hiding = Hiding()
        self._kept = cache.folder()
        self._answers = Answers(self._kept)
        self._private = cache.temporary()
        self._alone = self._sealed("")
        self._header = ""
        self._header_names: list[str] = []

    def __enter__(self) -> "Clang":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._private.cleanup()

    def ask(
        self, asked: Mapping[str, Asked], fields: Collection[str], offload: str
    ) -> dict[str, Answer]:
        """Parse sources and return what is seen in the items that are asked about.

        fields: names of the members whose uses are wanted. offload: the struct type of xso.
        """
        answers: dict[str, Answer] = {}
        closures: dict[str, list[str]] = {}
        symbols: set[str] = set()
        for source in sorted(asked):
            try:
                closures[source] = names = self._closure(source)
            except TooMuch as error:
                answers[source] = Answer({}, f"not parsed: {error}")
                continue
            own = [name for name in names if _is_own(name)]
            symbols.update(self._configuration.of(source, (self._sources.texts[n] for n in own)))
        self._sources.put(flags.AUTOCONF, generated.autoconf(symbols))
        self._plan_header()
        jobs = self._jobs(closures, asked, fields, offload)
        unknown = {}
        for job in jobs:
            known = self._answers.get(job.key)
            if known is None:
                unknown[job.source] = closures[job.source]
            else:
                answers[job.source] = Answer(known, "")
        if unknown and not self._has_header():
            # Without it every source takes longer, no more.
            self._header, self._header_names = "", []
            jobs = self._jobs(unknown, asked, fields, offload)
        found = self._run([job for job in jobs if job.source in unknown])
        refused = {s: closures[s] for s, o in found.items() if o.reason == library.GAVE_UP}
        if refused and self._header:
            broken = Path(self._header)
            self._header, self._header_names = "", []
            again = self._run(self._jobs(refused, asked, fields, offload))
            if any(not outcome.reason for outcome in again.values()):
                # It was the precompiled header's fault, not the source's.
                broken.unlink(missing_ok=True)
            found |= again
        for source, outcome in found.items():
            reason = f"not parsed: {outcome.reason}" if outcome.reason else ""
            answers[source] = Answer(outcome.result or {}, reason)
        self._answers.prune()
        return answers

    def _run(self, jobs: Sequence[Job]) -> dict[str, Outcome]:
        outcomes = Workers(partial(_look, self._sources.texts), jobs).run()
        for job, outcome in zip(jobs, outcomes, strict=True):
            if not outcome.reason:
                self._answers.put(job.key, outcome.result)
        return {job.source: outcome for job, outcome in zip(jobs, outcomes, strict=True)}

    def _jobs(
        self,
        closures: Mapping[str, Sequence[str]],
        asked: Mapping[str, Asked],
        fields: Collection[str],
        offload: str,
    ) -> list[Job]:
        jobs = [self._job(s, names, asked[s], fields, offload) for s, names in closures.items()]
        # The longest first, so that none of them is left to the end.
        return sorted(jobs, key=lambda job: -len(job.names))

    def _closure(self, source: str) -> list[str]:
        command = self._command(source)
        if command is not None:
            starts = [*command.first, f"{ROOT}/{source}"]
            return self._sources.closure(starts, (), command.folders)
        return self._sources.closure([*self._first, f"{ROOT}/{source}"], self._folders(source))

    def _command(self, source: str) -> Command | None:
        return self._build.of(source) if self._build is not None else None

    def _folders(self, source: str) -> list[str]:
        return [f"{ROOT}/{name}" for name in self._kbuild.include_folders(source)]

    def _job(
        self,
        source: str,
        names: Sequence[str],
        what: Asked,
        fields: Collection[str],
        offload: str,
    ) -> Job:
        sought = None if what.everything else self._sought(names, offload)
        command = self._command(source)
        known = list(names)
        if command is not None:
            given, hidden = flags.built(command), self._alone
        else:
            given, hidden = self._given(source)
            known += [*self._header_names, self._names_header(source)]
        texts = {name: self._sources.texts[name] for name in known}
        asked = (what.regions, what.listed, frozenset(fields), offload, sought)
        decisive = (self._version, source, given, sorted(fields), sorted(sought or ()), asked[:2])
        key = self._answers.key((*decisive, offload, sought is None), texts)
        return Job(source, (*given, *hidden), tuple(sorted(texts)), *asked, key)

    def _names_header(self, source: str) -> str:
        """Return the full path of the header with the names that kbuild gives a source."""
        modules = self._kbuild.modules_of(source)
        stem = posixpath.basename(source).removesuffix(".c")
        text = generated.names_header(modules[0].name if modules else stem, stem)
        return self._sources.put(f"xfrmlint/{source}.h", text)

    def _given(self, source: str) -> tuple[list[str], list[str]]:
        """Return a source's arguments, and those whose paths differ from run to run."""
        given = flags.arguments(self._folders(source))
        named = self._names_header(source)
        if not self._header:
            return [*given, *flags.including([*self._first, named])], self._alone
        header = ["-include-pch", self._header, *self._sealed(self._header)]
        return [*given, *flags.including([named])], header

    def _sought(self, names: Iterable[str], offload: str) -> frozenset[bytes]:
        texts = {name: self._sources.texts[name] for name in names}
        own = {name: text for name, text in texts.items() if _is_own(name)}
        near = {name: text for name, text in texts.items() if name not in own and b"xso" in text}
        words = ("xso", "offload_handle", "upper_priv", offload.split()[-1])
        return self._hiding.names(own, near, words)

    def _plan_header(self) -> None:
        """Decide what is precompiled, and where that is kept."""
        self._header, self._header_names = "", []
        common = flags.common_headers(self._tree)
        if not common:
            return
        first = "".join(f'#include "{path}"\n' for path in self._first)
        self._sources.put("xfrmlint/common.h", (first + common).encode())
        try:
            names = self._sources.closure([_PRECOMPILED])
        except TooMuch:
            return
        texts = {name: self._sources.texts[name] for name in names}
        key = self._answers.key((self._version, flags.arguments((), "c-header")), texts)
        where = self._kept or Path(self._private.name)
        self._header, self._header_names = os.fspath(where / f"{key}.pch"), names

    def _has_header(self) -> bool:
        """Tell whether the precompiled header is there; make it if it is not."""
        if not self._header:
            return True
        path = Path(self._header)
        if path.is_file():
            # What was used lately is kept.
            with suppress(OSError):
                os.utime(path)
            return True
        made = Path(f"{path}.{os.getpid()}")
        given = [*flags.arguments((), "c-header"), *self._alone]
        names = self._header_names
        work = partial(_make_header, self._sources.texts, given, names, os.fspath(made))
        [outcome] = Workers(_called, [work]).run(1)
        try:
            if outcome.reason:
                made.unlink(missing_ok=True)
                return False
            made.replace(path)
        except OSError:
            return False
        cache.prune(path.parent)
        return True

    def _sealed(self, header: str) -> list[str]:
        """Return the arguments that keep libclang from the disk, but for a precompiled header."""
        # An #include can name any file there is, a device or a pipe too.
        path = Path(self._private.name) / ("header.yaml" if header else "alone.yaml")
        roots = [{"type": "file", "name": header, "external-contents": header}] if header else []
        overlay = {"version": 0, "case-sensitive": "true", "fallthrough": "false", "roots": roots}
        path.write_text(json.dumps(overlay), "utf-8", "surrogateescape")
        return ["-ivfsoverlay", os.fspath(path)]


def _is_own(name: str) -> bool:
    """Tell whether a file is a driver's, not the kernel's or generated."""
    return not name.startswith((f"{ROOT}/include/", f"{ROOT}/arch/", GENERATED, BUILD))


def _called(work: "partial[None]") -> None:
    work()


def _make_header(
    texts: Mapping[str, bytes], given: Sequence[str], names: Sequence[str], path: str
) -> None:
    parsed = library.Parsed(_PRECOMPILED, given, {n: texts[n] for n in names}, header=True)
    parsed.save(path)


def _look(texts: Mapping[str, bytes], job: Job) -> dict[Region, Seen]:
    """Parse a source and look at its items (in a process of its own)."""
    given = {name: texts[name] for name in job.names}
    parsed = library.Parsed(f"{ROOT}/{job.source}", job.arguments, given)
    walk = Walk(parsed, texts, job.fields, job.offload, ROOT, job.sought is None)
    wanted = list(job.regions)
    for path in job.listed:
        sought = job.sought
        wanted += walk.regions(path) if sought is None else walk.mentioning(path, sought)
    return {region: walk.seen(region) for region in dict.fromkeys(wanted)}
