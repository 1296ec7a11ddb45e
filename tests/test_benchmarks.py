"""The benchmark times what it says: its textbook loop is the textbook model."""

import importlib.util
import inspect
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from grokkit import benchmarks, model, tasks
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


def test_all_ways_train_the_same_networks(engine):
    # one epoch from the same start moves every way's networks as it moves the textbook loop's
    runs = [Run(p=7, dataset_size=20 + seed, seed=seed) for seed in range(2)]
    ways = engine.ways_of(runs, torch.device("cpu"))
    assert set(ways) > {"textbook", "last row", "one batch", "side by side", "grokkit"}
    for step, _ in ways.values():
        step(1)
    loops = inspect.getclosurevars(ways["textbook + test set"][0]).nonlocals["loops"]
    for name, (step, _) in ways.items():
        if name.startswith("textbook"):
            continue
        found = inspect.getclosurevars(step).nonlocals
        stacks = found.get("stacks") or [found["stack"]]
        mine = [stack.theta(i) for stack in stacks for i in range(len(stack.runs))]
        for theta, (expected, *_) in zip(mine, loops, strict=True):
            for weight, there in expected.items():
                assert_close(
                    theta[weight].float(), there.detach(), rtol=1e-3, atol=1e-4, msg=f"{name}"
                )


def test_a_measurement_has_every_time_and_its_ratio_to_the_textbook_loop(engine):
    rows = engine.measure(2, 20, torch.device("cpu"), rounds=2, peak=1e11)
    for row in rows:
        assert min(row.ms, row.limit_share) > 0
        assert row.least <= row.factor <= row.most
    assert rows[0].way == "textbook"
    assert rows[0].factor == 1
    assert engine.table(rows).count("\n") == len(rows) - 1


def test_memory_is_measured_in_a_process_of_its_own(engine):
    assert 0.1 < engine.memory(2, 20, torch.device("cpu")) < 4


def test_saved_measurements_name_where_they_were_made():
    for path in sorted(benchmarks.FOLDER.glob("*.json")):
        saved = benchmarks.load(path.stem)
        assert saved["provenance"]["device"]
    with pytest.raises(LookupError, match=r"python benchmarks/nothing\.py --save"):
        benchmarks.load("nothing-cpu")
