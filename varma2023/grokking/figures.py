"""The figures of grokking: Figs. 1a and 9."""

import plotly.graph_objects as go

from grokkit.runs import Records
from varma2023 import measures
from varma2023.grokking.analysis import middle
from varma2023.measures import MARKS, at_papers_setting
from varma2023.plots import LOSS_AXIS, draw_paper, draw_runs, early_text, losses_and_accuracies
from varma2023.theme import panels, set_alt

PAPERS_PEAK = 60.0  # the largest parameter norm, at the first mark, by the axis of Fig. 9


def _paper_marks(
    fig: go.Figure, records: Records, row: int, *numbers: int, text: str = "epochs of Fig. 9"
) -> None:
    """The epochs of some `MARKS`, from 1, in the paper's Fig. 9, in a row, of runs that are its."""
    for number in numbers if at_papers_setting(records) else ():
        at, said = MARKS[number - 1].paper, f"<b>{number}</b>"
        draw_paper(fig, text, x=at, place=(row, 1), note=said)


def fig1a_grokking(records: Records) -> go.Figure:
    """Fig. 1a: losses on a logarithmic axis and test accuracy, against epochs."""
    fig = losses_and_accuracies(records)
    fig.update_xaxes(title="epoch", tickformat=",d", row=2)
    _paper_marks(fig, records, 1, 4)
    _paper_marks(fig, records, 2, 1, 5)
    fits, *_, general = measures.mark_summaries(records)
    last = measures.finals(records, "test_loss")
    who = "one network" if len(records) == 1 else f"{len(records)} networks"
    text = f"Losses and accuracy of {who} over {records[0].run.epochs:,} epochs. "
    text += f"Train accuracy reaches 1 at epoch {fits.text()}; test accuracy passes 0.98 at epoch "
    text += f"{general.text()}; the test loss ends at {last.text('.2g')}." + early_text(records)
    return set_alt(fig, text)


def fig9_circuits(records: Records) -> go.Figure:
    """Fig. 9: losses; correct logits of the two circuits and parameter norm, against epochs.

    Strong is the `middle` run: the peak of the trig logit is at another epoch in each.
    """
    fig = panels(680, rows=2, shared_xaxes=True, vertical_spacing=0.05)
    for metric in ("train_loss", "test_loss", "trig_logit", "mem_logit", "param_norm"):
        draw_runs(fig, records, metric, (1 if "loss" in metric else 2, 1), chosen=middle(records))
    text = f"epochs, and a norm of ~{PAPERS_PEAK:g}"
    _paper_marks(fig, records, 1, 1, 4, 5, text=text)
    _paper_marks(fig, records, 2, 2, 3, 5, text=text)
    if at_papers_setting(records):
        draw_paper(fig, text, x=measures.PEAKED.paper, y=PAPERS_PEAK, place=(2, 1))
    fig.update_yaxes(LOSS_AXIS, row=1).update_yaxes(title="logit, norm", row=2)
    fig.update_xaxes(title="epoch", tickformat=",d", row=2)
    found = zip(MARKS, measures.mark_summaries(records), strict=True)
    marks = "; ".join(f"{mark.name} at epoch {epochs.text()}" for mark, epochs in found)
    text = f"Losses, logits and norm of {len(records)} grokking networks: {marks}. The "
    text += f"strong line is seed {middle(records).run.seed}."
    return set_alt(fig, text + early_text(records))
