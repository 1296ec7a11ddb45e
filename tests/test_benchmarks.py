"""The benchmark times what it says: its textbook loop is the textbook model."""

import importlib.util
import inspect
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from grokkit import model, stack, tasks
from grokkit.runs import Run

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "engine.py"


@pytest.fixture(scope="module")
def engine():
    spec = importlib.util.spec_from_file_location("engine", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["engine"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["engine"]


def test_the_fused_textbook_loop_is_the_textbook_model(engine):
    theta = {k: w.double() for k, w in model.initialise(model.ModelConfig(), 7, 0).items()}
    tokens = model.tokens(torch.from_numpy(tasks.task("x+y", 7).inputs), 7)
    assert_close(engine.fused_forward(theta, tokens), model.forward(theta, tokens))


def test_the_least_arithmetic_is_that_of_the_three_products(engine):
    # W_O 128 x 128, MLP twice 128 x 512, unembedding 128 x 113; 2 FLOP each; three passes
    per_example = 3 * 2 * (128 * 128 + 2 * 128 * 512 + 128 * 113)
    assert engine.least_flop(3830, Run()) == pytest.approx(3830 * per_example)
    assert engine.least_flop(3830, Run()) == pytest.approx(3.7e9, rel=0.02)  # DESIGN


def test_both_loops_train_the_same_networks(engine):
    # one epoch from the same start moves the stack as it moves the textbook loop
    runs = [Run(p=7, dataset_size=20 + seed, seed=seed) for seed in range(2)]
    device = torch.device("cpu")
    plain, together = engine.textbook(runs, device, True), engine.stacked(runs, device)
    plain(1)
    together(1)
    loops = inspect.getclosurevars(plain).nonlocals["loops"]
    stacked = inspect.getclosurevars(together).nonlocals["together"]
    for i, (theta, *_) in enumerate(loops):
        mine = stack.unstacked(stacked.theta, i)
        for name, weight in theta.items():
            assert_close(mine[name], weight.detach(), rtol=1e-3, atol=1e-4)


def test_a_measurement_has_every_time_and_a_ratio(engine):
    row = engine.measure(2, 20, torch.device("cpu"), rounds=1)
    assert min(row.textbook, row.evaluated, row.stack, row.peak_share) > 0
    assert row.ratios[0] <= row.ratios[1] <= row.ratios[2]
