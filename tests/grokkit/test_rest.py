"""When a run of the minimiser is at a minimum, and that a run that asks for it ends there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import floats

from grokkit.engine import metrics
from grokkit.engine.metrics import MINIMUM_RESIDUAL, at_minimum, recent_fall
from grokkit.model import ModelConfig
from grokkit.runs import Run
from grokkit.store.store import Store
from varma2023 import experiments
from varma2023.measures import objective


@given(rate=floats(0.0, 0.01))
def test_the_recent_fall_is_that_of_the_last_fifth(rate):
    gradients = np.arange(0, 1001, 10)
    level = 100 * np.exp(-rate * gradients / 10)
    assert recent_fall(gradients, level) == pytest.approx(np.expm1(20 * rate), abs=1e-9)


@pytest.mark.parametrize(
    ("gradients", "fall", "residual", "rests"),
    [
        (1000, 0.0019, 0.19, True),
        (1000, 0.0021, 0.19, False),
        (1000, 0.0019, 0.21, False),
        (400, 0.0, 0.0, False),
        (0, 0.0, 0.0, False),
    ],
)
def test_a_minimum_neither_falls_nor_pulls(gradients, fall, residual, rests):
    at = np.array([0, 0.8 * gradients, gradients]).astype(int)
    assert at_minimum(at, np.array([9.0, 1 + fall, 1.0]), residual) is rests


def test_a_run_until_rest_ends_at_its_first_minimum_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "MINIMUM_GRADIENTS", 100)
    model = ModelConfig(d_model=16, n_heads=2, d_mlp=8)
    run = Run(
        p=5, dataset_size=4, model=model, optimiser="lbfgs", precision="float64",
        eps=0.02, weight_decay=0.5, epochs=3000, n_logged=40, until_rest=True,
    )  # fmt: skip
    (record,) = experiments.load_or_train([run], Store(tmp_path, ""), progress=False)
    level, at = objective(record), record["epoch"]
    rests = [at_minimum(at[: i + 1], level[: i + 1], record["residual"][i]) for i in range(len(at))]
    assert rests[-1]
    assert not any(rests[:-1])
    assert at[-1] < run.epochs
    assert record.ended.startswith("at rest: residual ")
    assert record.final("residual") < MINIMUM_RESIDUAL
