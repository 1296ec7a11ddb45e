"""Claims about both circuits where ungrokking ends: Fig. 10, two starts, hysteresis."""

from math import inf

from grokkit.runs import Records
from varma2023 import claims, measures
from varma2023.claims import ByExperiment, Claims, Evidence, Met, Result
from varma2023.pages import BARRIER, CRITICAL, MORE
from varma2023.two_starts import analysis, barrier
from varma2023.two_starts.sweeps import SHAKEN_AT

PAPER_DECADES = 6  # over which the ratio of Fig. 10a goes in the paper
FIG_10 = ("transition", "finer")
LOOP = ("moduli", "upper_branch")  # D_crit from grokked networks and from fresh ones, at p = 31
NORM_SPREAD = 0.1  # by which the norm at one D' must differ for "at a fixed norm" to say something
NEAR = 0.25  # of the size at which a barrier vanishes (choice C77)
CLAIMS = Claims()


@CLAIMS.row(
    "F10a",
    "Fig. 10a, relative strength",
    "the ratio of trig to mem logit rises with D in each bucket of the norm",
    (MORE, "fig-10"),
    FIG_10,
    number="monotone, over 6 decades",
    earlier="in part, without the sizes closer together (C20)",
)
def fig10a(found: ByExperiment) -> Result:
    """Fig. 10a: the ratio of trig to mem logit rises with D', in each bucket of the norm."""
    ends = [*found["transition"], *found["finer"]]
    if not measures.judged(ends):
        return Result()
    decades = analysis.decades(ends)
    spread = analysis.norm_spread(found["transition"]).median
    rank = f"pooled rank correlation {analysis.rank_correlation(ends).text()}"
    ours = f"{rank}, over {decades:.1f} decades; at one D′ the norm differs by {spread:.1%}"
    rises = analysis.ratio_criteria(ends)
    core = all(rises.values()) if len(rises) > 1 else None  # no bucket: too few are at rest
    tested = "weight decay moves the norm, so that “at a fixed norm” is tested"
    spans = f"the ratio spans {PAPER_DECADES} decades"
    further: dict[str, Met] = {spans: decades >= PAPER_DECADES or None}
    further |= {tested: spread >= NORM_SPREAD} | measures.resting(ends)
    return Result(ours, core, further, Evidence.of(found["transition"], found["finer"]))


@CLAIMS.row(
    "F10b",
    "Fig. 10b, accuracy and D",
    "test accuracy after ungrokking depends smoothly on D",
    (MORE, "fig-10"),
    FIG_10,
    number="a smooth curve at each norm",
    earlier="in part, by the first runs, of fewer seeds and gradients (C19); fails, while too few "
    "sizes in the middle counted as a jump; open, without the sizes closer together (both C20)",
)
def fig10b(found: ByExperiment) -> Result:
    """Fig. 10b: test accuracy after ungrokking depends smoothly on D'."""
    ends = [*found["transition"], *found["finer"]]
    if not measures.judged(ends):
        return Result()
    ours = f"largest step between close sizes, by seed: {analysis.steps_text(found['finer'])}; "
    ours += f"pooled rank correlation {analysis.rank_correlation(ends, measures.at_the_end).text()}"
    kinds = found["transition"], found["finer"]
    smooth = claims.every(analysis.smooth_criteria(*kinds).values())
    return Result(ours, smooth, measures.resting(ends), Evidence.of(*kinds))


@CLAIMS.row(
    "A.2",
    "App. A.2, two starts, two sizes",
    "grokked networks keep a middling accuracy on less than half the examples that fresh ones need",
    (MORE, "fig-two-starts"),
    ("both_starts", "finer", "starts_at_rest"),
    number="accuracy near 0.7 at D of 800 – 1,000, and at ~2,000",
    earlier="also open, with interpolated sizes, as an end beside them still falls (C57, C76)",
)
def half_the_size(found: ByExperiment) -> Result:
    """App. A.2: grokked networks keep half on half of what fresh ones need, by bounds (C76)."""
    (down, fresh), grokked = analysis.by_start(found["both_starts"]), found["finer"]
    _, started = analysis.by_start(found["starts_at_rest"])
    if not down or not measures.judged(fresh):
        return Result()
    known = analysis.half_the_size(grokked, started)
    left, least = analysis.sides(started).values(), analysis.least_kept(grokked)
    most = measures.Summary.of([max(below) for below, _ in left if below])
    ours = f"{_crits(down, fresh)}; of others at rest, grokked ones are above ½ on {least.text()} "
    ours += f"examples, fresh ones below ½ on {most.text() if most.seen else 'none'}"
    ends = [*grokked, *started]
    return Result(ours, claims.every(known), measures.resting(ends), Evidence.of(grokked, started))


@CLAIMS.row(
    "A.4",
    "App. A.4, which start finds the better minimum",
    "networks that start grokked reach a lower train loss than fresh ones",
    (MORE, "fig-two-starts"),
    ("both_starts", "starts_at_rest"),
    number="in all runs of Fig. 10, at convergence; to D = 10,000 (axis) or 1,494 (caption)",
    earlier="in part, while pairs that still fell counted; open, with no pair at rest (C57)",
)
def two_starts(found: ByExperiment) -> Result:
    """App. A.4: ungrokked networks end at a lower train loss than fresh ones, at rest (C76)."""
    equal = analysis.two_starts(*analysis.by_start(found["both_starts"]))
    pairs = analysis.two_starts(*analysis.by_start(found["starts_at_rest"]))
    if not pairs or not measures.judged(found["both_starts"]):
        return Result()
    lower = [pair.lower if pair.rested else {} for pair in pairs]
    core, too = (claims.every(own.get(of) for own in lower) for of in ("train loss", "objective"))
    further: dict[str, Met] = {"Eq. (2) is lower, too": too}
    further |= measures.resting([end for pair in pairs for end in pair])
    small = analysis.two_starts(*analysis.by_start(found.get("two_minima", ())))
    if known := [pair.lower["train loss"] for pair in small if pair.rested]:
        further |= measures.all_of(f"the claim holds at p = {small[0].fresh.run.p}, at rest", known)
    sizes = analysis.by_field(pairs, "dataset_size").items()
    by_size = (f"{analysis.n_lower(own)} on {size:,} examples" for size, own in sizes)
    ours = f"lower train loss in {' and '.join(by_size)}; after equally many gradients, with "
    ours += f"most networks still falling, in {analysis.n_lower(equal)}"
    return Result(ours, core, further, Evidence.of(*zip(*pairs, strict=True)))


@CLAIMS.row(
    "B3",
    "Beyond: hysteresis",
    "after equally many gradients, accuracy against D is one curve from fresh networks, another "
    "from grokked ones",
    (MORE, "fig-hysteresis"),
    ("both_starts",),
)
def hysteresis(found: ByExperiment) -> Result:
    """B3: at equal effort accuracy against D is one curve up and another down."""
    down, fresh = analysis.by_start(found["both_starts"])
    if not down or not measures.judged(fresh):
        return Result()
    core = all(analysis.loop_criteria(down, fresh).values())
    rested = measures.resting([*down, *fresh])
    return Result(_crits(down, fresh), core, rested, Evidence.of(down, fresh))


def _crits(down: Records, fresh: Records) -> str:
    """Both D_crits: one is a bound from below while ends beside it fall, the other from above."""
    least, most = measures.d_crit_bound(down), measures.d_crit_bound(fresh, "at most")
    return f"D_crit {least} from grokked networks, {most} from fresh ones"


@CLAIMS.row(
    "B20",
    "Beyond: two minima",
    "at p = 31 a training set has two minima, one with some of the rule and one without; on few "
    "examples the one without is lower, on more the one with it",
    (CRITICAL, "sec-two-minima"),
    ("two_minima", *LOOP),
)
def trade_places(found: ByExperiment) -> Result:
    """B20: of two minima of one train set now one is the lower, now the other (choice C33)."""
    ends = found["two_minima"]
    pairs = analysis.two_starts(*analysis.by_start(ends))
    orders = analysis.orders(pairs)
    own = {(end.run.p, end.run.seed) for end in ends}  # D_crit is that of the same networks
    down, up = ([r for r in found[of] if (r.run.p, r.run.seed) in own] for of in LOOP)
    if not (down and up) or min(map(len, orders), default=0) < 2:
        return Result()
    first, *_, last = zip(*orders, strict=True)
    small = (None if lower is None else not lower for lower in first)
    core = claims.every([all(pair.apart for pair in pairs), *small, *last])
    orderly = (o == sorted(o, key=bool) and o[0] != o[-1] for o in orders)
    once = claims.every(None if None in o else so for o, so in zip(orders, orderly, strict=True))
    ratios = analysis.inside_the_loop(pairs, down, up)
    can_tell = all([*map(measures.rests, ends), *map(measures.crossings_rest, (down, up))])
    inside = all(ratio.within(1, inf) for ratio in ratios) if can_tell else None
    equal = measures.Summary.of([*analysis.equal_sizes(pairs).values()])
    ours = f"both starts end at an equal Eq. (2) on {equal.text('.0f')} examples, by seed; D_crit "
    ours += f"{measures.d_crit_bound(down)}, fresh networks end in memory up to "
    ours += f"{measures.d_crit_text(up)}; equal size over D_crit × {ratios[0].text()}, end of "
    ours += f"memory over equal size × {ratios[1].text()}"
    further: dict[str, Met] = {"on every seed the order changes once": once}
    further["Eq. (2) is equal between D_crit and where fresh networks leave memory"] = inside
    further |= measures.resting(ends)
    return Result(ours, core, further, Evidence.of(ends))


@CLAIMS.row(
    "B23",
    "Beyond: how deep the two minima are",
    "at p = 31 and 228 examples a network at rest in either minimum, shaken by noise, comes back",
    (CRITICAL, "fig-shaken"),
    ("shaken",),
    earlier="fails, by the ends of C33, to which 7 of 10 at 180 come back (C37)",
)
def deep(found: ByExperiment) -> Result:
    """B23: whether networks that are shaken come back to their minimum (choice C37)."""
    shakes = analysis.shakes(found["shaken"])
    sizes = analysis.by_field([shake for shake in shakes if shake.rested], "dataset_size")
    small, large = SHAKEN_AT
    kinds = [own for size in SHAKEN_AT for own in analysis.by_kind(sizes.get(size, []))]
    if not all(kinds):
        return Result()
    backs = {size: measures.how_many(s.comes_back for s in own) for size, own in sizes.items()}
    counts = ", ".join(f"{back} at {size}" for size, back in backs.items())
    ours = f"come back: {counts}; Eq. (2) changes {analysis.changes_text(sizes[large])}"
    keep, stay = (claims.every(s.comes_back for s in own) for own in kinds[:2])
    further: dict[str, Met] = {f"at {small} those without the rule come back": stay}
    further[f"at {small} one or more of those with it do not"] = None if keep is None else not keep
    ends = [shake.after for shake in shakes]
    rested = [shake.rested for shake in shakes] + [*map(measures.rests, ends)]
    further |= measures.true_or_open("every end is at rest", rested)
    core = claims.every(s.comes_back for s in sizes[large])
    return Result(ours, core, further, Evidence.of(ends))


@CLAIMS.row(
    "B49",
    "Beyond: how high the barrier around memory is",
    "at p = 31 the height in Eq. (2) over which a spring on the trigonometric logits pulls a "
    "network out of memory falls as the train set grows",
    (BARRIER, "fig-pushed"),
    ("pushed", "upper_branch"),
    earlier="open, by the rule as first written and its three sizes, with the largest value as the "
    "top, for most paths are highest at their end (C77)",
)
def barrier_falls(found: ByExperiment) -> Result:
    """B49: on every seed the height falls from each size to the next larger (choice C77)."""
    pushes = [barrier.Push(record) for record in found["pushed"]]
    seeds = {push.record.run.seed for push in pushes}
    fresh = [record for record in found["upper_branch"] if record.run.seed in seeds]
    steps = barrier.falls(pushes, rested=True)
    if not steps or not fresh or fresh[0].run.p != pushes[0].record.run.p:
        return Result()
    ratio = barrier.over_fresh(pushes, fresh)
    zeros = measures.Summary.of([*barrier.vanishing_sizes(pushes).values()])
    ours = f"heights {barrier.heights_text(pushes)}; straight lines reach 0 at "
    ours += f"{zeros.text('.0f')}, × {ratio.text()} of where fresh networks leave memory"
    agree = ratio.near(1, 1 + NEAR) if measures.crossings_rest(fresh) else None
    further: dict[str, Met] = {"the lines reach 0 where fresh networks leave memory": agree}
    further |= measures.true_or_open("memory rests before the push", (p.rested for p in pushes))
    return Result(ours, claims.every(steps), further, Evidence.of(found["pushed"]))
