"""xfrmlint kbuild."""

import os
import sys
from collections.abc import Sequence

import click

from xfrmlint.command.shared import CLEAN
from xfrmlint.errors import InputError


@click.command(
    # -h can be a letter of one of the compiler's flags.
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def kbuild(flags: Sequence[str]) -> int:
    """Check what is compiled: make C=1 CHECK="xfrmlint kbuild".

    Prints to standard error what is found in that file, as gcc would, and never fails: another exit
    status would end the build.
    """
    from xfrmlint.command.kbuild import checked
    from xfrmlint.report.terminal import printable

    try:
        said = list(checked(flags, os.environ))
    except Exception as error:
        kind = "" if isinstance(error, InputError) else f"internal error: {type(error).__name__}: "
        said = [printable(f"xfrmlint: {kind}{error}")]
    if said:
        # In one piece: others compile beside.
        try:
            sys.stderr.write("".join(f"{line}\n" for line in said))
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return CLEAN
