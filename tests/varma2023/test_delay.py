"""How long until a network groks: laws fitted to waits, some of them cut short, and comparisons."""

from dataclasses import replace
from itertools import product
from math import inf, log

import evidence as made
import numpy as np
import pytest
from handmade import altered, record, shown

from grokkit.runs import Run
from varma2023 import board, measures, profiles
from varma2023.delay import analysis, figures, muon, second_moment, sweeps
from varma2023.delay.analysis import LAWS, WITH_D_C, Waits, fit
from varma2023.measures import group


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_every_size_has_its_seeds_and_the_other_settings_as_many_decay_times(profile):
    runs = sweeps.delay(profile, seeds=4)
    first = runs[0]
    times = {(r.p, r.dataset_size): r.epochs / r.decay_time for r in runs if r.weight_decay == 1}
    settings = {(r.p, r.weight_decay) for r in runs if r.dataset_size != first.dataset_size}
    assert (first.p, 1.0) in settings
    for run in runs:
        if run.weight_decay != 1:
            same = times[run.p, run.dataset_size]
            assert run.epochs / run.decay_time == pytest.approx(same, rel=1e-3)
    by_size = [r for r in runs if (r.p, r.weight_decay) == (first.p, 1.0)]
    sizes = {r.dataset_size for r in by_size}
    assert [(r.dataset_size, r.seed) for r in by_size] == [*product(sorted(sizes), range(4))]
    longest = {p: max(t for (q, _), t in times.items() if q == p) for p in {r.p for r in runs}}
    smallest = {p: min(size for q, size in times if q == p) for p in longest}
    assert all(times[p, size] == longest[p] for p, size in smallest.items())


def test_the_moment_is_half_way_from_what_mirror_images_give():
    run = Run(p=31, dataset_size=440, lr=4e-3, weight_decay=0.5, epochs=4000)
    level = (1 + measures.mirror_share(run)) / 2
    assert 0.7 < level < 0.8
    epochs = [0, 1000, 2000, 4000]
    there = record(run, epochs, test_accuracy=[0, level - 0.01, level + 0.01, 1])
    assert analysis.halfway(there) == pytest.approx(2000 * 4e-3 * 0.5)
    assert analysis.halfway(record(run, epochs, test_accuracy=level - 0.01)) == inf


CRITS = {p: 1.4 * p * log(p) for p in (31, 53)}
RATES = {"divergence": 1.5, "nucleation": 60.0, "power": 3.0, "exponential": 0.01}
RATES |= {"levelling power": 6.0}
SIZES = dict.fromkeys(WITH_D_C, 300.0) | {"levelling power": 500.0}  # D_c or D_b


def waits(law: str, spread: float, until: float = inf) -> Waits:
    """Waits drawn from a law with D_c = 300, cut at a time."""
    size = np.repeat([320.0, 340, 380, 450, 600, 800], 60)
    mean = LAWS[law](size, SIZES.get(law, np.nan), RATES[law])
    drawn = mean - mean.min() + 1 + spread * np.random.default_rng(0).normal(size=len(size))
    return Waits(size, np.minimum(drawn, log(until)), drawn > log(until))


@pytest.mark.parametrize("law", LAWS)
def test_a_fit_finds_the_constants_of_its_law_and_beats_the_others(law):
    drawn = waits(law, 0.2)
    fits = {name: fit(name, drawn) for name in LAWS}
    found = fits[law]
    assert (found.rate, found.spread) == pytest.approx((RATES[law], 0.2), rel=0.1)
    near = 0.01 if law in WITH_D_C else 0.05
    assert found.size == pytest.approx(SIZES.get(law, np.nan), rel=near, nan_ok=True)
    assert (found.d_c == found.size) == (law in WITH_D_C)
    likely = {name: each.log_likelihood(drawn).sum() for name, each in fits.items()}
    best = max(likely.values())  # a divergence far below the sizes is as good as a power
    assert likely[law] == pytest.approx(best, abs=2.0)


def test_waits_cut_short_count_as_longer_ones():
    whole, cut = waits("divergence", 0.2), waits("divergence", 0.2, until=80.0)
    assert 30 < cut.censored.sum() < 120
    assert fit("divergence", cut).d_c == pytest.approx(300, rel=0.01)
    dropped = Waits(*(part[~cut.censored] for part in cut))
    lost, kept, known = (
        fit("divergence", each).log_time(np.array([320.0]))[0] for each in (dropped, cut, whole)
    )
    assert lost < kept == pytest.approx(known, abs=0.1)
    none = cut._replace(censored=np.ones(len(cut.size), bool))
    with pytest.raises(ValueError, match="needs networks that grok"):
        fit("power", none)


def test_no_time_is_enough_at_the_critical_size():
    found = analysis.Fit("divergence", 1.0, 300.0, 2.0, 0.5)
    assert found.log_time(np.array([250.0, 300.0, 301.0])).tolist() == [inf, inf, 1.0]
    at = Waits(np.array([250.0, 250.0]), np.zeros(2), np.array([True, False]))
    assert found.log_likelihood(at).tolist() == [0.0, -inf]


def test_comparisons_are_of_seeds_with_their_own():
    found = made.waits(p=31, twice=1.4, slower=3.0, spread=0.0, d_c=0.5)
    records = found["delay"]
    [(size, decays)] = analysis.by_decay(records).items()
    assert decays[2.0].value == pytest.approx(1.4, rel=1e-3)
    assert analysis.by_modulus(records, CRITS)[53].value == pytest.approx(3.0, rel=0.05)
    assert analysis.by_modulus(records, {31: 150.0}) == {}
    next(r for r in records if r.run.weight_decay == 2).metrics["test_accuracy"] = np.zeros(4)
    assert np.isnan(analysis.by_decay(records)[size][2.0].value)
    result = board.judge("B14", **found)
    assert result.further["at other weight decays networks take as many decay times"] is False
    assert result.further["at another modulus networks take as long, at equal D / D_crit"] is False


@pytest.mark.parametrize(
    ("noisy", "alike", "changes", "up_to"),
    [
        (1.2, True, {}, True),
        (0.5, False, {"upper": 1.5}, False),
        (1.0, True, {"rest": made.FALLING}, None),
    ],
)
def test_noise_and_the_end_of_memory_are_criteria_of_their_own(noisy, alike, changes, up_to):
    result = board.judge("B14", **made.waits(p=113, noisy=noisy, twice=1.4, **changes))
    assert result.core
    assert (
        result.further["the divergence's D_c is the size up to which fresh networks end in memory"]
        is up_to
    )
    assert "end in memory up to" in result.ours
    assert result.further["networks with noise on their gradients take as long"] is alike
    same, other = (f"× {of:.2f} ({of:.2f} – {of:.2f}) with a noise" for of in (1, noisy))
    assert f"time {same} of 1 ε; {other} of 10 ε" in result.ours


def test_a_rate_is_compared_by_seed_where_both_networks_got_there():
    slow, fast = (made.waits(range(3), p=31, spread=0.0, shift=k)["delay"] for k in (1.0, 2.0))
    assert analysis.at_rate(fast, slow).value == pytest.approx(2, rel=1e-3)
    assert analysis.at_rate(fast, slow).n == 3
    for one in slow:
        if one.run.seed == 1:
            one.metrics["test_accuracy"] = np.zeros(4)
    assert analysis.at_rate(fast, slow).n == 2
    assert np.isnan(analysis.at_rate(fast, []).value)


def test_the_spread_is_that_around_each_size_and_leaves_out_sizes_cut_short():
    records = analysis.comparable(made.waits(range(10), p=31, spread=0.3)["delay"])
    sizes = group(records, "dataset_size")
    off = [np.log([analysis.halfway(r) for r in here]) for here in sizes.values()]
    expected = np.sqrt(np.mean([np.var(each, ddof=1) for each in off]))
    assert analysis.spread(records).value == pytest.approx(expected)
    next(iter(sizes.values()))[0].metrics["test_accuracy"] = np.zeros(4)
    without = np.sqrt(np.mean([np.var(each, ddof=1) for each in off[1:]]))
    assert analysis.spread(records).value == pytest.approx(without)
    late, whole, *_ = sizes.values()
    assert analysis.spread_at(whole) == pytest.approx(np.std(off[1], ddof=1), rel=1e-3)
    assert analysis.spread_at(late) > np.std(off[0][1:], ddof=1)  # its end is later than all others
    assert np.isnan(analysis.spread_at(late[:4]))


def test_figure_and_tables_show_every_network_and_every_law():
    found = made.waits(p=31)
    records = found["delay"]
    records[0].metrics["test_accuracy"] = np.zeros(4)
    fig = figures.fig_delay(records, {31: 150.0, 53: 290.0}, (), found["upper_branch"], ())
    dots = [trace for trace in fig.data if trace.mode == "markers"]
    assert sum(len(trace.x) for trace in dots) == len(records) + len(analysis.comparable(records))
    assert sum(str(s).endswith("-open") for trace in dots for s in trace.marker.symbol) == 2
    assert {trace.name for trace in fig.data if trace.mode == "lines"} == set(LAWS)
    assert set(LAWS) <= {trace.name for trace in fig.data if trace.showlegend is not False}
    assert {"forget: 150", "memory: 149"} <= {note.text for note in fig.layout.annotations}
    assert "1 have not got there" in fig.layout.meta["alt"]
    assert analysis.laws_table(records).count("<tr") == 1 + len(LAWS)
    assert analysis.laws_table(records[:6]) == ""
    assert "in 4 of 5 runs" in analysis.times_table(records)
    assert analysis.growth_text(records[:6]) == "Too few runs to say"
    wide = made.waits(p=113)
    drawn = figures.fig_wide(records, wide["delay"], fewer=[*found["below"], *wide["below"][:3]])
    both = shown(drawn, "not there at their end: 1; p = 113: ")
    assert {trace.name for trace in both.data} == {"networks", "fewer examples, run later", *LAWS}
    dots = [trace for trace in both.data if trace.mode == "markers"]
    [first, second] = (len(analysis.comparable(here)) for here in (records, wide["delay"]))
    assert [len(trace.x) for trace in dots] == [first, 5, second, 3]


def test_fewer_examples_are_scored_by_laws_that_were_not_fitted_to_them():
    found = made.waits(p=113)
    above, below = analysis.comparable(found["delay"]), found["below"]
    known = analysis.scores([(above, below)])
    law = fit("power", Waits.of(above))
    alone = law.log_likelihood(Waits.of(below[:1]))
    assert known["power"][below[0].run.seed] == pytest.approx(np.maximum(alone, -5))
    assert known["power"][below[0].run.seed][0] < known["divergence"][below[0].run.seed][0]
    assert all(gain.low > 0 for gain in analysis.gains(known).values())
    never = analysis.scores([(above, [altered(r, test_accuracy=0.0) for r in below])])
    assert all(score == -5 for [score] in never["exponential"].values())  # at its end it is certain
    assert all(score > -5 for [score] in known["divergence"].values())


def test_the_growth_is_that_of_medians_from_the_second_size_to_the_least():
    records = made.waits(p=113, law="power", spread=0.0)["delay"]
    own = group(analysis.comparable(records), "dataset_size")
    least, more = (analysis.halfway(here[0]) for here in [*own.values()][:2])
    ratio = f"{least / more:.1f}"
    said = f"{ratio} times as long (medians); by the power law {ratio}"
    assert analysis.growth_text(records) == said


def test_grokfasts_figure_shows_both_ends_and_the_waits_of_the_same_networks():
    found = made.grokfast(moved=1.2, faster=0.5, p=113)
    runs = analysis.Grokfast.of(found["grokfast"])
    n = [len(of) for of in (runs.usual, runs.amplified, runs.weaker, runs.waits)]
    assert n == [25, 25, 10, 10]
    assert runs.size_ratio.value == pytest.approx(1.2, rel=0.01)
    times = [ratio.value for ratio in runs.times(found["delay"]).values()]
    assert times == pytest.approx([0.5, 1.0], rel=0.01)
    fig = figures.fig_grokfast(runs, found["delay"])
    dots = [trace for trace in fig.data if trace.mode == "markers" and trace.xaxis == "x2"]
    assert [len(trace.x) for trace in dots] == [10, 10, 10]
    assert "Grokfast × 0.50" in fig.layout.meta["alt"]


def test_two_standard_errors_of_the_critical_size_are_those_of_a_mean_of_seeds(monkeypatch):
    def mean_size(law, waits):
        return analysis.Fit(law, 0.0, float(waits.size.mean()), 0.0, 0.0)

    monkeypatch.setattr(analysis, "fit", mean_size)
    records = made.waits(p=113)["delay"]
    moved = [replace(r.run, dataset_size=r.run.dataset_size + 7 * r.run.seed**2) for r in records]
    moved = [replace(r, run=run) for run, r in zip(moved, records, strict=True)]
    found = analysis.critical(moved)
    seeds = group(analysis.comparable(moved), "seed").values()
    by_seed = [np.mean([r.run.dataset_size for r in own]) for own in seeds]
    error = np.std(by_seed, ddof=1) / len(by_seed) ** 0.5
    assert found.high - found.value == pytest.approx(2 * error)


def test_muons_figure_and_its_readings_follow_the_runs():
    found = made.by_muon(moved=1.5, shorter=2.0, off=0.9, early=0.5, late=2.0)
    runs = muon.Muon.of(found["muon"], found["grokfast"])
    assert [ratio.value for ratio in runs.ratios.values()] == pytest.approx([1.5, 2.0], rel=0.03)
    assert runs.slower.value == pytest.approx(0.5 * np.log(1 / 0.9), rel=0.05)  # a curve of ln D
    assert [t.value for t in runs.times(found["delay"]).values()] == pytest.approx(
        [2, 0.5], rel=0.1
    )
    assert all(runs.still)
    kinds = found["muon"], found["grokfast"]
    later = [[r for r in kind if r.run.init and r.run.lr != 2e-3] for kind in kinds]
    more = [replace(r, run=replace(r.run, seed=r.run.seed + 5)) for kind in later for r in kind]
    both = muon.Muon.of(*kinds, more)
    assert len(both.usual) == 2 * len(runs.usual)
    assert both.waits == runs.waits
    assert both.slow == runs.slow
    assert [ratio.n for ratio in both.ratios.values()] == [10, 10]
    epochs = [0, 3600, 3800, 4000]
    late = record(replace(runs.slow[0].run, epochs=4000), epochs, test_accuracy=[1, 0.6, 0.5, 0.5])
    assert not replace(runs, slow=[late]).still[-1]
    shown = runs.figure(found["delay"])
    assert {trace.name for trace in shown.data} == {"AdamW", "Muon, 0.2 η", "Muon, 0.1 η"}
    assert "accuracy" in shown.layout.yaxis.title.text


def test_a_network_that_grokfast_does_not_bring_there_counts_with_its_end():
    found = made.grokfast()
    last = analysis.Grokfast.of(found["grokfast"]).waits[0]
    last.metrics["test_accuracy"] = np.zeros(4)
    usual = next(r for r in found["delay"] if r.run == replace(last.run, amplify=0.0))
    ratio = analysis.at_rate([last], [usual], analysis.halfway_or_end).value
    assert ratio == pytest.approx(last.run.epochs / last.run.decay_time / analysis.halfway(usual))
    assert np.isnan(analysis.at_rate([last], [usual]).value)
    assert "9 of 10 get half-way with Grokfast" in board.judge("B27", **found).ours


# --- laws elsewhere: other moduli, other rates, another moment; the norm -------------------------


def test_a_network_of_two_sweeps_counts_once_and_other_weight_decays_do_not():
    slow = made.waits(range(2), p=31, spread=0.0)["delay"]
    fast = [record(replace(r.run, lr=8e-3), [0, 1], test_accuracy=0.5) for r in slow[:3]]
    found = analysis.settings(slow, fast, [altered(slow[0], test_accuracy=0.0)])
    n = {key: len(here) for key, here in found.items()}
    assert n == {(31, 1e-3): 16, (31, 8e-3): 3, (53, 1e-3): 8}
    assert found[31, 1e-3][0] is slow[0]


def test_akaikes_criterion_is_twice_the_constants_less_twice_the_log_likelihood():
    waits = Waits(np.array([400.0, 500.0]), np.array([1.0, 1.0]), np.array([False, True]))
    likely = -np.log(2 * np.pi) / 2 + np.log(0.5)  # at the mean of a law with a spread of 1
    for law, n in (("exponential", 3), ("divergence", 4)):
        known = analysis.Fit(law, 1.0, 300.0 if n == 4 else np.nan, 0.0, 1.0)
        assert analysis.aic(known, waits) == pytest.approx(2 * n - 2 * likely)


def test_the_laws_are_compared_up_to_the_moment_that_is_asked_for():
    own = analysis.comparable(made.waits(p=31, spread=0.3, n_sizes=6)["delay"])
    late = [altered(r, test_accuracy=[0, 0.9, 0.9, 0.9]) for r in own]  # never at 0.98
    known = analysis.Comparison.of(own, analysis.generalised)
    assert known.aic["divergence"] + 10 < known.aic["power"] < known.aic["exponential"]
    assert all(gained.low > 0 for gained in known.gains.values())
    assert known.d_c["divergence"].value == pytest.approx(CRITS[31], rel=0.05)
    assert f"{known.aic['power']:.1f} (power)" in known.aic_text()
    assert analysis.gains_text(known.gains).startswith("+")
    assert [*map(analysis.generalised, late)] == [inf] * len(late)
    with pytest.raises(ValueError, match="needs networks that grok"):
        analysis.Comparison.of(late, analysis.generalised)


def test_a_critical_size_at_the_least_that_is_allowed_is_none():
    own = analysis.comparable(made.waits(p=31, law="exponential", spread=0.1, n_sizes=6)["delay"])
    known = analysis.compared({(31, 1e-3): own, (53, 1e-3): own[:3]})
    [here] = known.values()  # three networks are too few
    assert here.d_c_text("divergence") == "0"
    assert min(here.aic, key=here.aic.__getitem__) == "exponential"
    told = analysis.compared_table(known, {31: 177.0})
    assert told.count("<tr") == 2
    assert f"{len(own)} of {len(own)}" in told
    assert "177" in told
    empty = analysis.UNKNOWN
    told = empty.aic_text(), analysis.gains_text(empty.gains), empty.d_c_text("divergence")
    assert told == ("none",) * 3


@pytest.mark.parametrize(("slower", "one_curve"), [(1.0, True), (3.0, False)])
def test_one_curve_for_two_moduli_is_as_good_as_two_only_if_times_are_equal(slower, one_curve):
    found = analysis.settings(made.waits(p=31, spread=0.2, slower=slower)["delay"])
    forget, fresh = analysis.units(CRITS).values()
    [worse] = analysis.collapse(found, forget).values()
    assert worse < 2 if one_curve else worse > 20
    assert analysis.collapse_text(found, forget) == f"{worse:+.0f} at a rate of 0.001"
    assert analysis.collapse(found, fresh) == {}  # all end at accuracy 1: there is no such size
    assert analysis.collapse_text(found, fresh) == "not told"


def test_the_norm_half_way_is_a_part_of_its_peak_until_then():
    curves = {"test_accuracy": [0, 0, 1, 1], "param_norm": [30, 40, 10, 80]}
    there = record(Run(p=31, dataset_size=440, epochs=4000), [0, 1000, 2000, 4000], **curves)
    assert analysis.norm_ratio(there) == pytest.approx(0.25)
    assert np.isnan(analysis.norm_ratio(altered(there, test_accuracy=0.0)))


@pytest.mark.parametrize(
    ("times", "smaller", "larger"), [(1.2, True, False), (2.0, False, True), (1.6, False, True)]
)
def test_weight_decay_leaves_epochs_above_the_middle_size_else_decay_times(times, smaller, larger):
    found = made.waits(p=31, twice=1.4, spread=0.0, d_c=0.5)
    least, *_, most = sorted({r.run.dataset_size for r in analysis.comparable(found["delay"])})
    for usual in [r for r in found["delay"] if r.run.dataset_size in (least, most)]:
        epochs = [round(times * epoch / 2) for epoch in usual["epoch"]]
        run = replace(usual.run, weight_decay=2.0, epochs=epochs[-1])
        found["delay"].append(record(run, epochs, test_accuracy=usual["test_accuracy"]))
    told = board.judge("B14", **found).further
    assert told["at other weight decays networks take as many decay times"] is True
    assert told[f"on {least} examples they take as many decay times"] is smaller
    assert told[f"on {most} examples they take as many epochs"] is larger


def test_the_second_moment_is_read_by_epochs_and_the_figure_shows_both_panels():
    found = made.second_moments(p=31, power=0.5, slower=1.3)
    records, usual = found["second_moment"], found["delay"]
    assert analysis.near_rest(records[0]) == round(1250 * (log(0.98) / log(0.95)) ** 0.5)
    own = measures.among(records, usual)
    others = [record for record in records if record not in own]
    assert {record.run.p for record in others} == {127}
    read = second_moment.forgotten
    ratios = analysis.by_field(own, usual, "beta2", read, read)
    assert ratios[0.95].value == pytest.approx((log(0.95) / log(0.98)) ** 0.5, rel=1e-3)
    assert analysis.by_field(own, usual, "beta2")[0.99].value == pytest.approx(1.3)
    assert second_moment.with_the_rate(others).value == pytest.approx(1.2)
    assert analysis.near_rest(altered(records[0], residual=5.0)) == inf
    assert second_moment.felt_text(usual) == "1,250"
    fig = second_moment.fig_felt(found | dict.fromkeys(second_moment.SWEEPS[2:], usual))
    shown(fig, "first below 1, by β₂: 0.95: 784; 0.98: 1,250;")
    assert {trace.name for trace in fig.data} == {
        "η = 0.001",
        *(f"β₂ = {b}" for b in (0.95, 0.98, 0.99, 0.995)),
    }
