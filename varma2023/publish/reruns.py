"""Chapters that were executed again with other parameters: what came out, and what it cost."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from varma2023 import board
from varma2023.engine import measured
from varma2023.publish.chapters import verdicts_of
from varma2023.tables import table
from varma2023.theme import template


@dataclass(frozen=True)
class Rerun:
    """One execution by papermill with an empty store (`benchmarks/rerun.py`)."""

    name: str
    chapter: str
    parameters: dict[str, Any]
    seconds: float  # on the clock
    cpu_seconds: float  # of processor time, in all processes
    networks: int  # trained
    epochs: int  # of all of them together
    values: dict[str, str]  # what the chapter computed for its prose
    figure: dict[str, Any]  # one of its figures, as plotly's JSON

    @property
    def verdicts(self) -> dict[str, str]:
        """By claim, the verdicts that the chapter reached."""
        return verdicts_of(self.values)

    def drawn(self) -> go.Figure:
        """Its figure, with the book's template."""
        return go.Figure(self.figure).update_layout(template=template())


def load() -> list[Rerun]:
    """The saved executions. Raises LookupError, which says what makes them, if there are none."""
    return [Rerun(**row) for row in measured.load("rerun-cpu")["rows"]]


def cost_table(reruns: Sequence[Rerun]) -> str:
    """What each cost: networks, epochs, seconds of processor time and on the clock."""
    line = "{0.name} | {0.networks} | {0.epochs:,} | {0.cpu_seconds:.0f} | {0.seconds:.0f}".format
    heads = " | networks trained | epochs | processor time (s) | on the clock (s)"
    return table(heads, map(line, reruns))


def values_table(rerun: Rerun, names: Mapping[str, str]) -> str:
    """Values of the chapter under these names, and every verdict. Raises KeyError without one."""
    one = re.compile(r"(\S+) \(\1 – \1\)")  # the range of a single run
    rows = [(text, one.sub(r"\1", str(rerun.values[name]))) for name, text in names.items()]
    rows += [(f"verdict: {board.claim(name).title}", text) for name, text in rerun.verdicts.items()]
    return table(" | this run", rows)
