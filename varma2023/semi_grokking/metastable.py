"""How long networks near D_crit stay in memory: by learning rate, by height, and by spikes."""

from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite, nan
from operator import attrgetter

import numpy as np
import scipy
from jaxtyping import Bool, Float

from grokkit.runs import Record, Records, Run
from varma2023 import measures, statistics
from varma2023.measures import Pair, Summary, at_the_end, d_crit_text, group, how_many
from varma2023.semi_grokking import analysis
from varma2023.semi_grokking.analysis import Readings, above_half, spikes_in_memory
from varma2023.statistics import Interval
from varma2023.tables import table

# --- who ends above an accuracy of 1/2, by learning rate and size --------------------------------


def rates_table(records: Records, known: Mapping[int, tuple[float, float]]) -> str:
    """By modulus and rate: networks above 1/2, two sizes, and `known` (see `fig_metastable`)."""
    rows = []
    for (p, rate), here in group(records, "p", "lr").items():
        time, size = f"{rate * here[0].run.epochs:g}", d_crit_text(measures.whole(here))
        sizes = group(here, "dataset_size").items()
        none = [size for size, own in sizes if not any(map(above_half, own))]
        forget, equal = known.get(p, (nan, nan))
        part = measures.d_crit_interval(measures.whole(here)).value / equal
        marks = [f"{mark:,.0f}" if isfinite(mark) else "" for mark in (forget, equal)]
        marks += [f"× {part:.2f}" if isfinite(part) else ""]
        told = [analysis.share_text(here), size, f"{none[-1]:,}" if none else "none"]
        rows.append([p, f"{rate:g}", time, *told, *marks])
    heads = "p | η | η × epochs | end above ½ | accuracy ½ at D | largest D with none above ½"
    return table(f"{heads} | grokked ones forget below | costs meet at | D at ½ / that", rows)


# --- how high above its minimum AdamW hovers in memory -------------------------------------------


def pairs_in_memory(records: Records, ends: Records) -> list[Pair]:
    """Runs of AdamW, each with the minimiser's of that train set and seed; both end below 1/2."""
    name = attrgetter("run.p", "run.dataset_size", "run.seed", "run.weight_decay", "run.eps")
    below = {name(end): end for end in ends if at_the_end(end) < 0.5}
    own = [r for r in {r.run: r for r in records}.values() if at_the_end(r) < 0.5]
    return [Pair(record, below[name(record)]) for record in own if name(record) in below]


def least_late(pair: Pair) -> float:
    """The least Eq. (2) in the second half of AdamW's epochs, over the minimiser's end."""
    record = pair.adamw
    least = measures.objective(record)[measures.late(record)].min()
    return float(least) / measures.least(pair.lbfgs)


def by_setting(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """The pairs by AdamW's learning rate, and by its momentum where that is not the usual."""
    usual = Run().beta1

    def label(run: Run) -> str:
        return f"η = {run.lr:g}" + ("" if run.beta1 == usual else f", β₁ = {run.beta1:.4g}")

    ordered = sorted(pairs, key=lambda each: (each.adamw.run.lr, each.adamw.run.beta1 != usual))
    return statistics.gathered((label(pair.adamw.run), pair) for pair in ordered)


def height_text(pairs: Sequence[Pair]) -> str:
    """ "× 1.06 (1.01 – 1.07) at η = 0.001, ...": Eq. (2) at AdamW's end over the minimiser's."""
    kinds = {kind: [1 + analysis.excess(p) for p in own] for kind, own in by_setting(pairs).items()}
    return ", ".join(f"× {_spread(own)} at {kind}" for kind, own in kinds.items()) or "none"


def late_text(pairs: Sequence[Pair], rate: float) -> str:
    """`least_late` at one learning rate, with the usual momentum, as median and range."""
    return _spread([*map(least_late, by_setting(pairs).get(f"η = {rate:g}", []))])


def _spread(values: Sequence[float]) -> str:
    return Summary.of(values).text(".3g")


# --- whether networks that spike higher leave sooner ----------------------------------------------


def time_left(record: Record) -> float:
    """η x epochs at the first evaluation with an accuracy of 1/2; infinite if there is none."""
    left = measures.first(record, record["test_accuracy"] >= 0.5)
    return record.run.lr * left.epoch if left else inf


def spike_heights(record: Record) -> list[float]:
    """Of each spike in memory the train loss over its least so far: what evaluations show of it.

    The largest while the spike lasts and test accuracy stays below 1/2; as evaluations are few, it
    was higher between them.
    """
    above, found, lasts = measures.over_least(record), [], _spiking(record)
    for row in spikes_in_memory(record):
        found.append(float(above[row : row + int(np.append(lasts[row:], False).argmin())].max()))
    return found


def _spiking(record: Record) -> Bool[np.ndarray, " log"]:
    """The evaluations inside a spike in memory."""
    return (measures.over_least(record) > measures.SPIKE) & analysis.in_memory(record)


AFRESH = 50  # epochs in which fresh moments of AdamW make its steps long


def later_spikes(record: Record) -> list[int]:
    """The evaluations after `AFRESH` epochs at which spikes in memory start."""
    return [row for row in spikes_in_memory(record) if record["epoch"][row] > AFRESH]


def spikes_text(records: Records) -> str:
    """ "5 (4 – 7) spikes in memory, up to a training loss of 2.1 (1.6 – 3.1)", and when they leave.

    From where their records begin, but for the first `AFRESH` epochs; the loss of those that spike.
    """
    losses = (r["train_loss"][_spiking(r) & (r["epoch"] > AFRESH)] for r in records)
    highs = [own.max() for own in losses if own.size] or [0.0]
    left = [time_left(r) / r.run.lr if isfinite(time_left(r)) else None for r in records]
    counts = Summary.of([len(later_spikes(record)) for record in records]).text()
    said = f"{counts} spikes in memory, up to a training loss of {_spread(highs)}"
    return f"{said}; accuracy ½ after epoch {Summary.of(left).text()}"


def ways_table(records: Records) -> str:
    """By η, ε and λ: networks above 1/2 at the end, and those that spike after `AFRESH` epochs.

    Then the train loss and the norm at the end, as median and range.
    """
    rows = []
    for (lr, eps), here in group(records, "lr", "eps").items():
        ends = [measures.finals(here, name).text(".2g") for name in ("train_loss", "param_norm")]
        ways = [f"{lr:g}", f"{eps:.2g}", f"{here[0].run.weight_decay:g}", f"{lr / eps:.3g}"]
        rows.append([*ways, analysis.share_text(here), how_many(map(later_spikes, here)), *ends])
    heads = "η | ε | λ | η / ε | end above ½ | spike in memory | training loss at the end"
    return table(f"{heads} | norm at the end", rows)


def shares_text(by_clip: Mapping[float, Records]) -> str:
    """ "11 of 15 as they are, 6 of 15 clipped at 250 ε": how many end above an accuracy of 1/2."""
    ways = {clip: f"clipped at {clip:,g} ε" if clip else "as they are" for clip in by_clip}
    return ", ".join(f"{analysis.share_text(own)} {ways[clip]}" for clip, own in by_clip.items())


def calm_text(records: Records, below: float) -> str:
    """Of the runs at smaller rates that end above 1/2, how many never spike in memory."""
    above = filter(above_half, records)
    return how_many(not spikes_in_memory(record) for record in above if record.run.lr < below)


def less_far(slower: Records, usual: Records) -> str:
    """How many of the runs end at a lower test accuracy than the same at the usual rate."""
    ends = zip(slower, usual, strict=True)
    return how_many(at_the_end(one) < at_the_end(other) for one, other in ends)


def first_seen(record: Record) -> list[float]:
    """As `spike_heights`, at the first evaluation of each spike, however long it lasts."""
    return measures.over_least(record)[spikes_in_memory(record)].tolist()


def median_height(record: Record) -> float:
    """The median of a network's `spike_heights`; NaN without a spike."""
    return analysis.median(spike_heights, record)


def first_height(record: Record) -> float:
    """The first of a network's `spike_heights`; NaN without a spike."""
    return [*spike_heights(record), nan][0]


def later_is_higher(records: Records) -> float:
    """The rank correlation of the time and the height of networks' first spikes in memory."""
    spiking = [(r, rows[0]) for r in records if (rows := spikes_in_memory(r))]
    times = np.array([r.run.lr * float(r["epoch"][row]) for r, row in spiking])
    return statistics.spearman(times, np.array([first_height(r) for r, _ in spiking]))


def places(values: Sequence[float]) -> Float[np.ndarray, " run"]:
    """From 0 to 1, the place of each value among all, the mean of equals; their mean is 1/2."""
    return (scipy.stats.rankdata(values) - 0.5) / len(values)


def sooner(records: Records, read: measures.Reading = median_height) -> Interval:
    """The rank correlation of the time to leave memory with what is read, within sizes, over seeds.

    Below 0 where networks with higher readings leave sooner. One that never leaves is later than
    all others; one without a reading is left out. Time and reading are `places` among the networks
    of one rate and size.
    """
    rows = []
    for here in group(records, "p", "lr", "dataset_size").values():
        own = [(r.run.seed, time_left(r), high) for r in here if isfinite(high := read(r))]
        if own:
            seeds, *both = zip(*own, strict=True)
            rows += [*zip(seeds, *map(places, both), strict=True)]
    return _over_seeds(rows, lambda some: statistics.spearman(*some.T))


def place_of_last(records: Records, before: int = 0, read: Readings = spike_heights) -> Interval:
    """The mean rank of the spike at which a network leaves memory, among its like, over seeds.

    Those are the spikes of the same number, of networks of the same rate and size that were still
    in memory at it. With `before`, of the spike so many before the last. 1/2 if height has no part.
    """
    rows = []
    for here in group(records, "p", "lr", "dataset_size").values():
        heights = [read(record) for record in here]
        for number in range(max(map(len, heights))):
            still = [(r, own) for r, own in zip(here, heights, strict=True) if len(own) > number]
            place = places([own[number] for _, own in still])
            last = [len(own) == number + 1 + before and time_left(r) < inf for r, own in still]
            if not all(last):  # else there is none to compare with
                found = zip(still, place, last, strict=True)
                rows += [(r.run.seed, at) for (r, _), at, leaves in found if leaves]
    return _over_seeds(rows, np.mean)


def _over_seeds(rows: Sequence[tuple], of: Callable[[np.ndarray], float]) -> Interval:
    """A statistic of rows, without their first column, which is the seed; NaN of no rows."""
    units = statistics.gathered((seed, values) for seed, *values in rows)
    seeds = [np.array(own, float) for own in units.values()]
    return statistics.bootstrap(seeds, lambda some: of(np.concatenate(some)))
