"""The members and slots that the states are made of, by their roles."""

from xfrmlint.c.offload import offload_fields, offload_of
from xfrmlint.c.reader import Reader
from xfrmlint.contract.words import (
    ABSENT,
    DEVICE,
    HANDLE,
    LOWER_CALLBACKS,
    NETDEVICE,
    OPS,
    OWNER,
    OWNER_CALLBACKS,
    PINNED,
    PRIVATE,
    RESOLVE,
    RESOLVER,
    SHARE,
    Contract,
    Function,
    Member,
    Promise,
    Slot,
)

_FLAGS = {RESOLVE: "XFRMDEV_OPS_F_LOWER_HANDLE", SHARE: "XFRMDEV_OPS_F_LAG_SHARED_STATE"}
_SLOTS = {
    "add": "xdo_dev_state_add",
    "delete": "xdo_dev_state_delete",
    "free": "xdo_dev_state_free",
    RESOLVE: "xdo_dev_state_lower_handle",
    SHARE: "xdo_dev_state_lag_compatible",
}


def contract_of(reader: Reader) -> Contract:
    """Return the roles of the members of xso and of the slots of an ops table."""
    fields = offload_fields(reader)
    members = dict(ABSENT.members)
    devices = [name for name, kind in fields.items() if (kind.base, kind.pointers) == (DEVICE, 1)]
    captured = [name for name, kind in fields.items() if (kind.base, kind.pointers) == (OPS, 1)]
    private = [name for name, kind in fields.items() if (kind.base, kind.pointers) == ("void", 1)]
    handles = [n for n, k in fields.items() if k.base == "unsigned long" and not k.pointers]
    for role, name in (
        *zip((OWNER, PINNED), devices, strict=False),
        *zip((HANDLE,), handles, strict=False),
        *zip((OWNER_CALLBACKS, LOWER_CALLBACKS), captured, strict=False),
        *zip((PRIVATE,), private, strict=False),
    ):
        members[role] = Member(name, "")
    slots = reader.types.fields_named(OPS, NETDEVICE)
    known = {
        role: Slot(name, (), "") for role, name in _SLOTS.items() if name in slots or not slots
    }
    return Contract(
        state=offload_of(reader).split()[-1],
        members=members,
        slots=known,
        promises={role: Promise(name, bit) for bit, (role, name) in enumerate(_FLAGS.items())},
        flags=Member("flags", "u32"),
        resolver=Function(RESOLVER),
    )
