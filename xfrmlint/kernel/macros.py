"""Macros of the kernel's headers that declare and define, and what they stand for (macros.toml)."""

import tomllib
from functools import cache
from pathlib import Path

from xfrmlint.kernel.tables import checked_rows


@cache
def declaring_macros() -> tuple[str, ...]:
    """Return them, each as what follows a `#define`: its name, its parameters, its body."""
    text = Path(__file__).with_name("macros.toml").read_text("utf-8")
    document = tomllib.loads(text)
    checked_rows(document, {"macro": {"define": str, "source": str}}, "macros.toml")
    return tuple(row["define"].replace("\n", " ") for row in document["macro"])
