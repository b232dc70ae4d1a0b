"""Drivers of the test NIC for revision 2: ports of one chip share what is installed on it."""

from collections.abc import Iterator

from tests.running.variants import RIGHT, UNCONVERTED, VARIANTS, Variant, to_convert

# One driver's ports are of one chip where they say so.
_ONE_CHIP = """	struct @NAME@ *nic = netdev_priv(dev), *peer = netdev_priv(peer_dev);

	return peer_dev->xfrmdev_ops == dev->xfrmdev_ops && nic->hw.chip == peer->hw.chip;
"""
_ANY_CHIP = "\treturn peer_dev->xfrmdev_ops == dev->xfrmdev_ops;\n"
_NONE = "\treturn false;\n"


def _sharing(variants: tuple[Variant, ...]) -> Iterator[Variant]:
    """Yield the same drivers with the promise to share; one that promises nothing stays so."""
    for one in variants:
        yield one._replace(sharing=_ONE_CHIP) if one.flag else one


_PLAIN = RIGHT[0]

RIGHT_SHARING = (
    *_sharing(RIGHT),
    _PLAIN._replace(name="one_lower", what="right, and does not promise to share"),
    _PLAIN._replace(
        name="two_chips",
        what="right, and each of its ports is a chip of its own",
        sharing=_ONE_CHIP,
        apart=True,
    ),
)

# Its datapath is right: its answer to the owner is not.
WRONG_TEST = (
    _PLAIN._replace(
        name="accepts_all",
        what="each of its ports is a chip of its own, and its sharing test accepts any of them",
        sharing=_ANY_CHIP,
        apart=True,
    ),
    _PLAIN._replace(
        name="accepts_none",
        what="its sharing test refuses the other port of its chip",
        sharing=_NONE,
    ),
)

SHARING = (
    *RIGHT_SHARING,
    *_sharing(VARIANTS[len(RIGHT) :]),
    *WRONG_TEST,
)

CONVERTED_SHARING = to_convert(
    {"converted_register": UNCONVERTED[0], "converted_pointer": UNCONVERTED[1]}
)
