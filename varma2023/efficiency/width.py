"""D_crit at two widths of the network, and what the costs of both circuits there predict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log, nan

import plotly.graph_objects as go

from grokkit.runs import Record, Records
from varma2023 import measures, plots, statistics
from varma2023.efficiency.critical import crossing, minima
from varma2023.measures import group, least
from varma2023.plots import Looks, dash_of, draw_ends
from varma2023.statistics import Interval
from varma2023.tables import table
from varma2023.theme import GEN, MEM, ordered, panels, set_alt

SAME_SHIFT = 1.2  # factor within which a shift is as predicted (choice C28)


@dataclass(frozen=True)
class Width:
    """The networks of one width."""

    d_model: int
    ends: list[Record]  # of ungrokking
    memory: list[Record]  # of random labels

    @property
    def rules(self) -> list[Record]:
        """The ends at the largest size that hold the rule: what it costs each seed."""
        largest = measures.at_largest(self.ends)
        return [r for r in largest if r.final("test_accuracy") > measures.PERFECT]

    @property
    def crits(self) -> dict[int, float]:
        """D_crit by seed; NaN where it lies outside the sizes that were run."""
        return {s: measures.d_crit(own).value for s, own in group(self.ends, "seed").items()}

    @property
    def predicted(self) -> dict[int, float]:
        """By seed, the D at which memory's minimum of Eq. (2) reaches that of the seed's rule."""
        memory = minima(self.memory)
        return {r.run.seed: exp(crossing(memory, log(least(r)))) for r in self.rules}

    @property
    def can_predict(self) -> bool:
        """Whether every minimum that a prediction rests on is at rest."""
        return all(map(measures.rests, [*self.memory, *self.rules]))


def widths(records: Records) -> list[Width]:
    """The records of `ungrokking.sweeps.widths`, the narrowest networks first."""
    found: dict[int, Width] = {}
    for record in sorted(records, key=lambda r: r.run.model.d_model):
        d_model = record.run.model.d_model
        own = found.setdefault(d_model, Width(d_model, [], []))
        (own.memory if record.run.labels == "random" else own.ends).append(record)
    return list(found.values())


Reading = Callable[[Width], dict[int, float]]


def shift(found: Sequence[Width], read: Reading) -> Interval:
    """A size at the widest over that at the narrowest: the mean of seeds' own ratios."""
    narrow, wide = read(found[0]), read(found[-1])
    logs = [log(wide[seed] / narrow[seed]) for seed in narrow.keys() & wide.keys()]
    return statistics.geometric_mean(logs)


def over_predicted(found: Sequence[Width]) -> Interval:
    """The measured `shift` over the predicted one, seed by seed."""

    def read(width: Width) -> dict[int, float]:
        told = width.predicted
        return {seed: crit / told.get(seed, nan) for seed, crit in width.crits.items()}

    return shift(found, read)


def widths_table(found: Sequence[Width]) -> str:
    """By width: both costs, D_crit as it is predicted and measured, and what is at rest."""
    rows = []
    for width in found:
        memory = ", ".join(
            f"{measures.Summary.of([*map(least, here)]).median:.0f} at {size}"
            for size, here in group(width.memory, "dataset_size").items()
        )
        rule = measures.Summary.of([*map(least, width.rules)]).text(".0f")
        sizes = [
            measures.Summary.of([*read.values()]).text() for read in (width.predicted, width.crits)
        ]
        rest = [
            f"{sum(map(measures.rests, own))} of {len(own)}" for own in (width.memory, width.ends)
        ]
        rows.append([width.d_model, memory, rule, *sizes, *rest])
    heads = "width | memory: Eq. (2) over α, by D | the rule's | D_crit predicted: median (range)"
    return table(f"{heads} | measured | memory at rest | ends at rest", rows)


def fig_widths(found: Sequence[Width]) -> go.Figure:
    """Test accuracy after ungrokking by width; and what memory and the rule cost, against D."""
    titles = ["test accuracy", "Eq. (2) over α"]
    fig = panels({"height": 440}, cols=2, horizontal_spacing=0.12, subplot_titles=titles)
    for i, (width, colour) in enumerate(zip(found, ordered(len(found)), strict=True)):
        label = f"d<sub>model</sub> = {width.d_model}"
        plots.draw_accuracy(fig, width.ends, "p", label, colour, i, place=(1, 1))
        looks: Looks = {"dash": dash_of(i), "width": 1.8, "place": (1, 2)}
        for here, colour_of, of in ((width.memory, MEM, "memory"), (width.rules, GEN, "rule")):
            hover = f"%{{y:.1f}} at D = %{{x:,}}<br>{of}, {label}"
            for runs in group(here, "seed").values():
                name = f"{of}, {label}"
                draw_ends(fig, runs, least, name, hover, i, colour=colour_of, **looks)
    every = [record for width in found for record in (*width.ends, *width.memory)]
    fig.update_xaxes(plots.size_axis(every, "D′"), row=1, col=1)
    fig.update_xaxes(plots.size_axis(every, "D"), row=1, col=2)
    fig.update_yaxes(plots.ACCURACY, row=1, col=1)
    fig.update_yaxes(title="Eq. (2) over α", row=1, col=2)
    said = "; ".join(f"{w.d_model}: {measures.d_crit_text(w.ends)}" for w in found)
    return set_alt(fig, f"Ungrokking at {len(found)} widths. D_crit by d_model: {said}.")
