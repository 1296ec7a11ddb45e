"""Claims about where training ends: AdamW against the minimiser, and (c eps, lambda / c)."""

from collections.abc import Sequence
from functools import partial
from math import inf

from varma2023 import measures, statistics
from varma2023.claims import ByExperiment, Claims, Evidence, Met, Result, every
from varma2023.convergence import analysis, steepness
from varma2023.measures import Summary
from varma2023.pages import CIRCUITS, CONVERGENCE
from varma2023.tables import span

SAME_STRENGTH = 0.1  # by which norm and logit may differ from those of c = 1
CLAIMS = Claims()


@CLAIMS.row(
    "B6",
    "Beyond: two ways, one end",
    "AdamW ends where the minimiser of Eq. (2) does, on most train sets",
    (CONVERGENCE, "fig-two-ways"),
    ("convergence",),
    few="two of grokking and one of each other kind were planned; a pair takes up to an hour",
)
def two_ways(found: ByExperiment) -> Result:
    """Whether AdamW and the minimiser of Eq. (2) have the same end, on most train sets."""
    records = found["convergence"]
    pairs = measures.pairs(records)
    alike, times = analysis.agreeing(pairs), analysis.savings_text(pairs, 1.0)
    # each with seeds of its own
    kinds = statistics.gathered((p.kind, each) for p in pairs for each in (p.adamw, p.lbfgs))
    ours = f"{alike} of {len(pairs)} pairs end alike; AdamW's gradients to a residual of 1, over "
    ours += "the minimiser's: "
    further = {"every pair ends alike": alike == len(pairs), **measures.resting(records)}
    return Result(ours + times, 2 * alike > len(pairs), further, Evidence.of(*kinds.values()))


@CLAIMS.row(
    "B7",
    "Beyond: the same strength for another ε and λ",
    "AdamW reaches the same norm with c ε and λ / c as with ε and λ",
    (CONVERGENCE, "fig-strength"),
    ("strength",),
)
def strength(found: ByExperiment) -> Result:
    """B7: whether (c eps, lambda / c) leads AdamW to the norm of (eps, lambda) (C16).

    The minimiser cannot tell: it takes no steps of AdamW. Nor can a run of AdamW that is not at
    rest.
    """
    records = found["strength"]
    shift = partial(analysis.strength_shift, records)

    def known(c: float) -> bool:
        own = [r for r in records if analysis.scale(r) in (1.0, c)]
        return all(r.run.optimiser == "adamw" and measures.rests(r) for r in own)

    def same(c: float, metric: str) -> Met:
        return shift(c, metric).within(-SAME_STRENGTH, SAME_STRENGTH) if known(c) else None

    def told(metric: str) -> str:
        return ", ".join(
            f"{shift(c, metric).text('+z.1%')} for {name}{'' if known(c) else ', not all at rest'}"
            for c, name in ((10.0, "λ / 10"), (0.1, "10 λ"))
        )

    ours = f"norm against c = 1: {told('param_norm')}; correct logit: {told('correct_logit')}"
    norm, logit = (every(same(c, m) for c in (0.1, 10.0)) for m in ("param_norm", "correct_logit"))
    further = {"the norm is the same with a tenth of λ": same(10.0, "param_norm")}
    further |= {"the correct logit is the same, too": logit, **measures.resting(records)}
    return Result(ours, norm, further, Evidence.of(records))


ENOUGH = 0.9  # of runs of AdamW for which its limit must be right
WITH_DECAY = 1.5  # the factor within which steepness must go with weight decay


def _by_the_limit(minima: Sequence[steepness.Minimum]) -> dict[str, Met]:
    """Whether AdamW leaves the minima that are too steep for its step, and only these."""
    right = steepness.right(minima)
    says = "AdamW leaves a minimum where its step is too long, and only there"
    return {f"{says} ({measures.how_many(right)})": sum(right) >= ENOUGH * len(right)}


@CLAIMS.row(
    "B33",
    "Beyond: how steep both minima are",
    "memory's minimum is steeper than the rule's on the same train set",
    (CONVERGENCE, "fig-steepness"),
    ("from_minima",),
)
def steeper(found: ByExperiment) -> Result:
    """B33: which circuit's minimum is the steeper one, and whether AdamW stays (choice C52)."""
    records = found["from_minima"]
    minima = steepness.minima(records)
    if not minima:
        return Result("no pair of minima", None, {}, Evidence.of(records))
    ratios = steepness.ratios(minima)
    left = [steepness.left_text(minima, kind) for kind in (steepness.MEMORY, steepness.RULE)]
    ours = f"steepness × {span([ratio.value for ratio in ratios.values()], '.2g')} by setting; "
    ours += f"AdamW leaves memory's in {left[0]}, the rule's in {left[1]}"
    further = _by_the_limit(minima)
    for kind in steepness.KINDS:
        ratio, of_decays = steepness.over_decay(minima, kind)
        near = ratio.near(of_decays, WITH_DECAY)
        near = near if of_decays > 1 else None  # with one weight decay nothing is known
        factor = f"{kind}: steepness grows about in proportion, × {ratio.text('.2g')}"
        further[f"{factor} for weight decay × {of_decays:g}"] = near
    further |= measures.resting([minimum.again for minimum in minima], "every minimum is at rest")
    settings = {steepness.setting(record.run) for record in records}
    above = every(ratios[one].tells(1, inf) if one in ratios else None for one in settings)
    made = [[r for m in minima if m.setting == one for r in (m.again, *m.adamw)] for one in ratios]
    return Result(ours, above, further, Evidence.of(*made))


@CLAIMS.row(
    "B37",
    "Beyond: steepness and dataset size",
    "the more examples memory holds, the steeper is its minimum",
    (CONVERGENCE, "fig-steep-sizes"),
    ("minima_by_size",),
    earlier="open, with those that were still falling, as was announced (C56)",
)
def steeper_with_size(found: ByExperiment) -> Result:
    """B37: how the steepness of both circuits' minima goes with D (choice C56)."""
    records = found["minima_by_size"]
    minima = steepness.every_minimum(records)
    settings = steepness.by_setting(minima)
    memory, rule, apart = zip(*map(steepness.exponents, settings.values()), strict=True)
    ours = "steepness: " + "; ".join(
        f"{setting}: memory's ∝ D to the power {one.text()}, the rule's {other.text()}; D from "
        f"which memory's is too steep for AdamW: {steepness.too_steep_text(settings[setting])}"
        for setting, one, other in zip(settings, memory, rule, strict=True)
    )
    more = every(each.tells(0, inf) for each in apart)
    further = {"memory's steepness grows more than the rule's": more} | _by_the_limit(minima)
    further |= measures.resting([minimum.again for minimum in minima], "every minimum is at rest")
    kinds = statistics.gathered(((m.setting, m.kind), m.again) for m in minima)
    made = Evidence.of(records, *kinds.values())
    return Result(ours, every(each.tells(0, inf) for each in memory), further, made)


@CLAIMS.row(
    "B4",
    "Beyond: what AdamW minimises",
    "late in training AdamW rests where Eq. (2) with α = ελ is stationary",
    (CIRCUITS, "fig-equilibrium"),
    ("grokking",),
)
def equilibrium(found: ByExperiment) -> Result:
    """What AdamW minimises: where the norm has settled, Eq. (2) with alpha = eps lambda (C96)."""
    records = [r for r in measures.grokked(found) if r.run.weight_decay > 0 and r.weights_path]
    if not records:
        return Result()
    settled = [record for record in records if analysis.drift(record) < analysis.SETTLED]
    if not settled:
        return Result("no norm has settled", None, {}, Evidence.of(records))
    states = [analysis.equilibrium(record) for record in settled]
    ratios = [state.alpha / r.run.alpha for state, r in zip(states, settled, strict=True)]
    cosines = [state.cosine for state in states]
    residuals = [record.final("residual") for record in settled]
    ours = f"cosine {Summary.of(cosines).text('.3f')} and "
    ours += f"α / ελ {Summary.of(ratios).text('.2f')}, where both should be 1; "
    ours += f"residual {Summary.of(residuals).text('.2f')}; "
    ours += f"{len(settled)} of {len(records)} norms settled"
    return Result(ours, min(cosines) > analysis.ALONG, {}, Evidence.of(settled))
