"""Key frequencies by modulus, on counts that are known."""

from dataclasses import replace
from math import isnan, log
from types import SimpleNamespace

import evidence
import numpy as np
import pytest
from handmade import altered, record, shown

from grokkit.runs import Run
from varma2023 import measures, profiles
from varma2023.decomposition import moduli
from varma2023.decomposition.sweeps import grokked_moduli


def both(**changes):
    found = evidence.key_frequencies(**changes)
    return [*found["grokked_moduli"], *found["grokking"]]


def with_counts(records, count):
    """The records, each with as many key frequencies as this says of its modulus and seed."""
    return [altered(r, n_key_frequencies=count(r.run.p, r.run.seed)) for r in records]


def test_the_exponent_is_that_of_the_counts_as_a_mean_over_seeds():
    known = with_counts(both(), lambda p, seed: p if seed else p * p)
    assert moduli.growth(known).value == pytest.approx((2 + 4 * 1) / 5)
    some = [r for r in known if (r.run.p, r.run.seed) != (53, 0)]  # seed 0 has not every modulus
    assert moduli.growth(some).value == pytest.approx(1)
    assert isnan(moduli.growth([r for r in known if r.run.p == 53]).value)


def test_a_network_that_has_not_grokked_does_not_count():
    assert len([*filter(measures.generalises, both(general=0.5))]) == 20
    assert isnan(moduli.growth(both(general=0.5)).value)


def test_the_logarithm_of_p_has_the_exponent_of_a_power_that_fits_it():
    p = np.array([31, 53, 73, 97, 113])
    fit = np.polynomial.Polynomial.fit(np.log(p), np.log(np.log(p)), 1).convert()
    assert moduli.of_log(both()) == pytest.approx(fit.coef[1])


def test_an_older_record_has_its_weights_counted(monkeypatch):
    report = SimpleNamespace(frequencies=[3, 1, 8])
    monkeypatch.setattr(moduli, "trigonometric", lambda record: report)
    assert moduli.n_key(record(Run(), [0, 10], test_accuracy=1.0)) == 3


def test_figure_and_table_tell_the_counts():
    known = with_counts(both(), lambda p, _: 3 if p < 60 else 4)
    shown(moduli.fig_moduli(known), "3.0 at p = 31, 3.0 at p = 53, 4.0 at p = 73")
    assert f"{3 / log(31):.2f}" in moduli.moduli_table(known)
    shown(moduli.fig_moduli([r for r in both(general=0.5) if r.run.p == 31]), "of 0 grokked")
    unfinished = moduli.moduli_table(both(general=0.5))
    assert [share in unfinished for share in ("0 of 5", "5 of 5")] == [True, True]


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_all_moduli_have_as_many_examples_by_p_ln_p(profile):
    usual = profiles.grokking(profile)[0]
    runs = grokked_moduli(profile)
    for run in runs:
        share = run.dataset_size / (run.p * log(run.p))
        assert share == pytest.approx(usual.dataset_size / (usual.p * log(usual.p)), rel=0.01)
        assert run.epochs in (usual.epochs, 2 * usual.epochs)
    shorter = {replace(run, epochs=usual.epochs) for run in runs}  # each is there at that length
    assert shorter <= {*runs}
