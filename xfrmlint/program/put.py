"""What is put into a member: by what is assigned, or done with its address.

    static void set_bits(u32 *word, u32 bits)
    {
            *word |= bits;
    }

sets F in `set_bits(&ops->flags, F);`, as `ops->flags |= F;` does.
"""

from tree_sitter import Node

from xfrmlint.c.expression import Given, arguments_of, around, bare, given_to, outermost
from xfrmlint.c.nodes import node_text
from xfrmlint.c.view import View
from xfrmlint.valueflow.forms import Forms, Value


def values_put(forms: Forms, view: View, node: Node) -> list[Value | None]:
    """Return what is assigned to a place, or or'ed into it; None for what nobody shows.

    node: where a variable is named, or a member in a field expression.
    """
    given = address_given(node)
    stores = forms.stores_at(view, node)
    if not stores and given is not None:
        return [None]
    found: list[Value | None] = []
    for stored in stores:
        assigned = around(stored.at, "assignment_expression", "expression_statement")
        sign = assigned.child_by_field_name("operator") if assigned is not None else None
        value = stored.value
        if assigned is not None and sign is not None and sign.type == "|=":
            value = value or assigned.child_by_field_name("right")
        if value is not None:
            found.append(_in_caller(view, given, stored.view, value))
        elif sign is None:
            # `flags &= mask;` sets nothing.
            found.append(None)
    return found


def _in_caller(view: View, given: Given | None, inside: View, value: Node) -> Value:
    """Return a stored value; what is passed for it where it is a parameter of the function."""
    local = inside.local(node_text(bare(value)), value.start_byte)
    passed = arguments_of(given.call) if given is not None else []
    if given is None or local is None or inside.function.name != given.name:
        return Value(inside, value)
    known = 0 <= local.parameter < len(passed)
    return Value(view, passed[local.parameter]) if known else Value(inside, value)


def address_given(node: Node) -> Given | None:
    """Return the call that is given the address of a variable or a member where it is named."""
    up = node.parent if node.type == "field_identifier" else node
    up = outermost(up).parent if up is not None else None
    if up is None or up.type != "pointer_expression" or up.children[0].type != "&":
        return None
    return given_to(outermost(up))
