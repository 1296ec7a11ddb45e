"""Semi-grokking: a rule for outcomes, on curves written by hand; the figures and the verdicts."""

from dataclasses import replace
from functools import partial
from itertools import chain

import evidence
import numpy as np
import pytest
from evidence import PLATEAU_EPOCHS, SHAPES, SMALL, in_the_middle, line, minimised, near_d_crit
from handmade import altered, grokking, record, shown, ungrokking

from grokkit.runs import Run
from varma2023 import board, experiments, measures, profiles, theme
from varma2023.measures import FULL, NONE, SEMI, TRANSIENT, UNDER_WAY
from varma2023.publish import overview
from varma2023.semi_grokking import analysis, figures, metastable, sweeps

# a run of an outcome or a test accuracy; as many runs as kinds times seeds
made, sweep = evidence.plateau, partial(near_d_crit, base=replace(SMALL, dataset_size=360))


def end(accuracy, size=1700, seed=0):
    return evidence.end(evidence.lbfgs(dataset_size=size, seed=seed), test_accuracy=accuracy)


# --- plateaus and outcomes


FLAT = np.full(len(PLATEAU_EPOCHS), measures.mirror_share(SMALL) + 0.05)
SHORT = line((0, 0.03), (8000, 0.4), (9000, 0.7), (12_000, 0.7), (14_000, 1), (50_000, 1))
LATE = np.where(PLATEAU_EPOCHS < 30_000, 0.9, 1.0)
OTHER = {"p": 113, "dataset_size": 1500}  # where the accuracy of FLAT is far above memory
CURVES = [  # test accuracy, fields of the run, other curves, and the outcome
    *((kind, {}, {}, kind) for kind in SHAPES),
    (np.where(np.arange(len(FLAT)) % 9, SHAPES[SEMI], 0.2), {}, {}, SEMI),  # spikes end nothing
    (FLAT, {}, {}, NONE),  # memory of mirror images is no generalisation
    (np.where(PLATEAU_EPOCHS < 1000, 0.01, FLAT), OTHER, {}, SEMI),
    (FLAT, OTHER, {}, UNDER_WAY),  # from the start: not delayed
    (SHORT, {}, {}, FULL),
    (TRANSIENT, {"weight_decay": 0.1}, {}, FULL),  # 1 / (lr lambda) is 10,000 epochs
    (SEMI, {}, {"train_accuracy": LATE}, UNDER_WAY),  # fits when it has long been on the plateau
    (SEMI, {}, {"train_accuracy": 0.9}, UNDER_WAY),
]


@pytest.mark.parametrize(("accuracy", "fields", "curves", "kind"), CURVES)
def test_a_plateau_must_last_and_come_late_and_above_memory(accuracy, fields, curves, kind):
    assert measures.outcome(made(accuracy, replace(SMALL, **fields), **curves)) == kind


@pytest.mark.parametrize("run", [SMALL, Run("x-y", 11, 40), Run("x+y", 7, 9)])
def test_the_mirror_share_is_what_a_table_with_its_mirror_images_knows(run):
    inputs = run.operation.inputs.tolist()
    labels, (train, test) = run.example_labels(), run.split()
    table = {tuple(inputs[row]): labels[row] for row in train}
    right = sum(table.get((inputs[row][1], inputs[row][0]), -1) == labels[row] for row in test)
    assert measures.mirror_share(run) == pytest.approx(right / len(test))


def test_a_plateau_is_found_to_the_epoch_and_a_drift_of_more_than_the_band_is_none():
    here = measures.plateau(made(TRANSIENT))
    assert here.lasting
    assert 8500 <= here.start <= 9000 < 18_000 <= here.end <= 19_000
    assert here.low - 0.01 <= 0.7 <= here.high + 0.01
    assert here.high - here.low <= measures.BAND
    here = measures.plateau(made(line((0, 0.03), (8000, 0.55), (50_000, 0.94))))
    assert here.epochs == pytest.approx(0.1 / 0.39 * 42_000, rel=0.15)
    assert measures.plateau(made(NONE)) is None


@pytest.mark.parametrize("times", [-1, 1, 1.9, 2.1])
def test_the_norm_drops_at_once_if_it_falls_twice_as_fast_after_the_plateau(times):
    late = np.maximum(PLATEAU_EPOCHS - measures.plateau(made(TRANSIENT)).end, 0)
    norm = 27 * np.exp(-(PLATEAU_EPOCHS + (times - 1) * late) / 50_000)
    assert analysis.norm_drop(made(TRANSIENT, param_norm=norm)).at_once == (times > 2)


# --- many runs


def test_examples_are_the_clearest():
    runs = sweep(seeds=[0])
    assert measures.outcome(analysis.example(runs)) == SEMI
    assert measures.outcome(analysis.transient_example(runs)) == TRANSIENT
    rest = sweep([NONE, UNDER_WAY, FULL], seeds=[0])
    assert measures.outcome(analysis.example(rest)) == UNDER_WAY
    low, near = made(line((0, 0.03), (50_000, 0.1))), made(NONE)
    assert analysis.example([low, near]) is analysis.example([near, low]) is near


def test_the_share_has_an_interval_over_seeds():
    share = analysis.share_of(sweep([SEMI, FULL]), SEMI)
    assert (share.value, share.low, share.high, share.n) == (0.5, 0.5, 0.5, 5)  # alike in each seed
    share = analysis.share_of([*sweep([FULL]), *sweep([FULL, FULL, SEMI], seeds=[0])[2:]], SEMI)
    assert share.value == pytest.approx(1 / 6)
    assert share.low == 0 < share.value < share.high


def test_a_sweep_is_judged_from_twenty_runs_at_three_sizes_on():
    runs = sweep()
    assert not analysis.judged(runs[:19])
    assert not analysis.judged(sweep([SEMI, FULL], range(20)))
    plateaus = board.judge("F5", semi_grokking=runs).ours
    assert plateaus.startswith("5 of 25 end on a plateau, 0 of them also when")
    waits = board.judge("F6", semi_grokking=runs).ours
    assert waits.endswith("drops at that moment in 5 of these")


def test_the_texts_and_the_table_say_how_many_and_where():
    runs = sweep(seeds=(0, 1))
    assert analysis.standing(runs) == runs[4:6]
    assert analysis.ends_text(runs) == "0.800 (+0.001), 0.800 (+0.001)"
    assert analysis.ends_text(runs[:2]) == analysis.stays_text(runs[:2]) == "none"
    stays = analysis.stays_text(runs)
    assert stays.startswith("D = 380, seed 0: 0.75 – 0.80 from epoch ")
    assert stays.count("to 50,000") == 2
    table = analysis.outcomes_table(runs)
    assert table.count("<tr>") == 1 + 5
    assert "<td></td><td></td><td>2</td><td></td><td></td><td>0.80, 0.80</td>" in table
    moves = [analysis.moves_at_end(made(kind)) for kind in (UNDER_WAY, FULL)]
    assert moves == pytest.approx([0.25, 0], abs=1e-3)
    early = made(UNDER_WAY, replace(SMALL, epochs=90_000))  # ended at rest, at 50,000
    assert analysis.moves_at_end(early) == pytest.approx(0.25, abs=1e-3)


# --- once more: by the minimiser, for longer, in float64


def test_an_end_that_is_not_at_rest_is_told_apart_and_has_a_kind_all_the_same():
    resting, moving = minimised(0.6), minimised(1.0, {"residual": 0.5})
    there = analysis.in_papers_range([*moving, *resting, *[end(1.0, size=3000)]])
    assert there == [*moving, *resting]
    assert [record for record in there if measures.rests(record)] == resting
    assert [measures.end_kind(end(a)) for a in (0.2, 0.6, 1.0)] == [NONE, SEMI, FULL]


def test_a_semi_grokked_run_is_surpassed_by_a_lower_end_in_full():
    runs, ends = [made(SEMI, replace(SMALL, seed=seed)) for seed in range(4)], []
    ours = 1e-7 / SMALL.alpha + 27**2 / 2  # Eq. (2) over alpha, of `made`
    others = [(1.0, 0.9), (0.7, 0.9), (1.0, 1.25), (0.2, 1.25)]  # accuracy, and so many times that
    for one, (accuracy, times) in zip(runs, others, strict=True):
        same = profiles.minimised(one.run, 1500, profiles.early(one.run), "mixed")
        ends.append(evidence.of_minimum(same, times * ours, 22.0, test_accuracy=accuracy))
    ways = analysis.both_ways(runs, ends)
    assert [analysis.excess(p) for p in ways] == pytest.approx([1 / 0.9 - 1] * 2 + [-0.2] * 2)
    assert analysis.surpassed_text(ways).startswith("1 of 4 (by AdamW all of them are higher by ")
    assert analysis.surpassed_text(ways[1:]).startswith("0 of 3")  # not in full, or not lower
    assert analysis.surpassed_text([]) == "0 of 0"
    middle = "1 of 4 (0.70 at D = 380, AdamW 0.80 with +11.1% of Eq. (2))"
    assert analysis.middle_text(ways) == middle
    assert analysis.middle_text(ways[:1]) == "0 of 1"
    assert "1 no generalisation; 1 semi-grokked; 2 full" in analysis.both_ways_table(ways)
    fig = shown(figures.fig_both_ways(ways), f"{SEMI} by AdamW")
    assert len({trace.marker.symbol for trace in fig.data}) == 3
    with pytest.raises(ValueError, match="differ in seed"):
        analysis.both_ways(runs, ends[::-1])


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_both_ways_start_from_the_same_random_weights(profile):
    runs, ends = sweeps.semi_grokking(profile), sweeps.semi_grokking_ends(profile)
    for run, same in zip(runs, ends, strict=True):
        assert (same.optimiser, same.init.init) == ("lbfgs", None)
        for name in ("p", "dataset_size", "seed", "weight_decay", "init_scale", "task"):
            assert getattr(run, name) == getattr(same, name) == getattr(same.init, name)


def test_the_runs_made_again_are_those_that_end_semi_grokked():
    records = experiments.load_or_train(sweeps.semi_grokking())
    semi = {record.run for record in analysis.standing(records)}
    again = sweeps.semi_grokking_again()
    n = len(again) // 2
    assert {replace(run, epochs=run.epochs // 4) for run in again[:n]} == semi
    assert {replace(run, precision="float32") for run in again[n:]} == semi
    assert len(sweeps.semi_grokking_again("quick")) == 2
    assert len(sweeps.semi_grokking_again("paper")) == 2 * 200


def test_those_made_again_at_larger_rates_are_those_left_in_the_middle():
    found = experiments.named("published", *analysis.NEAR)
    left, again = analysis.Left.near(found), {*map(analysis.who, found["semi_grokking_again"])}
    assert len(left.networks) == len({*map(analysis.who, left.networks)}) == 197
    stay = {*map(analysis.who, left.stay)}
    first = [r.run for r in left.middle if analysis.who(r) not in again - stay]
    runs = sweeps.middling()
    later, ends = runs[: len(runs) // 2], runs[len(runs) // 2 :]
    epochs, longer = (
        {replace(run, epochs=1, n_logged=2): run.epochs for run in own} for own in (first, later)
    )
    assert epochs.keys() == longer.keys()
    assert all(longer[network] >= 4 * n for network, n in epochs.items())
    assert [replace(end.init, keep_weights=False) for end in ends] == later


def test_of_the_papers_sizes_those_left_in_the_middle_are_made_again():
    grid = sweeps.papers_sizes()
    base = {run.lr * run.epochs for run in grid}, {run.dataset_size for run in grid}
    assert base == ({128.0}, {run.dataset_size for run in sweeps.semi_grokking("paper")})
    records = measures.at_largest(experiments.load_or_train(grid), "lr")
    assert len(records) == 200
    runs = sweeps.papers_sizes_again()
    later = [run for run in runs if run.optimiser == "adamw"]
    middle = {record.run for record in in_the_middle(records)}
    assert {replace(run, epochs=run.epochs // 4) for run in later} == middle
    still = in_the_middle(experiments.load_or_train(later))
    starts = {replace(record.run, keep_weights=True) for record in still}
    assert {run.init for run in runs if run.optimiser == "lbfgs"} == starts


def test_of_the_narrower_networks_those_in_the_middle_go_on_from_there():
    records = experiments.load_or_train(sweeps.narrower())
    assert {record.run.lr * record.run.epochs for record in records} == {50.0}
    middle = in_the_middle(measures.at_largest(records, "lr"))
    starts = [replace(record.run, keep_weights=True) for record in middle]
    inits = [run.init for run in sweeps.narrower_ends()]
    assert inits == starts + [start for start in starts if start.p == 31][: sweeps.FOLLOWED]
    more = experiments.load_or_train(sweeps.narrower_more())
    fresh = in_the_middle([record for record in more if not record.run.init])
    inits = [record.run.init for record in more if record.run.init]
    assert inits == [replace(record.run, keep_weights=True) for record in fresh]
    assert {r.run.seed for r in records if r.run.p == 59}.isdisjoint({r.run.seed for r in more})


def test_narrower_networks_are_counted_by_modulus_and_by_rate():
    found = evidence.narrower(ends=(0.6, 1.0, 0.6), slow=NONE, seeds=range(3))
    known = analysis.Narrower.of([*chain(*found.values())])
    said = "3 of 3 at p = 31, 0 of 3 at p = 47, 3 of 3 at p = 59"
    assert analysis.by_modulus_text(known.ends, analysis.rests_in_the_middle) == said
    assert [*map(len, known.pairs)] == [3, 0]
    small = replace(known.fast[0], run=replace(known.fast[0].run, dataset_size=430))
    assert known.beside([*known.slow, small, *known.fast]) == known.fast
    assert [on.run.seed for on, _ in known.on] == [end.run.seed for _, end in known.on] == [0, 1, 2]
    fig = shown(
        figures.fig_ends(known.fast, known.ends, "p"), "For 9 of them a later end is drawn, too."
    )
    assert {tuple(trace.y) for trace in fig.data} == {(0.8, 0.6), (0.8, 1.0)}
    calm, still = (evidence.sweep(values=[1.0], rest=r) for r in (evidence.CALM, evidence.RESTLESS))
    n, told = len(calm), analysis.crits_text(calm)
    assert told.endswith(f" examples at p = 113 ({n} of {n} ends at rest)")
    assert analysis.crits_text(still) == f"at least {told.replace(f'({n} of', '(0 of')}"
    falling = evidence.narrower((0.7,), evidence.FALLING, seeds=[0], moduli=(31,))
    led = analysis.led_text([*found["narrower_ends"][:1], falling["narrower_ends"][0]])
    assert led == "0.60 to 0.60, 0.60 to 0.70 (still falling) on 431 examples"


def test_the_papers_sizes_show_where_each_network_ends_and_goes():
    records, again = evidence.papers_sizes(other=NONE, seeds=[0]).values()
    later = [record for record in again if record.run.optimiser == "adamw"]
    above = [r.final("test_accuracy") > 0.5 for r in records if r.run.lr == 8e-3]
    assert analysis.same_side(records) == [not high for high in above]
    assert analysis.above_half_text(records).startswith("0 of 5 at η = 0.004, ")
    said = [analysis.is_alike([True] * n + [False] * m) for n, m in ((20, 5), (19, 5), (19, 6))]
    assert said == [True, None, False]
    fig = shown(figures.fig_ends(records, later), f"For {len(later)} of them")
    drawn = [trace for trace in fig.data if "the paper" not in trace.name]
    papers = [(trace.x[0], trace.y[0]) for trace in fig.data if trace not in drawn]
    assert papers == [(2000, 0.7)] * 2  # in the panel of each rate
    on = [trace for trace in drawn if len(trace.y) == 2]
    assert len(drawn) == 10
    assert {trace.meta["dataset_size"] for trace in on} == {r.run.dataset_size for r in later}
    assert {trace.y[1] for trace in on} == {record.final("test_accuracy") for record in later}


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_a_lowered_rate_goes_on_from_the_large_one_for_the_same_time(profile):
    step = sweeps.larger_step(profile)
    large = {r.seed: r for r in step if (r.lr, r.dataset_size) == (8e-3, step[-1].dataset_size)}
    runs = sweeps.lowered(profile)
    assert {run.seed for run in runs} == large.keys()
    for run in runs:
        first, whole = run.init, large[run.seed]
        assert run.lr * 4 == first.lr == whole.lr
        time = run.lr * run.epochs + first.lr * first.epochs
        assert time == pytest.approx(whole.lr * whole.epochs)
        begun = replace(whole, epochs=first.epochs, n_logged=first.n_logged, keep_weights=True)
        assert first == begun


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_clipped_networks_go_on_from_where_others_do(profile):
    runs = sweeps.clipped(profile)
    large = {run.init for run in sweeps.lowered(profile)}
    by_init = {init: {r.clip for r in runs if r.init == init} for init in {r.init for r in runs}}
    assert large < by_init.keys()
    for init, clips in by_init.items():
        assert init.clip == 0
        assert clips == ({0, 500} if init in large else {0, 250, 2500})
    assert len({replace(run, clip=0.0) for run in runs}) == len(by_init)


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_noise_and_the_epsilon_that_it_amounts_to_are_all_that_is_new(profile):
    runs, slower = sweeps.kicked(profile), sweeps.lowered(profile)
    noisy, calm = ([run for run in runs if bool(run.noise) is so] for so in (True, False))
    assert [replace(run, noise=0.0) for run in noisy[: len(slower)]] == slower
    assert {run.noise for run in noisy[: len(slower)]} == {70}
    small = noisy[len(slower) :]
    assert [replace(run, noise=0.0, eps=301e-8) for run in small] == calm
    assert {replace(run, noise=0.0) for run in small} <= {*sweeps.leaving_memory(profile)}


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_epsilon_is_exchanged_for_weight_decay_at_one_alpha_and_one_time(profile):
    runs = sweeps.exchanged(profile)
    assert {run.init for run in runs} < {run.init for run in sweeps.clipped(profile)}
    for own in [[run for run in runs if run.init == init] for init in {run.init for run in runs}]:
        assert {run.eps * run.weight_decay for run in own} == {own[0].alpha}
        times = [run.lr * run.weight_decay * run.epochs for run in own]
        assert times == pytest.approx(times[:1] * len(own))


def test_the_table_has_a_row_for_each_way_and_counts_spikes_after_the_first_epochs():
    told = metastable.ways_table(evidence.exchanged(low=2)["exchanged"])
    assert ["2 of 5" in told, told.count("5 of 5"), told.count("0 of 5")] == [True, 2, 5]


def test_columns_say_at_what_length_runs_are_clipped_and_with_how_much_noise():
    def drawn(records, field):
        return figures.fig_side_by_side([r for r in records if r.run.p == 113], field)

    fig = drawn(evidence.clipped()["clipped"], "clip")
    shown(fig, "not clipped, D = 1,500: 5 of 5; clipped at 500 ε, D = 1,500: 0 of 5")
    fig = drawn([*evidence.lowered(FULL)["lowered"], *evidence.kicked()["kicked"]], "noise")
    shown(fig, "no noise, D = 1,500: 5 of 5; noise of 70 ε, D = 1,500: 0 of 5")


def test_a_network_left_in_the_middle_counts_once_and_only_near_d_crit():
    found = evidence.left_in_the_middle(seeds=[0])
    usual, larger = found["semi_grokking"], found["leaving_memory"]
    far = replace(larger[0].run, dataset_size=6000)
    others = [*larger, *larger, *(made(SEMI, each) for each in (far, replace(far, lr=16e-3)))]
    left = analysis.Left.of(usual, others, found["semi_grokking_again"], found["middling"])
    assert len(left.networks) == len(usual) + len(larger) == 10
    assert (len(left.middle), len(left.stay), left.rest) == (6, 6, [True] * 6)
    assert left.elsewhere == 0
    others = evidence.left_in_the_middle(longer=FULL, seeds=[0])["semi_grokking_again"]
    assert analysis.Left.of(usual, [], others, []).elsewhere == len(others) == 3
    assert left.table().count("<td>yes</td>") == 6
    fig = shown(figures.fig_later(left.later), "6 semi-grokked")
    assert {trace.xaxis for trace in fig.data} == {"x", "x2"}


def test_ends_are_told_by_kind_of_those_that_rest_and_began_in_the_middle():
    ways = ((0.5, 0.6, 3.0), (0.5, 0.7, 5.0), (0.5, 1.0, 8.0), (0.02, 0.6, 100.0))
    runs = [evidence.lbfgs(dataset_size=800, seed=seed) for seed in range(4)]

    def told(*rests):
        ends = [
            evidence.end(run, rest, start=start, test_accuracy=to, param_norm=norm)
            for run, rest, (start, to, norm) in zip(runs, rests, ways, strict=True)
        ]
        return analysis.by_end_text(ends, lambda end: end.final("param_norm"), ".0f")

    calm, falling = evidence.CALM, evidence.RESTLESS
    assert told(calm, calm, calm, calm) == "4 (3 – 5) and 8"  # the last was in memory
    assert told(calm, falling, calm, calm) == "3 and 8"
    assert told(falling, falling, calm, calm) == "8"


def test_a_run_made_again_is_set_beside_the_first_one():
    longer = replace(SMALL, epochs=200_000)
    epochs = np.arange(0, 200_001, 500)
    accuracy = np.interp(epochs, [0, 1000, 20_000, 50_000, 200_000], [0, 0.35, 0.7, 0.9, 0.92])
    fits = np.where(epochs < 100, 0.5, 1.0)
    one = record(longer, epochs, test_accuracy=accuracy, train_accuracy=fits)
    precise = made(FULL, replace(SMALL, precision="float64"))
    assert analysis.by_precision([one, precise]) == ([one], [precise])
    assert analysis.made_again([made(SEMI, replace(SMALL, p=53))], [one, precise]) == ([], [])
    table = analysis.again_table([made(SEMI)], [one, precise])
    ends = ("0.800 at 50,000", "1.000 at 50,000", "0.900", "0.920 at 200,000", "+0.003", SEMI)
    assert "".join(f"<td>{cell}</td>" for cell in ("380", 0, *ends)) in table
    assert analysis.again_table([], [one]).count("<td>not run</td>") == 2
    assert analysis.spreads_text([made(SEMI)], [one, precise]) == "0.20"
    assert analysis.spreads_text([made(SEMI, replace(SMALL, seed=1))], [one]) == "none"


# --- figures


def test_fig5_and_the_counts_of_outcomes_are_fit_to_print_and_say_what_they_show():
    runs = sweep(seeds=(0, 1))
    fig = shown(figures.fig5_semi_grokking_runs(runs), "2 semi-grokked")
    assert len(fig.data) == len(runs)
    colours = {trace.name: trace.line.color for trace in fig.data}
    assert colours[NONE] != colours[SEMI] != colours[FULL]  # by the accuracy at the end
    near = [made(SEMI, test_accuracy=last) for last in (0.88, 0.94)]
    tones = [trace.line.color for trace in figures.fig5_semi_grokking_runs(near).data]
    blue = [int(tone.split(",")[2].strip(" )")) for tone in tones]
    assert abs(blue[0] - blue[1]) > 10  # ends near 1 are told apart
    drawn = {(t.meta["seed"], t.meta["dataset_size"]) for t in fig.data}
    assert drawn == {(run.run.seed, run.run.dataset_size) for run in runs}
    *counts, paper = shown(figures.fig_outcomes(runs), "0 of 2 at 360", "2 of 2 at 400").data
    assert sum(sum(trace.y) for trace in counts) == len(runs)
    assert paper.y == (0, pytest.approx(6 / 200 * len(runs) / len(counts[0].x)))  # of one size
    assert [shape.y0 for shape in fig.layout.shapes] == [0.83]


def test_the_overview_shows_a_semi_grokked_run_or_says_that_there_is_none():
    first, second = [grokking(0)], [ungrokking(390, 0.02)]
    with_points = theme.show(overview.fig1_overview(first, second, sweep(seeds=[0])))
    third = [trace for trace in with_points.data if trace.xaxis == "x3"]
    assert third[-1].y[-1] == pytest.approx(0.8)
    assert "test accuracy 0.80 (semi-grokked)." in theme.alt(with_points)
    without = theme.show(overview.fig1_overview(first, second, sweep([NONE, FULL], seeds=[0])))
    assert "none of 2 runs" in [note.text for note in without.layout.annotations]
    assert theme.alt(without).endswith(").")


@pytest.mark.parametrize("kind", SHAPES)
def test_one_run_in_detail_is_named_and_its_plateau_shaded(kind):
    one = made(kind)
    fig = shown(figures.fig6_transient(one), f"({kind})")
    paper = [shape for shape in fig.layout.shapes if "the paper" in str(shape.name)]
    assert [shape.y0 for shape in paper] == [0.55]
    assert len(fig.layout.shapes) - 1 == 4 * (measures.plateau(one) is not None)
    assert ("27.00 as the plateau ends, 24.00" in theme.alt(fig)) == (kind == TRANSIENT)
    fig = shown(figures.fig1c_semi_grokking(one), f"({kind})")
    assert [shape.y0 for shape in fig.layout.shapes] == [0.83]


def test_the_ends_of_the_minimiser_are_marked_by_their_kind():
    ends = [end(a, size, seed) for size, a in ((700, 0.1), (1700, 0.6)) for seed in (0, 1)]
    fig = shown(figures.fig_minimised_ends(ends), "2 no generalisation; 2 semi-grokked")
    assert [trace.name for trace in fig.data[:2]] == ["seed 0", "seed 1"]
    assert len(set(fig.data[0].marker.symbol)) == 2
    assert list(fig.data[2].x) == [700, 1700]
    assert len(fig.layout.shapes) == 1
    assert not theme.show(figures.fig_minimised_ends(ends[:2])).layout.shapes


def test_the_loss_spans_powers_of_ten_in_the_last_half_alone():
    run = record(Run(epochs=100), [0, 25, 50, 75, 100], train_loss=[5.0, 1e-9, 1e-6, 1e-3, 1e-5])
    assert analysis.loss_span(run) == pytest.approx(3)


def test_a_pair_differs_in_its_loss_alone_and_a_dip_is_deep():
    found = evidence.by_loss(dip=0.09)
    other = evidence.near_d_crit([FULL])
    pairs = analysis.by_loss([*other, *found["semi_grokking"]], found["rounded"])
    assert [[record.run.seed for record in pair] for pair in pairs] == [[n, n] for n in range(5)]
    assert not any(analysis.dips(record) for pair in pairs for record in pair)
    assert all(map(analysis.dips, evidence.by_loss(dip=0.11)["rounded"]))
    fig = figures.fig_side_by_side([*chain(*pairs)], "loss")
    shown(fig, "Generalised: exact, D = 3,830: 5 of 5; rounded, D = 3,830: 5 of 5")
    assert {trace.x[-1] for trace in fig.data} == {20_000}


def test_networks_at_two_steps_are_shown_over_one_time():
    both = figures.fig_side_by_side(evidence.stepping(), "lr")
    shown(both, "Generalised: η = 0.001, D = 1,500: 0 of 5; η = 0.008, D = 1,500: 5 of 5")
    last = {trace.xaxis: trace.x[-1] for trace in both.data}
    assert len(last) == 4  # by rate, accuracy and loss
    assert max(last.values()) == pytest.approx(8 * min(last.values()))  # the same epochs
    assert len({trace.line.color for trace in both.data}) == 5
    low, high = both.layout.yaxis3.range  # of the losses, which all show
    losses = np.log10(np.concatenate([trace.y for trace in both.data if trace.yaxis == "y3"]))
    assert low < losses.min() <= losses.max() < high


def test_a_spike_is_as_steep_as_the_calm_evaluation_before_it():
    found = evidence.steeps(seeds=(0,))
    kinds = analysis.Steep.of(found[::-1])
    assert [*map(analysis.before_spikes, found)] == [[36.0], [], [10.0], [], [36.0]]
    assert analysis.while_calm(kinds.usual[0]) == [24.0] * 3
    before = [(analysis.before_spikes, own) for own in (kinds.larger, kinds.rounded)]
    read = [*before, (analysis.while_calm, kinds.usual)]
    assert [analysis.steep_text(*each) for each in read] == ["36", "10", "24"]
    assert [analysis.at_edge(*each) for each in read] == [[True], [False], [False]]
    # 24 at 0.001 is 30 and 48 at 1.25 and 2 times that rate, 18 is 36 at twice
    assert [*map(kinds.spike_foretold, kinds.between)] == [False, True]
    calm = analysis.Steep.of(evidence.steeps(seeds=(0,), usual=18.0))
    assert [*map(calm.spike_foretold, calm.between)] == [False, False]
    assert kinds.between_text == "30 at η = 0.00125, 36 at η = 0.002"
    late = altered(found[0], test_accuracy=[0.1, 0.1, 0.6, 0.1, 0.1, 0.1])
    assert analysis.before_spikes(late) == []  # no longer in memory
    onset = "from epoch {} on, the first spike is at {}"
    assert analysis.onset_text(found[:1]) == onset.format("1,000", "4,000")
    assert analysis.onset_text(kinds.usual) == (
        onset.format("never (0 of 1 runs)", "never (0 of 0 runs)")
    )
    fig = shown(figures.fig_steep(kinds), "AdamW tolerates 38. Before spikes: 36 at the larger")
    assert [shape.y0 for shape in fig.layout.shapes] == pytest.approx([38] * 4 + [38 / 1.25] * 4)
    titles = [note.text for note in fig.layout.annotations]
    assert titles == ["rounded loss", "η = 0.001", "η = 0.002", "η = 0.008"]


def test_a_spike_of_an_ungrokked_network_is_in_memory_once_it_has_forgotten():
    lost, kept = evidence.forgetting(seeds=(0,), spiky=0.1)
    assert (analysis.before_spikes(lost), analysis.before_spikes(kept)) == ([36.0], [])
    fig = shown(figures.fig_by_size([lost, kept]), "Before spikes: 36 on 300 examples. While")
    assert [note.text for note in fig.layout.annotations] == ["D = 300", "D = 1,194"]


def test_a_fresh_network_that_left_memory_is_not_at_the_edge_while_in_memory():
    for most, met in ((0.1, True), (0.6, False)):
        found = board.judge("B31", remembering=evidence.remembering(most=most))
        assert found.core is met
    assert "5 of 5 at the edge, and 0 spike" in found.ours  # those of 0.6 do, out of memory


# --- on how few examples, by learning rate


def test_a_size_is_smaller_by_its_whole_interval_and_who_generalises_on_less_is_named():
    found = evidence.leaving(crits=(600.0,) * 5)
    usual, larger = found["semi_grokking"], measures.group(found["leaving_memory"], "lr")[8e-3]
    ratio = analysis.size_ratio(larger, usual)
    assert ratio.value == pytest.approx(0.8)
    assert analysis.is_smaller(ratio)
    assert analysis.is_smaller(analysis.size_ratio(usual, larger)) is False
    early = analysis.only_there(larger, usual)
    assert {record.run.dataset_size for record in early} == {650}  # between 600 and 750
    assert len(early) == 5
    assert analysis.only_there(usual, usual) == []
    assert analysis.ratios_text(larger, usual) == f"× {ratio.text()} at η = 0.008"
    both = [*usual, *larger]
    fig = shown(figures.fig_leaving(both), "at 750 (750 – 750) at η = 0.001; 600 (600 – 600)")
    assert {trace.name for trace in fig.data} == {"η = 0.001", "η = 0.008"}


def test_a_smaller_rate_is_compared_on_the_networks_that_it_has():
    found = evidence.slower(still=2, alone=1)
    slow = [record for record in found["slower"] if record.run.seed]
    usual = measures.among(found["semi_grokking"], slow)
    assert {r.run.lr for r in usual} == {1e-3}
    assert [analysis.who(r)[1:] for r in usual] == [analysis.who(r)[1:] for r in slow]
    result = board.judge("B32", semi_grokking=found["semi_grokking"], slower=slow)
    assert result.ours == "1 of 4 end above ½ at η = 0.00025, too; 1 were not run"
    assert result.core  # whatever that one would do
    assert "(0 of 4 that were run)" in next(iter(result.further))  # that of seed 0 is not there
    above = [*filter(analysis.above_half, found["semi_grokking"])]
    alone = measures.among(found["slower"], above)
    result = board.judge("B32", semi_grokking=found["semi_grokking"], slower=alone)
    assert [*result.further.values()] == [None]  # the others were not run
    kept = [r for r in alone if r.run.seed in (0, 2, 3)]  # two others might be above
    assert board.judge("B32", semi_grokking=found["semi_grokking"], slower=kept).core is None


BETAS = (0, 0.5), (0.5, 0.95), (0.95, 1)  # less momentum than usual, as usual, and more


def test_momentum_moves_what_adamw_stands_and_neither_pace_nor_rest():
    runs = sweeps.momentum()
    less, usual, more = ([r for r in runs if low < r.beta1 < high] for low, high in BETAS)
    limits = [measures.stable_below(own[0]) / own[0].lr for own in (less, usual, more)]
    assert limits == pytest.approx([38e3 / 16, 38e3, 38e3])
    for one, other, fast in zip(less, usual, more, strict=True):
        assert one == replace(other, beta1=one.beta1)
        assert fast.lr * fast.epochs == pytest.approx(other.lr * other.epochs)
        assert (fast.eps, fast.weight_decay, fast.seed) == (other.eps, other.weight_decay, one.seed)
    found = evidence.by_momentum(betas=(0.1, 0.9, 0.99))["momentum"]
    fig = shown(figures.fig_side_by_side(found, "beta1"), "β₁ = 0.1, η = 0.001: 10 of 10")
    assert len(fig.data) == 2 * len(found)


def test_networks_that_stay_with_the_rounded_loss_must_be_at_rest_for_the_claim_to_hold():
    judged = board.judge("B42", **evidence.rounded_again(residual=3.0))
    assert (judged.core, judged.further["every end is at rest (0 of 5)"]) == (True, None)
