"""How steep the loss is at minima of both circuits, and whether AdamW stays there."""

from dataclasses import replace
from math import isnan

import evidence
import numpy as np
import pytest
from handmade import shown

from grokkit.runs import Run
from varma2023 import board, measures
from varma2023.convergence import steepness
from varma2023.convergence.steepness import MEMORY, RULE


def test_the_limit_is_that_of_averaged_gradients():
    assert measures.stable_below(Run()) == pytest.approx(38)
    # theta <- theta - lr m with m <- beta1 m + (1 - beta1) c theta, on both sides of the limit
    for share, grows in ((0.99, False), (1.01, True)):
        rate = share * measures.stable_below(Run(beta1=0.6))
        theta, m = 1.0, 0.0
        for _ in range(3000):
            m = 0.6 * m + 0.4 * theta
            theta -= rate * m
        assert (abs(theta) > 1) == grows


def test_pairs_that_do_not_hold_what_they_should_are_left_out():
    minima = steepness.minima(evidence.from_minima())
    assert len(minima) == 3 * 5 * 2
    assert [len(minimum.adamw) for minimum in minima] == [3] * len(minima)
    assert steepness.minima(evidence.from_minima(fresh=0.6)) == []
    assert board.judge("B33", from_minima=evidence.from_minima(fresh=0.6)).core is None


def test_ratios_are_by_setting_and_the_change_with_weight_decay_by_kind():
    minima = steepness.minima(evidence.from_minima(rule=5, memory=20, decay=0.5))
    ratios = steepness.ratios(minima)
    assert next(map(str, ratios)) == "p = 113, width 128, λ = 0.5"
    assert [ratio.value for ratio in ratios.values()] == pytest.approx([4, 4, 4])
    for kind in (RULE, MEMORY):
        ratio, decays = steepness.over_decay(minima, kind)
        assert (ratio.value, decays) == (pytest.approx(2), 4)
    table = steepness.steepness_table(minima)
    assert "p = 113, width 128, λ = 2" in table
    assert "<td>1.9·10⁻³</td>" in table  # 38 ε over the 20 of memory at λ = 1


def test_adamw_leaves_where_its_step_is_too_long_or_the_limit_is_wrong():
    minima = steepness.minima(evidence.from_minima())
    assert all(steepness.right(minima))
    assert steepness.left_text(minima, MEMORY).startswith("0 of 15 at η = 0.001, 10 of 15 at η =")
    calm = steepness.minima(evidence.from_minima(calm=True))
    assert steepness.left_text(calm, RULE).endswith("0 of 15 at η = 0.016")
    assert sum(steepness.right(calm)) == 90 - (10 + 15) - (5 + 15)  # of memory, of the rule


def test_ways_from_memory_are_told_beside_the_usual_one_from_the_same_minima():
    records = evidence.from_minima(memory=20)
    steep = [r for r in evidence.from_minima(memory=50) if r.run.optimiser == "adamw"][15:]
    ways = [replace(r, run=replace(r.run, loss="rounded")) for r in steep[:6] if r.run.lr == 1e-3]
    assert [(way.run.weight_decay, way.run.seed) for way in ways] == [(0.5, 0), (0.5, 1)]
    table = steepness.ways_table(ways, records)
    assert table.count("<tr>") == 1 + 3 + 1  # of the rates of those, and of these
    assert "<td>0.001, float32, exact</td><td>0 of 2</td><td>10</td>" in table
    assert "float32, rounded</td><td>0 of 2</td><td>25</td>" in table
    assert "<td>0.016, float32, exact</td><td>2 of 2</td><td>160</td>" in table


def test_where_adamw_ends_is_told_by_learning_rate():
    minima = steepness.minima(evidence.from_minima())
    # where it leaves, norm 24 to 27; at weight decay 1 from 24^2 / 2 + 10 to 27^2 / 2 + 10
    assert steepness.height_text(minima, MEMORY).split(", ") == [
        "1 at η = 0.001",
        "1.26 (1 – 1.26) at η = 0.004",
        "1.26 (1.25 – 1.26) at η = 0.016",
    ]
    assert steepness.edge_text(minima, RULE) == "6 (3 – 12)"


def test_the_figure_has_every_minimum_and_every_run_of_adamw_from_there():
    minima = steepness.minima(evidence.from_minima())
    shown(steepness.fig_steepness([]), "no pair")
    fig = shown(steepness.fig_steepness(minima), "λ = 0.5 × 3", "of memory: 0 of 15")
    assert [len(trace.x) for trace in fig.data] == [15, 45, 15, 45]
    assert {trace.name for trace in fig.data} == {RULE, MEMORY}
    assert {symbol for trace in fig.data for symbol in trace.marker.symbol} == {"circle"}


def test_what_was_still_falling_is_open_and_left_out_where_only_pairs_at_rest_count():
    falling = evidence.from_minima(seeds=(0,), rest=evidence.FALLING)
    minima = steepness.minima([*falling, *evidence.from_minima(seeds=(1, 2), memory=24)])
    assert {minimum.again.run.seed for minimum in steepness.at_rest(minima)} == {1, 2}
    assert {ratio.n for ratio in steepness.ratios(steepness.at_rest(minima)).values()} == {2}
    fig = shown(steepness.fig_steepness(minima))
    of_memory = fig.data[2]  # by setting a falling one, then two at rest
    assert list(of_memory.marker.symbol).count("circle-open") == 3
    assert fig.data[3].marker.symbol.count("circle-open") == 9
    assert steepness.steepness_table(steepness.minima(falling)).count("<td>–</td>") == 3


def test_exponents_of_steepness_are_by_circuit_and_what_does_not_hold_it_is_left_out():
    minima = steepness.every_minimum(evidence.minima_by_size(memory=0.75, rule=-0.5))
    assert [e.value for e in steepness.exponents(minima)] == pytest.approx([0.75, -0.5, 1.25])
    spread = steepness.every_minimum(evidence.minima_by_size(memory=0.5, apart=0.25))
    assert steepness.slopes(spread, MEMORY) == pytest.approx({n: n / 4 for n in range(5)})
    records = evidence.minima_by_size(rest=evidence.FALLING)
    assert board.judge("B37", minima_by_size=records).core is None
    falling = steepness.every_minimum(records)
    assert [isnan(e.value) for e in steepness.exponents(falling)] == [True, True, True]
    lost = [m for m in minima if m.kind == RULE or m.again.run.dataset_size == 300]
    assert [isnan(e.value) for e in steepness.exponents(lost)] == [True, False, True]
    for minimum in minima:
        if minimum.kind == RULE and minimum.again.run.dataset_size == 2400:
            minimum.adamw[0].metrics["test_accuracy"] = np.full(3, 0.4)
    assert steepness.slopes(minima, RULE) == {}


def test_memory_is_too_steep_for_adamw_from_the_size_at_which_it_crosses_the_limit():
    minima = steepness.every_minimum(evidence.minima_by_size())  # 15, 30, 60 at 300, 600, 1,200
    crossed = 600 * 2 ** ((38 - 30) / 30)
    assert steepness.too_steep_text(minima).startswith(f"{crossed:,.0f} (")
    calm = steepness.every_minimum(evidence.minima_by_size(memory=0))
    assert steepness.too_steep_text(calm).startswith("above 1,200")
    assert steepness.too_steep_text([]) == "none"


def test_the_figure_by_size_has_a_line_for_every_seed_and_circuit():
    falling = evidence.minima_by_size(seeds=(0, 1), rest=evidence.FALLING)
    records = [*falling, *evidence.minima_by_size(seeds=(2,), p=53)]
    fig = shown(
        steepness.fig_steep_sizes(records), "p = 53, width 128, λ = 1: memory's 1.00 (1 seed)"
    )
    lines = [trace for trace in fig.data if trace.x[0] is not None]
    assert [len(trace.x) for trace in lines] == [2, 2, 3, 3, 2, 3]
    assert [*lines[2].y] == pytest.approx([15, 30, 60])
    assert {symbol.endswith("-open") for symbol in lines[2].marker.symbol} == {True}
    assert {trace.name for trace in fig.data if trace.showlegend} == {RULE, MEMORY}
