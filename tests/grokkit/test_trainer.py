"""Training: AdamW step by step, stacks against single runs, resuming, ungrokking, metrics."""

import _thread
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tiny import CPU, MINIMISER, RUN, equal, fresh, textbook_loss, train
from torch.testing import assert_close

from grokkit import all_logits, decomposition, model, optimum, tasks, textbook
from grokkit.engine import tabulated, trainer
from grokkit.engine.adamw import AdamW
from grokkit.store.files import StoreFull
from grokkit.store.store import Store
from grokkit.sweeps import local

RUNS = [
    replace(RUN, dataset_size=27, seed=3),
    RUN,
    replace(RUN, dataset_size=26, weight_decay=0.2, seed=4),
    replace(RUN, dataset_size=24, weight_decay=0.0, labels="random", task="x-y"),
]
BY_LBFGS = replace(RUN, **MINIMISER, epochs=60)
BY_STEPS = [replace(BY_LBFGS, epochs=80, **own) for own in ({"push": 0.9}, {"kink": 0.5})]
NOISY = replace(RUN, noise=0.5, amplify=2.0, muon=0.2, clip=1e5)
OTHER_CONSTANTS = replace(RUN, lr=5e-4, beta1=0.5, beta2=0.7, eps=1e-5)


def stacked(runs, precision="float64", **kw):
    """A fresh stack of these runs at this precision."""
    return fresh([replace(run, precision=precision) for run in runs], **kw)


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("runs", [RUNS, [OTHER_CONSTANTS]], ids=["mixed", "constants"])
def test_a_stack_of_different_runs_follows_torchs_adamw_epoch_by_epoch(runs, batched):
    together = stacked(runs, batched=batched)
    textbooks = [textbook.train(run, torch.float64) for run in runs]  # the plain model alone
    for _ in range(30):
        together.advance()
        for i, expected in enumerate(map(next, textbooks)):
            assert_close(together.theta(i), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("own", [MINIMISER, {"muon": 0.2}, {"clip": 5.0}], ids=str)
def test_a_textbook_refuses_what_it_would_train_otherwise(own):
    with pytest.raises(ValueError, match=f"{next(iter(own))}.* must be .*got"):
        next(textbook.train(replace(RUN, **own)))


def test_noise_on_slopes_is_gaussian_of_its_size_and_new_for_every_epoch_and_seed():
    loud = [replace(run, noise=1e9, beta1=0.0) for run in RUNS[:2]]  # slopes are far below 1e9 eps
    stack, drawn = stacked(loud), []
    for _ in range(2):
        stack.advance()
        drawn += [stack.state(i)["exp_avg"] / (1e9 * RUN.eps) for i in range(2)]
    n = len(drawn[0])
    for one in drawn:
        assert abs(one.mean()) < 5 / n**0.5
        assert abs(one.square().mean() - 1) < 5 * (2 / n) ** 0.5
    assert (torch.corrcoef(torch.stack(drawn)) - torch.eye(4)).abs().max() < 5 / n**0.5


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("own", [{"amplify": 2.0}, {"clip": 5.0, "eps": 0.1}], ids=str)
def test_slopes_are_amplified_as_grokfast_does_it_and_cut_run_by_run_as_torch_does(own, batched):
    own = replace(RUN, lr=3e-3, precision="float64", **own)
    runs, close = [own, replace(own, seed=3)], 1e-5 if own.clip else 1e-7  # torch adds 1e-6
    stack, losses = stacked(runs, batched=batched), [*map(textbook_loss, runs)]
    thetas = [model.flat(stack.theta(i)).requires_grad_() for i in range(2)]
    adamw = torch.optim.AdamW(thetas, own.lr, (own.beta1, own.beta2), own.eps, 1.0)
    averages, long = [None, None], []
    for _ in range(30):
        for i, (loss, theta) in enumerate(zip(losses, thetas, strict=True)):
            [slope] = torch.autograd.grad(loss(theta), [theta])
            averages[i] = slope if averages[i] is None else 0.98 * averages[i] + 0.02 * slope
            theta.grad = slope + own.amplify * averages[i]
            if own.clip:
                long.append(torch.nn.utils.clip_grad_norm_([theta], 0.5) > 0.5)
        adamw.step()
        stack.advance()
        for i, theta in enumerate(thetas):
            assert_close(model.flat(stack.theta(i)), theta.detach(), rtol=close, atol=close / 100)
    assert not own.clip or 10 < sum(long) < 50


@pytest.mark.parametrize("batched", [False, True])
def test_hidden_matrices_take_muons_steps_and_all_else_adamws(batched):
    own = replace(RUN, lr=3e-3, muon=0.2, precision="float64")
    runs = [own, replace(own, seed=3, weight_decay=0.5)]
    stack, losses = stacked(runs, batched=batched), [*map(textbook_loss, runs)]
    thetas = [{n: w.requires_grad_() for n, w in stack.theta(i).items()} for i in range(2)]
    plain = [
        torch.optim.AdamW(theta.values(), own.lr, (own.beta1, own.beta2), own.eps, run.weight_decay)
        for run, theta in zip(runs, thetas, strict=True)
    ]
    means = [{name: torch.zeros_like(w) for name, w in theta.items()} for theta in thetas]
    for _ in range(20):
        stack.advance()
        for run, theta, adamw, loss, mean in zip(runs, thetas, plain, losses, means, strict=True):
            adamw.zero_grad()
            loss(model.flat(theta)).backward()
            before = {name: w.detach().clone() for name, w in theta.items()}
            adamw.step()
            for name in ("W_Q", "W_K", "W_V", "W_O", "W_in", "W_out"):
                slope, old = theta[name].grad, before[name]
                mean[name] = 0.95 * mean[name] + 0.05 * slope
                step = muons_step(0.05 * slope + 0.95 * mean[name])
                theta[name].data = (1 - run.lr * run.weight_decay) * old - run.lr * step
    for i, theta in enumerate(thetas):
        assert_close(model.flat(stack.theta(i)), model.flat(theta).detach(), rtol=1e-6, atol=1e-8)


def muons_step(slope):
    """0.2 times Moonlight's: five times a quintic of the singular values, by their own bases."""
    left, values, right = torch.linalg.svd(slope, full_matrices=False)
    values = values / values.square().sum(-1, keepdim=True).sqrt()
    for _ in range(5):
        values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
    return 0.2 * max(slope.shape[-2:]) ** 0.5 * (left * values.unsqueeze(-2)) @ right


def test_amplified_slopes_rest_where_a_smaller_epsilon_does():
    run = replace(RUN, amplify=2.0, eps=0.1, weight_decay=0.5, lr=1e-2)
    target = torch.linspace(-1, 1, 8, dtype=torch.float64).unsqueeze(0)
    adam = AdamW([run], {"point": torch.zeros_like(target)}, 0)
    for _ in range(5000):
        adam.step(
            lambda point: (point.sum(1), point - target)
        )  # of half the square of the distance
    eps, decay = torch.tensor([run.eps]), torch.tensor([run.weight_decay])
    off = [optimum.residual(adam.point, adam.point - target, e, decay) for e in (eps / 3, eps)]
    assert off[0] < 1e-6 < 0.1 < off[1]
    assert optimum.residual(adam.point, target, eps, 0 * decay).isnan()
    assert run.alpha == pytest.approx(run.eps * run.weight_decay / 3)
    assert stacked([run])._eps_and_decay(target)[:, 0].tolist() == pytest.approx([0.1 / 3, 0.5])


@pytest.mark.parametrize(("precision", "apart"), [("float32", 1e-4), ("tf32", 1e-3), ("bf16", 0.1)])
def test_a_lower_precision_follows_float64_within_its_rounding(precision, apart):
    low, exact = (stacked([RUN], kind) for kind in (precision, "float64"))
    for _ in range(30):
        low.advance()
        exact.advance()
    for name, weight in low.theta(0).items():
        assert weight.dtype == torch.float32
        assert (weight - exact.theta(0)[name]).norm() < apart * weight.norm() + 1e-6
    off = (low.theta(0)["W_E"] - exact.theta(0)["W_E"]).norm() / exact.theta(0)["W_E"].norm()
    assert (off > 1e-4) == (precision == "bf16")


def test_a_mixed_stack_goes_to_float64_once_none_of_its_runs_can_go_on():
    runs = [replace(BY_LBFGS, seed=seed, precision="mixed") for seed in range(2)]
    together = stacked(runs, "mixed")
    together.advance()
    together.optimiser.stuck[:] = torch.tensor([True, False])
    together.step = lambda: None
    together.advance()
    assert together.optimiser.point.dtype == torch.float32
    assert not together.stuck().any()  # it waits for the other one, and is not at its end
    together.optimiser.stuck[:] = True
    together.advance()
    assert together.optimiser.point.dtype == torch.float64
    resumed = trainer.Stack(runs, [together.state(i) for i in range(2)], CPU, 2)
    assert resumed.optimiser.point.dtype == torch.float64
    resumed.optimiser.stuck[0] = True
    assert resumed.stuck().tolist() == [True, False]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The record of each run, trained by itself, on one thread, and never broken off."""
    store = Store(tmp_path_factory.mktemp("alone"), "")
    return {run: train([run], store)[0] for run in (*RUNS, NOISY, BY_LBFGS, *BY_STEPS)}


@pytest.mark.parametrize("runs", [RUNS, [RUN]], ids=["four", "one"])
def test_on_two_threads_runs_end_with_the_bits_of_one_thread(store, alone, runs):
    torch.set_num_threads(2)
    try:
        records = train(runs, store)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert all(equal(record, alone[record.run]) for record in records)
    assert {p["threads"] for r in records for p in r.provenance["processes"]} == {3 - len(runs[:2])}


def test_only_the_trainer_changes_how_the_process_keeps_memory(store, monkeypatch):
    asked = []
    for module in (trainer, tabulated):
        monkeypatch.setattr(module, "keep_freed_memory", lambda module=module: asked.append(module))
    stacked([RUN]).advance()
    assert asked == []
    train([replace(RUN, epochs=1)], store)
    assert asked == [trainer]


@contextmanager
def crash(owner, name, after):
    """A crash at the call of a method after so many that succeed."""
    method, calls = getattr(owner, name), iter(range(after))

    def crashing(self, *arguments):
        if next(calls, None) is None:
            raise RuntimeError("crash")
        return method(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, crashing)
        with pytest.raises(RuntimeError, match="^crash$"):
            yield patch


@pytest.mark.parametrize("after", [1, 39])
@pytest.mark.parametrize(
    "runs",
    [[*RUNS[1:3], NOISY], [BY_LBFGS], *([run] for run in BY_STEPS)],
    ids=["adamw", "lbfgs", "pushed", "rounded"],
)
def test_a_crash_at_any_epoch_resumes_to_the_same_bits(store, after, runs, alone):
    with crash(trainer.Stack, "advance", after) as patch:
        patch.setattr(trainer.Training, "due", lambda self: True)  # after every epoch
        train(runs, store)
    resumed = train(runs, store)
    assert all(equal(record, alone[record.run]) for record in resumed)
    from_epoch = {tuple(p["from_epoch"] for p in r.provenance["processes"]) for r in resumed}
    assert (0, after) in from_epoch
    assert not list((store.path / "checkpoints").glob("*.safetensors"))


def test_a_crash_between_the_records_of_a_stack_loses_none(store, alone):
    with crash(Store, "put", 2):
        trainer.train_stack(RUNS, store, CPU)
    assert len(store.checkpointed()) == 2
    resumed = train(RUNS, store)
    assert all(equal(record, alone[record.run]) for record in resumed)
    assert {p["from_epoch"] for r in resumed for p in r.provenance["processes"]} == {0, RUN.epochs}


def test_metrics_follow_a_rule_that_was_changed_under_its_name(store, monkeypatch):
    for times in (1, 2):
        monkeypatch.setitem(tasks.MODULAR, "mine", lambda x, y, p, k=times: (x + k * y) % p)
        [record] = train([replace(RUN, task="mine", epochs=2)], store)
        task, rows = record.run.operation, record.run.split()[0]
        logits = all_logits(record.weights(), task)
        loss = model.cross_entropy(logits, torch.tensor(task.labels))[torch.tensor(rows)].mean()
        assert record.final("train_loss") == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.parametrize(("save_seconds", "pause"), [(0.0, 30), (3.0, 100)])
def test_checkpoints_come_each_half_minute_and_take_a_small_part_of_the_time(
    store, monkeypatch, save_seconds, pause
):
    monkeypatch.setattr(trainer.time, "monotonic", lambda: clock[0])
    clock = [1000.0]
    training = trainer.Training({RUN: None}, store, CPU, 1)
    training.save_seconds = save_seconds
    for _ in range(2):
        clock[0] += pause - 1
        assert not training.due()
        clock[0] += 2
        assert training.due()
        training.save()
        training.save_seconds = save_seconds


def test_the_minimiser_says_why_it_ends_early():
    run = replace(BY_LBFGS, tolerance=0.1)
    rows = torch.full((3, len(trainer.METRICS)), torch.nan, dtype=torch.float64)
    rows[:, trainer.METRICS.index("residual")] = torch.tensor([1, 0.5, 0.05])
    assert trainer.stop_reason(run, rows, False) == "converged: residual 0.05 below 0.1"
    assert trainer.stop_reason(run, rows[:2], False) == ""
    assert trainer.stop_reason(run, rows[:2], True).startswith("no step lowers the objective")


def full(self, checkpoint):
    raise StoreFull(28, "no space left to write x.safetensors")


def test_a_full_disk_is_said_and_training_goes_on(store, monkeypatch, alone):
    monkeypatch.setattr(trainer.Training, "due", lambda self: True)
    monkeypatch.setattr(Store, "save_checkpoint", full)
    with pytest.warns(UserWarning, match=r"x\.safetensors; training goes on without"):
        assert equal(train([RUN], store)[0], alone[RUN])


def stop_soon(monkeypatch):
    """Time is up after a few epochs of the next call."""
    clock = iter(range(100))
    monkeypatch.setattr(local._Watch, "halt", lambda self: next(clock) > 5)


@pytest.fixture
def ctrl_c():
    """SIGINT interrupts, also where what started the tests had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_a_full_disk_at_a_stop_is_said_and_the_last_checkpoint_stays(store, monkeypatch):
    """Repeated jobs that cannot advance fail, each of them, however they are stopped."""
    stop_soon(monkeypatch)
    with pytest.raises(TimeoutError):
        train([RUN], store)
    saved = store.load_checkpoint(RUN)
    monkeypatch.setattr(Store, "save_checkpoint", full)
    for _ in range(2):
        stop_soon(monkeypatch)
        with pytest.raises(StoreFull, match=r"x\.safetensors; what was trained since .* is lost"):
            train([RUN], store)
    monkeypatch.setattr(local._Watch, "halt", lambda self: False)
    advance, told = trainer.Stack.advance, []

    def interrupted(self):
        if not told:
            told.append(1)
            _thread.interrupt_main()  # it does not break a wait, as a signal just before it
        time.sleep(0.1)
        advance(self)

    def full_at_a_second_interrupt(self, checkpoint):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.1)
        full(self, checkpoint)

    monkeypatch.setattr(trainer.Stack, "advance", interrupted)
    monkeypatch.setattr(Store, "save_checkpoint", full_at_a_second_interrupt)
    with pytest.raises(StoreFull, match="is lost"):  # not KeyboardInterrupt: "at a checkpoint"
        train([RUN], store)
    assert store.load_checkpoint(RUN).epoch == saved.epoch


@pytest.mark.parametrize(
    "changes",
    [
        {"lr": 1e30, "weight_decay": 0.0},
        {"eps": 1e-60, "labels": "random", "dataset_size": 49},
        {"lr": 1e30, "weight_decay": 0.0, "precision": "float64"},
        {"optimiser": "lbfgs", "precision": "float64", "init_scale": 1e39},
    ],
    ids=str,
)
def test_a_run_that_leaves_the_finite_numbers_is_named_and_has_no_record(store, changes):
    runs = [replace(RUN, **changes), replace(RUN, seed=5)]
    with pytest.raises(FloatingPointError, match=f"run {runs[0].key} .*left the finite numbers"):
        train(runs, store)
    assert not store.has(runs[0])
    assert store.has(runs[1])  # trained all the same


def test_a_run_that_diverges_holds_up_those_alone_that_start_from_it(store):
    wild, calm = replace(RUN, lr=1e30, weight_decay=0.0, keep_weights=True), replace(RUN, seed=5)
    later = [replace(RUN, epochs=5, init=replace(init, keep_weights=True)) for init in (wild, calm)]
    for _ in range(2):
        with pytest.raises(FloatingPointError, match=f"run {wild.key} .*left the finite numbers"):
            train(later, store)
    assert [store.has(run) for run in later] == [False, True]


def test_a_run_that_diverges_keeps_its_last_finite_checkpoint(store, monkeypatch):
    advance = trainer.Stack.advance

    def diverge(self):
        advance(self)
        if int(self.optimiser.adam.state[self.optimiser.point]["step"]) > 20:
            self.optimiser.point[0, 0] = torch.inf

    monkeypatch.setattr(trainer.Training, "due", lambda self: True)
    monkeypatch.setattr(trainer.Stack, "advance", diverge)
    with pytest.raises(FloatingPointError, match=RUN.key):
        train([RUN], store)
    assert store.load_checkpoint(RUN, trainer.check_checkpoint).epoch == 20
    assert not store.has(RUN)


def test_in_a_stack_only_the_run_that_diverges_is_left_out(store):
    runs = [replace(RUN, seed=7, init_scale=1e15), RUN]
    held, diverged = trainer.train_stack(runs, store, CPU)
    assert held == runs
    assert runs[0].key in diverged
    assert runs[1].key not in diverged
    assert [store.has(run) for run in runs] == [False, True]


@pytest.mark.parametrize("run", [RUN, BY_LBFGS, replace(BY_LBFGS, precision="mixed")], ids=str)
def test_a_checkpoint_of_other_tensors_is_refused(store, monkeypatch, run):
    stop_soon(monkeypatch)
    with pytest.raises(TimeoutError):
        train([run], store)
    sound = store.load_checkpoint(run, trainer.check_checkpoint)
    assert sound.epoch > 0
    forged = [("more", sound.tensors | {"more": torch.zeros(1)})]
    for name, tensor in sound.tensors.items():
        without = {other: sound.tensors[other] for other in sound.tensors if other != name}
        changed = (tensor.flatten()[:0], torch.zeros(tensor.shape, dtype=torch.int8))
        forged += [(name, without), *((name, without | {name: other}) for other in changed)]
    for name, tensors in forged:
        store.save_checkpoint(replace(sound, tensors=tensors))
        with pytest.warns(UserWarning, match=f"{name} must be .* set aside"):
            assert store.load_checkpoint(run, trainer.check_checkpoint) is None
    for epoch in (-1, run.epochs + 1):
        store.save_checkpoint(replace(sound, epoch=epoch))
        with pytest.warns(UserWarning, match="set aside"):
            assert store.checkpointed() == {}


def test_ungrokking_starts_from_the_final_weights_and_trains_the_init_first(store):
    [record] = train([replace(RUN, dataset_size=12, epochs=5, init=RUN)], store)
    assert record["param_norm"][0] == pytest.approx(store.get(RUN).final("param_norm"), rel=1e-12)


def test_metrics_are_those_of_a_slow_plain_evaluation(store):
    record = train([RUN], store)[0]
    theta = {name: w.double() for name, w in record.weights().items()}
    task = tasks.task("x+y", 7)
    labels = torch.tensor(task.labels)
    Z = model.forward(theta, model.tokens(torch.tensor(task.inputs), 7))[:, -1]
    train_rows, test_rows = tasks.split(task, RUN.dataset_size, RUN.seed)
    loss = F.cross_entropy(Z, labels, reduction="none")
    right = (Z.argmax(1) == labels).double()
    correct = decomposition.centred(Z)[torch.arange(49), labels]
    trig = decomposition.trig_logits(Z.view(7, 7, 7)).view(49, 7)[torch.arange(49), labels]
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
        "trig_share": decomposition.trig_share(Z.view(7, 7, 7)),
        "n_key_frequencies": torch.tensor(len(decomposition.key_frequencies(Z.view(7, 7, 7)))),
    }
    for name, value in expected.items():
        assert record.final(name) == pytest.approx(float(value), rel=1e-4, abs=1e-5), name
    [other] = train([replace(RUN, task="x*y", epochs=2, keep_weights=False)], store)
    without = {"trig_logit", "mem_logit", "trig_share", "n_key_frequencies"}  # which only x + y has
    assert record.metrics.keys() - other.metrics.keys() == without


@pytest.mark.parametrize("name", ["tpu", "gpu", "cuda:99x", "mps:0", "cpu:foo"])
def test_an_unknown_or_absent_device_names_those_there_are(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # as on a machine without
    with pytest.raises(ValueError, match=f"auto, cpu here, got '{name}'"):
        trainer.resolve_device(name)
