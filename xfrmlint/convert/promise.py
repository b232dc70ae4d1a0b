"""The promise to resolve, set in the initializer of an ops table.

.flags = 0,                        ->   .flags = F,
.flags = OTHER,                         .flags = OTHER | F,
{ .xdo_dev_state_add = add }            { .xdo_dev_state_add = add, .flags = F }

It may lie in a struct in the table: `.caps.flags = F`, `.caps = { .flags = F }`.
"""

import re
from typing import NoReturn

from tree_sitter import Node

from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import below
from xfrmlint.contract.words import RESOLVE, Contract
from xfrmlint.convert.edits import Edit, Reason, Refused
from xfrmlint.convert.layout import columns, line_start
from xfrmlint.program.drivers import Driver
from xfrmlint.program.ops import Table

_TAB = 8
_WIDTH = 80
_NONE = re.compile(r"^0[UuLl]*$")
# What needs no parentheses beside another flag.
_FLAGS = re.compile(r"^[\w()]+(\s*\|\s*[\w()]+)*$")


def promised(reader: Reader, contract: Contract, driver: Driver) -> Edit:
    """Return the edit that sets the flag in a table. Raises Refused where it is not seen filled."""
    table = driver.table
    path, symbol = table.place.path, table.symbol
    unit, entries = reader.corpus.unit(path), _entries(reader, table)
    name, flag = contract.flags.name if contract.flags else "", contract.promise(RESOLVE)
    if not name or not flag:
        _refuse(table, "the tree has no flag by which a driver promises to resolve")
    if not entries:
        _refuse(table, f"{symbol} is not filled by an initializer that names its members")
    changed = _changed(reader, path, symbol, name, flag)
    if changed is not None:
        raise Refused(changed)
    part, _, word = name.rpartition(".")
    whole = next((one for one in entries if part and _named(one) == part), None)
    if whole is not None:
        value = whole.named_children[-1]
        entries, name = _filled_in(value), word
        if not entries:
            _refuse(table, f"{part} of {symbol} is not filled by its members' names")
    own = next((one for one in entries if _named(one) == name), None)
    last = own or entries[-1]
    if unit.condition(last.start_byte) != unit.condition(entries[0].start_byte):
        what = f"{name} of {symbol} are set" if own else f"the last callback of {symbol} stands"
        _refuse(table, f"{what} in a branch of an #if")
    if own is not None:
        return _joined(path, own.named_children[-1], flag)
    return _behind(path, unit.text, last, name, flag)


def _refuse(table: Table, why: str) -> NoReturn:
    raise Refused(Reason(table.place.path, table.place.line, why))


def _joined(path: str, value: Node, flag: str) -> Edit:
    """Return the edit that puts a flag to those that are set already."""
    text = node_text(value)
    if not _NONE.match(text):
        flag = f"{text} | {flag}" if _FLAGS.match(text) else f"({text}) | {flag}"
    return Edit(path, value.start_byte, value.end_byte, flag.encode())


def _behind(path: str, text: bytes, last: Node, name: str, flag: str) -> Edit:
    """Return the edit that puts one more entry behind another one of an initializer."""
    start = line_start(text, last.start_byte)
    indent = text[start : last.start_byte].decode("utf-8", "replace")
    comma = text.find(b",", last.end_byte, last.end_byte + 1) >= 0
    at = last.end_byte + comma
    if not indent.strip():
        made = f"\n{indent}{_aligned(text, last, indent, name)}= {flag},"
        return Edit(path, at, at, f"{'' if comma else ','}{made}".encode())
    # Several on one line: so is this, if there is room.
    made = f" .{name} = {flag}{',' * comma}"
    line = text[start : text.find(b"\n", at)].decode("utf-8", "replace")
    if columns(f"{line}{made}") > _WIDTH:
        made = f"\n\t{made[1:]}"
    return Edit(path, at, at, f"{'' if comma else ','}{made}".encode())


def _changed(reader: Reader, path: str, symbol: str, name: str, flag: str) -> Reason | None:
    """Return where a table's flags are set or cleared as the driver runs."""
    written = rf"~\s*\(?\s*{flag}\b|\b{symbol}\s*(\[[^]]*\])?\.{re.escape(name)}\s*[&|]?=(?!=)"
    for file in dict.fromkeys([path, *reader.universe.files(path)]):
        found = re.search(written.encode(), reader.corpus.plain(file))
        if found is not None:
            line = reader.corpus.plain(file).count(b"\n", 0, found.start()) + 1
            return Reason(file, line, f"the {name} of {symbol} change as the driver runs")
    return _lost_in_copy(reader, path, symbol)


def _lost_in_copy(reader: Reader, path: str, symbol: str) -> Reason | None:
    """Return where a table is copied: whether the copy keeps its flags is not looked for."""
    for view, node in reader.near(symbol, path):
        if view.kind == "function" and not _is_put_up(node):
            place = view.place(node.start_byte)
            return Reason(place.path, place.line, f"{symbol} is copied: with its flags, or not?")
    return None


def _is_put_up(symbol: Node) -> bool:
    """Tell whether a table's address is assigned, as to a net_device, or compared with another."""
    up = symbol.parent
    if up is None or up.type != "pointer_expression" or up.parent is None:
        return False
    return up.parent.type in ("assignment_expression", "init_declarator", "binary_expression")


def filled_after(reader: Reader, table: Table, slot: str, new: str, target: str) -> Edit | None:
    """Return the edit that fills a callback behind another one; None without an initializer."""
    path = table.place.path
    pair = next((one for one in _entries(reader, table) if _named(one) == slot), None)
    return _behind(path, reader.corpus.unit(path).text, pair, new, target) if pair else None


def _entries(reader: Reader, table: Table) -> list[Node]:
    """Return what fills a table in its initializer, by the members' names."""
    unit = reader.corpus.unit(table.place.path)
    item = unit.item_at(unit.offset(table.place.line, table.place.column))
    for one in below(item.node) if item is not None else ():
        value = one.child_by_field_name("value") if one.type == "init_declarator" else None
        named = one.child_by_field_name("declarator")
        if value is None or named is None or node_text(named) != table.symbol:
            continue
        return _filled_in(value)
    return []


def _filled_in(value: Node) -> list[Node]:
    """Return the entries of an initializer list in which each names its member."""
    inside = [c for c in value.named_children if c.type != "comment"]
    return inside if value.type == "initializer_list" and all(map(_named, inside)) else []


def _named(entry: Node) -> str:
    """Return the member that an entry of an initializer names."""
    return "".join(map(node_text, entry.children_by_field_name("designator")))[1:]


def _aligned(text: bytes, last: Node, indent: str, name: str) -> str:
    """Return `.name` padded as the pair before it is."""
    sign = text.find(b"=", last.start_byte, last.end_byte)
    start = line_start(text, last.start_byte)
    before = text[start:sign].decode("utf-8", "replace")
    written = f"{indent}.{name}"
    if before.rstrip() + " " == before:
        # One space, unless that is what a column of them comes to.
        return f".{name} "
    width = columns(before) - columns(written)
    if "\t" in before.strip() or before.endswith("\t"):
        at, pad = columns(written), ""
        while at < columns(before):
            pad, at = pad + "\t", (at // _TAB + 1) * _TAB
        return f".{name}{pad}"
    return f".{name}{' ' * max(width, 1)}"
