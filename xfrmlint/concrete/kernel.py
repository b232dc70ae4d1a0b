"""The kernel around code that is run in a world: devices, allocations, lists, maps and locks.

What a function of the kernel does with the objects of a world is said here, not read from the tree:
its own code goes down to the allocator and the scheduler. A list is the sequence of its entries, an
xarray what was stored under an index. Memory is never short. A function that is not among these and
that the tree's files near the code don't define is outside.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import NamedTuple, Protocol

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import INT, ULONG, Int
from xfrmlint.c.syntax import Expression, Name
from xfrmlint.concrete import primitives
from xfrmlint.concrete.containers import HASHED, LOOPS, XARRAY, Containers, put, variable_of
from xfrmlint.concrete.containers import Evaluating as MapsEvaluating
from xfrmlint.concrete.handles import as_number
from xfrmlint.concrete.values import NULL, Cell, Open, Pointer, Struct, Value, Void
from xfrmlint.contract.words import DEVICE, OPS

# Locks, references, allocation's end, grace periods that nobody waits for, and what only prints.
_NOTHING = re.compile(
    r"(raw_)?(spin|read|write)_(un)?lock(_bh|_irq|_irqsave|_irqrestore|_nested)?|"
    r"mutex_(un)?lock(_nested)?|rtnl_(un)?lock|(spin_lock|mutex|seqlock)_init|"
    r"netdev_(hold|put|lock|unlock|lock_ops|unlock_ops|tracker_\w+)|dev_(hold|put)|"
    r"kv?z?free(_rcu(_mightsleep)?|_sensitive)?|module_put|__module_get|cond_resched|"
    r"INIT_(LIST|HLIST)_HEAD|INIT_HLIST_NODE|xa_init(_flags)?|init_rcu_head|"
    r"printk\w*|(pr|dev|netdev|slave|team|netif)_(emerg|alert|crit|err|warn|notice|info|dbg)\w*|"
    r"net_\w+_ratelimited|NL_SET_\w+|trace_\w+|lockdep_\w+|might_\w+|(local|preempt)_\w+able|"
    r"msleep(_interruptible)?|usleep_range(_state)?|fsleep|[nmu]delay|schedule_timeout_\w+|"
    r"(__)?netif_(addr|tx)_(un)?lock\w*|netdev_lower_state_changed|netdev_\w+_notify\w*|call_netdevice_notifiers(_info)?|rtmsg_ifinfo|"
    r"rtnl_\w*notify\w*|netif_carrier_(on|off)|netif_(tx_)?(start|stop|wake)_\w*queues?|"
    r"linkwatch_\w+|netdev_features_change|netdev_change_features|netdev_(compute|update)_features|"
    r"free_netdev|ether_setup|eth_hw_addr_\w+|SET_NETDEV_\w+|"
    r"(dev_)?kfree_skb(_any|_irq|_reason)?|dev_consume_skb_any|refcount_(set|inc|dec)|static_branch_(inc|dec|enable|disable)\w*|atomic_(set|inc|dec)|WARN_ONCE|smp_\w*mb"
)
_WAITS = re.compile(r"synchronize_(net|rcu|rcu_expedited|srcu)|rcu_barrier")
_ALLOCATES = re.compile(r"(kv?|dev?m_k|v)([zmc])alloc(_node|_obj|_objs|_flex|_array)?")
# Makes the owner's device, where code runs that is told its ports.
_MAKES = re.compile(r"(devm_)?alloc_(ether|net)dev\w*")
_DIRTY = re.compile(r"(kv?|devm_k|v)m")
_LIST = re.compile(
    r"list_(add|add_tail|add_rcu|add_tail_rcu|del|del_init|del_rcu|empty|empty_careful|"
    r"first_entry|first_entry_or_null|first_or_null_rcu|move|move_tail)|"
    r"hlist_(add_head|add_head_rcu|add_tail_rcu|del|del_rcu|del_init|empty|unhashed)"
)
_DEVICES = re.compile(
    r"netdev_priv|netdev_master_upper_dev_get(_rcu)?|netdev_has_upper_dev(_all_rcu)?|"
    r"netif_is_\w+_(master|port|slave)|netif_(running|carrier_ok|device_present|is_up)|"
    r"netdev_has_any_upper_dev|netdev_lower_dev_get_private(_rcu)?"
)
# What changes nothing that a world has, and succeeds.
_SUCCEEDS = re.compile(
    r"dev_(uc|mc)_(add|del|sync|unsync|flush|init)\w*|dev_set_(promiscuity|allmulti|mtu|mac_address)|"
    r"netdev_rx_handler_(un)?register|vlan_vids_(add|del)_\w+|dev_(open|close)|sysfs_\w+|"
    r"(cancel|flush)_(delayed_)?work(_sync)?|register_netdev(ice)?"
)
_TRUE = re.compile(r"mutex_trylock|rtnl_trylock|lockdep_is_held|rcu_read_lock_held")
# Work is done later, and by nobody here.
_QUEUES = re.compile(r"(schedule|queue|mod)(_delayed)?_work")
# Makes a device a port of another, or none: linked with data of the upper's, if that is told.
_LINKS = re.compile(r"netdev_(master_)?upper_dev_(link|unlink)")
_EXTREMES = re.compile(r"u?(?:min|max)")
# Numbers of its own that an owner asks for in one run: so many are decided, each by so many
# questions.
_MOST_DECIDED = 2
_MOST_ASKED = 3
# Are given an address, and store nothing there.
_LOOKS = re.compile(r"test_bit|h?list_(empty|first|is)\w*|(atomic|refcount)\w*_read|memcmp")
_BITS = re.compile(r"(test|set|clear)_bit|__(set|clear)_bit")
_OTHERS = re.compile(r"ARRAY_SIZE|(__)?dev_queue_xmit")
_LOOP = re.compile(
    r"h?list_for_each_entry(_rcu|_safe|_rcu_bh|_lockless|_srcu)?|"
    r"list_for_each_entry(_reverse|_safe_reverse|_continue|_continue_reverse|_continue_rcu)|"
    r"netdev_for_each_lower_(private|private_rcu|dev)"
)
_LOWERS = "netdev_for_each_lower"


def loop_variable(name: str, arguments: Sequence[Expression]) -> Expression:
    """Return the variable that a loop macro sets in each turn."""
    if LOOPS.fullmatch(name):
        return variable_of(name, arguments)
    return arguments[1 if name.startswith(_LOWERS) else 0]


@cache
def does_nothing(name: str) -> bool:
    """Tell whether a function does nothing to the objects of a world, whatever it is told."""
    return _NOTHING.fullmatch(name) is not None or primitives.does_nothing(name)


def stores_nothing(name: str) -> bool:
    """Tell whether a function stores nothing in a world, whatever it is told."""
    return does_nothing(name) or any(p.fullmatch(name) for p in (_LOOKS, _SUCCEEDS))


def changes_world(name: str) -> bool:
    """Tell whether a function changes more of a world than the members it is told."""
    return any(p.fullmatch(name) for p in (_LINKS, HASHED))


@cache
def kernels_own(name: str) -> bool:
    """Tell whether a function or macro is the kernel's and not read from the tree."""
    return any(
        pattern.fullmatch(name)
        for pattern in (
            _NOTHING,
            _TRUE,
            _QUEUES,
            _SUCCEEDS,
            _LINKS,
            _EXTREMES,
            _BITS,
            _WAITS,
            _ALLOCATES,
            _MAKES,
            _LIST,
            XARRAY,
            HASHED,
            LOOPS,
            _DEVICES,
            _OTHERS,
            _LOOP,
        )
    )


class Deed(StrEnum):
    """What an event of a run is."""

    READS = "reads"  # a member of x->xso
    WRITES = "writes"
    ADD = "add"
    DELETE = "delete"
    FREE = "free"
    ESN = "advance_esn"
    WAITS = "waits for all readers"
    QUEUES = "queues work"


class Spot(NamedTuple):
    """Where something is done, and the function around it."""

    path: str = ""
    line: int = 0
    column: int = 0
    function: str = ""


NOWHERE = Spot()


@dataclass(frozen=True)
class Event:
    """One event: of a lower device, or of a member of xso.

    value: what is written; to a lower's callback, what the handle's member holds when it is called.
    """

    deed: Deed
    device: str = ""
    member: str = ""
    value: str | int | None = None
    refused: bool = False
    at: Spot = field(default=NOWHERE, compare=False)


class Evaluating(MapsEvaluating, Protocol):
    """What the kernel asks of the machine that runs the code."""

    def variable_type(self, node: Expression) -> CType | None:
        """Return the declared type of a variable."""
        ...

    def result_type(self) -> CType | None:
        """Return what the function that is run returns."""
        ...

    def members_of(self, struct: str) -> Mapping[str, CType]:
        """Return the members of a struct; none if they can't be read."""
        ...

    def grown(self, struct: Struct, name: str, node: Expression) -> Cell | Struct:
        """Return a member of a struct, made by its declaration if it is not there."""
        ...


class Unscripted(Exception):
    """Code reads what no script says. Its text: the member."""


@dataclass
class Kernel:
    """One world's kernel.

    devices: by name. owner: the upper. choose: says how a question goes that the world leaves open.
    watched: the struct whose members that change are events. masters: the upper of each port, by
    name and in order. linked: what each was linked with, if that was seen. down: devices without a
    carrier. private: what netdev_priv() is, by the device's name. active: the port that an owner's
    own pointer leads to, where its code that would store it was not run. populated: that code was
    run. assumed: what was decided of the owner's own numbers, in words. lost: what members may hold
    that code stored which was not run, by name; of structs with these tags (None: with any).
    missed: those of them that were read, and their structs. looked: the members of ops tables that
    were read, by the tables' names. supposed: what was supposed of them besides. decided: of how
    many of these questions were decided both ways. unset: pointers to a device that nobody was seen
    to store. sent: the devices that a packet was queued on. files: variables of a file. given: what
    members of the world's objects are that are not 0, by the object's name and the member's.
    script: what is read of the watched struct's members that are `scripted`, by name and in order.
    written: what else was written. called_at: where the callback under way was called. creates: the
    owner's device is still to be made. made: what was allocated, and structs that are variables of
    calls. seen: the cells that were read, by their ids, where that is asked for. unstored: pointers
    of the devices that no model says and nobody was seen to store, by their ids.
    """

    devices: Mapping[str, Struct]
    owner: Pointer
    choose: Callable[[], bool]
    watched: Struct
    masters: dict[str, str] = field(default_factory=dict)
    linked: dict[str, Value] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    private: dict[str, Struct] = field(default_factory=dict)
    active: str = ""
    populated: bool = False
    unset: list[str] = field(default_factory=list)
    supposed: list[str] = field(default_factory=list)
    decided: int = 0
    assumed: list[str] = field(default_factory=list)
    lists: dict[int, list[Struct]] = field(default_factory=dict)
    filled: set[int] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    script: list[tuple[str, Value]] | None = None
    scripted: frozenset[str] = frozenset()
    written: dict[int, Cell] = field(default_factory=dict)
    files: dict[str, Cell | Struct] = field(default_factory=dict)
    given: Mapping[str, int] = field(default_factory=dict)
    containers: Containers = field(default_factory=Containers)
    lost: Mapping[str, set[str | None]] = field(default_factory=dict)
    missed: set[tuple[str, str]] = field(default_factory=set)
    looked: set[tuple[str, str]] = field(default_factory=set)
    called_at: Spot = NOWHERE
    creates: bool = False
    made: list[Struct] = field(default_factory=list)
    seen: set[int] | None = None
    unstored: set[int] = field(default_factory=set)
    entries: dict[tuple[str, str], Struct] = field(default_factory=dict)

    def knows(self, name: str) -> bool:
        """Tell whether `call` can do what a function does."""
        return kernels_own(name) and not (_LOOP.fullmatch(name) or LOOPS.fullmatch(name))

    def call(
        self, machine: Evaluating, name: str, arguments: Sequence[Expression], node: Expression
    ) -> Value:
        """Do what a function of the kernel does."""
        given = self._given(name)
        if given is not None:
            return given
        if name == "ARRAY_SIZE":
            array = machine.place_of(arguments[0])
            if not isinstance(array, Struct) or array.element is None:
                raise machine.refuse("the size of what is no array", node)
            return Int(array.count, ULONG)
        if _MAKES.fullmatch(name):
            if not self.creates:
                raise machine.refuse("another device is made", node)
            self.creates = False
            return self.owner
        if name.endswith("dev_queue_xmit"):
            return self._queued(machine, arguments, node)
        handlers: tuple[tuple[re.Pattern[str], _Handler], ...] = (
            (_EXTREMES, self._extreme),
            (_LINKS, self._link),
            (_DEVICES, self._of_device),
            (_LIST, self._of_list),
            (XARRAY, self.containers.call),
            (HASHED, self.containers.call),
        )
        for pattern, handler in handlers:
            if pattern.fullmatch(name):
                return handler(machine, name, arguments, node)
        raise machine.refuse(f"{name}() is not run", node)

    def made_first(self, maker: str, name: str, kind: CType) -> Value | None:
        """Return what a pointer leads to that a function stored before anything was run.

        maker: that function, if there is one. None where that is not known.
        """
        if _MAKES.fullmatch(maker) and kind.base == DEVICE:
            return self.owner
        if _ALLOCATES.fullmatch(maker):
            return Pointer(Struct(name, kind.base, born=True))
        return None if maker else NULL

    def _given(self, name: str) -> Value | None:
        """Return what a function gives whatever it is called with; None if it looks at that."""
        if _WAITS.fullmatch(name):
            self.events.append(Event(Deed.WAITS))
            return Void()
        if _ALLOCATES.fullmatch(name):
            made = Struct("allocated memory", raw=True, fresh=_DIRTY.match(name) is not None)
            if "calloc" in name or name.endswith("_array"):
                made.row = {}
            self.made.append(made)
            return Pointer(made)
        if name == "test_bit":
            return Open("a bit", set(), derived=True)
        if _NOTHING.fullmatch(name) or _BITS.fullmatch(name):
            return Void()
        if _QUEUES.fullmatch(name):
            self.events.append(Event(Deed.QUEUES))
            return Int(1, INT)
        if _TRUE.fullmatch(name) or _SUCCEEDS.fullmatch(name):
            return Int(int(_TRUE.fullmatch(name) is not None), INT)
        return None

    def _extreme(
        self, machine: Evaluating, name: str, arguments: Sequence[Expression], node: Expression
    ) -> Value:
        values = [self.settled(machine.value_of(argument)) for argument in arguments]
        numbers = [value for value in values if isinstance(value, Int)]
        if len(numbers) == len(values) > 0:
            choose = min if name.endswith("min") else max
            return choose(numbers, key=lambda number: number.value)
        if all(isinstance(value, Int | Open) for value in values):
            return Open(f"what {name}() gives", set(), derived=True)
        raise machine.refuse(f"{name}() of what is no number", node)

    # Numbers that are open

    def settled(self, value: Value) -> Value:
        """Return the number that an open one was decided to be, or what it was."""
        if isinstance(value, Open) and value.decided is not None:
            return Int(value.decided, INT)
        return value

    def supposes(self, reason: str) -> bool:
        """Answer no to a question about numbers that are open, and say that this is supposed.

        To go both ways at each would take too long, and two answers need not go together: nothing
        wrong is told of such a run. reason: why it is not known.
        """
        if reason not in self.supposed:
            self.supposed.append(reason)
        return False

    def is_number(self, value: Open, number: int) -> bool:
        """Tell whether an open number is this one: as it was decided, or as it is decided now."""
        if value.decided is not None:
            return value.decided == number
        if number in value.excluded:
            return False
        fresh = not value.excluded
        if (
            value.derived
            or (fresh and self.decided == _MOST_DECIDED)
            or len(value.excluded) == _MOST_ASKED
        ):
            return self.supposes(f"whether {value.name} is {number} is not known")
        self.decided += fresh
        if self.choose():
            value.decided = number
            self.assumed.append(f"{value.name} is {number}")
            return True
        value.excluded.add(number)
        self.assumed.append(f"{value.name} is not {number}")
        return False

    def is_lost(self, place: Cell | Struct) -> bool:
        """Tell whether code that was not run may have stored what a member holds."""
        if isinstance(place, Struct):
            member = (place.member, place.parent.kind if place.parent is not None else "")
        else:
            member = (place.name, place.kind)
        tags = self.lost.get(member[0])
        if tags is None or not (None in tags or member[1].partition(" ")[2] in tags):
            return False
        self.missed.add(member)
        return True

    # Devices

    def _queued(
        self, machine: Evaluating, arguments: Sequence[Expression], node: Expression
    ) -> Value:
        value = machine.value_of(arguments[0])
        target = value.target if isinstance(value, Pointer) else None
        device = machine.grown(target, "dev", node) if isinstance(target, Struct) else None
        name = self.name_of(device.value) if isinstance(device, Cell) else None
        if name is None:
            raise machine.refuse("a packet is queued on no device of the world", node)
        self.sent.add(name)
        return Int(0, INT)

    def read(self, place: Cell, at: Spot) -> Value:
        """Return what is read of a place: of the watched struct what a script says, if there is.

        Of that struct it is an event where there is no script.
        Raises Unscripted where the code reads otherwise than the script, or what was changed since.
        """
        if self.script is None:
            if self.seen is not None:
                self.seen.add(id(place))
                if id(place) in self.unstored:
                    self.supposed.append(f"what stores {place.owner}.{place.name} is not seen")
            if place.kind == OPS:
                self.looked.add((place.owner, place.name))
            if place.owner == self.watched.name:
                self.events.append(Event(Deed.READS, member=place.name, at=at))
            return place.value
        if place.owner != self.watched.name:
            if id(place) in self.written:
                raise Unscripted(place.name)
            return place.value
        if place.name not in self.scripted:
            return place.value
        if not self.script or self.script[0][0] != place.name:
            raise Unscripted(place.name)
        return self.script.pop(0)[1]

    def wrote(self, place: Cell, at: Spot) -> None:
        """Take down that a member of the watched struct was written."""
        if place.owner != self.watched.name:
            self.unstored.discard(id(place))
            if self.script is None:
                # What reads by a script finds what it has itself written.
                self.written[id(place)] = place
            return
        value = place.value
        told: str | int | None = None
        if isinstance(value, Int):
            told = value.value
        elif isinstance(value, Pointer):
            handle = as_number(value) if value != NULL else None
            name = self.name_of(value) or getattr(value.target, "name", None)
            told = handle.value if isinstance(handle, Int) else name
        self.events.append(Event(Deed.WRITES, member=place.name, value=told, at=at))

    def name_of(self, value: Value) -> str | None:
        """Return the name of the device that a pointer points to; None for NULL and all else."""
        target = value.target if isinstance(value, Pointer) else None
        return next((name for name, one in self.devices.items() if one is target), None)

    def private_of(self, name: str) -> Struct:
        """Return a device's private data, of a type that the first use tells."""
        if name not in self.private:
            self.private[name] = Struct(f"{name}'s private data", raw=True, born=True)
        return self.private[name]

    def _of_device(
        self, machine: Evaluating, name: str, arguments: Sequence[Expression], node: Expression
    ) -> Value:
        device = self.name_of(machine.value_of(arguments[0])) if arguments else None
        if device is None:
            raise machine.refuse(f"{name}() of what is no device of the world", node)
        master = self.masters.get(device)
        if name == "netdev_priv":
            return Pointer(self.private_of(device))
        if name.startswith("netdev_master"):
            return Pointer(self.devices[master]) if master else NULL
        if name.startswith("netdev_lower"):
            lower = self.name_of(machine.value_of(arguments[1]))
            if lower is None or self.masters.get(lower) != device:
                return NULL
            return self._linked_with(machine, lower, machine.result_type(), node)
        if name.startswith("netdev_has_any"):
            return Int(int(master is not None), INT)
        if name.startswith("netdev_has"):
            upper = self.name_of(machine.value_of(arguments[1]))
            return Int(int(master is not None and upper == master), INT)
        if name.endswith("_master"):
            return Int(int(device in self.masters.values()), INT)
        if name.endswith(("_port", "_slave")):
            return Int(int(master is not None), INT)
        return Int(int(device not in self.down), INT)

    def _link(
        self, machine: Evaluating, name: str, arguments: Sequence[Expression], node: Expression
    ) -> Value:
        port, upper = (self.name_of(machine.value_of(one)) for one in arguments[:2])
        if port is None or upper is None:
            raise machine.refuse(f"{name}() of what is no device of the world", node)
        if name.endswith("unlink"):
            self.masters.pop(port, None)
            self.linked.pop(port, None)
            return Void()
        self.masters[port] = upper
        if name.startswith("netdev_master"):
            self.linked[port] = machine.value_of(arguments[2])
        return Int(0, INT)

    # Lists and maps

    def entries_of(self, head: Struct) -> list[Struct]:
        """Return the list_heads that a list links, in order."""
        return self.lists.setdefault(id(head), [])

    def _see(self, machine: Evaluating, entries: Sequence[Struct], node: Expression) -> None:
        """Refuse to look at a list of which code that was not run may have taken an entry."""
        if self.lost and any(map(self.is_lost, entries)):
            raise machine.refuse("what is in a list may have been changed by what is not run", node)

    def _linked(self, machine: Evaluating, argument: Expression, node: Expression) -> Struct:
        value = machine.value_of(argument)
        target = value.target if isinstance(value, Pointer) else None
        if not isinstance(target, Struct):
            raise machine.refuse("a list that can't be found", node)
        return target

    def _of_list(
        self, machine: Evaluating, name: str, arguments: Sequence[Expression], node: Expression
    ) -> Value:
        word = name.partition("list_")[2]
        first = self._linked(machine, arguments[0], node)
        if word.startswith("del"):
            self._unlink(first)
            return Void()
        if word == "unhashed":
            linked = any(one is first for found in self.lists.values() for one in found)
            return Int(int(not linked), INT)
        if word.startswith(("empty", "first")):
            self._see(machine, self.entries_of(first), node)
        if word.startswith("empty"):
            return Int(int(not self.entries_of(first)), INT)
        if word.startswith("first"):
            found = self.entries_of(first)
            if not found and word == "first_entry":
                raise machine.refuse("the first entry of an empty list", node)
            return Pointer(found[0].parent) if found and found[0].parent else NULL
        head = self._linked(machine, arguments[1], node)
        into = self.entries_of(head)
        self.filled.add(id(head))
        self._unlink(first)
        into.insert(len(into) if "tail" in word else 0, first)
        return Void()

    def _unlink(self, entry: Struct) -> None:
        for found in self.lists.values():
            found[:] = [one for one in found if one is not entry]

    # Loops

    def elements(
        self, machine: Evaluating, name: str, arguments: Sequence[Expression], node: Expression
    ) -> Iterator[Value]:
        """Yield what a loop macro's variable is in each turn."""
        if LOOPS.fullmatch(name) and len(arguments) >= 3:
            yield from self.containers.turns(machine, name, arguments, node)
            return
        if name.startswith(_LOWERS) and len(arguments) == 3:
            yield from self._lowers(machine, name, arguments, node)
            return
        if not _LOOP.fullmatch(name) or len(arguments) < 3:
            raise machine.refuse(f"a loop made by a macro ({name})", node)
        at = 2 if "_safe" in name else 1
        named = arguments[at + 1]
        member = named.name if isinstance(named, Name) else named.text
        head = self._linked(machine, arguments[at], node)
        found = self.entries_of(head)
        if not found and head.born and not self.populated and id(head) not in self.filled:
            self.filled.add(id(head))
            found += self._ports(machine, arguments[0], member, node)
        self._see(machine, found, node)
        if "_continue" in name:
            found = self._onward(machine, found, arguments[0], member, "reverse" in name)
        elif "reverse" in name:
            found = found[::-1]
        for one in list(found):
            if one.parent is None or one.member != member:
                raise machine.refuse(f"a list whose entries are not linked by {member}", node)
            yield Pointer(one.parent)
        behind = Struct(f"the end of {head.name}")
        behind.fields[member] = head
        put(machine, arguments[0], NULL if name.startswith("hlist") else Pointer(behind))

    def _lowers(
        self, machine: Evaluating, name: str, arguments: Sequence[Expression], node: Expression
    ) -> Iterator[Value]:
        """Yield a device's lowers, or what was linked with each: an entry of the owner's for it."""
        upper = self.name_of(machine.value_of(arguments[0]))
        kind = machine.variable_type(arguments[1])
        for port in [port for port, master in self.masters.items() if master == upper]:
            if "_private" in name:
                yield self._linked_with(machine, port, kind, node)
            else:
                yield Pointer(self.devices[port])
        put(machine, arguments[1], NULL)

    def _linked_with(
        self, machine: Evaluating, port: str, kind: CType | None, node: Expression
    ) -> Value:
        """Return what a port was linked with, or an entry of the owner's for it. kind: of that."""
        if port in self.linked:
            return self.linked[port]
        if self.populated or kind is None:
            raise machine.refuse("what a port was linked with is not seen", node)
        made = self.entry(machine, kind.base, port)
        if made is None:
            raise machine.refuse(f"no {kind.base} of {port} is seen", node)
        return Pointer(made)

    def _onward(
        self, machine: Evaluating, entries: list[Struct], now: Expression, member: str, back: bool
    ) -> list[Struct]:
        """Return the entries behind the one that a loop's variable is at, or those before it."""
        value = machine.value_of(now)
        entry = value.target if isinstance(value, Pointer) else None
        linked = entry.fields.get(member) if isinstance(entry, Struct) else None
        at = next((i for i, one in enumerate(entries) if one is linked), None)
        if at is None:
            raise machine.refuse("a loop that goes on from what is not in its list", now)
        return entries[:at][::-1] if back else entries[at + 1 :]

    def _ports(
        self, machine: Evaluating, variable: Expression, member: str, node: Expression
    ) -> list[Struct]:
        """Return entries for the owner's ports, of a list in its private data that nobody filled.

        The elements of such a list hold a device each: the upper's ports are in there.
        """
        kind = machine.variable_type(variable)
        found = []
        for name in self.masters if kind is not None else ():
            made = self.entry(machine, kind.base, name) if kind is not None else None
            linked = machine.grown(made, member, node) if made is not None else None
            if isinstance(linked, Struct):
                found.append(linked)
        return found

    def port_in(self, member: str) -> Value:
        """Return the port that a pointer of the owner's own is supposed to lead to, one by one.

        Nobody was seen to store it, so that no claim may rest on it.
        """
        self.unset.append(member)
        ports = [self.active, *(name for name in self.masters if name != self.active)]
        at = len(self.unset) - 1
        return Pointer(self.devices[ports[at]]) if at < len(ports) else NULL

    def entry(self, machine: Evaluating, kind: str, port: str) -> Struct | None:
        """Return an owner's own struct for a port: one with a net_device; None if it has none."""
        if not kind.startswith("struct ") or kind == DEVICE:
            return None
        return self.entry_of(kind, port, machine.members_of(kind))

    def entry_of(self, kind: str, port: str, members: Mapping[str, CType]) -> Struct | None:
        """Return the same. members: of that struct."""
        holds = [n for n, one in members.items() if (one.base, one.pointers) == (DEVICE, 1)]
        if not holds:
            return None
        if (kind, port) not in self.entries:
            made = Struct(f"{kind.split()[-1]} of {port}", kind, born=True)
            made.put(holds[0], Pointer(self.devices[port]), members[holds[0]])
            self.entries[kind, port] = made
        return self.entries[kind, port]


_Handler = Callable[[Evaluating, str, Sequence[Expression], Expression], Value]
