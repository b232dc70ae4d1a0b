"""libclang over one tree: sources are parsed in other processes and asked about their items."""

import json
import os
import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from xfrmlint.c.regions import Region
from xfrmlint.clang import cache, flags, generated, library, precompiled
from xfrmlint.clang.answers import Answers
from xfrmlint.clang.compilation import Build, Command
from xfrmlint.clang.configuration import Configuration
from xfrmlint.clang.hiding import Hiding
from xfrmlint.clang.precompiled import Header
from xfrmlint.clang.sources import BUILD, GENERATED, ROOT, Sources, TooMuch
from xfrmlint.clang.vocabulary import Seen
from xfrmlint.clang.walk import Walk
from xfrmlint.clang.workers import Outcome, Workers
from xfrmlint.contract.words import XSO
from xfrmlint.kernel.kbuild import Kbuild
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder


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

    likely: sources that can be asked about; the kernel's headers are configured for them, whatever
    is asked. commands: a build's compile_commands.json, for the sources that it lists. beside: the
    cache near which headers and answers are kept. Raises InputError if libclang can't be loaded, or
    that file not be read.
    """

    def __init__(
        self,
        tree: Tree,
        likely: Sequence[str] = (),
        commands: Path | None = None,
        beside: Path | None = None,
    ) -> None:
        self._version = library.load()
        self._tree = tree
        self._likely = likely
        self._build = Build(commands, tree) if commands is not None else None
        outside = self._build.folder if self._build is not None else None
        self._kbuild = Kbuild(tree)
        self._configuration = Configuration(tree)
        built = Folder(outside) if outside is not None else None
        self._sources = Sources(tree, generated.headers(tree), built)
        self._sources.put(flags.AUTOCONF, generated.autoconf(()))
        self._first = flags.first_headers(tree)
        self._hiding = Hiding()
        self._kept = cache.folder(beside)
        self._answers = Answers(self._kept)
        self._private = cache.Temporary()
        self._alone = self._sealed(None)
        # What is precompiled: all that is included, and what of that speaks of xso.
        self._common: frozenset[str] = frozenset()
        self._near: dict[str, bytes] = {}
        self._common_key = ""
        self._symbols: dict[str, list[str]] = {}
        self._header: Header | None = None
        self._begun: Workers | None = None
        self._telling: tuple[str, ...] = ()

    def __enter__(self) -> "Clang":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._begun is not None:
            self._begun.end()
        self._private.cleanup()

    def begin(self) -> None:
        """Let what takes long be prepared beside what comes before ask()."""
        self._begun = Workers(Clang._prepare, [self])
        self._begun.begin(1)

    def _prepare(self) -> None:
        self._configure(())
        header = self._planned(bodies=False)
        if header is not None and not header.path.is_file():
            header.make()

    def ask(
        self,
        asked: Mapping[str, Asked],
        fields: Collection[str],
        offload: str,
        telling: Sequence[str] = (),
    ) -> dict[str, Answer]:
        """Parse sources and return what is seen in the items that are asked about.

        fields: names of the members whose uses are wanted. offload: the struct type of xso.
        telling: those of the fields whose names are nobody else's.
        """
        self._telling = tuple(telling)
        closures, answers = self._configure(asked)
        read = {path for what in asked.values() for path in (*what.listed, *_paths(what.regions))}
        self._header = self._planned(any(f"{ROOT}/{path}" in self._common for path in read))
        jobs = self._jobs(closures, asked, fields, offload)
        unknown = {}
        for job in jobs:
            known = self._answers.get(job.key)
            if known is None:
                unknown[job.source] = closures[job.source]
            else:
                answers[job.source] = Answer(known, "")
        if self._begun is not None:
            self._begun.run(1)
        if unknown and self._header is not None and not self._header.is_there():
            # Without it every source takes longer, no more.
            self._header = None
            jobs = self._jobs(unknown, asked, fields, offload)
        found = self._run([job for job in jobs if job.source in unknown])
        refused = {s: closures[s] for s, o in found.items() if o.reason == library.GAVE_UP}
        if refused and self._header is not None:
            broken = self._header.path
            self._header = None
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

    def _configure(self, asked: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, Answer]]:
        """Set what drivers need; return what sources include, or why they can't be looked at.

        What is precompiled is left out of what they include.
        """
        self._common = self._included_by_all()
        names = ((name, self._sources.texts[name]) for name in self._common)
        self._near = {
            name: text for name, text in names if not _is_own(name) and XSO.encode() in text
        }
        closures: dict[str, list[str]] = {}
        refused: dict[str, Answer] = {}
        symbols: dict[str, list[str]] = {}
        for source in sorted({*asked, *self._likely}):
            try:
                closures[source] = self._closure(source)
            except TooMuch as error:
                refused[source] = Answer({}, f"not parsed: {error}")
                continue
            own = (self._sources.texts[name] for name in closures[source] if _is_own(name))
            symbols[source] = self._configuration.of(source, own)
        shared = {name for s in self._likely or symbols for name in symbols.get(s, ())}
        self._sources.put(flags.AUTOCONF, generated.autoconf(shared))
        texts = {name: self._sources.texts[name] for name in self._common}
        self._common_key = self._answers.key((), texts)
        self._symbols = {s: [n for n in own if n not in shared] for s, own in symbols.items()}
        wanted = set(asked)
        return (
            {source: names for source, names in closures.items() if source in wanted},
            {source: answer for source, answer in refused.items() if source in wanted},
        )

    def _included_by_all(self) -> frozenset[str]:
        """Return the full paths of what the precompiled header includes, itself too."""
        common = flags.common_headers(self._tree)
        if not common:
            return frozenset()
        first = "".join(f'#include "{path}"\n' for path in self._first)
        self._sources.put(precompiled.SHORT, (first + common).encode())
        try:
            return frozenset(self._sources.closure([precompiled.FULL]))
        except TooMuch:
            return frozenset()

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
        starts = [*self._first, *self._forced(source), f"{ROOT}/{source}"]
        return self._sources.closure(starts, self._folders(source), known=self._common)

    def _command(self, source: str) -> Command | None:
        return self._build.of(source) if self._build is not None else None

    def _forced(self, source: str) -> list[str]:
        paths = self._kbuild.options(source).forced
        return [f"{ROOT}/{path}" for path in paths if self._tree.is_file(path)]

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
        known = set(names)
        decisive: list[object] = [self._version, source, sorted(fields), sorted(sought or ())]
        if command is not None:
            given, hidden = flags.built(command), self._alone
        else:
            given, hidden = self._given(source)
            known.add(self._names_header(source))
            decisive.append(self._common_key)
        texts = {name: self._sources.texts[name] for name in known}
        asked = (what.regions, what.listed, frozenset(fields), offload, sought)
        key = self._answers.key((*decisive, given, asked[:2], offload, sought is None), texts)
        if command is None:
            known |= self._common
        return Job(source, (*given, *hidden), tuple(sorted(known)), *asked, key)

    def _names_header(self, source: str) -> str:
        """Return the full path of the header with the names that kbuild gives a source."""
        modules = self._kbuild.modules_of(source)
        stem = posixpath.basename(source).removesuffix(".c")
        name = modules[0].name if modules else stem
        text = generated.names_header(name, stem, self._symbols.get(source, ()))
        return self._sources.put(f"xfrmlint/{source}.h", text)

    def _given(self, source: str) -> tuple[list[str], list[str]]:
        """Return a source's arguments, and those whose paths differ from run to run."""
        given = flags.arguments(self._folders(source))
        defined = self._kbuild.options(source).defines
        given += [f"-D{name}={text}" for name, text in defined.items()]
        named = [self._names_header(source), *self._forced(source)]
        if self._header is None:
            return [*given, *flags.including([*self._first, *named])], self._alone
        header = ["-include-pch", os.fspath(self._header.path), *self._sealed(self._header.path)]
        return [*given, *flags.including(named)], header

    def _sought(self, names: Iterable[str], offload: str) -> frozenset[bytes]:
        texts = {name: self._sources.texts[name] for name in names}
        own = {name: text for name, text in texts.items() if _is_own(name)}
        near = {
            name: text for name, text in texts.items() if name not in own and XSO.encode() in text
        }
        words = (XSO, *self._telling, offload.split()[-1])
        return self._hiding.names(own, {**self._near, **near}, words)

    def _planned(self, bodies: bool) -> Header | None:
        """Decide what is precompiled, and where that is kept."""
        if not self._common:
            return None
        given = flags.arguments((), "c-header")
        key = self._answers.key((self._version, given, bodies, self._common_key), {})
        where = self._kept or Path(self._private.name)
        texts = {name: self._sources.texts[name] for name in self._common}
        return Header(where / f"{key}.pch", texts, [*given, *self._alone], bodies)

    def _sealed(self, header: Path | None) -> list[str]:
        """Return the arguments that keep libclang from the disk, but for a precompiled header."""
        # An #include can name any file there is, a device or a pipe too.
        path = Path(self._private.name) / ("header.yaml" if header else "alone.yaml")
        name = os.fspath(header) if header else ""
        roots = [{"type": "file", "name": name, "external-contents": name}] if header else []
        overlay = {"version": 0, "case-sensitive": "true", "fallthrough": "false", "roots": roots}
        path.write_text(json.dumps(overlay), "utf-8", "surrogateescape")
        return ["-ivfsoverlay", os.fspath(path)]


def _is_own(name: str) -> bool:
    """Tell whether a file is a driver's, not the kernel's or generated."""
    return not name.startswith((f"{ROOT}/include/", f"{ROOT}/arch/", GENERATED, BUILD))


def _paths(regions: Iterable[Region]) -> set[str]:
    return {region.path for region in regions}


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
