"""xfrmlint man: the manual page, of the texts that --help prints."""

import re
from collections.abc import Iterator

import click

from xfrmlint import __version__
from xfrmlint.command.shared import CLEAN, STATUSES, printed


@click.command()
@click.pass_context
def man(ctx: click.Context) -> int:
    """Print the manual page: xfrmlint man | man -l -."""
    root = ctx.find_root().command
    assert isinstance(root, click.Group)
    printed(page(root))
    return CLEAN


def page(root: click.Group) -> Iterator[str]:
    """Yield the lines of the manual page of all commands, in man(7)'s macros."""
    yield f'.TH XFRMLINT 1 "" "xfrmlint {__version__}" "User Commands"'
    yield ".SH NAME"
    yield rf"xfrmlint \- {_plain((root.help or '').splitlines()[0]).rstrip('.')}"
    yield ".SH SYNOPSIS"
    yield r".B xfrmlint"
    yield r"\fICOMMAND\fR [\fIOPTION\fR...] [\fIARGUMENT\fR...]"
    yield ".SH COMMANDS"
    for name, command in sorted(root.commands.items()):
        context = click.Context(command, info_name=name)
        usage = " ".join(command.collect_usage_pieces(context))
        yield f".SS xfrmlint {_plain(name)} {_plain(usage)}"
        yield from _paragraphs(command.help or "")
        for parameter in command.params:
            record = parameter.get_help_record(context)
            if isinstance(parameter, click.Option) and record is not None:
                yield ".TP"
                yield rf"\fB{_plain(record[0])}\fR"
                yield _plain(record[1])
        yield from _paragraphs(command.epilog or "")
    yield ".SH EXIT STATUS"
    for status, meaning in STATUSES.items():
        yield ".TP"
        yield str(status)
        yield _plain(meaning)
    yield ".SH SEE ALSO"
    yield "xfrmlint explain TYPE, checkpatch(1), make(1)"


def _paragraphs(text: str) -> Iterator[str]:
    for part in re.split(r"\n\s*\n", text.strip()):
        if not part:
            continue
        if part.startswith("\b"):
            # As it stands.
            yield ".nf"
            yield from (_plain(line) for line in part.removeprefix("\b\n").splitlines())
            yield ".fi"
        else:
            yield ".PP"
            yield _plain(" ".join(part.split()))


def _plain(text: str) -> str:
    """Return text that roff takes for text."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text
