"""The command `varma2023`."""

from grokkit.__main__ import loaded


def script() -> int:
    """The installed command."""
    return loaded("varma2023.commands").main()


if __name__ == "__main__":
    raise SystemExit(script())
