"""The figures of other tasks: Fig. 8, and logits by character of the task's group."""

from collections.abc import Sequence
from math import isfinite

import numpy as np
import plotly.graph_objects as go

from grokkit import tasks
from grokkit.runs import Records
from varma2023 import measures
from varma2023.other_tasks import analysis
from varma2023.other_tasks.analysis import GroupCircuit
from varma2023.plots import ACCURACY, Looks, draw, draw_accuracy, draw_bars, log_axis, size_axis
from varma2023.theme import GEN, NORM, TEST, coloured, figure, panels, set_alt

FEW_TICKS = (10, 30, 100, 300, 1000, 3000, 10_000)  # of a small panel; every second if
WIDE = 30  # times the smallest size are on it
LITTLE = 0.01  # of the squared norm, below which a representation is not drawn


def fig_characters(found: Sequence[GroupCircuit]) -> go.Figure:
    """App. B for each modular task: what its strongest characters hold, against their number."""
    modular = [c for c in found if c.task in tasks.MODULAR]
    names = [name for name in tasks.MODULAR if any(c.task == name for c in modular)]
    rows = max(1, -(-len(names) // 2))
    learned = {c.task for c in modular if c.grokked}
    titles = [name if name in learned else f"{name} (did not generalise)" for name in names]
    grid: Looks = {"vertical_spacing": 0.24 / rows, "horizontal_spacing": 0.06}
    grid |= {"shared_xaxes": True, "shared_yaxes": True}
    fig = panels(140 + 190 * rows, titles, rows=rows, cols=2, **grid)
    for c in modular:
        row, col = divmod(names.index(c.task), 2)
        kinds = (("its own group", c.own, GEN, "solid"), ("another group", c.other, NORM, "dash"))
        for label, parts, colour, dash in kinds:
            held = analysis.shares(parts).cumsum(0).numpy()[: analysis.n_characters(parts)]
            count = np.arange(1, len(held) + 1)
            who = f"{c}<br>{label}: {analysis.group_names(parts)}"
            hover = f"the %{{x}} strongest hold %{{y:.3f}} of norm²<br>{who}"
            looks: Looks = {"meta": {"task": c.task, "seed": c.record.run.seed}}
            looks |= {"colour": colour, "dash": dash, "place": (row + 1, col + 1)}
            draw(fig, count, held, label, hover, **looks)
    known = [analysis.n_characters(parts) for c in modular for parts in (c.own, c.other)]
    fig.update_xaxes(log_axis([1, *known], "", (1, 2, 5, 10, 20, 50, 100), 0))
    for col, row in ((1, rows), (2, max(1, len(names) // 2))):  # an odd number leaves a place empty
        fig.update_xaxes(title="characters, strongest first", showticklabels=True, row=row, col=col)
    fig.update_yaxes(title="share of norm²", range=[0, 1.03], col=1)
    keys = [f"{c.task}: {analysis.n_key(c.own)} against {analysis.n_key(c.other)}" for c in modular]
    text = f"Logits of {len(modular)} networks by character. Key characters in the task's own "
    text += f"group against another: {'; '.join(keys)}."
    return set_alt(fig, text)


def fig_representations(found: Sequence[GroupCircuit]) -> go.Figure:
    """App. B for permutations: the logits by irreducible representation of S_n.

    Those that hold next to nothing in every network are left out.
    """
    chosen = [c for c in found if c.task in tasks.PERMUTATION]
    held = [c.own[0].entries.numpy() for c in chosen]
    kept = np.flatnonzero(np.max(held, 0) >= LITTLE) if held else np.array([], int)
    xaxis = {"title": "irreducible representation", "type": "category"}
    yaxis = {"title": "share of norm²", "range": [0, 1.03]}
    height = 320 + 24 * len(chosen)  # a row of the legend each
    fig = figure(xaxis=xaxis, yaxis=yaxis, barmode="group", height=height)
    for c, colour in coloured(chosen):
        own = c.own[0]
        kinds = (("characters", own.characters), ("all entries", own.entries))
        for i, (label, values) in enumerate(kinds):
            pale = " (did not generalise)" * (not c.grokked)
            hover = f"%{{x}}: %{{y:.3f}}<br>{c}{pale}<br>{label}"
            name = c.name if i == 0 else label
            bars = [own.group.names[row] for row in kept], values.numpy()[kept], name, hover
            about = {"task": c.task, "seed": c.record.run.seed}
            one: Looks = {"legendgroup": c.name, "showlegend": i == 0}
            one["opacity"] = 1 if c.grokked else 0.45
            draw_bars(fig, *bars, colour, i, meta=about, **one)
    text = "Share of the squared norm of the logits along the characters of the symmetric group. "
    text += "; ".join(
        f"{c.name}: {float(c.own[0].characters.sum()):.2f}, most of it in "
        f"{c.own[0].group.names[int(c.own[0].characters.argmax())]}"
        for c in chosen
    )
    return set_alt(fig, f"{text}.")


def fig8_other_tasks(records: Records) -> go.Figure:
    """Fig. 8: test accuracy where ungrokking ends against D', one panel a task.

    Those of tasks that do not ungrok, or whose networks did not hold the whole rule (choice C10),
    have no colour.
    """
    groups = measures.group(records, "task")
    n_rows, n_cols = -(-len(groups) // 3), min(3, len(groups))
    space = {"horizontal_spacing": 0.04, "vertical_spacing": 0.3 / n_rows if n_rows > 1 else 0}
    notes = {"yes": "", "no": " (does not ungrok)", "not judged": " (not judged)"}
    told = {task: notes[analysis.ungroks_text(here)] for task, here in groups.items()}
    titles = [f"{task}{note}" for task, note in told.items()]
    fig = panels(120 + 230 * n_rows, titles, rows=n_rows, cols=n_cols, shared_yaxes=True, **space)
    sizes = [record.run.dataset_size for record in records]
    ticks = FEW_TICKS[::2] if max(sizes) > WIDE * min(sizes) else FEW_TICKS
    for i, (task, here) in enumerate(groups.items()):
        row, col = i // 3 + 1, i % 3 + 1
        colour = NORM if told[task] else TEST
        draw_accuracy(fig, here, "seed", task, colour, 0, (row, col), showlegend=False)
        if isfinite(size := measures.d_crit_interval(here).value):
            line: Looks = {"colour": NORM, "dash": "dot", "width": 1.2, "mode": "lines"}
            line["place"], hover = (row, col), f"D<sub>crit</sub> {size:,.0f}<br>{task}"
            draw(fig, [size] * 2, [0, 1], "D<sub>crit</sub>", hover, **line)
        fig.update_xaxes(size_axis(records, "D′" if row == n_rows else "", ticks), row=row, col=col)
    fig.update_yaxes(ACCURACY, col=1)
    each = "; ".join(f"{task}: {measures.d_crit_text(here)}" for task, here in groups.items())
    done = sum(not note for note in told.values())
    text = "Test accuracy of grokked networks that the minimiser trained on fewer examples, for "
    text += f"{len(groups)} tasks; {done} go from near chance to generalised. Accuracy crosses a "
    text += f"half at, by task: {each}."
    return set_alt(fig, text)
