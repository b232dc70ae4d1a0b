"""The promise to resolve, set in the initializer of an ops table."""

import re

from tree_sitter import Node

from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import below, node_text
from xfrmlint.contract.words import RESOLVE, Contract
from xfrmlint.convert.edits import Edit, Reason, Refused
from xfrmlint.convert.layout import columns, line_start
from xfrmlint.program.drivers import Driver
from xfrmlint.program.ops import Table

_TAB = 8


def promised(reader: Reader, contract: Contract, driver: Driver) -> Edit:
    """Return the edit that sets the flag in a table. Raises Refused if no initializer fills it."""
    place = driver.table.place
    unit = reader.corpus.unit(place.path)
    item = unit.item_at(unit.offset(place.line, place.column))
    pairs = _pairs(item.node, driver.table.symbol) if item is not None else []
    name, flag = contract.flags.name if contract.flags else "", contract.promise(RESOLVE)
    why = ""
    if not name or not flag:
        why = "the tree has no flag by which a driver promises to resolve"
    elif not pairs:
        why = f"{driver.table.symbol} is not filled by an initializer that is written out"
    elif any(_named(pair) == name for pair in pairs):
        why = f"{driver.table.symbol} sets {name} already, and not {flag}"
    elif unit.condition(pairs[-1].start_byte) != unit.condition(pairs[0].start_byte):
        why = f"the last callback of {driver.table.symbol} stands in a branch of an #if"
    changed = _changed(reader, place.path, driver.table.symbol, name, flag) if not why else None
    if changed is not None:
        raise Refused(changed)
    if why:
        raise Refused(Reason(place.path, place.line, why))
    last = pairs[-1]
    indent = unit.text[line_start(unit.text, last.start_byte) : last.start_byte].decode()
    if indent.strip():
        why = f"{driver.table.symbol} is written on one line"
        raise Refused(Reason(place.path, place.line, why))
    comma = unit.text.find(b",", last.end_byte, last.end_byte + 1) >= 0
    at = last.end_byte + comma
    text = f"{'' if comma else ','}\n{indent}{_aligned(unit.text, last, indent, name)}= {flag},"
    return Edit(place.path, at, at, text.encode())


def _changed(reader: Reader, path: str, symbol: str, name: str, flag: str) -> Reason | None:
    """Return where a table's flags are set or cleared as the driver runs."""
    written = rf"~\s*\(?\s*{flag}\b|\b{symbol}\s*(\[[^]]*\])?\.{name}\s*[&|]?=(?!=)"
    for file in dict.fromkeys([path, *reader.universe.files(path)]):
        found = re.search(written.encode(), reader.corpus.plain(file))
        if found is not None:
            line = reader.corpus.plain(file).count(b"\n", 0, found.start()) + 1
            return Reason(file, line, f"the {name} of {symbol} change as the driver runs")
    return None


def filled_after(reader: Reader, table: Table, slot: str, new: str, target: str) -> Edit | None:
    """Return the edit that fills a callback behind another one; None without an initializer."""
    unit = reader.corpus.unit(table.place.path)
    item = unit.item_at(unit.offset(table.place.line, table.place.column))
    pairs = _pairs(item.node, table.symbol) if item is not None else []
    pair = next((one for one in pairs if _named(one) == slot), None)
    if pair is None or unit.text[pair.end_byte : pair.end_byte + 1] != b",":
        return None
    indent = unit.text[line_start(unit.text, pair.start_byte) : pair.start_byte].decode()
    if indent.strip():
        return None
    text = f"\n{indent}{_aligned(unit.text, pair, indent, new)}= {target},"
    return Edit(table.place.path, pair.end_byte + 1, pair.end_byte + 1, text.encode())


def _pairs(node: Node, symbol: str) -> list[Node]:
    for one in below(node):
        value = one.child_by_field_name("value") if one.type == "init_declarator" else None
        named = one.child_by_field_name("declarator")
        if value is None or named is None or node_text(named) != symbol:
            continue
        inside = [c for c in value.named_children if c.type != "comment"]
        if all(c.type == "initializer_pair" for c in inside):
            return inside
    return []


def _named(pair: Node) -> str:
    return node_text(pair.named_children[0]).lstrip(".")


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
