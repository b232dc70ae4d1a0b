"""What drivers include most, precompiled: it spares each source a second."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from xfrmlint.clang import cache, library
from xfrmlint.clang.sources import GENERATED
from xfrmlint.clang.workers import Workers

# As Sources.put() names it, and its full path.
SHORT = "xfrmlint/common.h"
FULL = f"{GENERATED}/{SHORT}"


class Header(NamedTuple):
    """One header for all sources of a tree. path: where it is kept, once it is made.

    texts: of all that it includes, by full path. arguments: libclang's. bodies: whether those of
    functions are in it; without them it is made in half the time.
    """

    path: Path
    texts: Mapping[str, bytes]
    arguments: Sequence[str]
    bodies: bool

    def is_there(self) -> bool:
        """Tell whether it is there; make it, in a process of its own, if it is not."""
        if not self.path.is_file():
            Workers(Header.make, [self]).run(1)
            cache.prune(self.path.parent)
        # What was used lately is kept.
        with suppress(OSError):
            os.utime(self.path)
        return self.path.is_file()

    def make(self) -> None:
        """Make it in this process, which that can hurt; raises Failed and OSError."""
        made = Path(f"{self.path}.{os.getpid()}")
        try:
            parsed = library.Parsed(
                FULL, self.arguments, self.texts, header=True, bodies=self.bodies
            )
            parsed.save(os.fspath(made))
            made.replace(self.path)
        finally:
            made.unlink(missing_ok=True)
