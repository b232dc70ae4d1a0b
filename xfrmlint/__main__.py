"""`xfrmlint`, and `python -m xfrmlint`."""

import os
import signal
import sys

_INTERRUPTED = 130


def run() -> None:
    """Run the command line and exit with its status, interrupted at whatever moment."""
    # Ignored where a shell has started it in the background.
    wanted = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    try:
        if wanted:
            # While modules are imported an exception would come out of any of them.
            signal.signal(signal.SIGINT, _leave)
        from xfrmlint.cli import main

        if wanted:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        main()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    finally:
        if wanted:
            signal.signal(signal.SIGINT, _leave)


def _leave(*_: object) -> None:
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    run()
