"""How steep the loss is at minima of both circuits, and whether AdamW stays there (choice C52)."""

from collections.abc import Sequence
from math import log
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Record, Records, Run
from varma2023 import measures, plots, statistics
from varma2023.measures import Reading, Summary, group, least, rests, stable_below
from varma2023.plots import Looks, draw
from varma2023.profiles import PAPERS
from varma2023.statistics import Interval, bootstrap, gathered, geometric_mean, log_slope
from varma2023.tables import powers, table
from varma2023.theme import GEN, MEM, NORM, panels, set_alt

RULE, MEMORY = KINDS = ("rule", "memory")


class Setting(NamedTuple):
    """What minima that are compared have in common."""

    p: int
    width: int
    weight_decay: float

    def __str__(self) -> str:
        return f"p = {self.p}, width {self.width}, λ = {self.weight_decay:g}"


def setting(run: Run) -> Setting:
    """The setting of a run."""
    return Setting(run.p, run.model.d_model, run.weight_decay)


class Minimum(NamedTuple):
    """A minimum of Eq. (2), known by what was started there."""

    setting: Setting
    kind: str  # of KINDS: by where the minimiser came from
    again: Record  # the minimiser once more
    adamw: list[Record]  # the smallest learning rate first

    @property
    def holds(self) -> bool:
        """Whether test accuracy at the minimum is on the side of ½ that its kind says."""
        return bool(self.adamw[0]["test_accuracy"][0] >= 0.5) == (self.kind == RULE)

    @property
    def steepness(self) -> float:
        """The second difference of the train loss, times the smallest learning rate over eps."""
        return float(self.adamw[0]["steepness"][0])


def every_minimum(records: Records) -> list[Minimum]:
    """The minima of records in the order of `from_minima`, each with what was started there."""

    def which(run: Run) -> tuple[Setting, str, int, int]:
        start = run.init and run.init.init
        grokked = start is not None and start.dataset_size > run.dataset_size
        return setting(run), RULE if grokked else MEMORY, run.dataset_size, run.seed

    own = gathered((which(record.run), record) for record in records)
    return [Minimum(who, kind, first, rest) for (who, kind, *_), (first, *rest) in own.items()]


def minima(records: Records) -> list[Minimum]:
    """The minima of `from_minima`, in pairs on one train set, if both hold what their kind says."""
    pairs = gathered(((m.setting, m.again.run.seed), m) for m in every_minimum(records))
    return [m for pair in pairs.values() if all(other.holds for other in pair) for m in pair]


def by_seed(found: Sequence[Minimum], setting: Setting, kind: str) -> dict[int, float]:
    """Steepness of the minima of a setting and kind, by seed."""
    own = (m for m in found if (m.setting, m.kind) == (setting, kind))
    return {minimum.again.run.seed: minimum.steepness for minimum in own}


def ratios(found: Sequence[Minimum]) -> dict[Setting, Interval]:
    """By setting, memory's steepness over the rule's: the geometric mean over seeds."""
    both = {s: [by_seed(found, s, kind) for kind in (MEMORY, RULE)] for s in by_setting(found)}
    return {s: statistics.mean_ratio(*each) for s, each in both.items()}


def at_rest(found: Sequence[Minimum]) -> list[Minimum]:
    """Those of pairs of which the minimiser, once more from there, ends at rest on both."""
    falling = {(m.setting, m.again.run.seed) for m in found if not rests(m.again)}
    return [m for m in found if (m.setting, m.again.run.seed) not in falling]


def over_decay(found: Sequence[Minimum], kind: str) -> tuple[Interval, float]:
    """Steepness at the largest weight decay over that at the least; and the ratio of the decays.

    At the modulus and width that come first.
    """
    first = found[0].setting
    own = {m.setting.weight_decay: m.setting for m in found if m.setting[:2] == first[:2]}
    least, most = own[min(own)], own[max(own)]
    ratio = statistics.mean_ratio(by_seed(found, most, kind), by_seed(found, least, kind))
    return ratio, most.weight_decay / least.weight_decay


def by_setting(found: Sequence[Minimum]) -> dict[Setting, list[Minimum]]:
    """The minima by their setting, in the order in which they come."""
    return gathered((minimum.setting, minimum) for minimum in found)


def _read(found: Sequence[Minimum]) -> Reading:
    """The steepness at a minimum, by its `again`."""
    steep = {minimum.again.run: minimum.steepness for minimum in found}
    return lambda end: steep[end.run]


def holding(found: Sequence[Minimum], kind: str) -> list[Record]:
    """`again` of the minima of a kind that hold its circuit."""
    return [minimum.again for minimum in found if minimum.kind == kind and minimum.holds]


def slopes(found: Sequence[Minimum], kind: str) -> dict[int, float]:
    """d ln steepness / d ln D of minima at rest of one setting and kind, by seed."""
    read, fits = _read(found), dict[int, float]()
    for seed, own in group([*filter(rests, holding(found, kind))], "seed").items():
        sizes, steep = measures.curve(own, read)
        if len(sizes) > 1:
            fits[seed] = log_slope(sizes, steep)
    return fits


def exponents(found: Sequence[Minimum]) -> list[Interval]:
    """Memory's exponent of D in one setting, the rule's, and the first less the second.

    Means over seeds of `slopes`; NaN of what has none.
    """
    memory, rule = (slopes(found, kind) for kind in (MEMORY, RULE))
    apart = [memory[seed] - rule[seed] for seed in memory.keys() & rule.keys()]
    units = [*memory.values()], [*rule.values()], apart
    return [bootstrap(each, np.mean) for each in units]


def too_steep_text(found: Sequence[Minimum]) -> str:
    """The D from which memory's minimum is too steep for AdamW at the paper's rate, over seeds."""
    ends = holding(found, MEMORY)
    return measures.d_crit_text(ends, stable_below(PAPERS), _read(found)) if ends else "none"


def leaves(record: Record) -> bool:
    """Whether AdamW leaves the minimum at which it starts: its train loss spikes."""
    return measures.spikes(record) > 0


def right(found: Sequence[Minimum]) -> list[bool]:
    """Of each run of AdamW, whether it leaves if the loss is too steep for its step, else stays."""
    runs = [record for minimum in found for record in minimum.adamw]
    return [leaves(r) == bool(r["steepness"][0] > stable_below(r.run)) for r in runs]


def from_kind(found: Sequence[Minimum], kind: str) -> list[Record]:
    """The runs of AdamW from minima of a kind."""
    return [record for minimum in found if minimum.kind == kind for record in minimum.adamw]


def left_text(found: Sequence[Minimum], kind: str) -> str:
    """ "0 of 30 at η = 0.001, 3 of 30 at η = 0.004": runs that leave the minima of a kind."""
    runs = from_kind(found, kind)
    return measures.by_rate_text(runs, lambda own: measures.how_many(map(leaves, own)))


def height_text(found: Sequence[Minimum], kind: str) -> str:
    """By learning rate, Eq. (2) where AdamW ends over that at the minimum: median and range."""

    def heights(own: Records) -> str:
        return Summary.of([least(r) / measures.objective(r)[0] for r in own]).text(".3g")

    return powers(measures.by_rate_text(from_kind(found, kind), heights))


def edge_text(found: Sequence[Minimum], kind: str) -> str:
    """How steep the loss is where AdamW ends at the smallest rate: median and range."""
    slowest = next(iter(group(from_kind(found, kind), "lr").values()), [])
    return measures.finals(slowest, "steepness").text(".0f")


def steepness_table(found: Sequence[Minimum]) -> str:
    """By setting, the steepness at minima of both kinds, and memory's over the rule's.

    The last also of the pairs at rest alone. Then the learning rate below which AdamW could rest
    in memory.
    """
    rows, resting = [], ratios(at_rest(found))
    for setting, ratio in ratios(found).items():
        values = (by_seed(found, setting, kind).values() for kind in KINDS)
        means = [geometric_mean([log(value) for value in each]) for each in values]
        rest = resting[setting].text(".2g") if setting in resting else "–"
        calm = stable_below(PAPERS) / means[-1].value * PAPERS.lr
        both = [mean.text(",.0f") for mean in means]
        rows.append([setting, ratio.n, *both, ratio.text(".2g"), rest, powers(f"{calm:.1e}")])
    heads = "Setting | Pairs | The rule's | Memory's | Memory's over the rule's | where both rest"
    return table(f"{heads} | Memory is calm at η below", rows)


def ways_table(ways: Records, records: Records) -> str:
    """AdamW from memory's minima, by rate, precision and loss: who leaves, and where they end.

    `ways` are runs of `from_memory`; those of `from_minima` from the same minima stand beside them.
    """
    starts, rows = {record.run.init for record in ways}, []
    usual = [r for r in records if r.run.init in starts and r.run.optimiser == "adamw"]
    for way, own in group([*usual, *ways], "lr", "precision", "loss").items():
        start, end = (Summary.of([r["steepness"][i] for r in own]).text(".0f") for i in (0, -1))
        rise = Summary.of([float(np.nanmax(measures.over_least(r))) for r in own]).text(".3g")
        heights = Summary.of([least(r) / measures.objective(r)[0] for r in own]).text(".4g")
        right = f"{max(map(measures.at_the_end, own)):.2f}"
        left = measures.how_many(map(leaves, own))
        rows.append(["{:g}, {}, {}".format(*way), left, start, end, powers(rise), heights, right])
    heads = "η, precision, loss | leave | steepness × η / ε at first | at the end"
    heads += " | largest train loss, over its least | Eq. (2) at the end, over the minimum"
    return table(f"{heads} | test accuracy at the end, at most", rows)


def fig_steepness(found: Sequence[Minimum]) -> go.Figure:
    """How steep the loss is at every minimum, by setting; then how far it rises under AdamW.

    The first in units of the smallest learning rate, the second in those of AdamW's own. Dashed:
    above it AdamW's step is too long for a parabola. Open: the minimiser was still falling.
    """
    settings, titles = [*ratios(found)], ("At the minimum", "Under AdamW")
    fig = panels(660, titles, rows=2, vertical_spacing=0.14, shared_xaxes=True)
    hovers = "%{x:.3g}", "train loss × %{y:.3g}, from %{x:.3g}"
    for kind, colour, shift in ((RULE, GEN, -0.15), (MEMORY, MEM, 0.15)):
        own = [minimum for minimum in found if minimum.kind == kind]
        own.sort(key=lambda minimum: not rests(minimum.again))  # a filled one for the legend
        slow = [(minimum, minimum.adamw[0]) for minimum in own]
        every = [(minimum, record) for minimum in own for record in minimum.adamw]
        heights = [settings.index(minimum.setting) + shift for minimum in own]
        rises = [float(np.nanmax(measures.over_least(record))) for _, record in every]
        panel = zip((slow, every), (heights, rises), hovers, strict=True)
        for row, (dots, y, hover) in enumerate(panel, start=1):
            x = [float(record["steepness"][0]) for _, record in dots]
            symbols = [plots.rest_symbol(minimum.again, "circle") for minimum, _ in dots]
            marker = {"color": colour, "size": 7, "opacity": 0.7, "symbol": symbols}
            who = [f"{kind}, η = {r.run.lr:g}<br>{m.setting}, seed {r.run.seed}" for m, r in dots]
            looks: Looks = {"mode": "markers", "marker": marker, "text": who}
            draw(fig, x, y, kind, f"{hover}<br>%{{text}}", place=(row, 1), **looks)
    line: Looks = {"line": {"color": NORM, "width": 1.4, "dash": "dash"}, "layer": "below"}
    fig.add_vline(stable_below(PAPERS), **line)
    names = [f"p = {s.p}, λ = {s.weight_decay:g}<br>width {s.width}" for s in settings]
    fig.update_yaxes(tickvals=[*range(len(names))], ticktext=names, autorange="reversed", row=1)
    fig.update_yaxes(plots.LOG, dtick=2, title="train loss, over its least", row=2)
    fig.update_xaxes(plots.LOG).update_xaxes(title="steepness × η / ε", row=2)
    told = "; ".join(f"{s} × {ratio.text('.2g')}" for s, ratio in ratios(found).items())
    left = [left_text(found, kind) or "none was started" for kind in KINDS]
    text = f"Memory's minima against the rule's, by setting: {told or 'no pair'}. Networks leave "
    text += f"minima of the rule: {left[0]}; of memory: {left[1]}."
    return set_alt(fig, text)


def fig_steep_sizes(records: Records) -> go.Figure:
    """How steep the loss is at minima of both circuits against D, by setting; a line is a seed.

    In units of the smallest learning rate, as the first panel of `fig_steepness`.
    """
    settings = by_setting(every_minimum(records))
    fig = panels(420, [*map(str, settings)], cols=len(settings), shared_yaxes=True)
    for col, found in enumerate(settings.values(), start=1):
        at = _read(found)
        for look, (kind, colour) in enumerate(((RULE, GEN), (MEMORY, MEM))):
            for seed, ends in group(holding(found, kind), "seed").items():
                looks: Looks = {"colour": colour, "dash": plots.dash_of(look), "width": 1.5}
                hover = f"%{{y:.3g}} on %{{x:,}} examples<br>{kind}, seed {seed}"
                plots.draw_ends(fig, ends, at, kind, hover, look, place=(1, col), **looks)
        axis = plots.size_axis([m.again for m in found], "D", (100, 200, 400, 800, 1600))
        fig.update_xaxes(axis, col=col)
    fig.add_hline(stable_below(PAPERS), line={"color": NORM, "width": 1.4, "dash": "dash"})
    fig.update_yaxes(plots.LOG).update_yaxes(title="steepness × η / ε", col=1)
    told = []
    for setting, found in settings.items():
        memory, rule, _ = exponents(found)
        told.append(f"{setting}: memory's {memory.text()}, the rule's {rule.text()}")
    said = "Steepness of the train loss at minima of both circuits against the size of the train "
    return set_alt(fig, f"{said}set. Exponents of D: {'; '.join(told)}.")
