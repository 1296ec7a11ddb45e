"""The scoreboard: every claim, what we found of it, and on what evidence."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from grokkit.runs import Record
from varma2023.claims import NOT_RUN, SCORES, SIGN, VERDICTS, Claim, Met, Records, Result
from varma2023.clock import claims as clock
from varma2023.convergence import claims as convergence
from varma2023.decomposition import claims as decomposition
from varma2023.efficiency import claims as efficiency
from varma2023.grokking import claims as grokking
from varma2023.other_tasks import claims as other_tasks
from varma2023.profiles import one_of
from varma2023.rivals import claims as rivals
from varma2023.semi_grokking import claims as semi_grokking
from varma2023.simulation import claims as simulation
from varma2023.tables import badges, capitalised, table
from varma2023.theorems import claims as theorems
from varma2023.two_starts import claims as two_starts
from varma2023.ungrokking import claims as ungrokking

ROOMS = (
    *(grokking, ungrokking, efficiency, semi_grokking, two_starts, decomposition, other_tasks),
    *(rivals, simulation, theorems, convergence, clock),
)
ORDER = """F1a F9 A.3 F1b F7 F2a-c F3a,b F3c,d F4 F8 F4wd F1c F5 F6 F10a F10b A.2 F11 S6 S7
T-D.1 L-D.2 L-D.3 T-D.4 B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11""".split()
"""The rows: phenomena, predictions 1 - 4, mechanism, rivals; theorems; beyond the paper."""

_known = {claim.id: claim for claim in chain(*(room.CLAIMS for room in ROOMS))}

COLOURS = ("#2E9E4F", "#2E9E4F", "#B58900", "#D6455D", "#3B7DD8", "#8A8A8A")
MARK = dict(zip(VERDICTS, zip("✔≈◐✘?○", COLOURS, strict=True), strict=True))
"""A shape as well as a colour for each verdict."""


def claim(name: str) -> Claim:
    """The claim of this id.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    return _known[one_of("claim", name, ORDER)]


def judge(name: str, **records: Sequence[Record]) -> Result:
    """The result of one claim, from records by the name of their experiment."""
    return claim(name).result(records)


def results(records: Records) -> dict[str, Result]:
    """By claim id, every result that pure computation and these records give.

    `records` are by the name of their experiment (`experiments.all_records`).
    """
    found = {each.id: each.result(records) for each in CLAIMS}
    return {name: result for name, result in found.items() if result.verdict != NOT_RUN}


def verdict_html(verdict: str) -> str:
    """A verdict in words, after a mark that shows it by shape and colour."""
    (sign, colour), words = MARK[verdict], verdict.replace(" ", "&nbsp;")
    return f'<span aria-hidden="true" style="color:{colour}">{sign}</span>&nbsp;{words}'


def verdict_box(name: str, result: Result) -> str:
    """The claim of this id with its verdict, both sides' numbers, criteria and badges, as HTML."""
    each, (_, colour) = claim(name), MARK[result.verdict]
    asked = [(f"<strong>{capitalised(each.says)}</strong>", result.core), *result.further.items()]
    return (
        f'<section class="gk-verdict" aria-label="Verdict: {each.title}" '
        f'style="border-left: 0.25rem solid {colour}; padding-left: 0.8rem">'
        f'<p class="gk-verdict-head"><a href="../intro.html#claim-{each.id}">{each.title}</a> '
        f"<strong>{verdict_html(result.verdict)}</strong></p>"
        f"{criteria_list(dict(asked))}"
        f"<dl><dt>the paper</dt><dd>{each.number}</dd>"
        f"<dt>here</dt><dd>{result.ours or 'nothing'}</dd></dl>"
        f"{badges(result.evidence.badges if result.evidence else ())}</section>"
    )


SAID = {True: "met", False: "not met", None: "cannot be told"}


def criteria_list(criteria: Mapping[str, Met]) -> str:
    """Criteria as an HTML list, each with a mark that a screen reader says in a word."""
    marks = {met: f'<span role="img" aria-label="{SAID[met]}:">{SIGN[met]}</span>' for met in SAID}
    items = "".join(f"<li>{marks[met]} {says}</li>" for says, met in criteria.items())
    return f'<ul class="gk-criteria">{items}</ul>'


def tally(found: Mapping[str, Result]) -> dict[str, dict[str, int]]:
    """By score, how many of its claims have each verdict, those without a result included."""
    n = Counter((each.score, found.get(each.id, Result()).verdict) for each in CLAIMS)
    return {score: {verdict: n[score, verdict] for verdict in VERDICTS} for score in SCORES}


def score_text(counts: Mapping[str, int]) -> str:
    """ "3 hold, 1 holds smaller, 2 in part, of 9": the verdicts that one score has."""
    each = ", ".join(f"{n} {_plural(verdict, n)}" for verdict, n in counts.items() if n)
    return f"{each}, of {sum(counts.values())}"


def _plural(verdict: str, n: int) -> str:
    """ "hold smaller" for several claims that "holds, smaller"."""
    first, *rest = verdict.replace(",", "").split()
    plural = n > 1 and first in ("holds", "fails")
    return " ".join([first.removesuffix("s") if plural else first, *rest])


def scoreboard(found: Mapping[str, Result]) -> str:
    """Every claim with verdict, evidence, the paper's number and ours, a table a score, as HTML.

    Raises:
        ValueError: a result for an id that no claim has.
    """
    for name in found:
        claim(name)
    rows: dict[str, list[list[str]]] = {score: [] for score in SCORES}
    for each in CLAIMS:
        result = found.get(each.id, Result())
        heading = f"<br><em>{each.heading}</em>" if each.heading else ""
        place = f'id="claim-{each.id}" href="{each.chapter}.html#{each.label}"'
        title = f"<a {place}><strong>{each.title}</strong></a>."
        missing = "".join(f"<br>{text}" for text in result.missing)
        cells = f"{title} {capitalised(each.says)}.{heading}", each.number, result.ours + missing
        says, number, ours = (
            f'<div style="min-width: {width}rem">{cell}</div>'
            for width, cell in zip((12, 8, 8), cells, strict=True)
        )
        small = badges(result.evidence.badges if result.evidence else ())
        verdict = f"{verdict_html(result.verdict)}<br>{small}"
        rows[each.score].append([says, verdict, number, ours])
    return "".join(
        f"<h3>{capitalised(score)}</h3>" + table("claim | verdict | the paper | ours", own)
        for score, own in rows.items()
    )


CLAIMS: tuple[Claim, ...] = tuple(_known[name] for name in ORDER)
