"""D_crit from the costs of both circuits: seed by seed, at two widths, with two kinds of memory."""

from dataclasses import replace

import evidence as made
import numpy as np
import pytest
from evidence import FALLING
from handmade import record

from grokkit.runs import Run
from varma2023 import board, measures
from varma2023.efficiency import analysis, costs
from varma2023.statistics import mean_ratio

AS_TOLD = "D_crit changes by as much as the costs of both circuits say"  # a criterion of B15


def test_measured_and_predicted_sizes_are_those_of_every_seed():
    narrow, wide = costs.widths(made.by_width(narrow=1.4)["widths"])
    assert (narrow.label, wide.label) == ("d_model = 64", "d_model = 128")
    for found, crit in ((narrow, 1.4 * made.D_CRIT), (wide, made.D_CRIT)):
        assert [*found.crits.values()] == pytest.approx([crit] * 5, rel=0.02)
        assert [*found.predicted.values()] == pytest.approx([crit] * 5, rel=0.02)
        assert found.two_sizes == pytest.approx((crit, crit), rel=0.02)
    assert np.isnan(costs.Costs("no memory", wide.ends, []).two_sizes[1])
    dear = [r for r in wide.memory if r.run.seed == 0 or r.run.dataset_size < made.D_CRIT]
    of_two = replace(wide, memory=[r for r in dear if r.run.seed < 2])
    assert of_two.by_own_memory[0] == pytest.approx(made.D_CRIT, rel=0.02)
    assert [*of_two.by_own_memory] == [0, 1]
    assert np.isnan(of_two.by_own_memory[1])  # its own memory is on too few examples
    assert mean_ratio(wide.crits, narrow.crits).value == pytest.approx(1 / 1.4, rel=0.02)
    assert mean_ratio(wide.ratios, narrow.ratios).value == pytest.approx(1, rel=0.02)
    low, high = costs.widths(made.by_width(narrow=1.4, dearer=1.5)["widths"])
    assert mean_ratio(high.ratios, low.ratios).value == pytest.approx(1.5, rel=0.02)


def test_a_seed_without_a_rule_leaves_no_prediction_and_memory_that_falls_none_that_counts():
    records = made.by_width()["widths"]
    last = [r for r in records if (r.run.dataset_size, r.run.labels) == (3000, "true")]
    last[0].metrics["test_accuracy"] = np.array([1.0, 0.9])
    narrow, wide = costs.widths(records)
    assert (len(narrow.predicted), narrow.without) == (4, 1)
    assert mean_ratio(wide.ratios, narrow.ratios).n == 4
    assert board.judge("B15", widths=records).further[AS_TOLD] is None
    cheap = [r for r in wide.memory if r.run.dataset_size < 1000]  # cheaper than every rule
    assert costs.Costs("few", wide.ends, cheap).without == 5
    told = board.judge("B15", **made.by_width(mem=FALLING))
    assert told.core
    assert told.further[AS_TOLD] is None


def test_what_still_falls_or_is_not_there_meets_no_criterion():
    found = made.mixtures()
    for kind in ("two_minima", "papers_memory"):  # then at neither modulus
        found[kind] = made.with_rest(found[kind], FALLING)
        told = board.judge("B44", **found)
        assert told.further["the claim holds at p = 31"] is None
    assert told.core is None
    found = made.by_rounded_costs()
    seeds = [(r, replace(r.run, seed=r.run.seed + 20)) for r in found["memory_at_rest"]]
    other = [replace(record, run=run) for record, run in seeds]
    lower = "in the mean, rounding lowers memory's cost by less than 2% on each size"
    assert board.judge("B51", **found).further[lower]
    assert board.judge("B51", **found | {"memory_at_rest": other}).further[lower] is None


def test_the_figure_has_every_end_and_the_table_every_width():
    found = costs.widths(made.by_width()["widths"])
    fig = costs.fig_costs(found)
    assert f"128: networks forget below {made.D_CRIT:.0f}" in fig.layout.meta["alt"]
    named = {trace.name for trace in fig.data}
    assert {"memory, d<sub>model</sub> = 64", "rule, d<sub>model</sub> = 128"} <= named
    entries = [trace.name for trace in fig.data if trace.showlegend]
    assert entries[2:5] == ["after ungrokking", "rule", "memory"]  # each once; widths by dash
    assert {trace.legendgroup for trace in fig.data} == {*entries}
    text = costs.costs_table(found)
    assert text.count("<tr") == 3
    assert "35 of 35" in text


def fresh(**changes):
    """Ends of ungrokking, and networks that never grokked, as claim B18 reads them."""
    ends, memory, more = made.by_costs(**changes).values()
    return ends, [*memory, *more]


def by_labels(**changes):
    return costs.by_labels(*fresh(**changes))


def judged(ends, memory):
    found = {"moduli": ends, "memory_at_rest": memory[:1], "upper_branch": memory[1:]}
    return board.judge("B18", **found)


def test_a_prediction_rests_on_memory_beside_it_and_on_the_rules():
    random, true = by_labels(dearer=1.05, true=1.05)
    assert random.label == "random labels"
    assert [*random.predicted.values()] == pytest.approx([1.05 * made.D_CRIT] * 5, rel=0.02)
    assert random.measured_over_predicted.value == pytest.approx(1 / 1.05, rel=0.02)
    assert true.measured_over_predicted.value == pytest.approx(1, rel=0.02)
    asked = {r.run.dataset_size for r in random.beside if r.run.labels == "random"}
    assert asked == {650, 800}  # 1.05 times D_CRIT lies between them
    assert len([r for r in random.beside if r.run.labels == "true"]) == 5


def test_memory_that_falls_far_from_the_crossing_is_said_and_leaves_it_told():
    found = board.judge("B18", **made.by_costs(off=FALLING))
    assert found.core is True
    assert [met for name, met in found.further.items() if "is at rest" in name] == [None]


def test_a_fresh_network_with_some_of_the_rule_is_no_memory():
    ends, memory = fresh()
    memory[-1].metrics["test_accuracy"] = np.array([0.0, 0.2])
    assert [len(kind.memory) for kind in costs.by_labels(ends, memory)] == [20, 19]
    elsewhere = made.sweep(p=53, values=(1.0,))
    assert len(costs.by_labels([*elsewhere, *ends], memory)[0].ends) == len(ends)


def test_kinds_with_the_same_ends_share_their_curve():
    fig = costs.fig_costs(by_labels())
    marks = [shape.name for shape in fig.layout.shapes]  # said in the legend, not on the curves
    assert marks == [f"{text} {made.D_CRIT:.0f}" for text in ("forget below", "costs meet at")]
    named = {trace.name for trace in fig.data}
    assert {"memory, random labels", "memory, true labels", "rule"} <= named
    assert "rule, true labels" not in named
    ends, memory = fresh()
    low = [r for r in ends if r.run.dataset_size < made.D_CRIT]  # none holds the rule
    kinds = costs.by_labels(low, memory[:1])
    assert "rule" not in {trace.name for trace in costs.fig_costs(kinds).data}
    assert "<td>above 650 (each of 5 seeds)</td>" in costs.costs_table(kinds)


def test_the_size_told_by_equal_readings_is_where_memory_takes_the_rules_norm():
    memory, ends = made.memory(decays=(1.0,)), made.sweep(values=(1.0,))
    found = costs.at_papers_modulus(ends, memory)
    size = 1000 * (found.rules[0].final("param_norm") / 30) ** 2  # norm 30 (D / 1000)^0.5
    assert [*found.at_equal(lambda r: 1.0, kappa=4.0).values()] == pytest.approx([size] * 5)
    # memory with twice the rule's reading needs 2^(1 / kappa) less norm for the same
    more = found.at_equal(lambda r: 2.0 if r.run.labels == "random" else 1.0, kappa=4.0)
    assert [*more.values()] == pytest.approx([size * 2**0.5] * 5)


def test_the_margin_has_the_records_loss():
    [record, *_] = made.memory()
    assert np.log1p(np.exp(-analysis.margin(record))) == pytest.approx(record.final("train_loss"))


def test_the_kinds_do_not_depend_on_the_order_of_records():
    ends, memory = fresh(true=1.5)
    for order in (memory, memory[::-1]):
        told = judged(ends, order)
        true = told.further["the claim holds with memory of the true labels"]
        assert (told.core, true) == (True, False)
    only = [r for r in memory if r.run.labels == "random"]
    assert costs.by_labels(ends, only)[1].predicted == {}
    assert judged(ends, only).ours == ""


@pytest.mark.parametrize(("least", "core"), [(500, None), (700, True)])
def test_an_interval_across_the_bound_is_open(least, core):
    ends = made.by_seed({0: least, 1: least, 2: 750.0, 3: 750.0, 4: 750.0}, values=(1.0,))
    known = {r.run.seed: r for r in made.sweep(values=(1.0,), sizes=(3000,))}
    ends = [known[r.run.seed] if r.run.dataset_size == 3000 else r for r in ends]
    assert judged(ends, fresh()[1]).core is core


def test_a_falling_end_of_ungrokking_far_from_the_crossing_does_not_count():
    ends, memory = fresh()
    assert judged(made.with_rest(ends, FALLING, dataset_size=300), memory).core is True


def test_costs_along_rounded_kinks_are_of_the_same_seeds_and_their_figure_has_both():
    found = made.by_rounded_costs(lower=0.9, dearer=1.1)
    after = costs.rounded(found["moduli"], found["along_rounded_kinks"])
    before = costs.by_labels(found["moduli"], found["memory_at_rest"])[0]
    moved = costs.moved(after.memory, before.memory)
    assert [ratio for _, ratio in moved] == pytest.approx([0.9] * 20)
    assert costs.moved_text(after.memory, before.memory) == "-10.0%"
    assert {ratio for _, ratio in costs.moved(after.rules, before.rules)} == {1}
    # a table costs as D does, so the size goes as one over its price
    assert after.told.value == pytest.approx(before.told.value / 0.9, rel=0.01)
    fig = costs.fig_rounded(after, before)
    assert {trace.name for trace in fig.data} == {
        f"{of}, kinks {how}" for of in ("memory", "rule") for how in ("rounded", "as they are")
    }
    assert [line.name for line in fig.layout.shapes] == [
        f"forget below {after.two_sizes[0]:,.0f}",
        f"costs meet, rounded, at {after.told.value:,.0f}",
        f"as they are, at {before.told.value:,.0f}",
    ]


def test_the_lower_of_two_ends_of_a_seed_and_size_counts():
    found = made.by_rounded_costs(lower=0.9)
    before = [r for r in found["memory_at_rest"] if r.run.labels == "random"]
    some = [r for r in found["along_rounded_kinks"] if r.run.seed < 2]
    kept = costs.lower(before, some)
    ratios = [measures.least(a) / measures.least(b) for a, b in zip(kept, before, strict=True)]
    assert ratios == pytest.approx([0.9 if r.run.seed < 2 else 1.0 for r in before])
    assert [*map(measures.least, costs.lower(some, before))] == [*map(measures.least, some)]


def test_the_spread_of_costs_is_the_largest_of_any_size():
    def ends(size, *norms):
        runs = [Run(dataset_size=size, seed=seed) for seed in range(len(norms))]
        return [
            record(r, [0, 1], param_norm=n, train_loss=0) for r, n in zip(runs, norms, strict=True)
        ]

    assert costs.spread_text([*ends(300, 10, 11), *ends(400, 20, 20.1)]) == "21.0%"
