"""Triples of correct logit, norm and D, and isologit lines through them (Fig. 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, nan

import numpy as np
from jaxtyping import Float

from grokkit.runs import Record
from varma2023.statistics import Interval, bootstrap, by_seed

GATE = 0.95  # least trigonometric share of the logit norm of a network that counts as C_gen
FITTED = 0.99  # least train accuracy of a network that counts as C_mem
N_BUCKETS = 6


def gated(records: Sequence[Record], squared: bool = False) -> list[Record]:
    """The runs that count as C_gen alone (Sec. 5.1): more than 95 % of the logit norm is trig.

    `squared` asks it of the squared norm, which is stricter (choice C5).
    """
    return [r for r in records if r.final("trig_share") ** (2 if squared else 1) > GATE]


def memorised(records: Sequence[Record]) -> list[Record]:
    """The runs that count as C_mem alone: random labels that have been learned."""
    return [r for r in records if r.run.labels == "random" and r.final("train_accuracy") >= FITTED]


def logit(record: Record) -> float:
    """The correct logit at the end, the mean over the train set, class-centred."""
    return record.final("correct_logit")


def norm(record: Record) -> float:
    """The parameter norm at the end."""
    return record.final("param_norm")


def values(records: Sequence[Record], field: str) -> list:
    """The values that a field of the runs takes, in order."""
    return sorted({getattr(record.run, field) for record in records})


def select(records: Sequence[Record], **fields: float | int) -> list[Record]:
    """The records whose runs have these values."""
    return [r for r in records if all(getattr(r.run, k) == v for k, v in fields.items())]


@dataclass(frozen=True, eq=False)
class Bucket:
    """Runs whose correct logits are about equal: one isologit line of Fig. 3b or 3d."""

    low: float
    high: float
    records: list[Record]

    @property
    def sizes(self) -> list[int]:
        """The dataset sizes of its runs."""
        return values(self.records, "dataset_size")

    def norm(self, size: int, seed: int | None = None) -> float:
        """The geometric mean of the norms at one size, of all seeds or of one."""
        chosen = {"dataset_size": size} | ({} if seed is None else {"seed": seed})
        found = [log(norm(record)) for record in select(self.records, **chosen)]
        return exp(float(np.mean(found))) if found else nan


def buckets(records: Sequence[Record], n: int = N_BUCKETS) -> list[Bucket]:
    """Fig. 3: the runs in n geometric intervals of the correct logit, from least to largest.

    Raises:
        ValueError: no records.
    """
    if not records:
        raise ValueError("buckets need a run, got none: did a network of C_gen pass the gate?")
    edges = np.geomspace(min(map(logit, records)), max(map(logit, records)), n + 1)
    rows = np.clip(np.searchsorted(edges, [logit(r) for r in records], "right") - 1, 0, n - 1)
    return [
        Bucket(
            float(edges[i]),
            float(edges[i + 1]),
            [r for r, row in zip(records, rows, strict=True) if row == i],
        )
        for i in range(n)
    ]


def triples(records: Sequence[Record]) -> Float[np.ndarray, "run 3"]:
    """log D, log correct logit and log norm of every run."""
    return np.log([[r.run.dataset_size, logit(r), norm(r)] for r in records])


def slope(seeds: Sequence[Float[np.ndarray, "_ 3"]]) -> float:
    """The least-squares slope of log norm over log D in `triples`; NaN for fewer than two sizes."""
    size, _, log_norm = np.concatenate(seeds).T
    from_mean = size - size.mean()
    spread = float(from_mean @ from_mean)
    return float(from_mean @ log_norm) / spread if np.ptp(size) > 0 else nan


def isologit_slope(bucket: Bucket) -> Interval:
    """The `slope` of a bucket, with its interval over the seeds in it; NaN for an empty one."""
    if not bucket.records:
        return Interval(nan)
    return bootstrap([triples(seed) for seed in by_seed(bucket.records)], slope)


def norm_at(records: Sequence[Record], level: float | int) -> float:
    """The norm at a correct logit, by interpolation between the runs of one (D, seed).

    NaN where none of their weight decays leads to so small, or so large, a logit.
    """
    points = sorted((log(logit(record)), log(norm(record))) for record in records)
    x, y = np.array(points).T
    return exp(float(np.interp(log(level), x, y, left=nan, right=nan)))
