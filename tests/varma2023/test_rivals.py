"""Rival accounts: what was changed, spikes, delays; verdicts and figures, on records by hand."""

from dataclasses import replace
from functools import partial

import evidence
import numpy as np
import pytest
from handmade import UNGROKKED, shown

from grokkit.runs import Run
from varma2023 import board, measures
from varma2023.rivals import analysis, figures

RUN = Run(p=53, dataset_size=1200, epochs=20_000)
EPOCHS = np.arange(0, 20_001, 100)
made = partial(evidence.ablation, RUN)  # fits at epoch 200 and generalises at 4,000
sweep = partial(evidence.ablations, range(3), base=RUN)


def test_what_was_changed_is_read_off_the_run():
    groups = analysis.variants(sweep())
    decays, starts = ["no weight decay", "weight decay 0.3"], ["initial weights × 2"]
    starts += ["initial weights × 0.5"]
    assert list(groups) == ["nothing changed", *decays, *starts, "rounded loss"]
    both = replace(RUN, weight_decay=0.0, init_scale=2.0)
    assert analysis.variant(both) == "no weight decay, initial weights × 2"
    assert [len(group) for group in groups.values()] == [3] * 6


def test_a_spike_is_a_stretch_far_above_the_least_so_far():
    assert measures.spikes(made()) == 0  # the high loss before the fit is none
    spiky = made(spiky=[1000, 1100, 3000, 8000])
    assert measures.spikes(spiky) == 3
    assert measures.spikes(spiky, before=True) == 2
    assert measures.spikes(made(general=None, spiky=[1000, 19_000]), before=True) == 2
    half = made(train_loss=np.where(EPOCHS < 5000, 1e-7, 0.9e-5))  # rises, but not a hundredfold
    assert measures.spikes(half) == 0
    assert measures.spikes(made(train_accuracy=0.9, spiky=[1000])) == 0  # never fits


def test_epochs_are_infinite_where_a_run_never_generalises():
    runs = [made(general=g) for g in (4000, None, 6000)]
    assert [*map(measures.general_epoch, runs)] == [4000, np.inf, 6000]
    assert analysis.general_median(runs) == 6000
    assert analysis.general_median(runs[:2]) == np.inf
    bound = "below 0.50, as none has generalised"  # in 20,000 epochs
    fastest = [analysis.fastest_text(some) for some in (runs, runs[1:2], [])]
    assert fastest == ["2.50", bound, "not known"]
    assert analysis.delays(runs).text("g") == "25 (20 – 30), in 2 of 3 runs"


def test_the_norm_falls_from_its_peak_to_generalisation():
    assert analysis.norm_falls(made()) == 1
    walk = np.where(EPOCHS % 200 == 0, 50.0, 49.0)
    assert analysis.norm_falls(made(param_norm=walk)) == pytest.approx(0.5)


def test_rates_that_add_up_give_the_rate_without_decay():
    runs = [
        evidence.ablation(replace(RUN, weight_decay=decay, seed=seed), general)
        for decay, general in ((0.0, None), (0.5, 5000), (1.0, 2500))
        for seed in range(3)
    ]
    found = analysis.rate_at_zero(runs)  # 0.2 and 0.4 a thousand epochs: through zero
    assert found.value == pytest.approx(0, abs=1e-9)
    more = [*runs[:6], *(evidence.ablation(replace(RUN, seed=seed)) for seed in range(3))]
    assert analysis.rate_at_zero(more).text().startswith("1.50 (")
    assert np.isnan(analysis.rate_at_zero(runs[:6]).value)  # one weight decay makes no line
    assert list(analysis.by_decay(sweep())) == [0.0, 0.3, 1.0]


def test_the_criteria_of_secs_6_and_7_follow_the_runs():
    assert list(analysis.decay_criteria(sweep(without=2000)).values()) == [False, True]
    assert list(analysis.decay_criteria(sweep(less=3000)).values()) == [True, False]
    assert list(analysis.rival_criteria(sweep(small=30.0)).values()) == [True, None]


def test_tables_and_the_row_of_weight_decay_say_what_was_seen():
    every = evidence.ablations(range(2), base=RUN)
    table = analysis.ablations_table(every)
    assert table.count("<tr>") == 1 + 6
    assert "<td>4, 4</td>" in table  # rounded: two spikes in each of two runs, all before
    text = analysis.spikes_seen(every)
    assert "nothing changed: 2 of 2 runs grok, at epoch 4,050 (4,000 – 4,100), 2 of them" in text
    assert "0 of them without a spike before; 4 spikes in all before they grok" in text
    text = analysis.starts_seen(every)
    assert "initial weights × 0.5: the norm goes from 20 to 24; 2 of 2 runs grok" in text
    seen = "with nothing changed the norm falls in 100% of the evaluations from its peak until "
    assert analysis.walks_seen(every).startswith(f"{seen}it generalises. Epoch at which ")
    fewest = "0.02 with 390 examples and at 0.99 with 1,494 examples"
    assert analysis.forgets_seen(UNGROKKED) == f"trained on, test accuracy ends at {fewest}"
    ours = board.judge("S7", ablations=sweep()).ours
    assert "0: 15,100, 0.3: 9,100, 1: 4,100" in ours
    assert ours.endswith("without any, 3 of 3 on 1,200 examples grok")


def test_what_adams_eps_stops_is_measured_on_the_same_examples():
    usual = [r for r in sweep(without=None) if r.run.weight_decay == 0]
    free = [
        evidence.ablation(replace(r.run, eps=1e-150), None, test_accuracy=0.4 + 0.005 * r.run.seed)
        for r in usual
    ]
    far = evidence.ablation(replace(usual[0].run, dataset_size=2000), None)
    found = analysis.gain([*free, *usual, far])
    assert found.value == pytest.approx(np.mean([0.005 * r.run.seed for r in usual]))
    assert np.isnan(analysis.gain([*free, far]).value)
    said = board.judge("S7", ablations=sweep(without=None), without_decay=[*free, *usual, far])
    name = "without Adam's ε networks end at a higher test accuracy"
    assert "without any, 0 of 9 on 1,200, 0 of 1 on 2,000 examples grok, within" in said.ours
    assert said.further[name] is False
    fig = shown(figures.fig_without_decay([*usual, *free]), "ε = 10⁻¹⁵⁰: 0.41 (0.40 – 0.41); 1,200")
    assert len(fig.data) == (2 * 3 + 2) * 3
    late = evidence.ablation(far.run, 9000)
    assert board.judge("S7", ablations=sweep(without=None), without_decay=[late]).core


def test_slingshots_are_counted_by_loss_and_by_size():
    spiky = evidence.ablation(RUN, spiky=(1000, 2000, 2100, 3500))  # two rows are one spike
    assert analysis.apart(spiky) == 1250
    assert np.isnan(analysis.apart(evidence.ablation(RUN, spiky=(1000,))))
    high, low = (evidence.ablation(RUN, test_accuracy=end) for end in (0.9, 0.3))
    assert [*map(analysis.above_mirrors, (high, low))] == [True, False]
    assert analysis.norms_text([high, low, high]) == "24, that of the others 24"
    assert analysis.norms_text([low]) == "none, that of the others 24"
    assert analysis.ends_text([high, low], [low]) == "0.60 (0.30 – 0.90) and 0.30"
    more = evidence.ablation(replace(RUN, dataset_size=900), None)
    assert analysis.grok_text([high, low, more]) == "0 of 1 on 900, 0 of 2 on 1,200"
    made = evidence.slingshots(higher=0.03)
    fig = shown(figures.fig_slingshots(made["slingshots"]), "of 12 networks without weight decay.")
    assert fig.layout.xaxis.type != "log"
    assert len(fig.data) == 3 * (12 + 4)  # each network, and medians
    known = analysis.Slingshots.of(made["slingshots"])
    assert [*map(analysis.n_spike, (*known.few, *known.many, known.slow))] == [
        *("5 of 5", "0 of 5", "5 of 5", "0 of 5", "1 of 1")
    ]
    assert known.gain().value == pytest.approx(0.03)
    said = board.judge("B53", **made)
    assert "on 9,000 examples 5 of 5 and 0 of 5; with the rounded one" in said.ours
    assert said.ours.endswith("ends +0.030 (+0.030 – +0.030) higher, and 5 of 10 grok")
    none = evidence.slingshots(higher=0.01, groks=False, many=False, calm=True)
    assert [*board.judge("B53", **none).further.values()] == [True, True, False, False, False]
    assert board.judge("B53", **evidence.slingshots(spiky=False)).core is False
    (few, exact), kinds = known.few, (True, False)
    half = [evidence.ablation(r.run, spiky=(1000,) * k) for r, k in zip(few, kinds, strict=False)]
    assert not measures.spike_by_rounding(half, exact)
    free = [evidence.ablation(replace(r.run, eps=1e-150)) for r in known.few[1]]
    both = {"without_decay": [*free, *known.many[1]], **made}
    assert len(analysis.later(both)) == 5 + 21
    ours = board.judge("S7", ablations=sweep(), **both).ours
    assert ours.endswith("5 of 10 on 9,000 examples grok, within 25,000 – 100,000 epochs")


def test_late_rises_are_read_from_where_they_stay():
    [records] = evidence.longer_slingshots(risen=3).values()
    assert [*map(analysis.rises, records)] == [30_000] * 3 + [None] * 2
    told = "at epoch 30,000, in 3 of 5 runs; all stand still from epoch 10,000 on"
    assert analysis.rise_text(records) == told
    assert analysis.rise_text(records[3:]).startswith("never (0 of 2 runs); all stand still")
    fallen = np.where(records[0]["epoch"] < 40_000, records[0]["test_accuracy"], 0.3)
    assert analysis.rises(evidence.altered(records[0], test_accuracy=fallen)) is None
    fig = shown(figures.fig_longer(records), f"It passes the bound {told}.")
    assert len(fig.data) == 5
    bound = max(measures.memory_bound(record.run) for record in records)
    assert max(shape.y0 for shape in fig.layout.shapes) == bound
    said = board.judge("B54", longer_slingshots=records)
    assert said.ours.startswith("3 of 5 end above it, and 3 of 5 grok")
    assert [*said.further.values()] == [False, True]


def test_figures_of_ablations_and_of_when_they_grok_are_fit_to_print():
    every = evidence.ablations(range(2), without=None, base=RUN)
    fig = shown(figures.fig_ablations(every), "no weight decay: 0 of 2; weight decay 0.3: 2 of 2")
    assert len(fig.data) == (12 + 6) * 3  # every run, and a median by what was changed
    strong = [t for t in fig.data if t.line.width > 2]
    assert len({t.line.dash for t in strong}) == len({t.line.color for t in strong}) == 6
    when = shown(figures.fig_when(every), "nothing changed 4,050", "no weight decay never")
    general = when.data[1]
    arrows = [y for y, s in zip(general.y, general.marker.symbol, strict=True) if "arrow" in s]
    assert arrows == ["no weight decay"]
    assert {trace.meta["seed"] for trace in when.data} == {0, 1}
