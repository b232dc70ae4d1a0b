"""What `judge --format html` and `--format dot` take, and what they are made from."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xfrmlint.errors import InputError

if TYPE_CHECKING:
    from xfrmlint.analysis.judgement import Judgement, Owner
    from xfrmlint.model.topology import Topology
    from xfrmlint.report.earlier import Run
    from xfrmlint.report.excerpt import Source
    from xfrmlint.report.links import Link
    from xfrmlint.tree.folder import Folder


class Asked(NamedTuple):
    """What was asked for beside the format. date: to be shown, as it is."""

    source_url: str | None = None
    against: Path | None = None
    date: str = ""

    def refuse_for(self, form: str) -> None:
        """Raise InputError where a format has no use for what was asked for."""
        asked = {
            "--source-url": (self.source_url is not None, ("html", "dot")),
            "--against": (self.against is not None, ("html",)),
            "--date": (bool(self.date), ("html",)),
        }
        for option, (given, forms) in asked.items():
            if given and form not in forms:
                raise InputError(f"{option} is for --format {' and '.join(forms)}")


class Made(NamedTuple):
    """What a run found. driver: the group that was asked for alone, None for all."""

    found: "Sequence[Judgement]"
    owners: "Sequence[Owner]"
    others: Sequence[str]
    version: str
    contract: str
    driver: str | None
    topologies: "Sequence[Topology]"


def page_of(tree: "Folder", made: Made, asked: Asked) -> Iterable[str]:
    """Return the page's lines. Raises InputError for a template or a file that is none."""
    from xfrmlint.report import judgepage

    commit = commit_of(tree)
    link = _link(asked.source_url, made.version, commit)
    head = judgepage.Head(
        made.version, made.contract, commit, asked.date, made.others, made.topologies
    )
    earlier = _earlier(asked.against, made.driver) if asked.against is not None else None
    return judgepage.page(made.found, made.owners, head, _source(tree), link, earlier)


def graph_of(tree: "Folder", made: Made, asked: Asked) -> Iterable[str]:
    """Return the lines of dot. Raises InputError for a template that is none."""
    from xfrmlint.report import dot

    return dot.render(made.found, _link(asked.source_url, made.version, commit_of(tree)))


def _link(template: str | None, version: str, commit: str) -> "Link":
    from xfrmlint.report.links import link_of, no_link

    return no_link if template is None else link_of(template, version, commit)


def commit_of(tree: "Folder") -> str:
    """Return the commit that a tree has checked out; nothing for one that is no work tree."""
    from xfrmlint.git.repository import Repository

    try:
        with Repository(tree.root) as repository:
            head = repository.head()
            # A tree that was unpacked inside some other repository isn't at that one's commit.
            own = repository.top.samefile(tree.root) and head != repository.nothing
            return head if own else ""
    except (InputError, OSError):
        return ""


def _earlier(file: Path, driver: str | None) -> "Run":
    from xfrmlint.report.earlier import read_run

    run = read_run(file)
    if driver is None:
        return run
    return run._replace(
        drivers={name: one for name, one in run.drivers.items() if name == driver},
        owners={name: one for name, one in run.owners.items() if name == driver},
    )


def _source(tree: "Folder") -> "Source":
    from xfrmlint.tree import Unreadable

    @cache
    def lines(path: str) -> tuple[str, ...]:
        try:
            text = tree.read(path).decode("utf-8", "surrogateescape")
        except Unreadable:
            return ()
        return tuple(text.split("\n"))

    return lines
