"""What a shell's completion offers: types, and a tree's drivers."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem


def complete_types(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the types that a list of them, separated by commas, can go on with."""
    from xfrmlint.command.shared import rules_of

    before, comma, last = incomplete.rpartition(",")
    listed = param.name != "type"
    known = [rule.type for rule in rules_of(ctx.params.get("rule_folders") or ())]
    start = f"{before}{comma}" if listed else ""
    return [
        CompletionItem(start + name)
        for name in known
        if name.startswith((last if listed else incomplete).upper())
    ]


def complete_drivers(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the drivers of the tree that is named, or is around; and the folders."""
    from xfrmlint.check import check_tree
    from xfrmlint.command.shared import session_of, tree_around_named
    from xfrmlint.errors import InputError
    from xfrmlint.tree.folder import is_tree

    named = ctx.params.get("tree")
    items = [] if param.name == "driver" else [CompletionItem(incomplete, type="dir")]
    try:
        tree = tree_around_named(named if named and is_tree(Path(named)) else None)
        with session_of(tree, True, True) as session:
            rows = check_tree(tree, (), session=session).drivers
    except (InputError, OSError):
        return items
    names = sorted({row.driver for row in rows if row.driver.startswith(incomplete)})
    return [*map(CompletionItem, names), *items]
