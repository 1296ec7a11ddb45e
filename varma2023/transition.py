"""The transition of ungrokking: final test accuracy against dataset size, and where it happens.

A curve is the runs of one network, or of several seeds, at several dataset sizes. D_crit is where
its test accuracy crosses a half; an interval is over seeds, never over points of a curve.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log, nan

import numpy as np
from jaxtyping import Float

from grokkit import tasks
from grokkit.runs import Record
from varma2023 import statistics
from varma2023.analysis import CHANCE, PERFECT, Summary, value_at
from varma2023.convergence import rests
from varma2023.statistics import Interval
from varma2023.tables import html_table

Accuracy = Callable[[Record], float]
SHARP = 1494 / 390  # within the sizes of the paper's Fig. 7 (choice C19)
JUDGED_P = 53  # a claim about the transition is not judged at a smaller modulus (choice C19)


def at_the_end(record: Record) -> float:
    """Test accuracy at the last evaluation."""
    return record.final("test_accuracy")


@dataclass(frozen=True)
class Critical:
    """A dataset size at which a curve crosses a level, between two sizes that were run.

    Without a crossing `value` is NaN, and one of the bounds is 0 or infinite.
    """

    value: float
    low: float  # the largest size that is still below the level
    high: float  # the next larger size

    @property
    def censored(self) -> bool:
        """Whether the crossing lies outside the sizes that were run."""
        return not isfinite(self.value)

    def __str__(self) -> str:
        if self.low == 0:
            return f"below {self.high:,.0f}"
        return f"above {self.low:,.0f}" if self.high == inf else f"{self.value:,.0f}"


def curve(
    records: Sequence[Record], accuracy: Accuracy = at_the_end
) -> tuple[Float[np.ndarray, " run"], Float[np.ndarray, " run"]]:
    """Dataset sizes in their order, and test accuracy at each: the mean over its records.

    Raises:
        ValueError: no records.
    """
    if not records:
        raise ValueError("a curve needs at least one record, got none")
    found: dict[int, list[float]] = {}
    for record in records:
        found.setdefault(record.run.dataset_size, []).append(accuracy(record))
    sizes = sorted(found)
    return np.array(sizes, dtype=float), np.array([np.mean(found[D]) for D in sizes])


def d_crit(
    records: Sequence[Record], level: float = 0.5, accuracy: Accuracy = at_the_end
) -> Critical:
    """D_crit of one curve: where test accuracy crosses `level`, linearly in log D.

    Of a curve that crosses more than once, the last time: at every larger size that was run it is
    at or above the level. Censored where the smallest size is above it, or the largest below.
    """
    sizes, values = curve(records, accuracy)
    below = np.flatnonzero(values < level)
    if not len(below):
        return Critical(nan, 0.0, float(sizes[0]))
    last = int(below[-1])
    if last == len(sizes) - 1:
        return Critical(nan, float(sizes[-1]), inf)
    low, high = sizes[last : last + 2].tolist()
    start, end = values[last : last + 2].tolist()
    part = (level - start) / (end - start)
    return Critical(exp(log(low) + part * log(high / low)), low, high)


def d_crit_interval(
    records: Sequence[Record], level: float = 0.5, accuracy: Accuracy = at_the_end
) -> Interval:
    """The geometric mean of every seed's `d_crit`, with its interval over seeds.

    NaN if that of any seed is censored. Curves of one seed are averaged first.
    """

    logs = [log(d_crit(unit, level, accuracy).value) for unit in statistics.by_seed(records)]
    return statistics.bootstrap(logs, lambda drawn: exp(np.mean(drawn)))


def crossings_rest(records: Sequence[Record], level: float = 0.5) -> bool:
    """Whether D_crit can be told: every curve crosses, between two sizes whose ends are at rest.

    An end that is still falling bounds D_crit only (choice C15).
    """
    for runs in (curve for unit in by_task(records).values() for curve in _curves_of(unit)):
        found = d_crit(runs, level)
        beside = [run for run in runs if run.run.dataset_size in (found.low, found.high)]
        if found.censored or not all(map(rests, beside)):
            return False
    return bool(records)


def _curves_of(records: Sequence[Record]) -> list[list[Record]]:
    found: dict[tuple, list[Record]] = {}
    for record in records:
        run = record.run
        found.setdefault((run.seed, run.weight_decay, run.eps), []).append(record)
    return list(found.values())


# --- the shape of a transition: Figs. 4, 8 ---------------------------------------------------


def curves(
    records: Sequence[Record], knob: str = "weight_decay"
) -> dict[tuple[int, float], list[Record]]:
    """The records by seed and by value of a field of their runs: one curve each."""
    found: dict[tuple[int, float], list[Record]] = {}
    for record in records:
        value = float(getattr(record.run, knob))
        found.setdefault((record.run.seed, value), []).append(record)
    return dict(sorted(found.items()))


def judged(records: Sequence[Record]) -> bool:
    """Whether claims about a transition can be judged by these runs: by their modulus and sizes."""
    runs = [record.run for record in records]
    large = all(run.p >= 5 if run.task in tasks.PERMUTATION else run.p >= JUDGED_P for run in runs)
    return large and len({run.dataset_size for run in runs}) >= 5


def width(records: Sequence[Record], accuracy: Accuracy = at_the_end) -> float:
    """The factor in D from test accuracy 0.1 to 0.9 of one curve; NaN if either is censored."""
    low, high = (d_crit(records, level, accuracy) for level in (0.1, 0.9))
    return high.value / low.value


def transition_parts(
    records: Sequence[Record], knob: str = "weight_decay", accuracy: Accuracy = at_the_end
) -> dict[str, bool]:
    """What makes a transition, on every curve: both ends, and a short way between (choice C19)."""
    ends = [curve(runs, accuracy)[1] for runs in curves(records, knob).values()]
    widths = [width(runs, accuracy) for runs in curves(records, knob).values()]
    return {
        "the smallest train set ends near chance": all(end[0] <= CHANCE for end in ends),
        "the largest train set stays generalised": all(end[-1] >= PERFECT for end in ends),
        f"accuracy rises from 0.1 to 0.9 within a factor of {SHARP:.1f} in D": all(
            factor <= SHARP for factor in widths
        ),
    }


def fits_parts(records: Sequence[Record]) -> dict[str, bool]:
    """What every run must do before its test accuracy says anything, at any setting."""
    fit = all(record.final("train_accuracy") == 1 for record in records)
    return {"every network fits its train set": fit}


def equal_epochs(records: Sequence[Record]) -> Accuracy:
    """Test accuracy of a run at the last epoch that all of these have."""
    last = min(record.run.epochs for record in records)
    return lambda record: value_at(record, "test_accuracy", last)


def equal_decay_times(records: Sequence[Record]) -> Accuracy:
    """Test accuracy of a run after as many times 1 / (lr lambda) as all of these have."""
    times = min(record.run.epochs / record.run.decay_time for record in records)

    def accuracy(record: Record) -> float:
        # by rounding, or of a run that ended early, this can lie after the last evaluation
        epoch = min(times * record.run.decay_time, float(record["epoch"][-1]))
        return value_at(record, "test_accuracy", epoch)

    return accuracy


def transition_table(
    records: Sequence[Record], knob: str = "weight_decay", accuracy: Accuracy = at_the_end
) -> str:
    """By value of a field: D_crit and where accuracy is 0.7, over seeds; the ends and the width."""
    rows = []
    for value in sorted({getattr(record.run, knob) for record in records}):
        here = [record for record in records if getattr(record.run, knob) == value]
        values = curve(here, accuracy)[1]
        widths = [width(runs, accuracy) for runs in curves(here, knob).values()]
        row = [f"{value:g}", str(len(here))]
        row += [d_crit_text(here, level, accuracy) for level in (0.5, 0.7)]
        row += [Summary.of(widths).text(".1f"), f"{values[0]:.2f}", f"{values[-1]:.2f}"]
        rows.append(row)
    head = [knob.replace("_", " "), "runs", "D_crit (accuracy ½)", "accuracy 0.7 at D′"]
    head += ["from 0.1 to 0.9: factor in D′", "accuracy at the smallest D′", "at the largest"]
    return html_table(head, rows)


def d_crit_text(
    records: Sequence[Record], level: float = 0.5, accuracy: Accuracy = at_the_end
) -> str:
    """`d_crit_interval`; where a seed's D_crit is censored, that of every seed."""
    found = [d_crit(unit, level, accuracy) for unit in statistics.by_seed(records)]
    if any(each.censored for each in found):
        texts = [str(each) for each in found]
        alike = len(texts) > 1 and len(set(texts)) == 1
        return f"{texts[0]} (each of {len(texts)} seeds)" if alike else ", ".join(texts)
    return d_crit_interval(records, level, accuracy).text(",.0f")


def d_crits_text(records: Sequence[Record]) -> str:
    """ "seed 0: 857, seed 1: 702": every seed's D_crit."""
    units = statistics.by_seed(records)
    return ", ".join(f"seed {unit[0].run.seed}: {d_crit(unit)}" for unit in units)


def widths_text(records: Sequence[Record]) -> str:
    """The `width` of every curve: median and range."""
    return Summary.of([width(runs) for runs in curves(records).values()]).text(".1f")


def adamw_table(records: Sequence[Record]) -> str:
    """Fig. 4 by AdamW: D_crit by weight decay, at equal epochs and at equal decay times."""
    ways = (equal_epochs(records), equal_decay_times(records))
    rows = []
    for decay in sorted({record.run.weight_decay for record in records}):
        here = [record for record in records if record.run.weight_decay == decay]
        epochs = f"{max(record.run.epochs for record in here):,}"
        row = [f"{decay:g}", str(len(here)), epochs]
        rows.append(row + [d_crit_text(here, accuracy=way) for way in ways])
    last = min(record.run.epochs for record in records)
    times = min(record.run.epochs / record.run.decay_time for record in records)
    head = ["weight decay", "runs", "epochs", f"D_crit at epoch {last:,}"]
    return html_table([*head, f"after {times:g} decay times 1 / (ηλ)"], rows)


# --- other tasks: Fig. 8 ---------------------------------------------------------------------

N_OTHER_TASKS = len(tasks.NAMES) - 1


def by_task(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of each task, in the order in which they come."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.run.task, []).append(record)
    return found


def at_largest(records: Sequence[Record]) -> list[Record]:
    """The records on the largest train set."""
    largest = max(record.run.dataset_size for record in records)
    return [record for record in records if record.run.dataset_size == largest]


def task_ungroks(records: Sequence[Record]) -> bool:
    """Fig. 8, one task: every curve from near chance to generalised (choice C10)."""
    parts = list(transition_parts(records).values())
    return parts[0] and parts[1]


def _start_text(record: Record) -> str:
    """How long the network of a run was trained before, and how well it knows its test set."""
    epochs, before = [], record.run.init
    while before:
        epochs.append(f"{before.epochs:,}")
        before = before.init
    known = f"{record['test_accuracy'][0]:.2f}, {record['test_loss'][0]:.1g}"
    return f"{' + '.join(reversed(epochs))}; {known}"


def tasks_table(records: Sequence[Record]) -> str:
    """Fig. 8 by task: D_crit, also as a share of all examples; accuracy at the ends.

    And the start, whose train set was all of the task: how well it knows what is taken away. And
    what a table of the largest train set would know, if it is right that x y = y x.
    """
    rows = []
    for task, here in by_task(records).items():
        examples = tasks.task(task, here[0].run.p).n_examples
        found, (sizes, values) = d_crit_interval(here), curve(here)
        start = min(here, key=lambda record: record.run.dataset_size)
        mirrored = max(here, key=lambda record: record.run.dataset_size).run.mirror_share
        share = f", {found.value / examples:.1%}" if isfinite(found.value) else ""
        rows.append(
            [
                task,
                _start_text(start),
                (d_crit_text(here) if found.n > 1 else str(d_crit(here))) + share,
                f"{values[0]:.2f} at {sizes[0]:,.0f}",
                f"{values[-1]:.2f} at {sizes[-1]:,.0f}; {mirrored:.2f}",
                "yes" if task_ungroks(here) else "no",
                f"{max(record.final('residual') for record in here):.2g}",
            ]
        )
    head = ["task", "start: epochs; accuracy, loss (nats)", "D_crit, of all"]
    head += ["accuracy at smallest D′", "at largest D′; by mirror images", "ungroks"]
    return html_table([*head, "residual, at most"], rows)
