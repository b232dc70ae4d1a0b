"""Which tests a plain `pytest` leaves out, the last line of its report, and its garbage."""

import gc
import signal

import pytest

# What a script starts in its background ignores Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_LEFT_OUT = pytest.StashKey[int]()


def _is_plain(config: pytest.Config) -> bool:
    """Tell whether neither tests nor marks were named."""
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    return not named and not config.option.markexpr and not config.option.keyword


def pytest_configure(config: pytest.Config) -> None:
    """Look seldom for cycles among all that the tests of a plain run are: most of it stays."""
    if _is_plain(config):
        gc.set_threshold(*gc.get_threshold()[:2], 400)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out of a plain run what is slow."""
    if not _is_plain(config):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.stash[_LEFT_OUT] = len(slow)
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not item.get_closest_marker("slow")]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was left out, and how to run it."""
    count = config.stash.get(_LEFT_OUT, 0)
    if count:
        terminalreporter.write_line(
            f"{count} slow tests were left out; .venv/bin/pytest -m slow -n auto runs them."
        )
