"""What the records show: when a run groks, whether it ungroks, where AdamW rests; verdicts.

A verdict is "holds", "holds in part", "fails" or "not run", computed here and read by the book,
the README and the tests alike. A crossing is known no better than the evaluation grid, so it is an
interval; summaries are medians over seeds with their range.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grokkit import circuits, model, tasks
from grokkit.runs import Record, Run
from grokkit.tables import html_table

HOLDS, IN_PART, FAILS, NOT_RUN = "holds", "holds in part", "fails", "not run"


def verdict_of(met: Sequence[bool]) -> str:
    """ "holds" if all parts are met, "holds in part" if some, else "fails"; of none "not run"."""
    if not met:
        return NOT_RUN
    return HOLDS if all(met) else IN_PART if any(met) else FAILS


def require(parts: Mapping[str, bool], when: bool = True) -> None:
    """Nothing, if every part is met: what the quick profile holds its own runs to.

    Raises:
        AssertionError: `when` is true and a part is not met; the message names those that are not.
    """
    missed = [name for name, met in parts.items() if not met]
    if when and missed:
        raise AssertionError(f"expected of these runs, but not so: {'; '.join(missed)}")


def described(records: Sequence[Record]) -> str:
    """ "5 runs of x+y, p = 113, D = 3,830, weight decay 1, 10,000 epochs": for a caption."""
    runs = [record.run for record in records]
    parts = [f"{len(runs)} run{'s' * (len(runs) > 1)} of {runs[0].task}", f"p = {runs[0].p}"]
    for name, values, form in (
        ("D", {run.dataset_size for run in runs}, ","),
        ("weight decay", {run.weight_decay for run in runs}, "g"),
    ):
        low, high = f"{min(values):{form}}", f"{max(values):{form}}"
        span = low if low == high else f"{low} – {high} ({len(values)} values)"
        parts.append(f"{name} {'= ' * (name == 'D')}{span}")
    return ", ".join([*parts, f"{max(run.epochs for run in runs):,} epochs"])


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


# --- grokking: Figs. 1a and 9 ----------------------------------------------------------------


def train_fits(record: Record) -> Crossing | None:
    """Train accuracy reaches 1."""
    return first(record, record["train_accuracy"] == 1)


def norm_peaks(record: Record) -> Crossing | None:
    """The parameter norm is at its largest after the start."""
    peak = record["param_norm"][1:].max()
    return first(record, record["param_norm"] == peak, 1)


def test_falls(record: Record) -> Crossing | None:
    """The test loss has lost a tenth of its largest value, for good."""
    loss = record["test_loss"]
    top = int(loss.argmax())
    above = np.flatnonzero(loss > 0.9 * loss[top])
    start = int(above[-1]) + 1
    return first(record, loss <= 0.9 * loss[top], start) if start < len(loss) else None


def generalises(record: Record) -> Crossing | None:
    """Test accuracy passes 0.98."""
    return first(record, record["test_accuracy"] > 0.98)


def trig_leads(record: Record) -> Crossing | None:
    """The trigonometric part of the correct logit overtakes the rest, for good (App. B).

    None also where a task's logits have no such part.
    """
    if "trig_logit" not in record.metrics:
        return None
    behind = np.flatnonzero(record["trig_logit"] <= record["mem_logit"])
    start = int(behind[-1]) + 1 if len(behind) else 0
    return first(record, record["trig_logit"] > record["mem_logit"], start)


@dataclass(frozen=True)
class Mark:
    """An event of a grokking run, with the epoch at which the paper sees it (Fig. 9, App. A.3)."""

    name: str
    paper: int
    find: Callable[[Record], Crossing | None]


MARKS = (
    Mark("train accuracy reaches 1", 200, train_fits),
    Mark("parameter norm peaks", 200, norm_peaks),
    Mark("trig logit overtakes mem logit", 1500, trig_leads),
    Mark("test loss starts to fall", 3500, test_falls),
    Mark("generalised (test accuracy > 0.98)", 6000, generalises),
)
TOLERANCE = 2.5  # the factor by which seeds differ in the epoch of generalisation (choice C9)


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


def mark_epochs(records: Sequence[Record], mark: Mark) -> Summary:
    """The epoch of a mark over runs: the upper end of each run's interval."""
    found = [mark.find(record) for record in records]
    return Summary.of([None if crossing is None else crossing.epoch for crossing in found])


def mark_summaries(records: Sequence[Record]) -> list[Summary]:
    """The epochs of all `MARKS`, in their order."""
    return [mark_epochs(records, mark) for mark in MARKS]


def mark_met(records: Sequence[Record], mark: Mark) -> bool:
    """Whether every run has the mark, with a median within `TOLERANCE` of the paper's epoch."""
    summary = mark_epochs(records, mark)
    near = 1 / TOLERANCE <= summary.median / mark.paper <= TOLERANCE
    return summary.seen == summary.n and near


def at_papers_setting(records: Sequence[Record]) -> bool:
    """Whether every run is the paper's of Figs. 1a and 9 but for its seed, or a longer one."""

    def same(run: Run) -> bool:
        free = Run(seed=run.seed, n_logged=run.n_logged, keep_weights=run.keep_weights)
        return replace(run, epochs=free.epochs) == free and run.epochs >= free.epochs

    return bool(records) and all(same(record.run) for record in records)


def grokking_verdict(records: Sequence[Record]) -> str:
    """Figs. 1a and 9: all five marks near the paper's epochs, over at least five seeds.

    "not run" for fewer seeds, and for other settings than the paper's, which have other epochs.
    """
    if len(records) < 5 or not at_papers_setting(records):
        return NOT_RUN
    return verdict_of([mark_met(records, mark) for mark in MARKS])


def marks_table(records: Sequence[Record]) -> str:
    """The five marks of Fig. 9: the paper's epoch, ours over seeds, whether they agree.

    At another setting than the paper's there is nothing to agree with.
    """
    rows, comparable = [], at_papers_setting(records)
    for mark in MARKS:
        met = ("yes" if mark_met(records, mark) else "no") if comparable else "other setting"
        ours = mark_epochs(records, mark).text()
        rows.append([mark.name, f"~{mark.paper:,}", ours, met])
    return html_table(["event", "paper, epoch", "ours, epoch: median (range)", "agrees"], rows)


def groks(record: Record) -> bool:
    """Whether train accuracy is 1 well before test accuracy passes 0.98: delayed generalisation.

    "Well before" is a factor of two in epochs.
    """
    fits, general = train_fits(record), generalises(record)
    return fits is not None and general is not None and general.after >= 2 * fits.epoch


def grokking_parts(records: Sequence[Record]) -> dict[str, bool]:
    """What makes runs grokking runs at any setting: delayed, and in the end full, generalisation.

    The epochs of Fig. 9 are another matter: `grokking_verdict`.
    """
    return {
        "every run fits its train set": all(train_fits(r) is not None for r in records),
        "every run passes test accuracy 0.98 after twice as many epochs": all(map(groks, records)),
        "every run ends above test accuracy 0.98": all(
            record.final("test_accuracy") > 0.98 for record in records
        ),
    }


@dataclass(frozen=True)
class Change:
    """A metric that App. A.3 sees rise or fall between two epochs of Fig. 9."""

    name: str
    metric: str
    start: int
    end: int
    rises: bool


CHANGES = (
    Change("trig logit rises", "trig_logit", 200, 1500, True),
    Change("mem logit rises", "mem_logit", 200, 1500, True),
    Change("parameter norm falls", "param_norm", 200, 1500, False),
    Change("trig logit falls", "trig_logit", 4000, 10_000, False),
    Change("mem logit, already near 0, stays", "mem_logit", 4000, 10_000, False),
    Change("test loss falls", "test_loss", 4000, 10_000, False),
)
NEAR_ZERO = 0.1  # of the trig logit at the same epoch: "the mem logit is about 0"


def value_at(record: Record, metric: str, epoch: int | float) -> float:
    """A metric at an epoch, by linear interpolation between evaluations; NaN after the last."""
    return float(np.interp(epoch, record["epoch"], record[metric], right=float("nan")))


def values_at(records: Sequence[Record], metric: str, epoch: int | float) -> Summary:
    """A metric of every run at an epoch."""
    return Summary.of([value_at(record, metric, epoch) for record in records])


def parts_at(records: Sequence[Record], metric: str, whole: str, epoch: int | float) -> Summary:
    """One metric as a part of another, in every run at an epoch."""
    return Summary.of([value_at(r, metric, epoch) / value_at(r, whole, epoch) for r in records])


def change_met(record: Record, change: Change) -> bool:
    """Whether the run shows a change; for the mem logit "stays", that it is near 0 at both ends."""
    before, after = (value_at(record, change.metric, e) for e in (change.start, change.end))
    if change.metric == "mem_logit" and not change.rises:
        trig = [value_at(record, "trig_logit", e) for e in (change.start, change.end)]
        return abs(before) < NEAR_ZERO * trig[0] and abs(after) < NEAR_ZERO * trig[1]
    return after > before if change.rises else after < before


def changes_verdict(records: Sequence[Record]) -> str:
    """App. A.3: each change in most of the runs, over at least five seeds at Fig. 9's setting."""
    if len(records) < 5 or not at_papers_setting(records):
        return NOT_RUN
    return verdict_of([change_seen(records, change) for change in CHANGES])


def change_seen(records: Sequence[Record], change: Change) -> bool:
    """Whether more than half of the runs show a change."""
    return 2 * _count(records, change) > len(records)


def _count(records: Sequence[Record], change: Change) -> int:
    return sum(change_met(record, change) for record in records)


def changes_table(records: Sequence[Record]) -> str:
    """The observations of App. A.3: values at both epochs over seeds, and in how many runs so."""
    rows = []
    for change in CHANGES:
        ends = [values_at(records, change.metric, e) for e in (change.start, change.end)]
        form = ".2g" if change.metric == "test_loss" else ".1f"
        there = records[0].run.epochs >= change.end
        row = [summary.text(form) if there else "not run" for summary in ends]
        count = f"{_count(records, change)} of {len(records)}" if there else "not run"
        rows.append([change.name, f"{change.start:,} to {change.end:,}", *row, count])
    return html_table(["the paper sees", "epochs", "ours, before", "ours, after", "runs"], rows)


# --- ungrokking: Figs. 1b and 7 --------------------------------------------------------------

CHANCE, PERFECT = 0.1, 0.95  # below and above: "near chance" and "stays at 1" (choice C10)


@dataclass(frozen=True)
class Ungrokked:
    """The ends of the runs at one reduced dataset size."""

    dataset_size: int
    test_accuracy: Summary
    train_accuracy: float  # the lowest over runs and epochs, after the first tenth of the epochs
    residual: float  # the largest at the end: 0 at convergence


def ungrokked(records: Sequence[Record]) -> list[Ungrokked]:
    """The ends of ungrokking runs, by reduced dataset size, smallest first."""
    rows = []
    for size in sorted({record.run.dataset_size for record in records}):
        here = [record for record in records if record.run.dataset_size == size]
        late = [r["train_accuracy"][r["epoch"] >= r.run.epochs / 10].min() for r in here]
        rows.append(
            Ungrokked(
                size,
                Summary.of([record.final("test_accuracy") for record in here]),
                float(min(late)),
                max(record.final("residual") for record in here),
            )
        )
    return rows


def smallest(records: Sequence[Record]) -> list[Record]:
    """The records with the smallest train sets: the clearest ungrokking."""
    least = min(record.run.dataset_size for record in records)
    return [record for record in records if record.run.dataset_size == least]


def ungrokking_ends(records: Sequence[Record]) -> dict[str, bool]:
    """What makes runs ungrokking runs at any setting, on every seed: both ends of Fig. 7."""
    rows = ungrokked(records)
    return {
        "the smallest train set ends near chance": rows[0].test_accuracy.high <= CHANCE,
        "the largest train set stays generalised": rows[-1].test_accuracy.low >= PERFECT,
        "train accuracy stays 1": min(row.train_accuracy for row in rows) == 1,
    }


def ungrokking_parts(records: Sequence[Record]) -> dict[str, bool]:
    """The four parts of Figs. 1b and 7, each met or not."""
    middle = [r for r in records if CHANCE < r.final("test_accuracy") < PERFECT]
    return {**ungrokking_ends(records), "a size in between ends in the middle": bool(middle)}


def ungrokking_verdict(records: Sequence[Record]) -> str:
    """Figs. 1b and 7: the four parts of `ungrokking_parts`."""
    return verdict_of(list(ungrokking_parts(records).values()) if records else [])


def ungrokking_table(records: Sequence[Record]) -> str:
    """Test accuracy at the end by reduced dataset size, with train accuracy and convergence."""
    rows = [
        [
            f"{row.dataset_size:,}",
            row.test_accuracy.text(".2f"),
            f"{row.train_accuracy:.3f}",
            f"{row.residual:.2f}",
            str(row.test_accuracy.n),
        ]
        for row in ungrokked(records)
    ]
    head = ["D′", "test accuracy at the end: median (range)", "least train accuracy"]
    return html_table([*head, "largest residual", "runs"], rows)


# --- the trigonometric algorithm: Fig. 11 ----------------------------------------------------


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


def all_logits(record: Record, dtype: torch.dtype = torch.float64) -> Float[Tensor, "batch label"]:
    """The trained network's logits on every example, by the textbook model."""
    task = tasks.task(record.run.task, record.run.p)
    theta = {name: weight.to(dtype) for name, weight in record.weights().items()}
    inputs = model.tokens(torch.from_numpy(task.inputs), task.n_tokens)
    return model.forward(theta, inputs)[:, -1]


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


def trigonometric_verdict(reports: Sequence[Trigonometric]) -> str:
    """Fig. 11: few key frequencies, in embedding and logits; rebuilt, they answer as it does."""
    met = []
    for report in reports:
        strongest = report.embedding_norms.argsort(descending=True)[: len(report.frequencies)] + 1
        met += [
            len(report.frequencies) <= len(report.logit_norms) / 4,
            len(set(report.frequencies) & set(strongest.tolist())) >= len(report.frequencies) - 1,
            report.agreement > 0.99,
        ]
    return verdict_of(met)


# --- the equilibrium of AdamW (DESIGN: what AdamW minimises) ---------------------------------


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
    theta = {k: w.double().requires_grad_() for k, w in record.weights().items()}
    logits = model.forward(theta, model.tokens(torch.from_numpy(task.inputs[rows]), task.n_tokens))
    labels = torch.from_numpy(run.example_labels()[rows])
    loss = model.cross_entropy(logits[:, -1], labels).mean()
    slopes = torch.autograd.grad(loss, list(theta.values()))
    gradient = torch.cat([slope.flatten() for slope in slopes]).numpy()
    flat = torch.cat([weight.detach().flatten() for weight in theta.values()]).numpy()
    room = np.maximum(1 - run.weight_decay * np.abs(flat), 0.01)
    direction = -flat / room
    alpha = float(gradient @ direction / (direction @ direction))
    cosine = float(gradient @ direction / np.linalg.norm(gradient) / np.linalg.norm(direction))
    return Equilibrium(gradient, run.eps * run.weight_decay * direction, alpha, cosine)


SETTLED = 0.1  # of what decay alone would do to the norm (choice C6)


def drift(record: Record) -> float:
    """The norm's rate of change over the last tenth of the epochs, as a part of lr times lambda.

    That is 1 where weight decay acts alone and 0 where the gradient holds its balance: a sign of
    convergence that, unlike the residual, knows nothing of where AdamW should rest.
    """
    run = record.run
    start = round(0.9 * run.epochs)
    change = np.log(record.final("param_norm") / value_at(record, "param_norm", start))
    return float(abs(change) / (run.lr * run.weight_decay * (run.epochs - start)))


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


def equilibrium_verdict(found: Sequence[Equilibrium], records: Sequence[Record]) -> str:
    """Late AdamW rests at Eq. (2) with alpha = eps lambda: within a quarter, cosine above 0.95.

    Only networks whose norm has settled count; "not run" if none has.
    """
    met = []
    for state, record in zip(found, records, strict=True):
        if drift(record) < SETTLED:
            ratio = state.alpha / (record.run.eps * record.run.weight_decay)
            met += [0.75 < ratio < 1.33, state.cosine > 0.95]
    return verdict_of(met)
