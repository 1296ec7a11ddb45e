"""Where ungrokking sets in, and whether that depends on weight decay."""

from math import isfinite, log, log10, nan, sqrt
from statistics import fmean, geometric_mean

import numpy as np

from grokkit import tasks
from grokkit.runs import Record, Records, Run
from varma2023 import measures, statistics
from varma2023.measures import Reading, at_the_end, d_crit, d_crit_text, group, least
from varma2023.statistics import Interval
from varma2023.tables import span, table


def fit_criteria(records: Records) -> dict[str, bool]:
    """What every run must do before its test accuracy says anything, at any setting."""
    fit = all(record.final("train_accuracy") == 1 for record in records)
    return {"every network fits its train set": fit}


def equal_epochs(records: Records) -> Reading:
    """Test accuracy at the last epoch that all of these runs have, or where one ended, at rest."""
    last = min(record.run.epochs for record in records)
    return lambda record: float(np.interp(last, record["epoch"], record["test_accuracy"]))


def decay_times(records: Records) -> float:
    """How many times 1 / (lr lambda) all of these runs have."""
    return min(record.run.epochs / record.run.decay_time for record in records)


def after(times: float) -> Reading:
    """Test accuracy of a run after so many times 1 / (lr lambda), or where it ended, at rest."""
    return lambda r: float(np.interp(times * r.run.decay_time, r["epoch"], r["test_accuracy"]))


def lasting(records: Records, times: float) -> list[Record]:
    """Those that have so many times 1 / (lr lambda)."""
    return [record for record in records if record.run.epochs >= times * record.run.decay_time]


def equal_decay_times(records: Records) -> Reading:
    """Test accuracy of a run after as many times 1 / (lr lambda) as all of these have."""
    return after(decay_times(records))


def d_crit_over_time(records: Records) -> list[tuple[float, float]]:
    """After so many times 1 / (lr lambda), D_crit: the geometric mean over seeds, where all cross.

    `records` of one setting.
    """
    last = decay_times(records)
    times = np.geomspace(1, last, 1 + round(8 * log10(last))).tolist() if last > 1 else []
    crits = {t: measures.d_crits(records, read=after(t)).values() for t in times}
    means = {t: geometric_mean(each) for t, each in crits.items()}
    return [(t, mean) for t, mean in means.items() if isfinite(mean)]


def spiking_text(records: Records) -> str:
    """ "20 of 25, at weight decay 0.5 – 2 from epoch 22,785 on": spikes of who has forgotten."""
    found, decays = list[float](), list[float]()
    for record in records:
        starts, forgot = measures.spike_starts(record), record["test_accuracy"] < 0.5
        if late := [row for row in starts if forgot[row]]:
            found.append(record["epoch"][late[0]])
            decays.append(record.run.weight_decay)
    counts = f"{len(found)} of {len(records)}"
    told = f", at weight decay {span(decays)} from epoch {min(found, default=0):,.0f} on"
    return f"{counts}{told}" if found else counts


NAMES = {"weight_decay": "weight decay", "eps": "ε"}


def transition_table(records: Records, field: str = "weight_decay") -> str:
    """By value of a field: D_crit and where accuracy is 0.7, over seeds; the ends and the width."""
    rows = []
    for value, here in group(records, field).items():
        crits = [d_crit_text(here, level) for level in (0.5, 0.7)]
        ends = [f"{end:.2f}" for end in measures.curve(here)[1][[0, -1]]]
        factor = measures.widths(here, field).text(".1f")
        rows.append([f"{value:g}", len(here), *crits, factor, *ends])
    heads = " | runs | D_crit (accuracy ½) | accuracy 0.7 at D′ | factor in D′, accuracy 0.1 to 0.9"
    heads += " | accuracy at the smallest D′ | at the largest"
    return table(NAMES[field] + heads, rows)


def tasks_table(records: Records) -> str:
    """Fig. 8: D_crit by task and seed, at each weight decay; and how many ends are at rest."""
    rows = []
    for (task, seed), here in group(records, "task", "seed").items():
        crits = [str(d_crit(runs)) for runs in group(here, "weight_decay").values()]
        rows.append([task, seed, *crits, measures.how_many(map(measures.rests, here))])
    decays = " | ".join(f"at weight decay {decay:g}" for decay in group(records, "weight_decay"))
    return table(f"task | seed | D_crit {decays} | ends at rest", rows)


def d_crits_text(records: Records) -> str:
    """ "seed 0: 857, seed 1: 702": every seed's D_crit."""
    units = group(records, "seed")
    return ", ".join(f"seed {seed}: {d_crit(unit)}" for seed, unit in units.items())


def by_decay_text(records: Records) -> str:
    """ "625 – 749 by weight decay": the least and the largest D_crit of those that are known."""
    crits = [measures.d_crit_interval(r).value for r in group(records, "weight_decay").values()]
    return f"{span(filter(isfinite, crits), ',.0f')} by weight decay"


def both_text(adamw: Records, minimised: Records) -> str:
    """ "742 (658 – 837) by AdamW, 766 (677 – 871) by the minimiser": D_crit at weight decay 1."""
    own = ([r for r in runs if r.run.weight_decay == 1] or runs for runs in (adamw, minimised))
    return "{} by AdamW, {} by the minimiser".format(*map(d_crit_text, own))


def adamw_table(records: Records) -> str:
    """Fig. 4 by AdamW: D_crit by weight decay, at equal epochs and at equal decay times."""
    ways = equal_epochs(records), equal_decay_times(records)
    rows = []
    for decay, here in group(records, "weight_decay").items():
        crits = [d_crit_text(here, read=way) for way in ways]
        rows.append([f"{decay:g}", len(here), f"{decay_times(here):g}", *crits])
    last, times = min(record.run.epochs for record in records), decay_times(records)
    heads = f"weight decay | runs | decay times 1 / (ηλ) | D_crit at epoch {last:,}"
    return table(f"{heads} | D_crit after {times:g} decay times", rows)


MAX_D_CRIT_SHIFT = 0.1  # relative; by which D_crit may move and be the same (choice C19)
MAX_ACCURACY_GAP = 0.1  # of an accuracy at one size, likewise


def shift_interval(
    records: Records, field: str = "weight_decay", read: Reading = at_the_end
) -> Interval:
    """The relative shift of D_crit from the least to the largest value of a field, over seeds.

    Of each seed by a regression of log D_crit on the field's logarithm, and then the mean. NaN
    where a seed has fewer than two values, or a value no D_crit, and of no records.
    """
    shifts = []
    for unit in group(records, "seed").values():
        groups = group(unit, field)
        crits = [d_crit(runs, read=read).value for runs in groups.values()]
        known = len(groups) > 1 and np.isfinite(crits).all()
        x, y = np.log([list(groups), crits])
        shifts.append(float(np.polyfit(x, y, 1)[0] * np.ptp(x)) if known else nan)
    return statistics.bootstrap(shifts, lambda drawn: float(np.expm1(np.mean(drawn))))


def same_d_crit(
    records: Records, field: str = "weight_decay", read: Reading = at_the_end, falling: bool = False
) -> bool | None:
    """Whether D_crit is the same for all values of a field (choice C19); None if one is unknown.

    One is unknown beside an end that is not at rest, unless such an end counts (`falling`).
    """
    if not (falling or measures.crossings_rest(records, read)):
        return None
    found = shift_interval(records, field, read)
    return found.within(-MAX_D_CRIT_SHIFT, MAX_D_CRIT_SHIFT) if isfinite(found.value) else None


def largest_gap(records: Records, of_means: bool = False) -> float:
    """The largest difference of final accuracy between two weight decays, all else equal.

    Of each seed, or of the means over seeds.
    """
    same = ("dataset_size", "eps") if of_means else ("seed", "dataset_size", "eps")
    decays = (group(own, "weight_decay").values() for own in group(records, *same).values())
    gaps = (float(np.ptp([fmean(map(at_the_end, own)) for own in each])) for each in decays)
    return max(gaps, default=0.0)


def gap_text(records: Records) -> str:
    """ "0.20, in the mean over seeds 0.06": `largest_gap`."""
    return f"{largest_gap(records):.2f}, in the mean over seeds {largest_gap(records, True):.2f}"


def ungrokking_criteria(records: Records) -> dict[str, bool]:
    """What makes runs ungrokking runs at any setting, on every seed: both ends of Fig. 7."""
    rows = measures.ungrokked(records)
    return {
        "the smallest train set ends near chance": rows[0].test_accuracy.high <= measures.CHANCE,
        "the largest train set stays generalised": rows[-1].test_accuracy.low >= measures.PERFECT,
        "train accuracy stays 1": min(row.train_accuracy for row in rows) == 1,
    }


def later_text(records: Records) -> str:
    """ "0.18, 0.11 on 610; ...": test accuracy after a tenth of the epochs and at the end."""
    tenths = (measures.value_at(r, "test_accuracy", r.run.epochs / 10) for r in records)
    both = zip(tenths, records, strict=True)
    return "; ".join(f"{t:.2f}, {at_the_end(r):.2f} on {r.run.dataset_size:,}" for t, r in both)


def ungrokking_table(records: Records) -> str:
    """Test accuracy at the end by reduced dataset size, with train accuracy and convergence."""
    rows = []
    for each in measures.ungrokked(records):
        accuracy, n = each.test_accuracy.text(".2f"), each.test_accuracy.n
        fit, residual = f"{each.train_accuracy:.3f}", f"{each.residual:.2g}"
        rows.append([f"{each.dataset_size:,}", accuracy, fit, residual, n])
    heads = "D′ | test accuracy at the end: median (range) | least train accuracy"
    return table(f"{heads} | largest residual | runs", rows)


# --- by modulus --------------------------------------------------------------------------------

LAWS = {"p ln p": lambda p: p * log(p), "p to the 5/3": lambda p: p ** (5 / 3)}
"""How D_crit may go with the modulus p, up to a constant."""
MAX_OFF = 0.2  # by which a prediction may be off (choice C26)
KNOWN = (53, 113)  # the moduli that set the laws' constants


def known_and_new(records: Records) -> tuple[list[Record], list[Record]]:
    """The records at the moduli that set the laws' constants, and those at all others."""
    known = [record for record in records if record.run.p in KNOWN]
    return known, [record for record in records if record.run.p not in KNOWN]


def constants(known: Records) -> dict[str, float]:
    """The constant of each law: the geometric mean over moduli of D_crit / law."""
    crits = measures.d_crit_by_modulus(known).items()
    return {name: geometric_mean(crit / law(p) for p, crit in crits) for name, law in LAWS.items()}


def off_by(known: Records, new: Records) -> dict[str, dict[int, float]]:
    """By law and modulus: measured D_crit over that predicted from `known`, less one."""
    crits, found = measures.d_crit_by_modulus(new), constants(known)
    return {
        name: {p: crit / (found[name] * law(p)) - 1 for p, crit in crits.items()}
        for name, law in LAWS.items()
    }


def off_text(known: Records, new: Records) -> str:
    """ "p ln p: +23% at 31, -10% at 73; p to the 5/3: ...": `off_by` in words."""
    return "; ".join(
        f"{law}: {', '.join(f'{x:+z.0%} at {p}' for p, x in each.items())}"
        for law, each in off_by(known, new).items()
    )


def power_text(records: Records) -> str:
    """ "1.11, and is within 9% of each": the power of p nearest to D_crit at all moduli."""
    p, crits = np.log([*measures.d_crit_by_modulus(records).items()]).T
    p, crits = p[isfinite := np.isfinite(crits)], crits[isfinite]
    if len(p) < 2:
        return "none"
    fitted = np.polyfit(p, crits, 1)
    worst = np.abs(np.expm1(crits - np.polyval(fitted, p))).max()
    return f"{fitted[0]:.2f}, and is within {worst:.0%} of each"


def predictions_text(known: Records, new: Records) -> str:
    """ "149 by p ln p and 102 by p to the 5/3 at p = 31; ...": D_crit by each law at new moduli."""
    found = constants(known)
    return "; ".join(
        " and ".join(f"{found[name] * law(p):,.0f} by {name}" for name, law in LAWS.items())
        + f" at p = {p}"
        for p in group(new, "p")
    )


# --- by mirror images ----------------------------------------------------------------------------

BETWEEN = sqrt(2)  # the ratio half-way from "by examples" to "by facts" (choice C29)
FACTOR = 1.2  # within which the ratio is 2 (choice C29)


def unseen(record: Record) -> float:
    """Test accuracy where not even the mirror image was trained on, at least (choice C29)."""
    known = measures.mirror_share(record.run)
    return max(at_the_end(record) - known, 0.0) / (1 - known)


def n_facts(run: Run) -> int:
    """How many examples a train set has, of an example and its mirror image only one."""
    return len(np.unique(tasks.facts(run.operation)[run.split()[0]]))


def rules_ratio(records: Records) -> Interval:
    """What the rule costs, by Eq. (2), each at its largest size: all mirror images over none."""
    ends = (measures.at_largest(group(records, "mirrors")[which]) for which in ("all", "none"))
    whole, single = ({end.run.seed: least(end) for end in own} for own in ends)
    return statistics.mean_ratio(whole, single)


def mirrors_ratio(records: Records, read: Reading = unseen) -> Interval:
    """D_crit with all mirror images over that with none, seed by seed (choice C29)."""
    kinds = group(records, "mirrors")
    whole, single = (measures.d_crits(kinds[k], read=read) for k in ("all", "none"))
    return statistics.mean_ratio(whole, single)
