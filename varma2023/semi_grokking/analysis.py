"""What a run near D_crit does and where it ends."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import log, nan
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from grokkit.runs import Record, Records, Run
from varma2023 import measures
from varma2023.measures import OUTCOMES, SEMI, UNDER_WAY, Pair, Summary, group, how_many, outcome
from varma2023.semi_grokking.sweeps import STEP, nearest
from varma2023.statistics import Interval, bootstrap, gathered, mean_ratio
from varma2023.tables import table

Readings = Callable[[Record], list[float]]

MIN_RATE_RATIO = 2  # the norm falls so many times faster as a plateau ends than on it
DIP = 0.1  # by which test accuracy falls below its largest value so far, at least (choice C30)


def dips(record: Record) -> bool:
    """Whether test accuracy ever falls by more than `DIP` below its largest value so far."""
    accuracy = record["test_accuracy"]
    return bool((np.maximum.accumulate(accuracy) - accuracy).max() > DIP)


def loss_span(record: Record) -> float:
    """The powers of ten that the training loss spans over the last half of the epochs."""
    loss = record["train_loss"][measures.late(record)]
    return float(np.log10(loss.max() / loss.min()))


def by_loss(exact: Records, rounded: Records) -> list[tuple[Record, Record]]:
    """The pairs of runs that differ in their loss alone, the exact one first."""
    known = {replace(record.run, loss="rounded"): record for record in exact}
    return [(known[record.run], record) for record in rounded if record.run in known]


def outcome_counts(records: Records, kind: Callable[[Record], str] = outcome) -> str:
    """ "3 semi-grokked; 10 full": how many have each outcome, or each `end_kind`, if any has."""
    counts = Counter(map(kind, records))
    return "; ".join(f"{counts[name]} {name}" for name in OUTCOMES if counts[name]) or "none"


def share_of(records: Records, wanted: str) -> Interval:
    """The share of runs with this outcome, with its interval over seeds."""
    units = group(records, "seed").values()
    seeds = [[outcome(record) == wanted for record in unit] for unit in units]
    return bootstrap(seeds, lambda drawn: float(np.mean(np.concatenate(drawn))))


def standing(records: Records, kind: str = SEMI) -> list[Record]:
    """The runs with this outcome; of those made once more, longer: the ones that stay (C17)."""
    return [record for record in records if outcome(record) == kind]


def begun_in_the_middle(records: Records) -> list[Record]:
    """Runs that go on from another's end, those whose first test accuracy is in the middle."""
    low, high = measures.memory_bound, measures.PERFECT
    return [r for r in records if low(r.run) < r["test_accuracy"][0] <= high]


def rests_in_the_middle(end: Record) -> bool:
    """Whether the minimiser has come to rest in the middle."""
    return measures.rests(end) and measures.end_kind(end) == SEMI


@dataclass(frozen=True)
class Narrower:
    """Networks less than half as wide near where they change to the rule (choice C83)."""

    fast: list[Record]  # from random weights, at the larger rate
    slow: list[Record]  # some of these at the usual rate
    ends: list[Record]  # the minimiser's, from the weights of those that are in the middle
    on: list[tuple[Record, Record]]  # AdamW's from there, each with the minimiser's end

    @classmethod
    def of(cls, records: Records) -> "Narrower":
        """Runs of `sweeps.narrower`, `sweeps.narrower_ends` and `sweeps.narrower_more`."""
        fresh = [record for record in records if not record.run.init]
        ends = [record for record in records if record.run.init]
        fast, by = measures.at_largest(fresh, "lr"), group(ends, "optimiser")
        slow = [record for record in fresh if record.run.lr < fast[0].run.lr]
        rest = begun_in_the_middle(by.get("lbfgs", ()))
        return cls(fast, slow, rest, gone_on(by.get("adamw", ()), rest))

    @property
    def pairs(self) -> tuple[list[Record], list[Record]]:
        """The networks in the middle of those at both rates: at the larger one, and the usual."""
        same = measures.among(self.fast, self.slow)
        return [*filter(in_the_middle, same)], [*filter(in_the_middle, self.slow)]

    def beside(self, records: Records) -> list[Record]:
        """Of other networks those at the larger rate, on as many examples as the least or more."""
        first = self.fast[0].run
        least = [record for record in records if record.run.dataset_size >= first.dataset_size]
        return [record for record in least if record.run.lr == first.lr]


def by_modulus_text(records: Records, does: Callable[[Record], bool]) -> str:
    """ "15 of 50 at p = 31, 5 of 25 at p = 47": how many of these do so, by modulus."""
    return measures.by_rate_text(records, lambda own: how_many(map(does, own)), "p", "p") or "none"


def crits_text(records: Records) -> str:
    """D_crit by modulus, a bound where ends beside it still fall; how many of all rest."""
    each = group(records, "p").items()
    told = (f"{measures.d_crit_bound(own)} examples at p = {p}" for p, own in each)
    return f"{'; '.join(told)} ({how_many(map(measures.rests, records))} ends at rest)"


def held(records: Records) -> list[list[Record]]:
    """Of each network of choice C67 the run with the exact loss, the other, and the minimiser's.

    Of the runs of `sweeps.held` those networks that have all three and begin in the middle.
    """
    units = group(begun_in_the_middle(records), "dataset_size", "seed").values()
    return [unit for unit in units if len(unit) == 3]


def carried(records: Records, loss: str) -> list[Record]:
    """Of the runs of `sweeps.carried` those from the middle, from runs with this loss."""
    return [r for r in begun_in_the_middle(records) if r.run.init and r.run.init.loss == loss]


def by_end_text(records: Records, read: Callable[[Record], float], form: str) -> str:
    """ "234 (222 – 255) and 218 (...)": medians in the middle and in full, with ranges."""
    ends = [*filter(measures.rests, begun_in_the_middle(records))]
    kinds = gathered((measures.end_kind(end), read(end)) for end in ends)
    known = [kinds[kind] for kind in (SEMI, measures.FULL) if kind in kinds]
    return " and ".join(Summary.of(found).text(form) for found in known)


def led_text(ends: Records) -> str:
    """ "0.24 to 0.12, 0.42 to 0.33 (still falling) on 610 examples": from where to where, by D."""
    told = []
    for size, own in group(ends, "dataset_size").items():
        ways = ((*end["test_accuracy"][[0, -1]], measures.rests(end)) for end in own)
        each = (f"{a:.2f} to {b:.2f}{'' if rest else ' (still falling)'}" for a, b, rest in ways)
        told.append(f"{', '.join(each)} on {size:,} examples")
    return "; ".join(told)


def gone_on(on: Records, carried: Records) -> list[tuple[Record, Record]]:
    """Of choice C70 the runs of `sweeps.continued`, each with the minimiser's end of its start."""
    ends = {end.run.init: end for end in begun_in_the_middle(carried)}
    return [(record, ends[record.run.init]) for record in on if record.run.init in ends]


Network = tuple[float, int, int, int]


def who(record: Record) -> Network:
    """Learning rate, size, seed and modulus: by these networks near D_crit are told apart."""
    return record.run.lr, record.run.dataset_size, record.run.seed, record.run.p


def in_the_middle(record: Record) -> bool:
    """Whether a run ends between memory and the rule, on a plateau or on none."""
    return outcome(record) in (SEMI, UNDER_WAY)


NEAR = "semi_grokking delay leaving_memory semi_grokking_again middling leaving_more".split()
"""The experiments of `Left.near`; the last was made later."""


@dataclass(frozen=True)
class Left:
    """Networks from random weights near D_crit, of which some end in the middle (choice C39)."""

    networks: list[Record]
    middle: list[Record]  # those of them that end so
    later: list[Record]  # the longer runs of these
    ends: dict[Network, Record]  # by network, the minimiser's from the later ends

    @classmethod
    def near(cls, found: Mapping[str, Records]) -> "Left":
        """Those mod 31, from the records of `NEAR` by name."""
        others = [*found["delay"], *found["leaving_memory"], *found.get("leaving_more", ())]
        usual, again = found["semi_grokking"], found["semi_grokking_again"]
        return cls.of(usual, others, again, found["middling"])

    @classmethod
    def of(cls, usual: Records, others: Records, again: Records, middling: Records) -> "Left":
        """The runs of `sweeps.semi_grokking`, and `others`, like them but for rate and seed.

        That is up to `STEP` times the usual, on as many examples at most; one for each rate, size
        and seed. The other two are runs of `sweeps.semi_grokking_again` and `sweeps.middling`.
        """
        base, most = usual[0].run, max(record.run.dataset_size for record in usual)
        same = ("p", "weight_decay", "noise")
        found = {
            who(record): record
            for record in (*others, *usual)
            if all(getattr(record.run, name) == getattr(base, name) for name in same)
            and record.run.dataset_size <= most
            and record.run.lr <= STEP * base.lr
        }
        middle = [*filter(in_the_middle, found.values())]
        made = group(middling, "optimiser")
        longer = [*by_precision(again)[0], *made.get("adamw", ())]
        later = {who(record): record for record in longer}
        ends = {(r.run.init.lr, *who(r)[1:]): r for r in made.get("lbfgs", ()) if r.run.init}
        own = [later[who(record)] for record in middle if who(record) in later]
        return cls([*found.values()], middle, own, ends)

    @property
    def stay(self) -> list[Record]:
        """The longer runs that end on a plateau, too."""
        return standing(self.later)

    @property
    def rest(self) -> list[bool]:
        """Of those from whose end the minimiser went on, whether it rests in the middle, too."""
        return [rests_in_the_middle(self.ends[who(r)]) for r in self.stay if who(r) in self.ends]

    @property
    def elsewhere(self) -> int:
        """How many longer runs are above 0.95 at the epoch where the first one ended below it."""
        ended = {who(record): record.run.epochs for record in self.middle}
        then = [measures.value_at(r, "test_accuracy", ended[who(r)]) for r in self.later]
        return sum(value > measures.PERFECT for value in then)

    def table(self) -> str:
        """By network that ends in the middle: where, where the longer run, and the minimiser."""
        rows, later = [], {who(record): record for record in self.later}
        for record in self.middle:
            (rate, size, seed, _), then = who(record), later.get(who(record))
            end = self.ends.get(who(record))
            ends = record, then, end
            cells = [f"{one.final('test_accuracy'):.3f}" if one else "not run" for one in ends]
            kind = outcome(then) if then else ""
            rest = ("yes" if measures.rests(end) else "no") if end else ""
            rows.append([f"{rate:g}", f"{size:,}", seed, *cells[:2], kind, cells[2], rest])
        heads = "η | D | seed | ends at | longer run ends at | its outcome | minimiser ends at"
        return table(f"{heads} | minimiser at rest", rows)


ALIKE, OF_PAIRS = 20, 25  # pairs of a network at two rates: at least so many must end alike (C45)


def at_several_rates(records: Records) -> list[list[Record]]:
    """By network, the runs of those networks that were trained at several learning rates."""
    networks = group(records, "dataset_size", "seed").values()
    return [same for same in networks if len(group(same, "lr")) > 1]


def above_half_text(records: Records) -> str:
    """ "7 of 15 at η = 0.004, ...": networks at several rates that end above 1/2, by rate."""
    return measures.by_rate_text([*chain(*at_several_rates(records))], share_text)


def same_side(records: Records) -> list[bool]:
    """Of each network at several rates whether it ends on one side of accuracy 1/2 at all."""
    return [len({*map(above_half, own)}) == 1 for own in at_several_rates(records)]


def is_alike(same: Sequence[bool]) -> bool | None:
    """Whether enough pairs end on the same side; None while those that are not run could tell."""
    if len(same) - sum(same) > OF_PAIRS - ALIKE:
        return False
    return True if sum(same) >= ALIKE else None


def example(records: Records) -> Record:
    """The run to show for Fig. 1c: of the semi-grokked, or else of all, the nearest the middle."""

    def how_clear(record: Record) -> tuple[bool, float]:
        end, low = measures.at_the_end(record), measures.memory_bound(record.run)
        return outcome(record) == SEMI, min(end - low, measures.PERFECT - end)

    return max(records, key=how_clear)


def moves_at_end(record: Record) -> float:
    """By how much test accuracy changes over the last tenth of the epochs that were trained."""
    start = measures.value_at(record, "test_accuracy", 0.9 * float(record["epoch"][-1]))
    return record.final("test_accuracy") - start


def ends_text(records: Records) -> str:
    """Test accuracy at the end of the semi-grokked runs, and `moves_at_end`; "none" of no runs."""
    ends = (f"{r.final('test_accuracy'):.3f} ({moves_at_end(r):+.3f})" for r in standing(records))
    return ", ".join(ends) or "none"


def stays_text(records: Records) -> str:
    """Where and since when the semi-grokked runs have stayed; "none" of no runs."""
    stays = [(record.run, measures.plateau(record, at_end=True)) for record in standing(records)]
    each = (f"D = {run.dataset_size:,}, seed {run.seed}: {here}" for run, here in stays)
    return "; ".join(each) or "none"


def by_precision(again: Records) -> tuple[list[Record], list[Record]]:
    """The runs of `sweeps.semi_grokking_again` that are longer, and those in float64."""
    halves = group(again, "precision")
    return halves.get("float32", []), halves.get("float64", [])


def made_again(records: Records, again: Records) -> tuple[list[Record], list[Record]]:
    """The same of those runs alone that end semi-grokked; the paper's profile makes all again."""
    known = {*map(who, standing(records))}
    return by_precision([record for record in again if who(record) in known])


def _by_network(records: Records) -> dict[Run, Record]:
    """Records by what runs of the same network and examples have in common."""
    return {replace(record.run, epochs=1, precision="float32"): record for record in records}


def spreads_text(records: Records, again: Records) -> str:
    """How far test accuracies of one network lie apart at one epoch: median and range; or "none".

    Those of the run in `records` at its end, of the one in float64 and of the longer one there.
    """
    spreads, others = [], [*map(_by_network, by_precision(again))]
    for network, first in _by_network(records).items():
        same, epoch = [other[network] for other in others if network in other], first.run.epochs
        ends = [measures.value_at(record, "test_accuracy", epoch) for record in same]
        spreads += [float(np.ptp([*ends, first.final("test_accuracy")]))] if ends else []
    return Summary.of(spreads).text(".2f") if spreads else "none"


def again_table(records: Records, again: Records) -> str:
    """Whether semi-grokked runs stay: the same networks, trained once more from the beginning.

    By network: the end of the run in `records`, of the one in float64, the test accuracy of the
    longer one at that epoch and at its end, how far it moves over its last tenth, its outcome.
    """
    longer, precise = map(_by_network, by_precision(again))
    firsts, rows = _by_network(records), []
    for network, one in longer.items():
        first, size = firsts.get(network), f"{network.dataset_size:,}"
        ends = [
            f"{each.final('test_accuracy'):.3f} at {each.run.epochs:,}" if each else "not run"
            for each in (first, precise.get(network), one)
        ]
        then = f"{measures.value_at(one, 'test_accuracy', first.run.epochs):.3f}" if first else ""
        moves = f"{moves_at_end(one):+.3f}"
        rows.append([size, network.seed, *ends[:2], then, ends[2], moves, outcome(one)])
    heads = "D | seed | ends at | in float64 | longer run at that epoch | longer run at its end"
    return table(f"{heads} | change over its last tenth | outcome", rows)


def transient_example(records: Records) -> Record:
    """The run for Fig. 6: the longest plateau before full accuracy; without one, the longest."""

    def how_clear(record: Record) -> tuple[bool, int]:
        here = measures.plateau(record)
        return outcome(record) == measures.TRANSIENT, here.epochs if here else 0

    return max(records, key=how_clear)


class Drop(NamedTuple):
    """How the norm falls as a plateau ends."""

    norm_before: float  # at the end of the plateau
    norm_after: float  # when accuracy has been above 0.95 for one 1 / (lr lambda)
    at_once: bool  # whether it falls much faster between these two than on the plateau


def norm_drop(record: Record) -> Drop | None:
    """The fall of the norm as a plateau ends in full generalisation (Fig. 6); None without one."""
    here = measures.plateau(record)
    if outcome(record) != measures.TRANSIENT or here is None:
        return None
    epochs = record["epoch"]
    full = int(epochs[(measures.smoothed(record) > measures.PERFECT) & (epochs > here.end)][0])
    until = min(full + record.run.decay_time, float(epochs[-1]))
    marks = (here.start, here.end, until)
    start, end, last = (measures.value_at(record, "param_norm", epoch) for epoch in marks)
    on, after = log(start / end) / here.epochs, log(end / last) / (until - here.end)
    return Drop(end, last, after > MIN_RATE_RATIO * max(on, 0.0))


# --- on how few examples networks generalise, by learning rate (choice C34) -----------------------

MARGIN = 1.1  # a size is smaller than another if by more than this factor


def size_ratio(records: Records, usual: Records) -> Interval:
    """The size at which accuracy crosses 1/2 at the end, over that at the usual rate, by seed."""
    return mean_ratio(measures.d_crits(records), measures.d_crits(usual))


def is_smaller(ratio: Interval) -> bool | None:
    """Whether a ratio of sizes is below 1 by more than `MARGIN`; None if that cannot be told."""
    return ratio.tells(0, 1 / MARGIN)


def above_half(record: Record) -> bool:
    """Whether a run ends above a test accuracy of 1/2."""
    return record.final("test_accuracy") > 0.5


def share_text(records: Records) -> str:
    """ "3 of 5": how many end `above_half`."""
    return how_many(map(above_half, records))


def only_there(records: Records, usual: Records) -> list[Record]:
    """The runs that end above accuracy 1/2 on fewer examples than their seed needs usually."""
    needed, above = measures.d_crits(usual), filter(above_half, records)
    return [r for r in above if r.run.dataset_size < needed.get(r.run.seed, nan)]


def ratios_text(records: Records, usual: Records) -> str:
    """ "× 0.95 (0.90 – 1.01) at η = 0.004, ...": `size_ratio` by learning rate."""
    return measures.by_rate_text(records, lambda own: f"× {size_ratio(own, usual).text()}")


def spiking_text(records: Records) -> str:
    """ "3 of 40 at η = 0.004, ...": how many runs spike, by learning rate."""
    return measures.by_rate_text(records, lambda own: how_many(map(measures.spikes, own)))


# --- how steep the loss is along a run (choice C32) ----------------------------------------------


def in_memory(record: Record) -> Bool[np.ndarray, " log"]:
    """The evaluations before test accuracy passes 1/2.

    Of a network that starts above that, those at which it has fallen below.
    """
    accuracy = record["test_accuracy"]
    return (accuracy if accuracy[0] >= 0.5 else np.maximum.accumulate(accuracy)) < 0.5


def spikes_in_memory(record: Record) -> list[int]:
    """The evaluations at which spikes start while `in_memory`."""
    there = in_memory(record)
    return [row for row in measures.spike_starts(record) if there[row]]


def before_spikes(record: Record) -> list[float]:
    """The steepness at the last calm evaluation before each spike in memory."""
    calm = np.flatnonzero(measures.over_least(record) <= measures.CALM)
    return [float(record["steepness"][calm[calm < row][-1]]) for row in spikes_in_memory(record)]


def while_calm(record: Record) -> list[float]:
    """The steepness at the calm evaluations in the second half of the epochs."""
    calm = measures.over_least(record) <= measures.CALM
    return record["steepness"][measures.late(record) & calm].tolist()


def median(read: Readings, record: Record) -> float:
    """The median of what is read of a network; NaN of nothing."""
    return float(np.median(read(record) or nan))


def at_edge(read: Readings, records: Records) -> list[bool]:
    """Which networks are at the edge, by the `median` of each."""
    return [median(read, record) > measures.edge(record.run) for record in records]


def steep_text(read: Readings, records: Records) -> str:
    """The median and range over networks of the `median` of each."""
    return Summary.of([median(read, record) for record in records]).text()


def onset_text(records: Records) -> str:
    """When networks that fit are first at the edge, and when they first spike in memory."""
    steep = ((r, r["steepness"] > measures.edge(r.run)) for r in records)
    at = [measures.first(r, here & (r["train_accuracy"] == 1)) for r, here in steep]
    spikes = [float(r["epoch"][rows[0]]) for r in records if (rows := spikes_in_memory(r))]
    onset = Summary.of([each.epoch if each else nan for each in at]).text(",.0f")
    return f"from epoch {onset} on, the first spike is at {Summary.of(spikes).text(',.0f')}"


class Steep(NamedTuple):
    """The runs of `sweeps.steep`, by what they are to show."""

    larger: list[Record]  # at the larger learning rate
    usual: list[Record]
    rounded: list[Record]  # with the loss that rounds
    between: dict[float, list[Record]]  # by learning rate, between these two

    @classmethod
    def of(cls, records: Records) -> "Steep":
        """Of the records in any order."""
        kinds = group(records, "loss")
        (_, usual), *between, (_, larger) = group(kinds["exact"], "lr").items()
        return cls(larger, usual, kinds["rounded"], dict(between))

    def spike_foretold(self, rate: float) -> bool:
        """Whether networks at a rate between should spike, as the usual rate tells.

        If their steepness there, which goes with the rate, would pass what AdamW tolerates.
        """
        usual = self.usual[0].run
        steep = np.median([median(while_calm, record) for record in self.usual])
        return bool(steep * rate / usual.lr > measures.stable_below(usual))

    @property
    def between_text(self) -> str:
        """ "26 (24 – 27) at η = 0.00125, 31 (30 – 33) at η = 0.002": calm at rates between."""
        every = [*chain(*self.between.values())]
        return measures.by_rate_text(every, lambda own: steep_text(while_calm, own))


PAPER_P, PAPER_SIZES = 113, (1500, 2050)


def in_papers_range(records: Records) -> list[Record]:
    """The records at the modulus and between the sizes of Fig. 5."""
    least, most = PAPER_SIZES
    return [r for r in records if r.run.p == PAPER_P and least <= r.run.dataset_size <= most]


def before_lowering(records: Records) -> list[Record]:
    """Of the runs of `sweeps.larger_step` those whose rate `sweeps.lowered` lowers."""
    runs = nearest([record.run for record in records])
    return [record for record in records if record.run in runs]


def in_full(record: Record) -> bool:
    """Whether a run ends above 0.95, after a plateau or without."""
    return outcome(record) in (measures.TRANSIENT, measures.FULL)


# --- the same random weights, in both ways ----------------------------------------------------


def both_ways(records: Records, ends: Records) -> list[Pair]:
    """Runs of AdamW, each with the minimiser's from the same random weights and train set.

    Raises ValueError where `ends` are not those of `sweeps.semi_grokking_ends`, in its order.
    """
    return measures.pairs([record for both in zip(records, ends, strict=True) for record in both])


def by_outcome(found: Sequence[Pair]) -> dict[str, list[Pair]]:
    """The pairs by what became of the network with AdamW, in the order of `OUTCOMES`."""
    groups = gathered((outcome(pair.adamw), pair) for pair in found)
    return {kind: groups[kind] for kind in OUTCOMES if kind in groups}


def excess(pair: Pair) -> float:
    """The relative excess of Eq. (2) where AdamW ends, f_AdamW / f_minimiser - 1."""
    return measures.least(pair.adamw) / measures.least(pair.lbfgs) - 1


def excess_text(found: Sequence[Pair]) -> str:
    """`excess` of some pairs, as median and range."""
    return Summary.of([*map(excess, found)]).text("+.1%")


def surpassed_text(found: Sequence[Pair]) -> str:
    """How many semi-grokked runs the minimiser undercuts, in full; how much higher they lie."""
    semi = by_outcome(found).get(SEMI, [])
    n = sum(excess(pair) > 0 and measures.end_kind(pair.lbfgs) == measures.FULL for pair in semi)
    higher = f" (by AdamW all of them are higher by {excess_text(semi)}, median and range)"
    return f"{n} of {len(semi)}{higher if semi else ''}"


def middle_text(found: Sequence[Pair]) -> str:
    """How many networks the minimiser leaves in the middle, and how AdamW ends from there."""
    semi = [pair for pair in found if measures.end_kind(pair.lbfgs) == SEMI]
    each = "; ".join(
        f"{pair.lbfgs.final('test_accuracy'):.2f} at D = {pair.lbfgs.run.dataset_size:,}, AdamW "
        f"{pair.adamw.final('test_accuracy'):.2f} with {excess(pair):+.1%} of Eq. (2)"
        for pair in semi
    )
    return f"{len(semi)} of {len(found)}" + (f" ({each})" if semi else "")


def both_ways_table(found: Sequence[Pair]) -> str:
    """By AdamW's outcome: the minimiser's ends, by how much they are lower, and both residuals."""
    rows = []
    for kind, same in by_outcome(found).items():
        adamw, ends = [pair.adamw for pair in same], [pair.lbfgs for pair in same]
        residuals = [measures.finals(records, "residual").text(".2g") for records in (adamw, ends)]
        kinds = outcome_counts(ends, measures.end_kind)
        rows.append([kind, len(same), kinds, excess_text(same), *residuals])
    heads = "end by AdamW | networks | ends by minimiser | Eq. (2) by AdamW above the minimiser's"
    return table(f"{heads} | residual, AdamW | residual, minimiser", rows)


FEWEST_CARRIED = 5  # networks in the middle by which it is judged where they rest (choice C69)
FEWEST = 3  # runs trained for longer by which it is judged whether they stay (choice C66)
ENOUGH = 20  # runs, at three sizes or more, by which a sweep can be judged
PAPER_SHARE = 6 / 200  # of runs that end semi-grokked (Fig. 5)
PAPERS_PLATEAU = 0.83  # the test accuracy at which its example ends (Fig. 1c)


def judged(records: Records) -> bool:
    """Whether a sweep is large enough for verdicts on Sec. 5.3: 20 runs, at three sizes or more."""
    return len(records) >= ENOUGH and len({record.run.dataset_size for record in records}) >= 3


def outcomes_table(records: Records) -> str:
    """By dataset size: the bound above memory, how many runs have each outcome, and their ends."""
    rows = []
    for size, here in group(records, "dataset_size").items():
        ends = sorted(record.final("test_accuracy") for record in here)
        bound = np.mean([measures.memory_bound(record.run) for record in here])
        cells = [len(standing(here, kind)) or "" for kind in OUTCOMES]
        rows.append([f"{size:,}", f"{bound:.2f}", *cells, ", ".join(f"{e:.2f}" for e in ends)])
    heads = " | ".join(["D", "memory bound", *OUTCOMES])
    return table(f"{heads} | test accuracy at the end, by run", rows)
