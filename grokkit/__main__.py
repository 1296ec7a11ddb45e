"""The command `grokkit`, and how a command begins."""

import signal
import warnings
from importlib import import_module
from typing import Any


def loaded(module: str) -> Any:
    """The module, imported for a command; torch is what takes time.

    Meanwhile Ctrl-C ends the process at once, without a traceback. From then on it stops at a
    checkpoint, as does SIGTERM, which batch systems send some seconds before the end.
    """
    ctrl_c = signal.getsignal(signal.SIGINT)
    if ctrl_c is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    found = import_module(module)
    signal.signal(signal.SIGINT, ctrl_c)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    return found


def script() -> int:
    """The installed command."""
    return loaded("grokkit.commands").main()


if __name__ == "__main__":
    raise SystemExit(script())
