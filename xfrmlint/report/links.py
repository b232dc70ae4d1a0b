"""Where a line of the tree can be looked at, by a template that the user gives."""

import re
from collections.abc import Callable
from urllib.parse import quote

from xfrmlint.errors import InputError

# Returns the address of a line, or nothing.
Link = Callable[[str, int], str]

_FIELD = re.compile(r"\{([^{}]*)\}")
_SCHEMES = ("https://", "http://", "file:///")


def no_link(path: str, line: int) -> str:
    """Return that a line has no address."""
    return ""


def link_of(template: str, version: str, commit: str) -> Link:
    """Return what gives lines their addresses.

    template: an address with {path} and {line}, and {version} (6.12.0), {tag} (v6.12) or {commit}.
    Raises InputError for one that is none.
    """
    if not template.startswith(_SCHEMES):
        raise InputError(f"--source-url: {template}: no address (https://...)")
    known = {"path": "", "line": "", "version": version, "tag": tag(version), "commit": commit}
    for name in _FIELD.findall(template):
        if name not in known:
            fields = ", ".join(f"{{{field}}}" for field in known)
            raise InputError(f"--source-url: no {{{name}}}; there are {fields}")
    if "{path}" not in template:
        raise InputError("--source-url: without {path} every line has the same address")
    if "{commit}" in template and not commit:
        raise InputError("--source-url: {commit}: the tree is no work tree of git")

    def link(path: str, line: int) -> str:
        values = {**known, "path": path, "line": str(line)}
        # A path's bytes that are no UTF-8 are its own.
        return _FIELD.sub(
            lambda m: quote(values[m[1]], safe="/", errors="surrogateescape"), template
        )

    return link


def tag(version: str) -> str:
    """Return what a release is tagged as: v6.12 for 6.12.0, v6.12.3, v7.4-rc2."""
    return "v" + re.sub(r"^(\d+\.\d+)\.0(?!\d)", r"\1", version)
