"""What a running kernel needs of the machine."""

import shutil

_BY_PROGRAM = {
    "bc": "bc",
    "bison": "bison",
    "busybox": "busybox-static",
    "flex": "flex",
    "gcc": "gcc",
    "git": "git",
    "ip": "iproute2",
    "make": "make",
}
_MORE = "/usr/sbin:/sbin:/usr/bin:/bin"


class Missing(Exception):
    """A running kernel can't be had here; `reason` is fit for pytest.skip()."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def program(name: str) -> str:
    """Return a program's path. Raises Missing."""
    found = shutil.which(name) or shutil.which(name, path=_MORE)
    if found is None:
        raise Missing(f"{name} isn't installed (Debian's {_BY_PROGRAM.get(name, name)})")
    return found


def all_programs() -> None:
    """Raise Missing where a program isn't there, naming all that are not."""
    missing = []
    for name in _BY_PROGRAM:
        try:
            program(name)
        except Missing as error:
            missing.append(error.reason)
    if missing:
        raise Missing("; ".join(missing))
