"""What `benchmarks/` measured, as factors and as tables of the book; and counts."""

from itertools import groupby
from typing import Any, NamedTuple

from grokkit.runs import Run
from varma2023.engine.forms import Cost, all_forms, kept_bytes
from varma2023.engine.measured import load
from varma2023.measures import Summary
from varma2023.tables import pivot, span, table

Measured = dict[str, Any]


class Timing(NamedTuple):
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
        return f"{self.n_runs} network{'s' * (self.n_runs > 1)}, D = {self.dataset_size:,}"

    @property
    def gain(self) -> str:
        """The factor over the textbook loop, with its range over rounds."""
        return f"{self.factor:.1f} ({self.least:.1f} – {self.most:.1f})"


def by_case(measured: Measured) -> dict[str, dict[str, Timing]]:
    """The rows of a saved measurement of `benchmarks/engine.py` by case, and in each by way."""
    cases: dict[str, dict[str, Timing]] = {}
    for row in measured["rows"]:
        timing = Timing(*(row[name] for name in Timing._fields))
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


def gains(measured: Measured) -> dict[str, dict[str, tuple[float, str]]]:
    """By idea, and case where it was timed: the factor in speed, and from which way to which."""
    found: dict[str, dict[str, tuple[float, str]]] = {}
    for idea, befores, after in IDEAS:
        for case, ways in by_case(measured).items():
            before = next((name for name in befores if name in ways), None)
            if before and after in ways:
                factor = ways[before].ms / ways[after].ms
                found.setdefault(idea, {})[case] = factor, f"{before} → {after}"
    return found


def ratio(measured: Measured, before: str, after: str) -> str:
    """How many times as fast `after` is as `before`, in every case that has both, in words."""
    return ", ".join(
        f"{ways[before].ms / ways[after].ms:.1f} ({case})"
        for case, ways in by_case(measured).items()
        if before in ways and after in ways
    )


def ladder_table(measured: Measured) -> str:
    """Every way by case as an HTML table: milliseconds, factor and range, share of the peak."""
    cases = by_case(measured)
    cells = {
        (way, case): f"{_ms(own[way].ms)} ms<br>× {own[way].gain}<br>"
        f"{own[way].limit_share:.0%} of the peak"
        for way in max(cases.values(), key=len)  # the case of one network has fewer
        for case, own in cases.items()
        if way in own
    }
    return pivot("way", cells)


def _ms(value: int | float) -> str:
    """Three digits, and never an exponent."""
    return f"{float(f'{value:.3g}'):,g}"


def _ms_range(row: Measured) -> str:
    """The median of a row's milliseconds, and their range over rounds."""
    return f"{_ms(row['ms'])} ({_ms(row['least'])} – {_ms(row['most'])})"


def gain_table(measured: Measured) -> str:
    """The factor of each idea by case, as an HTML table."""
    ways = {idea: f"{' or '.join(befores)} → {after}" for idea, befores, after in IDEAS}
    cells = {}
    for idea, own in gains(measured).items():
        cells[idea, "from → to"] = ways[idea]
        cells |= {(idea, case): f"{factor:.2f}" for case, (factor, _) in own.items()}
    return pivot("idea", cells)


def faster_from(measured: Measured, first: str, second: str) -> str:
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


def step_table(measured: Measured) -> str:
    """Time of a step of each optimiser by number of examples, of `benchmarks/forms.py`, as HTML."""
    cells: dict[tuple[str, str], str] = {}
    by_size = sorted(measured["steps"], key=lambda row: row["dataset_size"])
    for size, rows in groupby(by_size, lambda row: f"{row['dataset_size']:,}"):
        own = {row["optimiser"]: row for row in rows}
        cells |= {(size, f"{way} (ms)"): _ms_range(row) for way, row in own.items()}
        first, *_, last = own
        cells[size, f"{last} / {first}"] = f"{own[last]['ms'] / own[first]['ms']:.1f}"
    return pivot("examples", cells)


def denormals(measured: Measured) -> list[tuple[Measured, Measured]]:
    """By network and epoch of `benchmarks/denormals.py`: denormals kept, and flushed."""
    rows = measured["rows"]
    kept, flushed = ([r for r in rows if r["denormals"] == way] for way in ("kept", "flushed"))
    return list(zip(kept, flushed, strict=True))


def denormal_table(measured: Measured) -> str:
    """Time of an epoch with denormals kept and flushed, as HTML."""
    rows = [
        "{network}, p = {p}, D = {dataset_size:,} | {epoch:,} | ".format(**kept)
        + f"{_ms_range(kept)} | {_ms_range(flushed)} | {kept['ms'] / flushed['ms']:.1f}"
        for kept, flushed in denormals(measured)
    ]
    return table("network | epochs trained | kept (ms) | flushed (ms) | kept / flushed", rows)


def denormals_text(measured: Measured) -> str:
    """ "1.0 to 13.2": by what factor an epoch is shorter with denormals flushed, over networks."""
    return span([kept["ms"] / flush["ms"] for kept, flush in denormals(measured)], ".1f", to=" to ")


def minimiser_table(measured: Measured) -> str:
    """Methods by case as an HTML table: seconds to each residual, and where they ended."""
    cells = {}
    for row in measured["rows"]:
        goals = sorted(((float(goal), s) for goal, s in row["reached"].items()), reverse=True)
        reached = ", ".join(f"{goal:g} after {s:.0f} s" for goal, s in goals) or "none"
        end = f"f {row['f']:,.0f}, accuracy {row['test_accuracy']:.2f}"
        pace = f"{row['gradients']:,} gradients in {row['seconds']:.0f} s"
        cells[row["method"], row["case"]] = f"residual {reached}<br>{end}<br>{pace}"
    return f"<p>On {place(measured)}:</p>{pivot('method', cells)}"


def place(measured: Measured) -> str:
    """Where a measurement was made, in a few words."""
    return "{device}, torch {torch}".format(**measured["provenance"])


def on_a_card() -> str:
    """Times and outcomes by precision on a graphics card, of `benchmarks/gpu.py`, as HTML."""
    measured = load("gpu-cuda")
    steps: dict[tuple[str, str], str] = {}
    for row in sorted(measured["steps"], key=lambda row: (row["n_runs"], row["dataset_size"])):
        of = "{n_runs:,} × {dataset_size:,}, {way}".format(**row)
        steps[of, row["precision"]] = "{us:.3g} µs, {limit_share:.0%}".format(**row)
    times = pivot("networks × examples: a model-step, and its share of the limit", steps)
    ends = {"generalise at epoch": "generalises", "norm": "param_norm", "logit": "correct_logit"}
    ends |= {"test accuracy": "test_accuracy", "residual": "residual"}
    cells, rows = {}, measured["outcomes"]
    for precision in dict.fromkeys(row["precision"] for row in rows):
        for head, name in ends.items():
            values = [row[name] for row in rows if row["precision"] == precision]
            cells[precision, head] = Summary.of(values).text(".4g")
    return f"<p>On {place(measured)}:</p>{times}{pivot('precision', cells)}"


def count_table(runs: list[Run]) -> str:
    """The counts of each form as an HTML table, with the sums at the sizes of these runs."""
    sizes = [run.dataset_size for run in runs]
    cells = {}
    for form in all_forms(runs[0]):
        cells[form.form, "multiply-adds an example"] = f"{form.example:,}"
        cells[form.form, "once a step"] = f"{form.fixed:,}"
        for size in sizes:
            cells[form.form, f"GFLOP at D = {size:,}"] = f"{form.flop(size) / 1e9:.2f}"
        kept = f"{kept_bytes(form, sizes[0]) / 1e6:.1f}"
        cells[form.form, f"kept at D = {sizes[0]:,} (MB)"] = kept
    return pivot("form", cells)


def crossover(many: Cost, few: Cost) -> float:
    """The number of examples from which `few`, which does more once a step, has fewer FLOP."""
    return (few.fixed - many.fixed) / (many.example - few.example)


def update_bytes(run: Run) -> int:
    """Least traffic of an update of AdamW in float32, in bytes.

    It reads a parameter, its gradient and two moments, and writes all but the gradient.
    """
    return 7 * 4 * run.n_parameters
