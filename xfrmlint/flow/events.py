"""The vocabulary between flow, which reads C, and model, which judges.

A path is a tuple of events in the order in which they happen. Stopping early is an event too, so
that "unknown" never reads as "clean".
"""

from enum import StrEnum
from typing import NamedTuple


class Device(StrEnum):
    """Which net_device an expression is."""

    OWN = "own"  # the one that transmits or receives this packet
    OWNER = "xso.dev"
    REAL_DEV = "xso.real_dev"
    MASTER = "master"  # the upper device above the own one
    VLAN_REAL = "VLAN's real device"  # vlan_dev_real_dev() of some device
    NULL = "NULL"
    SAVED = "saved"  # kept from another SA or another packet, or another's private data
    DUMMY = "dummy"  # made for NAPI alone
    UNSET = "skb->dev as it came"  # nobody has stored the device at work there
    UNKNOWN = "unknown"


class Source(StrEnum):
    """Where a handle came from."""

    DIRECT = "direct"  # a read of xso.offload_handle
    RESOLVED = "resolved"  # asked of the resolver, for a Device
    STORED = "stored"  # read back from where an earlier packet or add left it
    CONSTANT = "constant"
    UNKNOWN = "unknown"


class Sa(StrEnum):
    """Whose handle it is."""

    THIS = "this packet's"
    OTHER = "another"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """What happens."""

    READ = "read"  # xso.offload_handle is read: a new handle
    RESOLVE = "resolve"  # the resolver is called: a new handle
    TEST = "test"  # a branch was taken that makes a handle known to be zero or non-zero
    COMPARE = "compare"  # a branch was taken on a comparison that may exclude 0, or may not
    USE = "use"  # a handle is dereferenced, used as an index, or given to hardware
    STORE = "store"  # a handle is put where it outlives the packet
    RETURN = "return"  # the function ends
    CUT = "cut"  # analysis stopped here; `text` says why


class Event(NamedTuple):
    """One step of a path.

    handle: number of the handle within the path (-1 where there is none). device: RESOLVE. nonzero:
    TEST: which way the branch went. text: how a handle is used, where it is stored, what is
    returned (`NETDEV_TX_BUSY`, `NETDEV_TX_OK`, `0`, another constant's name, or empty), why cut.
    """

    kind: Kind
    path: str
    line: int
    column: int
    function: str
    handle: int = -1
    source: Source = Source.UNKNOWN
    device: Device = Device.UNKNOWN
    sa: Sa = Sa.THIS
    nonzero: bool = False
    text: str = ""


Path = tuple[Event, ...]
