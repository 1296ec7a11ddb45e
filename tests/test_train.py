"""Training: AdamW step by step, stacks against single runs, resuming, ungrokking, metrics."""

import multiprocessing
import os
import signal
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from grokkit import circuits, metrics, model, stack, tasks
from grokkit import train as trainer
from grokkit.model import ModelConfig
from grokkit.runs import Run
from grokkit.store import Store

TINY = ModelConfig(d_model=16, n_heads=2, d_mlp=24)
RUN = Run(p=7, dataset_size=25, epochs=40, model=TINY, n_logged=12, keep_weights=True)
CPU = torch.device("cpu")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", shipped="")


def train(runs, store, **kw):
    return trainer.train(runs, store, device="cpu", progress=False, **kw)


def equal(one, other):
    """Whether metrics and weights are the same, bit for bit."""
    same = all(np.array_equal(one[k], other[k], equal_nan=True) for k in one.metrics)
    weights = one.weights()
    return same and all(torch.equal(weights[k], w) for k, w in other.weights().items())


def textbook_adamw(run: Run, epochs: int, dtype: torch.dtype) -> list[dict[str, torch.Tensor]]:
    """Parameters after each epoch: the plain model, torch's AdamW, nothing of the stack."""
    task = tasks.task(run.task, run.p)
    rows = tasks.split(task, run.dataset_size, run.seed)[0]
    tokens = model.tokens(torch.from_numpy(task.inputs[rows]), task.n_tokens)
    labels = torch.from_numpy(run.example_labels()[rows])
    theta = model.initialise(run.model, task.n_tokens, run.seed)
    theta = {name: w.to(dtype).requires_grad_() for name, w in theta.items()}
    adamw = torch.optim.AdamW(
        theta.values(),
        lr=run.lr,
        betas=(run.beta1, run.beta2),
        eps=run.eps,
        weight_decay=run.weight_decay,
    )
    history = []
    for _ in range(epochs):
        adamw.zero_grad()
        model.cross_entropy(model.forward(theta, tokens)[:, -1], labels).mean().backward()
        adamw.step()
        history.append({name: w.detach().clone() for name, w in theta.items()})
    return history


def test_a_stack_of_different_runs_follows_torchs_adamw_epoch_by_epoch():
    runs = [
        RUN,
        replace(RUN, seed=1, dataset_size=23, weight_decay=0.3, lr=3e-3),
        replace(RUN, seed=2, eps=1e-4, labels="random", beta2=0.999),
    ]
    thetas = [model.initialise(TINY, 7, run.seed) for run in runs]
    together = trainer.Stack(runs, stack.stacked(thetas), CPU, torch.float64)
    expected = [textbook_adamw(run, 30, torch.float64) for run in runs]
    for epoch in range(30):
        together.advance()
        for i, history in enumerate(expected):
            for name, weight in history[epoch].items():
                assert_close(together.theta[name][i], weight, rtol=1e-7, atol=1e-9)


RUNS = [
    replace(RUN, dataset_size=27, seed=3),
    RUN,
    replace(RUN, dataset_size=26, weight_decay=0.2, seed=4),
    replace(RUN, labels="random", dataset_size=24),
]


def test_a_run_trained_in_a_stack_equals_the_same_run_alone(tmp_path):
    assert len(trainer.pack(RUNS, CPU)) == 1
    together = train(RUNS, Store(tmp_path / "together", ""))
    alone = [train([run], Store(tmp_path / run.key, ""))[0] for run in RUNS]
    assert all(equal(one, other) for one, other in zip(together, alone, strict=True))


def test_runs_side_by_side_on_two_threads_end_with_the_bits_of_one_thread(tmp_path):
    alone = train(RUNS, Store(tmp_path / "one", ""))
    torch.set_num_threads(2)
    try:
        together = train(RUNS, Store(tmp_path / "two", ""))
        [single] = train([RUN], Store(tmp_path / "single", ""))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert all(equal(one, other) for one, other in zip(alone, together, strict=True))
    assert equal(single, alone[1])


def test_the_same_run_twice_gives_the_same_bits(tmp_path):
    one, other = (train([RUN], Store(tmp_path / name, ""))[0] for name in "ab")
    assert equal(one, other)


class Halt(Exception):
    """Stands for any crash in the middle of training."""


@pytest.mark.parametrize("after", [1, 13, 39, 40])
def test_a_crash_at_any_epoch_resumes_to_the_same_bits(tmp_path, monkeypatch, after):
    unbroken = train(RUNS, Store(tmp_path / "unbroken", ""))
    broken = Store(tmp_path / "broken", "")
    update, done = trainer.Group.update, []

    def crash(self, gradients):
        if len(done) == after * len(RUNS) + 2:  # in the middle of an epoch
            raise Halt
        update(self, gradients)
        done.append(1)

    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)  # after every epoch
    monkeypatch.setattr(trainer.Group, "update", crash)
    if after < RUN.epochs:
        with pytest.raises(Halt):
            train(RUNS, broken)
    monkeypatch.setattr(trainer.Group, "update", update)
    resumed = train(RUNS, broken)
    assert all(equal(one, other) for one, other in zip(resumed, unbroken, strict=True))
    if after < RUN.epochs:
        assert [p["from_epoch"] for p in resumed[0].provenance["processes"]] == [0, after]
    assert not list((broken.path / "checkpoints").glob("*.safetensors"))


def test_a_crash_between_the_records_of_a_stack_loses_none(tmp_path, monkeypatch):
    unbroken = train(RUNS, Store(tmp_path / "unbroken", ""))
    broken = Store(tmp_path / "broken", "")
    put, done = Store.put, []

    def crash(self, *arguments):
        if len(done) == 2:
            raise Halt
        done.append(1)
        return put(self, *arguments)

    monkeypatch.setattr(Store, "put", crash)
    with pytest.raises(Halt):
        train(RUNS, broken)
    monkeypatch.setattr(Store, "put", put)
    resumed = train(RUNS, broken)
    assert all(equal(one, other) for one, other in zip(resumed, unbroken, strict=True))


RUNS_TO_KILL = [replace(RUN, dataset_size=20 + s, seed=s, epochs=200) for s in range(3)]


def train_and_die(path, after, connection):
    """In a child process: train `RUNS_TO_KILL`; SIGKILL itself `after` seconds into training."""
    trainer.CHECKPOINT_SECONDS = -1.0  # after every epoch
    if after is not None:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, after)
    began = time.monotonic()
    train(RUNS_TO_KILL, Store(path, ""))
    signal.setitimer(signal.ITIMER_REAL, 0)
    connection.send(time.monotonic() - began)


def start_child(path, after=None):
    """A forked process in `train_and_die`, and the pipe with the seconds that training took."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=train_and_die, args=(path, after, theirs)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork of a process with threads
        process.start()
    theirs.close()
    return process, ours


def child(path, after=None):
    """(exit code, seconds that training took if it came to its end) of `train_and_die`."""
    process, pipe = start_child(path, after)
    process.join()
    try:
        return process.exitcode, pipe.recv()
    except EOFError:  # killed before it could say
        return process.exitcode, None


def test_sigkill_at_ten_random_moments_leaves_the_bits_of_an_unbroken_run(tmp_path):
    code, whole = child(tmp_path / "unbroken")
    assert code == 0
    rng = np.random.default_rng(0)
    killed = [child(tmp_path / "killed", whole * rng.uniform(0.01, 0.06))[0] for _ in range(10)]
    assert killed == [-signal.SIGKILL] * 10
    assert child(tmp_path / "killed")[0] == 0
    for run in RUNS_TO_KILL:
        one, other = (Store(tmp_path / name, "").get(run) for name in ("unbroken", "killed"))
        assert equal(one, other)
    assert len(other.provenance["processes"]) > 1
    assert not list((tmp_path / "killed").rglob("*.safetensors.damaged"))


def test_two_processes_may_train_one_sweep_in_one_store(tmp_path):
    both = [start_child(tmp_path / "shared")[0] for _ in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    records = [Store(tmp_path / "shared", "").get(run) for run in RUNS_TO_KILL]
    assert {len(record.provenance["processes"]) for record in records} == {1}  # trained once


def test_a_stored_run_is_returned_and_only_missing_ones_are_trained(store, monkeypatch):
    first = train([RUN], store)[0]
    asked = []
    real = trainer.train_stack

    def watch(runs, *arguments):
        asked.extend(runs)
        return real(runs, *arguments)

    monkeypatch.setattr(trainer, "train_stack", watch)
    other = replace(RUN, seed=8)
    records = train([RUN, other], store)
    assert asked == [other]
    assert equal(records[0], first)


def test_a_damaged_record_is_reported_and_trained_again_to_the_same_bits(store):
    first = train([RUN], store)[0]
    kept = {k: v.clone() for k, v in first.weights().items()}
    path = store.path / "records" / f"{RUN.key}.parquet"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.warns(UserWarning, match=path.name):
        again = train([RUN], store)[0]
    assert (again["train_loss"] == first["train_loss"]).all()
    assert all(torch.equal(again.weights()[k], w) for k, w in kept.items())


def test_ungrokking_starts_from_the_final_weights_and_trains_the_init_first(store):
    run = replace(RUN, dataset_size=12, epochs=5, init=RUN, keep_weights=False)
    record = train([run], store)[0]
    before = store.get(RUN)
    assert record["param_norm"][0] == pytest.approx(before.final("param_norm"), rel=1e-12)
    task = tasks.task("x+y", 7)
    subset = set(tasks.split(task, 12, run.seed)[0])
    assert subset <= set(tasks.split(task, RUN.dataset_size, RUN.seed)[0])


def test_time_is_up_at_a_checkpoint_and_the_next_call_continues(store, tmp_path, monkeypatch):
    with pytest.raises(TimeoutError, match="continues from the checkpoint"):
        train([RUN], store, minutes=0.0)
    assert store.load_checkpoint([RUN]).epoch == 1
    resumed = train([RUN], store)[0]
    assert equal(resumed, train([RUN], Store(tmp_path / "unbroken", ""))[0])


def test_metrics_are_those_of_a_slow_plain_evaluation(store):
    record = train([RUN], store)[0]
    theta = {name: w.double() for name, w in record.weights().items()}
    task = tasks.task("x+y", 7)
    labels = torch.from_numpy(task.labels)
    Z = model.forward(theta, model.tokens(torch.from_numpy(task.inputs), 7))[:, -1]
    train_rows, test_rows = tasks.split(task, RUN.dataset_size, RUN.seed)
    loss = F.cross_entropy(Z, labels, reduction="none")
    right = (Z.argmax(1) == labels).double()
    correct = circuits.centred(Z)[torch.arange(49), labels]
    trig = circuits.trig_logits(Z.view(7, 7, 7)).view(49, 7)[torch.arange(49), labels]
    expected = {
        "train_loss": loss[train_rows].mean(),
        "test_loss": loss[test_rows].mean(),
        "train_accuracy": right[train_rows].mean(),
        "test_accuracy": right[test_rows].mean(),
        "param_norm": sum(w.square().sum() for w in theta.values()).sqrt(),
        "correct_logit": correct[train_rows].mean(),
        "correct_logit_raw": Z[torch.arange(49), labels][train_rows].mean(),
        "trig_logit": trig[train_rows].mean(),
        "mem_logit": (correct - trig)[train_rows].mean(),
        "trig_share": circuits.trig_share(Z.view(7, 7, 7)).norm,
    }
    for name, value in expected.items():
        assert record.final(name) == pytest.approx(float(value), rel=1e-4, abs=1e-5), name


def test_the_residual_vanishes_where_an_update_of_adamw_does():
    # hold the gradient fixed: AdamW then rests where g/(|g| + eps) + lambda theta = 0
    eps, weight_decay = 1e-8, 1.0
    theta = {"w": torch.linspace(-0.9, 0.9, 50, dtype=torch.float64)}
    rest = {"w": -eps * weight_decay * theta["w"] / (1 - weight_decay * theta["w"].abs())}
    update = rest["w"] / (rest["w"].abs() + eps) + weight_decay * theta["w"]
    assert update.abs().max() < 1e-12
    assert metrics.stationarity(theta, rest, eps, weight_decay) < 1e-9
    off = {"w": 2 * rest["w"]}
    assert metrics.stationarity(theta, off, eps, weight_decay) > 0.9
    assert np.isnan(metrics.stationarity(theta, rest, eps, 0.0))


def test_metrics_that_a_task_does_not_have_are_left_out(store):
    record = train([replace(RUN, task="x*y", epochs=2, keep_weights=False)], store)[0]
    assert "test_loss" in record.metrics
    assert "trig_logit" not in record.metrics


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_packing_keeps_padding_and_size_within_bounds(kind):
    sizes = np.unique(np.geomspace(300, 12769, 40).astype(int)).tolist()
    runs = [Run(dataset_size=size, seed=seed) for size in sizes for seed in range(3)]
    packed = trainer.pack(runs, torch.device(kind))
    assert sorted(r.key for s in packed for r in s) == sorted(r.key for r in runs)
    for members in packed:
        used = sum(r.dataset_size for r in members)
        rows = used if kind == "cpu" else max(r.dataset_size for r in members) * len(members)
        assert used >= (1 - trainer.MAX_PADDING) * rows
        assert rows <= trainer.MAX_EXAMPLES[kind] or len(members) == 1
    assert len(packed) < len(runs) / 3


def test_packing_parts_what_cannot_train_together():
    mixed = trainer.pack([RUN, replace(RUN, epochs=41), replace(RUN, p=5, dataset_size=25)], CPU)
    assert len(mixed) == 3


@pytest.mark.parametrize("name", ["tpu", "gpu", "cuda:99x", "mps:0"])
def test_an_unknown_or_absent_device_names_those_there_are(name):
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("needs a machine without an accelerator")
    with pytest.raises(ValueError, match=f"auto, cpu here, got '{name}'"):
        trainer.resolve_device(name)
