"""The scoreboard and the index of the paper: complete, and every name and link leads somewhere."""

import re
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from evidence import other_tasks
from handmade import altered, record

from grokkit.runs import Run
from varma2023 import board, claims, experiments, pages
from varma2023.board import CLAIMS
from varma2023.claims import Evidence, Result
from varma2023.pages import PAGES
from varma2023.publish import chapters, index
from varma2023.publish.index import PAPER_INDEX, cites
from varma2023.tables import capitalised

ITEMS = [
    *(f"Fig. {n}" for n in "1 1a 1b 1c 2 3 4 5 6 7 8 9 10 11".split()),
    *(f"Eq. ({n})" for n in range(1, 7)),
    *"Theorem D.1,Lemma D.2,Lemma D.3,Theorem D.4,Table 1,App. B,App. C,App. D".split(","),
]


CHAPTERS = {
    name: (chapters.BOOK / f"{name}.md").read_text("utf-8")
    for name in chapters.documents(chapters.BOOK)
}


def parsed(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def targets(name: str) -> set[str]:
    """The targets that a chapter's source defines."""
    found = re.finditer(r"^\(([\w-]+)\)=$|^ *:?(?:label|name): ([\w-]+)$", CHAPTERS[name], re.M)
    return {one[1] or one[2] for one in found}


SHORT = {"Fig. ": "F", "Theorem ": "T-", "Lemma ": "L-", "App. ": ""}
PUT_TO_A_CLAIM = [
    *(item for item in ITEMS if item.split()[0] in ("Fig.", "Theorem", "Lemma")),
    *("App. A.2", "App. A.3"),
]


@pytest.mark.parametrize("item", PUT_TO_A_CLAIM)
def test_what_the_paper_shows_or_states_is_put_to_a_claim_of_that_name(item):
    kind, number = item.rsplit(" ", 1)
    short = re.compile(re.escape(SHORT[f"{kind} "] + number) + r"(?!\d)")
    named = [c.id for c in CLAIMS if re.match(rf"{re.escape(item)}(?!\d)", c.title)]
    assert named
    assert all(map(short.match, named))


def test_the_paper_says_all_claims_but_those_beyond_it():
    headings = {claim.heading for claim in CLAIMS if claim.heading}
    numbered = sorted(heading.split(",")[0] for heading in headings)
    assert numbered == [f"Prediction {n}" for n in range(1, 5)]
    others = {claim.id for claim in CLAIMS if not claim.title.startswith(tuple(SHORT))}
    assert {re.sub(r"\d", "", i) for i in others} == {"S", "B"}  # rivals, and beyond


def test_every_item_of_the_paper_has_a_row():
    names = [item.name for item in PAPER_INDEX]
    assert set(ITEMS) <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("page", "label"), [*(c.where for c in CLAIMS), *((i.chapter, i.label) for i in PAPER_INDEX)]
)
def test_a_rows_page_is_there_with_that_target(page, label):
    assert page in PAGES
    assert label.removeprefix("equation-") in targets(page)


def test_pages_are_in_the_book_and_a_link_to_the_api_leads_to_that_of_the_module():
    assert set(PAGES) <= set(CHAPTERS)
    assert pages.api_pages()["grokkit.store.store"] == "api/runs"
    assert 'href="../api/engine.html#grokkit.simulation.Toy"' in pages.api("grokkit.simulation.Toy")
    assert 'href="../api.html#grokkit.nowhere.x"' in pages.api("grokkit.nowhere.x")


@pytest.mark.parametrize("item", PAPER_INDEX, ids=lambda item: item.name)
def test_an_item_has_functions_that_cite_it(item):
    assert item.functions
    assert item.experiment in ("", *experiments.EXPERIMENTS)


@pytest.mark.parametrize("item", [i for i in ITEMS if i.split()[0] not in ("Fig.", "App.")])
def test_a_formula_has_one_home_a_function_of_the_library_that_states_it(item):
    begins, known = re.compile(rf"{re.escape(item)}(?![\w.])"), index.docstrings().items()
    [(home, text)] = [(name, text) for name, text in known if begins.match(text)]
    assert home.startswith("grokkit.")
    assert re.search("(?<!!)[=<]", text.split("\n\n")[0]) or item in ("Table 1", "Theorem D.4")


def test_a_badge_names_the_optimiser_and_the_rates_that_are_not_the_papers():
    fast = Run(lr=4e-3, keep_weights=True)
    runs = [Run(), Run(lr=4e-3), Run(lr=4e-3, muon=0.2), Run(init=fast), Run(lr=4e-3, init=fast)]
    runs += [Run(init=fast, optimiser="lbfgs", precision="float64", lr=4e-3)]
    assert [Evidence.of([record(run, [0], param_norm=[1.0])]).by for run in runs] == [
        *(("AdamW",), ("AdamW, η = 0.004",), ("Muon, η = 0.004",)),
        *(
            ("AdamW (starts trained at η = 0.004)",),
            ("AdamW, η = 0.004",),
            ("L-BFGS (starts trained at η = 0.004)",),
        ),
    ]


@pytest.mark.parametrize(
    ("text", "item", "expected"),
    [
        ("Figs. 1a, 9, 11: from scratch", "Fig. 9", True),
        ("Figs. 1a, 9, 11: from scratch", "Fig. 1", False),
        ("Figs. 1b and 7: parts", "Fig. 7", True),
        ("observations of App. A.3.", "App. A.3", True),
        ("observations of App. A.3", "App. A", False),
        ("Defaults are App. A.", "App. A", True),
    ],
)
def test_a_citation_is_found_where_it_is_and_nowhere_else(text, item, expected):
    assert cites(text, item) is expected


def test_the_scoreboard_has_a_row_a_claim_and_says_what_has_not_run():
    partly = Result("4 of 5 marks", True, {"all five": False}, Evidence(("AdamW",), seeds=1))
    table = parsed(board.scoreboard({"F9": partly})).select("tbody tr")
    assert len(table) == len(CLAIMS)
    told = [[" ".join(td.get_text(" ").split()) for td in row.select("td")] for row in table]
    run = [cells for cells in told if "not run" not in cells[1]]
    assert [(cells[1], cells[5]) for cells in run] == [("◐ in part", "AdamW 1 seed")]
    assert sum("✘ all five" in row.get_text() for row in table) == 1
    counts = board.score_texts({"F9": partly})
    assert list(counts) == list(claims.SCORES)
    n = sum(claim.score == claims.SCORES[0] for claim in CLAIMS)
    assert counts[claims.SCORES[0]] == f"1 in part, {n - 1} not run, of {n}"
    assert counts["its theorems"] == "4 not run, of 4"
    holds = replace(partly, further={}, evidence=Evidence(("AdamW",), smaller=True))
    own = {"T-D.1": holds, "L-D.2": replace(holds, core=False), "L-D.3": holds}
    assert board.score_texts(own)["its theorems"] == "2 hold smaller, 1 fails, 1 not run, of 4"


@pytest.mark.parametrize(("met", "only"), [(None, True), (False, False)])
def test_the_score_says_how_many_are_in_part_only_for_what_runs_cannot_tell(met, only):
    one = Result("", True, {"at rest": None, "as large": met}, Evidence(("AdamW",), seeds=5))
    told = board.score_texts({"F9": one, "F4": replace(one, further={"at rest": False})})
    why = " (1 only because our runs cannot tell)" * only
    assert told[claims.SCORES[0]].startswith(f"2 in part{why}, ")


def test_a_verdict_reads_without_its_colour():
    shown = [parsed(board.verdict_html(v)) for v in board.MARK]
    assert [html.get_text().replace("\xa0", " ")[2:] for html in shown] == list(board.MARK)
    assert len({html.get_text()[0] for html in shown}) == len(board.MARK)
    assert all(html.span["aria-hidden"] == "true" for html in shown)


def test_a_verdict_box_lists_the_claim_and_each_criterion_with_a_mark_and_a_word():
    further = {"all five": False, "by both": True, "at rest": None}
    found = Result("4 of 5 marks", True, further, Evidence(("AdamW",), seeds=1))
    box = parsed(board.verdict_box("F9", found))
    assert [(li.span["aria-label"], *li.get_text().split(" ", 1)) for li in box.select("li")] == [
        ("met:", "✔", capitalised(board.claim("F9").says).replace("_", "")),
        ("not met:", "✘", "all five"),
        ("met:", "✔", "by both"),
        ("cannot be told:", "?", "at rest"),
    ]
    assert [dd.get_text() for dd in box.select("dd")] == [board.claim("F9").number, found.ours]
    assert [one.get_text() for one in box.select(".gk-badge")] == ["AdamW", "1 seed"]
    assert parsed(board.scoreboard({})).find(id=box.a["href"].removeprefix("score.html#"))
    empty = parsed(board.verdict_box("F9", Result()))
    assert claims.NOT_RUN in empty.get_text().replace("\xa0", " ")


def test_a_result_for_no_claim_is_an_error_that_names_it():
    for call in (lambda: board.scoreboard({"F12": Result()}), lambda: board.judge("F12")):
        with pytest.raises(ValueError, match=r"claim must be one of F1a, .*; got 'F12'"):
            call()


def test_a_sentence_begins_with_a_large_letter_and_a_symbol_stays_as_it_is():
    texts = ("ε is half of α", "a network", "√x", "Adam", "D_crit", "")
    assert [*map(capitalised, texts)] == [texts[0], "A network", *texts[2:]]
    says = [cell.get_text() for cell in parsed(board.scoreboard({})).select("td:first-child")]
    assert not [text for text in says if re.search(r"[Α-Ω]", text)]  # large Greek letters


# --- chapters and the board
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_quotes_verdicts_of_claims_and_types_none(name):
    assert set(re.findall(r"verdict-([\w.,-]+)", CHAPTERS[name])) <= {claim.id for claim in CLAIMS}
    for call in re.findall(r"^\s*(?:glue|judge)\(.*$", CHAPTERS[name], re.MULTILINE):
        assert not re.search(rf"[\"']({'|'.join(claims.VERDICTS)})[\"']", call), call


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claims_own_chapter_judges_it_and_shows_its_box_or_quotes_it(claim):
    text = CHAPTERS[claim.where[0]]
    assert f'judge("{claim.id}"' in text or f'glue("verdict-{claim.id}", claims.' in text
    cells = re.findall(r"^```\{code-cell\}.*?^```$", text, re.MULTILINE | re.DOTALL)
    last = re.compile(rf'^judge\("{re.escape(claim.id)}"[^\n]*\n```$', re.MULTILINE)
    boxed = any(last.search(cell) and "remove-cell" not in cell for cell in cells)
    assert boxed or f"{{glue:text}}`verdict-{claim.id}`" in text


# --- rows whose verdicts are in `test_verdicts`


@pytest.mark.parametrize("name", ["F4", "F4wd", "F8", "F10a", "F10b", "A.2", "A.4", "B3", "B8"])
def test_the_quick_profile_is_never_judged(name):
    def ended(run):
        return record(run, [0, run.epochs], test_accuracy=float(run.dataset_size > 100))

    needs = board.claim(name).needs
    found = {each: [*map(ended, experiments.experiment(each).runs("quick"))] for each in needs}
    assert board.judge(name, **found).verdict == claims.NOT_RUN


def test_mirror_images_alone_are_no_rule():
    # x*y is symmetric: 3,000 of its 12,769 examples tell the answer of about 0.23 of the others
    nine = other_tasks(range(1), sizes=(300, 500, 650, 800, 3000))
    last = next(r for r in nine[::-1] if r.run.task == "x*y")  # on the largest train set
    for accuracy, rules in ((0.3, 8), (0.4, 9)):
        swapped = [altered(r, test_accuracy=accuracy) if r is last else r for r in nine]
        ours = board.judge("F8", other_tasks=swapped).ours
        assert f"8 of them hold the rule, and {rules} know more than memory" in ours


@pytest.mark.parametrize(
    ("first", "later", "before"),
    [(1, 2, "fails, without the later runs (C9)"), (3, 1, ""), (3, 0, "")],
)
def test_a_row_says_another_verdict_that_it_has_by_fewer_runs(first, later, before):
    @claims.told_without("C9", "later")
    def judge(found):
        n = sum(map(len, found.values()))
        return Result(f"{n} runs", n > 2, {}, Evidence(("AdamW",)))

    runs = [record(Run(seed=seed), [0]) for seed in range(4)]
    told = judge({"first": runs[:first], "later": runs[:later]})
    assert (told.ours, told.before) == (f"{first + later} runs", before)


def test_an_experiment_that_there_is_not_is_no_verdict():
    with pytest.raises(ValueError, match="experiment must be one of grokking.*groking"):
        board.judge("F1a", groking=[])
