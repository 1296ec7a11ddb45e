"""What figures share: traces, hover texts, looks and axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Record, Records
from varma2023 import measures
from varma2023.measures import Reading, group, rests
from varma2023.tables import powers
from varma2023.theme import GEN, MEM, NORM, REFERENCE, TEST, TRAIN, pale, panels

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross", "pentagon")
_PATTERNS = ("", "/", "x", ".")
CURVES = {
    "train_loss": ("train loss", TRAIN, "solid"),
    "test_loss": ("test loss", TEST, "dash"),
    "train_accuracy": ("train accuracy", TRAIN, "dashdot"),
    "test_accuracy": ("test accuracy", TEST, "dot"),
    "trig_logit": ("trig logit", GEN, "solid"),
    "mem_logit": ("mem logit", MEM, "dash"),
    "param_norm": ("parameter norm", NORM, "dot"),
}
"""By metric: its name, its colour and its dash."""
LOG = {"type": "log", "exponentformat": "power", "dtick": 1}
LOSS_AXIS = {"type": "log", "title": "loss (nats)", "exponentformat": "power", "dtick": 2}
ACCURACY = {"title": "test accuracy", "range": [-0.02, 1.03]}
ACCURACY_FROM_0 = ACCURACY | {"range": [0, 1.03]}  # of lines without markers
DOTTED = {"color": NORM, "dash": "dot", "width": 1}  # of a line across a panel
TICKS = (20, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000, 10_000)
PAPER_DOWN, PAPER_UP = (800.0, 1000.0), 2000.0
"""The D at which ungrokking, and semi-grokking, end at a test accuracy of 0.7 (App. A.2)."""

Looks = dict[str, Any]
Place = tuple[int, int] | None
"""Row and column of a panel, from 1; None in a figure without panels."""


def dash_of(i: int) -> str:
    """The line style of curve i; that of 6 is that of 0 again."""
    return _DASHES[i % len(_DASHES)]


def symbol_of(i: int) -> str:
    """The marker of curve i; that of 8 is that of 0 again."""
    return _SYMBOLS[i % len(_SYMBOLS)]


def one_of_three(i: int, n: int) -> Looks:
    """Looks of curve i of n: in the legend are the first, the middle and the last."""
    return {} if i in (0, n // 2, n - 1) else {"showlegend": False}


def run_name(record: Record) -> str:
    """What the hover says a run is."""
    run = record.run
    return f"seed {run.seed}, D {run.dataset_size:,}, weight decay {run.weight_decay:g}"


def meta(record: Record, *fields: str) -> dict[str, int | float | str]:
    """A trace's `meta`, of one run: on a page a reader chooses curves by each that varies."""
    names = ("seed", "weight_decay", "dataset_size", *fields)
    values = {name: getattr(record.run, name) for name in names}
    return {name: powers(v) if isinstance(v, str) else v for name, v in values.items()}


def shared_meta(records: Records, *fields: str) -> dict[str, int | float | str]:
    """The `meta` of a curve of several runs: what they share. It goes when that is hidden."""
    first, *rest = (meta(record, *fields) for record in records)
    return {key: value for key, value in first.items() if all(m[key] == value for m in rest)}


def draw(
    fig: go.Figure,
    x: Any,
    y: Any,
    label: str,
    hover: str = "",
    *,
    colour: str | None = None,
    dash: str = "solid",
    width: float | int = 2,
    place: Place = None,
    **trace: Any,
) -> None:
    """Add a line, or with `mode` and `marker` points; the first of a label is in the legend.

    Without `hover`, a plotly template, the trace has none. Further keywords are plotly's. An array
    y is kept in float32.
    """
    label, hover = map(powers, (label, hover))
    told = {"hovertemplate": f"{hover}<extra></extra>"} if hover else {"hoverinfo": "skip"}
    line: Looks = {"line": {"color": colour, "dash": dash, "width": width}} if colour else {}
    y = y.astype(np.float32) if isinstance(y, np.ndarray) else y
    whole: Looks = {"type": "scatter", "x": x, "y": y, "name": label, "legendgroup": label}
    whole |= {"showlegend": not _in_legend(fig, label), **told, **line, **trace}
    row, col = place or (None, None)
    fig.add_trace(whole, row=row, col=col)


def _in_legend(fig: go.Figure, label: str) -> bool:
    return any(trace.legendgroup == label and trace.showlegend for trace in fig.data)


def draw_bars(
    fig: go.Figure, x: Any, y: Any, label: str, hover: str, colour: str, i: int, **bar: Any
) -> None:
    """Add the bars of case i, told apart by colour and pattern; else as `draw`."""
    marker = {"color": colour, "pattern": {"shape": _PATTERNS[i % len(_PATTERNS)]}}
    draw(fig, x, y, label, hover, type="bar", marker=marker, **bar)


def draw_run(fig: go.Figure, record: Record, metric: str, place: Place, **looks: Any) -> None:
    """A metric of one run against epochs, in the colour and dash of the metric if not told else.

    A `label` other than the metric's stands in the hover, too.
    """
    name, colour, dash = CURVES[metric]
    label = looks.pop("label", name)
    about = run_name(record) if label == name else f"{label}<br>{run_name(record)}"
    hover = f"{name} %{{y:.4g}}<br>{about}<br>epoch %{{x:,}}"
    looks = {"colour": colour, "dash": dash, "meta": meta(record), **looks}
    draw(fig, record["epoch"], record[metric], label, hover, place=place, **looks)


def draw_paper(
    fig: go.Figure,
    text: str,
    *,
    x: float | tuple[float, float] | str | None = None,
    y: float | tuple[float, float] | None = None,
    place: Place = None,
    note: str = "",
) -> None:
    """The paper's own result, always in this one style, named "the paper: `text`" in the legend.

    `x` or `y` alone is a line across the panel, or, with two numbers, a band. Both are a point, or,
    where one has two numbers, the bar between them (x may be a category). On a logarithmic axis
    they are values, and an axis keeps its range. The note stands above a line at x, if linear.
    """
    label = f"the paper: {text}"
    row, col = place or (None, None)
    shown = any(each.name == label and each.showlegend for each in (*fig.layout.shapes, *fig.data))
    spans = [v if isinstance(v, tuple) else (v, v) for v in (x, y) if v is not None]
    if len(spans) == 2:
        (x0, x1), (y0, y1) = spans
        ends = "diamond-open" if (x0, y0) == (x1, y1) else "line-ns" if y0 == y1 else "line-ew"
        marker = {"symbol": ends, "size": 12, "line": {"color": REFERENCE, "width": 2.5}}
        looks: Looks = {"mode": "lines+markers", "marker": marker, "place": place, "width": 5}
        looks |= {"colour": REFERENCE, "showlegend": not shown}
        draw(fig, [x0, x1], [y0, y1], label, label, **looks)
        return
    [(first, last)] = spans
    axis, band = "x" if y is None else "y", first != last
    line = {"color": REFERENCE, "width": 0 if band else 2, "dash": "longdash"}
    looks = {"line": line, "name": label, "showlegend": not shown, "layer": "below"}
    looks |= {"fillcolor": pale(REFERENCE, 0.25)} if band else {}
    if note:
        where = {"x": first, "xanchor": "center", "y": 1, "yanchor": "bottom"}
        looks["annotation"] = where | {"text": note, "font": {"size": 12, "color": REFERENCE}}
    kind = {"x": ("vrect" if band else "vline"), "y": ("hrect" if band else "hline")}[axis]
    ends_at = {f"{axis}0": first, f"{axis}1": last} if band else {axis: first}
    getattr(fig, f"add_{kind}")(**ends_at, row=row, col=col, exclude_empty_subplots=False, **looks)


def draw_paper_size(fig: go.Figure, records: Records, place: Place = None) -> None:
    """Where the paper's ungrokking ends at a test accuracy of 0.7; only beside its own task."""
    if measures.papers_task(records):
        draw_paper(fig, "0.7 at D′ 800 – 1,000", x=PAPER_DOWN, y=0.7, place=place)


def early_text(records: Records) -> str:
    """A sentence for the alternative text on the runs that ended early, with a space before it."""
    last = [(int(record["epoch"][-1]), record.run.epochs) for record in records]
    ends = measures.Summary.of([epoch for epoch, planned in last if epoch < planned])
    if not ends.n:
        return ""
    return f" {ends.n} of {len(records)} ended early, at rest, at epoch {ends.text()}."


def draw_runs(
    fig: go.Figure,
    records: Records,
    metric: str,
    place: Place,
    dash: str = "",
    chosen: Record | None = None,
    label: str = "",
    colour: str = "",
    about: dict[str, str] | None = None,
) -> None:
    """A metric of every run, pale and thin, and in front of them their median, strong.

    The median is at the epochs of the longest run; one that ended early stays where it ended. With
    a `chosen` run, that one is strong: a median over runs that peak at other epochs has no peak.
    Label, colour and dash are the metric's if not told else; `about` goes into each `meta`, but of
    a chosen run.
    """
    name, usual, own = CURVES[metric]
    label, colour, dash, about = label or name, colour or usual, dash or own, about or {}
    for record in records:
        thin: Looks = {"colour": pale(colour), "width": 1.2, "dash": dash, "showlegend": False}
        draw_run(fig, record, metric, place, label=label, **thin, meta=meta(record) | about)
    if chosen is not None:
        draw_run(fig, chosen, metric, place, label=label, colour=colour, dash=dash, width=2.5)
        return
    epochs, middle = measures.median_curve(records, metric)
    who = f"median of {len(records)} seeds" if len(records) > 1 else run_name(records[0])
    who = who if label == name else f"{label}<br>{who}"
    hover = f"{name} %{{y:.4g}}<br>{who}<br>epoch %{{x:,}}"
    strong: Looks = {"width": 2.5, "meta": shared_meta(records) | about, "place": place}
    draw(fig, epochs, middle, label, hover, colour=colour, dash=dash, **strong)


def losses_and_accuracies(records: Records) -> go.Figure:
    """Losses on a logarithmic axis above accuracies, against epochs."""
    fig = panels(560, rows=2, shared_xaxes=True, vertical_spacing=0.07)
    for row, what in enumerate(("loss", "accuracy"), start=1):
        for split in ("train", "test"):
            draw_runs(fig, records, f"{split}_{what}", (row, 1))
    fig.update_yaxes(LOSS_AXIS, row=1).update_yaxes(title="accuracy", range=[0, 1.03], row=2)
    return fig


EPOCH_0 = 0.8  # where a logarithmic axis has epoch 0


def log_epochs(fig: go.Figure) -> None:
    """Put all epochs on logarithmic axes; epoch 0 is drawn at `EPOCH_0`."""
    for trace in fig.data:
        epochs = np.asarray(trace.x, dtype=np.float64)
        trace.x = np.maximum(epochs, EPOCH_0)
        if trace.hovertemplate and trace.customdata is None:
            told = trace.hovertemplate.replace("epoch %{x:,}", "epoch %{customdata:,}")
            trace.update(customdata=epochs.astype(np.int32), hovertemplate=told)
    fig.update_xaxes(LOG).update_layout(meta={**(fig.layout.meta or {}), "epoch_0": EPOCH_0})


def log_axis(
    values: Sequence[float | int], title: str, ticks: Sequence[int], margin: float = 0.03
) -> dict[str, Any]:
    """A logarithmic axis with these ticks, `margin` of the values wider than their range."""
    low, high = (1 - margin) * min(values), (1 + margin) * max(values)
    here = [tick for tick in ticks if low <= tick <= high]
    looks: Looks = {"tickvals": here, "ticktext": [f"{tick:,}" for tick in here]}
    reach = [float(np.log10(low)), float(np.log10(high))]
    return {"type": "log", "title": title, "range": reach, **looks}


def size_axis(records: Records, title: str = "D′", ticks: Sequence[int] = TICKS) -> dict[str, Any]:
    """A logarithmic axis for the dataset sizes of these records, with round ticks."""
    return log_axis([record.run.dataset_size for record in records], title, ticks, 0.07)


def rest_symbol(record: Record, symbol: str) -> str:
    """The marker of a record: open where its end was still falling (C15).

    That is not known of an end by Muon, which does not descend Eq. (2): filled.
    """
    return symbol if record.run.muon or rests(record) else f"{symbol}-open"


def draw_ends(
    fig: go.Figure, records: Records, read: Reading, label: str, hover: str, look: int, **trace: Any
) -> None:
    """What is read of each record against its dataset size, as one curve; `look` as symbol.

    The legend has the filled symbol.
    """
    marker = {"symbol": [rest_symbol(record, symbol_of(look)) for record in records], "size": 7}
    sizes = [record.run.dataset_size for record in records]
    whole = {"mode": "lines+markers", **trace, "marker": marker | trace.get("marker", {})}
    in_legend = whole.get("showlegend", not _in_legend(fig, label))
    if in_legend and whole["marker"]["symbol"][0].endswith("-open"):
        key = whole | {"marker": whole["marker"] | {"symbol": symbol_of(look)}}
        draw(fig, [None], [None], label, hover, **key)  # as the curve, but for its ends
    whole = {"meta": shared_meta(records)} | whole
    draw(fig, sizes, [read(record) for record in records], label, hover, **whole)


def draw_accuracy(
    fig: go.Figure,
    records: Records,
    field: str,
    label: str,
    colour: str,
    look: int,
    place: Place = None,
    read: Reading = measures.at_the_end,
    **trace: Any,
) -> None:
    """Test accuracy at the end against D', a thin curve by seed and value of the field of runs.

    With several, the mean of the `whole` ones follows as a strong one. `look` counts through
    dashes and symbols, which are those of `rest_symbol`.
    """
    units = group(records, "seed", field)
    hover = "test accuracy %{y:.3f} at %{x:,}<br>"
    trace |= {"colour": colour, "dash": dash_of(look), "place": place}
    for (seed, _), runs in units.items():
        thin: Looks = {"width": 1.4, "marker": {"size": 6}, **trace}
        if len(units) > 1:  # the strong one is in the legend
            thin |= {"opacity": 0.55, "showlegend": False}
        thin["meta"] = shared_meta(runs, field)
        draw_ends(fig, runs, read, label, f"{hover}seed {seed}, {label}", look, **thin)
    if len(units) > 1:
        records = measures.whole(records)
        sizes, means = measures.curve(records, read)
        strong: Looks = {"width": 2.4, "mode": "lines", **trace}
        strong["meta"] = shared_meta(records, field)
        strong["customdata"] = [len(here) for here in group(records, "dataset_size").values()]
        draw(fig, sizes, means, label, f"{hover}mean of %{{customdata}} runs, {label}", **strong)
