"""Sweeps: how runs pack into stacks, time boxes, stores that move, runs that end early."""

import io
import shutil
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from tiny import CPU, MINIMISER, RUN, TINY, equal, train

from grokkit.engine import trainer
from grokkit.engine.lbfgs import LBFGS
from grokkit.runs import Run
from grokkit.store.store import Store
from grokkit.sweeps import local, plan

CARD = torch.device("cuda")
GB = 1 << 30


@pytest.fixture
def on_a_card(monkeypatch):
    """Sweeps pack as for a card with 8 GB, though it is the CPU that then trains the stacks."""
    found = CARD, 8 * GB
    monkeypatch.setattr(local.LocalExecutor, "device_and_free_memory", lambda *_: found)


# --- packing


@pytest.mark.parametrize("free", [2 * GB, 20 * GB])
def test_packing_for_a_card_keeps_padding_and_memory_within_bounds(free):
    sizes = np.unique(np.geomspace(300, 12769, 40).astype(int)).tolist()
    runs = [Run(dataset_size=size, seed=seed) for size in sizes for seed in range(3)]
    packed = plan.pack(runs, CARD, {}, free)
    assert sorted(r.key for s in packed for r in s) == sorted(r.key for r in runs)
    for members in packed:
        rows = max(run.dataset_size for run in members)
        used = sum(run.dataset_size for run in members)
        assert used >= (1 - plan.MAX_PADDING) * rows * len(members)
        assert sum(plan.stack_bytes(run, rows) for run in members) <= free / 2 or len(members) == 1
    assert len(packed) < len(runs) / (3 if free > 10 * GB else 1.5)
    assert packed == plan.pack(runs[::-1], CARD, {}, free)


def test_a_stack_has_one_run_at_least_and_no_more_than_a_process_may_open_lock_files():
    for run, n, free in ((Run(dataset_size=12769), 3, 1 << 20), (RUN, 450, 64 * GB)):
        packed = plan.pack([replace(run, seed=seed) for seed in range(n)], CARD, {}, free)
        assert list(map(len, packed)) == ([1, 1, 1] if n == 3 else [200, 200, 50])


def test_on_the_cpu_each_run_goes_by_itself_and_the_longest_first():
    sizes = [(20, 40), (40, 40), (20, 90), (30, 10)]
    runs = [replace(RUN, dataset_size=size, epochs=epochs) for size, epochs in sizes]
    packed = plan.pack(runs, CPU, {}, 0)
    assert list(map(len, packed)) == [1, 1, 1, 1]
    work = [plan.work(run) for [run] in packed]
    assert work == sorted(work, reverse=True)
    assert plan.work(replace(RUN, precision="float64")) == 2 * plan.work(RUN)
    assert plan.flop(Run()) == pytest.approx(1.85e9, rel=0.05)


TOGETHER = [
    *({"weight_decay": 0.3}, {"seed": 8}, {"labels": "random"}, {"task": "x-y"}),
    *({"init_scale": 2.0}, {"tolerance": 0.1}, {"dataset_size": 23}, {"keep_weights": False}),
]
APART = [
    *({"p": 5}, {"model": replace(TINY, d_mlp=32)}, {"epochs": 41}, {"n_logged": 10}),
    *({"lr": 0.01}, {"beta1": 0.8}, {"beta2": 0.9}, {"eps": 1e-7}, {"amplify": 2.0}, {"clip": 9.0}),
    *({"precision": "float64"}, {"precision": "tf32"}, {"loss": "rounded"}, {"dataset_size": 10}),
    *({"muon": 0.2}, MINIMISER),
]


@pytest.mark.parametrize("stage", ["push", "kink"])
def test_runs_of_the_minimiser_that_change_by_steps_go_apart(stage):
    run = replace(RUN, **MINIMISER)
    other = replace(run, **{stage: 0.5})
    assert list(map(len, plan.pack([run, other, replace(other, seed=1)], CARD, {}, GB))) == [1, 2]


def test_the_memory_of_a_stack_covers_what_the_minimiser_keeps():
    run = replace(RUN, **MINIMISER)
    made = LBFGS(torch.zeros(1, run.n_parameters, dtype=torch.float64))
    held = sum(tensor.nbytes for tensor in made.tensors().values())
    assert held < plan.stack_bytes(run, 0) < 3 * held


@pytest.mark.parametrize("change", [*TOGETHER, *APART], ids=str)
def test_runs_go_in_lockstep_if_they_can(change):
    other = replace(RUN, **{"dataset_size": 24, **change})
    stacks = 1 if change in TOGETHER else 2
    for epochs, expected in (({}, stacks), ({RUN: 7, other: 7}, stacks), ({other: 7}, 2)):
        assert len(plan.pack([RUN, other], CARD, epochs, GB)) == expected


# --- one stack of many runs


ENDS = replace(RUN, lr=0.02, weight_decay=40.0, dataset_size=49, tolerance=1e9)
STACK = [
    ENDS,
    replace(ENDS, tolerance=0.0, seed=1),
    replace(ENDS, weight_decay=8.0, seed=2),
    replace(ENDS, dataset_size=46, tolerance=0.0),
]


def test_a_run_that_ends_early_says_why_and_leaves_the_others_their_bits(tmp_path, on_a_card):
    together = local.train(STACK, Store(tmp_path / "together", ""), device="cpu")
    assert [len(r.provenance["processes"]) for r in together] == [1] * 4
    assert {r.provenance["processes"][0]["stack"] for r in together} == {4}
    for record in together:
        assert equal(record, train([record.run], tmp_path / record.run.key)[0])
    first, second, third, fourth = together
    assert second["epoch"][-1] == fourth["epoch"][-1] == RUN.epochs
    assert second.ended == fourth.ended == ""
    assert 0 < first["epoch"][-1] < third["epoch"][-1] < RUN.epochs
    for record in (first, third):
        assert record.ended.startswith("converged: residual ")
        assert record.ended.endswith(" below 1e+09")
        assert list(record["epoch"]) == list(RUN.log_epochs()[: len(record["epoch"])])
        assert not Store(tmp_path / "together", "").load_checkpoint(record.run)


def test_in_one_batched_product_an_early_end_changes_nothing(tmp_path, on_a_card, monkeypatch):
    monkeypatch.setattr(trainer, "Stack", partial(trainer.Stack, batched=True))
    together = train([replace(run, precision="float64") for run in STACK], tmp_path / "together")
    for record in together:
        alone = train([record.run], tmp_path / record.run.key)[0]
        assert list(record["epoch"]) == list(alone["epoch"])
        for name in ("train_loss", "param_norm", "residual"):
            np.testing.assert_allclose(record[name], alone[name], rtol=1e-6)


# --- time boxes, other processes, other places


LONG = [replace(RUN, seed=seed, epochs=60) for seed in range(2)]


def test_a_store_copied_elsewhere_goes_on_there_on_another_device(tmp_path, monkeypatch):
    advance = trainer.Stack.advance
    with monkeypatch.context() as patch:
        # epochs of 20 ms at least: the minutes see some but not all
        patch.setattr(trainer.Stack, "advance", lambda self: (time.sleep(0.02), advance(self)))
        with pytest.raises(TimeoutError) as stopped:
            train(LONG, tmp_path / "first", minutes=0.01)
    done = sum(Store(tmp_path / "first", "").checkpointed().values())
    assert str(stopped.value) == (
        f"time is up with {done} of 120 epochs trained; the same call continues"
    )
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    here = trainer.provenance
    monkeypatch.setattr(trainer, "provenance", lambda device: here(device) | {"device": "cuda X"})
    begun = Store(tmp_path / "second", "").checkpointed()
    assert begun
    moved = train(LONG, tmp_path / "second")
    monkeypatch.undo()
    for one, other in zip(moved, train(LONG, tmp_path / "first"), strict=True):
        assert equal(one, other)
        processes = one.provenance["processes"]
        from_epoch = [0, begun[one.run]] if one.run in begun else [0]
        assert [p["from_epoch"] for p in processes] == from_epoch
        assert all(p["wall_seconds"] > 0 for p in processes)
        assert processes[-1]["device"] == "cuda X"


def test_a_run_that_another_process_holds_is_waited_for_and_loaded(tmp_path, monkeypatch):
    [record] = train([RUN], tmp_path / "elsewhere")
    store, other = Store(tmp_path / "shared", ""), ExitStack()
    assert other.enter_context(store.lock([RUN])) == [RUN]

    def finish(seconds):
        store.put(record, record.weights())
        other.close()

    monkeypatch.setattr(trainer, "Training", None)  # so that a call would fail
    monkeypatch.setattr(local.time, "sleep", finish)
    assert equal(train([RUN], store)[0], record)


@pytest.mark.parametrize("epochs", [1, 150])  # over before a first update, and not
def test_training_goes_on_when_nobody_reads_its_progress_any_more(tmp_path, monkeypatch, epochs):
    class Terminal(io.StringIO):
        def write(self, text):
            if ("epoch/s" in text or "s/epoch" in text) and " 0.00/" not in text:
                raised.append(text)
                raise BrokenPipeError(32, "Broken pipe")
            return len(text)

    raised = []
    monkeypatch.setattr("sys.stderr", Terminal())
    torch.set_num_threads(2)
    try:
        records = local.train(
            [replace(r, epochs=epochs, n_logged=2) for r in LONG], Store(tmp_path, ""), "cpu"
        )
    finally:
        torch.set_num_threads(1)
    assert len(records) == 2
    assert raised


def test_when_time_is_up_a_run_beside_one_that_diverged_goes_on(tmp_path, on_a_card, monkeypatch):
    wild, calm = replace(RUN, init_scale=1e30), replace(RUN, seed=5)
    clock = iter(range(100))
    with monkeypatch.context() as patch:
        patch.setattr(local._Watch, "halt", lambda self: next(clock) > 5)
        with pytest.raises(TimeoutError, match="the same call continues"):
            train([wild, calm], tmp_path)
    with pytest.raises(FloatingPointError, match=f"run {wild.key} "):
        train([wild, calm], tmp_path)
    assert Store(tmp_path, "").has(calm)


def test_a_run_that_leaves_no_record_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(local.LocalExecutor, "train", lambda *_: [([RUN], "")])
    with pytest.raises(RuntimeError, match="trained but not found in .*D=25"):
        train([RUN], tmp_path)


def test_a_run_asked_for_with_and_without_its_weights_is_trained_once(tmp_path, monkeypatch):
    kept, usual, trained = replace(RUN, keep_weights=True), replace(RUN, keep_weights=False), []
    monkeypatch.setattr(
        local,
        "train_stack",
        lambda runs, *a: trained.append(*runs) or trainer.train_stack(runs, *a),
    )
    alone = train([usual], Store(tmp_path / "alone"))[0]
    both = train([usual, kept], store := Store(tmp_path / "both"))
    assert trained == [usual, kept]
    assert [record.run for record in both] == [usual, kept]
    assert equal(both[0], alone)
    assert store.has(usual)
    assert both[1].weights()
    with pytest.raises(ValueError, match="not asked to keep"):
        both[0].weights()
    assert train([replace(usual, init=kept)], store)  # and who starts from it finds it
    assert not Store(tmp_path / "alone").has(kept)


def test_runs_may_come_from_a_generator_and_the_store_be_named_by_its_folder(tmp_path):
    runs = [RUN, replace(RUN, seed=1)]
    found = local.train((run for run in runs), str(tmp_path), "cpu", progress=False)
    assert [record.run for record in found] == runs
    assert all(Store(tmp_path).has(run) for run in runs)


@pytest.mark.parametrize(
    ("runs", "minutes", "says"),
    [([RUN, 3], 1.0, "runs must be of grokkit.Run, got 3"), ([RUN], float("nan"), "got nan")],
)
def test_what_cannot_be_trained_is_named_before_anything_is(tmp_path, runs, minutes, says):
    with pytest.raises(ValueError, match=says):
        local.train(runs, Store(tmp_path / "store"), "cpu", minutes=minutes)
    assert not (tmp_path / "store").exists()
