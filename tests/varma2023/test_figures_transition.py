"""The figures of the transition and of App. A: fit to print, and true to the records."""

import numpy as np
import pytest
from transitions import crossing, end, sweep

from grokkit.runs import Run
from varma2023 import measures, theme
from varma2023.other_tasks.figures import fig8_other_tasks
from varma2023.statistics import Interval
from varma2023.two_starts.figures import fig10_relative_strength, fig_hysteresis, fig_two_starts
from varma2023.ungrokking import figures

RUNS = sweep({0: 700, 1: 900})
ADAMW = sweep({0: 750}, decays=(0.5, 2.0))
FRESH = [end(r.run, measures.at_the_end(r)) for r in crossing(1900, init=None)]
OTHER = Run(task="x-y", dataset_size=12769, keep_weights=True)
TASKS = crossing(800) + crossing(500, task="x-y", init=OTHER)
for i, each in enumerate(RUNS):
    each.metrics["param_norm"] = each["param_norm"] + i % 6
DRAWN = {
    "4": lambda: figures.fig4_ungrokking(RUNS, ADAMW),
    "4, by one route": lambda: figures.fig4_ungrokking(RUNS),
    "8": lambda: fig8_other_tasks(TASKS),
    "8, of one task": lambda: fig8_other_tasks(TASKS[:6]),
    "10": lambda: fig10_relative_strength(RUNS),
    "two starts": lambda: fig_two_starts(RUNS, FRESH),
    "loop": lambda: fig_hysteresis(RUNS, FRESH),
    "epsilon": lambda: figures.fig_epsilon(
        [end(r.run, 0.5) for eps in (1e-9, 1e-8) for r in crossing(800, eps=eps)]
    ),
}
CHOICES = {  # by figure, what a reader can choose by
    "4": {"seed": {0, 1}, "weight_decay": {0.1, 0.5, 1.0, 2.0}},
    "10": {"seed": {0, 1}, "weight_decay": {0.1, 1.0, 2.0}},
    "epsilon": {"eps": {1e-9, 1e-8}},
}


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_is_fit_to_print_with_one_entry_a_name_in_its_legend(name):
    fig = theme.show(DRAWN[name]())
    shown = [trace.name for trace in fig.data if trace.showlegend is not False]
    assert len(shown) == len(set(shown))
    for key, values in CHOICES.get(name, {}).items():
        assert {trace.meta[key] for trace in fig.data if trace.meta and key in trace.meta} == values


def test_fig_4_draws_each_seed_and_the_mean_and_says_where_it_crosses():
    fig = figures.fig4_ungrokking(RUNS, ADAMW)
    lines = [trace for trace in fig.data if trace.name == "weight decay 1"]
    thin = [trace for trace in lines if "seed" in trace.meta]
    [strong] = [trace for trace in lines if "seed" not in trace.meta]
    assert len(thin) == 2
    np.testing.assert_allclose(strong.y, np.mean([trace.y for trace in thin], axis=0), rtol=1e-6)
    np.testing.assert_array_equal(thin[0].x, [300, 500, 700, 900, 1500, 3000])
    assert "750 at weight decay 0.5" in theme.alt(fig)
    looks = {(t.name, t.line.color, t.line.dash) for t in fig.data if "weight" in str(t.name)}
    assert len(looks) == len({name for name, *_ in looks}) == 4  # the same in both panels
    assert fig.layout.xaxis.range == fig.layout.xaxis2.range  # panels to be compared


def test_predictions_are_lines_with_a_band_where_there_is_an_interval():
    known = {"by norm": Interval(900.0, 800.0, 1000.0, 5), "by minimum": Interval(950.0, n=1)}
    fig = theme.show(figures.fig4_ungrokking(RUNS[:6], predictions=known))
    lines = {trace.name: trace for trace in fig.data if trace.name in known}
    ends = {name: tuple(line.x) for name, line in lines.items()}
    assert ends == {"by norm": (900, 900), "by minimum": (950, 950)}
    bands = [trace for trace in fig.data if trace.fill == "toself"]
    assert [tuple(band.x) for band in bands] == [(800, 1000, 1000, 800)]
    assert "by norm 900 (800 – 1,000)" in theme.alt(fig)
    many = {f"prediction {n}": Interval(900.0 + n, n=1) for n in range(7)}
    drawn = {trace.name for trace in figures.fig4_ungrokking(RUNS[:6], predictions=many).data}
    assert set(many) <= drawn


def test_fig_8_has_a_panel_a_task_and_counts_those_that_ungrok():
    fig = fig8_other_tasks(TASKS)
    assert [note.text for note in fig.layout.annotations] == ["x+y", "x-y"]
    assert "2 go from near chance to generalised" in theme.alt(fig)
    assert "x+y: 800, x-y: 500" in theme.alt(fig)


def test_fig_10_leaves_out_a_ratio_over_a_negative_part():
    records = crossing(800)
    for i, record in enumerate(records):
        record.metrics["param_norm"] = record["param_norm"] + i
    assert records[-1].final("mem_logit") < 0
    fig = theme.show(fig10_relative_strength(records))
    points = [t for t in fig.data if t.mode == "markers" and t.xaxis == "x"]
    drawn = {x: y for trace in points for x, y in zip(trace.x, trace.y, strict=True)}
    assert np.isnan(drawn[3000])
    assert drawn[300] == pytest.approx(1 / 59)
    accuracies = [t for t in fig.data if t.mode == "markers" and t.xaxis == "x2"]
    assert sum(len(trace.x) for trace in accuracies) == len(records)


def test_the_loop_has_two_branches():
    fig = fig_hysteresis(RUNS, FRESH)
    branches = {trace.name for trace in fig.data}
    assert branches == {"from a grokked network", "from a fresh network"}
    assert "at 700 (1 seed), up from fresh ones at 1,900" in theme.alt(fig)
