"""The reference semantics: which handle the resolver owes a lower device.

Read it next to xfrm_dev_state_lower_handle() in RFC 1/4 "xfrm: add a lower-device offload handle
resolver" (include/net/xfrm.h): one line of code here for each of its branches, in its order.
"""

from collections.abc import Mapping
from typing import NamedTuple


class State(NamedTuple):
    """What the resolver can see of a struct xfrm_state's xso. A net_device is its name.

    owner: xso.dev. owner_has_ops: owner->xfrmdev_ops is not NULL. callback: the map that the
    owner's xdo_dev_state_lower_handle looks up, or None where the ops lack that callback.
    """

    owner: str | None
    pinned: str | None
    handle: int
    owner_has_ops: bool = True
    callback: Mapping[str, int] | None = None


def resolve(state: State, lower: str | None) -> int:
    """Return the handle that `lower` is to use for the state, or 0 if it has none now."""
    if state.owner is None or lower is None:
        return 0
    if state.owner == lower:
        return state.handle
    if state.owner_has_ops and state.callback is not None:
        return state.callback.get(lower, 0)
    if state.pinned == lower:
        return state.handle
    return 0


def resolve_shared(state: State, lower: str | None) -> int:
    """Return the same by revision 2 (August 2026): of the owner's callbacks as they were captured.

    A handle that is not 0 goes to the owner and to the pinned device without a question.
    """
    if state.owner is None or lower is None:
        return 0
    if lower in (state.owner, state.pinned) and state.handle:
        return state.handle
    if state.owner_has_ops and state.callback is not None:
        return state.callback.get(lower, 0)
    return 0
