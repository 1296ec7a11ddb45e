"""The first page's pictures and cards, and the table of the full score, as they are made."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from varma2023 import claims, experiments, measures
from varma2023.board import CLAIMS, ORDER, PARTS, ROOMS, ours_html, row_id, scoreboard
from varma2023.claims import Evidence, Result
from varma2023.publish import cards, overview
from varma2023.publish.sparks import HEIGHT, WIDTH, Axis, Box, Curve, spark
from varma2023.tables import powers


@pytest.fixture(scope="module")
def every():
    return experiments.all_records()


@pytest.fixture(scope="module")
def page(board, every):
    return soup(cards.cards(board, every))


def soup(html: str) -> BeautifulSoup:
    return BeautifulSoup(re.sub("<sub>(.*?)</sub>", r"_\1", html), "html.parser")


def text(node) -> str:
    return " ".join(node.get_text(" ").replace("\xa0", " ").split())


def points(path: str) -> list[tuple[float, float]]:
    """The points of an SVG path of lines or dots."""
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+),([\d.]+)", path)]


# --- cards


def test_every_claim_of_a_room_is_on_one_card():
    assert sorted(ORDER) == sorted(claim.id for room in ROOMS for claim in room.CLAIMS)


def test_a_card_has_each_of_its_claims_with_its_verdict_in_words_and_a_link_to_its_row(page, board):
    table = soup(scoreboard(board))
    assert len(page.select(".gk-card")) == len(PARTS) == 8
    for card, names in zip(page.select(".gk-card"), PARTS.values(), strict=True):
        marks = {mark.a["href"].partition("#")[2]: mark for mark in card.select("li")}
        assert {*marks} == {row_id(name) for name in names}
        for name in names:
            mark = marks[row_id(name)]
            assert mark["data-verdict"] == board[name].verdict in text(mark)
            folded = mark.find_parent("details") is not None
            assert folded == (len(names) > 12)
            assert table.find(id=row_id(name))["data-verdict"] == mark["data-verdict"]
        whole = card.select_one(".gk-links a")["href"].partition("#")[2]
        assert table.find(id=whole).find_parent("tr")["id"] == row_id(names[0])


def test_a_card_has_a_number_the_papers_and_a_picture_that_says_what_it_shows(page):
    for card in page.select(".gk-card"):
        assert re.search(r"\d", card.strong.get_text())
        assert card.select_one(".gk-papers").get_text().startswith("the paper: ")
        assert len(card.svg["aria-label"]) > 40
        assert card.figcaption.get_text()
        assert card.select(".gk-badge")


def test_the_pictures_with_a_number_of_the_paper_show_it_and_no_other_does(page):
    """The paper's style is a dashed line, or a band; the theorem's curve is dashed like it."""
    drawn = {c.h3.get_text(): "var(--gk-reference" in str(c.svg) for c in page.select(".gk-card")}
    without = {"Efficiency", "Rivals"}  # it gives no number there
    assert {name for name, shows in drawn.items() if not shows} == without


def test_without_records_cards_say_that_nothing_has_run():
    page = soup(cards.cards({}, {}))
    assert len(page.select(".gk-card")) == 8
    assert {text(card.p) for card in page.select(".gk-card")} == {"not run yet"}
    assert {mark["data-verdict"] for mark in page.select("li")} == {claims.NOT_RUN}


def test_badges_of_a_card_are_those_of_all_its_results():
    one = Result(evidence=Evidence(("AdamW",), ("p = 113",), 5))
    other = Result(evidence=Evidence(("L-BFGS",), ("p = 113",), 2))
    assert cards.evidence([one, other]) == ["AdamW", "L-BFGS", "p = 113", "2 – 5 seeds"]
    assert cards.evidence([one, Result()]) == ["AdamW", "p = 113", "5 seeds"]


# --- the table


def test_no_criterion_of_a_result_is_lost_in_the_table_and_each_has_its_mark(board):
    table = soup(scoreboard(board))
    assert not re.search(r": (yes|no)\b", text(table)), "a mark that is a word"
    for name, result in board.items():
        row = table.find(id=row_id(name))
        told = [text(each) for each in row.select("td")[4].select("li")]
        assert told[1:] == [f"{claims.SIGN[met]} {says}" for says, met in result.further.items()]
        assert told[0][0] == claims.SIGN[result.core]
        ours = row.select("td")[3]
        before = ours.select(".gk-earlier")
        assert [each.get_text() for each in before] == [
            f"Earlier verdict: {powers(told)}" for told in filter(None, [result.before])
        ]
        choices = [link["href"].partition("#choice-c")[2] for link in ours.select(".gk-earlier a")]
        assert choices == re.findall(r"\bC(\d+)\b", result.before)
        for each in before:
            each.extract()
        if not ours.select("li"):
            assert text(ours).replace("; … ", "; ") == powers(result.ours)


def test_long_numbers_are_folded_after_their_first_part_and_not_within_brackets():
    long = "D_crit 760 (857, 674; 2 seeds) by L-BFGS, 703 by AdamW; from 0.1 to 0.9 a factor of 2"
    folded = soup(ours_html(long))
    assert folded.summary.get_text() == "D_crit 760 (857, 674; 2 seeds) by L-BFGS, 703 by AdamW; …"
    assert folded.details.get_text().endswith("a factor of 2")
    assert not soup(ours_html("0 failures; 2 seeds")).select("details")


def test_rows_of_the_table_can_be_told_apart_by_their_targets():
    targets = [each["id"] for each in soup(scoreboard({})).select("[id]")]
    assert len(set(targets)) == len(targets) == len(CLAIMS) + len(PARTS)


# --- pictures


@given(
    ends=st.tuples(st.floats(0.1, 10), st.floats(20, 1e4)),
    x=st.lists(st.floats(0.1, 1e4), min_size=1, max_size=9),
    log=st.booleans(),
)
def test_what_is_drawn_lies_in_the_picture_and_larger_values_further_right_and_higher(ends, x, log):
    curve = Curve(sorted(x), np.linspace(0.2, 0.9, len(x)), "gen")
    [path] = ElementTree.fromstring(f"<g>{Box(Axis(*ends, log), Axis(0, 1)).line(curve)}</g>")
    across, down = zip(*points(path.get("d")), strict=True)
    assert len(across) == len(x)
    assert 0 <= min(across) <= max(across) <= WIDTH
    assert 0 <= min(down) <= max(down) <= HEIGHT
    assert list(across) == sorted(across)
    assert list(down) == sorted({*down}, reverse=True)


def test_the_papers_own_result_is_a_line_or_a_band_where_its_values_are():
    axes = Axis(0, 100), Axis(0, 1)
    line = ElementTree.fromstring(spark([], *axes, "a line", paper_y=0.5))[0]
    assert {down for _, down in points(line.get("d"))} == {HEIGHT / 2}
    band = ElementTree.fromstring(spark([], *axes, "a band", paper_x=(25, 75)))[0]
    assert float(band.get("width")) == pytest.approx((WIDTH - 8) / 2, abs=0.1)


def test_the_idea_is_drawn_from_the_costs_that_runs_have(every):
    found = overview.costs(every)
    assert (np.diff(found.memory) > 0).all()
    assert found.memory[0] < found.rule < found.memory[-1]
    assert np.interp(found.meet, found.sizes, found.memory) == pytest.approx(found.rule, rel=0.02)
    picture = ElementTree.fromstring(overview.idea(found))
    memory, rule = (points(picture[i].get("d")) for i in (1, 3))
    apart = np.interp([x for x, _ in memory], *zip(*rule, strict=True)) - [y for _, y in memory]
    assert apart[0] < 0 < apart[-1]  # the lines cross
    assert f"{found.meet:,.0f}" in picture.get("aria-label")
    assert overview.idea(overview.costs({})) == ""


def test_fig_1_has_linear_epochs_with_round_ranges_in_which_each_example_comes_to_its_end(every):
    three = every["grokking"], measures.smallest(every["ungrokking"]), overview.near_d_crit(every)
    fig = overview.fig1_overview(*three)
    for axis, runs in zip(fig.select_xaxes(), three, strict=True):
        start, last = axis.range
        assert (axis.type, start) == (None, 0)
        assert len(f"{last:g}".rstrip("0")) == 1
        for run in runs:
            then = measures.value_at(run, "test_accuracy", last)
            assert abs(then - run.final("test_accuracy")) <= overview.SETTLED
    legend = {shape.name for shape in fig.layout.shapes}
    assert legend == {"the paper: epoch 6,000", "the paper: 0.83"}


def test_without_tasks_and_memory_there_is_no_predicted_size(every):
    """The quick profile has networks, and none that holds one circuit alone."""
    assert cards.predicted({}, every | {"other_tasks": [], "papers_memory": []}) is None
