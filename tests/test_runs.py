"""Runs: keys, errors, configs, the epochs at which they are logged."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers

from grokkit.model import ModelConfig
from grokkit.runs import Run

TINY = ModelConfig(d_model=8, n_heads=2, d_mlp=12)
RUN = Run(p=5, dataset_size=10, epochs=3, model=TINY, n_logged=4, keep_weights=True)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dataset_size": -1}, "dataset_size must be 1..12769, got -1"),
        ({"task": "x/y", "p": 4, "dataset_size": 5}, "prime modulus p, got 4"),
        ({"task": "x**y"}, "task must be one of"),
        ({"labels": "noise"}, "labels must be"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"eps": -1e-8}, "eps must be positive"),
        ({"weight_decay": -0.5}, "weight_decay must be in"),
        ({"weight_decay": 1000.0}, "weight_decay must be in"),
        ({"beta2": 1.0}, "beta2 must be in"),
        ({"loss": "float32"}, 'loss must be "exact" or "rounded", got'),
        (
            {"loss": "rounded", "optimiser": "lbfgs", "precision": "float64"},
            "loss of lbfgs must be exact, got 'rounded'",
        ),
        ({"init": RUN}, "init must have the same p"),
        ({"init": Run()}, "keep_weights=True"),
    ],
    ids=lambda c: str(c)[:40],
)
def test_a_bad_field_names_itself_and_what_is_allowed(changes, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Run(**changes)


def test_every_field_changes_the_key():
    base = replace(RUN, keep_weights=False)
    other = {
        "task": "x-y", "p": 7, "dataset_size": 9, "labels": "random", "seed": 1, "epochs": 4,
        "lr": 2e-3, "weight_decay": 0.5, "beta1": 0.8, "beta2": 0.9, "eps": 1e-7, "init": RUN,
        "init_scale": 2.0, "model": ModelConfig(d_model=8, n_heads=2, d_mlp=13), "n_logged": 6,
        "keep_weights": True, "precision": "float64", "tolerance": 0.1,
        "loss": "rounded",
    }  # fmt: skip
    by_lbfgs = replace(base, optimiser="lbfgs", precision="float64")
    assert by_lbfgs.key not in {base.key, replace(base, precision="float64").key}
    assert replace(by_lbfgs, until_rest=True).key != by_lbfgs.key
    assert {*other, "optimiser", "until_rest"} == set(base.config())
    keys = {base.key}
    for name, value in other.items():
        init = replace(RUN, model=value) if name == "model" else None
        keys.add(replace(base, **{name: value}).key)
        assert init is None or init.key not in keys
    assert len(keys) == len(other) + 1


def test_a_config_survives_json():
    run = Run(p=5, dataset_size=8, init=RUN, model=TINY, weight_decay=0.1)
    again = Run.from_config(json.loads(json.dumps(run.config())))
    assert again == run
    assert again.key == run.key


@given(integers(1, 10**7), integers(2, 500))
def test_log_epochs_start_at_zero_end_at_the_end_and_rise(epochs, n_logged):
    logged = replace(RUN, epochs=epochs, n_logged=n_logged).log_epochs()
    assert logged[0] == 0
    assert logged[-1] == epochs
    assert (np.diff(logged) > 0).all()
    assert len(logged) <= n_logged + 2
