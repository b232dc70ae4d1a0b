"""What a running kernel's console says, and what is made of it."""

import pytest

from tests.running.compare import Row, differing, word_for
from tests.running.console import Kind, Packet, Seen, read
from tests.running.scenarios import Play
from xfrmlint.model.judge import Outcome

_MINE = Packet(Kind.SENT, "A", 5, 0x12, "A", 5, live=True, shared=True)


@pytest.mark.parametrize(
    ("packet", "outcome"),
    [
        (_MINE, Outcome.RIGHT),
        (_MINE._replace(live=False), Outcome.STALE),
        # Another port of its chip has returned it, or one of another chip.
        (_MINE._replace(by="B"), Outcome.RIGHT),
        (_MINE._replace(by="B", live=False), Outcome.STALE),
        (_MINE._replace(by="B", shared=False), Outcome.OTHER),
        # A kernel's own driver tells nothing of chips.
        (_MINE._replace(shared=False), Outcome.RIGHT),
        (_MINE._replace(state=9), Outcome.OTHER),
        (_MINE._replace(by=None, state=0, live=False), Outcome.OTHER),
        (_MINE._replace(handle=0, by=None), Outcome.ZERO_USED),
        (Packet(Kind.FAULT, "A"), Outcome.ZERO_USED),
        (Packet(Kind.FAULT, "A", handle=0x5A5A5A5A), Outcome.OTHER),
        (Packet(Kind.NONE, "A", 5), Outcome.ZERO_TESTED),
        (Packet(Kind.PLAIN, "A", 5), Outcome.NOT_HANDED),
    ],
)
def test_a_packet_in_the_judges_words(packet: Packet, outcome: Outcome) -> None:
    assert packet.outcome() == outcome


_BEGIN = ["running: some_driver lag_a", "running: add port=A spi=5 handle=11"]
_PLAY = Play("some_driver", "lag_a")
_SENT = "running: sent port=A spi=5 handle=12 by=A for=5 live=1 chip=1"


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        ([], []),
        (["Linux version 7.3.4", "running: end all"], []),
        # Only what comes after the word counts, and only on the device that is named.
        ([*_BEGIN, _SENT, "running: end scenario"], [Seen(_PLAY, ())]),
        (
            [*_BEGIN, "running: judge A", _SENT, _SENT.replace("=A", "=B"), "running: end x"],
            [Seen(_PLAY, (_MINE,))],
        ),
        (
            [
                *_BEGIN,
                "running: judge A",
                "[ 1.5] " + _SENT,
                "running: end x",
                "running: free port=A",
            ],
            [Seen(_PLAY, (_MINE,))],
        ),
        (
            [*_BEGIN, "running: error ip", "running: judge A", _SENT, "running: end x"],
            [Seen(_PLAY, (_MINE,), "ip")],
        ),
        (
            [*_BEGIN, "running: judge A", "Kernel panic - not syncing: Segfault with no mm at 4"],
            [Seen(_PLAY, (Packet(Kind.FAULT, "A"),))],
        ),
        (
            [*_BEGIN, "running: judge A", "Kernel mode fault at addr 0x5a5a5a5a, ip 0x60000000"],
            [Seen(_PLAY, (Packet(Kind.FAULT, "A", handle=0x5A5A5A5A),))],
        ),
        ([*_BEGIN, "running: judge A", _SENT], [Seen(_PLAY, (), "the kernel broke off")]),
        (
            [*_BEGIN, "running: judge A", "running: none port=A spi=5", "running: end x"] * 2,
            [Seen(_PLAY, (Packet(Kind.NONE, "A", 5),))] * 2,
        ),
    ],
)
def test_a_console(lines: list[str], seen: list[Seen]) -> None:
    assert list(read(lines)) == seen


def test_the_worst_packet_counts_and_no_packet_or_an_error_is_no_outcome() -> None:
    stale = _MINE._replace(live=False)
    assert Seen(_PLAY, (_MINE, stale, _MINE)).outcome() is Outcome.STALE
    assert Seen(_PLAY, ()).outcome() is None
    assert Seen(_PLAY, (_MINE,), "ip").outcome() is None


@pytest.mark.parametrize(
    ("words", "seen", "told"),
    [
        ((), Outcome.RIGHT, None),
        ((Outcome.RIGHT,), Outcome.STALE, Outcome.RIGHT),
        # Of several handles the worst; where all are fine, any of them.
        ((Outcome.ZERO_TESTED, Outcome.STALE), Outcome.ZERO_TESTED, Outcome.STALE),
        ((Outcome.ZERO_TESTED, Outcome.RIGHT), Outcome.RIGHT, Outcome.RIGHT),
        ((Outcome.ZERO_TESTED, Outcome.RIGHT), Outcome.NOT_HANDED, Outcome.ZERO_TESTED),
        ((Outcome.NOT_REACHED,), Outcome.RIGHT, Outcome.ZERO_TESTED),
        ((Outcome.UNKNOWN, Outcome.RIGHT), Outcome.RIGHT, Outcome.UNKNOWN),
    ],
)
def test_the_judges_word_for_a_packet(
    words: tuple[Outcome, ...], seen: Outcome, told: Outcome | None
) -> None:
    assert word_for(words, seen) is told


def test_unknown_is_no_difference_and_what_was_not_seen_is_one() -> None:
    row = Row("some_driver", "LAG, lower A", Outcome.RIGHT, Outcome.RIGHT, "")
    other = row._replace(judged=Outcome.OTHER)
    unseen = row._replace(seen=None)
    rows = [row, row._replace(judged=Outcome.UNKNOWN), row._replace(judged=None), other, unseen]
    assert differing(rows) == [other, unseen]
