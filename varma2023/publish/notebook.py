"""What a chapter's cells call besides the science: checked parameters, glued numbers, `show`."""

import difflib
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from IPython import get_ipython
from IPython.display import HTML

from grokkit.runs import Records
from varma2023 import board, measures
from varma2023.publish import parameters
from varma2023.tables import badges, powers
from varma2023.theme import show

__all__ = ["check_parameters", "chips", "glue", "judge", "show"]


def check_parameters(first_use: Callable[..., Any] | None = None, /, **known: Any) -> None:
    """Check that papermill set only parameters that the chapter has, to values that it can use.

    A chapter calls it right after its parameters cell, with each parameter by name, before
    anything is computed. papermill itself only warns about a name it does not know, and the run
    would show the defaults. `first_use` and the values are as in `parameters.check`.

    Raises:
        ValueError: for an unknown name, with the names that exist and the one that is closest;
            for a value that is not allowed, with what is.
    """
    shell = get_ipython()
    ran = shell.user_ns.get("In", []) if shell else []  # the sources of the cells so far
    injected = [source for source in ran if source.lstrip().startswith("# Parameters")]
    for name in re.findall(r"^(\w+) = ", "\n".join(injected), re.MULTILINE):
        if name not in known:
            [close] = difflib.get_close_matches(name, known, n=1, cutoff=0)
            has = f"this chapter has {', '.join(known)}; did you mean {close!r}?"
            raise ValueError(f"unknown parameter {name!r}: {has}")
    parameters.check(first_use, **known)


def plain(value: Any) -> int | float | str:
    """A number, or a text with its `powers`; a one-element array or tensor gives its element.

    Raises TypeError for anything else. A page would print it as `tensor(0.5)` or worse.
    """
    if hasattr(value, "item"):
        with suppress(ValueError, RuntimeError):  # there are several
            value = value.item()
    if type(value) is str:
        return powers(value)
    if type(value) in (int, float):
        return value
    raise TypeError(f"glue: a number or a text can be quoted, got {type(value).__name__}")


def glue(name: str, value: Any) -> None:
    """Keep a value under `name`, for the prose to quote.

    A number or a text with the role `glue:text`, HTML such as `chips` with the role `glue:`. In
    JupyterLab the prose finds it in `quoted`, as `chapters.QUOTES` has it.
    """
    from myst_nb import glue as keep

    value = value if isinstance(value, HTML) else plain(value)
    keep(name, value, display=False)
    if shell := get_ipython():
        quoted = shell.user_ns.setdefault("quoted", {})
        shell.user_ns |= dict.fromkeys(("quoted_html", "quoted_block"), quoted)
        quoted[name] = value


def chips(records: Records, *more: str) -> HTML:
    """What these runs are, a chip a fact, for a caption or below it, and `more` chips after.

    `glue("runs-fig-4", chips(records))` and then, in prose or caption, the role `glue:` with that
    name. In a sentence: `measures.described`.
    """
    runs = [record.run for record in records]
    if not runs:
        return HTML(badges(["not run yet"]))
    count = f"{len(runs)} run{'s' * (len(runs) != 1)}"
    return HTML(badges([count, *measures.run_facts(runs), *more]))


def judge(name: str, **records: Records) -> HTML:
    """The verdict box of a claim (`board.verdict_box`), which a cell that ends so shows.

    For the prose to quote, glues the verdict as `verdict-<name>` and our numbers as `ours-<name>`.
    """
    result = board.judge(name, **records)
    glue(f"verdict-{name}", result.verdict)
    glue(f"ours-{name}", result.ours or "nothing")
    return HTML(board.verdict_box(name, result))
