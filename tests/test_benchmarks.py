"""Benchmarks time what they say: all ways train the same networks, all minimisers start alike."""

import inspect
import re

import denormals
import engine
import gpu
import minimisers
import pytest
import torch
from handmade import record
from tiny import CPU, TINY
from torch.testing import assert_close

from grokkit import model, tasks
from grokkit.runs import Run
from grokkit.store.files import Damaged
from grokkit.store.store import Store
from varma2023.engine import measured

TWO = [Run(p=7, dataset_size=20 + seed, seed=seed, model=TINY) for seed in range(2)]


def test_the_fused_textbook_loop_is_the_textbook_model():
    theta = {k: w.double() for k, w in model.initialise(model.ModelConfig(), 7, 0).items()}
    tokens = model.tokens(torch.tensor(tasks.task("x+y", 7).inputs), 7)
    assert_close(engine.fused_forward(theta, tokens), model.forward(theta, tokens))


def test_all_ways_train_the_same_networks():
    # one epoch from the same start moves every way's networks as it moves the textbook loop's
    ways = engine.ways_of(TWO, CPU)
    assert set(ways) > {"textbook", "last row", "one batch", "side by side", "grokkit"}
    for step, _ in ways.values():
        step(1)
    loops = inspect.getclosurevars(ways["textbook + test set"][0]).nonlocals["calls"]
    reference = [inspect.getgeneratorlocals(loop.args[0])["theta"] for loop in loops]
    for name, (step, _) in ways.items():
        if name.startswith("textbook"):
            continue
        found = inspect.getclosurevars(step).nonlocals
        stacks = found.get("stacks") or [call.__self__ for call in found["calls"]]
        mine = [stack.theta(i) for stack in stacks for i in range(len(stack.runs))]
        for own, there in zip(mine, reference, strict=True):
            assert_close(dict(own), dict(there), rtol=1e-3, atol=1e-4, check_dtype=False, msg=name)


def test_a_measurement_has_every_time_and_its_ratio_to_the_textbook_loop():
    rows = engine.measure(TWO, CPU, rounds=2, peak=1e11)
    for row in rows:
        assert min(row.ms, row.limit_share) > 0
        assert row.least <= row.factor <= row.most
    assert rows[0].way == "textbook"
    assert rows[0].factor == 1
    assert engine.table(rows).count("\n") == len(rows) - 1


@pytest.mark.process
def test_memory_is_measured_in_a_process_of_its_own():
    assert 0.1 < engine.memory(2, 20, CPU) < 4


PEAK = {"float32": 1e11, "tf32": 2e11, "bf16": 4e11, "float64": 5e10, "bytes": 1e10}


def test_the_limit_is_the_larger_of_arithmetic_and_bytes():
    # W_O 128 x 128, MLP twice 128 x 512, unembedding 128 x 113; 2 FLOP each; three passes
    flop = 3830 * 3 * 2 * (128 * 128 + 2 * 128 * 512 + 128 * 113)
    assert flop == pytest.approx(3.7e9, rel=0.02)  # DESIGN
    assert gpu.limit(Run(dataset_size=3830), PEAK) == pytest.approx(flop / 1e11)
    assert gpu.limit(Run(dataset_size=1), PEAK) == pytest.approx(7 * 4 * 226_944 / 1e10)


def test_the_accelerators_command_measures_every_part_anywhere():
    rows = list(gpu.steps([(2, 9)], CPU, PEAK))
    assert [row["precision"] for row in rows] == ["float32", "tf32", "bf16"]
    assert all(row["us"] > 0 for row in rows)
    assert gpu.minimiser(1, 9, CPU)["us"] > 0


def test_an_outcome_says_when_and_how_a_run_ended():
    names = ("param_norm", "correct_logit", "train_loss", "residual", "train_accuracy")
    curves = {name: [3, 2, 1] for name in names} | {"test_accuracy": [0, 0.2, 1]}
    found = gpu.outcome(record(Run(epochs=20), [0, 10, 20], **curves))
    assert (found["generalises"], found["param_norm"], found["seed"]) == (20, 1.0, 0)


def test_saved_measurements_name_where_they_were_made():
    for path in sorted(measured.FOLDER.glob("*.json")):
        assert measured.load(path.stem)["provenance"]["device"]
    with pytest.raises(LookupError, match=r"python benchmarks/nothing\.py --save"):
        measured.load("nothing-cpu")


def test_a_measurement_that_is_not_what_was_saved_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "FOLDER", tmp_path)
    path = measured.save("x-cpu", {"rows": [1.5]})
    assert measured.load("x-cpu") == {"rows": [1.5]}
    whole = path.read_text()
    for text in (whole.replace("1.5", "1.6"), whole.replace("sha", "shb"), whole[:-5], "[1]"):
        path.write_text(text)
        with pytest.raises(Damaged, match=re.escape(str(path))):
            measured.load("x-cpu")


def test_denormals_are_timed_where_a_run_starts_and_where_it_ends(tmp_path):
    runs = denormals.networks()
    assert all(run.keep_weights and run.optimiser == "adamw" for run in runs.values())
    run = runs["random labels"]
    points = denormals.points(run, Store(tmp_path))  # of the shipped results
    assert list(points) == [0, run.epochs]
    assert points[0].shape == points[run.epochs].shape
    assert not torch.equal(*points.values())
    rows = denormals.rows_of("random labels", run, points[0], 0, 1)
    assert [row["denormals"] for row in rows] == ["kept", "flushed"]
    assert min(row["ms"] for row in rows) > 0
    assert (torch.tensor(1e-30) * torch.tensor(1e-10)).item() > 0  # left as it was
    with pytest.raises(LookupError, match=run.key):
        denormals.points(run, Store(tmp_path, shipped=""))


# --- minimisers


@pytest.fixture(scope="module")
def begun():
    """A small case, and where it starts."""
    [case] = minimisers.cases(quick=True)
    return case, case.start()


def test_every_method_goes_down(begun, monkeypatch):
    case, start = begun
    assert case.epochs == 50
    assert start[0].shape == start[1].shape
    assert start[0].isfinite().all()
    monkeypatch.setattr(minimisers, "STAGE", 4)
    before = minimisers.Problem(case.run, *start)(start[0].double())[0]
    for name in minimisers.METHODS:
        row = minimisers.measure(case, start, name, 1.0)
        assert row["f"] < before, name
        assert row["gradients"] > 1
        assert name in minimisers.line(row)


def test_in_adams_scale_the_first_step_is_adams(begun):
    case, (point, scale) = begun
    problem = minimisers.Problem(case.run, point, scale)
    points = (point - problem.start for point, *_ in minimisers.in_adams_scale(problem))
    moved = next(each for each in points if each.abs().max() > 1e-9)
    adams = -(problem.scale**2) * problem(problem.start)[1]  # Adam's rate is lr / (sqrt(v) + eps)
    assert scale.min() < 0.5 * scale.max()
    assert_close(moved / moved.norm(), adams / adams.norm(), rtol=1e-6, atol=1e-9)


def test_adamw_counts_every_gradient(begun):
    problem = minimisers.Problem(begun[0].run, *begun[1])
    next(minimisers.adamw(problem))
    assert problem.gradients == minimisers.LOOK


def test_newtons_step_solves_the_newton_equation(begun):
    problem = minimisers.Problem(begun[0].run, *begun[1])
    scale = torch.linspace(1, 5, begun[1][0].shape[1], dtype=torch.float64)

    def loss(x):
        return 1e-8 * (scale * x.square()).sum(1), 2e-8 * scale * x

    problem.losses = {torch.float64: loss}
    point = 1e-3 * torch.ones_like(scale).unsqueeze(0)  # where the penalty is theta^2 / 2
    _, gradient = problem(point)
    step, fall, at_edge = minimisers._steihaug(problem, point, gradient, torch.tensor(1e3).double())
    assert not at_edge
    assert problem(point + step)[1].norm() < 0.11 * gradient.norm()
    assert_close(problem(point)[0] - problem(point + step)[0], fall.view(1), rtol=1e-2, atol=0)
