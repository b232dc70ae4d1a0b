"""xfrmlint convert."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xfrmlint.command.shared import (
    CLEAN,
    FINDINGS,
    Progressing,
    contract_option,
    models_option,
    names_of_contract,
    rules_of,
    take_models,
    tree_and_paths,
)
from xfrmlint.errors import TOO_DEEP, InputError

if TYPE_CHECKING:
    from xfrmlint.analysis.analyse import Analysis
    from xfrmlint.convert.mail import Author
    from xfrmlint.convert.proof import Proof
    from xfrmlint.tree.folder import Folder


@click.command()
@click.argument("named", metavar="[TREE] DRIVER|PATH...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Convert every lower driver of the tree.")
@click.option(
    "--on",
    "patches",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATCH",
    help="Lay a patch, a mailbox or a folder of patches over the tree first; again and again.",
)
@click.option(
    "-o",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write numbered files into a folder, rather than print.",
)
@click.option("-s", "--signoff", is_flag=True, help="Sign the patches off, as git's author.")
@models_option
@contract_option
def convert(
    named: Sequence[str],
    every: bool,
    patches: Sequence[Path],
    folder: Path | None,
    signoff: bool,
    models: Sequence[Path],
    contract: Path | None,
) -> int:
    """Write the patch that converts a driver to the resolver, if it is shown to be right.

    A PATH, a folder or a file, means the drivers that have files there. The tree must have the
    resolver; --on lays it over one that has not. A driver that can't be converted gets no patch
    but the reasons, and the exit status is 1.
    """
    from xfrmlint.analysis.analyse import analyse
    from xfrmlint.convert.plan import names_of_drivers
    from xfrmlint.convert.proof import proven
    from xfrmlint.garbage import given_back
    from xfrmlint.git.overlay import laid
    from xfrmlint.git.patch import series_at
    from xfrmlint.report.terminal import printable
    from xfrmlint.tree import Tree
    from xfrmlint.tree.folder import is_tree

    rest = list(named)
    top = [rest.pop(0)] if rest and is_tree(Path(rest[0])) else []
    if bool(rest) == every:
        raise InputError("convert: name drivers, or give --all")
    author = _author(signoff)
    take_models(models)
    where, _ = tree_and_paths(top or [one for one in rest if os.path.lexists(one)])
    names = names_of_contract(where, contract, changes=bool(patches))
    tree: Tree = where
    for patch in patches:
        tree = laid(tree, series_at(patch), contained=False).after
    rules = rules_of(())
    with Progressing(False) as progress:
        with given_back():
            analysis = analyse(tree, progress, names=names)
        known = analysis.reader.contract
        if not known.present:
            raise InputError(f"{tree.name}: has no resolver; lay the series that brings it --on")
        if not known.returns_handle:
            raise InputError(
                f"{tree.name}: {known.asks}() does not return the handle: not converted"
            )
        if known.arity != 2:
            raise InputError(
                f"{tree.name}: {known.asks}() takes more than a state and a device: not converted"
            )
        named = [driver for one in rest for driver in _drivers(analysis, where, one)]
        proofs = []
        for driver in names_of_drivers(analysis)[0] if every else dict.fromkeys(named):
            progress(f"converting {driver}")
            with given_back():
                proofs.append(proven(tree, analysis, driver, rules, names))
    status = CLEAN
    for path in analysis.lost if every else ():
        sys.stderr.write(f"{printable(path)}: not converted, for it is {TOO_DEEP}\n")
        status = FINDINGS
    number = 0
    for proof in proofs:
        if proof.reasons:
            _tell(proof)
            status = FINDINGS
        elif not proof.plan.edits:
            sys.stderr.write(f"{proof.plan.driver}: nothing to convert\n")
        else:
            from xfrmlint.convert.mail import mail_of

            number += 1
            _put(mail_of(proof, known, author, signoff), proof, folder, number)
    return status


def _drivers(analysis: "Analysis", tree: "Folder", name: str) -> list[str]:
    """Return the lower drivers that a name, or a path, means; raises InputError."""
    from xfrmlint.convert.plan import drivers_at, names_of_drivers

    lower, upper = names_of_drivers(analysis)
    found = [name]
    if name not in (*lower, *upper):
        with suppress(InputError):
            found = drivers_at(analysis, tree_and_paths([str(tree.root), name])[1][0])
    converted = [one for one in found if one in lower]
    if not converted and any(one in upper for one in found):
        raise InputError(f"{name}: hands states on; there is nothing to convert")
    if not converted:
        beside = f"; {analysis.lost[0]} is {TOO_DEEP}" if analysis.lost else ""
        there = ", ".join(lower) or "none"
        raise InputError(f"{name}: no such driver; there are {there}{beside}")
    return converted


def _tell(proof: "Proof") -> None:
    from xfrmlint.report.terminal import printable

    sys.stderr.write(f"{printable(proof.plan.driver)}: not converted\n")
    for reason in proof.reasons:
        line = f":{reason.line}" if reason.line else ""
        place = f"{reason.path}{line}: " if reason.path else ""
        sys.stderr.write(printable(f"  {place}{reason.text}") + "\n")


def _put(mail: bytes, proof: "Proof", folder: Path | None, number: int) -> None:
    from xfrmlint.convert.mail import subject_of

    if folder is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(mail)
        sys.stdout.buffer.flush()
        return
    folder.mkdir(parents=True, exist_ok=True)
    # As git format-patch makes a name of a subject.
    name = re.sub(r"[^\w.]+", "-", subject_of(proof)).strip("-")[:52]
    path = folder / f"{number:04}-{name}.patch"
    try:
        path.write_bytes(mail)
    except OSError as error:
        # Half a patch is none.
        with suppress(OSError):
            path.unlink()
        raise InputError(f"{path}: {error.strerror}") from None
    sys.stdout.write(f"{path}\n")


def _author(needed: bool) -> "Author":
    """Return git's author: of the environment, else of the user's own settings."""
    from xfrmlint.convert.mail import Author

    environ = os.environ
    name = environ.get("GIT_AUTHOR_NAME") or _setting("name")
    mail = environ.get("GIT_AUTHOR_EMAIL") or _setting("email") or environ.get("EMAIL", "")
    if name and mail:
        return Author(name, mail)
    if needed:
        raise InputError("convert: --signoff needs GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL")
    return Author("xfrmlint", "xfrmlint@localhost")


def _setting(key: str) -> str:
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for file in (Path.home() / ".gitconfig", home / "git/config"):
        try:
            text = file.read_text("utf-8", "replace")
        except OSError:
            continue
        section = re.search(r"^\[user\]\n((?:[^\[].*\n?|\n)*)", text, re.M | re.I)
        found = section and re.search(rf"^\s*{key}\s*=\s*(.+)$", section.group(1), re.M | re.I)
        if found:
            return found.group(1).strip().strip('"')
    return ""
