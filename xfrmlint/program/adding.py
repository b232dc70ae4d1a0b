"""Whether an owner's add has something to undo where a lower's add fails.

To run it takes a tenth of the time of a whole tree. The text of most shows that there is nothing.
"""

from tree_sitter import Node, Query

from xfrmlint.c.expression import LOOPS, around, called
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.nodes import captured, language, node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View
from xfrmlint.contract.words import ADD, XSO
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.ops import Table
from xfrmlint.program.outside import CALLS

_LABELS = Query(language(), "(labeled_statement) @label")


def may_have_to_undo(reader: Reader, table: Table) -> bool:
    """Tell whether an add of a table's may leave something behind where a lower's fails.

    It does not if it calls that of one lower, once, nothing else of the driver's, and touches xso
    where that has succeeded alone.
    """
    path, slot = table.place.path, reader.contract.slot(ADD)
    adds = {one.target for one in table.callbacks if one.field == slot}
    views = [reader.definitions(name, path) for name in adds]
    macros = reader.macros(reader.universe.files(path), reader.universe.key(path))
    plain = not macros.hiding([XSO, slot]) and all(views)
    return not plain or not all(_undoes_nothing(reader, one) for found in views for one in found)


def _undoes_nothing(reader: Reader, view: View) -> bool:
    slot, calls = reader.contract.slot(ADD), captured(CALLS, view.node, "call")
    handed = [one for one in calls if node_text(one).partition("(")[0].endswith(slot)]
    others = [called(one) for one in calls if one not in handed]
    unseen = [n for n in others if not function_named(n).known]
    if len(handed) != 1 or any(not n or reader.definitions(n, view.path) for n in unseen):
        return False
    kept = handed[0].parent
    error = kept.child_by_field_name("left") if kept is not None else None
    labels = captured(_LABELS, view.node, "label")
    again = around(kept, *LOOPS) or any(one.start_byte < handed[0].start_byte for one in labels)
    if kept is None or error is None or error.type != "identifier" or again:
        return False
    touched = view.occurrences(XSO)
    return all(_has_succeeded(view, kept, node_text(error), one) for one in touched)


def _has_succeeded(view: View, kept: Node, error: str, at: Node) -> bool:
    """Tell whether what a call returned is known to be 0 at a node. kept: its assignment."""
    values = view.assignments(error)
    if at.start_byte < kept.end_byte or any(
        kept.end_byte < value.start_byte < at.start_byte for value in values
    ):
        return False
    held = {f"!{error}": True, error: False}
    return any(
        one.node.start_byte > kept.end_byte
        and one.held is not None
        and held.get(node_text(one.node).strip("() ")) is one.held
        for one in conditions_to(at)
    )
