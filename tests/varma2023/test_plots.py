"""The paper's own results in a figure: one style, where they belong, named once."""

import numpy as np
import plotly.graph_objects as go
import pytest
from evidence import crossing
from handmade import altered

from varma2023 import measures, theme
from varma2023.plots import LOG, draw, draw_ends, draw_paper, symbol_of

NAME = "the paper: so"


def drawn(log: bool = False, **paper) -> go.Figure:
    """Two panels, the paper's result in the second, between 1 and 100 on both axes."""
    fig = theme.panels(420, rows=1, cols=2)
    for col in (1, 2):
        draw(fig, [1, 100], [1, 100], "ours", place=(1, col))
    if log:
        fig.update_xaxes(LOG).update_yaxes(LOG)
    draw_paper(fig, "so", place=(1, 2), **paper)
    return theme.show(theme.set_alt(fig, "A line."))


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("value", [10.0, (10.0, 20.0)])
def test_one_axis_gives_a_line_or_a_band_across_its_panel(log, axis, value):
    [shape] = drawn(log, **{axis: value}).layout.shapes
    low, high = value if isinstance(value, tuple) else (value, value)
    across = "y" if axis == "x" else "x"
    assert (shape[f"{axis}0"], shape[f"{axis}1"], shape[f"{axis}ref"]) == (low, high, f"{axis}2")
    assert (shape[f"{across}0"], shape[f"{across}1"]) == (0, 1)
    assert shape[f"{across}ref"] == f"{across}2 domain"
    assert (shape.name, shape.showlegend, shape.layer) == (NAME, True, "below")
    assert shape.line.color == theme.REFERENCE
    assert (shape.fillcolor is None) == (low == high)


@pytest.mark.parametrize(
    ("x", "y", "symbol"),
    [(10, 20, "diamond-open"), ((10, 30), 20, "line-ns"), (10, (20, 30), "line-ew")],
)
def test_both_axes_give_a_point_or_a_bar_with_ends_across_it(x, y, symbol):
    *ours, paper = drawn(x=x, y=y).data
    assert [trace.name for trace in ours] == ["ours"] * 2
    assert (paper.name, paper.xaxis, paper.marker.symbol) == (NAME, "x2", symbol)
    assert set(paper.x) == set(np.atleast_1d(x))
    assert set(paper.y) == set(np.atleast_1d(y))
    assert {paper.line.color, paper.marker.line.color} == {theme.REFERENCE}


def test_a_result_of_several_lines_and_points_is_named_once():
    fig = theme.panels(420, rows=2)
    for row in (1, 2):
        draw_paper(fig, "so", x=10.0 * row, place=(row, 1), note="here")
        draw_paper(fig, "so", x=5.0, y=5.0, place=(row, 1))
    assert [shape.showlegend for shape in fig.layout.shapes] == [True, False]
    assert [trace.showlegend for trace in fig.data] == [False, False]
    assert [(note.text, note.x, note.xref) for note in fig.layout.annotations] == [
        ("here", 10, "x"),
        ("here", 20, "x2"),
    ]


def test_the_legend_has_a_filled_marker_where_the_first_end_still_falls():
    fig, (first, *others) = theme.figure(), crossing(800)
    for _ in range(2):
        runs = [altered(first, residual=5.0), *others]
        draw_ends(fig, runs, measures.at_the_end, "ends", "%{y}", 1)
    key, *ends = fig.data
    filled = symbol_of(1)
    assert (key.showlegend, key.marker.symbol, key.x) == (True, filled, (None,))
    for end in ends:
        assert not end.showlegend
        assert end.hovertemplate == key.hovertemplate  # some figures change those of all traces
        assert list(end.marker.symbol) == [f"{filled}-open"] + [filled] * len(others)
    fig = theme.figure()
    draw_ends(fig, [*reversed(others), runs[0]], measures.at_the_end, "ends", "%{y}", 1)
    assert list(fig.data[-1].marker.symbol) == [filled] * len(others) + [f"{filled}-open"]
