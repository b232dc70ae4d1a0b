"""What xfrmlint knows and keeps: rules, explain, cache."""

from collections.abc import Sequence
from pathlib import Path

import click

from xfrmlint.command.complete import complete_types
from xfrmlint.command.shared import CLEAN, likely, paged, printed, rules_of, rules_option
from xfrmlint.errors import InputError


@click.command()
@click.option("--format", "form", type=click.Choice(["table", "markdown"]), default="table")
@rules_option
def rules(form: str, rule_folders: Sequence[Path]) -> int:
    """List the rules."""
    from xfrmlint.report import rulepage

    text = (rulepage.readme if form == "markdown" else rulepage.table)(rules_of(rule_folders))
    printed([text.removesuffix("\n")])
    return CLEAN


@click.command()
@click.argument("type", metavar="TYPE", shell_complete=complete_types)
@rules_option
def explain(type: str, rule_folders: Sequence[Path]) -> int:
    """Print what to do about a type, what it means, why it matters, and examples."""
    from xfrmlint.report.rulepage import page

    found = {rule.type: rule for rule in rules_of(rule_folders)}
    name = type.upper().replace("-", "_")
    if name not in found:
        raise InputError(f"{type}: no such type{likely(name, found)}; xfrmlint rules lists them")
    paged(page(found[name]))
    return CLEAN


@click.command()
@click.option("--clear", is_flag=True, help="Remove what is in it.")
def cache(clear: bool) -> int:
    """Tell where the cache is and how much is in it.

    It holds what is known of driver folders, as long as every file that was looked at is as it was.
    """
    from xfrmlint.memory.cache import clear as emptied
    from xfrmlint.memory.cache import place, state

    file = place()
    if file is None:
        raise InputError("there is no cache: neither XDG_CACHE_HOME nor HOME names a folder")
    if clear:
        emptied(file)
    found = state(file)
    printed([f"{file}: {found.entries} entries, {found.size} bytes"])
    return CLEAN
