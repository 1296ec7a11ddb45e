"""App. B against the explicit cosine basis, and on logits whose answer is known."""

import pytest
import torch
from hypothesis import given
from hypothesis.strategies import integers, sampled_from
from torch.testing import assert_close

from grokkit import decomposition
from varma2023.decomposition.analysis import embedding_norms, trigonometric_algorithm


def basis(p):
    """The unit vectors Z_hat_k of App. B, one per frequency, written out: [freq, p^3]."""
    n = torch.arange(p, dtype=torch.float64)
    residue = n[:, None, None] + n[:, None] - n
    waves = [(2 * torch.pi * k / p * residue).cos().flatten() for k in range(1, p // 2 + 1)]
    return torch.stack([wave / wave.norm() for wave in waves])


@given(sampled_from([3, 4, 5, 6, 7, 10, 11]), integers(0, 2**16))
def test_the_parts_of_logits_are_those_along_the_explicit_basis_and_the_rest(p, seed):
    # the basis is orthonormal, and sums to zero in each row: a shift of a row changes nothing
    generator, Z_hat = torch.Generator().manual_seed(seed), basis(p)
    Z = torch.randn(p, p, p, generator=generator, dtype=torch.float64)
    assert_close(Z_hat @ Z_hat.T, torch.eye(len(Z_hat), dtype=Z.dtype), rtol=0, atol=1e-12)
    trig = (Z_hat.T @ (Z_hat @ Z.flatten())).view_as(Z)
    assert_close(decomposition.trig_logits(Z), trig, rtol=0, atol=1e-12)
    assert_close(decomposition.frequency_norms(Z), (Z_hat @ Z.flatten()).abs(), rtol=0, atol=1e-11)
    mem = Z - Z.mean(-1, keepdim=True) - trig
    assert_close(decomposition.mem_logits(Z), mem, rtol=0, atol=1e-12)
    assert_close(decomposition.mem_logits(Z + mem[:, :, :1]), mem, rtol=0, atol=1e-12)
    share, part = decomposition.trig_share(Z), float(trig.norm() / (trig + mem).norm())
    assert share == pytest.approx(part)


@pytest.mark.parametrize(("p", "frequencies"), [(23, [3, 7, 8]), (22, [11, 3, 8])])
def test_the_algorithm_by_hand_lies_wholly_in_the_subspace_and_adds(p, frequencies):
    Z = trigonometric_algorithm(torch.tensor([2.0, 1.5, 1.0]), frequencies, p)
    n = torch.arange(p)
    assert (Z.argmax(-1) == (n[:, None] + n) % p).all()
    assert decomposition.trig_share(Z) == pytest.approx(1)
    assert decomposition.key_frequencies(Z) == frequencies
    amplitudes = decomposition.amplitudes(Z, frequencies)
    assert_close(amplitudes, torch.tensor([2.0, 1.5, 1.0], dtype=torch.float64))
    assert_close(trigonometric_algorithm(amplitudes, frequencies, p), Z)


@pytest.mark.parametrize(("p", "k", "part"), [(31, 4, 2), (30, 4, 2), (30, 15, 1)])
def test_embedding_norms_find_a_planted_frequency(p, k, part):
    n = torch.arange(p, dtype=torch.float64)
    direction = torch.randn(16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    norms = embedding_norms((2 * torch.pi * k / p * n).cos()[:, None] * direction + 5)
    assert norms.argmax() + 1 == k
    assert norms[k - 1] == pytest.approx(float(direction.norm() * (p / part) ** 0.5))
    assert norms.sum() - norms[k - 1] < 1e-9


def test_logits_that_are_not_finite_have_no_share_and_no_key_frequencies():
    Z = torch.full((5, 5, 5), torch.nan)
    assert decomposition.trig_share(Z).isnan()
    with pytest.raises(ValueError, match="finite"):
        decomposition.key_frequencies(Z)
    assert decomposition.trig_share(torch.zeros(5, 5, 5)).isnan()
    assert decomposition.key_frequencies(torch.zeros(5, 5, 5)) == []
