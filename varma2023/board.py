"""The scoreboard: every claim, what we found of it, and on what evidence."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from grokkit.runs import Records
from varma2023 import claims, experiments
from varma2023.claims import SCORES, VERDICTS, ByExperiment, Claim, Met, Result
from varma2023.clock import claims as clock
from varma2023.convergence import claims as convergence
from varma2023.decomposition import claims as decomposition
from varma2023.delay import claims as delay
from varma2023.efficiency import claims as efficiency
from varma2023.grokking import claims as grokking
from varma2023.other_tasks import claims as other_tasks
from varma2023.profiles import one_of
from varma2023.rivals import claims as rivals
from varma2023.semi_grokking import claims as semi_grokking
from varma2023.simulation import claims as simulation
from varma2023.tables import badges, capitalised, indexed
from varma2023.theorems import claims as theorems
from varma2023.two_starts import claims as two_starts
from varma2023.ungrokking import claims as ungrokking

ROOMS = (
    *(grokking, ungrokking, efficiency, semi_grokking, two_starts, decomposition, other_tasks),
    *(rivals, simulation, theorems, convergence, clock, delay),
)
PARTS = {
    "three phenomena": "F1a F1b F7 F1c".split(),
    "efficiency": "F3a,b F3c,d".split(),
    "the transition": "F4 F8 F4wd F8wd F10a F10b A.2 A.4".split(),
    "semi-grokking": "F5 F6".split(),
    "mechanism": "F2a-c F9 A.3 F11 App.B".split(),
    "theorems": "T-D.1 L-D.2 L-D.3 T-D.4".split(),
    "rivals": "S6 S7".split(),
    "beyond": [f"B{number}" for number in range(1, 58)],
}
"""The ids of the claims by what they are about: a card each, and the order of the rows."""
ORDER = [*chain(*PARTS.values())]

_known = {claim.id: claim for claim in chain(*(room.CLAIMS for room in ROOMS))}
CLAIMS: tuple[Claim, ...] = tuple(_known[name] for name in ORDER)

COLOURS = ("#2E9E4F", "#2E9E4F", "#B58900", "#D6455D", "#3B7DD8", "#8A8A8A")
MARK = dict(zip(VERDICTS, zip("✔≈◐✘?○", COLOURS, strict=True), strict=True))
"""A shape as well as a colour for each verdict."""


def claim(name: str) -> Claim:
    """The claim of this id. Raises ValueError, which lists those there are, for another."""
    return _known[one_of("claim", name, ORDER)]


def judge(name: str, **records: Records) -> Result:
    """The result of one claim, from records by the name of their experiment.

    Raises ValueError for a claim or an experiment that there is not, and names those there are.
    """
    each = claim(name)
    for given in records:
        experiments.experiment(given)
    found = each.result(records)
    if not ((each.earlier or each.few) and found.evidence):
        return found
    runs = [record.run for record in records[each.needs[0]]]
    published = runs == experiments.EXPERIMENTS[each.needs[0]].runs("published")
    told = "; ".join(filter(None, (each.earlier, found.before)))
    return replace(found, before=told, few=each.few) if published else found


def results(records: ByExperiment) -> dict[str, Result]:
    """By claim id, every result that pure computation and these records give.

    `records` are by the name of their experiment (`experiments.all_records`).
    """
    found = {each.id: judge(each.id, **records) for each in CLAIMS}
    return {name: result for name, result in found.items() if result.verdict != claims.NOT_RUN}


def verdict_html(verdict: str) -> str:
    """A verdict in words, after a mark that shows it by shape and colour."""
    (sign, colour), words = MARK[verdict], verdict.replace(" ", "&nbsp;")
    return f'<span aria-hidden="true" style="color:{colour}">{sign}</span>&nbsp;{words}'


def verdict_box(name: str, result: Result) -> str:
    """The claim of this id with its verdict, both sides' numbers, criteria and badges, as HTML."""
    each, (_, colour) = claim(name), MARK[result.verdict]
    asked = [(f"<strong>{capitalised(each.says)}</strong>", result.core), *result.further.items()]
    return indexed(
        f'<section class="gk-verdict" aria-label="Verdict: {each.title}" '
        f'style="border-left: 0.25rem solid {colour}; padding-left: 0.8rem">'
        f'<p class="gk-verdict-head"><a href="score.html#{row_id(each.id)}">{each.title}</a> '
        f"<strong>{verdict_html(result.verdict)}</strong></p>"
        f"{criteria_list(dict(asked))}"
        f"<dl><dt>the paper</dt><dd>{each.number}</dd>"
        f"<dt>here</dt><dd>{result.ours or 'nothing'}</dd>"
        f"{result.before and f'<dt>earlier verdict</dt><dd>{linked(result.before)}</dd>'}"
        f"{result.few and f'<dt>why so few seeds</dt><dd>{result.few}</dd>'}</dl>"
        f"{badges(result.evidence.badges if result.evidence else ())}</section>"
    )


def linked(text: str) -> str:
    """A text whose choices, such as C9, link to where they are told, from a page in `chapters/`."""
    return re.sub(r"\bC(\d+)\b", r'<a href="choices.html#choice-c\1">C\1</a>', text)


SAID = {True: "met", False: "not met", None: "cannot be told"}


def criteria_list(criteria: Mapping[str, Met]) -> str:
    """Criteria as an HTML list, each with a mark that a screen reader says in a word."""
    mark = '<span role="img" aria-label="{}:">{}</span>'
    marks = {met: mark.format(SAID[met], sign) for met, sign in claims.SIGN.items()}
    items = "".join(f"<li>{marks[met]} <span>{says}</span></li>" for says, met in criteria.items())
    return f'<ul class="gk-criteria">{items}</ul>'


def score_texts(found: Mapping[str, Result]) -> dict[str, str]:
    """By score, "3 hold, 2 in part (1 only because our runs cannot tell), of 5"."""
    told = {}
    for score in SCORES:
        own = [found.get(each.id, Result()) for each in CLAIMS if each.score == score]
        told[score] = f"{counts_text(own)}, of {len(own)}"
    return told


def counts_text(results: Sequence[Result]) -> str:
    """ "3 hold, 2 in part (1 only because our runs cannot tell)"."""
    n = Counter(result.verdict for result in results)
    short = sum(False not in r.further.values() for r in results if r.verdict == claims.IN_PART)
    parts = []
    for verdict in filter(n.get, VERDICTS):
        words = verdict.replace(",", "")
        words = re.sub(r"^(hold|fail)s", r"\1", words) if n[verdict] > 1 else words
        why = f" ({short} only because our runs cannot tell)" if short else ""
        parts.append(f"{n[verdict]} {words}{why * (verdict == claims.IN_PART)}")
    return ", ".join(parts)


def row_id(name: str) -> str:
    """The target of a claim's row, or of a part's first row, on the page of the full score."""
    return "score-" + re.sub(r"\W+", "-", name.lower()).strip("-")


FILTERED = f'<div class="gk-filtered" data-verdicts="{"|".join(VERDICTS)}">'
"""The box around claims among which the page's script lets a reader choose by verdict and badge."""

LONG = 60  # letters, beyond which all but the first part of our numbers are folded
BETWEEN = re.compile(r"; (?![^()]*\))")  # parts of our numbers, not within brackets


def ours_html(ours: str) -> str:
    """Our numbers, those beyond the first folded where they are long."""
    first, *rest = BETWEEN.split(ours)
    if len(ours) <= LONG or not rest:
        return ours
    return f"<details><summary>{first}; …</summary>{'; '.join(rest)}</details>"


def scoreboard(found: Mapping[str, Result]) -> str:
    """Every claim with verdict, the paper's number, ours, criteria and evidence, as HTML.

    One table, whose columns the page's script sorts; links are those of a page in `chapters/`.
    Raises ValueError of a result for an id that no claim has.
    """
    for name in found:
        claim(name)
    rows, heads = [], "claim | verdict | the paper | ours | criteria | evidence".split(" | ")
    for place, each in enumerate(CLAIMS):
        result = found.get(each.id, Result())
        heading = f"<br><em>{each.heading}</em>" if each.heading else ""
        title = f'<a href="../{each.href}"><strong>{each.title}</strong></a>.'
        first = [part for part, names in PARTS.items() if each.id == names[0]]
        target = "".join(f'<span id="{row_id(part)}"></span>' for part in first)
        score = f'<br><span class="gk-badge">{each.score}</span>'
        note = '<p class="gk-earlier">{}: {}</p>'.format
        earlier = result.before and note("Earlier verdict", linked(result.before))
        few = result.few and note("Few seeds", result.few)
        made, asked = result.evidence, {"the claim itself": result.core, **result.further}
        cells = (
            (place, f"{target}{title} {capitalised(each.says)}.{heading}{score}"),
            (VERDICTS.index(result.verdict), verdict_html(result.verdict)),
            (None, each.number),
            (None, ours_html(result.ours) + earlier),
            (sum(not met for met in result.further.values()), criteria_list(asked) if made else ""),
            ((made.seeds or 0) if made else 0, badges(made.badges) + few if made else ""),
        )
        keys = ["" if key is None else f' data-key="{key}"' for key, _ in cells]
        texts = "".join(
            f'<td data-head="{head}"{key}>{text}</td>'
            for head, key, (_, text) in zip(heads, keys, cells, strict=True)
        )
        by = made.optimisers if made else ()
        moduli = [name for name in made.settings if re.match(r"p = |S\d", name)] if made else ()
        chosen = f'data-verdict="{result.verdict}" data-method="{"|".join(by) or "no method"}"'
        chosen += f' data-modulus="{"|".join(moduli) or "no modulus"}"'
        rows.append(f'<tr id="{row_id(each.id)}" {chosen}>{texts}</tr>')
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return indexed(
        f'{FILTERED}<div style="overflow-x: auto" tabindex="0">'
        f'<table class="table gk-score"><thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></div>"
    )
