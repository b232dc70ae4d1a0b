"""What the console of a running kernel says, as records."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from tests.running.scenarios import Play
from xfrmlint.model.judge import Outcome, worst

# The state that every scenario is about.
_SPI = 5
_LINE = re.compile(r"running: (\w+) ?(.*)")
_FAULT = re.compile(r"(?:Kernel mode fault at addr 0x|Segfault with no mm at )([0-9a-f]+)")
# A structure that is followed from 0 on ends before that.
_PAGE = 4096


class Kind(StrEnum):
    """What became of a packet."""

    SENT = "sent"  # under the SA of a handle
    NONE = "none"  # the driver found no handle, and dropped it
    PLAIN = "plain"  # the core had no SA for the hardware: it was encrypted in software
    FAULT = "fault"  # the kernel followed a pointer that is none


class Packet(NamedTuple):
    """One packet at one NIC.

    spi: the state's. handle: what the hardware was given. by, state: whose add returned that, and
    for which state; None if nobody's. shared: that is a device of the same chip. live: it has not
    been freed since.
    """

    kind: Kind
    port: str
    spi: int = 0
    handle: int = 0
    by: str | None = None
    state: int = 0
    live: bool = False
    shared: bool = False

    def outcome(self) -> str:
        """Return in the judge's words what the hardware was given."""
        if self.kind is Kind.NONE:
            return Outcome.ZERO_TESTED
        if self.kind is Kind.PLAIN:
            return Outcome.NOT_HANDED
        if self.handle == 0:
            return Outcome.ZERO_USED
        if not (self.by == self.port or self.shared) or self.state != self.spi:
            return Outcome.OTHER
        return Outcome.RIGHT if self.live else Outcome.STALE


class Seen(NamedTuple):
    """A scenario as it was seen. packets: those that count. error: why it says nothing."""

    play: Play
    packets: tuple[Packet, ...]
    error: str = ""

    def outcome(self) -> Outcome | None:
        """Return the worst that the hardware was given; None if that was not seen."""
        if self.error or not self.packets:
            return None
        return worst(Outcome(packet.outcome()) for packet in self.packets)


def read(lines: Iterable[str]) -> Iterator[Seen]:
    """Yield the scenarios of a console, the last with an error where the kernel broke off."""
    play: Play | None = None
    judged = ""
    error = ""
    packets: list[Packet] = []
    for line in lines:
        fault = _FAULT.search(line)
        if fault is not None and play is not None:
            packets.append(Packet(Kind.FAULT, judged, handle=_followed(int(fault.group(1), 16))))
            if not judged:
                error = "the kernel broke off before the packet that counts"
            yield Seen(play, tuple(packets), error)
            return
        found = _LINE.search(line)
        if found is None:
            continue
        word, rest = found.groups()
        fields = dict(part.split("=", 1) for part in rest.split() if "=" in part)
        if word in ("add", "free"):
            continue
        if word == "judge":
            judged = rest.strip()
        elif word in tuple(Kind) and fields.get("port") == judged:
            packets.append(_packet(Kind(word), fields))
        elif word == "error":
            error = error or rest.strip()
        elif word == "end":
            if play is not None:
                yield Seen(play, tuple(packets), error)
            play, judged, error, packets = None, "", "", []
        elif word not in tuple(Kind):
            play = Play(word, rest.strip())
    if play is not None:
        yield Seen(play, (), "the kernel broke off")


def _followed(address: int) -> int:
    return address if address >= _PAGE else 0


def _packet(kind: Kind, fields: dict[str, str]) -> Packet:
    return Packet(
        kind,
        fields["port"],
        int(fields.get("spi", "0"), 16),
        int(fields.get("handle", "0"), 16),
        fields.get("by"),
        int(fields.get("for", "0"), 16),
        fields.get("live") == "1",
        fields.get("chip") == "1",
    )
