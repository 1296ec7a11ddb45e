"""Claims about semi-grokking (Prediction 4): Figs. 1c, 5 and 6. Later evidence is read, too."""

from collections.abc import Mapping

import numpy as np

from grokkit.runs import Record, Records
from varma2023 import claims, measures
from varma2023.claims import ByExperiment, Claims, Evidence, Met, Result, every, told_without
from varma2023.measures import Summary, all_of, at_the_end, group, how_many, none_of, outcome
from varma2023.pages import CLOCK, CONVERGENCE, LEAVING, METASTABLE, MIDDLE, RIVALS, SEMI_GROKKING
from varma2023.semi_grokking import analysis
from varma2023.semi_grokking.analysis import (
    above_half,
    at_edge,
    before_spikes,
    in_full,
    share_text,
    spikes_in_memory,
    steep_text,
    while_calm,
)
from varma2023.semi_grokking.metastable import later_spikes
from varma2023.semi_grokking.sweeps import EDGE, STEP
from varma2023.statistics import bootstrap, proportion

FOUR = "Prediction 4, semi-grokking"
SETTLES = 1000  # the epoch from which on spikes of networks with the rule count (choice C47)
CLAIMS = Claims()


def _runs(found: ByExperiment) -> tuple[Records, list[Record], list[Record], Met, Evidence]:
    """The runs; of those that end semi-grokked the longer ones, and those in float64.

    And whether a run that ends semi-grokked stays so in a longer one, None where none was made;
    and the evidence.
    """
    records = found["semi_grokking"]
    longer, precise = analysis.made_again(records, found.get("semi_grokking_again", ()))
    stay = bool(analysis.standing(longer)) if longer else None
    made = Evidence.of(*filter(None, (records, longer)))
    return records, longer, precise, stay if analysis.standing(records) else False, made


@CLAIMS.row(
    "F1c",
    "Fig. 1c, semi-grokking",
    "near D_crit a run ends on a plateau of test accuracy below 0.95, and stays there",
    (SEMI_GROKKING, "fig-1c"),
    ("semi_grokking",),
    number="the example ends at 83%",
    heading=FOUR,
    few="the four networks that were trained for longer have three seeds",
)
def fig1c(found: ByExperiment) -> Result:
    """Fig. 1c: a run ends on a plateau below 0.95, and is still there when trained for longer."""
    records, longer, precise, stays, made = _runs(found)
    if not analysis.judged(records):
        return Result()
    standing = analysis.standing(longer)
    one = analysis.example(standing or records)
    ours = f"when trained for longer, {len(standing)} of {len(longer)} are still on a plateau; the "
    ours += f"example is at {one.final('test_accuracy'):.1%} after {one.run.epochs:,} epochs"
    too = {"one also stays in float64": bool(analysis.standing(precise)) if precise else None}
    too |= {"one that stays is at rest": any(map(measures.rests, standing)) or None}
    return Result(f"{ours} (D = {one.run.dataset_size:,})", stays, too, made)


@CLAIMS.row(
    "F5",
    "Fig. 5, many semi-grokking runs",
    "some of many runs near D_crit end on a plateau",
    (SEMI_GROKKING, "fig-5"),
    ("semi_grokking",),
    number="at least 6 of 200 (20 sizes from 1,500 to 2,050, 10 seeds)",
    heading=FOUR,
    few="the four networks that were trained for longer have three seeds",
)
def fig5(found: ByExperiment) -> Result:
    """Fig. 5: some of many runs near D_crit end on a plateau; of those, the ones that stay."""
    records, longer, _, stays, made = _runs(found)
    if not analysis.judged(records):
        return Result()
    n, stay = len(records), len(analysis.standing(longer))
    says = f"at least {analysis.PAPER_SHARE:.0%} of runs end on a plateau and stay there"
    enough = proportion(stay, n).tells(analysis.PAPER_SHARE, 1) if longer else None
    waits = bool(analysis.standing(records, measures.TRANSIENT))
    further = {says: enough, "some runs wait on a plateau and then generalise in full": waits}
    if ends := found.get("semi_grokking_ends"):
        middle = [end for end in ends if measures.end_kind(end) == measures.SEMI]
        still = sum(map(measures.rests, middle))
        name = f"the minimiser, too, rests in the middle ({still} of {len(ends)}; {len(middle)} end"
        further[f"{name} there)"] = bool(still) or (None if middle else False)
    ours = f"{len(analysis.standing(records))} of {n} end on a plateau, {stay} of them also when "
    ours += "trained for longer"
    counts = analysis.outcome_counts(records)
    return Result(f"{ours}; {counts}", stays, further, made)


@CLAIMS.row(
    "F6",
    "Fig. 6, one transient plateau",
    "a run waits at middling accuracy, then generalises",
    (SEMI_GROKKING, "fig-6"),
    ("semi_grokking",),
    number="D = 1,532; 0.55 from 8 to 18 million epochs, then 1; the norm drops at that moment",
    heading=FOUR,
    few="the four networks that were trained for longer have three seeds",
)
def fig6(found: ByExperiment) -> Result:
    """Fig. 6: a run waits on a plateau and then generalises; as it does, its norm drops."""
    records, longer, *_, made = _runs(found)
    if not analysis.judged(records):
        return Result()
    first, later = ([*filter(None, map(analysis.norm_drop, own))] for own in (records, longer))
    drops = [*first, *later]
    at_once = sum(drop.at_once for drop in drops)
    ours = f"{len(first)} of {len(records)} networks wait and then generalise, and {len(later)} "
    ours += f"of {len(longer)} longer runs; the norm drops at that moment in {at_once} of these"
    further = all_of("the norm drops as the plateau ends", (drop.at_once for drop in drops))
    return Result(ours, bool(drops), further, made)


@CLAIMS.row(
    "B12",
    "Beyond: a larger rate near D_crit",
    "at eight times the paper's learning rate most networks on 1,500 to 2,050 examples generalise "
    "within 16,000 epochs",
    (LEAVING, "fig-larger-step"),
    ("larger_step", "papers_sizes"),
    number="many need millions of epochs at its own rate",
    earlier="holds, smaller, by two networks at the usual rate (C50); holds, by two sizes (C25)",
)
def larger_step(found: ByExperiment) -> Result:
    """B12: at a larger rate most runs of the paper's range of sizes leave memory (choice C25)."""
    steps = group(found["larger_step"], "lr")
    *small, large = steps.values()
    there = analysis.in_papers_range(measures.at_largest(found["papers_sizes"], "lr"))
    if not there or not small:
        return Result()
    sizes = group(large, "dataset_size").items()
    by_size = ", ".join(f"{how_many(map(in_full, own))} at D = {size:,}" for size, own in sizes)
    ours = f"generalised within {large[0].run.epochs:,} epochs at η = {max(steps):g}: {by_size}"
    who = f"none generalises at η = {min(steps):g} in the same time"
    control = none_of(who, map(in_full, small[0]))
    ours += f"; {how_many(map(in_full, there))} on the sizes of Fig. 5"
    shares = [np.mean([*map(in_full, own)]) for own in group(there, "seed").values()]
    most = bootstrap(shares, np.mean).tells(0.5, 1)
    return Result(ours, most, control, Evidence.of(there, small[0]))


@CLAIMS.row(
    "B25",
    "Beyond: a large rate after memorising",
    "of the networks on 2,050 examples that generalise at eight times the paper's learning rate, "
    "fewer than half do so in the same time if the rate is cut to a quarter once they have "
    "memorised",
    (CLOCK, "fig-lowered"),
    ("larger_step", "lowered"),
)
def once_memorised(found: ByExperiment) -> Result:
    """B25: whether a large rate must last after memorising to carry out of memory (choice C41)."""
    led_out, pairs = _led_out(found["larger_step"], found["lowered"])
    if not pairs:
        return Result()
    still = sum(map(in_full, pairs))
    ours = f"{still} of {len(pairs)} generalise at η = {pairs[0].run.lr:g}, too"
    further = none_of("none spikes in memory", map(spikes_in_memory, pairs))
    fitted = (record["train_accuracy"][0] == 1 for record in pairs)
    further |= all_of("all had memorised before", fitted)
    return Result(ours, 2 * still < len(pairs), further, Evidence.of(led_out, pairs))


def _led_out(step: Records, later: Records) -> tuple[list[Record], list[Record]]:
    """Networks near D_crit that a larger rate leads out of memory, and the same ones in `later`."""
    by_seed = {record.run.seed: record for record in analysis.in_papers_range(later)}
    large = filter(in_full, analysis.before_lowering(step))
    led_out = [record for record in large if record.run.seed in by_seed]
    return led_out, [by_seed[record.run.seed] for record in led_out]


@CLAIMS.row(
    "B36",
    "Beyond: noise instead of spikes",
    "of the networks on 2,050 examples that generalise at eight times the paper's learning rate, "
    "fewer than half do so in the same time if, once they have memorised, the rate is cut to a "
    "quarter, and every partial derivative gets noise as large as these are at the larger rate",
    (METASTABLE, "fig-kicked"),
    ("larger_step", "leaving_memory", "kicked"),
)
def noise_instead(found: ByExperiment) -> Result:
    """B36: whether noise of the size of the instability leads out of memory (choice C55)."""
    *small, large = group([r for r in found["kicked"] if r.run.noise], "p").values()
    led_out, pairs = _led_out(found["larger_step"], large)
    if not (small and pairs):  # the quick profile has both sweeps at one modulus
        return Result()
    still, run = sum(map(in_full, pairs)), pairs[0].run
    ours = f"{still} of {len(pairs)} generalise at η = {run.lr:g} with noise of {run.noise:g} ε"
    largest = measures.at_largest(found["leaving_memory"], "lr")
    fast = measures.among(largest, small[0])
    told = f"{share_text(small[0])}; without noise, from random weights, {share_text(fast)} at "
    told += f"η = {largest[0].run.lr:g}"
    above = [sum(map(above_half, here)) for here in (small[0], fast)]
    fits = (record.final("train_accuracy") == 1 for record in pairs)
    further = all_of("all know their training set at the end", fits)
    further[f"fewer than half as many leave memory mod 31 ({told})"] = 2 * above[0] < above[1]
    return Result(ours, 2 * still < len(pairs), further, Evidence.of(led_out, pairs))


@CLAIMS.row(
    "B38",
    "Beyond: the step over ε, at one ελ",
    "of networks mod 31 that have memorised, at least half as many leave memory at the paper's "
    "learning rate with ε / 16 and 16 λ as at sixteen times this rate with ε and λ, in the same "
    "decay times",
    (LEAVING, "sec-leaving-eps"),
    ("exchanged",),
)
def step_over_epsilon(found: ByExperiment) -> Result:
    """B38: whether η / ε leads out of memory, and not the rate alone (choice C59)."""
    cells = [*group(found["exchanged"], "lr", "eps").values()]  # by both, from little to much
    if len(cells) < 4:
        return Result()
    low, usual, *_, large, raised = cells
    kinds = (low, usual, large, raised)
    n_low, n_usual, n_large, n_raised = (sum(map(above_half, kind)) for kind in kinds)
    if not n_large:
        return Result()
    spiky = [bool(later_spikes(record)) for record in low]
    ours = f"{share_text(low)} at η = {low[0].run.lr:g} with ε / {EDGE} and {EDGE} λ, "
    ours += f"{share_text(large)} at η = {large[0].run.lr:g}"
    with_more = f"fewer than half as many with {EDGE} ε and λ / {EDGE} at the larger rate "
    further = {f"{with_more}({share_text(raised)})": 2 * n_raised < n_large}
    as_usual = f"fewer than half as many at the paper's rate, ε and λ ({share_text(usual)})"
    further[as_usual] = 2 * n_usual < n_large
    most = f"most of those with ε / {EDGE} spike in memory ({how_many(spiky)})"
    further[most] = 2 * sum(spiky) > len(spiky)
    return Result(ours, 2 * n_low >= n_large, further, Evidence.of(*cells))


@CLAIMS.row(
    "B32",
    "Beyond: a smaller rate keeps memory",
    "of the networks mod 31 on 320 to 360 examples that end above a test accuracy of ½ at the "
    "paper's learning rate, fewer than half do at a quarter of it, in the same time η × epochs",
    (METASTABLE, "fig-slower"),
    ("semi_grokking", "slower"),
)
def at_smaller_rate(found: ByExperiment) -> Result:
    """B32: whether a smaller learning rate keeps networks in memory (choice C51).

    Networks of the same sizes that were not run may have ended either way.
    """
    slow, usual = found["slower"], measures.among(found["semi_grokking"], found["slower"])
    sizes = {record.run.dataset_size for record in slow}
    all_usual = [r for r in found["semi_grokking"] if r.run.dataset_size in sizes]
    n = sum(map(above_half, all_usual))
    above, led = ([*filter(above_half, own)] for own in (usual, slow))
    still = measures.among(led, above)
    alone = len(led) - len(still)
    if not above:
        return Result()
    ours = f"{len(still)} of {len(above)} end above ½ at η = {slow[0].run.lr:g}, too"
    ours += f"; {n - len(above)} were not run" if n > len(above) else ""
    other, at_most = len(usual) - len(above), len(still) + n - len(above)
    missing = len(all_usual) - n - other
    core = None if 2 * len(still) < n <= 2 * at_most else 2 * at_most < n
    none = False if alone else None if missing or not other else True
    who = f"none ends above ½ at the smaller rate alone ({alone} of {other} that were run)"
    return Result(ours, core, {who: none}, Evidence.of(usual, slow))


@CLAIMS.row(
    "B24",
    "Beyond: semi-grokking among many networks",
    "of networks mod 31 near D_crit, at up to eight times the paper's learning rate, at least 3% "
    "end in the middle and are still on a plateau when trained four times as long",
    (MIDDLE, "fig-middle"),
    tuple(analysis.NEAR[:-1]),
    number="at least 6 of 200",
    earlier="fails, by the share without its interval (C39)",
)
@told_without("C101", "leaving_more")
def many(found: ByExperiment) -> Result:
    """B24: whether semi-grokking is as frequent as in the paper, and lasts (choice C39)."""
    return _lasting(analysis.Left.near(found), found["semi_grokking"], {})


@CLAIMS.row(
    "B29",
    "Beyond: do plateaus last, at the paper's modulus?",
    "of 200 networks mod 113 on the paper's 20 sizes, at eight times its learning rate, at least "
    "3% end in the middle and are still on a plateau when trained four times as long",
    (SEMI_GROKKING, "fig-papers-sizes"),
    ("papers_sizes", "papers_sizes_again"),
    number="at least 6 of 200 at their first end; longer runs are not told",
    earlier="fails, with the criterion on the rate open, from 15 pairs (C45)",
)
def at_papers_sizes(found: ByExperiment) -> Result:
    """B29: the same as B24 at the paper's modulus and sizes (choice C45)."""
    records = found["papers_sizes"]
    large = measures.at_largest(records, "lr")
    same = analysis.same_side(records)
    name = f"at half of that rate networks end on the same side of ½ ({how_many(same)}; "
    name += f"{analysis.ALIKE} of {analysis.OF_PAIRS} asked)"
    left = analysis.Left.of(large, (), (), found["papers_sizes_again"])
    return _lasting(left, large, {name: analysis.is_alike(same)})


def _lasting(left: analysis.Left, usual: Records, more: Mapping[str, Met]) -> Result:
    """Whether semi-grokking among these is as frequent as in the paper, and lasts; and `more`."""
    if not analysis.judged(usual):
        return Result()
    n, stay, rest = len(left.networks), left.stay, left.rest
    told = len(left.later) == len(left.middle)
    who = f"the minimiser, started from these ends, rests in the middle ({how_many(rest)})"
    further = {**_below(stay, "ends"), who: all(rest) if rest and len(rest) == len(stay) else None}
    further |= more
    ours = f"{len(left.middle)} of {n} end in the middle, {len(stay)} of them also when trained "
    share = proportion(len(stay), n)
    ours += f"for longer: {share.text('.1%')}"
    core = share.tells(analysis.PAPER_SHARE, 1) if told else None
    return Result(ours, core, further, Evidence.of(left.networks))


@CLAIMS.row(
    "B17",
    "Beyond: the spikes near D_crit",
    "the rounded float32 loss makes the training loss of networks near D_crit spike, the exact "
    "loss does not",
    (RIVALS, "sec-6-rounding"),
    ("rounded", "semi_grokking"),
    number="accuracy spikes several times, and the training loss fluctuates",
    earlier="in part, too, by the first two sizes (C64)",
)
def rounding(found: ByExperiment) -> Result:
    """B17: whether rounding makes the loss of networks near D_crit spike (choice C30)."""
    pairs = analysis.by_loss(found["semi_grokking"], found["rounded"])
    if len(pairs) < claims.ENOUGH_SEEDS:
        return Result()
    exact, rounded = ([*records] for records in zip(*pairs, strict=True))
    calm, spiky = (sum(measures.spikes(record) > 0 for record in each) for each in (exact, rounded))
    even, uneven = (sum(map(analysis.dips, records)) for records in (exact, rounded))
    ends, others = (analysis.outcome_counts(records) for records in (rounded, exact))
    ours = f"with the rounded loss {spiky} of {len(pairs)} spike, the accuracy of {uneven} dips, "
    ours += f"and the ends are {ends}; with the exact one {calm} spike, the accuracy of {even} "
    ours += f"dips, and the ends are {others}; over the "
    wide, narrow = (Summary.of([*map(analysis.loss_span, each)]) for each in (rounded, exact))
    ours += f"last half the loss spans {wide.text('.1f')} powers of ten with the rounded loss, "
    ours += f"{narrow.text('.2f')} with the exact one"
    dips = 2 * uneven > len(pairs) and not even
    further = all_of("every network with the rounded loss spikes", map(measures.spikes, rounded))
    further["accuracy dips in most of these, in none with the exact loss"] = dips
    alike = (outcome(one) == outcome(other) for one, other in pairs)
    further |= all_of("every pair ends alike", alike)
    core = measures.spike_by_rounding(rounded, exact)
    return Result(ours, core, further, Evidence.of(exact, rounded))


def _at(records: Records) -> str:
    """ ", at 0.60, 0.85": the test accuracies at which these end, if there are any."""
    ends = ", ".join(f"{end:.2f}" for end in sorted(map(at_the_end, records)))
    return ends and f", at {ends}"


def _below(records: Records, does: str) -> dict[str, Met]:
    """Whether one of these ends below the paper's plateau."""
    low = any(at_the_end(record) < analysis.PAPERS_PLATEAU for record in records)
    return {f"one of these {does} below {analysis.PAPERS_PLATEAU}": low}


@CLAIMS.row(
    "B42",
    "Beyond: in the middle, with a loss that rounds",
    "with the rounded float32 loss most of our networks near D_crit that end semi-grokked stay so "
    "when trained four times as long",
    (MIDDLE, "fig-rounded-again"),
    ("rounded_again",),
    number="at least 6 of 200 end semi-grokked",
    earlier="holds, smaller, before it asked for ends at rest (C66)",
    few="the eight networks that ended so have four seeds (C66)",
)
def rounded_stay(found: ByExperiment) -> Result:
    """B42: whether networks with the rounded loss stay in the middle (choice C66)."""
    records = found["rounded_again"]
    if len(records) < analysis.FEWEST:
        return Result()
    stay = analysis.standing(records)
    ours = f"{len(stay)} of {len(records)} stay{_at(stay)}"
    further = _below(stay, "ends") | none_of("none ends in full", map(in_full, records))
    further |= measures.resting(records)
    return Result(ours, 2 * len(stay) > len(records), further, Evidence.of(records))


@CLAIMS.row(
    "B43",
    "Beyond: what holds them in the middle",
    "trained on from where they end semi-grokked with the rounded float32 loss, most of our "
    "networks reach full accuracy with the exact loss, and most stay semi-grokked with the "
    "rounded one",
    (MIDDLE, "fig-held"),
    ("held",),
    few="the networks are those of C66, which have four seeds",
)
def rounding_holds(found: ByExperiment) -> Result:
    """B43: whether rounding holds networks in the middle (choice C67)."""
    networks = analysis.held(found["held"])
    if len(networks) < analysis.FEWEST:
        return Result()
    exact, rounded, rest = zip(*networks, strict=True)
    gone, stay, of = sum(map(in_full, exact)), len(analysis.standing(rounded)), len(rest)
    ours = f"with the exact loss {gone} of {of} end in full; "
    ours += f"with the rounded one {stay} of {of} stay semi-grokked"
    further = none_of("with the rounded loss none ends in full", map(in_full, rounded))
    to_rule = (measures.rests(end) and measures.end_kind(end) == measures.FULL for end in rest)
    further |= all_of("from each of them the minimiser comes to rest above 0.95", to_rule)
    return Result(ours, 2 * min(gone, stay) > of, further, Evidence.of(exact, rounded, rest))


@CLAIMS.row(
    "B45",
    "Beyond: minima in the middle",
    "most of our networks near D_crit that end in the middle with the rounded float32 loss lead to "
    "a minimum of Eq. (2) in the middle",
    (MIDDLE, "fig-carried"),
    ("carried",),
)
def minima_in_the_middle(found: ByExperiment) -> Result:
    """B45: where networks rest that are left in the middle, from their own weights (choice C69)."""
    rounded, exact = (analysis.carried(found["carried"], loss) for loss in ("rounded", "exact"))
    if len(rounded) < analysis.FEWEST_CARRIED:
        return Result()
    rest, others = ([*filter(analysis.rests_in_the_middle, each)] for each in (rounded, exact))
    ours = f"{len(rest)} of {len(rounded)} rest in the middle{_at(rest)}"
    name = f"after the exact loss fewer than half do ({len(others)} of {len(exact)})"
    evidence = Evidence.of(*filter(None, (rounded, exact)))
    further = {**_below(rest, "rests"), name: 2 * len(others) < len(exact) if exact else None}
    return Result(ours, 2 * len(rest) > len(rounded), further, evidence)


@CLAIMS.row(
    "B46",
    "Beyond: AdamW at minima in the middle",
    "most of our networks whose own weights lead the minimiser to rest in the middle stay "
    "semi-grokked when AdamW goes on from these weights",
    (MIDDLE, "fig-on"),
    ("continued", "carried"),
    earlier="holds, smaller, before it asked for ends at rest (C70)",
    few="the networks that the minimiser leaves in the middle have four seeds",
)
def stays_at_rest(found: ByExperiment) -> Result:
    """B46: whether AdamW stays where the minimiser rests (choice C70)."""
    pairs = analysis.gone_on(found["continued"], found["carried"])
    held = [on for on, end in pairs if analysis.rests_in_the_middle(end)]
    if len(held) < analysis.FEWEST:
        return Result()
    out = [on for on, end in pairs if measures.end_kind(end) == measures.FULL]
    stay, ends = analysis.standing(held), ", ".join(f"{at_the_end(on):.2f}" for on in held)
    ours = f"{len(stay)} of {len(held)} stay; the ends are {ends}"
    full = all_of("those that the minimiser leads out end in full", map(in_full, out))
    further = {**full, **measures.resting(held)}
    return Result(ours, 2 * len(stay) > len(held), further, Evidence.of(held))


SAME_COUNT = 2  # of ten pairs at two rates, the most by which the numbers in the middle differ


@CLAIMS.row(
    "B52",
    "Beyond: the middle, in narrower networks",
    "at each of three moduli a network less than half as wide as the paper's ends in the middle, "
    "on a size around which fresh ones change to the rule, and from its weights the minimiser "
    "rests in the middle, too",
    (MIDDLE, "fig-narrower"),
    ("narrower", "narrower_ends"),
)
@told_without("C87", "narrower_more")
def narrower(found: ByExperiment) -> Result:
    """B52: whether narrower networks rest in the middle, at three moduli (choices C83, C87)."""
    more = found.get("narrower_more", ())
    known = analysis.Narrower.of([*found["narrower"], *found["narrower_ends"], *more])
    moduli = group(known.fast, "p")
    if len(moduli) < 3:
        return Result()
    by_modulus = group(known.ends, "p")
    core = every(_some_rest(by_modulus.get(p, [])) for p in moduli)
    rest = [*filter(analysis.rests_in_the_middle, known.ends)]
    told = analysis.by_modulus_text
    ours = f"{told(known.fast, analysis.in_the_middle)} end in the middle; of those carried on, "
    ours += f"{told(known.ends, analysis.rests_in_the_middle)} rest there{_at(rest)}"
    further = _below(rest, "rests")
    further["most of those carried on rest in the middle"] = 2 * len(rest) > len(known.ends)
    stay = analysis.standing([on for on, _ in known.on])
    by_adamw = f"by AdamW most of these stay semi-grokked ({len(stay)} of {len(known.on)})"
    further[by_adamw] = 2 * len(stay) > len(known.on) if known.on else None
    fast, slow = map(len, known.pairs)
    rates = f"at the paper's rate about as many are in the middle ({slow}, against {fast} of "
    further[f"{rates}{len(known.slow)})"] = abs(fast - slow) <= SAME_COUNT if known.slow else None
    made = filter(None, (*moduli.values(), known.ends, known.slow))
    return Result(ours, core, further, Evidence.across(*made))


def _some_rest(ends: Records) -> Met:
    """Whether an end rests in the middle; None unless enough, all at rest, say that none does."""
    if any(map(analysis.rests_in_the_middle, ends)):
        return True
    told = len(ends) >= analysis.FEWEST_CARRIED and all(map(measures.rests, ends))
    return False if told else None


@CLAIMS.row(
    "B19",
    "Beyond: two kinds of spikes",
    "at eight times the paper's learning rate spikes come when the loss is as steep as AdamW's "
    "step allows, but those that a rounded loss causes come when it is not",
    (CLOCK, "fig-steep"),
    ("steep",),
)
def too_steep(found: ByExperiment) -> Result:
    """B19: whether a larger rate spikes at the edge, and rounding does not (choice C32)."""
    steep = analysis.Steep.of(found["steep"])
    larger, usual, rounded, between = steep
    if not analysis.in_papers_range(larger):
        return Result()
    kinds = ((before_spikes, larger), (before_spikes, rounded), (while_calm, usual))
    told = [steep_text(read, own) for read, own in kinds]
    first, other, calm = (at_edge(read, own) for read, own in kinds)
    core = all(map(before_spikes, (*larger, *rounded))) and all(first) and not any(other)
    ours = f"steepness before spikes {told[0]} at η = {larger[0].run.lr:g}, {how_many(first)} at "
    ours += f"the edge; {told[1]} with the rounded loss, {how_many(other)}; calm at "
    ours += f"η = {usual[0].run.lr:g}: {told[2]}"
    none = f"at the usual rate none is at the edge ({how_many(calm)}), and none spikes"
    further = {none: not any(calm) and not any(map(measures.spikes, usual))}
    for rate, records in between.items():
        foretold = len(records) if steep.spike_foretold(rate) else 0
        who = f"at η = {rate:g} {'all spike' if foretold else 'none spikes'}, as forecast"
        spiky = [*map(bool, map(spikes_in_memory, records))]
        further[f"{who} ({how_many(spiky)})"] = sum(spiky) == foretold
    return Result(ours, core, further, Evidence.of(larger, usual, rounded, *between.values()))


@CLAIMS.row(
    "B30",
    "Beyond: spikes at the paper's rate",
    "at the paper's learning rate networks that have ungrokked spike, and their loss is then as "
    "steep as AdamW's step allows",
    (CONVERGENCE, "fig-forgetting"),
    ("forgetting",),
)
def at_papers_rate(found: ByExperiment) -> Result:
    """B30: whether ungrokked networks spike at the edge, and those with the rule do not (C47)."""
    few, many = group(found["forgetting"], "dataset_size").values()
    if few[0].run.p != analysis.PAPER_P:
        return Result()
    before, spiky = steep_text(before_spikes, few), [*map(bool, map(spikes_in_memory, few))]
    ours = f"{how_many(spiky)} spike on {few[0].run.dataset_size:,} examples; steepness before "
    ours += f"spikes {before}, where AdamW tolerates {measures.stable_below(few[0].run):.0f}; "
    ours += f"{steep_text(while_calm, many)} while calm on {many[0].run.dataset_size:,}"
    late = (any(record["epoch"][measures.spike_starts(record)] > SETTLES) for record in many)
    further = none_of(f"with the rule none spikes after epoch {SETTLES:,}", late)
    further |= none_of("with the rule none is at the edge", at_edge(while_calm, many))
    core = all(spiky) and all(at_edge(before_spikes, few))
    return Result(ours, core, further, Evidence.of(few, many))


@CLAIMS.row(
    "B31",
    "Beyond: the edge at the paper's rate",
    "at the paper's learning rate the loss of fresh networks becomes as steep as AdamW's step "
    "allows while they are in memory",
    (LEAVING, "fig-remembering"),
    ("remembering",),
)
def fresh_at_papers_rate(found: ByExperiment) -> Result:
    """B31: whether fresh networks in memory are at the edge, and spike from there (C49)."""
    few, many = group(found["remembering"], "dataset_size").values()
    if few[0].run.p != analysis.PAPER_P:
        return Result()
    told, stay = [], []
    for here in (few, many):
        calm, spiky = at_edge(while_calm, here), sum(map(bool, map(spikes_in_memory, here)))
        size = f"steepness {steep_text(while_calm, here)} while calm on "
        size += f"{here[0].run.dataset_size:,} examples"
        told.append(f"{size}, {how_many(calm)} at the edge, and {spiky} spike")
        stay.append(all(calm) and all(max(r["test_accuracy"]) < 0.5 for r in here))
    ours = f"{'; '.join(told)}; AdamW tolerates {measures.stable_below(few[0].run):.0f}"
    spiking = [record for record in (*few, *many) if spikes_in_memory(record)]
    further = {
        "on few examples all are at the edge, too": stay[0],
        "on the paper's size at least one spikes": any(map(spikes_in_memory, many)),
        "none spikes from below the edge": all(at_edge(before_spikes, spiking)),
    }
    return Result(ours, stay[1], further, Evidence.of(few, many))


@CLAIMS.row(
    "B22",
    "Beyond: the edge, not the rate",
    "at the paper's learning rate, but with so little momentum that AdamW tolerates a sixteenth of "
    "the curvature, most networks on 280 and 300 examples mod 31 end above a test accuracy of ½",
    (CLOCK, "fig-momentum"),
    ("momentum",),
)
def by_momentum(found: ByExperiment) -> Result:
    """B22: whether less momentum alone carries networks out of memory (choice C36)."""
    kinds = [*group(found["momentum"], "beta1").values()]
    if len(kinds) < 3 or len(group(kinds[0], "seed")) < claims.ENOUGH_SEEDS:
        return Result()
    (less, usual, more), told = kinds, [*map(share_text, kinds)]
    ours = f"end above accuracy ½: {told[0]} with β₁ = {less[0].run.beta1:.4g}, {told[1]} with "
    ours += f"{usual[0].run.beta1:g}; {told[2]} with {more[0].run.beta1:.4g} at {EDGE} times the "
    ours += "rate"
    further = none_of("with the usual momentum none ends above ½", map(above_half, usual))
    further |= all_of("with less momentum all spike in memory", map(spikes_in_memory, less))
    who = f"with more momentum, at {EDGE} times the rate, none ends above ½"
    further |= none_of(who, map(above_half, more))
    core = 2 * sum(map(above_half, less)) > len(less)
    return Result(ours, core, further, Evidence.of(less, usual, more))


@CLAIMS.row(
    "B35",
    "Beyond: spikes kept low",
    "at eight times the paper's learning rate, fewer than half as many networks on 2,050 examples "
    "generalise if long gradients are clipped once they have memorised, so that spikes stay low",
    (METASTABLE, "fig-clipped"),
    ("clipped",),
)
def spikes_kept_low(found: ByExperiment) -> Result:
    """B35: whether networks leave memory when their spikes are kept low (choice C54)."""
    *small, large = (group(own, "clip") for own in group(found["clipped"], "p").values())
    if not small:  # the quick profile, and the paper's, have both sweeps at one modulus
        return Result()
    free, clipped = large.values()
    if not analysis.in_papers_range(free):
        return Result()
    left = [sum(map(in_full, own)) for own in (free, clipped)]
    ours = f"{left[1]} of {len(clipped)} generalise clipped at {clipped[0].run.clip:g} ε, "
    ours += f"{left[0]} of {len(free)} unclipped"
    usual, low, *_ = small[0].values()
    above = [sum(map(above_half, own)) for own in (usual, low)]
    told = f"{share_text(low)}, {share_text(usual)} unclipped"
    further = all_of("every clipped network spikes in memory", map(spikes_in_memory, clipped))
    who = f"fewer than half as many leave memory mod 31, at {EDGE} times the rate ({told})"
    further[who] = 2 * above[1] < above[0]
    return Result(ours, 2 * left[1] < left[0], further, Evidence.of(free, clipped))


@CLAIMS.row(
    "B21",
    "Beyond: a larger rate, fewer examples",
    "at p = 31 and eight times the paper's learning rate, fresh networks generalise on smaller "
    "training sets in the same time η × epochs",
    (CLOCK, "fig-leaving"),
    ("semi_grokking", "leaving_memory"),
    earlier="fails, by narrower intervals (C94)",
)
@told_without("C99", "leaving_more")
def fewer_examples(found: ByExperiment) -> Result:
    """B21: whether a larger rate moves the size on which fresh networks generalise (choice C34)."""
    more = found.get("leaving_more", ())
    return _on_fewer([*found["semi_grokking"], *found["leaving_memory"], *more])


@CLAIMS.row(
    "B28",
    "Beyond: a larger rate, mod 53",
    "at p = 53, too, fresh networks generalise on smaller training sets at eight times the paper's "
    "learning rate, in the same time η × epochs",
    (LEAVING, "fig-leaving-53"),
    ("leaving_memory_53",),
    earlier="open, by sizes up to 920, and then up to 980 (C44)",
)
def fewer_mod_53(found: ByExperiment) -> Result:
    """B28: the same as B21 at another modulus (choice C44)."""
    return _on_fewer(found["leaving_memory_53"])


def _on_fewer(every: Records) -> Result:
    """Whether networks generalise on fewer examples at `STEP` times the first of the rates."""
    (base, usual), *others = group(every, "lr").items()
    rates = dict(others)
    larger = rates.pop(STEP * base, [])
    if not analysis.judged(usual) or not larger:
        return Result()
    ratio = analysis.size_ratio(larger, usual)
    early = analysis.only_there([r for r in every if r.run.lr != base], usual)
    ours = f"accuracy ½ at {measures.d_crit_text(usual)} examples at η = {base:g}, "
    ours += f"{measures.d_crit_text(larger)} at {larger[0].run.lr:g}: × {ratio.text()}"
    ratios = {rate: analysis.size_ratio(own, usual) for rate, own in rates.items()}
    further = {f"at η = {rate:g}, too": analysis.is_smaller(each) for rate, each in ratios.items()}
    who = "networks that end above ½ only at a larger rate spike in memory"
    further |= all_of(who, map(spikes_in_memory, early))
    return Result(ours, analysis.is_smaller(ratio), further, Evidence.of(usual, larger))
