"""One look for every figure: the colours with their fixed meaning, the template, and `show`.

`theme.json` is the only place where colours and layout defaults are written down; the
book's own script draws with the same file, so a figure looks alike in JupyterLab and on a page.
"""

import json
import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

import plotly.graph_objects as go
from plotly.colors import hex_to_rgb, sample_colorscale, unlabel_rgb
from plotly.subplots import make_subplots

from varma2023.tables import powers

THEME: dict[str, Any] = json.loads(Path(__file__).with_name("theme.json").read_text("utf-8"))

TRAIN, TEST, GEN, MEM = (str(THEME["colours"][name]) for name in ("train", "test", "gen", "mem"))
NORM: str = THEME["colours"]["norm"]  # near-black; the page turns it near-white in the dark
REFERENCE: str = THEME["colours"]["reference"]  # of the paper's own results
ORDERED: list[str] = THEME["ordered"]  # the scale of ordered quantities: dataset size, decay

PLOTLY_MIME = "application/vnd.plotly.v1+json"
ISLAND_MIME = "application/vnd.grokkit.island+json"  # an explorer's module and state

MAX_POINTS = 500  # a line
MAX_BYTES = 1_000_000  # a figure
# What the vendored plotly bundle draws (book/_assets/plotly-bundle.cjs); any other type it draws as
# `scatter`, and any other part it leaves out, silently.
TRACE_TYPES = frozenset(("bar", "scatter"))
NOT_DRAWN = ("images", "sliders", "updatemenus")


Item = TypeVar("Item")


def template() -> dict[str, Any]:
    """The plotly template of every figure, in its light form, on white paper."""
    light, layout = THEME["light"], deepcopy(THEME["layout"])
    layout |= {"paper_bgcolor": light["paper"], "plot_bgcolor": light["paper"]}
    layout["font"]["color"] = light["text"]
    axis = {"gridcolor": light["grid"], "linecolor": light["axis"], "tickcolor": light["axis"]}
    layout |= {name: layout[name] | axis for name in ("xaxis", "yaxis")}
    return {"layout": layout}


def figure(**layout: Any) -> go.Figure:
    """An empty figure with the template; keywords are plotly layout fields."""
    return go.Figure(layout={"template": template(), **layout})


def panels(height: int, titles: Sequence[str] = (), **grid: Any) -> go.Figure:
    """Empty panels with the template, in a figure of this height; keywords as in `make_subplots`.

    The legend stands above the titles of the upper panels, where there are titles.
    """
    fig = make_subplots(subplot_titles=[*map(powers, titles)], **grid)
    fig.update_layout(template=template(), height=height)
    # all panels are that high, about
    return fig.update_layout(legend_y=1 + 26 / (height - 110)) if titles else fig


def coloured(items: Iterable[Item]) -> list[tuple[Item, str]]:
    """Each with its colour of the scale of ordered quantities, from dark to light.

    All of them show on white and on black.
    As Cividis from blue to yellow, through no other hue that means something, but of middling
    lightness: at both ends that scale vanishes on one of the two papers.
    """
    known = list(items)
    return [(item, ordered_at(i / max(len(known) - 1, 1))) for i, item in enumerate(known)]


def ordered_at(part: float) -> str:
    """The colour at a part, from 0 to 1, of the scale of ordered quantities."""
    return str(sample_colorscale(ORDERED, [part])[0])


def pale(colour: str, alpha: float = 0.35) -> str:
    """A colour, `#rrggbb` or `rgb(r, g, b)`, made see-through: single runs behind their average."""
    r, g, b = hex_to_rgb(colour) if colour.startswith("#") else unlabel_rgb(colour)
    return f"rgba({r:g}, {g:g}, {b:g}, {alpha:g})"


def set_alt(fig: go.Figure, text: str) -> go.Figure:
    """The same figure, with `text` as its alternative for those who do not see it."""
    fig.update_layout(meta={**(fig.layout.meta or {}), "alt": powers(text)})
    return fig


def alt(fig: go.Figure) -> str:
    """The figure's alternative text, empty if it has none."""
    return str((fig.layout.meta or {}).get("alt", "")).strip()


def show(fig: go.Figure) -> go.Figure:
    """The figure, once it is fit to print; the last expression of a chapter's figure cell.

    Raises:
        ValueError: without alt text, with a trace type or a part that the book's plotly lacks, with
            dollar maths in a text, with more than 500 points in a line, or larger than 1 MB.
    """
    if not alt(fig):
        raise ValueError("figure: alt text is missing; give it with set_alt(fig, 'one sentence')")
    for trace in fig.data:
        label = f"figure: trace {trace.name or trace.type!r}"
        if trace.type not in TRACE_TYPES:
            allowed = ", ".join(sorted(TRACE_TYPES))
            raise ValueError(f"{label}: type must be one of {allowed}, got {trace.type!r}")
        drawn = (v for v in (trace.x, trace.y) if trace.type == "scatter" and v is not None)
        n = max(map(len, drawn), default=0)
        if n > MAX_POINTS:
            raise ValueError(f"{label}: a line has at most {MAX_POINTS} points, got {n}")
    for part in NOT_DRAWN:
        if fig.layout[part]:
            raise ValueError(f"figure: the book's plotly draws no {part}")
    spec = fig.to_json()
    if dollar := re.search(r'"[^"]*\$[^"]*"', spec):
        raise ValueError(f"figure: write Unicode, <i> or <sub>, not dollar maths: {dollar[0]}")
    if len(spec) > MAX_BYTES:
        raise ValueError(f"figure: at most {MAX_BYTES:,} bytes, got {len(spec):,}")
    return fig
