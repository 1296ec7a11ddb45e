"""How long memory lasts: on networks written by hand, whose sizes, heights and spikes are known."""

from math import inf, isnan

import evidence
import numpy as np
import pytest
from handmade import record

from grokkit.runs import Run
from varma2023 import measures
from varma2023.semi_grokking import analysis, metastable

# --- by learning rate and size


def test_a_network_counts_once_and_the_sizes_are_those_of_its_rate():
    found = evidence.leaving(crits=(600.0,) * 5, rates=(8e-3,))
    both = [*found["semi_grokking"], *found["leaving_memory"]]
    assert measures.once([*both, *both[:3]]) == both
    _usual, larger = measures.group(both, "lr").values()
    assert analysis.share_text(larger) == "25 of 35"  # of seven sizes five are above 600
    table = metastable.rates_table(both, {113: (300.0, 375.0)})
    assert "<td>500</td><td>300</td><td>375</td><td>× 1.60</td>" in table
    assert "<td>650</td><td></td><td></td><td></td>" in metastable.rates_table(both, {})


def test_a_size_is_read_off_the_seeds_that_were_run_at_both_ends():
    records = evidence.sweep(range(3), values=(1e-3,), field="lr", adamw=True, fresh=True)
    few = [r for r in records if r.run.seed < 2 or 300 < r.run.dataset_size < 3000]
    assert {r.run.seed for r in measures.whole(few)} == {0, 1}
    assert measures.whole(records) == records
    ends = {0: 300, 1: 3000, 2: 3000}  # none at both, and one seed on fewer sizes than the others
    apart = [r for r in few if r.run.dataset_size != ends[r.run.seed]]
    assert {r.run.seed for r in measures.whole(apart)} == {0, 1}


# --- heights


def in_memory(lr=1e-3, times=1.0, late=1.0, accuracy=0.1, beta1=0.9):
    """AdamW's run whose Eq. (2) ends at so many times 500, and is as much lower half-way."""
    run = Run(p=31, dataset_size=280, lr=lr, beta1=beta1, epochs=1000)
    norm = (2 * 500 * np.array([9.0, late, times])) ** 0.5
    curves = {"train_loss": 0.0, "test_accuracy": accuracy, "train_accuracy": 1.0}
    return record(run, [0, 500, 1000], param_norm=norm, residual=0.5, **curves)


def minimum(accuracy=0.1, seed=0):
    run = evidence.lbfgs(p=31, dataset_size=280, seed=seed)
    return evidence.of_minimum(run, 500.0, 20.0, test_accuracy=accuracy)


def test_a_height_is_that_above_the_minimisers_end_and_only_of_pairs_in_memory():
    usual, fast = in_memory(times=1.06), in_memory(16e-3, 50.0, 1.2)
    slow = in_memory(times=1.5, beta1=0.1)
    pairs = metastable.pairs_in_memory([fast, usual, usual, slow], [minimum()])
    assert metastable.pairs_in_memory([usual], [minimum(seed=1)]) == []
    assert metastable.pairs_in_memory([in_memory(accuracy=0.6)], [minimum()]) == []
    assert metastable.pairs_in_memory([usual], [minimum(0.6)]) == []
    assert [*metastable.by_setting(pairs)] == ["η = 0.001", "η = 0.001, β₁ = 0.1", "η = 0.016"]
    told = "× 1.06 at η = 0.001, × 1.5 at η = 0.001, β₁ = 0.1, × 50 at η = 0.016"
    assert metastable.height_text(pairs) == told
    assert metastable.late_text(pairs, 16e-3) == "1.2"
    assert metastable.height_text([]) == "none"


# --- spikes


def test_a_spike_is_as_high_as_its_evaluations_while_in_memory():
    curves = {"train_loss": [1e-7, 1e-4, 1e-3, 1e-2, 1e-7], "train_accuracy": 1.0}
    one = record(Run(epochs=4000), range(0, 4001, 1000), test_accuracy=[0, 0, 0, 0.6, 1], **curves)
    assert metastable.spike_heights(one) == pytest.approx([1e4])
    assert metastable.first_seen(one) == pytest.approx([1e3])
    assert metastable.time_left(one) == 3.0  # lr x epochs
    calm = record(Run(epochs=4000), [0, 4000], train_loss=1e-7, train_accuracy=1, test_accuracy=0)
    assert (metastable.spike_heights(calm), metastable.time_left(calm)) == ([], inf)
    assert isnan(metastable.median_height(calm))
    assert isnan(metastable.first_height(calm))


def test_later_first_spikes_are_higher_where_they_are():
    records = [evidence.spiking([50.0] * n + [1e3 * 10**n], True, n) for n in range(4)]
    assert metastable.later_is_higher(records) == pytest.approx(1)


def test_spikes_are_told_with_the_loss_they_reach_and_when_networks_leave():
    records = [evidence.spiking([1e3, 1e4], True), evidence.spiking([1e5], False, 1)]
    said = "2 (1 – 2) spikes in memory, up to a training loss of 0.0055 (0.001 – 0.01)"
    assert (
        metastable.spikes_text(records) == f"{said}; accuracy ½ after epoch 4,000, in 1 of 2 runs"
    )


def test_shares_are_told_by_clip_by_who_ends_lower_and_by_who_never_spikes():
    kinds = {0: [True, True], 250: [True, False]}
    made = {clip: [evidence.spiking([1e3], out) for out in own] for clip, own in kinds.items()}
    assert metastable.shares_text(made) == "2 of 2 as they are, 1 of 2 clipped at 250 ε"
    assert metastable.less_far(made[250], made[0]) == "1 of 2"
    rates = [evidence.spiking([1e3] * (lr < 4e-3), True, lr=lr) for lr in (1e-3, 4e-3, 16e-3)]
    assert metastable.calm_text(rates, 16e-3) == "1 of 2"


def test_places_are_shares_of_those_below_and_equals_share_theirs():
    assert metastable.places([3, 1, inf, 1]) == pytest.approx([0.625, 0.25, 0.875, 0.25])


def test_networks_that_spike_higher_leave_sooner_only_where_they_do():
    assert metastable.sooner(evidence.spiking_networks()).value == pytest.approx(-1)
    same = [evidence.spiking([200] * n, n < 4, n) for n in (1, 2, 3, 4)]
    assert isnan(metastable.sooner(same).value)
    # sizes are not mixed: the other way round on either, but larger ones leave later and are higher
    other = [evidence.spiking([1e6 / 10**n] * n, True, n, lr=4e-3) for n in (1, 2, 3)]
    other += [evidence.spiking([1e8 / 10**n] * 2 * n, True, n, 2050, 4e-3) for n in (2, 3, 1)]
    assert metastable.sooner(other).value == pytest.approx(-1)
    five = metastable.sooner(evidence.spiking_networks(range(6)))
    assert five.low <= five.value <= five.high < 0


def test_the_place_of_the_last_spike_is_among_networks_that_are_still_in_memory():
    records = evidence.spiking_networks()
    # the first of four, among three of 200; the second of three; the third of two
    last = metastable.place_of_last(records).value
    assert last == pytest.approx(np.mean([3.5 / 4, 2.5 / 3, 1.5 / 2]))
    assert metastable.place_of_last(records, 1).value == pytest.approx(np.mean([1.5 / 4, 1.5 / 3]))
    assert isnan(metastable.place_of_last(records[:1]).value)  # there is none to compare with
    again = metastable.place_of_last(records, 0, metastable.first_seen)
    assert again.value == pytest.approx(last)  # each spike shows once
