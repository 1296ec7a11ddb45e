"""The comparison of minimisers counts what it says and starts all from the same weights."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "minimisers.py"


@pytest.fixture(scope="module")
def minimisers():
    spec = importlib.util.spec_from_file_location("minimisers", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["minimisers"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["minimisers"]


@pytest.fixture(scope="module")
def case(minimisers):
    [case] = minimisers.cases(quick=True)
    return case


@pytest.fixture(scope="module")
def start(case):
    return case.start()


def test_every_method_goes_down_and_is_cut_at_the_same_count(minimisers, case, start, monkeypatch):
    monkeypatch.setattr(minimisers, "STAGE", 4)
    before = minimisers.Problem(case.run, start)(start.double())[0]
    for name in minimisers.METHODS:
        row = minimisers.measure(case, start, name, 15)
        assert row["f"] < before
        # Newton looks at f only after its products
        assert 15 <= row["evaluations"] <= 15 + (41 if "Newton" in name else 0), name
        assert name in minimisers.line(row)


def test_newtons_step_solves_the_newton_equation(minimisers, case, start):
    problem = minimisers.Problem(case.run, start)
    scale = torch.linspace(1, 5, start.shape[1], dtype=torch.float64)

    def loss(x):
        return 1e-8 * (scale * x.square()).sum(1), 2e-8 * scale * x

    problem.losses = {torch.float64: loss}
    point = 1e-3 * torch.ones_like(scale).unsqueeze(0)  # where the penalty is theta^2 / 2
    _, gradient = problem(point)
    step, fall, at_edge = minimisers._steihaug(problem, point, gradient, torch.tensor(1e3).double())
    assert not at_edge
    assert problem(point + step)[1].norm() < 0.11 * gradient.norm()
    assert_close(problem(point)[0] - problem(point + step)[0], fall.view(1), rtol=1e-2, atol=0)


def test_the_start_is_where_adamw_has_got_to(case, start):
    assert start.shape[0] == 1
    assert start.isfinite().all()
    assert case.epochs == 50
