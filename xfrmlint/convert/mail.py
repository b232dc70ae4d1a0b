"""A conversion as the mail that git format-patch would make of its commit."""

import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from xfrmlint import __version__
from xfrmlint.analysis.judgement import Judgement, topologies
from xfrmlint.contract.words import RESOLVE, Contract
from xfrmlint.convert.diff import diff_of, stat_of
from xfrmlint.convert.proof import Proof
from xfrmlint.model.judge import FINE, worst
from xfrmlint.program.reach import Hop
from xfrmlint.program.sites import RESOLVE as RESOLVED

# checkpatch's COMMIT_LOG_LONG_LINE.
_WIDTH = 74
# What is said of the functions with findings of a type that stay, and of one of them.
_LEFT = {
    "CONTROL_OFFLOAD_HANDLE": (
        "{} read{} the field as before, in a control path: the owner has to put the handle of the "
        "device there before it calls."
    ),
    "ADD_RETURNS_ZERO": (
        "{} return{} the handle 0 for a received state as before, which an owner takes for none; "
        "no packet is sent with it."
    ),
}
_NOBODY = "0" * 40


class Author(NamedTuple):
    """Who sends it."""

    name: str
    mail: str

    def __str__(self) -> str:
        return f"{self.name} <{self.mail}>"


def mail_of(proof: Proof, contract: Contract, author: Author, signed: bool = False) -> bytes:
    """Return the mail of a conversion that stood its proof. signed: with a Signed-off-by."""
    lines = [
        f"From {_NOBODY} Mon Sep 17 00:00:00 2001",
        f"From: {author}",
        f"Subject: [PATCH] {subject_of(proof)}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=UTF-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        *message_of(proof, contract),
        *(["", f"Signed-off-by: {author}"] if signed else []),
        "---",
        *stat_of(proof.files),
        "",
    ]
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    return text + b"\n" + diff_of(proof.files) + f"-- \nxfrmlint {__version__}\n\n".encode()


def subject_of(proof: Proof) -> str:
    """Return the commit's subject."""
    return f"{proof.plan.driver}: ask for the xfrm handle of the device at work"


def message_of(proof: Proof, contract: Contract) -> Iterator[str]:
    """Yield the lines of the commit's message."""
    plan, handle = proof.plan, contract.members["handle"].name
    promise = contract.promise(RESOLVE)
    promises = proof.before is None or not proof.before.opted_in
    reads = [site for site in proof.reads if site.access != RESOLVED]
    if not reads:
        yield from _wrapped(
            f"{plan.driver} asks {contract.asks}() for each packet, and does not promise so: no "
            f"owner hands it a state that knows of {promise}."
        )
    else:
        yield from _wrapped(
            f"{plan.driver} reads xso.{handle} for each packet. Where an upper device owns the "
            "state, the field can hold what another lower device returned, and the packet leaves "
            "under a wrong SA."
        )
        for chain in dict.fromkeys(_chain(site.reached.chains) for site in reads):
            yield ""
            yield from _wrapped(chain, "  ", "    ")
        yield ""
        what = "and promise so" if promises else "as it promises already"
        yield from _wrapped(
            f"Ask {contract.asks}() instead, for the device that the packet is on, {what} "
            f"with {promise}, for an owner to hand states on:"
        )
    yield ""
    for does in plan.does:
        yield from _wrapped(f"- {does}", "", "  ")
    if proof.before is not None and proof.after is not None:
        yield ""
        yield from _wrapped("What the hardware is given, before and after, as xfrmlint judges:")
        yield ""
        yield from _table(proof.before, proof.after)
    for kind, said in _LEFT.items():
        left = dict.fromkeys(f"{one.function}()" for one in proof.left if one.type == kind)
        if left:
            *most, last = left
            names = f"{', '.join(most)} and {last}" if most else last
            yield ""
            yield from _wrapped(said.format(names, "" if most else "s"))


def _chain(chains: tuple[tuple[Hop, ...], ...]) -> str:
    """Return the shortest way to a read."""
    hops = chains[0] if chains else ()
    said = [f"{hop.function}()" for hop in hops]
    return f"{hops[0].via}: " + " -> ".join(said) if hops else ""


def _wrapped(text: str, first: str = "", later: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(before: Judgement, after: Judgement) -> Iterator[str]:
    rows = [("topology", "before", "after")]
    for index, topology in enumerate(topologies()):
        was = worst(handle.outcomes[index] for handle in before.handles)
        now = worst(handle.outcomes[index] for handle in after.handles)
        if was not in FINE or now != was:
            rows.append((topology.name, str(was), str(now)))
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for row in rows:
        yield f"  {row[0].ljust(widths[0])}  {row[1].ljust(widths[1])}  {row[2]}"
