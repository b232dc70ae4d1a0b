"""A driver's look at xso's devices, turned to the device that it is asked for."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import around, assigned_in, call_of, called_by, given_to, outermost
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import declarator_name
from xfrmlint.contract.words import DEVICE, OWNER, PINNED
from xfrmlint.convert.devices import device_in, given
from xfrmlint.convert.edits import Edit, Reason
from xfrmlint.convert.fate import Context
from xfrmlint.convert.handing import handed_down
from xfrmlint.convert.layout import without_statement
from xfrmlint.convert.written import Written, refuse, statement_of
from xfrmlint.kernel.functions import effect_named
from xfrmlint.program.sites import Site

_NET = "dev_net"


class Turned(NamedTuple):
    """The edits of one access of xso's devices, and what they do, in words."""

    one: Written
    edits: tuple[Edit, ...]
    does: str


def turned(context: Context, one: Written, read_elsewhere: bool) -> Turned:
    """Return the edit of a read or a write of xso.dev or xso.real_dev. Raises Refused.

    read_elsewhere: whether the driver reads xso.dev at all.
    """
    site, contract = one.site, context.contract
    if around(one.node, "conditional_expression") is not None:
        refuse(site, f"xso.{site.field} is chosen, or not: both would be one device then")
    whole = _net_of(one.node)
    if whole is not None:
        text = f"xs_net({node_text(one.state)})"
        edit = Edit(one.path, whole.start_byte, whole.end_byte, text.encode())
        return Turned(one, (edit,), f"{site.function.name}() asks the state for its namespace")
    callbacks = {entry.name for entry in site.reached.entries} <= {*contract.callbacks}
    if not contract.add_takes_device and site.member == OWNER and callbacks:
        return _renamed(context, one)
    if site.access == "write":
        return _left_out(context, one, read_elsewhere)
    _refuse_compared(one)
    name = given(context.devices, one.view)
    if not name and site.reached.context == "datapath":
        chosen = device_in(context.devices, one.view, one.node.start_byte, site.reached)
        name = chosen.text
    if not name:
        return _handed(context, one)
    edit = Edit(one.path, one.node.start_byte, one.node.end_byte, name.encode())
    return Turned(one, (edit,), f"{site.function.name}() takes {name} for xso.{site.field}")


def _refuse_compared(one: Written) -> None:
    """What is asked of xso's device is whose state it is: with another device it says nothing."""
    up = outermost(one.node).parent
    sign = up.child_by_field_name("operator") if up is not None else None
    if up is not None and up.type == "binary_expression" and sign is not None:
        if node_text(sign) in ("==", "!="):
            refuse(
                one.site,
                f"xso.{one.site.field} is compared: whose state it is does not matter to a packet "
                "any more",
            )


def _handed(context: Context, one: Written) -> Turned:
    """A helper of callbacks that are given the device gets it from them."""
    site = one.site
    variable, declaration = _kept_in(one)
    down = handed_down(context.devices, context.fate, one.view, site.reached, variable)
    if down is None:
        refuse(site, f"xso.{site.field} is read, and {_out_of_reach(context, one)}")
    if declaration is not None:
        edit = without_statement(one.view, declaration)
    else:
        edit = Edit(one.path, one.node.start_byte, one.node.end_byte, down.name.encode())
    does = f"{site.function.name}() is handed its device, and does not take xso.{site.field} for it"
    return Turned(one, (edit, *down.edits), does)


def _out_of_reach(context: Context, one: Written) -> str:
    """Return why a function has no device of its own, and what can give it one."""
    slots = {slot.name: slot for slot in context.contract.slots.values()}
    slots |= {slot.name: slot for slot in context.contract.others}
    without = [
        f"{entry.name} ({entry.place.path}:{entry.place.line})"
        for entry in one.site.reached.entries
        if entry.name in slots and DEVICE not in slots[entry.name].takes
    ]
    if not without:
        return "its own net_device is not in reach"
    return (
        f"{', '.join(without)} is given no net_device: add can keep its own with what the handle "
        "leads to"
    )


def _kept_in(one: Written) -> tuple[str, Node | None]:
    """Return the variable that a read does nothing but set, with its declaration."""
    maker = one.node.parent
    declaration = maker.parent if maker is not None else None
    if maker is None or maker.type != "init_declarator" or declaration is None:
        return "", None
    name = declarator_name(maker.child_by_field_name("declarator"))
    if name is None or len(declaration.children_by_field_name("declarator")) != 1:
        return "", None
    found = node_text(name)
    same = [local for local in one.view.locals if local.name == found]
    if len(same) != 1 or len(one.view.assignments(found)) != 1:
        return "", None
    if (same[0].type.base, same[0].type.pointers) != (DEVICE, 1) or same[0].parameter >= 0:
        return "", None
    body = one.view.node.child_by_field_name("body")
    above = declaration.parent
    if body is None or above is None or above.id != body.id:
        return "", None
    return found, declaration


def _renamed(context: Context, one: Written) -> Turned:
    """Before add took a device, the pinned one was how a driver learned its own."""
    pinned = context.contract.member(PINNED)
    field = one.node.child_by_field_name("field")
    if not pinned or field is None:
        refuse(one.site, f"xso.{one.site.field} is not the driver's own device")
    unset = _unset_by_owner(context, one.site)
    if unset:
        refuse(one.site, f"xso.{one.site.field} is not the driver's own device, and {unset}")
    edit = Edit(one.path, field.start_byte, field.end_byte, pinned.encode())
    does = "sets" if one.site.access == "write" else "reads"
    return Turned(
        one, (edit,), f"{one.site.function.name}() {does} xso.{pinned}, not xso.{one.site.field}"
    )


def unset_pins(context: Context, sites: Iterable[Site]) -> Iterator[Reason]:
    """Yield the reads of a pinned device that an owner need not have set: a promise brings them."""
    reads = (site for site in sites if site.member == PINNED and "read" in site.access)
    for site in reads if not context.contract.add_takes_device else ():
        unset = _unset_by_owner(context, site)
        if unset:
            text = f"{site.function.name}(): xso.{site.field} is read, and {unset}"
            yield Reason(site.place.path, site.place.line, text)


def _unset_by_owner(context: Context, site: Site) -> str:
    """Return where an owner calls a callback that reaches a read without having pinned its device.

    What it sets behind the call comes too late, and what it has taken away before it is NULL there.
    """
    slots = {entry.name for entry in site.reached.entries} & {*context.contract.callbacks}
    for view in dict.fromkeys(write.view for write in context.pins):
        writes = [write for write in context.pins if write.view is view]
        named = [node for slot in slots for node in view.occurrences(slot)]
        for node in sorted(named, key=lambda one: one.start_byte):
            call = call_of(node.parent) if node.parent is not None else None
            if call is None:
                continue
            place = view.place(call.start_byte)
            before = [write for write in writes if write.place.line < place.line]
            gone = before[-1].cleared if before else len(writes) > sum(w.cleared for w in writes)
            if gone:
                return (
                    f"{view.function.name}() calls {node_text(node)} where xso."
                    f"{writes[0].field} is not set to it ({place.path}:{place.line})"
                )
    return ""


def _left_out(context: Context, one: Written, read_elsewhere: bool) -> Turned:
    """A state that the driver made itself, with a device that nobody looks at."""
    statement = statement_of(one.node)
    stored = assigned_in(statement)
    alone = stored is not None and stored.target == one.node
    values = one.view.assignments(node_text(one.state))
    made = bool(values) and all(effect_named(called_by(value)) == "takes" for value in values)
    if not alone or not made or read_elsewhere or statement.type != "expression_statement":
        refuse(one.site, f"xso.{one.site.field} is written, which is its owner's")
    does = f"{one.site.function.name}() does not set xso.{one.site.field}, which nobody reads"
    return Turned(one, (without_statement(one.view, statement),), does)


def _net_of(node: Node) -> Node | None:
    """Return the call of dev_net() that a device is given to."""
    given = given_to(node)
    return given.call if given is not None and given.name == _NET else None
