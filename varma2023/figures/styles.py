"""Dashes and markers that tell curves apart beside their colours, however many there are."""

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross", "pentagon")


def dash_of(i: int) -> str:
    """The line style of curve i; that of 6 is that of 0 again."""
    return _DASHES[i % len(_DASHES)]


def symbol_of(i: int) -> str:
    """The marker of curve i; that of 8 is that of 0 again."""
    return _SYMBOLS[i % len(_SYMBOLS)]
