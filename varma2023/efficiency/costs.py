"""D_crit where the costs of both circuits meet: by what memory stores, by width, by kinks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, log, nan
from operator import attrgetter
from statistics import geometric_mean

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Record, Records
from varma2023 import measures, plots, statistics
from varma2023.efficiency.analysis import logs, norm
from varma2023.efficiency.critical import by_size, crossing, over_sum
from varma2023.measures import Reading, group, least
from varma2023.plots import Looks, dash_of, draw, draw_ends
from varma2023.profiles import of_width
from varma2023.statistics import Interval
from varma2023.tables import table
from varma2023.theme import GEN, MEM, NORM, TEST, figure, panels, set_alt

SAME_SHIFT = 1.2  # factor within which a shift is as predicted (choice C28)
SAME_SIZE = 1.1  # factor between two D_crit within which nothing has moved (choice C97)


@dataclass(frozen=True)
class Costs:
    """Networks that ungrok, and such that only memorise, of one kind."""

    label: str
    ends: list[Record]  # of ungrokking
    memory: list[Record]

    @property
    def rules(self) -> list[Record]:
        """The ends at the largest size that hold the rule: what it costs each seed."""
        largest = measures.at_largest(self.ends) if self.ends else []
        return [r for r in largest if r.final("test_accuracy") > measures.PERFECT]

    @property
    def crits(self) -> dict[int, float]:
        """D_crit by seed; NaN where it lies outside the sizes that were run."""
        return measures.d_crits(self.ends)

    @property
    def predicted(self) -> dict[int, float]:
        """By seed, the D at which memory's minimum of Eq. (2) reaches that of the seed's rule."""
        return self.where_equal(least)

    @property
    def by_own_memory(self) -> dict[int, float]:
        """`predicted`, by the memory of the seed itself, where that is known."""
        own = group(self.memory, "seed")
        known = self.predicted.keys() & own.keys()
        return {s: replace(self, memory=own[s]).predicted[s] for s in sorted(known)}

    def at_equal(self, read: Reading, kappa: float) -> dict[int, float]:
        """By seed, the D at which memory takes as much norm as the seed's rule, for equal readings.

        A reading goes as the norm to the power `kappa`: both are compared at one reading.
        """
        return self.where_equal(lambda record: norm(record) / read(record) ** (1 / kappa))

    def where_equal(self, price: Reading) -> dict[int, float]:
        """By seed, the D at which memory's price reaches that of the seed's rule."""
        if not self.memory:
            return {}
        curve = by_size(logs(self.memory, price))
        return {r.run.seed: exp(crossing(curve, log(price(r)))) for r in self.rules}

    @property
    def mixtures(self) -> list[tuple[Record, float]]:
        """Ends with both circuits, each over what these take apart (`critical.over_sum`)."""
        return over_sum(self.memory, self.rules, self.ends)

    @property
    def told(self) -> Interval:
        """The geometric mean of `predicted`."""
        return statistics.geometric_mean([log(size) for size in self.predicted.values()])

    @property
    def two_sizes(self) -> tuple[float, float]:
        """D_crit as it was measured, and where the costs meet: means over seeds, NaN if unknown."""
        return measures.d_crit_interval(self.ends).value, self.told.value

    @property
    def ratios(self) -> dict[int, float]:
        """By seed with a prediction, D_crit as it was measured over the predicted one."""
        told = self.predicted
        known = ((s, crit / told.get(s, nan)) for s, crit in self.crits.items())
        return {seed: ratio for seed, ratio in known if isfinite(ratio)}

    @property
    def measured_over_predicted(self) -> Interval:
        """The geometric mean of `ratios`."""
        return statistics.geometric_mean([log(ratio) for ratio in self.ratios.values()])

    @property
    def without(self) -> int:
        """How many seeds have no prediction: no rule at the largest size, or none so cheap."""
        return len(self.crits.keys()) - sum(map(isfinite, self.predicted.values()))

    @property
    def memory_beside(self) -> list[Record]:
        """Memory at the two sizes beside each prediction."""
        sizes = np.array([*group(self.memory, "dataset_size")])
        rows = np.searchsorted(sizes, [*self.predicted.values()])
        asked = {*sizes[np.maximum(rows - 1, 0)], *sizes[np.minimum(rows, len(sizes) - 1)]}
        return [r for r in self.memory if r.run.dataset_size in asked]

    @property
    def alone_rest(self) -> bool:
        """Whether all networks with one circuit alone are at rest: memory and the rules."""
        return all(map(measures.rests, (*self.memory, *self.rules)))

    @property
    def beside(self) -> list[Record]:
        """What predictions rest on: the rules, and memory beside each of them."""
        return [*self.rules, *self.memory_beside]


def spread_text(records: Records) -> str:
    """ "0.4%": by how much Eq. (2) differs at most between records of one size."""
    costs = [[*map(least, here)] for here in group(records, "dataset_size").values()]
    return f"{max((max(each) / min(each) - 1 for each in costs), default=nan):.1%}"


def widths(records: Records) -> list[Costs]:
    """Runs of `ungrokking.sweeps.widths`, and of `either_width`: the narrowest networks first."""
    found = []
    for d_model, d_mlp in sorted({(r.run.model.d_model, r.run.model.d_mlp) for r in records}):
        model = replace(of_width(d_model), d_mlp=d_mlp)
        kinds = group([r for r in records if r.run.model == model], "labels")
        label = f"d_model = {d_model}"
        if model != of_width(d_model):
            label += f", d_mlp = {d_mlp}"
        found.append(Costs(label, kinds["true"], kinds.get("random", [])))
    return found


def by_labels(ends: Records, memory: Records) -> list[Costs]:
    """Ungrokking, with what memory of random labels costs; then with that of the true ones.

    Args:
        ends: of `ungrokking.sweeps.moduli`, of which those at memory's modulus count.
        memory: of `sweeps.memory_at_rest`, and then more of the same network that never grokked;
            those that end with some of the rule are left out.
    """
    first = memory[0].run
    alike = [r for r in memory if (r.run.p, r.run.model) == (first.p, first.model)]
    only = [r for r in alike if r.final("test_accuracy") < measures.CHANCE]
    same = [r for r in ends if r.run.p == first.p]
    kinds = group(only, "labels")
    return [Costs(f"{which} labels", same, kinds.get(which, [])) for which in ("random", "true")]


def at_papers_modulus(ends: Records, memory: Records) -> Costs:
    """The ends of ungrokking at memory's weight decay, and memory of the same network (claim B2).

    Args:
        ends: of `ungrokking.sweeps.transition`.
        memory: of `sweeps.papers_memory`.
    """
    kinds = {(r.run.p, r.run.model, r.run.weight_decay) for r in memory}
    same = [r for r in ends if (r.run.p, r.run.model, r.run.weight_decay) in kinds]
    return Costs("random labels", same, [*memory])


def rounded(ends: Records, records: Records) -> Costs:
    """Ungrokking at one modulus, and what both circuits cost along rounded kinks (C79).

    Args:
        ends: of `ungrokking.sweeps.moduli`; those at the largest size give way to the rules below.
        records: of `sweeps.along_rounded_kinks`, memory of random labels and rules.
    """
    kinds = group(records, "labels")
    rules, memory = kinds["true"], kinds["random"]
    most = max(record.run.dataset_size for record in rules)
    same = [r for r in ends if r.run.p == rules[0].run.p and r.run.dataset_size < most]
    return Costs("random labels", [*same, *rules], memory)


def lower(records: Records, others: Records) -> list[Record]:
    """The records, each of them given way to another of its size, labels and seed that is lower."""
    known = group(others, "dataset_size", "labels", "seed")
    key = attrgetter("run.dataset_size", "run.labels", "run.seed")
    return [min([record, *known.get(key(record), [])], key=least) for record in records]


def moved(after: Records, before: Records) -> list[tuple[int, float]]:
    """Sizes, and Eq. (2) of ends there over that of others of the same size and seed."""
    known = {(r.run.dataset_size, r.run.seed): least(r) for r in before}
    at = (((r.run.dataset_size, r.run.seed), least(r)) for r in after)
    return [(key[0], cost / known[key]) for key, cost in at if key in known]


def moved_text(after: Records, before: Records) -> str:
    """ "+0.2% (−4.6% – +8.2%)": `moved`, median and range."""
    return measures.Summary.of([ratio - 1 for _, ratio in moved(after, before)]).text("+.1%")


def costs_table(found: Sequence[Costs]) -> str:
    """By kind: both costs, D_crit as it is predicted and measured, and what is at rest."""
    rows = []
    for kind in found:
        memory = ", ".join(
            f"{measures.Summary.of([*map(least, here)]).median:.0f} at {size}"
            for size, here in group(kind.memory, "dataset_size").items()
        )
        rule = measures.Summary.of([*map(least, kind.rules)]).text(".0f")
        sizes = kind.told.text(".0f"), measures.d_crit_text(kind.ends)
        rest = [measures.how_many(map(measures.rests, own)) for own in (kind.memory, kind.ends)]
        rows.append([kind.label, memory, rule, *sizes, *rest])
    heads = "networks | memory: Eq. (2) over α, median by D | the rule's, median (range) | D_crit "
    return table(f"{heads}predicted | D_crit measured | memory at rest | ends at rest", rows)


COLOURS = {"after ungrokking": TEST, "rule": GEN, "memory": MEM}


def fig_costs(found: Sequence[Costs]) -> go.Figure:
    """Test accuracy after ungrokking by kind; and what memory and the rule cost, against D.

    Kinds with the same ends share a curve. Others share their colours, and the dash tells them.
    """
    fig = panels(440, ["test accuracy", "Eq. (2) over α"], cols=2, horizontal_spacing=0.12)
    one = all(kind.ends == found[0].ends for kind in found)
    labels = [kind.label.replace("d_model", "d<sub>model</sub>") for kind in found]
    if not one:  # what the legend has in place of each curve
        keys = [(label, NORM, dash_of(i), 1.8) for i, label in enumerate(labels)]
        keys += [(what, colour, "solid", 6) for what, colour in COLOURS.items()]
        for label, colour, dash, width in keys:
            key: Looks = {"colour": colour, "dash": dash, "width": width, "mode": "lines"}
            draw(fig, [None], [None], label, place=(1, 2), **key)
    for i, (kind, label) in enumerate(zip(found, labels, strict=True)):
        drawn = {"memory": kind.memory}
        if not (one and i):
            drawn |= {"after ungrokking": kind.ends, "rule": kind.rules}
        for what, here in drawn.items():
            alike = len(found) == 1 or (one and what != "memory")
            name, colour = what if alike else f"{what}, {label}", COLOURS[what]
            same: Looks = {} if one else {"legendgroup": what, "showlegend": False}
            looks: Looks = {"colour": colour, "dash": dash_of(i), "place": (1, 2), **same}
            if what == "after ungrokking":
                plots.draw_accuracy(fig, here, "p", name, colour, i, place=(1, 1), **same)
                plots.draw_paper_size(fig, here, (1, 1))
            hover = f"%{{y:.1f}} at D = %{{x:,}}<br>{name}"
            for runs in group(here, "seed").values():
                draw_ends(fig, runs, least, name, hover, i, width=1.8, **looks)
    ends = [record for kind in found for record in kind.ends]
    priced = [record for kind in found for record in (*kind.memory, *kind.ends)]
    if one and found[0].rules:
        reach = [min(r.run.dataset_size for r in priced), max(r.run.dataset_size for r in ends)]
        mean = geometric_mean(map(least, found[0].rules))
        carried: Looks = {"mode": "lines", "colour": GEN, "dash": "dot", "width": 1.8}
        carried |= {"place": (1, 2), "showlegend": False}
        draw(fig, reach, [mean] * 2, "mean of the rule, carried", f"{mean:.1f}", **carried)
        texts = ("forget below", TEST), ("costs meet at", MEM)
        for (text, colour), size in zip(texts, found[0].two_sizes, strict=True):
            if isfinite(size):
                rule: Looks = {"line": {"color": colour, "dash": "dot", "width": 1.5}}
                rule |= {"name": f"{text} {size:,.0f}", "showlegend": True, "layer": "below"}
                fig.add_vline(x=size, row=1, col=2, **rule)
    fig.update_xaxes(plots.size_axis(ends, "D′"), row=1, col=1)
    fig.update_xaxes(plots.size_axis(priced, "D"), row=1, col=2)
    fig.update_yaxes(plots.ACCURACY, row=1, col=1)
    fig.update_yaxes(title="Eq. (2) over α", row=1, col=2)
    told = [
        f"{kind.label}: networks forget below {measures.d_crit_text(kind.ends)}, memory and rule "
        f"cost the same at {kind.told.text(',.0f')}"
        for kind in found
    ]
    return set_alt(fig, f"Ungrokking, and what both circuits cost. {'; '.join(told)}.")


def fig_rounded(after: Costs, before: Costs) -> go.Figure:
    """What both circuits cost by size along rounded kinks, and as they are; a line a seed.

    Dotted, where the costs meet, and where networks forget.
    """
    fig = figure(height=420)
    for look, (kind, how) in enumerate(((after, "rounded"), (before, "as they are"))):
        for what, records, colour in (("memory", kind.memory, MEM), ("rule", kind.rules, GEN)):
            name = f"{what}, kinks {how}"
            hover = f"%{{y:.1f}} at D = %{{x:,}}<br>{name}"
            for runs in group(records, "seed").values():
                looks: Looks = {"colour": colour, "dash": dash_of(look), "width": 1.8}
                draw_ends(fig, runs, least, name, hover, look, **looks)
    sizes = *after.two_sizes, before.told.value
    texts = ("forget below", TEST), ("costs meet, rounded, at", MEM), ("as they are, at", NORM)
    for (text, colour), size in zip(texts, sizes, strict=True):
        if isfinite(size):
            line: Looks = {"line": {"color": colour, "dash": "dot", "width": 1.5}}
            fig.add_vline(size, name=f"{text} {size:,.0f}", showlegend=True, layer="below", **line)
    fig.update_xaxes(plots.size_axis([*before.memory, *after.rules], "D"))
    fig.update_yaxes(title="Eq. (2) over α")
    told = f"The costs of memory and of the rule meet at {after.told.text('.0f')} along rounded "
    told += f"kinks, at {before.told.text('.0f')} as they are; networks forget below "
    return set_alt(fig, f"{told}{measures.d_crit_text(after.ends)}.")
