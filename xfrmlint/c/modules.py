"""Which files can speak of each other: a module's sources and the headers beside them."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

from xfrmlint.c.corpus import Corpus, joined
from xfrmlint.kernel.kbuild import Module
from xfrmlint.kernel.places import HEADERS, part_of, vendor

# Begun by a literal it is found ten times as fast.
_EXPORT = re.compile(rb"EXPORT_SYMBOL(?<!\wEXPORT_SYMBOL)\w*\s*\(\s*(\w+)")
# What a source may define for others, a line's beginning at a time.
_OUTWARD = re.compile(
    rb"^(?!static\b|typedef\b|extern\b)(?:[A-Za-z_][^\n;={}()]*[\s*])?([A-Za-z_]\w*)\s*[=;(\[]",
    re.M,
)
# An #include of a file; the name can be a macro's, too.
_NAMED = r'(include|define\s+\w+)\s*["<]([^">]*/)?{}[">]'
_SOURCE, _SOURCES = ".c", r'[^"></]*\.c'
# A header that headers include: its users are sought this many levels up.
_INCLUDE_LEVELS = 3


class Universe:
    """Modules of files and files of modules; each module's list is made once."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self._modules: dict[str, list[Module]] = {}
        self._files: dict[str, list[str]] = {}
        self._unlinked: dict[str, tuple[str, ...]] = {}
        # Folders -> what is included -> the files there that may do it.
        self._users_of: dict[tuple[str, ...], dict[str, list[str]]] = {}
        self._named: dict[str, list[str]] = {}
        self._beside: dict[str, dict[bytes, list[str]]] = {}
        self._exported: dict[str, tuple[frozenset[str], list[str]]] = {}
        # Headers below include/ that belong to the drivers which include them, and where those are.
        self.shared: tuple[str, ...] = ()
        self.users: tuple[str, ...] = ("drivers",)
        # The folders that are analysed: what they include of others belongs to them, too.
        self.home: tuple[str, ...] = ()

    def modules(self, path: str) -> list[Module]:
        """Return the modules of a file; a header belongs to those whose sources include it.

        Where no Makefile links a source, its folder stands in for the module.
        """
        if path not in self._modules:
            if path.endswith(".c"):
                found = self.corpus.kbuild.modules_of(path)
                if not found:
                    # Some drivers #include a .c file instead of linking it.
                    found = [m for m in self._including(path) if m.sources]
                self._modules[path] = found or [self._folder_module(path)]
            else:
                self._modules[path] = self._including(path)
        return self._modules[path]

    def module(self, path: str) -> str:
        """Return the name of a file's (first) module."""
        return self.modules(path)[0].name

    def doubt(self, path: str) -> str:
        """Return why a source can be linked with more than its modules' files; empty if not."""
        if not path.endswith(".c"):
            return ""
        return next((module.doubt for module in self.modules(path) if module.doubt), "")

    def _folder_module(self, path: str) -> Module:
        folder = posixpath.dirname(path)
        if folder not in self._unlinked:
            names = [n for n in self.corpus.tree.folder(folder) if n.endswith(".c")]
            sources = [posixpath.join(folder, n) for n in names]
            own = [s for s in sources if not self.corpus.kbuild.modules_of(s)]
            self._unlinked[folder] = tuple(own)
        doubt = self.corpus.kbuild.doubt(path)
        return Module(posixpath.basename(folder), self._unlinked[folder], doubt)

    def _including(self, path: str) -> list[Module]:
        found: dict[str, Module] = {}
        around = self.users if path in self.shared else self._around(path)
        # Nothing below include/ is compiled: there are headers without end, and no source.
        sources = any(part_of(f"{folder}/") != HEADERS for folder in around)
        level, seen = [path] if sources else [], {path}
        for _ in range(_INCLUDE_LEVELS):
            if not level:
                break
            users = self._users(level, around)
            headers = []
            for user in users:
                if user in seen or set(level).isdisjoint(
                    [*self.corpus.includes(user), *self.corpus.spelled(user, user)]
                ):
                    continue
                seen.add(user)
                if user.endswith(".h"):
                    headers.append(user)
                else:
                    for module in self.modules(user):
                        found.setdefault(module.name, module)
            level = headers
        return list(found.values()) or [Module(posixpath.basename(posixpath.dirname(path)), ())]

    def _users(self, files: Sequence[str], around: Sequence[str]) -> Sequence[str]:
        """Return the files in some folders that may include one of some files."""
        known = self._users_of.setdefault(tuple(around), {})
        names = {posixpath.basename(file) for file in files}
        if not all(name in known or name.endswith(_SOURCE) for name in names):
            fresh = {*names, *self._likely(around)} - known.keys()
            headers = sorted(name for name in fresh if not name.endswith(_SOURCE))
            self._note_users(known, "|".join(map(re.escape, headers)), headers, around)
        if _SOURCE not in known and any(name.endswith(_SOURCE) for name in names):
            # Few files include one: all that do are looked for at once.
            self._note_users(known, _SOURCES, [_SOURCE], around)
        return sorted({user for name in names for user in known.get(name, ())})

    def _note_users(
        self,
        known: dict[str, list[str]],
        pattern: str,
        names: Sequence[str],
        around: Sequence[str],
    ) -> None:
        """Note which files in some folders may include what has one of some names, or ends so."""
        known.update((name, []) for name in names)
        for user in self.corpus.tree.search(_NAMED.format(f"({pattern})"), around):
            written = [one for one, _ in self.corpus.named(user)]
            written += [one for _, one, _ in self.corpus.macros_of_files(user)]
            for last in set(map(_last, written)):
                if last in names or posixpath.splitext(last)[1] in names:
                    known.setdefault(last, []).append(user)

    def _likely(self, around: Sequence[str]) -> Iterator[str]:
        """Yield the headers that drivers in some folders, as far as they are known, include.

        Who asks for one asks for others: one search is for all of them.
        """
        tops = tuple(f"{folder}/" for folder in around)
        for path in {file for files in self._files.values() for file in files}:
            for written, quoted in self.corpus.named(path) if path.startswith(tops) else ():
                if quoted:
                    yield _last(written)

    def _around(self, path: str) -> list[str]:
        """Return where the sources are looked for that include a header, or call a function."""
        own = vendor(path)
        return [own, *(folder for folder in self.home if folder != own)]

    def key(self, path: str) -> str:
        """Return a name for the list of files that `files` returns."""
        modules = self.modules(path)
        own = "" if any(path in self.files_of(m) for m in modules) else path
        return "+".join([*(f"{m.name}:{m.sources[:1]}" for m in modules), own])

    def files(self, path: str) -> list[str]:
        """Return the sources of a file's modules and the headers of the driver, sorted."""
        found: dict[str, None] = dict.fromkeys([path])
        for module in self.modules(path):
            found.update(dict.fromkeys(self.files_of(module)))
        return list(found)

    def files_of(self, module: Module) -> list[str]:
        """Return a module's sources and the headers in the folders that they include from."""
        key = module.name + "\0" + "\0".join(module.sources[:1])
        if key not in self._files:
            included = {
                i
                for source in module.sources
                if any(name.endswith(b".c") for name, _ in self.corpus.named(source))
                for i in self.corpus.includes(source)
                if i.endswith(".c")
            }
            headers = self._headers([*module.sources, *included])
            if module.sources:
                headers += self._in_folders(self.corpus.kbuild.include_folders(module.sources[0]))
            sources = [s for s in module.sources if self.corpus.tree.is_file(s)]
            if self.shared:
                seen = {path for source in sources for path in self.corpus.closure(source)}
                headers += [path for path in self.shared if path in seen]
            self._files[key] = sorted({*sources, *headers, *included})
        return self._files[key]

    def _headers(self, sources: Sequence[str]) -> list[str]:
        """Return the headers beside some files and in the folders that they, or those, name."""
        found: dict[str, None] = {}
        seen: set[str] = set()
        files = list(sources)
        for _ in range(_INCLUDE_LEVELS):
            folders: dict[str, None] = {}
            for file in files:
                folder = posixpath.dirname(file)
                folders[folder] = None
                folders.update(dict.fromkeys(self._named_folders(file, folder)))
            fresh = [f for f in folders if f not in seen]
            seen.update(fresh)
            files = self._in_folders(fresh)
            found.update(dict.fromkeys(files))
        return list(found)

    def _named_folders(self, file: str, folder: str) -> list[str]:
        """Return the folders that a file's #include lines name from where it is."""
        if file not in self._named:
            names = (name for name, quoted in self.corpus.named(file) if quoted and b"/" in name)
            self._named[file] = [
                joined(folder, far.decode("utf-8", "surrogateescape"))
                for far in dict.fromkeys(name.rpartition(b"/")[0] for name in names)
            ]
        return self._named[file]

    def _in_folders(self, folders: Iterable[str]) -> list[str]:
        return [
            posixpath.join(folder, name)
            for folder in folders
            if not folder.startswith(("include", "..", "arch"))
            for name in self.corpus.tree.folder(folder)
            if name.endswith((".h", ".inc"))
        ]

    def beside(self, name: str, path: str) -> str:
        """Return the one source in a file's folder that exports a name; nothing for several."""
        folder = posixpath.dirname(path)
        if folder not in self._beside:
            found = self._beside[folder] = {}
            for one in self.corpus.tree.folder(folder) if part_of(path) != HEADERS else ():
                source = posixpath.join(folder, one)
                data = self.corpus.data(source) if one.endswith(".c") else b""
                for match in _EXPORT.finditer(data) if b"EXPORT_SYMBOL" in data else ():
                    found.setdefault(match.group(1), []).append(source)
        sources = self._beside[folder].get(name.encode("utf-8", "surrogateescape"), [])
        return sources[0] if len(sources) == 1 else ""

    def exported(self, name: str, path: str) -> list[str]:
        """Return the sources of other modules that can use what `path` defines by a name.

        That is what is exported; where it isn't known what is linked with it, everything.
        """
        key = self.key(path)
        if key not in self._exported:
            own = self.files(path)
            names = {
                match.group(1)
                for file in own
                if b"EXPORT_SYMBOL" in self.corpus.data(file)
                for match in _EXPORT.finditer(self.corpus.data(file))
            }
            if self.doubt(path):
                sources = [file for file in own if file.endswith(".c")]
                names.update(n for f in sources for n in _OUTWARD.findall(self.corpus.data(f)))
            users: list[str] = []
            if names:
                either = b"|".join(sorted(names)).decode("ascii", "replace")
                found = self.corpus.tree.search(rf"\b({either})\b", self._around(path))
                users = [u for u in found if u not in set(own)]
            self._exported[key] = (frozenset(n.decode("ascii", "replace") for n in names), users)
        names_out, candidates = self._exported[key]
        if name not in names_out:
            return []
        word = name.encode("ascii", "replace")
        return [u for u in candidates if word in self.corpus.data(u)]

    def given_to_all(self, name: str, path: str, static: bool) -> bool:
        """Tell whether any driver can call a function: an exported one, or a header's inline."""
        if path.startswith("include/"):
            return static and path not in self.shared
        exports = _EXPORT.findall(self.corpus.data(path))
        return not static and name.encode("utf-8", "surrogateescape") in exports


def _last(written: bytes) -> str:
    """Return the last name of a path in an #include line."""
    return written.rpartition(b"/")[2].decode("utf-8", "surrogateescape")
