"""How what is put into a function is laid out, as the kernel's coding style has it."""

from collections.abc import Iterator, Sequence

from tree_sitter import Node

from xfrmlint.c.view import View
from xfrmlint.convert.edits import Edit, edited

_WIDTH = 80
_TAB = 8
_ELSEWHERE = ("field_identifier", "statement_identifier")


def columns(text: str) -> int:
    """Return how wide a line is."""
    return len(text.expandtabs(_TAB))


def called(before: str, name: str, arguments: tuple[str, ...], after: str) -> str:
    """Return a call with what stands around it on its line, broken after commas if need be."""
    whole = f"{before}{name}({', '.join(arguments)}){after}"
    if columns(whole) <= _WIDTH:
        return whole
    width = columns(f"{before}{name}(")
    margin = "\t" * (width // _TAB) + " " * (width % _TAB)
    return f"{before}{name}(" + f",\n{margin}".join(arguments) + f"){after}"


def line_start(text: bytes, offset: int) -> int:
    """Return where the line of an offset begins."""
    return text.rfind(b"\n", 0, offset) + 1


def without_lines(path: str, text: bytes, first: int, last: int) -> Edit:
    """Return the edit that takes away the lines from one offset to another.

    With them goes a blank line that would be one too many.
    """
    start, end = line_start(text, first), text.find(b"\n", last) + 1
    before, after = text[:start], text[end : end + 1]
    if before.endswith((b"\n\n", b"{\n")) and after == b"\n":
        end += 1
    elif before.endswith(b"\n\n") and after == b"}":
        start -= 1
    return Edit(path, start, end, b"")


def without_statement(view: View, statement: Node) -> Edit:
    """Return the edit that takes away the lines of a statement."""
    return without_lines(view.path, view.text, statement.start_byte, statement.end_byte)


def with_comment(view: View, statement: Node) -> Node:
    """Return the comment that stands on the line above a statement, else the statement."""
    before = statement.prev_named_sibling
    if before is None or before.type != "comment":
        return statement
    start = line_start(view.text, before.start_byte)
    alone = not view.text[start : before.start_byte].strip()
    return before if alone and before.end_point[0] + 1 == statement.start_point[0] else statement


def declared(view: View, line: str, edits: Sequence[Edit] = ()) -> Edit:
    """Return the edit that declares a variable in a function, longest line first.

    edits: what else becomes of the declarations.
    """
    body = view.node.child_by_field_name("body") or view.node
    declarations = list(_declarations(body))
    for node in declarations:
        start = line_start(view.text, node.start_byte)
        inside = [e for e in edits if start <= e.start and e.end <= node.end_byte]
        moved = [Edit(e.path, e.start - start, e.end - start, e.text) for e in inside]
        text = edited(view.text[start : node.end_byte], moved).decode("utf-8", "replace")
        if columns(text.split("\n")[0]) < columns(f"\t{line}"):
            return Edit(view.path, start, start, f"\t{line}\n".encode())
    if declarations:
        end = view.text.find(b"\n", declarations[-1].end_byte) + 1
        return Edit(view.path, end, end, f"\t{line}\n".encode())
    end = view.text.find(b"\n", body.start_byte) + 1
    return Edit(view.path, end, end, f"\t{line}\n\n".encode())


def _declarations(body: Node) -> Iterator[Node]:
    for node in body.named_children:
        if node.type == "comment":
            continue
        if node.type != "declaration":
            return
        yield node


def free_name(view: View, names: tuple[str, ...]) -> str:
    """Return the first of some names that a function has no use for."""
    for name in names:
        # A member or a label of that name is another thing.
        if all(node.type in _ELSEWHERE for node in view.occurrences(name)):
            return name
    return ""
