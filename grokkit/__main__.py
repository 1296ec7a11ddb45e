"""The command `grokkit`, and how a command begins."""

import signal
import sys
import warnings
from importlib import import_module
from typing import Any


def loaded(module: str) -> Any:
    """The module, imported for a command; torch is what takes time.

    Meanwhile Ctrl-C ends the process at once, without a traceback; from then on it stops at a
    checkpoint, as does SIGTERM, by which batch systems end a job. A warning is one line.
    """
    if interrupts := signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    found = import_module(module)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if interrupts:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.formatwarning = lambda message, kind, *_, **__: f"{kind.__name__}: {message}\n"
    return found


def script() -> int:
    """The installed command."""
    return loaded("grokkit.commands").main()


if __name__ == "__main__":
    raise SystemExit(script())
