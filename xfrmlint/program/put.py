"""What is put into a member: by what is assigned, or done with its address.

    static void set_bits(u32 *word, u32 bits)
    {
            *word |= bits;
    }

sets F in `set_bits(&ops->flags, F);`, as `ops->flags |= F;` does.
"""

from tree_sitter import Node

from xfrmlint.c.expression import Given, arguments_of, bare, given_to, outermost
from xfrmlint.c.unit import node_text
from xfrmlint.c.view import View
from xfrmlint.valueflow.forms import Forms, Stored, Value


def values_put(forms: Forms, view: View, field: Node) -> list[Value | None]:
    """Return what is assigned to a member, or or'ed into it; None for what nobody shows.

    field: the member's name in a field expression.
    """
    given = _address_given(field)
    stores = forms.stores_at(view, field)
    if not stores and given is not None:
        return [None]
    # `flags &= mask;` sets nothing.
    written = [s._replace(value=s.value or _ored(s)) for s in stores if not _is_masked(s)]
    return [_in_caller(view, given, s) for s in written]


def _in_caller(view: View, given: Given | None, stored: Stored) -> Value | None:
    """Return a stored value; what is passed for it where it is a parameter of the function."""
    value, inside = stored.value, stored.view
    if value is None:
        return None
    local = inside.local(node_text(bare(value)), value.start_byte)
    passed = arguments_of(given.call) if given is not None else []
    if given is None or local is None or inside.function.name != given.name:
        return Value(inside, value)
    known = 0 <= local.parameter < len(passed)
    return Value(view, passed[local.parameter]) if known else Value(inside, value)


def _address_given(field: Node) -> Given | None:
    """Return the call that is given the address of a member."""
    up = outermost(field.parent) if field.parent is not None else field
    around = up.parent
    if around is None or around.type != "pointer_expression" or around.children[0].type != "&":
        return None
    return given_to(outermost(around))


def _assignment(stored: Stored) -> Node | None:
    up: Node | None = stored.at
    while up is not None and up.type not in ("assignment_expression", "expression_statement"):
        up = up.parent
    return up if up is not None and up.type == "assignment_expression" else None


def _operator(stored: Stored) -> str:
    around = _assignment(stored)
    operator = around.child_by_field_name("operator") if around is not None else None
    return node_text(operator) if operator is not None else ""


def _ored(stored: Stored) -> Node | None:
    around = _assignment(stored)
    return around.child_by_field_name("right") if around and _operator(stored) == "|=" else None


def _is_masked(stored: Stored) -> bool:
    return stored.value is None and _operator(stored) not in ("", "=", "|=")
