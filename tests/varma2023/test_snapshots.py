"""Moments of a training: what they hold, and that the shipped ones are of the runs they name."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from tiny import RUN
from torch.testing import assert_close

from grokkit import decomposition, tasks, textbook
from grokkit.engine.metrics import all_logits
from grokkit.runs import Record, Run
from grokkit.store.files import Damaged
from grokkit.store.store import Store
from varma2023 import measures, profiles
from varma2023.decomposition import snapshots
from varma2023.decomposition.snapshots import Moments


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Moments:
    return snapshots.train_again(RUN, [0, 7, 40], Store(tmp_path_factory.mktemp("store"), ""))


def test_moments_are_of_the_run_that_a_textbook_trains(tiny):
    """Circles by explicit sums, parts of the logits by the split of App. B, at epochs 0, 7, 40."""
    p, task = RUN.p, tasks.task(RUN.task, RUN.p)
    assert tiny.epochs == [0, 7, 40]
    training = textbook.train(RUN)
    for row, epochs in ((1, 7), (2, 33)):  # of training since the row before
        theta = {k: w.detach() for k, w in next(islice(training, epochs - 1, None)).items()}
        Z = all_logits(theta, task).view(p, p, p)
        Z = Z - Z.mean(-1, keepdim=True)
        part = decomposition.trig_logits(Z)
        for s, (x, y) in enumerate(tiny.sums.tolist()):
            assert_close(tiny.logits[row, s], Z[x, y], rtol=1e-3, atol=1e-3)
            residue = (x + y - torch.arange(p)) % p
            assert_close(tiny.trig[row, residue], part[x, y], rtol=1e-3, atol=1e-3)
        W_E, k = theta["W_E"][:p].double(), tiny.frequencies[0]
        first = sum(np.cos(2 * np.pi * k * t / p) * W_E[t] for t in range(p))
        assert_close(tiny.circles[row, 0, :, 0], W_E @ (first / first.norm()), rtol=1e-3, atol=1e-3)


def test_one_shown_sum_is_trained_on_and_the_other_is_new_both_ways_round(tiny):
    inputs = tasks.task(RUN.task, RUN.p).inputs.tolist()
    train, test = ([inputs[i] for i in rows] for rows in RUN.split())
    known, (x, y) = tiny.sums.tolist()
    assert known in train
    assert [x, y] in test
    assert [y, x] in test


@pytest.mark.parametrize("k", [1, 3])
def test_numbers_that_stand_on_a_circle_are_drawn_as_one(k):
    p, seeded = 11, torch.Generator().manual_seed(k)
    angle = 2 * torch.pi * k / p * torch.arange(p, dtype=torch.float64)
    axes, _ = torch.linalg.qr(torch.randn(16, 2, generator=seeded, dtype=torch.float64))
    W_E = 3 * torch.stack([angle.cos(), angle.sin()], 1) @ axes.T
    assert_close(snapshots.plane(W_E, k), 3 * torch.stack([angle.cos(), angle.sin()], 1))


def test_moments_are_stored_to_half_of_a_whole_number_and_of_one_run_only(tiny, tmp_path):
    path = tmp_path / "moments.safetensors"
    snapshots.write(tiny, path)
    back = snapshots.read(path, RUN)
    assert (back.epochs, back.frequencies) == (tiny.epochs, tiny.frequencies)
    assert back.record.provenance["command"] == snapshots.COMMAND
    for name, dtype in snapshots.PACKED.items():
        values, found = getattr(tiny, name), getattr(back, name)
        for one, other in zip(values, found, strict=True):
            assert (one - other).abs().max() <= 0.501 * (one.abs().max() / torch.iinfo(dtype).max)
    for name in snapshots.CURVES:
        np.testing.assert_array_equal(back.record[name], tiny.record[name])
    with pytest.raises(Damaged, match=f"of run {RUN.key}"):
        snapshots.read(path, replace(RUN, seed=1))


def test_epochs_are_chosen_where_the_curves_change():
    epochs = np.arange(0, 1001, 5)
    step = 1 / (1 + np.exp(-(epochs - 600) / 15.0))
    record = Record(RUN, {"epoch": epochs} | dict.fromkeys(snapshots.CURVES, step), {})
    chosen = snapshots.spread(record, 30)
    assert (chosen[0], chosen[-1]) == (0, 1000)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(epochs.tolist())
    assert sum(500 < epoch < 700 for epoch in chosen) > 15
    assert max(snapshots.spread(record, 30, 400)) == 400


def test_moments_of_another_task_are_refused(tiny):
    with pytest.raises(ValueError, match="App. B is about x\\+y"):
        snapshots.moments(replace(tiny.record, run=replace(RUN, task="x-y")), {})


def shipped(run: Run) -> tuple[Record, Moments]:
    store = Store()
    return store.get(run), snapshots.read(snapshots.shipped(run, store), run)


GROKKING, UNGROKKING = profiles.grokking()[0], profiles.ungrokking_at_first(seeds=1)[0]


@pytest.mark.parametrize("run", [GROKKING, UNGROKKING])
def test_the_shipped_moments_start_where_their_runs_do_and_train_as_they_do(run):
    """The first epochs, trained here: rounding on another machine has not had time to grow."""
    _, stored = shipped(run)
    first = stored.epochs[:2]
    again = snapshots.train_again(run, first, Store())
    assert torch.equal(stored.sums, again.sums)
    for row, _ in enumerate(first):
        for name in ("trig", "logits"):
            one, other = getattr(stored, name)[row], getattr(again, name)[row]
            assert (one - other).abs().max() < 0.01 * other.abs().max(), (name, row)
    for name in snapshots.CURVES:
        here = stored.record[name][: len(again.record[name])]
        np.testing.assert_allclose(here, again.record[name], rtol=1e-3, atol=1e-3)


def test_ungrokking_starts_from_the_weights_that_ship():
    _, stored = shipped(UNGROKKING)
    W_E = Store().get(UNGROKKING.init).weights()["W_E"][: UNGROKKING.p]
    for j, k in enumerate(stored.frequencies):
        flat = snapshots.plane(W_E, k)
        step = stored.circles[0].abs().max() / 127
        assert (stored.circles[0, j] - flat).abs().max() < 0.51 * step
        radii = flat.norm(dim=1)
        assert radii.std() < 0.1 * radii.mean()  # a circle


def test_the_shipped_grokking_is_that_of_the_record_until_it_generalises():
    """The same epochs to within a tenth; which frequencies it keeps is settled by rounding."""
    record, stored = shipped(GROKKING)
    epochs, end = stored.record["epoch"], measures.mark_epochs([record], measures.MARKS[-1])
    np.testing.assert_array_equal(epochs, record["epoch"])
    for name in ("train_accuracy", "test_accuracy"):
        before, after = (np.interp(epochs * way, epochs, record[name]) for way in (0.9, 1.1))
        low, high = np.minimum(before, after) - 0.02, np.maximum(before, after) + 0.02
        assert ((low <= stored.record[name]) & (stored.record[name] <= high)).all(), name
    early = epochs < 0.5 * end.median
    for name in ("trig_logit", "mem_logit", "param_norm"):
        gap = np.abs(stored.record[name] - record[name])[early]
        assert gap.max() < 0.05 * np.abs(record[name][early]).max(), name
    radii = stored.circles[-1].norm(dim=-1)  # of each frequency
    assert (radii.std(1) < 0.15 * radii.mean(1)).all()
    first = stored.circles[0].norm(dim=-1)
    assert (first.std(1) > 0.3 * first.mean(1)).all()


def test_the_shipped_ungrokking_is_that_of_the_record():
    record, stored = shipped(UNGROKKING)
    n = len(stored.record["epoch"])
    np.testing.assert_array_equal(stored.record["epoch"], record["epoch"][:n])
    assert stored.epochs[-1] > 9000
    for name in snapshots.CURVES:
        gap = np.abs(stored.record[name] - record[name][:n]).max()
        assert gap < 0.01 * np.abs(record[name]).max(), name


@pytest.mark.parametrize("run", [GROKKING, UNGROKKING])
def test_the_shown_logits_are_those_of_the_shown_epochs(run):
    """The trigonometric logit of the right label is the same for every sum: the curve has it."""
    _, stored = shipped(run)
    rows = np.searchsorted(stored.record["epoch"], stored.epochs)
    right = stored.trig[:, 0].numpy()
    np.testing.assert_allclose(right, stored.record["trig_logit"][rows], rtol=1e-3, atol=1e-3)
