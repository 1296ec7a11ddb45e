"""What `benchmarks/` measured, as factors and as tables of the book; and counts."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from grokkit.engine import cost
from grokkit.runs import Run
from varma2023.engine.measured import load
from varma2023.tables import html_table


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


def read(measured: dict[str, Any]) -> list[Timing]:
    """The rows of a saved measurement of `benchmarks/engine.py`."""
    names = [item.name for item in fields(Timing)]
    return [Timing(**{name: row[name] for name in names}) for row in measured["rows"]]


def by_case(measured: dict[str, Any]) -> dict[str, dict[str, Timing]]:
    """The timings by case, and in each by way."""
    cases: dict[str, dict[str, Timing]] = {}
    for timing in read(measured):
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
    """Every way by case as an HTML table: milliseconds, factor and range, share of the peak."""
    cases = by_case(measured)
    ways = max(cases.values(), key=len)  # the case of one network has fewer
    rows = [
        (way, *(_timing_cell(own[way]) if way in own else "–" for own in cases.values()))
        for way in ways
    ]
    return html_table(("way", *cases), rows)


def _timing_cell(timing: Timing) -> str:
    share = f"{timing.limit_share:.0%} of the peak"
    return f"{_ms(timing.ms)} ms<br>× {timing.gain}<br>{share}"


def _ms(value: int | float) -> str:
    """Three digits, and never an exponent."""
    return f"{float(f'{value:.3g}'):,g}"


def _ms_range(row: dict[str, Any]) -> str:
    """The median of a row's milliseconds, and their range over rounds."""
    return f"{_ms(row['ms'])} ({_ms(row['least'])} – {_ms(row['most'])})"


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


def step_table(measured: dict[str, Any]) -> str:
    """Time of a step of each optimiser by number of examples, of `benchmarks/forms.py`, as HTML."""
    ways = list(dict.fromkeys(row["optimiser"] for row in measured["steps"]))
    sizes = sorted({row["dataset_size"] for row in measured["steps"]})
    ms = {(row["optimiser"], row["dataset_size"]): row for row in measured["steps"]}
    head = ("examples", *(f"{way} (ms)" for way in ways), f"{ways[-1]} / {ways[0]}")
    rows = []
    for size in sizes:
        own = [ms[way, size] for way in ways]
        rows.append((f"{size:,}", *map(_ms_range, own), f"{own[-1]['ms'] / own[0]['ms']:.1f}"))
    return html_table(head, rows)


def denormal_table(measured: dict[str, Any]) -> str:
    """Time of an epoch with denormals kept and flushed, of `benchmarks/denormals.py`, as HTML."""
    rows = []
    for (network, epoch), (kept, flushed) in _denormals(measured).items():
        of = f"{network}, p = {kept['p']}, D = {kept['dataset_size']:,}"
        times = f"{kept['ms'] / flushed['ms']:.1f}"
        rows.append((of, f"{epoch:,}", _ms_range(kept), _ms_range(flushed), times))
    head = ("network", "after epochs", "kept (ms)", "flushed (ms)", "kept / flushed")
    return html_table(head, rows)


def _denormals(measured: dict[str, Any]) -> dict[tuple[str, int], tuple[dict, dict]]:
    """By network and epoch, the row with denormals kept and the one with them flushed."""
    found: dict[tuple[str, int], dict[str, dict]] = {}
    for row in measured["rows"]:
        found.setdefault((row["network"], row["epoch"]), {})[row["denormals"]] = row
    return {each: (both["kept"], both["flushed"]) for each, both in found.items()}


def denormals_text(measured: dict[str, Any]) -> str:
    """ "1.0 to 13.2": by what factor an epoch is shorter with denormals flushed, over networks."""
    times = [kept["ms"] / flushed["ms"] for kept, flushed in _denormals(measured).values()]
    return f"{min(times):.1f} to {max(times):.1f}"


NO_MINIMISERS = (
    "<p><strong>Not measured.</strong> <code>python benchmarks/minimisers.py --save</code> runs "
    "the comparison, on one thread.</p>"
)


def least_f(measured: dict[str, Any]) -> dict[str, float]:
    """The lowest objective that any method ended with, by case of `benchmarks/minimisers.py`."""
    lowest: dict[str, float] = {}
    for row in measured["rows"]:
        lowest[row["case"]] = min(row["f"], lowest.get(row["case"], row["f"]))
    return lowest


def above_least(row: dict[str, Any], lowest: dict[str, float]) -> float:
    """By what share a method's objective ended above the lowest of its case."""
    return float(row["f"] / lowest[row["case"]] - 1)


def of_minimisers() -> str:
    """The comparison of minimisers as an HTML table, or a sentence that there is none."""
    try:
        measured = load("minimisers-cpu")
    except LookupError:
        return NO_MINIMISERS
    return f"<p>On {place(measured)}:</p>{minimiser_table(measured)}"


def minimiser_table(measured: dict[str, Any]) -> str:
    """Methods by case as an HTML table: evaluations to each residual, and where they ended."""
    rows: dict[str, dict[str, str]] = {}
    for row in measured["rows"]:
        goals = sorted(row["reached"], key=float, reverse=True)
        reached = ", ".join(f"{goal}: {row['reached'][goal]:,}" for goal in goals) or "none reached"
        end = f"f {row['f']:.2f}, test {row['test_accuracy']:.2f}"
        pace = f"{1e3 * row['seconds'] / row['evaluations']:.3g} ms each"
        rows.setdefault(row["method"], {})[row["case"]] = f"{reached}<br>{end}<br>{pace}"
    cases = list(dict.fromkeys(row["case"] for row in measured["rows"]))
    return html_table(
        ("method", *cases),
        [(method, *(own.get(case, "–") for case in cases)) for method, own in rows.items()],
    )


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


def count_table(runs: Sequence[Run]) -> str:
    """The counts of each form as an HTML table, with the sums at the sizes of these runs."""
    sums = [f"GFLOP at D = {run.dataset_size:,}" for run in runs]
    kept = f"kept at D = {runs[0].dataset_size:,} (MB)"
    rows = [
        (
            form.form,
            f"{form.example:,}",
            f"{form.fixed:,}",
            *(f"{form.flop(run.dataset_size) / 1e9:.2f}" for run in runs),
            f"{form.kept_bytes(runs[0].dataset_size) / 1e6:.1f}",
        )
        for form in cost.forms(runs[0])
    ]
    head = ("form", "multiply-adds an example", "once a step", *sums, kept)
    return html_table(head, rows)
