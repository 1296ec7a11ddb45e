"""The second layout of a figure, on a narrow page: every panel once, under each other, readable."""

import json
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from varma2023.publish.narrow import legend_rows, narrow, panels

GRIDS = [(1, 2), (1, 3), (2, 2), (3, 3)]


def spec(rows, cols, titles=None, shared=False, height=500) -> tuple[list, dict]:
    """Data and layout of a grid of panels with a curve in each."""
    share = {"shared_xaxes": shared, "shared_yaxes": shared}
    fig = make_subplots(rows=rows, cols=cols, subplot_titles=titles, **share)
    fig.add_scatter(x=[1, 2], y=[3, 4], name="line", row="all", col="all")
    for row in range(1, rows + 1):
        fig.update_yaxes(title=f"row {row}", row=row, col=1)
    fig.update_xaxes(title="x", row=rows)
    written = json.loads(fig.update_layout(height=height).to_json())
    return written["data"], written["layout"]


def from_the_top(found: dict) -> list[tuple[str, float, float]]:
    """The y axes from the top, with the lower and the upper end of their panels in px."""
    axes = {key: axis for key, axis in found.items() if key.startswith("yaxis")}
    ends = [(key, *(found["height"] * y for y in axis["domain"])) for key, axis in axes.items()]
    return sorted(ends, key=lambda end: -end[2])


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("rows", "cols"), GRIDS)
def test_panels_stand_under_each_other_over_the_whole_width(rows, cols, shared):
    data, layout = spec(rows, cols, [f"panel {i}" for i in range(rows * cols)], shared)
    found = narrow(data, layout)
    assert all(axis["domain"] == [0, 1] for key, axis in found.items() if key.startswith("xaxis"))
    ends = from_the_top(found)
    assert [key for key, *_ in ends] == [y for _, y in panels(layout)]  # row by row
    for (_, low, _), (_, _, high) in pairwise(ends):
        assert low - high > 30  # room for the ticks of one and the title of the other
    assert all(high - low > 100 for _, low, high in ends)
    assert all(found[key]["showticklabels"] for key, *_ in ends)
    tops = [found[y]["domain"][1] for _, y in panels(layout)]
    assert [(n["x"], n["y"], n["text"]) for n in found["annotations"]] == [
        (0.5, top, f"panel {i}") for i, top in enumerate(tops)
    ]
    texts = [found[y]["title"]["text"] for _, y in panels(layout)]
    assert texts == [f"row {row}" for row in range(1, rows + 1) for _ in range(cols)]


def test_many_panels_are_lower_so_that_a_phone_need_not_scroll_far():
    few, many = (narrow(*spec(n, 3, ["title"] * 3 * n, height=270 * n)) for n in (1, 3))
    tall = [found["height"] * np.ptp(found["yaxis"]["domain"]) for found in (few, many)]
    assert 100 < tall[1] < tall[0]
    assert many["height"] < 2000


def test_titles_of_columns_keep_a_column_together():
    data, layout = spec(3, 2, ["left", "right"], shared=True)
    ends = [key for key, *_ in from_the_top(narrow(data, layout))]
    every = [y for _, y in panels(layout)]
    assert ends == [*every[::2], *every[1::2]]
    notes = {n["text"]: n["y"] for n in narrow(data, layout)["annotations"]}
    assert notes["left"] > notes["right"]


def test_one_column_keeps_its_panels_and_gets_room_for_its_legend():
    data, layout = spec(2, 1)
    assert narrow(data, layout)["height"] == 500
    many = data + [{"name": "a name of some length", "type": "scatter"}] * 6
    assert narrow(many, layout)["height"] > 600


def test_the_legend_counts_the_entries_that_it_shows():
    fig = go.Figure(layout={"height": 300})
    for i in range(6):
        fig.add_scatter(x=[1], y=[1], name="a name of some length", showlegend=i < 3)
    fig.add_vline(x=1, name="a line of the paper", showlegend=True).add_vline(x=2, name="another")
    written = json.loads(fig.to_json())
    assert legend_rows(written["data"], written["layout"]) == 4
