"""What is inside trained networks: the algorithm of Fig. 11, and where AdamW rests."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokkit import circuits, metrics, tabulated, tasks
from grokkit.analysis.summaries import value_at
from grokkit.runs import Record
from grokkit.tables import html_table


@dataclass(frozen=True, eq=False)
class Trigonometric:
    """What App. B says about one trained network for x + y mod p."""

    share: circuits.Share
    logit_norms: Float[Tensor, " freq"]  # along each direction of the trigonometric subspace
    embedding_norms: Float[Tensor, " freq"]  # of W_E along each frequency
    frequencies: list[int]  # the key frequencies, strongest first
    amplitudes: Float[Tensor, "..."]  # of the algorithm, at the key frequencies
    agreement: float  # share of all inputs on which the rebuilt algorithm and the network agree
    accuracy: float  # of the rebuilt algorithm


def all_logits(record: Record) -> Float[Tensor, "batch label"]:
    """The trained network's logits on every example, in float64."""
    theta = {name: weight.double() for name, weight in record.weights().items()}
    return metrics.all_logits(theta, tasks.task(record.run.task, record.run.p))


def trigonometric(record: Record) -> Trigonometric:
    """Key frequencies of a trained network (App. B), and Fig. 11's algorithm rebuilt from them.

    Raises:
        ValueError: the run's task is not x+y, or its record has no weights.
    """
    p = record.run.p
    if record.run.task != "x+y":
        raise ValueError(f"App. B is about x+y, got a run of {record.run.task!r}")
    Z = all_logits(record).view(p, p, p)
    frequencies = circuits.key_frequencies(Z)
    A = circuits.amplitudes(Z, frequencies)
    rebuilt = circuits.trigonometric_algorithm(A, frequencies, p).argmax(-1)
    n = torch.arange(p)
    return Trigonometric(
        circuits.trig_share(Z),
        circuits.frequency_norms(Z),
        circuits.embedding_norms(record.weights()["W_E"][:p]),
        frequencies,
        A,
        float((rebuilt == Z.argmax(-1)).double().mean()),
        float((rebuilt == (n[:, None] + n) % p).double().mean()),
    )


def trigonometric_table(reports: Sequence[Trigonometric], records: Sequence[Record]) -> str:
    """Fig. 11 by network: shares, key frequencies, and how well the rebuilt algorithm does."""
    rows = [
        [
            str(record.run.seed),
            ", ".join(str(frequency) for frequency in report.frequencies),
            f"{report.share.norm:.3f}",
            f"{report.share.norm_squared:.3f}",
            f"{report.agreement:.2%}",
            f"{report.accuracy:.2%}",
        ]
        for report, record in zip(reports, records, strict=True)
    ]
    head = ["seed", "key frequencies, strongest first", "share of norm", "share of norm²"]
    return html_table([*head, "same answer as the network", "right answers"], rows)


def trigonometric_parts(report: Trigonometric) -> dict[str, bool]:
    """Fig. 11: rebuilt from a few key frequencies it answers alike; they are the embedding's."""
    n, few = len(report.frequencies), len(report.frequencies) <= len(report.logit_norms) / 4
    strongest = report.embedding_norms.argsort(descending=True)[:n] + 1
    shared = len(set(report.frequencies) & set(strongest.tolist()))
    return {
        "rebuilt from few key frequencies, over 99 % same answers": few and report.agreement > 0.99,
        "the key frequencies are the embedding's strongest, but for one": shared >= n - 1,
    }


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """The gradient of one converged network against what Eq. (2) with alpha = eps lambda wants."""

    gradient: Float[np.ndarray, " log"]  # of the train loss, one entry per parameter
    expected: Float[np.ndarray, " log"]  # -eps lambda theta / (1 - lambda |theta|)
    alpha: float  # fitted: the slope of the gradient against -theta / (1 - lambda |theta|)
    cosine: float


def equilibrium(record: Record) -> Equilibrium:
    """The float64 gradient at the final weights, and the fixed point of AdamW it should be at.

    Raises:
        ValueError: the record has no weights, or the run has no weight decay.
    """
    run = record.run
    if run.weight_decay == 0:
        raise ValueError("without weight decay AdamW has no fixed point: weight_decay is 0")
    task = tasks.task(run.task, run.p)
    rows, _ = run.split()
    theta = {name: weight.double() for name, weight in record.weights().items()}
    pairs, labels = (torch.from_numpy(a[rows]) for a in (task.inputs, run.example_labels()))
    examples = tabulated.chunks(pairs, labels, task.n_tokens, run.model.n_heads, torch.float64)
    _, slopes = tabulated.gradient(theta, examples)
    gradient = torch.cat([slopes[name].flatten() for name in theta]).numpy()
    flat = torch.cat([weight.flatten() for weight in theta.values()]).numpy()
    room = np.maximum(1 - run.weight_decay * np.abs(flat), 0.01)
    direction = -flat / room
    alpha = float(gradient @ direction / (direction @ direction))
    cosine = float(gradient @ direction / np.linalg.norm(gradient) / np.linalg.norm(direction))
    return Equilibrium(gradient, run.eps * run.weight_decay * direction, alpha, cosine)


SETTLED = 0.1  # of what decay alone would do to the norm (choice C6)


def drift(record: Record) -> float:
    """The norm's rate of change over the last tenth of its epochs, as a part of lr times lambda.

    That is 1 where weight decay acts alone and 0 where the gradient holds its balance: a sign of
    convergence that, unlike the residual, knows nothing of where AdamW should rest.
    """
    run, last = record.run, int(record["epoch"][-1])  # before run.epochs where it ended early
    change = np.log(record.final("param_norm") / value_at(record, "param_norm", 0.9 * last))
    return float(abs(change) / (run.lr * run.weight_decay * 0.1 * last))


def equilibrium_table(states: Sequence[Equilibrium], records: Sequence[Record]) -> str:
    """By network: fitted alpha over eps lambda, cosine, residual, and how far the norm drifts."""
    rows = [
        [
            f"{record.run.seed}",
            f"{record.run.dataset_size:,}",
            f"{state.alpha / (record.run.eps * record.run.weight_decay):.3f}",
            f"{state.cosine:.3f}",
            f"{record.final('residual'):.2f}",
            f"{drift(record):.2f}",
        ]
        for state, record in zip(states, records, strict=True)
    ]
    head = ["seed", "D", "fitted α / ελ", "cosine", "residual", "drift of the norm"]
    return html_table(head, rows)
