"""What a model-step costs: counted from a network's sizes, and as `benchmarks/` measured it.

A model-step is one epoch of one run: the gradient of its whole train set and one update. There are
three forms of the gradient, equal but for rounding: `model`, `stack` and `tabulated`.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any

from grokkit import tasks
from grokkit.benchmarks import load
from grokkit.model import N_CTX
from grokkit.runs import Run
from grokkit.tables import html_table
from grokkit.tabulated import CHUNK

# --- counted ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """A form of the gradient: multiply-adds of its forward pass, and what it keeps meanwhile."""

    form: str
    example: int  # multiply-adds for each example
    fixed: int  # and once a step
    kept: int  # numbers of each example that the backward pass reads again
    chunk: int | None = None  # examples at a time, where not all

    def flop(self, dataset_size: int | float) -> float:
        """FLOP of the gradient: 2 a multiply-add, once forward and twice backward.

        Backward, each product Y = X W becomes two of its size, for the slopes in X and in W.
        """
        return 6.0 * (dataset_size * self.example + self.fixed)

    def kept_bytes(self, dataset_size: int) -> int:
        """What the examples leave for the backward pass at a time, in bytes of float32."""
        return 4 * min(dataset_size, self.chunk or dataset_size) * self.kept


def _sizes(run: Run) -> tuple[int, int, int, int]:
    n = tasks.task(run.task, run.p).n_tokens
    return n, run.model.d_model, run.model.d_mlp, run.model.n_heads


def textbook(run: Run) -> Cost:
    """`model.forward`: every matrix at all four positions, and attention among them."""
    n, d, m, _ = _sizes(run)
    position = 4 * d * d + 2 * N_CTX * d + 2 * d * m + d * n  # Q K V O, attention, MLP, W_U
    return Cost("textbook", N_CTX * position, 0, N_CTX * (7 * d + m + n))


def last_row(run: Run) -> Cost:
    """`stack.forward`: W_O, MLP and W_U at the last position; attention from 2 n + 2 rows."""
    n, d, m, h = _sizes(run)
    tables = (2 * n + 2) * d * (d + h) + 2 * d * d  # values and scores; query, folded keys
    return Cost("last row", d * d + 2 * d * m + d * n, tables, 4 * d + h + m + n)


def tabulated(run: Run) -> Cost:
    """`tabulated.gradient`: the entries of A and B, and W_OU; the tables T, F and W_OU."""
    n, d, m, h = _sizes(run)
    width = m + n
    tables = d * d * width + (n + 4) * d * (d + width) + m * d * n
    return Cost("tables", m * n + (2 + 4) * h * width, tables, width + 7 * h, CHUNK)


def forms(run: Run) -> list[Cost]:
    """The three forms, from the textbook's to the tables."""
    return [textbook(run), last_row(run), tabulated(run)]


def crossover(many: Cost, few: Cost) -> float:
    """The number of examples from which `few`, which does more once a step, has fewer FLOP."""
    return (few.fixed - many.fixed) / (many.example - few.example)


def n_parameters(run: Run) -> int:
    """How many parameters the run's network has."""
    return sum(map(prod, run.model.shapes(_sizes(run)[0]).values()))


def update_bytes(run: Run) -> int:
    """Least traffic of an update of AdamW in float32, in bytes.

    It reads a parameter, its gradient and two moments, and writes all but the gradient.
    """
    return 7 * 4 * n_parameters(run)


def count_table(runs: Sequence[Run]) -> str:
    """The counts of each form as an HTML table, with the sums at the sizes of these runs."""
    sums = [f"GFLOP at D = {run.dataset_size:,}" for run in runs]
    kept = f"kept at D = {runs[0].dataset_size:,} (MB)"
    rows = [
        (
            cost.form,
            f"{cost.example:,}",
            f"{cost.fixed:,}",
            *(f"{cost.flop(run.dataset_size) / 1e9:.2f}" for run in runs),
            f"{cost.kept_bytes(runs[0].dataset_size) / 1e6:.1f}",
        )
        for cost in forms(runs[0])
    ]
    head = ("form", "multiply-adds an example", "once a step", *sums, kept)
    return html_table(head, rows)


# --- measured --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """A row of `benchmarks/engine.py`: one way to train a case of networks."""

    n_runs: int
    dataset_size: int
    way: str
    ms: float  # of a model-step, median over rounds
    factor: float  # the textbook loop's time over this one's, in the same round: median
    least: float  # and its range
    most: float
    limit_share: float  # of the measured matmul peak, on the FLOP of `tabulated`

    @property
    def case(self) -> str:
        """The networks and examples of the case, in words."""
        networks = "1 network" if self.n_runs == 1 else f"{self.n_runs} networks"
        return f"{networks}, D = {self.dataset_size:,}"

    @property
    def gain(self) -> str:
        """The factor over the textbook loop, with its range over rounds."""
        return f"{self.factor:.1f} ({self.least:.1f} – {self.most:.1f})"


def timings(measured: dict[str, Any]) -> list[Timing]:
    """The rows of a saved measurement of `benchmarks/engine.py`."""
    names = [item.name for item in fields(Timing)]
    return [Timing(**{name: row[name] for name in names}) for row in measured["rows"]]


def by_case(measured: dict[str, Any]) -> dict[str, dict[str, Timing]]:
    """The timings by case, and in each by way."""
    cases: dict[str, dict[str, Timing]] = {}
    for timing in timings(measured):
        cases.setdefault(timing.case, {})[timing.way] = timing
    return cases


# An idea, and the ways without and with it; where the first of two is not timed, the second is.
IDEAS = (
    ("last row only", ("textbook",), "last row"),
    ("one batch", ("last row",), "one batch"),
    ("side by side", ("last row",), "side by side"),
    ("tables", ("side by side", "last row"), "grokkit"),
    ("float32", ("grokkit, float64",), "grokkit"),
)


@dataclass(frozen=True)
class Gain:
    """How many times less a model-step takes for one idea, in one case."""

    idea: str
    before: Timing
    after: Timing

    @property
    def factor(self) -> float:
        return self.before.ms / self.after.ms


def gains(measured: dict[str, Any]) -> list[Gain]:
    """The factor of each idea in each case where it was timed."""
    found = []
    for ways in by_case(measured).values():
        for idea, befores, after in IDEAS:
            before = next((name for name in befores if name in ways), None)
            if before and after in ways:
                found.append(Gain(idea, ways[before], ways[after]))
    return found


def ratio(measured: dict[str, Any], before: str, after: str) -> str:
    """How many times as fast `after` is as `before`, in every case that has both, in words."""
    found = [
        f"{ways[before].ms / ways[after].ms:.1f} ({case})"
        for case, ways in by_case(measured).items()
        if before in ways and after in ways
    ]
    return ", ".join(found)


def ladder_table(measured: dict[str, Any]) -> str:
    """Every way and case of a measurement as an HTML table."""
    head = ("case", "way", "ms a model-step", "× textbook (range)", "share of the peak")
    rows = [
        (t.case, t.way, f"{t.ms:.3g}", t.gain, f"{t.limit_share:.0%}") for t in timings(measured)
    ]
    return html_table(head, rows)


def gain_table(measured: dict[str, Any]) -> str:
    """The factor of each idea by case, as an HTML table."""
    cases = list(by_case(measured))
    factors = {(g.idea, g.after.case): f"{g.factor:.2f}" for g in gains(measured)}
    rows = [
        (idea, f"{' or '.join(befores)} → {after}", *(factors.get((idea, c), "–") for c in cases))
        for idea, befores, after in IDEAS
        if any((idea, case) in factors for case in cases)
    ]
    return html_table(("idea", "from → to", *cases), rows)


def faster_from(measured: dict[str, Any], first: str, second: str) -> str:
    """From how many examples on `second` took less time than `first`, of the sizes timed."""
    ms = {(row["form"], row["dataset_size"]): row["ms"] for row in measured["rows"]}
    sizes = sorted({size for _, size in ms})
    slower = [size for size in sizes if ms[second, size] >= ms[first, size]]
    if not slower:
        return f"at all sizes timed, from {sizes[0]:,} to {sizes[-1]:,}"
    if slower[-1] == sizes[-1]:
        return f"nowhere for good up to {sizes[-1]:,}, the largest timed"
    after = next(size for size in sizes if size > slower[-1])
    return f"from a size between {slower[-1]:,} and {after:,}"


def place(measured: dict[str, Any]) -> str:
    """Where a measurement was made, in a few words."""
    made = measured["provenance"]
    return f"{made['device']}, torch {made['torch']}"


NOT_ON_A_CARD = (
    "<p><strong>Not measured.</strong> No result that ships with this book was timed on a graphics "
    "card. <code>python benchmarks/gpu.py --save</code> measures all of it in less than eight "
    "minutes, on a machine that has one.</p>"
)


def on_a_card() -> str:
    """What was measured on a graphics card, as HTML tables; or a sentence that nothing was."""
    tables = []
    for name, made in (("engine-cuda", ladder_table), ("gpu-cuda", card_tables)):
        try:
            measured = load(name)
        except LookupError:
            continue
        tables.append(f"<p>On {place(measured)}:</p>{made(measured)}")
    return "".join(tables) or NOT_ON_A_CARD


def card_tables(measured: dict[str, Any]) -> str:
    """Times and outcomes by precision, of `benchmarks/gpu.py`, as HTML tables."""
    times = [
        (
            f"{row['n_runs']:,}",
            f"{row['dataset_size']:,}",
            row["precision"],
            row["way"],
            f"{row['us']:.3g}",
            f"{row['limit_share']:.0%}",
        )
        for row in measured["steps"]
    ]
    head = ("networks", "examples", "precision", "launched", "µs a model-step", "share of limit")
    ends = ("param_norm", "correct_logit", "test_accuracy", "residual")
    outcomes = []
    for precision in dict.fromkeys(row["precision"] for row in measured["outcomes"]):
        rows = [row for row in measured["outcomes"] if row["precision"] == precision]
        epochs = [row["generalises"] for row in rows if row["generalises"] is not None]
        cells = [_spread([row[name] for row in rows]) for name in ends]
        outcomes.append((precision, f"{len(epochs)} of {len(rows)}", _spread(epochs), *cells))
    titles = ("precision", "generalise", "at epoch", "norm", "logit", "test accuracy", "residual")
    return html_table(head, times) + (html_table(titles, outcomes) if outcomes else "")


def _spread(values: Sequence[int | float]) -> str:
    """Median and range."""
    if not values:
        return "–"
    return f"{statistics.median(values):.4g} ({min(values):.4g} – {max(values):.4g})"
