"""The figures: fit to print, true to the records or the simulation, and said in words."""

from dataclasses import replace
from itertools import chain

import evidence
import numpy as np
import pytest
import torch
from evidence import SIZES, by_seed, crossing
from handmade import ENDS, EPOCHS, UNGROKKED, altered, grokking, shown

from grokkit import simulation
from grokkit.runs import Record
from grokkit.theorems import EqualCircuits
from varma2023 import plots, theme
from varma2023.convergence.analysis import Equilibrium
from varma2023.convergence.figures import fig_equilibrium
from varma2023.decomposition.analysis import Trigonometric
from varma2023.decomposition.figures import fig11_trigonometric
from varma2023.delay.analysis import settings
from varma2023.delay.figures import fig_collapse, fig_norms
from varma2023.efficiency.critical import over_cheaper
from varma2023.efficiency.figures import fig_shares
from varma2023.grokking.figures import fig1a_grokking, fig9_circuits
from varma2023.other_tasks.figures import fig8_other_tasks
from varma2023.publish.overview import fig1_overview
from varma2023.semi_grokking import metastable
from varma2023.semi_grokking.figures import fig_heights, fig_metastable, fig_spike_heights
from varma2023.simulation.figures import fig2_simulation
from varma2023.statistics import Interval
from varma2023.theorems.figures import fig_d1_scale, fig_d4_exchange, fig_d4_shares
from varma2023.two_starts import figures as loop
from varma2023.two_starts.analysis import two_starts
from varma2023.ungrokking import figures, pinned
from varma2023.ungrokking.analysis import known_and_new

SEEDS = [grokking(seed) for seed in range(3)]
RUNS, ADAMW = by_seed({0: 700, 1: 900}), by_seed({0: 750}, (0.5, 2.0))
FRESH, TASKS = crossing(1900, fresh=True), crossing(800) + crossing(500, task="x-y")
BY_EPS = crossing(800, eps=1e-9) + crossing(800, eps=1e-8)
for i, each in enumerate(RUNS):
    each.metrics["param_norm"] = each["param_norm"] + i % len(SIZES)
NEVER = altered(grokking(), test_accuracy=0.0)
MODULI = known_and_new([*chain(*evidence.by_modulus(seeds=range(2)).values())])
LEAVING = [*chain(*evidence.leaving(rates=(8e-3,)).values())]
SPIKING = evidence.spiking_networks()
ALIKE = metastable.pairs_in_memory(
    [evidence.in_memory(r.run, 0.1, False) for r in LEAVING if r.run.dataset_size < SIZES[-1]],
    evidence.sweep(d_crit=1e6, steep=0.1, values=(1.0,)),
)
PINNED = pinned.sizes([*chain(*evidence.by_modulus(known=(11, 13), seeds=range(2)).values())])
MIXED = over_cheaper(evidence.memory(), evidence.rule([0]), crossing(800))
WAITS = settings(evidence.waits(p=31)["delay"])
for each in chain(*WAITS.values()):
    each.metrics["param_norm"] = np.array([30.0, 40, 20, 20])
WAITS[31, 1e-3][0].metrics["test_accuracy"] = np.zeros(4)
WAITS[31, 1e-3][1].metrics["param_norm"][2] = 10
DRAWN = {  # by figure, how to draw it and what its alt text says
    "1a": (
        lambda: fig1a_grokking(SEEDS),
        "3 networks over 10,000 epochs",
        "Train accuracy reaches 1 at epoch 200",
        "test accuracy passes 0.98 at epoch 6,000",
    ),
    "1a, never": (lambda: fig1a_grokking([NEVER]), "0.98 at epoch never (0 of 1 runs)"),
    "9": (lambda: fig9_circuits(SEEDS), "trig logit overtakes mem logit at epoch 1,500"),
    "1b": (
        lambda: figures.fig1b_ungrokking(UNGROKKED[:2]),
        "on 390 examples: test accuracy goes from 1.00 to 0.02",
    ),
    "7": (
        lambda: figures.fig7_ungrokking_runs(UNGROKKED),
        "0.02 at 390, 0.50 at 800, 0.99 at 1,494",
    ),
    "4": (lambda: figures.fig4_ungrokking(RUNS, ADAMW), "750 at weight decay 0.5"),
    "8": (
        lambda: fig8_other_tasks(TASKS),
        "2 go from near chance to generalised",
        "x+y: 800 (1 seed); x-y: 500 (1 seed)",
    ),
    "8, of one task": (lambda: fig8_other_tasks(TASKS[: len(SIZES)]),),
    "10": (lambda: loop.fig10_relative_strength(RUNS),),
    "two minima": (
        lambda: loop.fig_two_minima(two_starts(RUNS, FRESH)),
        "7 train sets",
        "lower in Eq. (2) on 3 of them",
    ),
    "two starts": (lambda: loop.fig_two_starts(RUNS, FRESH),),
    "kept": (lambda: loop.fig_kept(RUNS, FRESH), "smallest size the first are right about 0.000"),
    "parts": (lambda: loop.fig_parts(RUNS), "rule's part, median over seeds: 0.00 at 300, 0.01"),
    "shares": (
        lambda: fig_shares({"one": MIXED, "two": []}),
        "one: 0.01 and +0% at 500",
        "0.59 and +7% at 1,000",  # 800 where the rule costs 750
        "two: not known",
    ),
    "pinned": (lambda: figures.fig_pinned(PINNED), "all do: 0.", "at p = 31. Rank correlation"),
    "pinned, nothing known": (lambda: figures.fig_pinned({}), "from which all do: not known"),
    "loop": (
        lambda: loop.fig_hysteresis(RUNS, FRESH),
        "at 794 (700, 900; 2 seeds), up from fresh ones at 1,900",
    ),
    "metastable": (
        lambda: fig_metastable(LEAVING, {113: (500.0, 550.0)}),
        "p = 113, η = 0.008: 25 of 35, accuracy ½ at 600 (600 – 600)",
    ),
    "metastable, no marks": (lambda: fig_metastable(LEAVING, {}),),
    "heights": (lambda: fig_heights(ALIKE), "networks end in memory by AdamW"),
    "no heights": (lambda: fig_heights([]), "where 0 networks"),
    "spike heights": (
        lambda: fig_spike_heights([SPIKING, SPIKING]),
        "p = 113, η = 0.008: rank correlation −1.00",
        "mean rank 0.82 (0.88, 0.83, 0.75; 3 seeds)",
    ),
    "moduli": (
        lambda: figures.fig_moduli(*MODULI),
        "31: 149 (149, 149; 2 seeds); 53: 294",
        "prediction of p ln p: +0% at 31; p to the 5/3: +46% at 31",
    ),
    "mirrors": (
        lambda: figures.fig_mirrors(evidence.by_mirrors()["mirrors"]),
        "no mirror images: 750 (750 – 750); all mirror images: 1,500 (",
    ),
    "collapse": (
        lambda: fig_collapse(WAITS, {31: 150.0, 53: 290.0}),
        "Decay times until 60 networks",
        "by D over where grokked ones forget, +",
        "by D over where fresh ones end at ½, not told",
    ),
    "norms": (
        lambda: fig_norms(WAITS),
        "p = 31, rate 0.001: 0.50 (0.25 – 0.50); p = 53, rate 0.001: 0.50.",
    ),
    "epsilon": (lambda: figures.fig4_ungrokking(adamw=BY_EPS, field="eps"),),
}
CHOICES = {  # by figure, what a reader can choose by
    "metastable": {"dataset_size": {*SIZES}, "lr": {1e-3, 8e-3}},
    "4": {"seed": {0, 1}, "weight_decay": {0.1, 0.5, 1.0, 2.0}},
    "10": {"seed": {0, 1}, "weight_decay": {0.1, 1.0, 2.0}},
    "epsilon": {"eps": {1e-9, 1e-8}},
}


def traces(fig, name):
    return [trace for trace in fig.data if trace.name == name]


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_says_what_it_shows_and_has_one_entry_a_name_in_its_legend(name):
    draw, *said = DRAWN[name]
    fig = shown(draw(), *said)
    entries = [trace.name for trace in fig.data if trace.showlegend is not False]
    entries += [shape.name for shape in fig.layout.shapes if shape.showlegend]
    assert len(entries) == len(set(entries))
    assert len(entries) <= 6, "the rest by colours in between, or by labels"
    for key, values in CHOICES.get(name, {}).items():
        assert {trace.meta[key] for trace in fig.data if trace.meta and key in trace.meta} == values


def test_fig_8_has_a_panel_a_task_and_the_loop_two_branches():
    fig = fig8_other_tasks(TASKS)
    assert [note.text for note in fig.layout.annotations] == ["x+y", "x-y"]
    crits = [(line.xaxis, round(line.x[0])) for line in fig.data if "crit" in line.name]
    assert crits == [("x", 800), ("x2", 500)]
    branches = {trace.name for trace in loop.fig_hysteresis(RUNS, FRESH).data}
    paper = {name for name in branches if name.startswith("the paper")}
    assert len(paper) == 2
    assert branches - paper == {"from a grokked network", "from a fresh network"}


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("draw", [fig1a_grokking, fig9_circuits])
def test_each_run_has_a_line_and_their_median_another(draw, n):
    fig = draw(SEEDS[:n])
    names = {trace.name for trace in fig.data if trace.showlegend is not False}
    assert {len(traces(fig, name)) for name in names} == {n + 1}
    lines = [trace for trace in fig.data if "the paper" not in trace.name]
    assert len(lines) == (n + 1) * len(names)


@pytest.mark.parametrize("draw", [figures.fig1b_ungrokking, figures.fig7_ungrokking_runs])
@pytest.mark.parametrize("n", [1, 2])
def test_epoch_0_has_its_place_on_a_logarithmic_axis(draw, n):
    lines = [trace for trace in theme.show(draw(UNGROKKED[:n])).data if trace.xaxis == "x"]
    assert all(min(trace.x) == 0.8 for trace in lines)


def test_the_strong_line_is_the_median_over_seeds():
    runs = [grokking(seed) for seed in range(3)]
    for run, factor in zip(runs, (1, 2, 10), strict=True):
        run.metrics["test_loss"] = run["test_loss"] * factor
    *_, strong = traces(fig1a_grokking(runs), "test loss")
    np.testing.assert_allclose(strong.y, 2 * grokking()["test_loss"], rtol=1e-6)
    np.testing.assert_array_equal(strong.x, EPOCHS)
    assert strong.line.width > 2
    assert "median of 3 seeds" in strong.hovertemplate


def test_fig_9_draws_strong_the_run_that_generalises_in_the_middle():
    runs = [grokking(0, 1.2), grokking(1, 0.5), grokking(2), NEVER]
    fig = shown(fig9_circuits(runs), "The strong line is seed 2")
    *thin, strong = traces(fig, "trig logit")
    np.testing.assert_allclose(strong.y, runs[2]["trig_logit"], rtol=1e-6)
    assert strong.line.width > 2 * max(line.line.width for line in thin)


def paper_lines(fig, axis):
    """The values of the paper's lines in a panel, by its x axis."""
    return [s.x0 for s in fig.layout.shapes if "the paper" in s.name and s.xref == axis]


def test_the_papers_marks_stand_beside_runs_of_its_setting_only():
    fig = theme.show(fig9_circuits(SEEDS))
    assert paper_lines(fig, "x") == [200, 3500, 6000]
    assert paper_lines(fig, "x2") == [200, 1500, 6000]
    [peak] = [trace for trace in fig.data if "the paper" in trace.name]
    assert (peak.x[0], peak.y[0]) == (200, 60)  # the norm's
    assert paper_lines(theme.show(fig1a_grokking(SEEDS)), "x2") == [200, 6000]
    assert not fig9_circuits([grokking(seed, dataset_size=3000) for seed in range(2)]).layout.shapes


def test_mirrors_of_one_seed_are_drawn_while_every_end_still_falls(monkeypatch):
    monkeypatch.setattr(plots, "rests", lambda _: False)
    fig = theme.show(figures.fig_mirrors(evidence.by_mirrors(seeds=[0])["mirrors"]))
    keys = [trace for trace in fig.data if trace.showlegend]
    assert {trace.x for trace in keys} == {(None,)}
    assert "unseen facts" in keys[0].hovertemplate


def test_a_curve_says_which_run_or_runs_it_belongs_to():
    *own, median = traces(fig1a_grokking(SEEDS), "test loss")
    assert [trace.meta["seed"] for trace in own] == [0, 1, 2]
    assert "seed 1, D 3,830, weight decay 1" in own[1].hovertemplate
    assert median.meta == {"weight_decay": 1.0, "dataset_size": 3830}
    overview = fig1_overview(SEEDS, UNGROKKED[:2])
    assert {trace.meta["dataset_size"] for trace in overview.data if trace.meta} == {3830, 390}


def test_fig7_has_a_line_a_run_and_the_end_of_each_over_its_size():
    fig = theme.show(figures.fig7_ungrokking_runs(UNGROKKED))
    lines, ends = ([t for t in fig.data if t.xaxis == axis] for axis in ("x", "x2"))
    *ends, median, paper = ends
    for some in (lines, ends):
        assert [trace.name for trace in some] == [f"D′ = {D:,}" for D in ENDS for _ in range(2)]
        assert [t.meta["dataset_size"] for t in some] == [D for D in ENDS for _ in range(2)]
    assert [trace.line.color for trace in lines] == [trace.marker.color for trace in ends]
    assert [(t.x[0], t.y[0]) for t in ends[::2]] == list(ENDS.items())
    assert dict(zip(median.x, median.y, strict=True)) == pytest.approx(ENDS)
    assert (paper.x, paper.y) == ((800, 1000), (0.7, 0.7))
    looks = {(trace.line.color, trace.line.dash) for trace in lines}  # said twice
    assert [len(set(look)) for look in zip(*looks, strict=True)] == [3, 3]


def test_the_overview_leaves_the_third_panel_empty_and_says_so():
    first = "test accuracy passes 0.98 at epoch 6,000"
    second = "on 390 examples: test accuracy goes from 1.00 to 0.02"
    fig = shown(fig1_overview(SEEDS, UNGROKKED[:2]), first, second, "Semi-grokking: not run yet.")
    assert {t.xaxis for t in fig.data if any(value is not None for value in t.y)} == {"x", "x2"}
    assert "not run yet" in [note.text for note in fig.layout.annotations]


def test_fig11_shows_key_frequencies_apart():
    norms = torch.tensor([1.0, 9.0, 2.0, 8.0], dtype=torch.float64)
    found = Trigonometric(0.97, norms, norms / 2, [2, 4], norms[[1, 3]], 0.93)
    fig = shown(fig11_trigonometric(found), "2 key frequencies, 2, 4", "0.930 of the squared norm")
    key, other = fig.data[2], fig.data[3]  # of the logits
    assert (list(key.x), list(key.y)) == ([2, 4], [9, 8])
    assert (list(other.x), list(other.y)) == ([1, 3], [1, 2])
    assert key.marker.pattern.shape != other.marker.pattern.shape


def test_the_equilibrium_draws_a_panel_a_network_on_the_line_of_rest():
    expected = np.linspace(-1e-9, 1e-9, 1000)
    states = [Equilibrium(1.1 * expected, expected, 1.1e-8, 0.99)] * 2
    fig = shown(fig_equilibrium(states, SEEDS[:2]), "seed 1: fitted α 1.1·10⁻⁸, cosine 0.990")
    dots = traces(fig, "a parameter")
    assert [len(trace.x) for trace in dots] == [400, 400]
    np.testing.assert_allclose(dots[0].y, 1.1 * np.asarray(dots[0].x), rtol=1e-5)
    line = traces(fig, "g = −ελθ/(1 − λ|θ|)")[0]
    assert list(line.x) == list(line.y)


def test_runs_that_ended_early_stay_where_they_ended_and_the_figure_says_so():
    full, half = grokking(), grokking(1, shift=0.5)
    early = Record(replace(half.run, epochs=10_000), half.metrics, {})  # ended at epoch 5,000
    runs = [full, early, early]
    drawn = fig1a_grokking(runs), fig1_overview(runs, UNGROKKED[:2])
    for fig, metric in zip(drawn, ("test_loss", "test_accuracy"), strict=True):
        *lines, strong = traces(theme.show(fig), metric.replace("_", " "))[: len(runs) + 1]
        assert [max(line.x) for line in (*lines, strong)] == [10_000, 5000, 5000, 10_000]
        np.testing.assert_allclose(lines[1].y, early[metric], rtol=1e-6)
        assert strong.y[-1] == pytest.approx(early.final(metric))
        assert strong.y[list(EPOCHS).index(1000)] == pytest.approx(early[metric][5])
        assert "2 of" in theme.alt(fig)
        assert "ended early, at rest, at epoch 5,000." in theme.alt(fig)
    assert "ended early" not in theme.alt(fig1a_grokking([full]))


def test_fig2_keeps_each_curve_whole_and_its_alt_text_tells_the_outcomes_apart():
    found = simulation.simulate_panels(simulation.Toy())
    below = "train loss below 1: step 169, test loss below 1:"
    fig = shown(fig2_simulation(found), f"panel a, {below} step 5,393", f"panel b, {below} never")
    assert len(fig.data) == 15
    assert {(trace.x[0], trace.x[-1]) for trace in fig.data} == {(0, 10_000)}
    columns = {trace.name: trace.xaxis for trace in fig.data[:5]}
    assert columns["train loss"] == columns["test loss"] != columns["gen logit"]
    assert columns["gen logit"] == columns["mem logit"] == columns["parameter norm"]
    papers = [shape for shape in fig.layout.shapes if shape.name.startswith("the paper")]
    assert {(shape.x0, shape.y0) for shape in papers} >= {(2500, 0), (0, 10)}
    assert {shape.xref.removesuffix(" domain") for shape in papers} == {"x2"}  # panel a's alone
    ends = [trace.y[-1] for trace in fig.data if trace.name == "test loss"]
    assert np.allclose(ends, [t.test_loss[-1] for t in found.values()], rtol=1e-6)
    one = {"a": simulation.simulate(simulation.Toy(kappa=0.8), steps=300)}
    other = theme.show(fig2_simulation(one))
    assert len(other.data) == 5
    assert not other.layout.shapes  # the paper has no such simulation


def test_the_figures_of_appendix_d_are_fit_to_print():
    circuits = EqualCircuits((1.0, 2.0, 1.5))
    fig = shown(fig_d4_shares(circuits), "to all of it at kappa = q")
    assert np.allclose(sum(trace.y for trace in fig.data), 1)
    fig = fig_d4_exchange(circuits, (1.2, 2.0, 3.0))
    shown(fig, "1.00 for kappa = 2, 1.00 for kappa = 3")
    fig = theme.show(fig_d1_scale(np.random.default_rng(0).normal(size=(20, 7))))
    perfect, one_wrong = (trace.y for trace in fig.data)
    assert (np.diff(perfect) < 0).all()
    assert one_wrong[-1] > one_wrong.min()


def test_fig_4_draws_each_seed_and_the_mean_and_says_where_it_crosses():
    fig = figures.fig4_ungrokking(RUNS, ADAMW)
    lines = [trace for trace in fig.data if trace.name == "weight decay 1"]
    thin = [trace for trace in lines if "seed" in trace.meta]
    [strong] = [trace for trace in lines if "seed" not in trace.meta]
    assert len(thin) == 2
    np.testing.assert_allclose(strong.y, np.mean([trace.y for trace in thin], axis=0), rtol=1e-6)
    np.testing.assert_array_equal(thin[0].x, SIZES)
    looks = {(t.name, t.line.color, t.line.dash) for t in fig.data if "weight" in str(t.name)}
    assert len(looks) == len({name for name, *_ in looks}) == 4  # the same in both panels
    assert fig.layout.xaxis.range == fig.layout.xaxis2.range  # panels to be compared


def test_predictions_are_lines_with_a_band_where_there_is_an_interval():
    known = {"by norm": Interval(900.0, 800.0, 1000.0, 5), "by minimum": Interval(950.0, n=1)}
    first = RUNS[: len(SIZES)]
    fig = shown(figures.fig4_ungrokking(first, predictions=known), "By norm 900 (800 – 1,000)")
    ends = {trace.name: tuple(trace.x) for trace in fig.data if trace.name in known}
    assert ends == {"by norm": (900, 900), "by minimum": (950, 950)}
    bands = [trace for trace in fig.data if trace.fill == "toself"]
    assert [tuple(band.x) for band in bands] == [(800, 1000, 1000, 800)]
    many = {f"prediction {n}": Interval(900.0 + n, n=1) for n in range(7)}
    drawn = {trace.name for trace in figures.fig4_ungrokking(first, predictions=many).data}
    assert set(many) <= drawn


def test_fig_10_leaves_out_a_ratio_over_a_negative_part():
    records = crossing(800)
    for i, record in enumerate(records):
        record.metrics["param_norm"] = record["param_norm"] + i
    records[-1] = altered(records[-1], mem_logit=-1.0)
    fig = theme.show(loop.fig10_relative_strength(records))
    points = [t for t in fig.data if t.mode == "markers" and t.xaxis == "x"]
    drawn = {x: y for trace in points for x, y in zip(trace.x, trace.y, strict=True)}
    assert np.isnan(drawn[3000])
    assert drawn[300] == pytest.approx((300 / 950) ** 7)
    accuracies = [t for t in fig.data if t.mode == "markers" and t.xaxis == "x2"]
    assert sum(len(trace.x) for trace in accuracies) == len(records)
