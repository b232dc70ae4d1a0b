"""The source through which libclang looks at a file."""

from collections.abc import Collection

from xfrmlint.c.reader import Reader


def source_of(reader: Reader, path: str, parsed: Collection[str]) -> str | None:
    """Return the source through which a file is compiled: itself, or one that includes it.

    parsed: sources that are parsed anyway.
    """
    corpus = reader.corpus
    if path.endswith(".c") and corpus.kbuild.modules_of(path):
        return path
    if path.startswith("include/"):
        # Its users are many; one that is parsed anyway will do.
        users = sorted(parsed, key=lambda s: (path not in corpus.includes(s), s))
        return next(iter(users), None)
    sources = [s for s in reader.universe.files(path) if s.endswith(".c") and s != path]
    ordered = sorted(sources, key=lambda s: (s not in parsed, len(corpus.data(s)), s))
    found = next((s for s in ordered if path in corpus.local(s)), None)
    return found or (path if path.endswith(".c") else None)
