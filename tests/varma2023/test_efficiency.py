"""Efficiency of the circuits on records that obey a power law, and the D_crit that it implies."""

from dataclasses import replace
from itertools import pairwise
from math import isnan, log, nan

import numpy as np
import pytest
from evidence import of_minimum
from handmade import ungrokking
from transitions import START, crossing

from grokkit.runs import Record, Run
from varma2023 import board, theme
from varma2023.efficiency import analysis, critical, figures
from varma2023.efficiency.claims import start_pairs, task_pairs
from varma2023.statistics import Interval

approx = pytest.approx
DECAYS = (0.1, 0.5, 1.0, 1.5, 2.0)
SIZES = (500, 1000, 2000, 4000, 8000)
MEM, GEN = analysis.Fit(30.0, 0.5, 4.0), analysis.Fit(33.0, 0.0, 6.0)


def made(run: Run, norm: float, logit: float, share: float = 0.99, minimum: float = 500) -> Record:
    """A finished run with this norm, logit and minimum of Eq. (2)."""
    return of_minimum(run, minimum, norm, correct_logit=logit, trig_share=share)


def memory(seeds=(0,), exponent=0.5, kappa=4.0, noise=0.0, p=113) -> list[Record]:
    """P = 30 (D / 1000)^exponent (logit / 60)^(1 / kappa), the logit by weight decay and D."""
    rng, found = np.random.default_rng(0), []
    for seed in seeds:
        for size in SIZES if p == 113 else (100, 200, 400, 800):
            for decay in DECAYS:
                logit = 60 * decay**-0.3 * (size / 1000) ** rng.uniform(-0.2, 0.2)
                norm = 30 * (size / 1000) ** exponent * (logit / 60) ** (1 / kappa)
                norm *= 1.1**seed * np.exp(noise * rng.normal())
                own = {"dataset_size": size, "weight_decay": decay, "seed": seed}
                run = Run(p=p, labels="random", epochs=100, **own)
                found.append(made(run, norm, logit, minimum=400 * (size / 1000) ** (2 * exponent)))
    return found


def rule(seeds=range(5), exponent=0.0, share=0.99, jitter=0.0, decays=DECAYS) -> list[Record]:
    """P = 30 1.05^seed (logit / 60)^(1 / 6) at every D, apart from `exponent`.

    `jitter` adds to the exponent for each seed above the second.
    """
    found = []
    for seed in seeds:
        for size in (4000, 6000, 8000):
            for decay in decays:
                logit = (50 + 10 * seed) * decay**-0.1 * (1 + size / 1e6)
                power = exponent + jitter * (seed - 2)
                norm = 30 * 1.05**seed * (logit / 60) ** (1 / 6) * (size / 6000) ** power
                run = Run(dataset_size=size, weight_decay=decay, seed=seed, epochs=100)
                found.append(made(run, norm, logit, share, 500 * 1.02**seed))
    return found


def falls(seeds=(0, 1)):
    """Ungrokking that crosses a half at 1,250 x 1.01^seed, whatever the weight decay."""
    return [
        replace(each, run=replace(each.run, weight_decay=decay))
        for seed in seeds
        for size, end in ((1000, 0.2), (1562.5, 0.8))
        for each in [ungrokking(round(size * 1.01**seed), end, seed)]
        for decay in DECAYS
    ]


# --- one circuit: gates, buckets, slopes, fits


def test_a_circuit_alone_is_told_by_its_share_and_by_its_labels():
    runs = [made(Run(seed=i), 30, 60, share) for i, share in enumerate((0.94, 0.96, 0.98))]
    assert [r.run.seed for r in analysis.gated(runs)] == [1, 2]
    assert [r.run.seed for r in analysis.gated(runs, squared=True)] == [2]
    good = memory()[0]
    lost = Record(good.run, {**good.metrics, "train_accuracy": np.array([0.0, 0.9])}, {})
    assert analysis.memorised([good, lost, rule()[0]]) == [good]


def test_buckets_are_geometric_and_hold_every_run_once():
    runs = memory()
    found = analysis.buckets(runs)
    ratios = [bucket.high / bucket.low for bucket in found]
    np.testing.assert_allclose(ratios, [ratios[0]] * analysis.N_BUCKETS)
    assert all(one.high == other.low for one, other in pairwise(found))
    held = [record for bucket in found for record in bucket.records]
    assert sorted(map(id, held)) == sorted(map(id, runs))
    for low, high, here in found:
        assert all(low * (1 - 1e-12) <= analysis.logit(r) <= high * (1 + 1e-12) for r in here)
    with pytest.raises(ValueError, match="need a run, got none"):
        analysis.buckets([])


def test_an_isologit_slope_is_the_exponent_with_its_interval_over_seeds():
    """Five seeds with slopes 0.2 to 0.6 about one centre: the mean, and no less than them."""
    runs = [
        made(Run(dataset_size=D, seed=s), 30 * (D / 1000) ** slope, 60)
        for s, slope in enumerate((0.4, 0.2, 0.3, 0.5, 0.6))
        for D in (500, 1000, 2000)
    ]
    found = analysis.isologit_slope(runs)
    assert found.value == approx(0.4)
    assert 0.2 < found.low < 0.35 < 0.45 < found.high < 0.6
    assert found.n == 5
    assert analysis.isologit_slope(runs[:3]).text() == "0.40 (1 seed)"
    assert analysis.mean_norms(runs)[1000] == approx(30)
    assert analysis.mean_norms(runs[:6])[2000] == approx(30 * 2**0.3)
    assert isnan(analysis.isologit_slope(runs[:1]).value)
    assert isnan(analysis.isologit_slope([]).value)


def test_the_norm_at_a_logit_is_interpolated_on_logs_and_never_beyond():
    runs = [made(Run(weight_decay=w), 30 * (o / 60) ** 0.25, o) for w, o in ((0.1, 80), (2.0, 40))]
    assert analysis.norm_at(runs, 60) == approx(30)
    assert isnan(analysis.norm_at(runs, 81))
    assert isnan(analysis.norm_at(runs, 39))


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_the_fit_finds_the_law_whatever_the_seeds_are_worth(seeds):
    found = analysis.fit(memory(seeds))
    assert (found.exponent, found.kappa) == (approx(0.5), approx(4.0))
    assert found.norm == approx(30 * 1.1 ** np.mean(seeds))
    assert found.at(120, 2000) == approx(found.norm * 2**0.5 * 2**0.25)


def test_the_fit_is_of_medians_found_by_loops():
    runs = memory((0, 1, 2), noise=0.1)
    found = analysis.fit(runs)
    x, y = analysis.logit, analysis.norm
    curves = []
    for seed in (0, 1, 2):
        for size in SIZES:
            curve = [r for r in runs if (r.run.seed, r.run.dataset_size) == (seed, size)]
            curves.append(np.polyfit([log(x(r)) for r in curve], [log(y(r)) for r in curve], 1)[0])
    assert 1 / found.kappa == approx(np.median(curves))
    moved = {id(r): log(y(r)) + log(60 / x(r)) / found.kappa for r in runs}
    slopes = [
        (moved[id(b)] - moved[id(a)]) / log(b.run.dataset_size / a.run.dataset_size)
        for a in runs
        for b in runs
        if a.run.seed == b.run.seed and a.run.dataset_size < b.run.dataset_size
    ]
    assert found.exponent == approx(np.median(slopes))


def test_an_odd_run_does_not_move_the_fit_and_a_flat_one_ignores_size():
    """Odd as when the minimiser drops from one rule to a cheaper one on the way."""
    runs = rule()
    odd = {**runs[4].metrics, "param_norm": runs[4].metrics["param_norm"] * 0.9}
    found = analysis.fit([*runs[:4], Record(runs[4].run, odd, {}), *runs[5:]])
    assert found.kappa == approx(6.0, rel=0.01)
    assert found.exponent == approx(0.0, abs=1e-3)
    found = analysis.fit(rule(exponent=0.2), flat=True)
    assert (found.exponent, found.kappa) == (0, approx(6.0))
    assert found.at(60, 10) == found.at(60, 1e6)


def test_flat_is_an_equivalence_and_rising_is_more_than_unfinished_runs_feign():
    two = {"jitter": 0.002, "decays": (0.1, 2.0)}
    assert analysis.flat(rule(**two)) is True
    assert analysis.flat(rule(exponent=0.03, **two)) is False
    assert analysis.flat(rule([0], exponent=0.019)) is True  # of one seed: its own value
    assert analysis.flat([r for r in rule() if r.run.dataset_size == 4000]) is None
    assert analysis.flat([]) is None
    assert [analysis.rises(memory(exponent=power)) for power in (0.5, 0.035, 0.034)] == [1, 1, 0]


def test_runs_are_judged_from_three_sizes_and_weight_decays_on():
    mem = memory()
    assert analysis.can_be_judged(mem)
    assert not analysis.can_be_judged([])
    for field, values in (("dataset_size", SIZES[2:]), ("weight_decay", DECAYS[2:])):
        assert not analysis.can_be_judged([r for r in mem if getattr(r.run, field) not in values])
    assert all(analysis.order_criteria(memory(p=53), rule()).values())
    assert not any(analysis.order_criteria(memory(exponent=-0.1), rule()).values())


# --- both circuits: where they cost the same


@pytest.mark.parametrize("level", [30.0, 60.0, 120.0])
def test_equal_cost_is_where_both_fits_give_one_norm(level):
    size = critical.equal_cost_size(MEM, GEN, level)
    assert MEM.at(level, size) == approx(GEN.at(level, size))
    assert critical.equal_cost_size(MEM, GEN, 60) == approx(1000 * 1.1**2)
    assert isnan(critical.equal_cost_size(replace(MEM, exponent=0.0), GEN, level))


def test_one_kappa_makes_the_crossing_the_same_at_every_logit():
    assert critical.shift_with_logit(MEM, replace(GEN, kappa=4.0)) == approx(0)
    other = replace(GEN, kappa=8.0)  # its norm grows by 2^(1/8), C_mem's by 2^(1/4)
    assert critical.shift_with_logit(MEM, other) == approx(2 ** (-(1 / 8) / 0.5) - 1)
    assert "everything" in critical.regime(MEM, GEN)
    assert "a part" in critical.regime(MEM, replace(GEN, kappa=1.9))


def test_the_common_logit_lies_in_both_ranges_or_between_them():
    def runs(*logits):
        return [made(Run(seed=i), 30, o) for i, o in enumerate(logits)]

    assert critical.common_logit(runs(20, 80), runs(40, 160)) == approx(3200**0.5)
    assert critical.common_logit(runs(20, 40), runs(80, 90)) == approx(3200**0.5)


def test_equal_minima_are_found_by_weight_decay_with_the_seeds_of_both():
    mem = [r for r in memory(range(5)) if r.run.weight_decay in (0.1, 2.0)]
    found = critical.predicted_by_minimum(mem, rule(decays=(0.1, 2.0)))
    assert list(found) == [0.1, 2.0]
    level = 500 * 1.02**2  # the geometric mean over seeds; C_mem's minimum is 400 D / 1000
    for each in found.values():
        assert each.value == approx(level / 0.4)
        assert 500 / 0.4 <= each.low < each.value < each.high <= 500 * 1.02**4 / 0.4
        assert each.n == 5


def test_predicted_by_norm_is_the_crossing_of_power_laws_with_an_interval():
    mem, gen = memory(), rule()
    level = critical.common_logit(mem, gen)
    found = critical.predicted_by_norm(mem, gen)
    fits = analysis.fit(mem), analysis.fit(gen, flat=True)
    assert found.value == approx(critical.equal_cost_size(*fits, level))
    beyond = critical.predicted_by_norm(memory()[10:], gen)  # C_mem's from D = 2,000 on
    assert isnan(beyond.value)
    assert not found.bounded  # one seed of C_mem


def test_what_a_minimum_is_made_of_and_that_memory_never_gets_cheaper():
    part = critical.loss_part([made(Run(), 30.0, 60.0, minimum=500.0)])
    assert part.median == approx(1 - 450 / 500)
    assert critical.never_cheaper(memory())
    assert not critical.never_cheaper(memory(exponent=-0.1))
    sizes = {500: 20.0, 1000: 40.0, 4000: 40.0 * 4**0.3}
    runs = [
        made(Run(dataset_size=D, weight_decay=w), P * (o / 60) ** 0.25, o)
        for D, P in sizes.items()
        for w, o in ((0.1, 80), (2.0, 40))
    ]
    assert critical.end_exponents(runs) == (approx(1.0), approx(0.3))


def test_an_end_below_both_circuits_is_a_mixture():
    mem, gen = memory(), rule([0])  # 400 D / 1000, and 500
    runs = [Run(dataset_size=D, weight_decay=1.0) for D in (400, 1000, 1000, 8000, 8000)]
    costs = (1.0, 380.0, 395.0, 450.0, 495.0)
    ends = [made(run, 20.0, 60.0, minimum=cost) for run, cost in zip(runs, costs, strict=True)]
    assert critical.mixtures_below(mem, gen, ends) == approx([0.05, 0.1])


def test_each_network_has_its_own_prediction_and_is_compared_with_its_own_end():
    pairs = start_pairs(memory(), rule((0, 1, 2)), falls(seeds=(0, 2)))
    assert set(pairs) == {(seed, decay) for seed in (0, 2) for decay in DECAYS}
    for (seed, _), (predicted, measured) in pairs.items():
        assert predicted.value == approx(500 * 1.02**seed / 0.4)
        assert measured.value == approx(1250 * 1.01**seed, rel=0.005)
    assert analysis.same_order(pairs)
    table = analysis.predictions_table(pairs, "seed | weight decay")
    assert "<td>0</td><td>0.1</td><td>1,250</td><td>1,250</td><td>1.00</td>" in table
    swapped = {
        (2 - seed, decay): pairs[seed, decay][:1] + other[1:]
        for (seed, decay), other in zip(pairs, reversed(pairs.values()), strict=True)
    }
    assert not analysis.same_order(swapped)
    found = board.judge("B2", memorising=memory(), starts=rule((0, 1)), transition=falls())
    # C_mem's minimum is 400 D / 1000, C_gen's 500 x 1.02^seed
    assert found.ours.startswith(
        "seed 0: predicted 1,250, measured 1,250; seed 1: predicted 1,275, measured 1,262"
    )


def test_a_dearer_rule_of_another_task_has_a_larger_predicted_d_crit():
    def task(name, cost, size):
        ends = []
        for each in crossing(size, task=name, init=replace(START, task=name)):
            norm = np.full(2, np.sqrt(2 * cost - 2e-7 / 1e-8))  # Eq. (2) over alpha is the cost
            ends.append(replace(each, metrics=each.metrics | {"param_norm": norm}))
        return ends

    mem = memory()  # its minimum at weight decay 1 is 400 D / 1000
    ends = task("x-y", 400.0, 1000) + task("x*y", 300.0, 700) + task("x^2+y^2", 500.0, 9000)
    pairs = task_pairs(mem, ends)
    assert list(pairs) == ["x-y", "x*y"]  # the third does not generalise at any size
    assert [pair[0].value for pair in pairs.values()] == approx([1000, 750], rel=0.01)
    assert [pair[1].value for pair in pairs.values()] == approx([1000, 700], rel=0.01)
    assert task_pairs([], ends) == {}


@pytest.mark.parametrize(
    ("predicted", "within", "closely"),
    [(880.0, True, True), (990.0, True, False), (1010.0, False, False), (nan, False, False)],
)
def test_a_prediction_agrees_within_its_bound(predicted, within, closely):
    pair = Interval(predicted), Interval(800.0, 780.0, 820.0, 2)
    assert analysis.agrees(*pair) == within
    assert analysis.agrees(*pair, analysis.NEAR_NORM) == closely
    known = f"{predicted / 800:.2f}" if predicted == predicted else "none"
    assert analysis.range_text([analysis.ratio(*pair), nan], ".2f") == known
    assert analysis.range_text([990.0, 1010.0]) == "990 – 1,010"


# --- what a page shows


def test_the_tables_say_what_there_is():
    mem, gen = memory(), rule((0, 1))
    slopes = analysis.slopes_table(mem, gen)
    assert slopes.count("<tr") == 1 + 2 * analysis.N_BUCKETS
    assert "(1 seed)" in slopes
    assert "0.500 (1 seed)" in analysis.fits_table(mem, gen)
    gate = analysis.gate_table([*rule([0], share=0.96), *rule([1], share=0.9)])
    assert gate.count("<tr") == 3
    table = analysis.predictions_table({"λ = 1": (Interval(900.0), Interval(750.0))})
    assert "<td>λ = 1</td><td>900</td><td>750</td><td>1.20</td>" in table


def test_fig_3_has_a_point_a_run_that_says_whose_it_is():
    mem, gen = memory(), rule((0, 1))
    fig = theme.show(figures.fig3_efficiency(mem, gen))
    assert "0.500 (1 seed)" in theme.alt(fig)
    points = [trace for trace in fig.data if trace.mode == "markers"]
    assert len(points) == len(mem) + len(gen)
    drawn = {
        (t.meta["dataset_size"], t.meta["weight_decay"], t.meta["seed"]): (t.x[0], t.y[0])
        for t in points[: len(mem)]
    }
    for one in mem:
        found = drawn[one.run.dataset_size, one.run.weight_decay, one.run.seed]
        assert found == approx((analysis.norm(one), analysis.logit(one)))


def test_the_predictions_are_marked_where_the_curves_of_both_circuits_cross():
    mem, gen, measured = memory(), rule((0, 1)), Interval(900.0, 850.0, 950.0, 2)
    fig = theme.show(figures.fig_equal_cost(mem, gen, measured))
    assert critical.predicted_by_norm(mem, gen).text(",.0f") in theme.alt(fig)
    assert measured.value in [trace.x[0] for trace in fig.data if trace.name]
    fig = theme.show(figures.fig_first_order(mem, gen, {1.0: measured}))
    marks = [trace for trace in fig.data if trace.name and "predicted" in trace.name]
    assert [trace.meta["weight_decay"] for trace in marks] == list(DECAYS)
    seven = [0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0]
    mem, gen = (
        [
            replace(r, run=replace(r.run, weight_decay=decay))
            for decay in seven
            for r in some
            if r.run.weight_decay == DECAYS[0]
        ]
        for some in (mem, gen)
    )
    hovers = " ".join(trace.hovertemplate or "" for trace in figures.fig_first_order(mem, gen).data)
    assert all(f"weight decay {decay:g}, seed" in hovers for decay in seven)
