"""What figures share: names, hover data, traces, axes, dashes and symbols."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int
from plotly.subplots import make_subplots

from grokkit.runs import Record
from varma2023 import measures
from varma2023.measures import rests
from varma2023.theme import TEST, TRAIN, pale

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross", "pentagon")


def dash_of(i: int) -> str:
    """The line style of curve i; that of 6 is that of 0 again."""
    return _DASHES[i % len(_DASHES)]


def symbol_of(i: int) -> str:
    """The marker of curve i; that of 8 is that of 0 again."""
    return _SYMBOLS[i % len(_SYMBOLS)]


def _name(record: Record) -> str:
    """What the hover says a run is."""
    run = record.run
    return f"seed {run.seed}, D {run.dataset_size:,}, weight decay {run.weight_decay:g}"


def meta(record: Record) -> dict[str, int | float]:
    """A run's `plots.meta`: on a page a reader chooses curves by each of these that varies."""
    run = record.run
    return {
        "seed": run.seed,
        "weight_decay": run.weight_decay,
        "dataset_size": run.dataset_size,
    }


def shared_meta(records: Sequence[Record]) -> dict[str, int | float]:
    """The `plots.meta` of a curve of several runs: what they share. It goes when that is hidden."""
    first, *rest = map(meta, records)
    return {key: value for key, value in first.items() if all(m[key] == value for m in rest)}


def _line(
    record: Record, metric: str, label: str, colour: str, dash: str, width: float = 1.2
) -> go.Scatter:
    return go.Scatter(
        x=record["epoch"],
        y=record[metric].astype(np.float32),
        name=label,
        legendgroup=label,
        showlegend=False,
        meta=meta(record),
        line={"color": colour, "dash": dash, "width": width},
        hovertemplate=f"{label} %{{y:.4g}}<br>{_name(record)}<br>epoch %{{x:,}}<extra></extra>",
    )


def together(
    records: Sequence[Record], metric: str
) -> tuple[Int[np.ndarray, " log"], Float[np.ndarray, "run log"]]:
    """The epochs of the longest run, and a metric of every run at them.

    A run that ended early stays where it ended.
    """
    epochs = max((record["epoch"] for record in records), key=lambda epoch: int(epoch[-1]))
    return epochs, np.stack([np.interp(epochs, r["epoch"], r[metric]) for r in records])


def early_text(records: Sequence[Record]) -> str:
    """A sentence for the alternative text on the runs that ended early, with a space before it."""
    ends = measures.Summary.of([int(r["epoch"][-1]) for r in records if _early(r)])
    if not ends.n:
        return ""
    return f" {ends.n} of {len(records)} ended early, at epoch {ends.text()}, and stay there."


def _early(record: Record) -> bool:
    return bool(record["epoch"][-1] < record.run.epochs)


def _median(
    records: Sequence[Record], metric: str, label: str, colour: str, dash: str
) -> go.Scatter:
    """The median over seeds, strong, in front of its runs."""
    epochs, values = together(records, metric)
    return go.Scatter(
        x=epochs,
        y=np.median(values, axis=0).astype(np.float32),
        name=label,
        legendgroup=label,
        meta=shared_meta(records),
        line={"color": colour, "dash": dash, "width": 2.5},
        hovertemplate=f"{label} %{{y:.4g}}<br>median of {len(records)} seeds<br>"
        "epoch %{x:,}<extra></extra>",
    )


def _add(
    fig: go.Figure,
    records: Sequence[Record],
    curve: tuple[str, str, str, str],
    row: int,
) -> None:
    """One metric: every run pale and thin, the median strong."""
    metric, label, colour, dash = curve
    for record in records:
        fig.add_trace(_line(record, metric, label, pale(colour), dash), row=row, col=1)
    fig.add_trace(_median(records, metric, label, colour, dash), row=row, col=1)


TRAIN_LOSS = ("train_loss", "train loss", TRAIN, "solid")
TEST_LOSS = ("test_loss", "test loss", TEST, "dash")
LOSS_AXIS = {"type": "log", "title": "loss (nats)", "exponentformat": "power", "dtick": 2}


def _losses_and_accuracies(records: Sequence[Record]) -> go.Figure:
    """Losses on a logarithmic axis above accuracies, against epochs."""
    fig = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.07)
    _add(fig, records, TRAIN_LOSS, 1)
    _add(fig, records, TEST_LOSS, 1)
    _add(fig, records, ("train_accuracy", "train accuracy", TRAIN, "dashdot"), 2)
    _add(fig, records, ("test_accuracy", "test accuracy", TEST, "dot"), 2)
    fig.update_yaxes(LOSS_AXIS, row=1)
    fig.update_yaxes(title="accuracy", range=[0, 1.03], row=2)
    return fig


def _by_size(records: Sequence[Record]) -> dict[int, list[Record]]:
    sizes = sorted({record.run.dataset_size for record in records})
    return {D: [r for r in records if r.run.dataset_size == D] for D in sizes}


def _epochs_on_a_log_axis(fig: go.Figure) -> None:
    for trace in fig.data:
        trace.x = np.maximum(np.asarray(trace.x, dtype=np.float64), 0.8)
    fig.update_xaxes(type="log", exponentformat="power", dtick=1)


TICKS = (20, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000, 10_000)
FEW_TICKS = (10, 30, 100, 300, 1000, 3000, 10_000)  # of a small panel; every second if
WIDE = 30  # times the smallest size are on it
ACCURACY = {"title": "test accuracy", "range": [-0.02, 1.03]}


def size_axis(records: Sequence[Record], title: str = "D′", ticks: Sequence[int] = TICKS) -> dict:
    """A logarithmic axis for dataset sizes with round ticks."""
    sizes = [record.run.dataset_size for record in records]
    here = [tick for tick in ticks if 0.8 * min(sizes) <= tick <= 1.25 * max(sizes)]
    text = [f"{tick:,}" for tick in here]
    reach = [float(np.log10(size)) for size in (min(sizes) * 0.93, max(sizes) * 1.07)]
    looks = {"tickvals": here, "ticktext": text}
    return {"type": "log", "title": title, "range": reach, **looks}


def rest_symbols(records: Sequence[Record], symbol: str) -> list[str]:
    """The marker of each size, smallest first: open where an end was still falling (C15)."""
    sizes = sorted({record.run.dataset_size for record in records})
    moving = {record.run.dataset_size for record in records if not rests(record)}
    return [f"{symbol}-open" if size in moving else symbol for size in sizes]


def accuracy_traces(
    records: Sequence[Record], knob: str, label: str, colour: str, look: int, legend: bool = True
) -> list[go.Scatter]:
    """Test accuracy at the end against D', a thin curve by seed and value of the field `knob`.

    With several, their mean follows as a strong one. `look` counts through dashes and symbols;
    with `legend` the first curve has an entry. Markers are those of `rest_symbols`.
    """
    units = measures.curves(records, knob)
    lines = [(f"seed {seed}, {label}", runs) for (seed, _), runs in units.items()]
    several = len(lines) > 1
    if several:
        lines.append((f"mean of {len(units)} seeds, {label}", list(records)))
    traces = []
    for i, (hover, runs) in enumerate(lines):
        mean = several and i == len(units)
        sizes, values = measures.curve(runs)
        traces.append(
            go.Scatter(
                x=sizes,
                y=values.astype(np.float32),
                mode="lines" if mean else "lines+markers",
                name=label,
                legendgroup=label,
                showlegend=legend and i == 0,
                meta=shared_meta(runs),
                line={"color": colour, "dash": dash_of(look), "width": 2.4 if mean else 1.4},
                marker={"symbol": rest_symbols(runs, symbol_of(look)), "size": 6},
                opacity=0.55 if several and not mean else 1.0,
                hovertemplate=f"test accuracy %{{y:.3f}} at %{{x:,}}<br>{hover}<extra></extra>",
            )
        )
    return traces


DOTS = 400  # parameters drawn in the equilibrium, of about 227,000
