"""Reads that stand behind a name: of a macro, or of a function that returns one expression.

    #define SA_OF(x) ((struct sa *)(x)->xso.offload_handle)
    static u16 sa_index(const struct xfrm_state *x) { return x->xso.offload_handle & 0xff; }

Where callbacks use the name as well, it stays as it is, for what they are about is the field. In a
function that packets reach, a use of it becomes what the name makes of the handle:

    index = sa_index(x);        ->      index = handle & 0xff;
"""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expansion import Macro
from xfrmlint.c.expression import arguments_of, called_by
from xfrmlint.c.header import declared_macros
from xfrmlint.c.index import words
from xfrmlint.c.macros import macros_in
from xfrmlint.c.nodes import node_text, parse
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.contract.words import OFFLOAD_OK, XMIT, XSO
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.fate import Context
from xfrmlint.convert.layout import line_start, without_lines
from xfrmlint.convert.written import Written, read_once, refuse, written
from xfrmlint.kernel.doors import CONTROL, DATAPATH
from xfrmlint.program.reach import Reached, reached
from xfrmlint.program.sites import Site

# Around a call in one of them an operator of what takes its place can't bind otherwise.
_CLOSED = (
    "init_declarator",
    "argument_list",
    "return_statement",
    "parenthesized_expression",
    "assignment_expression",
)
# What does something besides to be worth something.
_DONE = ("compound_statement", "assignment_expression", "update_expression", "comma_expression")


class Form(NamedTuple):
    """What a name makes of the state that it is given: the text around the handle.

    position: which of the arguments the state is.
    """

    before: str
    after: str
    position: int


def reads_of(context: Context, site: Site) -> list[Written]:
    """Return a read as the functions of the datapath have it. Raises Refused."""
    macro = macro_at(context, site)
    if macro is not None:
        return list(_uses(context, site, macro))
    one = written(context.devices.reader, site)
    if not callback_about_field(context, site.reached):
        return [one]
    return list(_calls(context, one))


def callback_about_field(context: Context, way: Reached) -> str:
    """Return the callback that is about the field and reaches a function; empty if none does."""
    contract = context.contract
    packets = (contract.slot(OFFLOAD_OK), contract.slot(XMIT))
    named = [entry.name for entry in way.entries if entry.name in contract.callbacks]
    return next((name for name in named if name not in packets), "")


def macro_at(context: Context, site: Site) -> Macro | None:
    """Return the macro in whose text a site stands."""
    corpus = context.devices.reader.corpus
    path, line, column = site.place
    offset = corpus.unit(path).offset(line, column)
    for macro in macros_in(corpus, path):
        if macro.start <= offset < macro.start + len(macro.body):
            return macro
    return None


def _uses(context: Context, site: Site, macro: Macro) -> Iterator[Written]:
    """Yield the uses of a macro in a site's function."""
    view = context.fate.view_of(site.function)
    why = f"xso.{site.field} is written in a macro"
    form = _form_of(macro.body, macro.parameters or (), site.field)
    found = view.occurrences(macro.name) if view is not None else ()
    if view is None or form is None or not found:
        refuse(site, why)
    if len(declared_macros(context.devices.reader, macro.name, view.path)) != 1:
        refuse(site, f"{why} that is defined twice")
    for name in found:
        call = name.parent
        if call is None or called_by(call) != macro.name:
            refuse(site, why)
        if len(arguments_of(call)) != len(macro.parameters or ()):
            refuse(site, why)
        before, after = _around(form, call, "")
        yield Written(site, view, call, arguments_of(call)[form.position], before, after)


def _form_of(body: bytes, parameters: tuple[str, ...], field: str) -> Form | None:
    """Return what a macro makes of the handle; None for one that does more."""
    head = b"int f(void) { return "
    root = parse(head + body + b"; }").root_node
    reads = [
        node
        for node in below(root)
        if node.type == "field_expression"
        and node_text(node.child_by_field_name("field") or node) == field
    ]
    values = [node for node in below(root) if node.type == "return_statement"]
    if root.has_error or len(reads) != 1 or len(values) != 1 or not values[0].named_child_count:
        return None
    of = reads[0].child_by_field_name("argument")
    state = of.child_by_field_name("argument") if of is not None else None
    if of is None or state is None or node_text(of.named_children[-1]) != XSO:
        return None
    while state.type == "parenthesized_expression":
        state = state.named_children[0]
    return _form_in(values[0].named_children[0], read_once(reads[0]), state, parameters)


def _form_in(value: Node, span: Node, state: Node, parameters: tuple[str, ...]) -> Form | None:
    """Return what an expression is around a handle, if it asks its parameters for no more."""
    name = node_text(state)
    others = [
        one
        for one in below(value)
        if one.type == "identifier" and node_text(one) in parameters and one.id != state.id
    ]
    if name not in parameters or others or any(one.type in _DONE for one in below(value)):
        return None
    while value.type == "parenthesized_expression" and value.id != span.id:
        value = value.named_children[0]
    whole, start = node_text(value), value.start_byte
    if "\n" in whole:
        return None
    text = value.text or b""
    before, after = text[: span.start_byte - start], text[span.end_byte - start :]
    return Form(
        before.decode("utf-8", "surrogateescape"),
        after.decode("utf-8", "surrogateescape"),
        parameters.index(name),
    )


def _around(form: Form, call: Node, cast: str) -> tuple[str, str]:
    """Return the text around a handle that stands for a call. cast: to what it is converted."""
    before, after = form.before, form.after
    if cast.endswith("*)"):
        before = before.removeprefix("(void *)")
    if cast:
        plain = after or not (not before or before.endswith(")"))
        before, after = (f"{cast}({before}", f"{after})") if plain else (f"{cast}{before}", after)
    parent = call.parent
    closed = parent is not None and parent.type in _CLOSED
    closed |= parent is not None and parent.child_by_field_name("index") == call
    if (before or after) and not closed:
        return f"({before}", f"{after})"
    return before, after


def _calls(context: Context, one: Written) -> Iterator[Written]:
    """Yield the calls, in functions that packets reach, of one that callbacks call as well."""
    site, fate = one.site, context.fate
    callback = callback_about_field(context, site.reached)
    why = f"packets reach it, and {callback}, too, which is about the field"
    incoming = fate.graph.incoming(site.function)
    form = _returned(one)
    if form is None or incoming.entries or incoming.doubts or not incoming.complete:
        refuse(site, why)
    found = False
    for place, called in fate.calls(site.function):
        if called is None:
            refuse(site, f"{why}; its call in {place.path}:{place.line} is not written out")
        way = reached(fate.graph, called.view.function)
        if way.context == CONTROL:
            continue
        if way.context != DATAPATH or callback_about_field(context, way):
            refuse(site, f"{why}; so is {called.view.function.name}(), which calls it")
        if one.path != called.view.path and not one.path.endswith(".h"):
            refuse(site, f"{why}; it is called from another file, {called.view.path}")
        found = True
        before, after = _around(form, called.node, _cast(one.view))
        state = arguments_of(called.node)[form.position]
        their = site._replace(
            function=called.view.function,
            place=called.view.place(called.node.start_byte),
            reached=way,
            view=called.view,
        )
        yield Written(their, called.view, called.node, state, before, after)
    if not found:
        refuse(site, why)


def _returned(one: Written) -> Form | None:
    """Return what a function makes of a handle that does nothing but return it."""
    body = one.view.body
    inside = [c for c in body.named_children if c.type != "comment"] if body is not None else []
    if len(inside) != 1 or inside[0].type != "return_statement":
        return None
    value = inside[0].named_children[0]
    return _form_in(value, one.span, one.state, tuple(one.view.parameters))


def _cast(helper: View) -> str:
    """Return the cast that what a function returns is worth where it is called; mostly none."""
    result, kind = helper.result, helper.node.child_by_field_name("type")
    if result is None or kind is None or (result.base, result.pointers) == ("unsigned long", 0):
        return ""
    cast = f"({node_text(kind)}{' ' * bool(result.pointers)}{'*' * result.pointers})"
    returned = helper.body.named_children[0].named_children[0] if helper.body is not None else None
    text = node_text(returned).replace(" ", "") if returned is not None else ""
    return "" if text.startswith(cast.replace(" ", "")) else cast


def without_use(
    context: Context, replaced: Mapping[Macro, Collection[tuple[str, int]]]
) -> list[Edit]:
    """Return the edits that take away the macros that nobody has a use for any more.

    replaced: the uses of each that are edited, by file and offset.
    """
    corpus, universe = context.devices.reader.corpus, context.devices.reader.universe
    found = []
    for macro, uses in replaced.items():
        name = macro.name.encode("utf-8", "surrogateescape")
        own = range(macro.define, macro.start + len(macro.body))
        files = dict.fromkeys(
            [macro.path, *universe.files(macro.path), *(path for path, _ in uses)]
        )
        named = {(path, at) for path in files for at in words(corpus.plain(path), name)}
        if {(path, at) for path, at in named if path != macro.path or at not in own} == {*uses}:
            found.append(_gone(macro, corpus.data(macro.path)))
    return found


def _gone(macro: Macro, text: bytes) -> Edit:
    """Return the edit that takes a macro away, with the comment of one line that stands above."""
    start = line_start(text, macro.define)
    above = line_start(text, start - 1) if start else start
    line = text[above:start].strip()
    if line.startswith(b"/*") and line.endswith(b"*/") and line.count(b"*/") == 1:
        start = above
    return without_lines(macro.path, text, start, macro.start + len(macro.body))
