"""The score as eight cards: verdicts, one number of ours beside the paper's, a small picture."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import NamedTuple

import numpy as np

from grokkit.runs import Records
from grokkit.theorems import EqualCircuits, optimal_shares
from varma2023 import board, claims, measures
from varma2023.claims import ByExperiment, Claim, Result, seeds_badge
from varma2023.efficiency import analysis as efficiency
from varma2023.efficiency import claims as predictions
from varma2023.efficiency import critical
from varma2023.efficiency.costs import at_papers_modulus
from varma2023.measures import group
from varma2023.publish import overview
from varma2023.publish.sparks import Axis, Curve, spark
from varma2023.rivals import analysis as rivals
from varma2023.semi_grokking import analysis as semi_grokking
from varma2023.tables import badges, capitalised, indexed, powers
from varma2023.theorems.analysis import minimise_weights

SCORE = "chapters/score.html"
SHARE = Axis(0, 1.03)  # of test accuracy, or of a weight


class Face(NamedTuple):
    """What a card shows besides its verdicts."""

    what: str  # what the number is
    ours: str
    paper: str  # the same in the paper
    picture: str  # a `spark`
    about: str  # what the picture shows


Results = Mapping[str, Result]


def _median(records: Records, metric: str, colour: str, dash: str = "") -> Curve:
    """The median of a metric over runs, at the epochs of the longest."""
    return Curve(*measures.median_curve(records, metric), colour, dash=dash)


def phenomena(found: Results, every: ByExperiment) -> Face:
    """Fig. 1a: accuracies of the networks that grok, and the epoch at which they do."""
    runs, last = every["grokking"], every["grokking"][0].run.epochs
    ours = measures.mark_epochs(measures.grokked(every), measures.GENERALISED).text()
    curves = [_median(runs, "train_accuracy", "train"), _median(runs, "test_accuracy", "test")]
    near, at_papers = overview.PAPERS_RISE, measures.at_papers_setting(runs)
    alt = f"Train accuracy is 1 almost at once; test accuracy passes 0.98 at epoch {ours}."
    drawn = spark(curves, Axis(0, last), SHARE, alt, paper_x=near if at_papers else None)
    about = f"train and test accuracy up to epoch {last:,}"
    return Face("generalises at epoch", ours, f"near {near:,}", drawn, about)


def costs(found: Results, every: ByExperiment) -> Face:
    """Fig. 3: the norm for one correct logit against D, of both circuits."""
    both = efficiency.memorised(every["memorising"]), efficiency.gated(every["generalising"])
    level = critical.common_logit(*both)
    lines = [np.exp(critical.cost_curve(efficiency.logs_by_seed(own), level)).T for own in both]
    exponents = [efficiency.fitted(own, "exponent").value for own in both]
    anew = efficiency.gated_at_rest(every.get("generalising_anew", []))
    alike = efficiency.power_anew(anew, both[1])
    curves = [Curve(x, y, name) for (x, y), name in zip(lines, ("mem", "gen"), strict=True)]
    curves += [curve._replace(dots=True) for curve in curves]
    sizes, norms = (np.concatenate(each) for each in zip(*lines, strict=True))
    alt = f"For a correct logit of {level:.0f} memorising takes a norm of {lines[0][1][0]:.0f} at "
    alt += f"{sizes.min():,.0f} examples and {lines[0][1][-1]:.0f} at {lines[0][0][-1]:,.0f}; "
    alt += f"the rule {lines[1][1].min():.0f} to {lines[1][1].max():.0f}."
    drawn = spark(curves, Axis(sizes.min(), sizes.max(), True), Axis(0, norms.max()), alt)
    spans = [f"{x.min():,.0f} – {x.max():,.0f}" for x, _ in lines]
    about = f"norm at a fixed logit: memory on {spans[0]} examples, the rule on {spans[1]} "
    about += "(each seed from one start)"
    ours = f"{exponents[0]:.2f} to memorise, {exponents[1]:.2f} for the rule"
    ours += f", {alike.text('.2f')} trained anew on each size" if np.isfinite(alike.value) else ""
    return Face("norm ∝ D to the power", ours, "rises; flat for the rule; no number", drawn, about)


def transition(found: Results, every: ByExperiment) -> Face:
    """Fig. 4: accuracy after ungrokking against D', and where it is 0.7."""
    ends = every["transition"]
    curves = [Curve(*measures.curve(own), "test") for own in group(ends, "seed").values()]
    sizes, level = [*group(ends, "dataset_size")], overview.SEVEN
    ours, (low, high) = measures.d_crit_text(ends, level), overview.PAPERS_SEVEN
    alt = f"Test accuracy after ungrokking rises with D′ and is {level} at {ours}, each line a "
    alt += "seed."
    at = (low, high) if measures.papers_task(ends) else None
    drawn = spark(curves, Axis(sizes[0], sizes[-1], True), SHARE, alt, paper_x=at)
    about = f"final test accuracy, D′ = {sizes[0]:,} – {sizes[-1]:,}"
    return Face(f"accuracy {level} at D′", ours, f"{low:,} – {high:,}", drawn, about)


def plateaus(found: Results, every: ByExperiment) -> Face:
    """Fig. 5: how many runs end on a plateau, and the one that stays there."""
    runs, near = every["semi_grokking"], overview.near_d_crit(every)
    longer, precise = semi_grokking.made_again(runs, every.get("semi_grokking_again", []))
    n, of, one = len(semi_grokking.standing(runs)), len(runs), semi_grokking.example(near)
    last, end = overview.round_epochs([one]), one.final("test_accuracy")
    curves = [Curve(one["epoch"], one[f"{of}_accuracy"], of) for of in ("train", "test")]
    alt = f"Test accuracy of a run that ends at {end:.2f}, which the paper's example does at "
    alt += f"{semi_grokking.PAPERS_PLATEAU}."
    drawn = spark(curves, Axis(0, last), SHARE, alt, paper_y=semi_grokking.PAPERS_PLATEAU)
    about = f"a run that ends at {end:.2f}, up to epoch {last:,} of {one.run.epochs:,}"
    if "B29" in found:
        about += f"; mod 113, at eight times the rate: {found['B29'].ours}"
    ours = f"{n} of {of} runs mod {one.run.p}"
    if longer:
        ours += f", {len(semi_grokking.standing(longer))} also when trained longer, "
        ours += f"{len(semi_grokking.standing(precise))} in float64"
    return Face("end on a plateau", ours, "6 or more of 200", drawn, about)


def takeover(found: Results, every: ByExperiment) -> Face:
    """Fig. 9: the correct logit's two parts, and the epoch at which one overtakes the other."""
    runs, mark = every["grokking"], measures.LED
    ours, last = measures.mark_epochs(measures.grokked(every), mark).text(), runs[0].run.epochs
    curves = [_median(runs, "trig_logit", "gen"), _median(runs, "mem_logit", "mem")]
    top = max(float(np.max(curve.y)) for curve in curves)
    alt = f"The rule's part of the correct logit overtakes memory's at epoch {ours}."
    at = mark.paper if measures.at_papers_setting(runs) else None
    drawn = spark(curves, Axis(0, last), Axis(0, 1.05 * top), alt, paper_x=at)
    about = f"logit of the rule and of memory up to epoch {last:,}, by the paper's split; with "
    fair = measures.mark_epochs(measures.grokked(every), measures.LED_FAIRLY)
    about += f"memory's share given back, the rule leads from {fair.text()}"
    return Face("the rule overtakes memory at epoch", ours, f"near {mark.paper:,}", drawn, about)


def theorem(found: Results, every: ByExperiment) -> Face:
    """The share of the more efficient of two circuits, by Theorem D.4 and by search."""
    pair = EqualCircuits((1.0, 2.0))
    kappas = np.linspace(0.05, 2, 40) * pair.q
    few = kappas[3::6]
    shares = [optimal_shares(replace(pair, kappa=float(kappa)))[0] for kappa in kappas]
    weights = [minimise_weights(replace(pair, kappa=float(kappa))) for kappa in few]
    searched = [w[0] / w.sum() for w in weights]
    curves = [Curve(kappas, shares, "reference", dash="7 4"), Curve(few, searched, "norm", True)]
    alt = f"Share of the more efficient of two circuits against κ: {shares[0]:.0%} of the weight "
    alt += f"at κ = {kappas[0]:g}, all from κ = q = {pair.q:g} on; a search finds the theorem's."
    drawn = spark(curves, Axis(0, float(kappas[-1])), Axis(0, 1.1), alt)
    about = f"share of the better circuit, κ = 0 – {kappas[-1]:g}: theorem, and dots by search"
    ours = powers(found["T-D.4"].ours.removeprefix("largest distance "))
    return Face("largest distance from D.4, by search", ours, "proved", drawn, about)


def without_decay(found: Results, every: ByExperiment) -> Face:
    """Sec. 7: test accuracy by weight decay, and how many networks grok without any."""
    decays = rivals.by_decay(every["ablations"])
    last = max(record.run.epochs for record in every["ablations"])
    dashes = dict(zip(sorted(decays, reverse=True), ("", "8 4", "2 4"), strict=False))
    curves = [_median(decays[w], "test_accuracy", "test", dash) for w, dash in dashes.items()]
    without = [*decays[0.0], *rivals.later(every)]
    ours = f"{rivals.grok_text(without)} examples"
    named = ", ".join(f"{decay:g}" for decay in dashes)
    alt = f"Test accuracy by weight decay, {named}: without, {ours} grok."
    drawn = spark(curves, Axis(0, last), SHARE, alt)
    about = f"test accuracy for weight decay {named} (solid to dotted)"
    return Face("grok without weight decay", ours, "slower, harder to get", drawn, about)


def predicted(found: Results, every: ByExperiment) -> Face | None:
    """Claims B2 and B9: D_crit measured against D_crit predicted from costs, in several tasks."""
    memory, tasks = every["papers_memory"], every["other_tasks"]
    own = predictions.minimum_pairs(at_papers_modulus(every["transition"], memory))
    rows = [*own, *predictions.task_pairs(memory, tasks)]
    by_cost = [row for row in rows if np.isfinite(row.ratio)]
    if not by_cost:
        return None
    known = np.array([[row.predicted.value, row.measured.value] for row in by_cost])
    x, y = known.T
    low, high = float(known.min()), float(known.max())
    axis, ratios = Axis(0.9 * low, 1.1 * high, True), x / y
    ours = f"{ratios.min():.2f} – {ratios.max():.2f} of the measured one"
    curves = [Curve([low, high], [low, high], "reference", dash="2 3"), Curve(x, y, "norm", True)]
    alt = f"{len(x)} measured sizes at which networks forget, {y.min():,.0f} to {y.max():,.0f}, "
    alt += f"against those predicted from costs: a prediction is {ours}."
    n_own = sum(row in own for row in by_cost)
    about = f"D_crit of {n_own} seeds of x + y and {len(by_cost) - n_own} other tasks, measured ("
    about += "of other tasks a lower bound) against predicted; dotted: equal"
    return Face("D_crit, predicted from costs", ours, "none", spark(curves, axis, axis, alt), about)


FACES: dict[str, tuple[Callable[[Results, ByExperiment], Face | None], tuple[str, ...]]] = {
    "three phenomena": (phenomena, ("grokking",)),
    "efficiency": (costs, ("memorising", "generalising")),
    "the transition": (transition, ("transition",)),
    "semi-grokking": (plateaus, ("semi_grokking",)),
    "mechanism": (takeover, ("grokking",)),
    "theorems": (theorem, ()),
    "rivals": (without_decay, ("ablations",)),
    "beyond": (predicted, ("papers_memory", "transition", "other_tasks")),
}
"""By part of the board: what its card shows, and the experiments without which it shows nothing."""


MANY = 12  # claims of a card, beyond which all but their count by verdict are folded


def evidence(results: Sequence[Result]) -> list[str]:
    """What the results of a card rest on: optimisers, moduli, and the range of seeds."""
    made = [result.evidence for result in results if result.evidence]
    by = sorted({name for each in made for name in each.optimisers})
    known = {name for each in made for name in each.settings}
    settings = sorted(known, key=lambda name: [int(n) for n in re.findall(r"\d+", name)][:1])
    return [*by, *settings, *seeds_badge(made)]


def _marks(own: Sequence[Claim], results: Sequence[Result]) -> str:
    """The verdicts of a card; more than `MANY` the script folds, below a count of each."""
    marks = []
    for each, result in zip(own, results, strict=True):
        name = indexed(capitalised(each.title.removeprefix("Beyond: ")))
        link = f'<a href="{SCORE}#{board.row_id(each.id)}">{name}</a>'
        mark = f'data-verdict="{result.verdict}">{board.verdict_html(result.verdict)} · {link}'
        marks.append(f"<li {mark}</li>")
    listed = f"<ul>{''.join(marks)}</ul>"
    if len(own) <= MANY:
        return listed
    return f"<details open><summary>{board.counts_text(results)}</summary>{listed}</details>"


def card(part: str, found: Results, every: ByExperiment) -> str:
    """One card, as HTML."""
    own = [*map(board.claim, board.PARTS[part])]
    results = [found.get(claim.id, Result()) for claim in own]
    show, needs = FACES[part]
    ran = any(r.verdict != claims.NOT_RUN for r in results) and all(map(every.get, needs))
    top, face = "<p>not run yet</p>", show(found, every) if ran else None
    if face:
        top = (
            f'<p class="gk-headline">{indexed(face.what)} <strong>{face.ours}</strong>'
            f'<br><span class="gk-papers">the paper: {face.paper}</span></p>'
            f"<figure>{face.picture}<figcaption>{escape(face.about)}</figcaption></figure>"
        )
    title = f'<a href="{own[0].href}">{capitalised(part)}</a>'
    return (
        f'<section class="gk-card"><h3>{title}</h3>{top}{_marks(own, results)}'
        f"<p>{badges(evidence(results))}</p>"
        f'<p class="gk-links"><a href="{SCORE}#{board.row_id(part)}">in the full score</a></p>'
        "</section>"
    )


def cards(found: Results, every: ByExperiment) -> str:
    """All cards, as HTML for the first page; its script adds a choice of verdicts above them."""
    each = "".join(card(part, found, every) for part in board.PARTS)
    return f'{board.FILTERED}<div class="gk-cards">{each}</div></div>'
