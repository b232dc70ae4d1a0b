"""The command line: parse, call, print, and the exit status.

0 clean, 1 findings at or above --fail-on (with --fail-on-unknown: or anything unknown), 2 could not
run, 130 interrupted, 141 closed pipe.
"""

import atexit
import errno
import gc
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from xfrmlint import __version__
from xfrmlint.command import about, build, check, convert, look, man
from xfrmlint.command.shared import CLEAN, CLOSED_PIPE, FAILED, FINDINGS, INTERRUPTED
from xfrmlint.errors import TOO_DEEP, InputError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, wanted: _show_version(ctx) if wanted else None,
    help="Show the version, and the project's address if it has one, and exit.",
)
def cli() -> None:
    """Check kernel drivers for the xfrm offload lower-handle contract."""


def _show_version(ctx: click.Context) -> NoReturn:
    from xfrmlint.report.home import home

    where = home()
    click.echo(f"xfrmlint {__version__}{f' ({where})' if where else ''}")
    ctx.exit()


for _command in (
    check.check,
    look.drivers,
    look.judge,
    convert.convert,
    look.show_contract,
    look.resolver,
    look.query,
    about.rules,
    about.explain,
    about.cache,
    build.kbuild,
    man.man,
):
    cli.add_command(_command)


def _end(status: int, message: str = "") -> NoReturn:
    """Leave with a status; whatever is still buffered for a closed pipe is thrown away."""
    from xfrmlint.report.terminal import printable

    # A name in it may hold anything, a newline too.
    said = f"xfrmlint: {printable(message)}\n" if message else ""
    for stream, text in ((sys.stderr, said), (sys.stdout, "")):
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, stream.fileno())
            if status in (CLEAN, FINDINGS):
                status = FAILED
    sys.exit(status)


def _open_streams() -> None:
    """Let both streams take any text; one that was closed before the start takes it nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        reconfigure: Any = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status."""
    # What a run makes lives to its end: looking for cycles costs a twentieth of it for nothing.
    gc.disable()
    atexit.register(gc.freeze)
    closed = sys.stdout is None
    _open_streams()
    if closed:
        _end(FAILED, "standard output is closed")
    try:
        status = cli.main(argv, prog_name="xfrmlint", standalone_mode=False)
    except SystemExit as error:
        if "_XFRMLINT_COMPLETE" in os.environ:
            # A shell asks what a word can go on with, and has been told.
            _end(CLEAN if error.code == 0 else FAILED)
        # What click makes of a pipe that was closed, with a status that would look like findings.
        _end(CLOSED_PIPE)
    except click.exceptions.Exit as error:
        _end(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        _end(FAILED)
    except click.UsageError as error:
        where = f" {error.ctx.command.name}" if error.ctx and error.ctx.parent else ""
        _end(FAILED, f"{error.format_message()} (xfrmlint{where} --help)")
    except click.ClickException as error:
        _end(FAILED, error.format_message())
    except InputError as error:
        _end(FAILED, str(error))
    except (KeyboardInterrupt, click.Abort):
        _end(INTERRUPTED)
    except BrokenPipeError:
        _end(CLOSED_PIPE)
    except OSError as error:
        if error.errno == errno.EPIPE:
            _end(CLOSED_PIPE)
        _end(FAILED, f"{error.filename or 'output'}: {error.strerror}")
    except RecursionError:
        if os.environ.get("XFRMLINT_TRACEBACK"):
            import traceback

            traceback.print_exc()
        _end(FAILED, f"what is read is {TOO_DEEP} (set XFRMLINT_TRACEBACK=1 to see where)")
    except Exception as error:
        if os.environ.get("XFRMLINT_TRACEBACK"):
            import traceback

            traceback.print_exc()
        _end(
            FAILED,
            f"internal error: {type(error).__name__}: {error} "
            "(set XFRMLINT_TRACEBACK=1 to see where; please report it)",
        )
    _end(status if isinstance(status, int) else CLEAN)
