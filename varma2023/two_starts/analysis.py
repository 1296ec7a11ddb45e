"""Trade-offs of two circuits (App. A.4), and which start finds the better minimum (App. A.2)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf, isfinite, isnan, log1p, nan
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from grokkit.engine.metrics import MINIMUM_RESIDUAL
from grokkit.runs import Record, Records
from varma2023 import measures, statistics
from varma2023.measures import Reading, Summary, at_the_end, d_crit, d_crits, group, least
from varma2023.statistics import Interval
from varma2023.tables import span, table

N_BUCKETS = 4  # of the parameter norm (choice C20)
MONOTONE = 0.8  # the rank correlation of D and ratio in a bucket, at least (choice C20)
SMOOTH = 0.05  # the most that accuracy may fall from one size to the next larger (choice C20)
JUMP = 0.5  # the most that it may rise from one size to the next, a tenth larger (likewise)
APART = 0.1  # of test accuracy: two ends further apart are two minima (choice C33)
TIE = 1.002  # Eq. (2) of the higher end over that of the lower: as much as an end at rest may fall
MAY_FALL = 1.1  # Eq. (2) of an end that is still falling, over its minimum, at most (likewise)


def ratio(record: Record) -> float:
    """The correct logit's trigonometric part over the rest at the end: Fig. 10a, App. A.4.

    NaN where one is not positive: then the proxies of App. B no longer tell how strong that circuit
    is, only that it is very weak.
    """
    trig, mem = record.final("trig_logit"), record.final("mem_logit")
    return trig / mem if min(trig, mem) > 0 else nan


def by_norm(records: Records) -> dict[tuple[float, float], list[Record]]:
    """The records in buckets of the final norm, equally many in each, by [low, high)."""
    norms = np.array([record.final("param_norm") for record in records])
    edges = np.quantile(norms, np.linspace(0, 1, N_BUCKETS + 1))
    rows = np.digitize(norms, edges[1:-1])
    return {
        bounds: [record for record, row in zip(records, rows, strict=True) if row == i]
        for i, bounds in enumerate(pairwise(edges.tolist()))
    }


def against(these: Records, those: Records, metric: str, form: str) -> str:
    """ "0.65% (0.61% – 0.72%) against 0.55% (0.42% – 0.58%)": a metric at the end of both."""
    return " against ".join(measures.finals(r, metric).text(form) for r in (these, those))


def rank_correlation(records: Records, value: Reading = measures.trig_part) -> Interval:
    """Spearman's correlation of D with what is read of each record, over seeds."""
    seeds = group(records, "seed").values()
    units = [np.array([[r.run.dataset_size, value(r)] for r in seed], float) for seed in seeds]
    return statistics.bootstrap(units, lambda seeds: statistics.spearman(*np.concatenate(seeds).T))


def _curves(records: Records, read: Reading) -> list[Float[np.ndarray, " run"]]:
    """What is read of the runs of each seed and weight decay, smallest size first."""
    units = group(records, "seed", "weight_decay").values()
    return [measures.curve(runs, read)[1] for runs in units]


def ratio_criteria(records: Records) -> dict[str, bool]:
    """Fig. 10 (a), at rest: the ratio rises along every curve, and with D in every bucket."""
    records = [record for record in records if measures.rests(record)]
    rise = all((np.diff(ratios) > 0).all() for ratios in _curves(records, measures.trig_part))
    found = {"on every curve each larger train set has the larger ratio": rise}
    for (low, high), here in (by_norm(records) if records else {}).items():
        if len(group(here, "dataset_size")) > 2:
            rises = rank_correlation(here).value >= MONOTONE
            found[f"rises with D at norms of {low:.1f} – {high:.1f}"] = rises
    return found


def decades(records: Records) -> float:
    """Over how many powers of ten the ratio goes, where it is defined."""
    found = [value for record in records if (value := ratio(record)) > 0]
    return float(np.log10(max(found) / min(found))) if found else nan


def smooth_criteria(records: Records, finer: Records) -> dict[str, bool | None]:
    """Fig. 10b: accuracy rises with D on every curve, by no jump (choice C20).

    Sizes that are close together, `finer`, show a jump; where a curve of these has few in the
    middle, they cannot tell.
    """
    fine = np.concatenate([*map(np.diff, _curves(finer, at_the_end))])
    steps = np.concatenate([*map(np.diff, _curves(records, at_the_end)), fine])
    most = f"({fine.max():.3f} at most)"
    by_step = f"by sizes close together none rises by more than {JUMP} in a step {most}"
    middle = "there every curve has at least three in the middle"
    return {
        f"no curve falls by more than {SMOOTH}": bool((steps >= -SMOOTH).all()),
        by_step: bool((fine <= JUMP).all()),
        middle: min(in_the_middle(finer)) >= 3 or None,
    }


def in_the_middle(records: Records) -> list[int]:
    """By curve, of one seed and weight decay, at how many sizes accuracy is in the middle."""
    ends = _curves(records, at_the_end)
    return [int(((end > measures.CHANCE) & (end < measures.PERFECT)).sum()) for end in ends]


def steps_text(records: Records) -> str:
    """ "0.23, 0.50 (0.31 of their mean curve)": the largest rise of each curve between sizes."""
    curves = _curves(records, at_the_end)
    each = ", ".join(f"{np.diff(accuracy).max():.2f}" for accuracy in curves)
    return f"{each} ({np.diff(np.mean(curves, axis=0)).max():.2f} of their mean curve)"


def middle_text(records: Records) -> str:
    """ "22 of 25": how many curves have three sizes or more in the middle."""
    return measures.how_many(n >= 3 for n in in_the_middle(records))


def quick_criteria(records: Records) -> dict[str, bool]:
    """What Fig. 10 wants at any setting: ratio and accuracy rise with D over all runs."""
    return {
        f"{name} rises with D": rank_correlation(records, read).value > 0
        for name, read in {"ratio": measures.trig_part, "accuracy": at_the_end}.items()
    }


def norm_spread(records: Records) -> Summary:
    """The relative spread of the norm over weight decays, largest / smallest - 1, by D and seed."""
    groups = group(records, "seed", "dataset_size").values()
    norms = [[record.final("param_norm") for record in here] for here in groups]
    return Summary.of([max(each) / min(each) - 1 for each in norms])


def norms_table(records: Records) -> str:
    """Fig. 10 by bucket of the norm: runs, sizes, the ratio's range, and both correlations."""
    buckets = {f"{low:.1f} – {high:.1f}": here for (low, high), here in by_norm(records).items()}
    rows = []
    for name, here in (buckets | {"all": list(records)}).items():
        sizes = ", ".join(f"{D:,}" for D in group(here, "dataset_size"))
        ratios = span(filter(isfinite, map(ratio, here)), ".2g", none="–")
        both = [rank_correlation(here, read).text() for read in (measures.trig_part, at_the_end)]
        rows.append([name, len(here), sizes, ratios, *both])
    heads = "parameter norm | runs | D′ | trig / mem logit | Spearman of D′ with the ratio"
    return table(f"{heads} | with test accuracy", rows)


# --- two starts: App. A.2, and the loop ------------------------------------------------------


class TwoStarts(NamedTuple):
    """One train set, taken to a minimum of Eq. (2) from a grokked and from a fresh network."""

    grokked: Record
    fresh: Record

    @property
    def rested(self) -> bool:
        """Whether both ends are at rest."""
        return all(map(measures.rests, self))

    @property
    def lower(self) -> dict[str, bool]:
        """In what the end of the grokked start is the lower one."""
        return {
            "train loss": self.grokked.final("train_loss") < self.fresh.final("train_loss"),
            "objective": least(self.grokked) < least(self.fresh),
        }

    @property
    def above(self) -> float:
        """The relative excess of Eq. (2) from the fresh start: f_fresh / f_grokked - 1."""
        return least(self.fresh) / least(self.grokked) - 1

    @property
    def apart(self) -> bool:
        """Whether the two ends are two minima (choice C33)."""
        return abs(at_the_end(self.grokked) - at_the_end(self.fresh)) > APART

    @property
    def grokked_is_lower(self) -> bool | None:
        """In Eq. (2); None at a tie, or if the higher end is still falling, and near."""
        low, high = sorted(self, key=least)
        margin = TIE if measures.rests(high) else MAY_FALL
        known = least(high) > margin * least(low)
        return low is self.grokked if known else None


class Shake(NamedTuple):
    """Where a network ended, and where it ends again once it has been shaken (choice C37)."""

    before: Record  # a single evaluation
    after: Record

    @property
    def rested(self) -> bool:
        """Whether the end that was shaken is a minimum, as far as its residual tells."""
        return self.before.final("residual") < MINIMUM_RESIDUAL

    @property
    def change(self) -> float:
        """Relative change of Eq. (2): after over before, less 1."""
        return least(self.after) / least(self.before) - 1

    @property
    def moved(self) -> float:
        """By how much test accuracy is another after."""
        return abs(at_the_end(self.after) - at_the_end(self.before))

    @property
    def comes_back(self) -> bool | None:
        """Whether both are one end, by Eq. (2) and test accuracy (choices C16, C33).

        None if the second was still falling.
        """
        same = abs(self.change) < measures.SAME_EQ_2 and self.moved < APART
        return same if measures.rests(self.after) else None


Two = TypeVar("Two", TwoStarts, Shake)


def two_starts(grokked: Records, fresh: Records) -> list[TwoStarts]:
    """The pairs with the same train set and weight decay, smallest first."""
    fields = ("p", "dataset_size", "seed", "weight_decay", "eps")
    one, other = (group(records, *fields) for records in (grokked, fresh))
    return [TwoStarts(one[same][0], other[same][0]) for same in one if same in other]


def n_lower(pairs: Sequence[TwoStarts]) -> str:
    """ "4 of 5": in how many pairs the grokked start has the lower train loss."""
    return measures.how_many(pair.lower["train loss"] for pair in pairs)


def by_start(records: Records) -> tuple[list[Record], list[Record]]:
    """Ends of networks that were trained on more examples, and of those from random weights."""
    more = [r for r in records if r.run.init and r.run.init.dataset_size > r.run.dataset_size]
    return more, [record for record in records if record not in more]


def by_field(pairs: Sequence[Two], field: str) -> dict[Any, list[Two]]:
    """The pairs by a field of their first runs, in the order in which they come."""
    return statistics.gathered((getattr(pair[0].run, field), pair) for pair in pairs)


def orders(pairs: Sequence[TwoStarts]) -> list[list[bool | None]]:
    """By seed, whether the grokked start ends lower, from the smallest train set on."""
    return [[pair.grokked_is_lower for pair in own] for own in by_field(pairs, "seed").values()]


def by_size_text(pairs: Sequence[TwoStarts], read: Callable[[TwoStarts], float], form: str) -> str:
    """ "-8.1% (-12.0% – -5.3%) at 149; ...": what is read of a pair, by size, median and range."""
    sizes = by_field(pairs, "dataset_size").items()
    return "; ".join(f"{Summary.of([*map(read, of)]).text(form)} at {size}" for size, of in sizes)


def equal_sizes(pairs: Sequence[TwoStarts]) -> dict[int, float]:
    """By seed, the size at which both starts end at an equal Eq. (2); NaN outside the sizes."""
    above = {pair.grokked.run.key: log1p(pair.above) for pair in pairs}
    return d_crits([pair.grokked for pair in pairs], 0.0, lambda end: above[end.run.key])


def inside_the_loop(pairs: Sequence[TwoStarts], grokked: Records, fresh: Records) -> list[Interval]:
    """The size of equal Eq. (2) over D_crit of grokked networks, and that of fresh ones over it.

    Geometric means over seeds (choice C33).
    """
    equal, forget = equal_sizes(pairs), d_crits(grokked)
    return [statistics.mean_ratio(equal, forget), statistics.mean_ratio(d_crits(fresh), equal)]


def shakes(records: Records) -> list[Shake]:
    """The runs of `sweeps.shaken`: by the minimiser, each with the end that was shaken.

    That end is the first evaluation of the run with noise.
    """
    loose = {record.run: record for record in records if record.run.noise}
    found = []
    for after in records:
        start = after.run.init
        noisy = loose.get(replace(start, keep_weights=False)) if start else None
        if noisy and noisy.run.init:
            first = {name: values[:1] for name, values in noisy.metrics.items()}
            found.append(Shake(replace(noisy, run=noisy.run.init, metrics=first), after))
    return found


def anew_text(ends: Records, shaken: Sequence[Shake]) -> str:
    """ "3.8% in Eq. (2) and 0.19 in test accuracy": the most by which an end differs, made anew.

    Args:
        ends: of `sweeps.two_minima`; those that were shaken are the same runs, trained again.
    """
    first = {record.run: record for record in ends}
    again = ((first.get(replace(s.before.run, keep_weights=False)), s.before) for s in shaken)
    pairs = [Shake(one, other) for one, other in again if one]
    if not pairs:
        return "not known"
    cost, moved = max(abs(pair.change) for pair in pairs), max(pair.moved for pair in pairs)
    return f"{cost:.1%} in Eq. (2) and {moved:.2f} in test accuracy"


def by_kind(shaken: Sequence[Shake]) -> tuple[list[Shake], list[Shake]]:
    """Those that were trained on more examples, and those from random weights, as `by_start`."""
    grokked, fresh = by_start([shake.before for shake in shaken])
    return [s for s in shaken if s.before in grokked], [s for s in shaken if s.before in fresh]


def changes_text(shaken: Sequence[Shake]) -> str:
    """ "at 228 -0.5% (-1.2% – 0.0%) without the rule, ...": how Eq. (2) changes, median and range.

    By size; at each without the rule and then with it.
    """
    texts = []
    for size, here in by_field(shaken, "dataset_size").items():
        grokked, fresh = (Summary.of([s.change for s in own]).text("+.1%") for own in by_kind(here))
        texts.append(f"at {size:,} {fresh} without the rule, {grokked} with it")
    return "; ".join(texts)


def resting_text(records: Records) -> str:
    """ "seed 0: 800, 1,500; seed 1: none": the sizes whose ends are at rest, by seed."""
    found = []
    for seed, own in group(records, "seed").items():
        sizes = [f"{r.run.dataset_size:,}" for r in own if measures.rests(r)] or ["none"]
        found.append(f"seed {seed}: {', '.join(sizes)}")
    return "; ".join(found)


def crit_ratio_text(grokked: Records, fresh: Records) -> str:
    """D_crit up from fresh networks over D_crit down, over seeds; or that one was not seen."""
    found = statistics.mean_ratio(d_crits(fresh), d_crits(grokked))
    return "not known, as one of them was not seen" if isnan(found.value) else found.text()


def sides(records: Records, level: float = 0.5) -> dict[int, tuple[list[int], list[int]]]:
    """By seed, the sizes on which a network is at rest below an accuracy, and above."""
    found = dict[int, tuple[list[int], list[int]]]()
    for record in filter(measures.rests, records):
        above = at_the_end(record) > level
        found.setdefault(record.run.seed, ([], []))[above].append(record.run.dataset_size)
    return found


def least_kept(records: Records, level: float = 0.5) -> Summary:
    """By seed, the least size on which a network is at rest above an accuracy."""
    return Summary.of([min(above) for _, above in sides(records, level).values() if above])


def half_the_size(grokked: Records, fresh: Records) -> list[bool | None]:
    """App. A.2 by seed: whether grokked networks keep half on half of what fresh ones need.

    By bounds, of ends at rest alone; None where they cannot tell (choice C76).
    """
    kept, left, found = sides(grokked), sides(fresh), list[bool | None]()
    for seed in group(fresh, "seed"):
        (gone, stays), (memory, rule) = (own.get(seed, ([], [])) for own in (kept, left))
        holds = 2 * min(stays, default=inf) < max(memory, default=0)
        fails = 2 * max(gone, default=0) >= min(rule, default=inf)
        found.append(True if holds else False if fails else None)
    return found


def loop_criteria(grokked: Records, fresh: Records) -> dict[str, bool]:
    """Hysteresis: on every seed fresh networks cross one half at a larger D than grokked ones."""
    apart = [
        any(at_the_end(one) - at_the_end(other) > 0.5 for one, other in two_starts(runs, fresh))
        for runs in group(grokked, "seed").values()
    ]
    lower, upper = (group(each, "seed") for each in (grokked, fresh))
    crits = [(d_crit(lower[seed]), d_crit(upper[seed])) for seed in upper if seed in lower]
    later = [down.high <= up.low or down.value < up.value for down, up in crits]
    return {
        "fresh networks cross one half at a larger D than grokked ones": all(later),
        "at some size the two ends are more than half apart in accuracy": all(apart),
    }


def starts_table(pairs: Sequence[TwoStarts]) -> str:
    """App. A.2 by train set: loss, objective, norm and accuracy from both starts."""
    forms: tuple[tuple[str, str, measures.Reading], ...] = (
        ("train loss (nats)", ".2e", lambda r: r.final("train_loss")),
        ("Eq. (2) over α", ".1f", least),
        ("norm", ".1f", lambda r: r.final("param_norm")),
        ("test accuracy", ".2f", at_the_end),
    )
    rows = []
    for pair in pairs:
        run, lower = pair.grokked.run, [name for name, is_so in pair.lower.items() if is_so]
        both = [f"{of(pair.grokked):{form}} / {of(pair.fresh):{form}}" for _, form, of in forms]
        rows.append([f"{run.dataset_size:,}", run.seed, *both, ", ".join(lower) or "–"])
    heads = " | ".join(f"{name}, grokked / fresh" for name, *_ in forms)
    return table(f"D | seed | {heads} | lower from the grokked start", rows)
