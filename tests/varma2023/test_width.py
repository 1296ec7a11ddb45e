"""D_crit at two widths: shifts seed by seed, and what the costs of both circuits predict."""

import evidence as made
import numpy as np
import pytest
from evidence import FALLING

from varma2023 import board, experiments
from varma2023.efficiency import width
from varma2023.ungrokking import sweeps


def test_the_wide_runs_are_those_of_the_moduli_and_the_narrow_ones_their_pairs():
    runs, known = sweeps.widths(), sweeps.moduli()
    narrow, wide = ([r for r in runs if r.model.d_model == d] for d in (64, 128))
    ends = [[r for r in of if r.labels == "true"] for of in (narrow, wide)]
    assert ends[1] == [r for r in known if r.p == 53]
    pairs = [{(r.dataset_size, r.seed) for r in of} for of in ends]
    assert pairs[0] > pairs[1]
    assert len({size for size, _ in pairs[0] - pairs[1]}) == 1
    assert all(r.init.model == r.model for r in runs)
    memory = [r for r in runs if r.labels == "random"]
    assert len({(r.model.d_model, r.dataset_size) for r in memory}) == 6
    assert all(r.until_rest for r in runs)
    assert len(experiments.EXPERIMENTS["widths"].runs("quick")) == 13


def test_measured_and_predicted_sizes_are_those_of_every_seed():
    narrow, wide = width.widths(made.by_width(narrow=1.4)["widths"])
    assert (narrow.d_model, wide.d_model) == (64, 128)
    for found, crit in ((narrow, 1.4 * made.D_CRIT), (wide, made.D_CRIT)):
        assert [*found.crits.values()] == pytest.approx([crit] * 5, rel=0.02)
        assert [*found.predicted.values()] == pytest.approx([crit] * 5, rel=0.02)
    both = [narrow, wide]
    assert width.shift(both, lambda each: each.crits).value == pytest.approx(1 / 1.4, rel=0.02)
    assert width.over_predicted(both).value == pytest.approx(1, rel=0.02)
    dearer = width.widths(made.by_width(narrow=1.4, dearer=1.5)["widths"])
    assert width.over_predicted(dearer).value == pytest.approx(1.5, rel=0.02)


def test_a_seed_without_a_rule_leaves_no_prediction_and_memory_that_falls_none_that_counts():
    records = made.by_width()["widths"]
    last = [r for r in records if (r.run.dataset_size, r.run.labels) == (3000, "true")]
    last[0].metrics["test_accuracy"] = np.array([1.0, 0.9])
    narrow, _ = width.widths(records)
    assert len(narrow.predicted) == 4
    assert np.isnan(width.over_predicted(width.widths(records)).value)
    falling = made.by_width(mem=FALLING)
    assert not any(each.can_predict for each in width.widths(falling["widths"]))
    told = board.judge("B15", **falling)
    assert told.core
    assert told.further["by as much as the costs of both circuits say"] is None


def test_the_figure_has_every_end_and_the_table_every_width():
    found = width.widths(made.by_width()["widths"])
    fig = width.fig_widths(found)
    assert f"128: {made.D_CRIT:.0f}" in fig.layout.meta["alt"]
    named = {trace.name for trace in fig.data}
    assert {"memory, d<sub>model</sub> = 64", "rule, d<sub>model</sub> = 128"} <= named
    text = width.widths_table(found)
    assert text.count("<tr") == 3
    assert "35 of 35" in text
