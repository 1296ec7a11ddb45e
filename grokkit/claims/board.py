"""The scoreboard: every claim of the paper, and the row that shows what we found of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from grokkit.analysis import FAILS, HOLDS, IN_PART, NOT_RUN
from grokkit.pages import (
    CIRCUITS,
    CONVERGENCE,
    DISCUSSION,
    EFFICIENCY,
    INGREDIENTS,
    INTRO,
    MORE,
    OTHER_TASKS,
    RIVALS,
    SEMI_GROKKING,
    THEOREMS,
    TRIGONOMETRIC,
    UNGROKKING,
)
from grokkit.tables import capitalised, html_table


@dataclass(frozen=True)
class Claim:
    """One row of the scoreboard: what the paper says, in our words, and where we test it."""

    id: str  # a figure, theorem or section of the paper; B1.. go beyond it
    title: str
    says: str
    number: str  # the paper's number, or what counts as a reproduction where it gives none
    chapter: str  # the page, as in the book's contents
    label: str = ""  # the target on that page


CLAIMS = (
    Claim(
        "F1a",
        "Fig. 1a, grokking",
        "a network fits its train set first and the test set much later",
        "train accuracy 1 by epoch ~200, generalised by ~6,000",
        INTRO,
        "fig-1a",
    ),
    Claim(
        "F9",
        "Fig. 9, the two circuits during grokking",
        "train loss falls while the norm does, then C_gen overtakes C_mem and the test loss falls",
        "five marks, at epochs ~200, 200, 1,500, 3,500 and 6,000",
        CIRCUITS,
        "fig-9",
    ),
    Claim(
        "A.3",
        "App. A.3, logits and norm",
        "both logits rise while the norm falls; late on, the gen logit falls again",
        "between epochs 200 and 1,500; after 4,000",
        CIRCUITS,
        "sec-a3-observations",
    ),
    Claim(
        "F1b",
        "Fig. 1b, ungrokking",
        "a network that has grokked, trained further on fewer examples, loses its test accuracy",
        "from accuracy 1 to near chance; train accuracy stays 1",
        INTRO,
        "fig-1b",
    ),
    Claim(
        "F7",
        "Fig. 7, ungrokking over time",
        "small train sets end near chance, large ones at 1, some in between",
        "7 sizes in 390 – 1,494, 10 seeds, 1e6 epochs",
        INTRO,
        "fig-7",
    ),
    Claim(
        "F4",
        "Fig. 4, the transition of ungrokking",
        "final test accuracy against D′ has a sharp transition, the same for every weight decay",
        "weight decay 0.1, 0.5, 1, 1.5, 2; 100,000 steps",
        UNGROKKING,
        "fig-4",
    ),
    Claim(
        "F8",
        "Fig. 8, nine other tasks",
        "each of them ungroks",
        "a transition in each",
        UNGROKKING,
        "fig-8",
    ),
    Claim(
        "F1c",
        "Fig. 1c, semi-grokking",
        "near D_crit test accuracy rises late, to a middling plateau",
        "the example ends at 83 %",
        SEMI_GROKKING,
        "fig-1c",
    ),
    Claim(
        "F5",
        "Fig. 5, many semi-grokking runs",
        "some of many runs near D_crit end on a plateau",
        "at least 6 of 200 (20 sizes in 1,500 – 2,050, 10 seeds)",
        SEMI_GROKKING,
        "fig-5",
    ),
    Claim(
        "F6",
        "Fig. 6, one transient plateau",
        "a run waits at middling accuracy, then generalises; its norm drops at that moment",
        "D = 1,532; 0.55 from 0.8e7 to 1.8e7 epochs, then 1",
        SEMI_GROKKING,
        "fig-6",
    ),
    Claim(
        "F2a-c",
        "Fig. 2, three ingredients suffice",
        "a simulation groks with all three, and not with one of them taken out",
        "(a) groks, (b) never generalises, (c) generalises together",
        INGREDIENTS,
        "fig-2",
    ),
    Claim(
        "F3a,b",
        "Fig. 3a, b, efficiency of C_mem",
        "the norm for a given logit rises with the size of the train set",
        "isologit lines rise in each of six buckets",
        EFFICIENCY,
        "fig-3",
    ),
    Claim(
        "F3c,d",
        "Fig. 3c, d, efficiency of C_gen",
        "the norm for a given logit does not depend on the size of the train set",
        "isologit lines are flat",
        EFFICIENCY,
        "fig-3",
    ),
    Claim(
        "F10a",
        "Fig. 10a, relative strength",
        "the ratio of trig to mem logit rises with D at a fixed norm",
        "monotone, over 6 decades",
        MORE,
        "fig-10",
    ),
    Claim(
        "F10b",
        "Fig. 10b, accuracy and D",
        "test accuracy after ungrokking depends smoothly on D",
        "a smooth curve at each norm",
        MORE,
        "fig-10",
    ),
    Claim(
        "F11",
        "Fig. 11, the trigonometric algorithm",
        "a grokked network adds by rotations at a few key frequencies",
        "logits are a sum of cos(ω(a + b − c))",
        TRIGONOMETRIC,
        "fig-11",
    ),
    Claim(
        "T-D.1",
        "Theorem D.1",
        "scaling up a perfect classifier lowers its loss",
        "always",
        THEOREMS,
        "thm-d1",
    ),
    Claim(
        "L-D.2",
        "Lemma D.2",
        "powers up to one are subadditive",
        "always",
        THEOREMS,
        "lem-d2",
    ),
    Claim(
        "L-D.3",
        "Lemma D.3",
        "a power falls almost as fast as its slope",
        "always; as printed it cannot be meant, as corrected it is true",
        THEOREMS,
        "lem-d3",
    ),
    Claim(
        "T-D.4",
        "Theorem D.4",
        "for κ ≥ q only the most efficient circuits keep weight; below, all do, by efficiency",
        "weights ∝ P^(−qκ/(q − κ)) for κ < q",
        THEOREMS,
        "thm-d4",
    ),
    Claim(
        "P1",
        "Prediction 1, efficiency",
        "C_gen's efficiency does not depend on D, C_mem's falls with it",
        "Fig. 3",
        EFFICIENCY,
        "sec-5-1-lines",
    ),
    Claim(
        "P2",
        "Prediction 2, phase transition",
        "ungrokking has a sharp transition at D_crit",
        "Figs. 4, 7, 8",
        UNGROKKING,
        "sec-5-2-transition",
    ),
    Claim(
        "P3",
        "Prediction 3, weight decay",
        "the accuracy after ungrokking does not depend on weight decay",
        "Fig. 4",
        UNGROKKING,
        "sec-5-2-weight-decay",
    ),
    Claim(
        "P4",
        "Prediction 4, semi-grokking",
        "near D_crit a network can end with both circuits",
        "Fig. 5",
        SEMI_GROKKING,
        "sec-5-3-minimum",
    ),
    Claim(
        "A.2",
        "App. A.2, which start finds the better minimum",
        "ungrokked networks reach a lower train loss than fresh ones, with less than half the D",
        "D_crit 800 – 1,000 against ~2,000",
        MORE,
        "fig-two-starts",
    ),
    Claim(
        "S6",
        "Rival accounts (Sec. 6)",
        "slingshots, loss spikes or a large norm at the start are not needed for grokking",
        "no number",
        RIVALS,
        "sec-6-accounts",
    ),
    Claim(
        "S7",
        "Without weight decay (Sec. 7)",
        "grokking can happen, but later and less reliably; something else must play its part",
        "no number",
        DISCUSSION,
        "sec-7-decay",
    ),
    Claim(
        "B1",
        "Beyond: D_crit before ungrokking",
        "where the isologit lines of the two circuits meet, ungrokking should set in",
        "not in the paper",
        EFFICIENCY,
        "fig-equal-cost",
    ),
    Claim(
        "B2",
        "Beyond: a first-order transition",
        "the minima of Eq. (2) of the two circuits cross at D_crit",
        "not in the paper",
        EFFICIENCY,
        "fig-first-order",
    ),
    Claim(
        "B3",
        "Beyond: hysteresis",
        "accuracy against D is one curve up from fresh networks, another down from grokked ones",
        "not in the paper",
        MORE,
        "fig-hysteresis",
    ),
    Claim(
        "B4",
        "Beyond: what AdamW minimises",
        "late in training AdamW rests where Eq. (2) with α = ελ is stationary",
        "not in the paper; fitted α / ελ of 1, cosine of 1",
        CIRCUITS,
        "fig-equilibrium",
    ),
    Claim(
        "B5",
        "Beyond: the two circuits in other tasks",
        "characters of the task's group take the place of the cosines",
        "not in the paper",
        OTHER_TASKS,
        "fig-characters",
    ),
    Claim(
        "B6",
        "Beyond: two ways, one end",
        "AdamW ends where the minimiser of Eq. (2) does",
        "not in the paper",
        CONVERGENCE,
        "fig-two-ways",
    ),
    Claim(
        "B7",
        "Beyond: the same strength for another ε and λ",
        "(c ε, λ / c) leads to the norm and logits of (ε, λ)",
        "not in the paper",
        CONVERGENCE,
        "fig-strength",
    ),
    Claim(
        "B8",
        "Beyond: D_crit and Adam's ε",
        "ε is half of α = ελ, so D_crit depends on it no more than on weight decay",
        "not in the paper",
        MORE,
        "fig-epsilon",
    ),
    Claim(
        "B9",
        "Beyond: D_crit of other tasks",
        "ungrokking sets in where memorising costs what the task's own rule costs",
        "not in the paper",
        UNGROKKING,
        "sec-5-2-across",
    ),
)


@dataclass(frozen=True)
class Result:
    """What we found of one claim: a verdict, our numbers as text, and from how many runs."""

    verdict: str = NOT_RUN
    ours: str = ""
    n_runs: int = 0  # networks or simulations


MARK = {  # a shape as well as a colour for each verdict
    HOLDS: ("✔", "#2E9E4F"),
    IN_PART: ("◐", "#B58900"),
    FAILS: ("✘", "#D6455D"),
    NOT_RUN: ("○", "#8A8A8A"),
}


def verdict_html(verdict: str) -> str:
    """A verdict in words, after a mark that shows it by shape and colour."""
    (sign, colour), words = MARK[verdict], verdict.replace(" ", "&nbsp;")
    return f'<span aria-hidden="true" style="color:{colour}">{sign}</span>&nbsp;{words}'


def _runs(n: int) -> str:
    return f"{n:,} run{'s' * (n > 1)}"


def _title(claim: Claim) -> str:
    """The title, with a link to the figure or theorem."""
    return f'<a href="{claim.chapter}.html#{claim.label}"><strong>{claim.title}</strong></a>.'


def scoreboard(found: Mapping[str, Result]) -> str:
    """Every claim with the paper's number, ours, and the verdict, one row each, as HTML.

    Raises:
        ValueError: a result for an id that no claim has.
    """
    unknown = sorted(set(found) - {claim.id for claim in CLAIMS})
    if unknown:
        raise ValueError(f"no claim has the id {', '.join(unknown)}")
    rows = []
    for claim in CLAIMS:
        result = found.get(claim.id, Result())
        says = f"{_title(claim)} {capitalised(claim.says)}."
        says = f'<div style="min-width: 12rem">{says}</div>'
        ours = f"{result.ours} ({_runs(result.n_runs)})" if result.n_runs else result.ours
        number, ours = (
            f'<div style="min-width: 8rem">{text}</div>' if text else ""
            for text in (claim.number, ours)
        )
        rows.append([says, verdict_html(result.verdict), number, ours])
    return html_table(["claim", "verdict", "the paper", "ours"], rows)


def tally(found: Mapping[str, Result]) -> dict[str, int]:
    """How many claims have each verdict, those without a result included."""
    every = Counter(found.get(claim.id, Result()).verdict for claim in CLAIMS)
    return {verdict: every[verdict] for verdict in MARK}
