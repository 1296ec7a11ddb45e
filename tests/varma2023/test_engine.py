"""The engine room: measurements read as they were saved, compared as they should be, and drawn."""

import numpy as np
import pytest
from handmade import shown

from grokkit.runs import Run
from varma2023 import theme
from varma2023.engine import figures, timings
from varma2023.engine.forms import all_forms
from varma2023.engine.measured import save

PROVENANCE = {"provenance": {"device": "cpu x86_64", "torch": "2.0"}}


def plain(table):
    """With usual spaces around the dash of a range."""
    return table.replace("\u2060", "").replace("\u00a0", " ")


def rows(n_runs, size, **times):
    """A case by way; a later version may save more."""
    found = []
    for way, ms in times.items():
        factor = times["textbook"] / ms
        row = {"n_runs": n_runs, "dataset_size": size, "way": way, "ms": ms, "unknown": None}
        spread = {"factor": factor, "least": 0.9 * factor, "most": 1.1 * factor}
        found.append(row | spread | {"limit_share": 1 / ms})
    return found


def forms(sizes, **times):
    """Measured times of forms, with a spread."""
    return [
        {"form": form, "dataset_size": size, "ms": ms, "least": 0.9 * ms, "most": 1.2 * ms}
        for form, own in times.items()
        for size, ms in zip(sizes, own, strict=True)
    ]


EIGHT = {"last row": 20.0, "one batch": 25.0, "side by side": 10.0, "grokkit, float64": 16.0}
MEASURED = {
    "rows": rows(1, 3830, textbook=100.0, **{"last row": 25.0}, grokkit=10.0)
    + rows(8, 1000, textbook=50.0, **EIGHT, grokkit=8.0),
    **PROVENANCE,
}


def test_the_factor_of_an_idea_is_the_time_without_it_over_that_with_it_and_tables_have_all():
    one, eight = timings.by_case(MEASURED)
    assert (one, eight) == ("1 network, D = 3,830", "8 networks, D = 1,000")
    found = timings.gains(MEASURED)
    assert {idea: [factor for factor, _ in own.values()] for idea, own in found.items()} == {
        **{"last row only": [4.0, 2.5], "one batch": [0.8], "side by side": [2.0]},
        **{"tables": [2.5, 1.25], "float32": [2.0]},  # nothing is side by side with one network
    }
    assert [*found["tables"]] == [one, eight]
    assert [*found["one batch"]] == [*found["side by side"]] == [*found["float32"]] == [eight]
    assert timings.ratio(MEASURED, "one batch", "side by side") == f"2.5 ({eight})"
    ladder, gains = timings.ladder_table(MEASURED), timings.gain_table(MEASURED)
    assert ladder.count("<tr>") == 1 + 6  # ways
    assert "<td>10 ms<br>× 10.0 (9.0 – 11.0)<br>10% of the peak</td>" in plain(ladder)
    assert ladder.count("<td>–</td>") == 3  # of one network
    assert gains.count("<tr>") == 1 + 5
    assert "side by side or last row → grokkit" in gains
    assert "<td>–</td>" in gains
    assert timings.place(MEASURED) == "cpu x86_64, torch 2.0"


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ([9, 4, 2], "from a size between 10 and 20"),
        ([1, 2, 3], "at all sizes timed, from 10 to 40"),
        ([1, 2, 8], "nowhere for good up to 40, the largest timed"),
        ([1, 6, 3], "from a size between 20 and 40"),
    ],
)
def test_where_a_form_begins_to_be_the_faster_one(tables, says):
    rows = forms((10, 20, 40), **{"last row": (5, 5, 5), "tables": tables})
    assert timings.faster_from({"rows": rows}, "last row", "tables") == says


def test_a_step_of_each_optimiser_is_compared_with_adamws():
    steps = [
        {"optimiser": way, "dataset_size": size, "ms": ms, "least": ms - 1, "most": 1234.5}
        for way, times in (("adamw, float32", (10, 20)), ("lbfgs, float64", (30, 50)))
        for size, ms in zip((480, 1000), times, strict=True)
    ]
    table = timings.step_table({"steps": steps})
    assert "<td>480</td><td>10 (9 – 1,230)</td><td>30 (29 – 1,230)</td><td>3.0</td>" in plain(table)
    assert "lbfgs, float64 / adamw, float32" in table


def test_times_and_outcomes_on_a_card_are_tabled_by_precision(tmp_path, monkeypatch):
    monkeypatch.setattr("varma2023.engine.measured.FOLDER", tmp_path)
    with pytest.raises(LookupError, match=r"python benchmarks/gpu\.py --save"):
        timings.on_a_card()
    step = {"n_runs": 64, "dataset_size": 1800, "precision": "tf32", "way": "graph", "us": 8.25}
    ends = {"param_norm": 25.0, "correct_logit": 20.0, "test_accuracy": 1.0, "residual": 0.5}
    outcomes = [
        {"seed": seed, "precision": "tf32", "generalises": epoch, **ends}
        for seed, epoch in enumerate((4000, 5000, None))
    ]
    save("gpu-cuda", {"steps": [step | {"limit_share": 0.5}], "outcomes": outcomes, **PROVENANCE})
    text = timings.on_a_card()
    assert "On cpu x86_64, torch 2.0:" in text
    assert "64 × 1,800, graph" in text
    assert "<td>8.25 µs, 50%</td>" in text
    assert "<td>4500 (4000 – 5000), in 2 of 3 runs</td><td>25</td>" in plain(text)


def minimised(case, method, f, reached):
    ended = {"residual": 0.5, "gradients": 800, "test_accuracy": 0.987, "seconds": 10.0}
    return {"case": case, "method": method, "f": f, "reached": reached} | ended


MINIMISED = {
    "rows": [
        minimised("grokking", "L-BFGS, 60 pairs", 320.0, {"1.0": 1.5, "0.1": 9.4}),
        minimised("grokking", "Newton", 336.0, {}),
        minimised("random labels", "L-BFGS, 60 pairs", 909.0, {"1.0": 4.0}),
        minimised("random labels", "Newton", 900.0, {"1.0": 3.0}),
    ],
    **PROVENANCE,
}


def test_an_objective_is_compared_with_the_lowest_and_its_residual_has_a_point():
    table = timings.minimiser_table(MINIMISED)
    assert "<td>residual 1 after 2 s, 0.1 after 9 s<br>f 320, accuracy 0.99<br>800" in table
    assert "<br>800 gradients in 10 s</td>" in table
    assert "residual none<br>f 336" in table
    assert table.startswith("<p>On cpu x86_64, torch 2.0:</p>")
    lowest = "random labels: the lowest objective, 900.0, by Newton, first at a residual of 1"
    fig = shown(figures.fig_minimisers(MINIMISED), lowest, "by L-BFGS, 60 pairs, after 1.5 s")
    count, above = (trace for trace in fig.data if trace.name == "grokking")
    assert list(count.x) == [1.5, None]
    assert list(above.x) == [1, 1.05]
    assert "5.0% above the lowest, after 800 gradients" in above.text[1]
    shown(figures.fig_minimisers({"rows": MINIMISED["rows"][1:2]}), "at a residual of 1: by none")


def test_denormals_are_compared_network_by_network():
    def timed(denormals, ms, epoch):
        own = {"network": "grokked", "p": 113, "epoch": epoch, "dataset_size": 3830}
        return own | {"denormals": denormals, "ms": ms, "least": ms - 1, "most": ms + 1}

    rows = [timed("kept", 10.0, 0), timed("flushed", 10.0, 0)]
    rows += [timed("kept", 60.0, 10_000), timed("flushed", 8.0, 10_000)]
    text = timings.denormal_table({"rows": rows})
    assert text.count("<tr>") == 1 + 2
    assert "<td>10,000</td><td>60 (59 – 61)</td><td>8 (7 – 9)</td><td>7.5</td>" in plain(text)
    assert timings.denormals_text({"rows": rows}) == "1.0 to 7.5"


FORMS = {"textbook": (9, 90), "last row": (2, 20), "tables": (4, 10)}
TIMED = {"rows": forms((100, 1000), **FORMS), "peak_flops": 1e11}


def test_a_point_lies_above_its_line_by_what_is_lost_besides_matrix_products():
    said = "textbook 19.5, last row 3.7, tables 1.8", "from a size between 100 and 1,000"
    fig = shown(figures.fig_engine_forms(Run(), TIMED), *said)
    lines = [trace for trace in fig.data if trace.mode == "lines"]
    points = [trace for trace in fig.data if trace.mode == "markers"]
    assert [trace.name for trace in lines[:3]] == ["textbook", "last row", "tables"]
    for line, timed, form in zip(lines[:3], points, all_forms(Run()), strict=True):
        assert timed.legendgroup == line.legendgroup
        np.testing.assert_allclose(line.y, [form.flop(D) for D in line.x], rtol=1e-6)
        ms = timed.customdata[:, 1]
        np.testing.assert_allclose(timed.y, ms * 1e8, rtol=1e-6)
        np.testing.assert_allclose(timed.error_y.array, 0.2 * ms * 1e8, rtol=1e-6)
        share = timed.customdata[:, 3]
        np.testing.assert_allclose(share, [form.flop(D) for D in timed.x] / timed.y, atol=1e-4)
    assert len({trace.marker.symbol for trace in points}) == 3
    assert lines[3].x[0] == lines[3].x[1] == timings.crossover(*all_forms(Run())[1:])


def test_the_ladder_has_a_point_a_way_and_case_with_its_range():
    fig = theme.show(figures.fig_engine_ladder(MEASURED))
    assert len(fig.data) == 3 * len(timings.by_case(MEASURED))
    ms, factor, share = (trace for trace in fig.data if trace.name == "8 networks, D = 1,000")
    named = ["textbook", "last row", "one batch", "side by side", "grokkit, float64", "grokkit"]
    assert list(ms.y) == named
    assert list(ms.x) == [50, 20, 25, 10, 16, 8]
    assert factor.x[-1] == 50 / 8
    assert factor.error_x.array is not None
    assert ms.error_x.array is None  # nor in the table of its points
    np.testing.assert_allclose(factor.error_x.array, 0.1 * np.asarray(factor.x))
    assert share.x[-1] == 1 / 8
    assert ms.text[-1] == "8 ms, × 6.2 (5.6 – 6.9), 12% of the peak"
    assert "8 networks, D = 1,000" in ms.hovertemplate
    assert list(fig.layout.yaxis.categoryarray)[::-1] == list(ms.y)  # the first way on top
    assert "1 network, D = 3,830: 10 ms, 10.0 (9.0 – 11.0) times the textbook" in theme.alt(fig)


def test_ideas_have_a_bar_a_case_in_the_order_of_the_ladder():
    fig = shown(figures.fig_engine_gains(MEASURED), "one batch 0.80 (8 networks, D = 1,000)")
    one, eight = fig.data
    assert (list(one.x), list(one.y)) == (["last row only", "tables"], [4, 2.5])
    assert list(eight.y) == [2.5, 0.8, 2, 1.25, 2]
    assert one.marker.pattern.shape != eight.marker.pattern.shape
    assert eight.text[3] == "side by side → grokkit"
