"""What the tree declares as the type of a state's xso, which every question starts from."""

from xfrmlint.c.reader import Reader
from xfrmlint.c.types import Fields
from xfrmlint.contract.words import TYPES

XFRM = "include/net/xfrm.h"
OFFLOAD = f"struct {TYPES[0]}"


def offload_of(reader: Reader) -> str:
    """Return the type of a state's xso; its name was struct xfrm_state_offload until 5.19."""
    kind = reader.types.fields_named("struct xfrm_state", XFRM).get("xso")
    return kind.base if kind is not None else OFFLOAD


def offload_fields(reader: Reader) -> Fields:
    """Return the members of a state's xso; none if the tree does not say them."""
    return reader.types.fields_named(offload_of(reader), XFRM)


def has_real_dev(reader: Reader) -> bool:
    """Tell whether a bond can hand states on: xso has real_dev since 5.9."""
    fields = offload_fields(reader)
    return not fields or "real_dev" in fields
