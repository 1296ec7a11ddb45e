"""Rival accounts of grokking (Sec. 6, 7): what each one predicts of a run, and what runs do.

A run that leaves out what an account says is needed, and groks, speaks against that account. What
was changed in a run is read off the run itself.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import inf, isfinite, nan

import numpy as np
from jaxtyping import Bool

from grokkit.runs import Record, Run
from varma2023.measures import Summary, finals, generalises, groks, group, train_fits, ungrokked
from varma2023.statistics import Interval, bootstrap
from varma2023.tables import table

BASE, NO_DECAY, ROUNDED = "as the paper", "no weight decay", "rounded loss"
SPIKE = 100  # times its running minimum, above which the train loss spikes (choice C22)


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


def variants(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records by what was changed, in their order."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(variant(record.run), []).append(record)
    return found


def spiking(record: Record, until: int | None = None) -> Bool[np.ndarray, " log"]:
    """At which evaluations the train loss is more than `SPIKE` times its least so far.

    From the epoch at which the train set is fitted, up to `until`.
    """
    fits, epoch, loss = train_fits(record), record["epoch"], record["train_loss"]
    if fits is None:
        return np.zeros(len(epoch), dtype=bool)
    counted = (epoch >= fits.epoch) & (epoch <= (inf if until is None else until))
    least = np.minimum.accumulate(np.where(epoch >= fits.epoch, loss, inf))
    return counted & (loss > SPIKE * least)


def spikes(record: Record, before: bool = False) -> int:
    """How many spikes of the train loss the evaluations show: a lower bound.

    A stretch of evaluations in a row is one. `before`: only those before test accuracy passes 0.98.
    """
    general = generalises(record)
    high = spiking(record, general.after if before and general else None)
    return int((high & ~np.concatenate([[False], high[:-1]])).sum())


def general_epochs(records: Sequence[Record]) -> list[float]:
    """The epoch at which test accuracy passes 0.98, of every run; infinite where it never does."""
    found = [generalises(record) for record in records]
    return [inf if crossing is None else float(crossing.epoch) for crossing in found]


def general_median(records: Sequence[Record]) -> float:
    """The median of `general_epochs`: infinite where fewer than half of the runs generalise."""
    return float(np.median(general_epochs(records)))


def _finite(values: Sequence[float]) -> Summary:
    return Summary.of([value if isfinite(value) else None for value in values])


def delays(records: Sequence[Record]) -> Summary:
    """How many times the epochs to fit it takes a run to generalise."""
    found = [(train_fits(record), generalises(record)) for record in records]
    return Summary.of([g.epoch / f.epoch if f and g else None for f, g in found])


def norm_falls(record: Record) -> float:
    """The share of evaluations, from the norm's peak to generalisation, at which it has fallen."""
    general, norm = generalises(record), record["param_norm"]
    last = record["epoch"][-1] if general is None else general.epoch
    start = int(norm.argmax())
    stretch = norm[start : int(np.searchsorted(record["epoch"], last)) + 1]
    return float((np.diff(stretch) < 0).mean()) if len(stretch) > 1 else nan


def starts_low(record: Record) -> bool:
    """Whether the norm at the start is below that at the end: nothing to shrink down to."""
    return bool(record["param_norm"][0] < record.final("param_norm"))


# --- weight decay (Sec. 7) --------------------------------------------------------------------


def by_decay(records: Sequence[Record]) -> dict[float, list[Record]]:
    """The records in which nothing but weight decay differs from the paper, by it."""
    start = Run().init_scale, Run().loss
    same = [r for r in records if (r.run.init_scale, r.run.loss) == start]
    return group(same, "weight_decay")


def rate_at_zero(records: Sequence[Record]) -> Interval:
    """The rate of generalising that weight decay 0 should have if rates add up, in 1 / epochs.

    Sec. 7 guesses that weight decay and some other effect drive the transition together. A line
    through the mean rates, 1 / epochs to generalise, of the other weight decays meets 0 there.
    A run that never generalises has rate 0.
    """
    with_decay = [r for d, runs in by_decay(records).items() if d > 0 for r in runs]

    def intercept(seeds: Sequence[Sequence[Record]]) -> float:
        drawn = [record for seed in seeds for record in seed]
        decay = np.array([record.run.weight_decay for record in drawn])
        rates = 1 / np.array(general_epochs(drawn))
        return float(np.polyfit(decay, rates, 1)[1]) if len(set(decay)) > 1 else nan

    return bootstrap([*group(with_decay, "seed").values()], intercept)


def per_10_000(rate: Interval) -> str:
    """A rate in 1 / epochs as text, in 10,000 epochs."""
    each = tuple(1e4 * value for value in rate.each)
    return Interval(1e4 * rate.value, 1e4 * rate.low, 1e4 * rate.high, rate.n, each).text(".2f")


# --- what is claimed ---------------------------------------------------------------------------


def rival_criteria(records: Sequence[Record]) -> dict[str, bool]:
    """What Sec. 6 says is not needed for grokking: spikes, and a large norm at the start."""
    groups = variants(records)
    base = groups.get(BASE, [])
    calm = [record for record in base if groks(record) and spikes(record, before=True) == 0]
    low = [record for record in records if record.run.init_scale < 1 and starts_low(record)]
    return {
        "most runs as in the paper grok without a spike before": len(calm) > len(base) / 2,
        "runs that start below the norm they end with grok": bool(low) and all(map(groks, low)),
    }


def decay_criteria(records: Sequence[Record]) -> dict[str, bool]:
    """What Sec. 7 says about weight decay besides: without it, and with less of it, later."""
    medians = {decay: general_median(runs) for decay, runs in by_decay(records).items()}
    known = [median for decay, median in medians.items() if decay > 0]
    papers = medians.get(Run().weight_decay, nan)
    return {
        "without it later than as in the paper": medians.get(0.0, nan) > papers,
        "later, the smaller weight decay is": all(less > more for less, more in pairwise(known)),
    }


# --- tables -----------------------------------------------------------------------------------


def ablations_table(records: Sequence[Record]) -> str:
    """By what was changed: norms, spikes, and when runs fit and generalise; medians and ranges."""
    rows = []
    for name, runs in variants(records).items():
        fits = Summary.of([f.epoch if (f := train_fits(record)) else None for record in runs])
        start = Summary.of([record["param_norm"][0] for record in runs]).text(".1f")
        norms = start, finals(runs, "param_norm").text(".1f")
        epochs = fits.text(), _finite(general_epochs(runs)).text()
        seen = f"{sum(spikes(r, True) for r in runs)}, {sum(map(spikes, runs))}"
        ends = finals(runs, "test_accuracy").text(".2f")
        rows.append([name, *norms, *epochs, ends, seen, len(runs)])
    heads = "changed | norm at the start | norm at the end | epoch of the fit"
    heads += " | epoch of test accuracy 0.98 | test accuracy at the end"
    return table(f"{heads} | spikes before that, in all | runs", rows)


def _spikes_seen(records: Sequence[Record]) -> str:
    groups, seen = variants(records), []
    for name in (BASE, ROUNDED):
        if runs := groups.get(name):
            n = [spikes(record, before=True) for record in runs]
            calm = sum(k == 0 and groks(r) for k, r in zip(n, runs, strict=True))
            seen.append(
                f"{name}: {sum(n)} spikes before generalising in {len(runs)} runs, "
                f"{calm} grok without any; 0.98 at epoch {_finite(general_epochs(runs)).text()}"
            )
    return "; ".join(seen)


def _starts_seen(records: Sequence[Record]) -> str:
    plain = [r for r in records if r.run.loss == Run().loss and r.run.weight_decay == 1]
    groups = sorted(variants(plain).items(), key=lambda pair: pair[1][0].run.init_scale)
    return "; ".join(
        f"{name}: norm {runs[0]['param_norm'][0]:.0f} at the start, "
        f"{runs[0].final('param_norm'):.0f} at the end, {sum(map(groks, runs))} of {len(runs)} "
        f"grok, after {delays(runs).text('.0f')} times the epochs to fit"
        for name, runs in groups
    )


def _walks_seen(records: Sequence[Record]) -> str:
    falls = Summary.of([norm_falls(r) for r in records if r.run.weight_decay > 0])
    times = "; ".join(
        f"weight decay {decay:g}: {_finite(general_epochs(runs)).text()}"
        for decay, runs in by_decay(records).items()
    )
    return f"the norm falls at {falls.text('.0%')} of evaluations; epoch of 0.98 at {times}"


def _forgets_seen(fewer: Sequence[Record]) -> str:
    if not fewer:
        return "not run"
    ends = ", ".join(
        f"{row.test_accuracy.median:.2f} at {row.dataset_size:,}" for row in ungrokked(fewer)
    )
    return f"test accuracy ends at {ends}"


def rivals_table(records: Sequence[Record], fewer: Sequence[Record] = ()) -> str:
    """Sec. 6: rival accounts, what each predicts, and what was seen; `fewer`: ungrokking."""
    rows = [
        [
            "Slingshots, oscillations",
            "spikes of the train loss come before generalisation; without them, none",
            _spikes_seen(records),
        ],
        [
            "Large weights at the start",
            "the delay comes from shrinking them: a start below the final norm has none",
            _starts_seen(records),
        ],
        [
            "A random walk among solutions",
            "no direction in between; the time does not depend on weight decay",
            _walks_seen(records),
        ],
        [
            "Finding the representation",
            "once enough data has fixed it, it stays; less data later does not undo it",
            _forgets_seen(fewer),
        ],
    ]
    return table("account | predicts | seen", rows)
