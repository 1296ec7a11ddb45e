"""App. A on records written by hand: relative strength, two starts, the loop."""

from dataclasses import replace
from math import isnan

import handmade
import numpy as np
import pytest
from evidence import CALM, FALLING, SIZES, by_seed, crossing, end, pushed, shaken, two_minima
from handmade import altered, shown

from grokkit.runs import Run
from varma2023.measures import least, trig_part
from varma2023.two_starts import analysis, barrier, figures


def of_norm(norm, **finals):
    return end(Run(dataset_size=500, epochs=100), param_norm=norm, **finals)


def fresh(d_crit, **finals):
    """Ends from random weights that cross at this D_crit, with a high train loss."""
    return [altered(r, **{"train_loss": 1e-5, **finals}) for r in crossing(d_crit, fresh=True)]


def test_the_part_orders_runs_as_the_ratio_does():
    parts = np.random.default_rng(0).uniform(0.1, 50, (20, 2))
    records = [of_norm(30, trig_logit=t, mem_logit=m, correct_logit=t + m) for t, m in parts]
    ratios = [analysis.ratio(record) for record in records]
    assert ratios == pytest.approx(parts[:, 0] / parts[:, 1])
    assert list(np.argsort(ratios)) == list(np.argsort([trig_part(r) for r in records]))
    assert isnan(analysis.ratio(of_norm(30, trig_logit=70.0, mem_logit=-10.0)))  # not drawn


def test_the_buckets_hold_every_run_once_and_equally_many():
    records = [of_norm(norm) for norm in np.random.default_rng(0).uniform(20, 40, 12)]
    groups = analysis.by_norm(records)
    held = [record for here in groups.values() for record in here]
    assert sorted(map(id, held)) == sorted(map(id, records))
    assert [len(here) for here in groups.values()] == [3] * analysis.N_BUCKETS
    for (low, high), here in groups.items():
        assert all(low <= record.final("param_norm") <= high for record in here)


def test_the_ratio_rises_at_every_step_or_not_and_over_so_many_decades():
    records = by_seed({0: 800, 1: 900})
    for i, record in enumerate(records):
        record.metrics["param_norm"] = record["param_norm"] + i % len(SIZES)
    assert all(analysis.ratio_criteria(records).values())
    assert all(analysis.quick_criteria(records).values())
    assert analysis.rank_correlation(records).value == pytest.approx(1)
    text = analysis.norms_table(records)
    assert text.count("<tr>") == analysis.N_BUCKETS + 2
    assert "300, 500, 650, 800, 1,000, 1,500, 3,000" in text
    records[3].metrics["trig_logit"] = np.zeros(2)
    ratios = [of_norm(30, trig_logit=t, mem_logit=1.0) for t in (0.01, 1.0, 1000.0)]
    negative = of_norm(30, trig_logit=5.0, mem_logit=-1.0)
    assert analysis.decades([*ratios, negative]) == pytest.approx(5)
    steps = "on every curve each larger train set has the larger ratio"
    assert not analysis.ratio_criteria(records)[steps]


def test_accuracy_is_smooth_if_it_does_not_fall_and_does_not_jump():
    fine = crossing(800, steep=0.5)
    assert all(analysis.smooth_criteria(crossing(700), fine).values())
    jump = crossing(720, steep=50)
    assert list(analysis.smooth_criteria(fine, jump).values()) == [True, False, None]
    assert all(analysis.smooth_criteria(jump, fine).values())  # sizes too far apart to tell
    assert [analysis.middle_text(curve) for curve in (fine, jump)] == ["1 of 1", "0 of 1"]
    assert analysis.steps_text(jump) == "1.00 (1.00 of their mean curve)"
    fine[3].metrics["test_accuracy"] = fine[2]["test_accuracy"] - 0.1
    for both in ((fine, crossing(700)), (crossing(700), fine)):
        assert not analysis.smooth_criteria(*both)["no curve falls by more than 0.05"]


def test_pairs_are_of_one_train_set_and_weight_decay_and_the_lower_end_is_told():
    down, up = by_seed({0: 800, 3: 900}), fresh(1900)[1:]
    pairs = analysis.two_starts(down, up)
    assert [pair.grokked.run.dataset_size for pair in pairs] == list(SIZES[1:])
    assert {(p.grokked.run.seed, p.grokked.run.weight_decay) for p in pairs} == {(0, 1.0)}
    assert analysis.two_starts(down, []) == []
    small = analysis.two_starts(down, fresh(1900, param_norm=1.0, train_loss=1e-6))[0]
    low = pairs[0]
    assert low.lower == {"train loss": True, "objective": True}
    assert small.lower == {"train loss": True, "objective": False}
    table = analysis.starts_table([low, small])
    assert table.count("<td>train loss, objective</td>") == 1
    assert table.count(f"<td>{low.grokked.final('param_norm'):.1f} / 1.0</td>") == 1


def test_the_lower_of_two_minima_and_the_size_at_which_both_are_equal():
    made = two_minima(dearer=1.08)  # Eq. (2) from the rule: 1.08 times D up to 750; from memory: D
    pairs = analysis.two_starts(*analysis.by_start(made["two_minima"]))
    assert len(pairs) == 4 * 5
    assert analysis.orders(pairs) == [[False, False, True, True]] * 5
    assert all(pair.apart for pair in pairs)
    said = "-7.4% at 600; -7.4% at 700; +11.1% at 900; +85.2% at 1500"
    assert analysis.by_size_text(pairs, lambda pair: pair.above, "+.1%") == said
    low, high = np.log([700, 900])  # Eq. (2) at 700 is 756 and 700, and at 900 810 and 900
    above = np.log([700 / 756, 900 / 810])
    equal = np.exp(low - above[0] / (above[1] - above[0]) * (high - low))
    assert analysis.equal_sizes(pairs) == pytest.approx(dict.fromkeys(range(5), equal))
    over, under = analysis.inside_the_loop(pairs, made["moduli"], made["upper_branch"])
    assert (over.value, under.value) == pytest.approx((equal / 750, 1900 / equal))


FELL = [(FALLING, *each) for each in ((1.08, None), (1.2, False), (0.95, None), (0.9, True))]
REST = [(CALM, *each) for each in ((0.997, True), (1.001, None), (1.003, False))]


@pytest.mark.parametrize(("rest", "cost", "known"), [*FELL, *REST])
def test_one_end_is_lower_if_the_other_is_at_rest_and_not_equal_or_far_above(rest, cost, known):
    ends = two_minima(cost, sizes=(600,), rest=rest)["two_minima"]
    [pair, *_] = analysis.two_starts(*analysis.by_start(ends))
    assert pair.grokked_is_lower is known


@pytest.mark.parametrize(
    ("d_crit", "half", "loop", "ratio"),
    [
        (1900, None, [True, True], "2.38 (1 seed)"),  # by bounds: 1,000, and 1,500 to 3,000
        (1200, False, [True, False], "1.50 (1 seed)"),
        (9000, True, [True, True], "not known, as one of them was not seen"),  # on the way up
        (800, False, [False, False], "1.00 (1 seed)"),
    ],
)
def test_the_way_up_needs_more_than_twice_as_many_or_not(d_crit, half, loop, ratio):
    down, up = crossing(800), fresh(d_crit)
    assert analysis.half_the_size(down, up) == [half]
    assert analysis.half_the_size(crossing(800, rest=FALLING), up) == [None]
    assert list(analysis.loop_criteria(down, up).values()) == loop
    assert analysis.crit_ratio_text(down, up) == ratio


def test_a_shaken_network_is_compared_with_its_own_end_and_comes_back_or_not():
    [found] = shaken(back=1.01, lost=0.2).values()
    shakes = analysis.shakes(found)
    assert len(shakes) == len(found) / 2 == 20
    assert all(shake.rested for shake in shakes)
    grokked, fresh = analysis.by_kind(shakes)
    assert len(fresh) == len(grokked) == 10
    assert all(s.comes_back for s in fresh)
    assert [s.comes_back for s in grokked] == [s.after.run.dataset_size == 228 for s in grokked]
    large = analysis.by_field(shakes, "dataset_size")[228]
    assert [s.change for s in large] == pytest.approx([0.01] * 10)
    assert analysis.changes_text(large) == "at 228 +1.0% without the rule, +1.0% with it"
    falling = analysis.shakes(*shaken(lost=0.2, rest=FALLING).values())
    assert {s.comes_back for s in falling} == {None}  # where they will end is not known
    assert {s.rested for s in analysis.shakes([altered(r, residual=0.3) for r in found])} == {False}
    assert analysis.shakes([r for r in found if not r.run.noise]) == []
    before = [replace(s.before, run=replace(s.before.run, keep_weights=False)) for s in shakes]
    assert analysis.anew_text(before, shakes) == "0.0% in Eq. (2) and 0.00 in test accuracy"
    before[3] = altered(before[3], test_accuracy=before[3].final("test_accuracy") - 0.25)
    assert analysis.anew_text(before, shakes) == "0.0% in Eq. (2) and 0.25 in test accuracy"
    assert analysis.anew_text([], shakes) == "not known"
    fig = shown(figures.fig_shaken(shakes), "15 came back")
    assert sum(len(t.x) for t in fig.data if t.mode == "markers") == 2 * len(shakes)


def test_a_height_is_the_top_of_a_push_over_the_lowest_before_it():
    made = pushed(fall=0.3)
    pushes = [barrier.Push(record) for record in made["pushed"]]
    assert len(pushes[0].costs) == 21
    assert {push.top for push in pushes} == {10}
    assert {round(push.base, 9) for push in pushes} == {230.0}
    assert [push.height for push in pushes[::5]] == pytest.approx([16.0, 9.6, 2.8])
    assert pushes[0].shares[10] == pytest.approx(0.35)
    assert all(push.rested for push in pushes)  # it falls by 0.13% before
    assert not any(barrier.Push(r).rested for r in pushed(fall=0.6)["pushed"])
    assert not any(barrier.Push(r).rested for r in pushed(residual=0.3)["pushed"])
    assert barrier.falls(pushes) == [True] * 10
    assert barrier.vanishing_sizes(pushes) == pytest.approx(dict.fromkeys(range(5), 1000))
    assert barrier.heights_text(pushes[:10]) == "16.0 at 600; 9.6 at 760"
    assert barrier.parts_text(pushes[:5]) == "7.0% at 600"
    assert barrier.heights_table(pushes).count("<tr>") == 16
    fig = shown(figures.fig_pushed(pushes, made["upper_branch"]), "15 networks", "9.6 at 760")
    assert len(fig.data) == 15 + 5 + 2


def test_a_push_that_still_rises_has_no_height_and_lines_that_rise_reach_no_zero():
    pushes = [barrier.Push(record) for record in pushed(over=False)["pushed"]]
    assert [push.height is None for push in pushes] == [False] * 10 + [True] * 5
    assert barrier.falls(pushes) == [True, None] * 5
    assert barrier.vanishing_sizes(pushes)[0] == pytest.approx(1000)  # by two sizes
    steeper = [barrier.Push(record) for record in pushed((2.0, 3.0, 4.0))["pushed"]]
    assert barrier.falls(steeper) == [False] * 10
    assert all(isnan(size) for size in barrier.vanishing_sizes(steeper).values())
    assert barrier.heights_text(pushes[10:]) == "not known"


def test_a_push_that_only_falls_has_a_height_of_0_and_one_that_drifts_and_rises_has_none():
    [down, up] = [barrier.Push(record) for record in pushed(over=False)["pushed"][-2:]]
    down.costs = np.linspace(230, 210, 21)
    up.costs = np.concatenate([np.linspace(230, 229, 11), np.linspace(229.5, 240, 10)])
    assert (down.height, down.base, down.top) == (0.0, 230.0, 0)
    up.costs[5] = up.costs[4] + 1e-4  # rounding
    assert (up.height, up.base, up.top) == (None, 229.0, 20)


def test_pushes_at_other_speeds_are_set_beside_those_of_the_same_seed():
    usual = [barrier.Push(record) for record in pushed((16.0,), sizes=(600,))["pushed"]]
    slow = [barrier.Push(record) for record in pushed((8.0,), sizes=(600,))["pushed"]]
    for push in slow:
        push.record = replace(push.record, run=replace(push.record.run, epochs=16_000))
    slow[0].costs = np.linspace(230, 210, 21)  # a height of 0 has no ratio
    slow[1].costs = slow[1].costs + 20  # a higher top, as far above memory
    both = barrier.by_speed([*slow, *usual])
    assert {gradients: len(own) for gradients, own in both.items()} == {200: 5, 800: 5}
    over = barrier.over_usual(slow, usual)
    assert (over.value, over.n) == (pytest.approx(0.5), 4)
    assert barrier.lower_tops(slow, usual) == "4 of 5 seeds, on 0 below its start"
    assert barrier.lower_tops(slow, usual[3:]) == "2 of 2 seeds, on 0 below its start"
    slow[4].costs[0] = 999  # memory was still falling
    assert barrier.lower_tops(slow, usual[3:]) == "2 of 2 seeds, on 1 below its start"
    fig = shown(figures.fig_speeds([*usual, *slow]), "800 gradients a step: 8.0")
    assert [*fig.data[-1].x] == [200, 800]


def test_kinks_are_told_by_median_and_range_over_networks():
    rows = [{"residual": 0.2, "on_kinks": 0.1}, {"residual": 0.4, "on_kinks": 0.1}]
    told = barrier.kinks_text(rows, "residual", "on_kinks")
    assert told == "0.30 (0.20 – 0.40), 0.10"


def test_stiffness_is_told_by_size_and_from_size_to_size_of_a_seed():
    each = [(seed, size) for seed in range(5) for size in (100, 200, 300)]
    rows = [
        {"seed": seed, "dataset_size": size, "accuracy": 0.1, "share": 0.1, "stiffness": k}
        | {"unsolved": 0.01}
        for seed, size in each
        for k in [900 - 2 * size + 300 * (seed == 4 and size == 200)]
    ]
    rows[-1] = rows[-1] | {"accuracy": 0.9}  # it has left memory
    rows += [{**rows[0], "stiffness": -5.0}, {**rows[0], "unsolved": 0.5}]  # saddles
    known = barrier.stiff(rows[::-1])
    assert [row.dataset_size for row in known[:4]] == [100, 200, 300, 100]
    told = "700 at 100; 500 (500 – 800) at 200; 300 at 300"
    assert barrier.stiff_text(known, "stiffness") == told
    assert barrier.stiff_text(known, "relative", ".1f").startswith("7.0 at 100")
    assert barrier.softened(known, "stiffness") == [True] * 8 + [False]
    assert barrier.softens_at(known[:12]).text() == "450"
    assert barrier.softens_at(known[-2:]).seen == 0
    over = barrier.over_least(known, "relative")
    assert (over.value, over.n) == (pytest.approx(3 / 7), 4)
    shown(figures.fig_stiff(known), told)


def test_networks_that_are_let_go_are_set_beside_memory_and_the_grokked_one_of_their_train_set():
    pushes = [barrier.Push(record) for record in pushed()["pushed"]][:10]
    ends, rules = [], []
    for push in pushes:
        run = replace(push.record.run, push=0.0, epochs=4000)
        norm = (2 * (push.base - 3.5 + run.seed)) ** 0.5  # seeds 0 to 3 rest below memory
        own = {"param_norm": norm, "train_loss": 0.0, "n_key_frequencies": 2.0}
        ends.append(end(run, start=0.0, test_accuracy=0.1 * run.seed, **own))
        own |= {"param_norm": (2 * 210) ** 0.5, "test_accuracy": 0.9}
        rules.append(end(replace(run, init=Run(keep_weights=True)), **own))
    memories = barrier.lowest(pushes, rules[:1])
    assert sorted(memories.values())[:2] == pytest.approx([210.0, 230.0])
    assert barrier.lower_text(pushes, memories) == "1 of 10"
    assert barrier.over_lowest_text(pushes[:5], memories) == "16.0 (16.0 – 36.0) at 600"
    found = barrier.released(ends, pushes, rules, memories)
    assert sum(least(each.end) < each.memory for each in found) == 7
    assert len(found) == 10
    assert not any(each.below_grokked for each in found)
    counts = barrier.counts_text(found, lambda each: least(each.end) < each.push.base)
    assert counts == "4 of 5 at 600, 4 of 5 at 760"
    assert barrier.ends_text(found, "test_accuracy", ".1f") == (
        "0.2 (0.0 – 0.4) at 600; 0.2 (0.0 – 0.4) at 760"
    )
    assert len(barrier.released(ends, pushes, rules[:3], memories)) == 3
    assert barrier.released_table(found).count("<tr>") == 11
    assert len(shown(figures.fig_released(found), "8 of 10 end below").data) == 30


def test_the_spread_of_norms_is_over_weight_decays_at_one_size_and_seed():
    def at(decay, seed, norm):
        run = Run(p=31, dataset_size=300, weight_decay=decay, seed=seed)
        return handmade.record(run, [0, 1], param_norm=norm)

    found = analysis.norm_spread([at(1, 0, 30), at(2, 0, 33), at(1, 1, 40), at(2, 1, 40)])
    assert found.text(".2f") == "0.05 (0.00 – 0.10)"
