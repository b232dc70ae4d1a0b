"""The parser of C, and what its nodes say as text."""

import re
from functools import cache

import tree_sitter_c
from tree_sitter import Language, Node, Parser, Query, QueryCursor, Tree

# The first digit of an argument that a macro makes a name of: 10000baseT_Full. It is read as one.
_NO_NUMBER = re.compile(rb"(?<=[(,\s])(?!0[xXbB])\d(?=\d*[a-df-km-tv-zA-DF-KM-TV-Z_]\w*\s*[,)])")


@cache
def language() -> Language:
    """Return tree-sitter's C."""
    return Language(tree_sitter_c.language())


@cache
def _parser() -> Parser:
    return Parser(language())


def parse(text: bytes) -> Tree:
    """Parse C text; errors become nodes of the tree."""
    parser = _parser()
    tree = parser.parse(text)
    # To look for them in each text would cost more.
    named = _NO_NUMBER.sub(b"_", text) if tree.root_node.has_error else text
    return tree if named == text else parser.parse(named)


def captured(query: Query, node: Node, name: str) -> list[Node]:
    """Return what a query captures under a name, as it stands in the text."""
    # The binding's own order is that of addresses, another one in every run.
    found = QueryCursor(query).captures(node).get(name, [])
    return sorted(found, key=lambda one: (one.start_byte, -one.end_byte))


def node_text(node: Node) -> str:
    """Return a node's text; undecodable bytes replaced."""
    return (node.text or b"").decode("utf-8", "replace")
