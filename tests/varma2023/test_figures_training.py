"""The figures of trained networks: fit to print, true to the records, and said in words."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from handmade import EPOCHS, grokking, ungrokking

from grokkit import decomposition
from grokkit.runs import Record
from varma2023 import experiments, profiles, theme
from varma2023.convergence.analysis import Equilibrium
from varma2023.convergence.figures import fig_equilibrium
from varma2023.decomposition import analysis
from varma2023.decomposition.figures import fig11_trigonometric
from varma2023.grokking import figures
from varma2023.publish.overview import fig1_overview
from varma2023.ungrokking.figures import fig1b_ungrokking, fig7_ungrokking_runs

SEEDS = [grokking(seed) for seed in range(3)]
ENDS = {390: 0.02, 800: 0.5, 1494: 0.99}
UNGROKKED = [ungrokking(size, end, seed) for size, end in ENDS.items() for seed in (0, 1)]


def traces(fig, name):
    return [trace for trace in fig.data if trace.name == name]


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("draw", [figures.fig1a_grokking, figures.fig9_circuits])
def test_one_run_or_many_are_fit_to_print(draw, n):
    fig = theme.show(draw(SEEDS[:n]))
    names = {trace.name for trace in fig.data}
    assert len(fig.data) == (n + 1) * len(names)
    shown = [trace.name for trace in fig.data if trace.showlegend is not False]
    assert len(shown) == len(set(shown)) == len(names)


@pytest.mark.parametrize("draw", [fig1b_ungrokking, fig7_ungrokking_runs])
@pytest.mark.parametrize("runs", [UNGROKKED[:1], UNGROKKED[:2]], ids=len)
def test_ungrokking_runs_are_fit_to_print(draw, runs):
    fig = theme.show(draw(runs))
    assert all(min(trace.x) == 0.8 for trace in fig.data)  # epoch 0 on a logarithmic axis


@pytest.mark.parametrize("profile", profiles.PROFILES)
@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_no_run_logs_more_points_than_a_line_may_have(name, profile):
    for run in experiments.experiment(name).runs(profile, seeds=1):
        assert len(run.log_epochs()) <= theme.MAX_POINTS


def test_the_strong_line_is_the_median_over_seeds():
    runs = [grokking(seed) for seed in range(3)]
    for run, factor in zip(runs, (1, 2, 10), strict=True):
        run.metrics["param_norm"] = run["param_norm"] * factor
    *_, strong = traces(figures.fig9_circuits(runs), "parameter norm")
    np.testing.assert_allclose(strong.y, 2 * grokking()["param_norm"], rtol=1e-6)
    np.testing.assert_array_equal(strong.x, EPOCHS)
    assert strong.line.width > 2
    assert "median of 3 seeds" in strong.hovertemplate


def test_a_curve_says_which_run_or_runs_it_belongs_to():
    fig = figures.fig1a_grokking(SEEDS)
    *own, median = traces(fig, "test loss")
    assert [trace.meta["seed"] for trace in own] == [0, 1, 2]
    assert "seed 1, D 3,830, weight decay 1" in own[1].hovertemplate
    assert median.meta == {"weight_decay": 1.0, "dataset_size": 3830}
    overview = fig1_overview(SEEDS, UNGROKKED[:2])
    assert {trace.meta["dataset_size"] for trace in overview.data if trace.meta} == {3830, 390}


def test_alt_text_says_what_the_records_say():
    never = grokking()
    never.metrics["test_accuracy"] = np.zeros(13)
    for fig, *said in (
        (
            figures.fig1a_grokking(SEEDS),
            "3 networks over 10,000 epochs",
            "Train accuracy reaches 1 at epoch 200 (200 – 200)",
            "test accuracy passes 0.98 at epoch 6,000 (6,000 – 6,000)",
        ),
        (figures.fig1a_grokking([never]), "passes 0.98 at epoch never (0 of 1 runs)"),
        (
            figures.fig9_circuits(SEEDS),
            "trig logit overtakes mem logit at epoch 1,500 (1,500 – 1,500)",
        ),
        (
            fig1b_ungrokking(UNGROKKED[:2]),
            "on 390 examples: test accuracy goes from 1.00 to 0.02",
        ),
        (fig7_ungrokking_runs(UNGROKKED), "0.02 at 390, 0.50 at 800, 0.99 at 1,494"),
    ):
        assert all(text in theme.alt(fig) for text in said)


def test_fig7_has_a_line_a_run_and_a_legend_entry_a_size():
    fig = theme.show(fig7_ungrokking_runs(UNGROKKED))
    assert [trace.name for trace in fig.data] == [f"D′ = {D:,}" for D in ENDS for _ in range(2)]
    assert [trace.meta["dataset_size"] for trace in fig.data] == [D for D in ENDS for _ in range(2)]
    assert [trace.showlegend for trace in fig.data] == [True, False] * 3
    looks = {(trace.line.color, trace.line.dash) for trace in fig.data}  # said twice
    assert [len(set(look)) for look in zip(*looks, strict=True)] == [3, 3]


def test_the_overview_leaves_the_third_panel_empty_and_says_so():
    fig = theme.show(fig1_overview(SEEDS, UNGROKKED[:2]))
    with_points = {t.xaxis for t in fig.data if any(value is not None for value in t.y)}
    assert with_points == {"x", "x2"}
    assert "not run yet" in [note.text for note in fig.layout.annotations]
    text = theme.alt(fig)
    assert "test accuracy passes 0.98 at epoch 6,000" in text
    assert "continued on 390 examples: test accuracy goes from 1.00 (1.00 – 1.00) to 0.02" in text
    assert text.endswith("Semi-grokking: not run yet.")


def test_fig11_shows_key_frequencies_apart():
    norms = torch.tensor([1.0, 9.0, 2.0, 8.0], dtype=torch.float64)
    found = analysis.Trigonometric(
        decomposition.Share(0.97, 0.94), norms, norms / 2, [2, 4], norms[[1, 3]], 0.995, 1.0
    )
    fig = theme.show(fig11_trigonometric(found))
    key, other = fig.data[2], fig.data[3]  # of the logits
    assert (list(key.x), list(key.y)) == ([2, 4], [9, 8])
    assert (list(other.x), list(other.y)) == ([1, 3], [1, 2])
    assert key.marker.pattern.shape != other.marker.pattern.shape
    assert "2 key frequencies, 2, 4" in theme.alt(fig)
    assert "99.5% of all inputs" in theme.alt(fig)


def test_the_equilibrium_draws_a_panel_a_network_on_the_line_of_rest():
    expected = np.linspace(-1e-9, 1e-9, 1000)
    states = [Equilibrium(1.1 * expected, expected, 1.1e-8, 0.99)] * 2
    fig = theme.show(fig_equilibrium(states, SEEDS[:2]))
    dots = traces(fig, "a parameter")
    assert [len(trace.x) for trace in dots] == [400, 400]
    np.testing.assert_allclose(dots[0].y, 1.1 * np.asarray(dots[0].x), rtol=1e-5)
    line = traces(fig, "g = −ελθ/(1 − λ|θ|)")[0]
    assert list(line.x) == list(line.y)
    assert "seed 1: fitted α 1.1e-08, cosine 0.990" in theme.alt(fig)


def test_runs_that_ended_early_stay_where_they_ended_and_the_figure_says_so():
    full, half = grokking(), grokking(1, shift=0.5)
    early = Record(replace(half.run, epochs=10_000), half.metrics, {})  # ended at epoch 5,000
    runs = [full, early, early]
    drawn = figures.fig1a_grokking(runs), fig1_overview(runs, UNGROKKED[:2])
    for fig, metric in zip(drawn, ("test_loss", "test_accuracy"), strict=True):
        *lines, strong = traces(theme.show(fig), metric.replace("_", " "))[: len(runs) + 1]
        assert [max(line.x) for line in (*lines, strong)] == [10_000, 5000, 5000, 10_000]
        np.testing.assert_allclose(lines[1].y, early[metric], rtol=1e-6)
        assert strong.y[-1] == pytest.approx(early.final(metric))
        assert strong.y[list(EPOCHS).index(1000)] == pytest.approx(early[metric][5])
        assert "2 of" in theme.alt(fig)
        assert "ended early, at epoch 5,000 (5,000 – 5,000), and stay there." in theme.alt(fig)
    assert "ended early" not in theme.alt(figures.fig1a_grokking([full]))
