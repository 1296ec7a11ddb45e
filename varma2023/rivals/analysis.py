"""Rival accounts of grokking (Sec. 6, 7): what each one predicts of a run, and what runs do.

A run that leaves out what an account says is needed, and groks, speaks against that account. What
was changed in a run is read off the run itself.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, compress, pairwise
from math import inf, nan
from typing import NamedTuple

import numpy as np

from grokkit.runs import Record, Records, Run
from varma2023 import measures
from varma2023.measures import Summary, general_epoch, generalises, groks, group, spikes, train_fits
from varma2023.statistics import Interval, bootstrap, gathered
from varma2023.tables import span, table

BASE, NO_DECAY, ROUNDED = "nothing changed", "no weight decay", "rounded loss"


def variant(run: Run) -> str:
    """What was changed in a run, in words: one of the ablations of Sec. 6 and 7, or none."""
    parts = []
    if run.weight_decay != Run().weight_decay:
        parts.append(f"weight decay {run.weight_decay:g}" if run.weight_decay else NO_DECAY)
    if run.init_scale != Run().init_scale:
        parts.append(f"initial weights × {run.init_scale:g}")
    if run.loss != Run().loss:
        parts.append(f"{run.loss} loss")
    return ", ".join(parts) or BASE


def variants(records: Records) -> dict[str, list[Record]]:
    """The records by what was changed, in their order."""
    return gathered((variant(record.run), record) for record in records)


def general_median(records: Records) -> float:
    """The median of `general_epoch`: infinite where fewer than half of the runs generalise."""
    return float(np.median([*map(general_epoch, records)]))


def delays(records: Records) -> Summary:
    """How many times the epochs to fit it takes a run to generalise."""
    found = [(train_fits(record), generalises(record)) for record in records]
    return Summary.of([g.epoch / f.epoch if f and g else None for f, g in found])


def norm_falls(record: Record) -> float:
    """The share of evaluations, from the norm's peak to generalisation, at which it has fallen."""
    norm = record["param_norm"]
    start = int(norm.argmax())
    stretch = norm[start:][record["epoch"][start:] <= general_epoch(record)]
    return float((np.diff(stretch) < 0).mean()) if len(stretch) > 1 else nan


# --- weight decay (Sec. 7) --------------------------------------------------------------------


def by_decay(records: Records) -> dict[float, list[Record]]:
    """The records in which nothing but weight decay differs from the paper, by it."""
    start = Run().init_scale, Run().loss
    return group([r for r in records if (r.run.init_scale, r.run.loss) == start], "weight_decay")


def later(found: Mapping[str, Records]) -> list[Record]:
    """The networks without weight decay that came after `sweeps.ablations` (C43, C85, C88)."""
    names = "without_decay", "slingshots", "longer_slingshots"
    return measures.longest([*chain(*(found.get(name, ()) for name in names))])


def without(records: Records) -> dict[str, list[Record]]:
    """The records by number of examples, and by Adam's ε and loss where they are unusual.

    By an unusual rate, too, unless all have it.
    """
    several = len({record.run.lr for record in records}) > 1

    def name(size: int, lr: float, eps: float, loss: str) -> str:
        """ "2,000 examples, η = 0.004, ε = 1e-150"."""
        parts = [f"{size:,} examples", f"η = {lr:g}", f"ε = {eps:g}", f"{loss} loss"]
        told = (True, several and lr != Run().lr, eps != Run().eps, loss != Run().loss)
        return ", ".join(compress(parts, told))

    keys = "dataset_size", "lr", "eps", "loss"
    return {name(*key): own for key, own in group(records, *keys).items()}


def grok_text(records: Records) -> str:
    """ "0 of 5 on 1,200, 1 of 5 on 2,400": how many grok, by number of examples."""
    by_size = sorted(group(records, "dataset_size").items())
    return ", ".join(f"{n_grok(own)} on {size:,}" for size, own in by_size)


def mirror_text(records: Records, form: str) -> str:
    """The test accuracy that mirror images alone would give: median and range."""
    return Summary.of([measures.mirror_share(record.run) for record in records]).text(form)


def ends_text(some: Records, others: Records, form: str = ".2f") -> str:
    """ "0.48 (0.34 – 0.97) and 0.32 (0.19 – 0.42)": test accuracies at the end."""
    ends = (measures.finals(own, "test_accuracy") for own in (some, others))
    return " and ".join(end.text(form) for end in ends)


def above_mirrors(record: Record) -> bool:
    """Whether it ends above what mirror images give, by the margin of choice C17."""
    return measures.end_kind(record) != measures.NONE


def rises(record: Record) -> float | None:
    """The epoch from which on it is `above_mirrors`; None if it does not end so."""
    above = record["test_accuracy"] > measures.memory_bound(record.run)
    return crossing.epoch if (crossing := measures.for_good(record, above)) else None


STILL = 0.01  # of the norm: within this of its end it stands still


def stands_still(record: Record) -> int:
    """The epoch from which on the norm stays within `STILL` of where it ends."""
    norm = record["param_norm"]
    found = measures.for_good(record, np.abs(norm - norm[-1]) < STILL)
    return found.epoch if found else record.run.epochs


def rise_text(records: Records) -> str:
    """When networks rise, and when all stand still: median and range of those that do."""
    when, still = (Summary.of([*map(each, records)]) for each in (rises, stands_still))
    told = f"{'at epoch ' * bool(when.seen)}{when.text()}"
    return f"{told}; all stand still from epoch {still.text()} on"


def norms_text(records: Records) -> str:
    """ "92 – 122, that of the others 82 – 85": the norm at the end of those `above_mirrors`."""
    ends = gathered((above_mirrors(record), record.final("param_norm")) for record in records)
    above, others = (span(ends[k], ".0f") if k in ends else "none" for k in (True, False))
    return f"{above}, that of the others {others}"


def apart_text(records: Records) -> str:
    """How far `apart` spikes are: median and range over networks."""
    return Summary.of([*map(apart, records)]).text(",.0f")


def apart(record: Record) -> float:
    """The median number of epochs from one spike to the next; NaN of fewer than two."""
    gaps = np.diff(record["epoch"][measures.spike_starts(record)])
    return float(np.median(gaps)) if len(gaps) else nan


class Slingshots(NamedTuple):
    """Runs of `sweeps.slingshots`: those with the rounded loss, and those with the exact one."""

    few: tuple[list[Record], list[Record]]  # on the fewer examples, at the larger rate
    many: tuple[list[Record], list[Record]]  # on the others
    slow: list[Record]  # with the rounded loss at the usual rate

    @classmethod
    def of(cls, records: Records) -> "Slingshots":
        """By number of examples and loss; the usual rate apart."""
        fast = measures.at_largest(records, "lr")
        by = group(fast, "dataset_size", "loss")
        least, most = min(by)[0], max(by)[0]
        few, many = ((by.get((D, "rounded"), []), by.get((D, "exact"), [])) for D in (least, most))
        return cls(few, many, [record for record in records if record.run.lr < fast[0].run.lr])

    def gain(self) -> Interval:
        """By how much the rounded loss ends at a higher test accuracy: the mean over seeds."""
        ends = group([*chain(*self.few)], "seed").values()
        pairs = ([one.final("test_accuracy") for one in own] for own in ends if len(own) > 1)
        return bootstrap([rounded - exact for rounded, exact in pairs], np.mean)


def n_grok(records: Records) -> str:
    """ "1 of 5": how many grok."""
    return measures.how_many(map(measures.groks, records))


def n_spike(records: Records) -> str:
    """ "9 of 10": how many spike."""
    return measures.how_many(map(spikes, records))


def rate_at_zero(records: Records) -> Interval:
    """The rate of generalising that weight decay 0 should have if rates add up, in 10,000 epochs.

    Sec. 7 guesses that weight decay and some other effect drive the transition together. A line
    through the mean rates, 1 / epochs to generalise, of the other weight decays meets 0 there.
    A run that never generalises has rate 0.
    """
    with_decay = [r for d, runs in by_decay(records).items() if d > 0 for r in runs]

    def intercept(seeds: Sequence[Records]) -> float:
        drawn = [record for seed in seeds for record in seed]
        decay = np.array([record.run.weight_decay for record in drawn])
        rates = 1e4 / np.array([*map(general_epoch, drawn)])
        return float(np.polyfit(decay, rates, 1)[1]) if len(set(decay)) > 1 else nan

    return bootstrap([*group(with_decay, "seed").values()], intercept)


def gain(records: Records) -> Interval:
    """By how much networks end at a higher test accuracy with the smaller ε (choice C43).

    The mean over seeds, on the fewest examples and at the same rate; NaN without such a pair.
    """
    least = min((record.run.dataset_size for record in records), default=0)
    own = [record for record in records if record.run.dataset_size == least]
    pairs = group(own, "lr", "seed").values()
    ends = [{r.run.eps: r.final("test_accuracy") for r in pair} for pair in pairs]
    rises = [end[min(end)] - end[max(end)] for end in ends if len(end) > 1]
    return bootstrap(rises, np.mean)


# --- what is claimed ---------------------------------------------------------------------------


def usual_and_small(records: Records) -> tuple[list[Record], list[Record]]:
    """Runs as in the paper; and those with smaller initial weights that start below their end.

    Their norm has nothing to shrink down to.
    """
    small = [record for record in records if record.run.init_scale < 1]
    low = [record for record in small if record["param_norm"][0] < record.final("param_norm")]
    return variants(records).get(BASE, []), low


def rival_criteria(records: Records) -> dict[str, bool | None]:
    """What Sec. 6 says is not needed for grokking: spikes, and a large norm at the start.

    None where no run starts below the norm that it ends with, so that they cannot tell.
    """
    base, low = usual_and_small(records)
    calm = [record for record in base if groks(record) and spikes(record, before=True) == 0]
    needless = all(map(groks, low)) if low else None
    most, small = f"{len(calm)} of {len(base)}", n_grok(low)
    spiky = sum(spikes(record, before=True) > 0 for record in low)
    small += f" grok that start with a smaller norm than at the end ({spiky} spike first)"
    usual = f"{most} runs as in the paper grok without a spike before"
    return {usual: len(calm) > len(base) / 2, small: needless}


def decay_criteria(records: Records) -> dict[str, bool]:
    """What Sec. 7 says about weight decay besides: without it, and with less of it, later."""
    medians = {decay: general_median(runs) for decay, runs in by_decay(records).items()}
    known = [median for decay, median in medians.items() if decay > 0]
    papers = medians.get(Run().weight_decay, nan)
    falls = all(less > more for less, more in pairwise(known))
    return {
        "without weight decay they grok later than at the paper's": medians.get(0.0, nan) > papers,
        "the smaller weight decay is, the later networks grok": falls,
    }


def fastest_text(records: Records) -> str:
    """The largest rate of generalising, one over its epochs, in 10,000 epochs; or a bound."""
    epochs = [found for found in map(general_epoch, records) if found < inf]
    if epochs:
        return f"{1e4 / min(epochs):.2f}"
    last = max((record.run.epochs for record in records), default=0)
    return f"below {1e4 / last:.2f}, as none has generalised" if last else "not known"


# --- what is shown -----------------------------------------------------------------------------


def ablations_table(records: Records) -> str:
    """By what was changed: norms, spikes, and when runs fit and generalise; medians and ranges."""
    rows = [
        f"{name} | {Summary.of([r['param_norm'][0] for r in runs]).text('.1f')} | "
        f"{measures.finals(runs, 'param_norm').text('.1f')} | "
        f"{measures.mark_epochs(runs, measures.FITTED).text()} | {general_text(runs)} | "
        f"{measures.finals(runs, 'test_accuracy').text('.2f')} | "
        f"{sum(spikes(r, True) for r in runs)}, {sum(map(spikes, runs))} | {len(runs)}"
        for name, runs in variants(records).items()
    ]
    heads = "changed | norm at the start | norm at the end | epoch of train accuracy 1"
    heads += " | epoch of test accuracy 0.98 | test accuracy at the end"
    return table(f"{heads} | spikes before 0.98, in all | runs", rows)


def general_text(records: Records) -> str:
    """The median and range of the epochs at which test accuracy passes 0.98."""
    return measures.mark_epochs(records, measures.GENERALISED).text()


def spikes_seen(records: Records) -> str:
    """Spikes of the runs as in the paper, and of those with the rounded loss."""
    seen = []
    for name, runs in variants(records).items():
        if name in (BASE, ROUNDED):
            n = [spikes(record, before=True) for record in runs]
            calm = sum(k == 0 and groks(r) for k, r in zip(n, runs, strict=True))
            told = f"{name}: {n_grok(runs)} runs grok, at epoch {general_text(runs)}, {calm} of "
            told += f"them without a spike before; {sum(n)} spikes in all before they grok"
            seen.append(told)
    return ". ".join(seen)


def starts_seen(records: Records) -> str:
    """Norms at start and end, and delays, by the scale of the initial weights."""
    plain = [r for r in records if r.run.loss == Run().loss and r.run.weight_decay == 1]
    return ". ".join(
        f"{variant(runs[0].run)}: the norm goes from {runs[0]['param_norm'][0]:.0f} to "
        f"{runs[0].final('param_norm'):.0f}; {n_grok(runs)} runs grok, "
        f"after {delays(runs).text('.0f')} times the epochs that they take to fit"
        for runs in group(plain, "init_scale").values()
    )


def walks_seen(records: Records) -> str:
    """How often the norm falls, and when runs generalise by weight decay."""
    falls = Summary.of([norm_falls(r) for r in variants(records).get(BASE, [])])
    decays = by_decay(records).items()
    times = "; ".join(f"with weight decay {w:g} {general_text(runs)}" for w, runs in decays)
    seen = f"with nothing changed the norm falls in {falls.text('.0%')} of the evaluations "
    seen += "from its peak until it generalises"
    return f"{seen}. Epoch at which runs generalise: {times}"


def forgets_seen(fewer: Records) -> str:
    """Test accuracy at the end of ungrokking, on the least and on the most examples."""
    rows = measures.ungrokked(fewer)
    ends = ((row.test_accuracy.median, row.dataset_size) for row in (rows[0], rows[-1]))
    told = " and at ".join(f"{accuracy:.2f} with {size:,} examples" for accuracy, size in ends)
    return f"trained on, test accuracy ends at {told}"
