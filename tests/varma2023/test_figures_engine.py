"""The figures of the engine: fit to print, true to the measurement, and said in words."""

import numpy as np
import pytest
from test_timings import MEASURED, MINIMISED

from grokkit.engine import cost
from grokkit.runs import Run
from varma2023 import theme
from varma2023.engine import figures, timings
from varma2023.engine.measured import load

TIMED = {
    "rows": [
        {"form": form, "dataset_size": size, "ms": ms, "least": 0.9 * ms, "most": 1.2 * ms}
        for form, times in (("textbook", (9, 90)), ("last row", (2, 20)), ("tables", (4, 10)))
        for size, ms in zip((100, 1000), times, strict=True)
    ],
    "peak_flops": 1e11,
}


def test_a_point_lies_above_its_line_by_what_is_lost_besides_matrix_products():
    fig = theme.show(figures.fig_engine_forms(Run(), TIMED))
    lines = [trace for trace in fig.data if trace.mode == "lines"]
    points = [trace for trace in fig.data if trace.mode == "markers"]
    assert [trace.name for trace in lines[:3]] == ["textbook", "last row", "tables"]
    for line, timed, form in zip(lines[:3], points, cost.forms(Run()), strict=True):
        assert timed.legendgroup == line.legendgroup
        np.testing.assert_allclose(line.y, [form.flop(D) for D in line.x], rtol=1e-6)
        ms = timed.customdata[:, 1]
        np.testing.assert_allclose(timed.y, ms * 1e8, rtol=1e-6)
        np.testing.assert_allclose(timed.error_y.array, 0.2 * ms * 1e8, rtol=1e-6)
        share = timed.customdata[:, 3]
        np.testing.assert_allclose(share, [form.flop(D) for D in timed.x] / timed.y, atol=1e-4)
    assert len({trace.marker.symbol for trace in points}) == 3
    assert lines[3].x[0] == lines[3].x[1] == cost.crossover(*cost.forms(Run())[1:])
    text = theme.alt(fig)
    assert "textbook 19.5, last row 3.7, tables 1.8" in text
    assert "from a size between 100 and 1,000" in text


def test_the_ladder_has_a_point_a_way_and_case_with_its_range():
    fig = theme.show(figures.fig_engine_ladder(MEASURED))
    assert len(fig.data) == 3 * len(timings.by_case(MEASURED))
    ms, factor, share = (trace for trace in fig.data if trace.name == "8 networks, D = 1,000")
    named = ["textbook", "last row", "one batch", "side by side", "grokkit, float64", "grokkit"]
    assert list(ms.y) == named
    assert list(ms.x) == [50, 20, 25, 10, 16, 8]
    assert factor.x[-1] == 50 / 8
    assert factor.error_x.visible
    assert not ms.error_x.visible
    np.testing.assert_allclose(factor.error_x.array, 0.1 * np.asarray(factor.x))
    assert share.x[-1] == 1 / 8
    assert ms.text[-1] == "8 ms, × 6.2 (5.6 – 6.9), 12% of the peak"
    assert "8 networks, D = 1,000" in ms.hovertemplate
    assert list(fig.layout.yaxis.categoryarray)[::-1] == list(ms.y)  # the first way on top
    assert "1 network, D = 3,830: 10 ms, 10.0 (9.0 – 11.0) times the textbook" in theme.alt(fig)


def test_ideas_have_a_bar_a_case_in_the_order_of_the_ladder():
    fig = theme.show(figures.fig_engine_gains(MEASURED))
    one, eight = fig.data
    assert (list(one.x), list(one.y)) == (["last row only", "tables"], [4, 2.5])
    assert list(eight.y) == [2.5, 0.8, 2, 1.25, 2]
    assert one.marker.pattern.shape != eight.marker.pattern.shape
    assert eight.text[3] == "side by side → grokkit"
    assert "one batch 0.80 (8 networks, D = 1,000)" in theme.alt(fig)


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("engine-cpu", figures.fig_engine_ladder),
        ("engine-cpu", figures.fig_engine_gains),
        ("forms-cpu", lambda measured: figures.fig_engine_forms(Run(), measured)),
    ],
)
def test_the_shipped_measurements_are_fit_to_print(name, draw):
    assert theme.show(draw(load(name)))


def test_minimisers_have_a_point_where_they_reached_the_residual():
    fig = theme.show(figures.fig_minimisers(MINIMISED))
    count, above = (trace for trace in fig.data if trace.name == "grokking")
    assert list(count.x) == [150, None]
    assert list(above.x) == [1, 1.05]
    assert "5.0% above the lowest, after 800 and 10 s" in above.text[1]
    text = theme.alt(fig)
    assert "random labels: the lowest objective, 900.0, by Newton, a residual of 1 first" in text
    assert "by L-BFGS, 60 pairs, in 150 gradients" in text
    none = {"rows": MINIMISED["rows"][1:2]}
    assert "a residual of 1 by none" in theme.alt(figures.fig_minimisers(none))
