"""The stiffness of a minimum, against the Hessian in full; and that turns have no part in it."""

import pytest
import stiffness
import torch

from grokkit.decomposition import trig_share
from grokkit.model import ModelConfig, cross_entropy, flat, initialise
from grokkit.runs import Run

SMALL = ModelConfig(d_model=8, n_heads=2, d_mlp=12)
RUN = Run(p=5, dataset_size=10, model=SMALL, eps=1e-3)


@pytest.fixture(scope="module")
def at_rest():
    return stiffness.minimum(RUN, flat(initialise(SMALL, 5, seed=1)), 5000)


def cost(row):
    """Eq. (2) over alpha, with rounded ReLUs."""
    rows, labels = torch.from_numpy(RUN.split()[0]), torch.tensor(RUN.example_labels())
    loss = cross_entropy(stiffness.logits(RUN, row).flatten(0, 1)[rows], labels[rows]).mean()
    return loss / RUN.alpha + row.square().sum() / 2


def test_the_minimum_is_one_of_eq_2_with_rounded_kinks(at_rest):
    row = at_rest.clone().requires_grad_()
    [slope] = torch.autograd.grad(value := cost(row), row)
    assert slope.norm() < 1.1 * stiffness.AT_REST * row.norm()
    found, gradient = stiffness.costs(RUN)(at_rest.unsqueeze(0))
    torch.testing.assert_close(found[0], value.detach())
    torch.testing.assert_close(gradient[0], slope, rtol=1e-6, atol=1e-9)


def test_the_stiffness_is_that_of_the_whole_hessian(at_rest):
    H = torch.autograd.functional.hessian(cost, at_rest)
    share = torch.autograd.functional.jacobian(
        lambda row: trig_share(stiffness.logits(RUN, row)), at_rest
    )
    values, vectors = torch.linalg.eigh(H)
    # turns of the residual stream and of each head, or fewer where weights vanish
    flat_ones = values.abs() < 1e-2
    assert 0 < flat_ones.sum() <= 28 + 2 * 2 * 6
    assert (vectors.T @ share)[flat_ones].norm() < 1e-2 * share.norm()
    whole = (vectors.T @ share)[~flat_ones].square() / values[~flat_ones]
    found = stiffness.stiffness(RUN, at_rest)
    assert found.stiffness == pytest.approx(1 / float(whole.sum()), rel=2e-2)
    assert found.unsolved < 2 * stiffness.EXACT
    assert found.residual < 1.1 * stiffness.AT_REST


def test_networks_are_measured_seed_by_seed():
    runs = stiffness.networks(quick=False)
    assert [(run.seed, run.dataset_size) for run in runs[:6]] == [
        *((0, size) for size in stiffness.SIZES),
        (1, stiffness.SIZES[0]),
    ]
    assert {run.weight_decay for run in runs} == {1.0}
