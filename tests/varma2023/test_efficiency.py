"""Efficiency of the circuits on records that obey a power law, and the D_crit that it implies."""

from dataclasses import replace
from itertools import pairwise, product
from math import exp, isnan, log, nan

import evidence
import numpy as np
import pytest
from evidence import ALL_DECAYS, MEMORY_SIZES, crossing, of_minimum
from handmade import altered, shown
from hypothesis import given
from hypothesis import strategies as st

from grokkit.runs import Record, Run
from varma2023 import board
from varma2023.efficiency import analysis, costs, critical, figures, sweeps
from varma2023.efficiency.analysis import ROUTES
from varma2023.efficiency.claims import minimum_pairs, pairs_by_cost, predictions, task_pairs
from varma2023.measures import group
from varma2023.plots import meta
from varma2023.statistics import Interval

approx = pytest.approx
MEM, GEN = analysis.Fit(30.0, 0.5, 4.0), analysis.Fit(33.0, 0.0, 6.0)


def memory(seeds=(0,), **changes) -> list[Record]:
    """C_mem with kappa 4, whose minimum is D."""
    return evidence.memory(seeds, **{"up": 1.1, "tilt": 0.1, **changes})


def rule(seeds=evidence.FIVE, **changes) -> list[Record]:
    """C_gen with kappa 6, whose minimum is 1,200 x 1.02^seed."""
    return evidence.rule(seeds, kappa=6.0, cost=1200.0, up=1.02, **changes)


def made(run: Run, norm: float, logit: float, share: float = 0.99, minimum: float = 500) -> Record:
    """A finished run with this norm, logit and minimum of Eq. (2)."""
    return of_minimum(run, minimum, norm, correct_logit=logit, trig_share=share)


# --- one circuit: gates, buckets, slopes, fits


def test_a_circuit_alone_is_told_by_its_share_and_by_its_labels():
    runs = [made(Run(seed=i), 30, 60, share) for i, share in enumerate((0.94, 0.96, 0.98))]
    assert [r.run.seed for r in analysis.gated(runs)] == [1, 2]
    assert [r.run.seed for r in analysis.gated(runs, squared=True)] == [2]
    with pytest.raises(ValueError, match="none of 1 networks at p = 113 is C_gen alone"):
        analysis.gated(runs[:1], need=True)
    good = memory()[0]
    assert analysis.memorised([good, altered(good, train_accuracy=0.9), rule()[0]]) == [good]


def test_buckets_are_geometric_and_hold_every_run_once():
    runs = memory()
    found, logits = analysis.buckets(runs), [*map(analysis.logit, runs)]
    edges = np.geomspace(min(logits), max(logits), analysis.N_BUCKETS + 1)
    np.testing.assert_allclose([bucket[:2] for bucket in found], [*pairwise(edges)])
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


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_the_fit_finds_the_law_whatever_the_seeds_are_worth(seeds):
    found = analysis.fit(memory(seeds))
    assert (found.exponent, found.kappa) == (approx(0.5), approx(4.0))
    assert found.norm == approx(30 * 1.1 ** np.mean(seeds))
    assert found.at(120, 2000) == approx(found.norm * 2**0.5 * 2**0.25)


def test_the_fit_is_of_medians_found_by_loops():
    rng = np.random.default_rng(0)
    exact = memory((0, 1, 2))
    runs = [altered(r, param_norm=r["param_norm"] * np.exp(0.1 * rng.normal())) for r in exact]
    found = analysis.fit(runs)
    x, y = analysis.logit, analysis.norm
    curves = [
        np.polyfit([log(x(r)) for r in curve], [log(y(r)) for r in curve], 1)[0]
        for curve in group(runs, "seed", "dataset_size").values()
    ]
    assert 1 / found.kappa == approx(np.median(curves))
    moved = {id(r): log(y(r)) + log(60 / x(r)) / found.kappa for r in runs}
    slopes = [
        (moved[id(b)] - moved[id(a)]) / log(b.run.dataset_size / a.run.dataset_size)
        for a in runs
        for b in runs
        if a.run.seed == b.run.seed and a.run.dataset_size < b.run.dataset_size
    ]
    assert found.exponent == approx(np.median(slopes))
    at_1000 = {id(r): moved[id(r)] - found.exponent * log(r.run.dataset_size / 1000) for r in runs}
    constants = [np.median([at_1000[id(r)] for r in seed]) for seed in group(runs, "seed").values()]
    assert log(found.norm) == approx(np.mean(constants))


def test_a_flat_fit_ignores_size():
    found = analysis.fit(rule(power=0.2), flat=True)
    assert (found.exponent, found.kappa) == (0, approx(6.0))
    assert found.at(60, 10) == found.at(60, 1e6)


def test_flat_is_an_equivalence_and_rising_is_more_than_unfinished_runs_feign():
    def apart(power):  # seeds of powers about this one
        powers = {seed: power + 0.002 * (seed - 2) for seed in range(5)}
        runs = [rule([seed], power=own, decays=(0.1, 2.0)) for seed, own in powers.items()]
        return [record for one in runs for record in one]

    assert analysis.flat(apart(0.0)) is True
    assert analysis.flat(apart(0.03)) is False
    assert analysis.flat(rule([0], power=0.019)) is True  # of one seed: its own value
    assert analysis.flat([r for r in rule() if r.run.dataset_size == 4000]) is None
    assert analysis.flat([]) is None
    assert [analysis.rises(memory(power=power)) for power in (0.5, 0.035, 0.034)] == [1, 1, 0]


def test_runs_are_judged_from_three_sizes_and_weight_decays_on():
    mem = memory()
    assert analysis.can_be_judged(mem)
    assert not analysis.can_be_judged([])
    for field, values in (("dataset_size", MEMORY_SIZES[2:]), ("weight_decay", ALL_DECAYS[2:])):
        assert not analysis.can_be_judged([r for r in mem if getattr(r.run, field) not in values])
    assert all(analysis.order_criteria(memory(p=53), rule()).values())
    assert not any(analysis.order_criteria(memory(power=-0.1), rule()).values())


# --- both circuits: where they cost the same


@pytest.mark.parametrize("level", [30.0, 60.0, 120.0])
def test_equal_cost_is_where_both_fits_give_one_norm_and_at_one_kappa_the_same(level):
    size = critical.equal_cost_size(MEM, GEN, level)
    assert MEM.at(level, size) == approx(GEN.at(level, size))
    same = critical.equal_cost_size(MEM, replace(GEN, kappa=4.0), level)
    assert same == approx(critical.equal_cost_size(MEM, GEN, 60)) == approx(1000 * 1.1**2)
    assert isnan(critical.equal_cost_size(replace(MEM, exponent=0.0), GEN, level))
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


def test_norms_and_whether_they_give_logit_are_told_of_each_circuit():
    def runs(norm: float, sizes: tuple[int, ...], *falls: bool) -> list[Record]:
        sets = product(sizes, enumerate(falls), range(3))
        each = [(d, s, norm + n, 60 + 5 * n * (-1) ** fall) for d, (s, fall), n in sets]
        return [made(Run(seed=s, dataset_size=d), p, o) for d, s, p, o in each]

    mem, gen = runs(20, (500, 800), False, False), runs(30, (5000,), False, False, True)
    told = critical.norms_text(mem, gen)
    assert told.startswith("20 – 22 for memory, 30 – 32 for the rule; for a logit of 65 memory ")
    assert "memory needs 21 on 500 examples, the rule 32; " in told
    assert told.endswith("the logit rises in 4 of 4 and 2 of 3")


def test_predicted_by_norm_is_the_crossing_of_power_laws_with_an_interval():
    mem, gen = memory(), rule()
    found = critical.predicted_by_norm(mem, gen)
    fits = analysis.fit(mem), analysis.fit(gen, flat=True)
    assert found.value == approx(critical.equal_cost_size(*fits, critical.common_logit(mem, gen)))
    assert isnan(critical.predicted_by_norm(memory(sizes=MEMORY_SIZES[2:]), gen).value)
    assert not found.bounded  # one seed of C_mem


def test_what_a_minimum_is_made_of_and_that_memory_never_gets_cheaper():
    assert critical.loss_part([made(Run(), 30, 60, minimum=500)]).median == approx(1 - 450 / 500)
    assert critical.never_cheaper(memory())
    assert not critical.never_cheaper(memory(power=-0.1))
    runs = [
        made(Run(dataset_size=D, weight_decay=w), P * (o / 60) ** 0.25, o)
        for D, P in {500: 20.0, 1000: 40.0, 4000: 40.0 * 4**0.3}.items()
        for w, o in ((0.1, 80), (2.0, 40))
    ]
    assert critical.end_exponents(runs) == (approx(1.0), approx(0.3))


def at_papers_modulus(crits=(750.0, 900.0)):
    """Memory, and ends whose rule costs what their D_crit says, seed by seed."""
    memory = evidence.memory(evidence.FIVE, sizes=(300, 700, 1000, 3000), decays=(1.0,))
    ends = [r for seed, at in enumerate(crits) for r in crossing(at, seed=seed)]
    return {"transition": ends, "papers_memory": memory}


def test_each_network_has_its_own_prediction_and_is_compared_with_its_own_end():
    found = at_papers_modulus((750.0, 900.0, 800.0))
    kind = costs.at_papers_modulus(*found.values())
    pairs = minimum_pairs(kind)
    for told in ("predicted", "measured"):
        assert [getattr(pair, told).value for pair in pairs] == approx([750, 900, 800], rel=0.01)
    assert analysis.order(pairs) == approx(1)
    one, two, three = pairs
    swapped = [one, two._replace(measured=three.measured), three._replace(measured=two.measured)]
    assert analysis.order(swapped) == approx(0.5)
    said = board.judge("B2", **found, papers_rounded=found["papers_memory"][:1]).ours
    assert said.startswith("seed 0: predicted 750, measured 750; seed 1: predicted 900,")
    other = [replace(r, run=replace(r.run, weight_decay=2.0)) for r in found["transition"]]
    both = costs.at_papers_modulus([*other, *found["transition"]], found["papers_memory"])
    assert both.ends == kind.ends  # those at memory's weight decay


def test_a_dearer_rule_of_another_task_has_a_larger_predicted_d_crit():
    mem, ends = memory(), []
    for task, d_crit, cost in (("x-y", 1000, 1000), ("x*y", 700, 750), ("x^2+y^2", 9000, 1000)):
        ends += crossing(d_crit, task=task, loss=cost / d_crit)
    pairs = task_pairs(mem, ends)
    assert [each.name for each in pairs] == ["x-y", "x*y"]  # the third generalises at no size
    assert [each.predicted.value for each in pairs] == approx([1000, 750], rel=0.01)
    assert [each.measured.value for each in pairs] == approx([1000, 700], rel=0.01)
    assert task_pairs([], ends) == []


def test_an_end_is_compared_with_the_cheaper_circuit_at_its_own_size():
    mem, gen = memory((0, 1), decays=(1.0,)), evidence.rule((0,), decays=(1.0,))  # costs 750
    ends = crossing(750, depth=0.9)  # Eq. (2): D up to 750, then that; a tenth less between
    found = critical.over_cheaper(mem, gen, [*ends, *crossing(750, seed=1)])
    assert [end for end, _ in found] == ends  # seed 1 has no rule
    by_size = {end.run.dataset_size: over for end, over in found}
    assert isnan(by_size.pop(300))  # memory's least size is 500
    expected = {500: 0.9, 650: 0.9, 800: 0.9, 1000: 0.9, 1500: 1.0, 3000: 1.0}
    assert by_size == approx(expected, rel=1e-6)
    hardly = crossing(750, depth=0.985)  # by less than 2%
    assert critical.mixtures_below(mem, gen, ends + hardly) == approx([0.1] * 4, rel=1e-6)
    gens = {D: 1 / (1 + (D / 950) ** -7.0) for D in expected}
    told = [f"{gens[D]:.2f} and {over - 1:+z.0%} at {D:,}" for D, over in expected.items()]
    assert critical.mixtures_text(found) == "; ".join(told)


def test_a_mixture_is_compared_with_the_sum_of_what_its_circuits_take_apart():
    ends, mem, *_ = evidence.mixtures(part=0.7, uneven=0.2).values()
    gen = [end for end in ends if end.final("test_accuracy") == 1]
    found = critical.over_sum(mem, gen, ends)
    assert [end.final("test_accuracy") for end, _ in found] == [0.5] * 5  # each circuit is none
    assert [part for _, part in found] == approx([0.7, 0.9, 0.7, 0.9, 0.7])
    mean = exp((3 * log(0.7) + 2 * log(0.9)) / 5)
    assert critical.part_of_sum(found * 2).value == approx(mean)  # by seed
    assert critical.over_sum([r for r in mem if r.run.dataset_size > 800], gen, ends) == []
    ends, mem, *_ = evidence.mixtures(part=1.0, share=0.3, seeds=[0]).values()
    [(end, part)] = critical.over_sum(mem, ends[1:], ends)
    assert end.final("param_norm") ** 2 / part == approx(900 * np.cbrt(0.7) + 400 * np.cbrt(0.3))


def of_both(predicted: float, measured: float) -> analysis.Prediction:
    both = Interval(predicted), Interval(measured)
    return analysis.Prediction(ROUTES[1], "λ = 1", *both, analysis.NEAR, True, True, True)


@pytest.mark.parametrize(
    ("predicted", "within", "closely"),
    [(880.0, True, True), (990.0, True, False), (1010.0, False, False), (nan, False, False)],
)
def test_a_prediction_agrees_within_its_bound(predicted, within, closely):
    one = of_both(predicted, 800.0)
    assert one._replace(near=analysis.NEAR).agrees == within
    assert one._replace(near=analysis.NEAR_NORM).agrees == closely
    known = f"{predicted / 800:.2f}" if predicted == predicted else "none"
    assert analysis.range_text([one.ratio, nan], ".2f") == known
    assert analysis.range_text([990.0, 1010.0]) == "990 – 1,010"


# --- what a page shows

NETWORKS = memory(), rule((0, 1))


def test_the_tables_say_what_there_is():
    slopes = analysis.slopes_table(*NETWORKS)
    assert slopes.count("<tr") == 1 + 2 * analysis.N_BUCKETS
    assert "(1 seed)" in slopes
    assert "0.500 (1 seed)" in analysis.fits_table(*NETWORKS)
    assert analysis.gate_table([*rule([0], share=0.96), *rule([1], share=0.9)]).count("<tr") == 3
    table = analysis.predictions_table([of_both(900.0, 750.0)])
    assert "<td>λ = 1</td><td>900</td><td>750</td><td>1.20</td>" in table


def test_fig_3_has_a_point_a_run_that_says_whose_it_is():
    fig = shown(figures.fig3_efficiency(*NETWORKS), "0.500 (1 seed)")
    points, bars = ([t for t in fig.data if t.mode == m] for m in ("markers", "lines+markers"))
    assert [t.x for t in bars if "the paper" in t.name] == [(25, 90), (27, 33)]  # its norms
    assert len({t.marker.color for t in points}) == 5 + 3  # a tone for each size of a circuit
    records = [record for networks in NETWORKS for record in networks]
    norms_and_logits = [(str(meta(r)), analysis.norm(r), analysis.logit(r)) for r in records]
    assert sorted([(str(t.meta), t.x[0], t.y[0]) for t in points]) == sorted(norms_and_logits)


@given(st.lists(st.floats(0, 10), max_size=8), st.floats(0, 2))
def test_names_of_lines_are_moved_apart_and_keep_their_order_and_their_middle(heights, gap):
    moved = figures.spread(heights, gap)
    assert (np.diff(np.array(moved)[np.argsort(heights, kind="stable")]) >= gap - 1e-9).all()
    assert sum(moved) == approx(sum(heights))
    if len(heights) > 1 and np.diff(np.sort(heights)).min() > gap:
        assert moved == approx(heights)


def test_the_slopes_of_fig_3_have_a_point_a_line_and_the_papers_zero():
    mem, gen = NETWORKS
    fig = shown(figures.fig_slopes(mem, gen), "of C_mem 0.502 – 0.525, of C_gen 0.000.")
    of_mem, of_gen = (
        [trace.y[0] for trace in fig.data if trace.name == name]
        for name in figures.CIRCUITS.values()
    )
    assert of_mem == approx([line.value for line in analysis.slopes(mem)])
    assert len(of_gen) >= len(analysis.slopes(gen)) > 0
    assert [shape.y0 for shape in fig.layout.shapes] == [0]


@pytest.mark.parametrize("power", [0.0, 0.15])
def test_the_power_of_networks_trained_anew_is_found_at_whatever_logits_they_end(power):
    """With kappa of the networks that go on: of one weight decay alone it would not be known."""
    anew = evidence.rule(kappa=6.0, power=power, decays=(1.0,))
    turned = [  # another logit, and the norm that goes with it
        made(record.run, analysis.norm(record) * c ** (1 / 6), analysis.logit(record) * c)
        for record, c in zip(anew, np.linspace(0.8, 1.3, len(anew)), strict=True)
    ]
    assert analysis.power_anew(turned, rule()).value == approx(power, abs=1e-6)
    fig = shown(figures.fig_anew(rule(), anew), f"logit {power:.3f}")
    lines = [trace for trace in fig.data if trace.name == "trained anew"]
    assert len(lines) == 2 * 5  # panels, seeds
    assert isnan(analysis.power_anew(anew[:1], rule()).value)


def test_what_lies_below_the_papers_95_percent_is_counted_with_its_cost():
    ends = [
        made(Run(dataset_size=4000, seed=seed), 30, 60, share, cost)
        for seed, (share, cost) in enumerate([(0.99, 500), (0.96, 450), (0.8, 420)])
    ]
    told = "1 below 95%, which cost 420; 2 above, which cost 475 (450 – 500)"
    assert analysis.gate_text(ends) == told


def test_every_prediction_stands_over_what_was_measured_and_bounds_are_open():
    mem, starts = NETWORKS
    tasks = crossing(1000, task="x-y", loss=1.0) + crossing(700, task="x*y", loss=750 / 700)
    records = at_papers_modulus() | {"memorising": mem, "starts": starts, "other_tasks": tasks}
    found = predictions(records)
    kind = costs.at_papers_modulus(records["transition"], records["papers_memory"])
    by_margin = kind.at_equal(analysis.margin, analysis.fit(mem).kappa)
    assert found[2:-2] == [*minimum_pairs(kind), *task_pairs(mem, tasks)]
    assert [pair.predicted.value for pair in found[-2:]] == [*by_margin.values()]
    more = predictions(records | evidence.by_costs() | evidence.by_width(p=53))
    assert more[: len(found)] == found
    assert [pair.name for pair in more[len(found) :: 5]] == [
        f"p = {p}, d_model = {d}, seed 0" for p, d in ((113, 128), (53, 64), (53, 128))
    ]
    assert [pair.name for pair in found[:2]] == ["seed 0", "seed 1"]
    assert all(pair.ends_rest and pair.memory_rests and pair.rule_rests for pair in found)
    falling = [*found[:-1], found[-1]._replace(ends_rest=False, memory_rests=False)]
    fig = shown(figures.fig_predicted(falling), f"{len(found)} of them", "Of 1 measured ones")
    shown(figures.fig_predicted([]), "0 of them")  # after too few epochs
    points = [trace for trace in fig.data if trace.name in ROUTES]
    drawn = sorted((point.name, point.x[0], point.y[0]) for point in points)
    assert drawn == sorted((p.route, p.predicted.value, p.measured.value) for p in found)
    [bound] = [point for point in points if point.marker.symbol.endswith("open")]
    assert "a lower bound, memory still falling" in bound.hovertemplate
    [band] = [trace for trace in fig.data if trace.fill == "toself"]
    for x, y in zip(band.x, band.y, strict=True):
        assert abs(x / y - 1) == approx(analysis.NEAR)  # the criterion's own bounds
    told = [pair for pairs in pairs_by_cost(kind, 6.0).values() for pair in pairs]
    other = figures.fig_predicted(told)  # of routes of their own
    drawn = sorted((t.name, t.x[0], t.y[0]) for t in other.data if t.mode == "markers")
    assert drawn == sorted((p.route, p.predicted.value, p.measured.value) for p in told)


def test_the_predictions_are_marked_where_the_curves_of_both_circuits_cross():
    seven = (0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0)  # more than there are dashes
    mem, gen = memory(decays=seven), rule((0, 1), decays=seven)
    measured, predicted = Interval(900.0, 850.0, 950.0, 2), critical.predicted_by_norm(mem, gen)
    one = Interval(700.0, n=1), Interval(800.0, n=1)
    pair = analysis.Prediction(ROUTES[0], "seed 0", *one, 0.1, True, True, True)
    fig = shown(figures.fig_equal_cost(mem, gen, measured, [pair]), predicted.text(",.0f"))
    drawn = [trace.x[0] for trace in fig.data if trace.mode == "markers"]
    assert drawn == [predicted.value, 700, 900, 800]


def test_memory_at_rest_goes_on_at_every_weight_decay_on_the_least_size():
    runs = sweeps.memorising(seeds=1, sizes=[60, 90], weight_decays=[0.1, 0.9], p=13)
    assert [(r.dataset_size, r.weight_decay) for r in runs] == [(60, 0.1), (60, 0.9), (90, 0.9)]
    [start] = {r.init for r in runs[:2]}
    assert (start.optimiser, start.weight_decay, start.dataset_size) == ("lbfgs", 0.9, 60)
    assert all(r.until_rest and r.labels == "random" for r in (start, *runs))
    assert runs[2] == replace(start, dataset_size=90, keep_weights=False, init=runs[2].init)
