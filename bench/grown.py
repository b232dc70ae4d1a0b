"""Kernels made of fixtures: one of any number of drivers, and one of all forms of access."""

import shutil
from pathlib import Path

from tests.laid import FIXTURES, lay, trees

# A fixture's folder, and the two drivers in it.
_MODEL, _NAMES = "demo", ("sunrise", "moonset")
_BASE = "rfc"


def grow(destination: Path, drivers: int) -> Path:
    """Write a kernel with that many drivers into a new folder; return the folder.

    Half of them are one of the model's two, half the other, under names of their own: so the C text
    and the findings grow as the number does. Raises ValueError for an odd number.
    """
    if drivers <= 0 or drivers % len(_NAMES):
        raise ValueError(f"drivers come in pairs, not {drivers}")
    shutil.copytree(FIXTURES / _MODEL, destination, ignore=shutil.ignore_patterns(*_NAMES))
    net = destination / "drivers/net"
    built = []
    for number in range(drivers // len(_NAMES)):
        for old in _NAMES:
            new = f"{old}{number}"
            _copy(FIXTURES / _MODEL / "drivers/net" / old, net / new, old, new)
            built.append(f"obj-$(CONFIG_{new.upper()}) += {new}/\n")
    (net / "Makefile").write_text("".join(built), "utf-8")
    return destination


def forms(destination: Path) -> Path:
    """Write a kernel with the drivers of every fixture that the resolver's tree is the base of."""
    lay(_BASE, destination)
    for name in trees():
        folder = FIXTURES / name
        base = folder / "base"
        if not base.is_file() or base.read_text("utf-8").strip() != _BASE:
            continue
        # A core of its own would be every driver's.
        if not (folder / "net").exists() and not (folder / "include").exists():
            shutil.copytree(folder / "drivers", destination / "drivers", dirs_exist_ok=True)
    return destination


def _copy(source: Path, destination: Path, old: str, new: str) -> None:
    destination.mkdir()
    for path in sorted(source.iterdir()):
        text = path.read_text("utf-8").replace(old, new).replace(old.upper(), new.upper())
        (destination / path.name.replace(old, new)).write_text(text, "utf-8")
