"""Which files can speak of each other: a module's sources and the headers beside them."""

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence

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
# A header that headers include: its users are sought this many levels up.
_INCLUDE_LEVELS = 3


class Universe:
    """Modules of files and files of modules; each module's list is made once."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self._modules: dict[str, list[Module]] = {}
        self._files: dict[str, list[str]] = {}
        self._unlinked: dict[str, tuple[str, ...]] = {}
        self._includers: dict[tuple[str, ...], Mapping[str, Sequence[str]]] = {}
        self._named: dict[str, list[str]] = {}
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
        if all(file.endswith(".c") for file in files):
            # Few do that: they are looked for once, not for each source that no Makefile links.
            users = self._source_users(tuple(around))
            return [user for file in files for user in users.get(posixpath.basename(file), ())]
        names = "|".join(sorted({re.escape(posixpath.basename(file)) for file in files}))
        return self.corpus.tree.search(_NAMED.format(rf"({names})"), around)

    def _source_users(self, around: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
        """Return which files in some folders include a source, by the source's name."""
        if around not in self._includers:
            pattern = _NAMED.format(r'([^"></]*\.c)')
            wanted = re.compile(pattern.encode())
            found: dict[str, dict[str, None]] = {}
            for user in self.corpus.tree.search(pattern, around):
                for line in self.corpus.data(user).split(b"\n"):
                    match = wanted.search(line) if b".c" in line else None
                    if match is not None:
                        name = match.group(3).decode("utf-8", "surrogateescape")
                        found.setdefault(name, {})[user] = None
            self._includers[around] = {name: list(users) for name, users in found.items()}
        return self._includers[around]

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
