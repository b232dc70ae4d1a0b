"""The kernel's lists and maps in a world: xarrays, tables and lists, by what was stored in them.

A list is the sequence of its entries, and so is a hash table, as all buckets are of one list; which
of them a loop over one bucket meets besides those of its key is left open by the kernel, so it
meets all. Of an rhashtable's parameters what counts is which member is the key.
"""

from collections.abc import Iterator, Sequence
from errno import EBUSY

from xfrmlint.c.integers import INT, ULONG, Int
from xfrmlint.c.syntax import Call, Expression, Member, Name
from xfrmlint.concrete.devices import Devices
from xfrmlint.concrete.kernel import Kernel
from xfrmlint.concrete.primitives import word_of
from xfrmlint.concrete.values import NULL, Cell, Link, Open, Pointer, Struct, Value, Void
from xfrmlint.kernel.functions import function_named


def loop_variable(name: str, arguments: Sequence[Expression]) -> Expression:
    """Return the variable that a loop macro sets in each turn."""
    runs = function_named(name).iterates
    return arguments[runs.target.position if runs is not None else 1]


class Containers(Devices):
    """A machine that knows lists and maps."""

    def _struct(self, argument: Expression, at: Expression) -> Struct:
        """Return the struct, or the array, that an argument is or points to."""
        value = self._value(argument)
        found = value.target if isinstance(value, Pointer) else value
        if not isinstance(found, Struct):
            raise self._outside("a list or a map that can't be found", at.start)
        return found

    def _see(self, kernel: Kernel, entries: Sequence[Struct], at: Expression) -> None:
        """Refuse to look at a list of which code that was not run may have taken an entry."""
        if kernel.lost and any(map(kernel.is_lost, entries)):
            reason = "what is in a list may have been changed by what is not run"
            raise self._outside(reason, at.start)

    # Lists and tables

    def _link(self, kernel: Kernel, link: Struct, one: Member, address: bool) -> Link:
        """Return what a list's head, or an entry's link, has as one of its members."""
        of_table = link.parent is not None and kernel.lists.get(id(link.parent))
        unseen = link.born and not kernel.populated and id(link) not in kernel.filled
        found = None if of_table or unseen or address else kernel.beside(link, one.name)
        if found is None or not isinstance(found, Pointer):
            raise self._outside(f"where {link.name}.{one.name} leads", one.named)
        ends = [link, found.target] if isinstance(found.target, Struct) else [link]
        self._see(kernel, ends, one)
        return Link(one.name, found)

    def _listing(self, kernel: Kernel, call: Call) -> Value:
        """Take an entry out of its list or table, put it into one, or both."""
        name, given = call.name, call.arguments
        keeps = function_named(name).keeps
        hashed = name.startswith("rhash")
        entry = self._struct(given[keeps[0].value.position if keeps else int(hashed)], call)
        kernel.unlink(entry)
        if keeps or "move" in name:
            head = self._struct(given[keeps[0].target.position if keeps else 1], call)
            into = kernel.entries_of(head)
            kernel.filled.add(id(head))
            first = "list" in name and "tail" not in name
            into.insert(0 if first else len(into), entry)
            kernel.entered.add(id(entry))
        return Int(0, INT) if hashed else Void()

    def _emptied(self, kernel: Kernel, call: Call) -> Value:
        kernel.entries_of(self._struct(call.arguments[0], call)).clear()
        return Int(0, INT) if call.name == "rhashtable_init" else Void()

    def _listed(self, kernel: Kernel, call: Call) -> Value:
        """Tell whether a list is empty, or an entry in none, or return the first entry."""
        of = self._struct(call.arguments[0], call)
        if call.name == "hlist_unhashed":
            linked = any(one is of for found in kernel.lists.values() for one in found)
            return Int(int(not linked), INT)
        entries = kernel.entries_of(of)
        self._see(kernel, entries, call)
        if "empty" in call.name:
            return Int(int(not entries), INT)
        if not entries and call.name == "list_first_entry":
            raise self._outside("the first entry of an empty list", call.start)
        return Pointer(entries[0].parent) if entries and entries[0].parent else NULL

    def _looked_up(self, kernel: Kernel, call: Call) -> Value:
        """Return the entry of an rhashtable whose key holds what another one holds."""
        entries = kernel.entries_of(self._struct(call.arguments[0], call))
        member = self.names.key_member(call.arguments[2].text, self._path)
        wanted = self._value(call.arguments[1])
        if not member or not isinstance(wanted, Pointer) or wanted.target is None:
            raise self._outside("the key of a table that can't be read", call.start)
        for one in entries:
            key = one.parent.fields.get(member) if one.parent is not None else None
            if key is not None and _same(key, wanted.target):
                return Pointer(one.parent)
        return NULL

    # Xarrays

    def _of_xarray(self, kernel: Kernel, call: Call) -> Value:
        word = call.name.removeprefix("xa_").removesuffix("_bh").removesuffix("_irq")
        if word in ("err", "is_err"):
            # Memory is never short: what was there before is no error.
            self._value(call.arguments[0])
            return Int(0, INT)
        if word.endswith("_value"):
            return self._of_entry(word, call)
        stored = kernel.numbered.setdefault(id(self._struct(call.arguments[0], call)), {})
        if word == "destroy":
            stored.clear()
            return Void()
        if word == "empty":
            return Int(int(not stored), INT)
        index = self._value(call.arguments[1])
        if not isinstance(index, Int):
            raise self._outside("an index that is no number", call.start)
        old = stored.get(index.value, NULL)
        if word == "insert" and old != NULL:
            return Int(-EBUSY, INT)
        if word in ("store", "insert"):
            stored[index.value] = self._value(call.arguments[2])
        elif word == "erase":
            stored.pop(index.value, None)
        return Int(0, INT) if word == "insert" else old

    def _of_entry(self, word: str, call: Call) -> Value:
        """include/linux/xarray.h: a number in an xarray is shifted, and its lowest bit set."""
        value = self._value(call.arguments[0])
        if word == "is_value" and isinstance(value, Pointer):
            return Int(0, INT)
        if word == "to_value" and value == NULL:
            return Int(0, ULONG)
        if not isinstance(value, Int):
            raise self._outside("an xarray's value that is no number", call.start)
        if word == "mk_value":
            return Int(value.value << 1 | 1, ULONG)
        return Int(value.value & 1, INT) if word == "is_value" else Int(value.value >> 1, ULONG)

    # Loops

    def _elements(
        self, kernel: Kernel, name: str, arguments: Sequence[Expression]
    ) -> Iterator[Value]:
        """Yield what a loop macro's variable is in each turn."""
        of, word = loop_variable(name, arguments), word_of(name)
        runs = function_named(name).iterates
        if word == "over lowers" and len(arguments) == 3:
            yield from self._over_lowers(kernel, name, arguments)
        elif runs is None or not word.startswith("over") or len(arguments) < 3:
            raise self._outside(f"a loop made by a macro ({name})", of.start)
        elif name == "xa_for_each":
            held = kernel.numbered.get(id(self._struct(arguments[0], of)), {})
            for index, value in sorted(held.items()):
                self._leave(arguments[1], Int(index, ULONG))
                yield value
            self._leave(of, NULL)
        else:
            # Of this one alone the next entry stands behind the variable.
            behind = 2 if name == "hash_for_each_possible_safe" else 1
            named = arguments[max(runs.value.position, runs.target.position) + behind]
            member = named.name if isinstance(named, Name) else named.text
            head = self._struct(arguments[runs.value.position], of)
            if word == "over maps" and "possible" not in name:
                self._leave(arguments[1], Open("a bucket", set(), derived=True))
            for one in self._entries(kernel, name, head, of, member):
                if one.parent is None or one.member != member:
                    reason = f"a list whose entries are not linked by {member}"
                    raise self._outside(reason, of.start)
                yield Pointer(one.parent)
            self._leave(of, end_of(head, member) if name.startswith("list") else NULL)

    def _entries(
        self, kernel: Kernel, name: str, head: Struct, of: Expression, member: str
    ) -> Sequence[Struct]:
        """Return what links the entries that a loop comes to."""
        found = kernel.entries_of(head)
        unseen = head.born and not kernel.populated and id(head) not in kernel.filled
        if not found and unseen and "list" in name:
            kernel.filled.add(id(head))
            found += self._ports(kernel, of, member)
        self._see(kernel, found, of)
        back = "reverse" in name
        if "_continue" not in name:
            return found[::-1] if back else list(found)
        value = self._value(of)
        entry = value.target if isinstance(value, Pointer) else None
        linked = entry.fields.get(member) if isinstance(entry, Struct) else None
        at = next((i for i, one in enumerate(found) if one is linked), None)
        if at is None:
            raise self._outside("a loop that goes on from what is not in its list", of.start)
        return found[:at][::-1] if back else found[at + 1 :]


def end_of(head: Struct, member: str) -> Pointer:
    """Return where an entry would begin of which a list's head is the link."""
    end = Struct(f"the end of {head.name}")
    end.fields[member] = head
    return Pointer(end)


def _same(one: object, other: object) -> bool:
    """Tell whether two objects hold the same."""
    if isinstance(one, Cell) and isinstance(other, Cell):
        left, right = one.value, other.value
        if isinstance(left, Int) and isinstance(right, Int):
            return left.value == right.value
        return left == right
    if isinstance(one, Struct) and isinstance(other, Struct):
        names = one.fields.keys() | other.fields.keys()
        return all(_same(one.fields.get(n), other.fields.get(n)) for n in names)
    return False
