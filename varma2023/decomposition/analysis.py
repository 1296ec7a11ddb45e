"""The algorithm inside trained networks: App. B and Fig. 11."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from grokkit import decomposition
from grokkit.model import initialise
from grokkit.runs import Record, Records, Run
from varma2023.measures import all_logits
from varma2023.tables import table

EXPLAINED = 0.95**2  # of the squared norm of the logits: the paper's 95% of the norm


@dataclass(frozen=True, eq=False)
class Trigonometric:
    """What App. B says about one trained network for x + y mod p."""

    share: float
    logit_norms: Float[Tensor, " freq"]  # along each direction of the trigonometric subspace
    embedding_norms: Float[Tensor, " freq"]  # of W_E along each frequency
    frequencies: list[int]  # the key frequencies, strongest first
    amplitudes: Float[Tensor, "..."]  # of the algorithm, at the key frequencies
    explained: float  # of the squared norm of all class-centred logits, by the rebuilt algorithm


@cache
def trigonometric(record: Record) -> Trigonometric:
    """Key frequencies of a trained network (App. B), and Fig. 11's algorithm rebuilt from them.

    Raises ValueError where the run's task is not x+y, or its record has no weights.
    """
    p = record.run.p
    if record.run.task != "x+y":
        raise ValueError(f"App. B is about x+y, got a run of {record.run.task!r}")
    Z = all_logits(record).view(p, p, p)
    frequencies = decomposition.key_frequencies(Z)
    A = decomposition.amplitudes(Z, frequencies)
    every = decomposition.centred(Z)
    rest = every - trigonometric_algorithm(A, frequencies, p)
    return Trigonometric(
        float(decomposition.trig_share(Z)),
        decomposition.frequency_norms(Z),
        embedding_norms(record.weights()["W_E"][:p]),
        frequencies,
        A,
        1 - float(rest.square().sum() / every.square().sum()),
    )


def trigonometric_table(reports: Sequence[Trigonometric], records: Records) -> str:
    """Fig. 11 by network: key frequencies, shares, and what the rebuilt algorithm explains."""
    rows = [
        f"{record.run.seed} | {', '.join(map(str, report.frequencies))} | "
        f"{report.share:.3f} | {report.share**2:.3f} | {report.explained:.3f}"
        for report, record in zip(reports, records, strict=True)
    ]
    heads = "seed | key frequencies, strongest first | trigonometric share of norm | of norm²"
    return table(f"{heads} | share of norm² by key frequencies alone", rows)


def trigonometric_criteria(report: Trigonometric) -> dict[str, bool]:
    """Fig. 11: a few key frequencies explain the logits (choice C96); they are the embedding's."""
    n, few = len(report.frequencies), len(report.frequencies) <= len(report.logit_norms) / 4
    strongest = report.embedding_norms.argsort(descending=True)[:n] + 1
    shared = len(set(report.frequencies) & set(strongest.tolist()))
    return {
        "few key frequencies explain over 90% of the logits": few and report.explained > EXPLAINED,
        "the key frequencies are the embedding's strongest, but for one": shared >= n - 1,
    }


def embedding_norms(W_E: Float[Tensor, "p d_model"]) -> Float[Tensor, " freq"]:
    """Norm of the operand embedding along cos and sin of each frequency k = 1..p/2."""
    p = len(W_E)
    norms = torch.fft.rfft(W_E.double(), dim=0)[1 : p // 2 + 1].abs().square().sum(1).sqrt()
    norms *= (2 / p) ** 0.5
    norms[(p - 1) // 2 :] /= 2**0.5  # at p / 2, of even p, there is a cos alone
    return norms


def strength_at_start(run: Run) -> Float[Tensor, " freq"]:
    """`embedding_norms` of the random weights that a run starts from."""
    theta = initialise(run.model, run.operation.n_tokens, run.seed, run.init_scale)
    return embedding_norms(theta["W_E"][: run.p])


def among_strongest(record: Record) -> float:
    """The share of its n key frequencies that are among the n strongest at the start (C74)."""
    keys = trigonometric(record).frequencies
    first = strength_at_start(record.run).argsort(descending=True)[: len(keys)] + 1
    return len(set(keys) & set(first.tolist())) / len(keys)


def rank_at_start(record: Record) -> float:
    """The mean rank of its key frequencies at the start: 0 of the weakest, 1 of the strongest."""
    ranks = strength_at_start(record.run).argsort().argsort().double()
    return float(ranks[torch.tensor(trigonometric(record).frequencies) - 1].mean() / ranks.max())


def trigonometric_algorithm(
    amplitudes: Float[Tensor, " freq"], frequencies: list[int], p: int
) -> Float[Tensor, "p p p"]:
    """The algorithm of Fig. 11 by hand: logits sum_k A_k cos(w_k (a + b - c)), w_k = 2 pi k / p.

    It goes through the network's own steps (App. B): cos and sin of w a and w b from the embedding,
    those of w (a + b) from the angle addition formulas, then the read-off for every label c.
    """
    n = torch.arange(p, dtype=torch.float64)
    logits = torch.zeros(p, p, p, dtype=torch.float64)
    for amplitude, k in zip(amplitudes, frequencies, strict=True):
        cos, sin = (2 * torch.pi * k / p * n).cos(), (2 * torch.pi * k / p * n).sin()
        cos_sum = torch.outer(cos, cos) - torch.outer(sin, sin)
        sin_sum = torch.outer(sin, cos) + torch.outer(cos, sin)
        logits += amplitude * (cos_sum[..., None] * cos + sin_sum[..., None] * sin)
    return logits
