"""The figures of trained networks: grokking (Figs. 1a, 9) and ungrokking (Figs. 1b, 7)."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int
from plotly.subplots import make_subplots

from grokkit.runs import Record
from varma2023 import analysis
from varma2023.figures.styles import dash_of
from varma2023.theme import (
    GEN,
    MEM,
    NORM,
    TEST,
    TRAIN,
    figure,
    ordered,
    pale,
    set_alt,
    template,
)


def _name(record: Record) -> str:
    """What the hover says a run is."""
    run = record.run
    return f"seed {run.seed}, D {run.dataset_size:,}, weight decay {run.weight_decay:g}"


def meta(record: Record) -> dict[str, int | float]:
    """A run's `trace.meta`: on a page a reader chooses curves by each of these that varies."""
    run = record.run
    return {
        "seed": run.seed,
        "weight_decay": run.weight_decay,
        "dataset_size": run.dataset_size,
    }


def shared_meta(records: Sequence[Record]) -> dict[str, int | float]:
    """The `trace.meta` of a curve of several runs: what they share. It goes when that is hidden."""
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
    ends = analysis.Summary.of([int(r["epoch"][-1]) for r in records if _early(r)])
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


def fig1a_grokking(records: Sequence[Record]) -> go.Figure:
    """Fig. 1a: losses on a logarithmic axis and test accuracy, against epochs."""
    fig = _losses_and_accuracies(records)
    fig.update_xaxes(title="epoch", tickformat=",d", row=2)
    fig.update_layout(template=template(), height=560)
    fits, general = (
        analysis.mark_epochs(records, mark) for mark in (analysis.MARKS[0], analysis.MARKS[-1])
    )
    last = analysis.Summary.of([record.final("test_loss") for record in records])
    return set_alt(
        fig,
        f"Losses and accuracy of {len(records)} networks over {records[0].run.epochs:,} epochs. "
        f"Train accuracy reaches 1 at epoch {fits.text()}; test accuracy passes 0.98 at epoch "
        f"{general.text()}; the test loss ends at {last.text('.2g')}." + early_text(records),
    )


def fig9_circuits(records: Sequence[Record]) -> go.Figure:
    """Fig. 9: losses; correct logits of the two circuits and parameter norm, against epochs."""
    fig = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.07)
    _add(fig, records, TRAIN_LOSS, 1)
    _add(fig, records, TEST_LOSS, 1)
    _add(fig, records, ("trig_logit", "C<sub>trig</sub> logit", GEN, "solid"), 2)
    _add(fig, records, ("mem_logit", "C<sub>mem</sub> logit", MEM, "dash"), 2)
    _add(fig, records, ("param_norm", "parameter norm", NORM, "dot"), 2)
    fig.update_yaxes(LOSS_AXIS, row=1)
    fig.update_yaxes(title="logit, norm", row=2)
    fig.update_xaxes(title="epoch", tickformat=",d", row=2)
    fig.update_layout(template=template(), height=620)
    marks = "; ".join(
        f"{mark.name} at epoch {analysis.mark_epochs(records, mark).text()}"
        for mark in analysis.MARKS
    )
    return set_alt(
        fig,
        f"Losses, logits and norm of {len(records)} grokking networks: {marks}."
        + early_text(records),
    )


def _by_size(records: Sequence[Record]) -> dict[int, list[Record]]:
    sizes = sorted({record.run.dataset_size for record in records})
    return {D: [r for r in records if r.run.dataset_size == D] for D in sizes}


def fig1b_ungrokking(records: Sequence[Record]) -> go.Figure:
    """Fig. 1b: losses and accuracy at one reduced dataset size, epochs on a logarithmic axis.

    Epoch 0, the network that had grokked, is drawn at epoch 0.8.
    """
    fig = _losses_and_accuracies(records)
    _epochs_on_a_log_axis(fig)
    fig.update_xaxes(title="epoch", row=2)
    fig.update_layout(template=template(), height=560)
    end = analysis.Summary.of([record.final("test_accuracy") for record in records])
    return set_alt(
        fig,
        f"Grokked networks trained further on {records[0].run.dataset_size:,} examples: test "
        f"accuracy goes from {records[0]['test_accuracy'][0]:.2f} to {end.text('.2f')} in "
        f"{records[0].run.epochs:,} epochs, while train accuracy stays at "
        f"{min(r['train_accuracy'].min() for r in records):.3f} or above." + early_text(records),
    )


def _epochs_on_a_log_axis(fig: go.Figure) -> None:
    for trace in fig.data:
        trace.x = np.maximum(np.asarray(trace.x, dtype=np.float64), 0.8)
    fig.update_xaxes(type="log", exponentformat="power", dtick=1)


def fig7_ungrokking_runs(records: Sequence[Record]) -> go.Figure:
    """Fig. 7: test accuracy of every ungrokking run against epochs, coloured by its size."""
    fig = figure(
        xaxis={"title": "epoch"},
        yaxis={"title": "test accuracy", "range": [0, 1.03]},
        height=460,
    )
    groups = _by_size(records)
    for i, (colour, (D, runs)) in enumerate(zip(ordered(len(groups)), groups.items(), strict=True)):
        for j, record in enumerate(runs):
            line = _line(record, "test_accuracy", f"D′ = {D:,}", colour, dash_of(i), 1.8)
            fig.add_trace(line.update(showlegend=j == 0))
    _epochs_on_a_log_axis(fig)
    ends = ", ".join(
        f"{row.test_accuracy.median:.2f} at {row.dataset_size:,}"
        for row in analysis.ungrokked(records)
    )
    return set_alt(
        fig,
        f"Test accuracy of {len(records)} grokked networks trained further on fewer examples. "
        f"Median at the end, by number of examples: {ends}." + early_text(records),
    )
