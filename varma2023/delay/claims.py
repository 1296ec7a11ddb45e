"""The claims about the delay: how the time to grok goes with the size of the train set."""

from collections.abc import Mapping
from itertools import chain
from math import inf, isfinite, nan, nextafter
from typing import Any

from varma2023 import measures
from varma2023.claims import ByExperiment, Claims, Evidence, Met, Result, every, told_without
from varma2023.delay import analysis, muon, second_moment
from varma2023.delay.sweeps import AROUND
from varma2023.measures import group
from varma2023.pages import CONVERGENCE, DELAY, DELAY_LAWS
from varma2023.statistics import Interval

CLAIMS = Claims()


@CLAIMS.row(
    "B14",
    "Beyond: the time to grok",
    "at one modulus and rate, the time to grok diverges as the dataset shrinks to a critical size",
    (DELAY, "fig-delay"),
    ("delay", "moduli", "upper_branch", "noisy"),
    earlier="in part, before the divergence had to beat the levelling power, with and without the "
    "runs on 865 examples (C63, C95)",
)
def diverges(found: ByExperiment) -> Result:
    """B14: whether a law with a critical size predicts sizes that were held out (choice C27)."""
    records, crits = found["delay"], measures.d_crit_by_modulus(found["moduli"])
    upper = found["upper_branch"]
    if not analysis.judged(records):
        return Result()
    gains = analysis.gains(analysis.held_out(records))
    d_c, nucleation = (analysis.critical(records, law) for law in analysis.WITH_D_C)
    spread = analysis.spread(records)
    decays, moduli = analysis.by_decay(records), analysis.by_modulus(records, crits)
    noises = analysis.by_field(found["noisy"], records, "noise")
    p = records[0].run.p
    own = [record for record in records if record.run.p == p]
    by_decay = ((size, decay, r) for size, at in decays.items() for decay, r in at.items())
    by_modulus = ((m, isfinite(r.value) and f"time × {r.text()}") for m, r in moduli.items())
    parts = [
        _laws_text(gains, d_c, nucleation),
        f"fresh networks end in memory up to {measures.d_crit_text(upper)}, by the minimiser",
        f"ln t differs by {spread.text()} between seeds",
        *(f"weight decay {w:g}, {size} examples: time × {r.text()}" for size, w, r in by_decay),
        f"time {analysis.noise_text(noises)}",
        *(f"p = {m}: {told or 'not all grok'}" for m, told in by_modulus),
    ]
    memory_ends = measures.d_crit_interval(upper).value if measures.crossings_rest(upper) else nan
    same, at_its_end = (
        d_c.near(crit, analysis.SAME_SIZE) if isfinite(crit) else None
        for crit in (crits.get(p, nan), memory_ends)
    )
    further = {
        **_drift(spread),
        **_by_decay(decays),
        "networks with noise on their gradients take as long": _same(noises, analysis.SAME_DECAY),
        "at another modulus networks take as long, at equal D / D_crit": _same(
            moduli, analysis.SAME_MODULUS
        ),
        "the divergence's D_c is the D_crit of ungrokking": same,
        "the divergence's D_c is the size up to which fresh networks end in memory": at_its_end,
    }
    made = Evidence.of(*group(own, "weight_decay", "dataset_size").values())
    return Result("; ".join(parts), _better(gains), further, made)


@CLAIMS.row(
    "B34",
    "Beyond: the time to grok, mod 53",
    "mod 53, too, at one rate, the time to grok diverges as the dataset shrinks to a critical size",
    (DELAY_LAWS, "fig-wide"),
    ("delay_53",),
    earlier="holds, smaller, before the divergence had to beat the levelling power (C95); open, by "
    "ten seeds (C109)",
)
def diverges_53(found: ByExperiment) -> Result:
    """B34: the same at another modulus, over a wide range of sizes (choice C53)."""
    records = found["delay_53"]
    if not analysis.judged(records):
        return Result()
    gains, spread = analysis.gains(analysis.held_out(records)), analysis.spread(records)
    d_c, nucleation = (analysis.critical(records, law) for law in analysis.WITH_D_C)
    ours = f"{_laws_text(gains, d_c, nucleation)}; ln t differs by {spread.text()}"
    late = _better(analysis.gains(analysis.held_out(records, analysis.generalised)))
    further = {**_drift(spread), "the claim holds for the time to accuracy 0.98": late}
    return Result(ours, _better(gains), further, Evidence.of(records))


FITTED = 10  # seeds to which the laws were fitted when B55 was claimed (choice C98)


@CLAIMS.row(
    "B55",
    "Beyond: fewer examples than the laws were fitted to",
    "on fewer examples than the laws were fitted to, mod 31 and 53, a law with a critical size "
    "predicts the waits better than laws without one",
    (DELAY_LAWS, "fig-wide"),
    ("delay", "delay_53", "below"),
)
def on_fewer(found: ByExperiment) -> Result:
    """B55: which laws for the time to grok can be carried to fewer examples (choice C98)."""
    above = (analysis.comparable(found[name]) for name in ("delay", "delay_53"))
    first = [record for record in chain(*above) if record.run.seed < FITTED]
    known, fewer = group(first, "p"), group(found["below"], "p")
    if not all(p in known and analysis.judged(known[p]) for p in fewer):
        return Result()
    gains, parts = [], []
    for p, here in fewer.items():
        gains.append(analysis.gains(analysis.scores([(known[p], here)])))
        sizes = group(here, "dataset_size")
        there = ", ".join(f"{analysis.there_text(here, size)} on {size}" for size in sizes)
        half = f"mod {p} {there} get half-way to the rule"
        parts.append(f"{half}; log-likelihood a run {analysis.gains_text(gains[-1])}")
    core = every(_better(each) for each in gains)
    return Result("; ".join(parts), core, {}, Evidence.of(*fewer.values()))


def _laws_text(gains: Mapping[str, Interval], d_c: Interval, nucleation: Interval) -> str:
    """What the divergence gains over each law without a critical size; and that size, by law."""
    size = f"D_c {d_c.text(',.0f')}, by nucleation {nucleation.text(',.0f')}"
    return f"log-likelihood of a run held out {analysis.gains_text(gains)}; {size}"


def _better(gains: Mapping[str, Interval]) -> Met:
    return every(gain.tells(0, inf) for gain in gains.values())


def _drift(spread: Interval) -> dict[str, Met]:
    """Whether ln t differs between seeds by less than waits for a rare event would."""
    calm = spread.within(0, analysis.MAX_SPREAD)
    return {"times differ between seeds by less than half of what a random escape gives": calm}


@CLAIMS.row(
    "B26",
    "Beyond: where networks forget, and Grokfast",
    "with slow gradients amplified, as Grokfast does, ungrokked networks mod 31 are at accuracy ½ "
    "after equal times on as many examples as without, to within 10%",
    (DELAY, "fig-grokfast"),
    ("grokfast",),
)
def same_size(found: ByExperiment) -> Result:
    """B26: whether Grokfast moves the size at which networks forget (choice C42)."""
    runs = analysis.Grokfast.of(found["grokfast"])
    ends = [*runs.usual, *runs.amplified]
    if len(group(runs.usual, "dataset_size")) < len(AROUND) or not runs.amplified:
        return Result()
    usual, filtered = map(measures.d_crit_text, (runs.usual, runs.amplified))
    ratio, after = runs.size_ratio, ends[0].run.epochs / ends[0].run.decay_time
    ours = f"accuracy ½ after {after:.0f} decay times at {usual} examples without, {filtered} with"
    same = ratio.near(1, analysis.SAME_WITH_GROKFAST)
    ours += f": × {ratio.text()}"
    return Result(ours, same, measures.resting(ends), Evidence.of(runs.usual, runs.amplified))


@CLAIMS.row(
    "B27",
    "Beyond: Grokfast's speed",
    "with slow gradients amplified, as Grokfast does, networks mod 31 grok in less than half of "
    "the time",
    (DELAY, "fig-grokfast"),
    ("delay", "grokfast"),
    number="its authors: more than 50 times sooner, with other settings",
)
def sooner(found: ByExperiment) -> Result:
    """B27: whether amplifying slow gradients speeds grokking up here, too (choice C42)."""
    runs, records = analysis.Grokfast.of(found["grokfast"]), found["delay"]
    if not (analysis.judged(records) and runs.waits and runs.weaker):
        return Result()
    times = runs.times(records)
    ours = "; ".join(f"time × {ratio.text()} or more with {name}" for name, ratio in times.items())
    there = measures.how_many(isfinite(analysis.halfway(record)) for record in runs.waits)
    ours += f"; {there} get half-way with Grokfast; the others count with their last epoch, "
    ours += "pairs of which neither did are left out"
    core = times["Grokfast"].tells(0, 1 / analysis.SOONER)
    return Result(ours, core, {}, Evidence.of(runs.waits, runs.weaker))


@CLAIMS.row(
    "B47",
    "Beyond: D_crit with another norm",
    "with Muon for the hidden matrices, so that weight decay bounds their largest singular value, "
    "ungrokked networks mod 31 need at least 1.3 times as many examples as by AdamW to be at "
    "accuracy ½",
    (DELAY, "fig-muon"),
    ("muon", "grokfast"),
    earlier="in part, by narrower intervals (C94)",
)
@told_without("C99", "muon_more")
def needs_more(found: ByExperiment) -> Result:
    """B47: whether D_crit is larger where memory's many directions cost nothing (choice C71)."""
    runs = muon.Muon.of(found["muon"], found["grokfast"], found.get("muon_more", ()))
    if not (runs.whole and runs.slow):
        return Result()
    (step, first), *shorter = runs.ratios.items()
    ours = f"accuracy ½ at {measures.d_crit_text(runs.usual)} examples by AdamW, "
    ours += f"{measures.d_crit_text(runs.ends[step])} by Muon: × {first.text()}"
    further: dict[str, Met] = {}
    for part, ratio in shorter:
        times = f"with a step {part / step:.2g} times as long"
        ours += f"; × {ratio.text()} {times}"
        further[f"the claim holds {times}"] = ratio.tells(muon.LARGER, inf)
    slower = runs.slower
    same = slower.tells(-muon.SAME_ACCURACY, muon.SAME_ACCURACY)
    ours += f"; at half of the learning rate accuracy differs by {slower.text('+.2f')}"
    further["at half of the learning rate, in the same time, accuracy is the same"] = same
    further |= measures.all_of("every accuracy stands still at the end", runs.still)
    evidence = Evidence.of(runs.usual, *runs.ends.values())
    return Result(ours, first.tells(muon.LARGER, inf), further, evidence)


@CLAIMS.row(
    "B48",
    "Beyond: the time to grok with Muon",
    "with Muon for the hidden matrices networks mod 31 grok sooner than by AdamW on 640 examples",
    (DELAY, "fig-muon"),
    ("delay", "muon", "grokfast"),
    number="Tveit et al.: 103 epochs on average, 153 by AdamW, with other settings",
)
@told_without("C108", "muon_more")
def sooner_by_muon(found: ByExperiment) -> Result:
    """B48: whether Muon speeds grokking up, and where (choice C71)."""
    more, records = found.get("muon_more", ()), found["delay"]
    runs = muon.Muon.of(found["muon"], found["grokfast"], more)
    times = runs.times(records)
    if not analysis.judged(records) or len(times) < 2:
        return Result()
    (near, late), *_, (far, early) = sorted(times.items())
    ours = f"time × {early.text()} on {far} examples, × {late.text()} on {near}"
    pairs = runs.waits, measures.among(records, runs.waits)
    there = [measures.how_many(isfinite(analysis.halfway(r)) for r in own) for own in pairs]
    ours += f"; {there[0]} get half-way by Muon, the others count with their last epoch; "
    ours += f"{there[1]} by AdamW, the others are left out"
    further = {f"they grok sooner on {near}": late.tells(0, nextafter(1, 0))}  # equal is not sooner
    by_size = chain(*(group(own, "dataset_size").values() for own in pairs))
    return Result(ours, early.tells(0, 1), further, Evidence.of(*by_size))


def _by_decay(decays: Mapping[int, Mapping[float, Interval]]) -> dict[str, Met]:
    """What weight decay should change, by size: of sizes above the middle one, nothing (C63)."""
    sizes, most = sorted(decays), analysis.SAME_DECAY
    middle = sizes[len(sizes) // 2]
    told = {"at other weight decays networks take as many decay times": _same(decays[middle], most)}
    for size in sizes:
        if size < middle:
            told[f"on {size} examples they take as many decay times"] = _same(decays[size], most)
        if size > middle:
            same = (ratio.near(decay, most) for decay, ratio in decays[size].items())
            told[f"on {size} examples they take as many epochs"] = every(same)
    return told


def _same(ratios: Mapping[Any, Interval], factor: float) -> Met:
    """Whether every ratio is 1 within a factor; None where there is none.

    Not so where one is not known, since some network does not grok.
    """
    known = (isfinite(r.value) and r.near(1, factor) for r in ratios.values())
    return every(known) if ratios else None


@CLAIMS.row(
    "B41",
    "Beyond: how long Adam remembers",
    "mod 31 the epoch at which the residual is first below 1 is proportional to 1 / (−ln β₂)",
    (CONVERGENCE, "sec-felt"),
    ("second_moment", "delay"),
    earlier="in part, by five seeds (C107)",
)
def remembered(found: ByExperiment) -> Result:
    """B41: whether Adam's second moment sets when the residual is below 1 (choice C65)."""
    records, usual = found["second_moment"], found["delay"]
    own = measures.among(records, usual)
    others = [record for record in records if record not in own]
    read = second_moment.forgotten
    epochs = analysis.by_field(own, usual, "beta2", read, read)
    if not analysis.judged(usual) or len(epochs) < 3:
        return Result()
    here = second_moment.at_middle(own)
    times = analysis.by_field(here, usual, "beta2")
    rate = second_moment.with_the_rate(others)
    ours = "; ".join(f"β₂ = {b:g}: × {r.text()}" for b, r in epochs.items())
    ours += "; time to grok " + ", ".join(f"× {ratio.text()}" for ratio in times.values())
    ours += f"; at p = {others[0].run.p}, four times the rate and β₂⁴: time to grok × {rate.text()}"
    there = all(isfinite(read(record)) for record in own)
    core = every([there or None, *(r.near(1, second_moment.SAME_EPOCH) for r in epochs.values())])
    as_long = [_same(times, analysis.SAME_DECAY), *(isfinite(analysis.halfway(r)) for r in here)]
    further = {f"on {here[0].run.dataset_size} examples they take as long to grok": every(as_long)}
    further["at four times the rate β₂⁴ makes networks slower"] = rate.tells(1, inf)
    return Result(ours, core, further, Evidence.of(*group(own, "dataset_size").values()))
