"""Runs: keys, errors, configs, the epochs at which they are logged."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers
from tiny import BRIEF as RUN
from tiny import MINIMISER

from grokkit.model import ModelConfig
from grokkit.runs import Record, Run
from grokkit.store.store import Store


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dataset_size": -1}, "dataset_size must be 1..12769, got -1"),
        ({"task": "x/y", "p": 4, "dataset_size": 5}, "prime modulus p, got 4"),
        ({"labels": "noise"}, "labels must be"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"lr": 0.0}, "lr must be positive and finite, got 0.0"),
        ({"lr": 10**400}, "lr must be positive and finite, got inf"),
        ({"lr": float("nan")}, "lr must be positive and finite, got nan"),
        ({"eps": -1e-8}, "eps must be positive"),
        ({"weight_decay": -0.5}, "weight_decay must be in"),
        ({"weight_decay": 1000.0}, "weight_decay must be in"),
        ({"weight_decay": 9e-4}, "weight_decay in single precision must be 0 or at least 0.001"),
        ({"beta2": 1.0}, "beta2 must be in"),
        ({"loss": "float32"}, 'loss must be "exact" or "rounded", got'),
        ({"loss": "rounded", **MINIMISER}, "loss of lbfgs must be exact, got 'rounded'"),
        ({"noise": -0.1}, "noise must be at least 0, got -0.1"),
        ({"push": 1.0, **MINIMISER}, "push must be in [0, 1), and 0 but of x+y by lbfgs"),
        ({"kink": 1e-10}, "kink must be in [0, 1e6), and 0 but by lbfgs without until_rest and"),
        ({"kink": -0.1, **MINIMISER}, "kink must be in [0, 1e6), and 0 but by lbfgs"),
        ({"kink": 0.1, "until_rest": True, **MINIMISER}, "kink must be in [0, 1e6), and 0 but"),
        ({"kink": 0.1, "epochs": 30, **MINIMISER}, "with push or kink must be a multiple of 20"),
        ({"push": 1e-10}, "push must be in [0, 1), and 0 but of x+y by lbfgs"),
        ({"push": 0.1, "tolerance": 1.0, **MINIMISER}, "without until_rest and tolerance, got 0.1"),
        ({"noise": 0.1, **MINIMISER}, "noise of lbfgs must be 0, got 0.1"),
        ({"epochs": 2**70}, "epochs must be at most 1,000,000,000,000, got"),
        ({"n_logged": 10**6}, "n_logged must be at most 100,000, got"),
        ({"seed": 2**64}, "seed must be at most"),
        ({"p": 10**6}, "p must be at most 1000, got 1000000"),
        ({"tolerance": float("nan")}, "tolerance must be"),
        ({"mirrors": "some"}, 'mirrors must be "any" or "all" or "none", got \'some\''),
        ({"p": 5, "dataset_size": 16, "mirrors": "none"}, "dataset_size must be 1..15, got 16"),
        ({"until_rest": True}, "until_rest of adamw must be False, got True"),
        ({"init": Run(), "init_scale": 2.0}, "init_scale of a run with init must be 1, got 2.0"),
        ({"init": RUN}, "init must have the same p"),
        (
            {"task": "S_n: xy", "p": 5, "init": Run(p=5, dataset_size=9, keep_weights=True)},
            "tokens",
        ),
        ({"weight_decay": 0.0, **MINIMISER}, "weight_decay of lbfgs must be positive"),
        ({"init": Run()}, "keep_weights=True"),
    ],
    ids=lambda c: str(c)[:40],
)
def test_a_bad_field_names_itself_and_what_is_allowed(changes, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Run(**changes)


TYPED = """
import numpy as np
from grokkit.model import ModelConfig
from grokkit.runs import Run

WRONG = {
    "model": ("a ModelConfig", [None, {"d_model": 16}]),
    "keep_weights": ("True or False", ["no", 1]),
    "until_rest": ("True or False", ["yes"]),
    "init": ("a Run or None", ["abc"]),
    "task": ("a text", [None]),
    "labels": ("a text", [True]),
    "loss": ("a text", [1]),
    "seed": ("an integer", [True, 0.0]),
    "lr": ("a number", ["1e-3", True]),
    **dict.fromkeys(("d_model", "n_heads", "d_mlp"), ("an integer", [16.0, "16", None, True])),
}
for name, (what, values) in WRONG.items():
    for value in values:
        try:
            (Run if name in Run.__dataclass_fields__ else ModelConfig)(**{name: value})
        except ValueError as error:
            assert str(error) == f"{name} must be {what}, got {value!r}", error
        else:
            raise AssertionError((name, value))

odd = Run(
    task=np.str_("x+y"),
    p=np.int32(5),
    dataset_size=np.int64(10),
    lr=np.float32(0.5),
    weight_decay=-0.0,
    keep_weights=np.True_,
    model=ModelConfig(*(np.int64(n) for n in (8, 2, 12))),
)
plain = Run("x+y", 5, 10, lr=0.5, weight_decay=0, keep_weights=True, model=ModelConfig(8, 2, 12))
assert (odd.key, odd.config(), repr(odd)) == (plain.key, plain.config(), repr(plain))
"""


def test_a_field_of_the_wrong_type_is_named_and_one_value_has_one_key():
    """In a process without the checks of the tests, which would be faster."""
    subprocess.run([sys.executable, "-c", TYPED], check=True)


def test_shipped_records_have_the_keys_of_their_runs(tmp_path):
    """A change of `Run` must leave them: a row with another key is damaged, which is a warning."""
    assert len({r.run for r in Store(tmp_path).shipped_rows()}) > 500


def test_every_field_changes_the_key_and_survives_json():
    base = replace(RUN, keep_weights=False)
    other = {
        "task": "x-y", "p": 7, "dataset_size": 9, "labels": "random", "seed": 1, "epochs": 4,
        "lr": 2e-3, "weight_decay": 0.5, "beta1": 0.8, "beta2": 0.9, "eps": 1e-7, "init": RUN,
        "init_scale": 2.0, "model": ModelConfig(d_model=8, n_heads=2, d_mlp=13), "n_logged": 6,
        "keep_weights": True, "precision": "float64", "tolerance": 0.1,
        "loss": "rounded", "mirrors": "all", "noise": 0.1, "amplify": 2.0,
        "muon": 0.2, "clip": 9.0, "steepness": 0.1,
    }  # fmt: skip
    assert {*other, "optimiser", "until_rest", "push", "kink"} == set(base.config())
    by_lbfgs = replace(base, **MINIMISER)
    changed = [replace(base, **{name: value}) for name, value in other.items()]
    changed += [base, by_lbfgs, replace(by_lbfgs, until_rest=True)]
    changed += [replace(by_lbfgs, epochs=40, **own) for own in ({"push": 0.5}, {"kink": 0.5})]
    assert len({run.key for run in changed}) == len(changed)
    for run in changed:
        again = Run.from_config(json.loads(json.dumps(run.config())))
        assert (again, again.key) == (run, run.key)


@given(integers(1, 10**7), integers(2, 500))
def test_log_epochs_start_at_zero_end_at_the_end_and_rise(epochs, n_logged):
    logged = replace(RUN, epochs=epochs, n_logged=n_logged).log_epochs()
    assert (logged[0], logged[-1]) == (0, epochs)
    assert (np.diff(logged) > 0).all()
    assert len(logged) <= n_logged + 2


def test_a_run_is_called_by_what_it_changes_and_a_record_names_what_it_lacks():
    said = str(replace(RUN, lr=2e-3, loss="rounded", model=ModelConfig(8, 2, 12), seed=7))
    assert all(each in said for each in ("seed=7", "lr=0.002", " rounded", "d_model=8"))
    record = Record(RUN, {"epoch": np.arange(3)}, {})
    assert "array" not in repr(record)
    with pytest.raises(KeyError, match="has no trig_logit; it has epoch"):
        record["trig_logit"]
    with pytest.raises(TypeError, match="not iterable"):
        list(record)
