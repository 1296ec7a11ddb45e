"""What every analysis shares: verdicts, crossings, and summaries over runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from grokkit.runs import Record, Run
from grokkit.tasks import PERMUTATION


def require(parts: Mapping[str, bool], when: bool = True) -> None:
    """Nothing, if every part is met: what the quick profile holds its own runs to.

    Raises:
        AssertionError: `when` is true and a part is not met; the message names those that are not.
    """
    missed = [name for name, met in parts.items() if not met]
    if when and missed:
        raise AssertionError(f"expected of these runs, but not so: {'; '.join(missed)}")


def span(values: Sequence[int | float], form: str = "g") -> str:
    """ "300 – 3,000 (9 values)"; one value alone."""
    low, high, n = min(values), max(values), len(set(values))
    text = f"{low:{form}}"
    return text if n == 1 else f"{text} – {high:{form}} ({n} values)"


def described_runs(runs: Sequence[Run]) -> str:
    """ "x+y, p = 113, D = 3,830, weight decay 1, 5 seeds, 10,000 epochs": what all runs span."""
    names = sorted({run.task for run in runs})
    settings = sorted({(run.task in PERMUTATION, run.p) for run in runs})
    seeds = len({run.seed for run in runs})
    parts = [
        ", ".join(names) if len(names) < 3 else f"{len(names)} tasks",
        " and ".join(f"S{p}" if permuted else f"p = {p}" for permuted, p in settings),
        f"D = {span([run.dataset_size for run in runs], ',')}",
        f"weight decay {span([run.weight_decay for run in runs])}",
        f"{seeds} seed{'s' * (seeds > 1)}",
    ]
    for optimiser, unit in (("adamw", "epochs"), ("lbfgs", "evaluations")):
        epochs = sorted({run.epochs for run in runs if run.optimiser == optimiser})
        if epochs:
            least = f"{epochs[0]:,} – " if len(epochs) > 1 else ""
            parts.append(f"{least}{epochs[-1]:,} {unit}")
    return ", ".join(parts)


def described(records: Sequence[Record]) -> str:
    """ "5 runs of x+y, p = 113, ...": `described_runs` with their number, for a caption."""
    plural = "s" * (len(records) > 1)
    return f"{len(records)} run{plural} of {described_runs([record.run for record in records])}"


def listed(parts: Mapping[str, bool]) -> str:
    """The parts of a claim in a sentence, each with "yes" or "no"."""
    return "; ".join(f"{name}: {'yes' if met else 'no'}" for name, met in parts.items())


@dataclass(frozen=True)
class Crossing:
    """An event between two evaluations: not yet at epoch `after`, but at epoch `epoch`."""

    after: int
    epoch: int

    def __str__(self) -> str:
        return f"{self.after:,} – {self.epoch:,}"


def first(record: Record, event: Bool[np.ndarray, " log"], start: int = 0) -> Crossing | None:
    """The first logged epoch from index `start` at which `event` is true, or None."""
    rows = np.flatnonzero(event[start:])
    if not len(rows):
        return None
    row, epoch = int(rows[0]) + start, record["epoch"]
    return Crossing(int(epoch[max(row - 1, 0)]), int(epoch[row]))


@dataclass(frozen=True)
class Summary:
    """Median and range over seeds; `seen` of `n` runs had a value."""

    median: float
    low: float
    high: float
    seen: int
    n: int

    @classmethod
    def of(cls, values: Sequence[int | float | None]) -> "Summary":
        """Of one value per run, None or NaN where a run had none."""
        known = [float(value) for value in values if value is not None and not np.isnan(value)]
        if not known:
            return cls(float("nan"), float("nan"), float("nan"), 0, len(values))
        return cls(float(np.median(known)), min(known), max(known), len(known), len(values))

    def text(self, form: str = ",.0f") -> str:
        """ "median (low – high)", with how many runs had a value where not all had."""
        if not self.seen:
            return f"never (0 of {self.n} runs)"
        span = f"{self.median:{form}} ({self.low:{form}} – {self.high:{form}})"
        return span if self.seen == self.n else f"{span}, in {self.seen} of {self.n} runs"


def finals(records: Sequence[Record], metric: str) -> Summary:
    """A metric at the end of every run."""
    return Summary.of([record.final(metric) for record in records])


def peaks(records: Sequence[Record], metric: str) -> Summary:
    """The largest value of a metric over each run."""
    return Summary.of([float(record[metric].max()) for record in records])


def peak_epochs(records: Sequence[Record], metric: str) -> Summary:
    """The epoch at which a metric is largest, in every run."""
    return Summary.of([int(record["epoch"][record[metric].argmax()]) for record in records])


def at_peak(records: Sequence[Record], metric: str, of: str) -> Summary:
    """A metric of every run at the epoch at which the metric `of` is largest."""
    return Summary.of([float(record[metric][record[of].argmax()]) for record in records])


def value_at(record: Record, metric: str, epoch: int | float) -> float:
    """A metric at an epoch, by linear interpolation between evaluations; NaN after the last."""
    return float(np.interp(epoch, record["epoch"], record[metric], right=float("nan")))


def values_at(records: Sequence[Record], metric: str, epoch: int | float) -> Summary:
    """A metric of every run at an epoch."""
    return Summary.of([value_at(record, metric, epoch) for record in records])


def parts_at(records: Sequence[Record], metric: str, whole: str, epoch: int | float) -> Summary:
    """One metric as a part of another, in every run at an epoch."""
    return Summary.of([value_at(r, metric, epoch) / value_at(r, whole, epoch) for r in records])
