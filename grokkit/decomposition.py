"""App. B: what share of a network's logits for x + y mod p is the trigonometric algorithm's.

Everything works in the type of Z[a, b, c], the logit of label c on the input a + b.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def centred(logits: Float[Tensor, "*batch label"]) -> Float[Tensor, "*batch label"]:
    """Class-centred logits: each row minus its mean, which no loss and no prediction can see."""
    return logits - logits.mean(-1, keepdim=True)


def _residue(p: int, device: torch.device) -> Int[Tensor, "p p p"]:
    """a + b - c mod p."""
    n = torch.arange(p, device=device)
    return (n[:, None, None] + n[:, None] - n) % p


def _residue_means(Z: Float[Tensor, "p p p"]) -> Float[Tensor, " p"]:
    """The mean of the logits over each residue a + b - c."""
    if Z.dim() != 3 or len({*Z.shape}) > 1:
        raise ValueError(f"logits must be [p, p, p], as .view(p, p, p) has them; got {[*Z.shape]}")
    p = Z.shape[0]
    return Z.new_zeros(p).index_add(0, _residue(p, Z.device).flatten(), Z.flatten()) / p**2


def _cosine_sums(Z: Float[Tensor, "p p p"]) -> Float[Tensor, " freq"]:
    """Z . Z_k / p^2 for the direction Z_k = cos(2 pi k (a + b - c) / p), k = 0..p/2."""
    return torch.fft.rfft(_residue_means(Z)).real


def trig_logits(Z: Float[Tensor, "p p p"]) -> Float[Tensor, "p p p"]:
    """The part of the logits Z[a, b, c] in the trigonometric subspace: Z_{h,T} of App. B.

    The directions cos(2 pi k (a + b - c) / p), k = 1..K, span the even, mean-zero functions of the
    residue a + b - c, so projecting is averaging: over equal residues, then over opposite ones.
    """
    p = Z.shape[0]
    mean = _residue_means(Z)
    even = (mean + mean[-torch.arange(p, device=Z.device) % p]) / 2
    return (even - mean.mean())[_residue(p, Z.device)]


def mem_logits(Z: Float[Tensor, "p p p"]) -> Float[Tensor, "p p p"]:
    """The rest of the class-centred logits, Z_{h,M} of App. B: what is not trigonometric."""
    return centred(Z) - trig_logits(Z)


def trig_share(Z: Float[Tensor, "p p p"]) -> Float[Tensor, ""]:
    """||Z_T|| / ||Z|| of the class-centred logits, of which the paper wants 95% (choice C5).

    NaN where all of them are 0.
    """
    return trig_logits(Z).norm() / centred(Z).norm()


def frequency_norms(Z: Float[Tensor, "p p p"]) -> Float[Tensor, " freq"]:
    """|Z . Z_hat_k|, k = 1..p/2: logit norm along each direction cos(2 pi k (a+b-c)/p)."""
    p = Z.shape[0]
    norms = (p**2 * _cosine_sums(Z)[1:]).abs() / (p**3 / 2) ** 0.5  # ||Z_k||^2 = p^3 / 2
    norms[(p - 1) // 2 :] /= 2**0.5  # and p^3 at p / 2
    return norms


def n_key(norms: Float[Tensor, " freq"]) -> Int[Tensor, ""]:
    """How many `key_frequencies` logits of these `frequency_norms` have; waits for no device."""
    power = norms.square().sort(descending=True).values
    return (power.cumsum(0) / power.sum() < 0.98).sum() + (power.sum() > 0)


def key_frequencies(Z: Float[Tensor, "p p p"]) -> list[int]:
    """The fewest that hold 98% of the squared trig norm (App. B), strongest first."""
    norms = frequency_norms(Z)
    if not norms.isfinite().all():
        raise ValueError("key frequencies need finite logits, got some that are not")
    return [int(k) + 1 for k in norms.argsort(descending=True)[: n_key(norms)]]


def amplitudes(Z: Float[Tensor, "p p p"], frequencies: list[int]) -> Float[Tensor, " freq"]:
    """A_k of the best fit sum_k A_k cos(w_k (a + b - c)) to the logits, at given frequencies."""
    k = torch.tensor(frequencies, device=Z.device)
    return (2 - (2 * k == len(Z)).to(Z)) / len(Z) * _cosine_sums(Z)[k]
