"""Conditions of #if lines in three values: true, false, or None for what the build decides.

`defined(FOO) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)` is false in Linux 7.3, whatever FOO
is; in 6.12 it is open.
"""

import re
from collections.abc import Callable
from functools import partial

from tree_sitter import Node

from xfrmlint.c.arithmetic import value_of
from xfrmlint.c.integers import LLONG, ULLONG, Int, number, wrapped
from xfrmlint.c.nodes import node_text, parse
from xfrmlint.kernel.release import Release, kernel_version, version_macros

# What asks for a name (`defined`, `IS_ENABLED`, ... or nothing where its value is wanted), the name
# -> the answer, None if it is open.
Known = Callable[[str, str], int | None]

# All that stands for the tree's own version is called so (include/generated/uapi/linux/version.h).
VERSIONED = b"LINUX_VERSION_"
_ASKING = ("defined", "IS_ENABLED", "IS_BUILTIN", "IS_REACHABLE")
_DEFINED = re.compile(r"\bdefined\s+(\w+)")
_LONGEST = 40_000
_LARGEST_NUMBER = 100_000


def known_in(release: Release | None) -> Known:
    """Return what is known of names where only the tree's version is."""
    numbers = version_macros(release) if release is not None else {}

    def known(asking: str, name: str) -> int | None:
        if asking:
            defined = asking == "defined" and (name in numbers or name == "KERNEL_VERSION")
            return 1 if numbers and defined else None
        return numbers.get(name)

    return known


def truth(condition: str, known: Known) -> bool | None:
    """Tell whether the condition of an #if or #elif holds; None if that is open."""
    # What is written over several lines has a backslash in between, and `defined X` is no C.
    text = _DEFINED.sub(r"defined(\1)", condition.replace("\\", " "))
    root = parse(f"int _ = {text};".encode()).root_node
    if root.has_error or len(text) > _LONGEST or root.named_child_count != 1:
        return None
    declared = root.named_children[0].child_by_field_name("declarator")
    asked = declared.child_by_field_name("value") if declared is not None else None
    value = value_of(asked, partial(_answer, known))
    return None if value is None else bool(value.value)


def _answer(known: Known, node: Node, depth: int) -> Int | None:
    """Return what a name, a question or a number in a condition is worth."""
    names = [node_text(one) for one in node.named_children]
    found = None
    match node.type:
        case "number_literal":
            # Here all numbers are as wide as can be.
            plain = number(node_text(node))
            return plain and wrapped(plain.value, LLONG if plain.type.signed else ULLONG)
        case "identifier":
            found = known("", node_text(node))
        case "call_expression" if names[0] in _ASKING:
            found = known(names[0], names[1].strip("() "))
        case "call_expression" if names[0] == "KERNEL_VERSION":
            given = node.named_children[1].named_children
            values = [value_of(one, partial(_answer, known), depth + 1) for one in given]
            numbers = [v.value for v in values if v is not None and 0 <= v.value < _LARGEST_NUMBER]
            found = kernel_version(*numbers) if len(numbers) == len(values) == 3 else None
    return None if found is None else Int(found, LLONG)
