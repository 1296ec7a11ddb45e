"""The script of the pages: a reader chooses which runs a figure shows. On a page of its own."""

import csv
import json
import shutil
import time
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from test_site import FITTED, FRAMES, Tab, switch_to, tabs_on, write_page

from varma2023 import plots, theme
from varma2023.publish import chapters, data, sphinx_ext

pytestmark = [pytest.mark.site]

SEEDS, DECAYS = (0, 1), (0.1, 0.5, 2.0)


def two_by_three() -> go.Figure:
    """A line for each seed and weight decay, an entry a weight decay, and a line of no run."""
    fig = theme.figure()
    for decay in DECAYS:
        for seed in SEEDS:
            fig.add_scatter(
                x=[1, 2, 3],
                y=[decay, decay + seed, decay],
                name=f"weight decay {decay:g}",
                legendgroup=f"{decay:g}",
                showlegend=seed == 0,
                meta={"seed": seed, "weight_decay": decay, "dataset_size": 400},
                line={"color": theme.TRAIN},
            )
    fig.add_scatter(x=[1, 3], y=[1, 1], name="the paper's", line={"color": theme.NORM})
    return theme.set_alt(fig, "Six rising and falling lines, and a level one.")


def plain() -> go.Figure:
    """A figure with nothing to choose: one run."""
    bars = {"array": [0.5, None], "arrayminus": [1, None]}
    fig = theme.figure().add_scatter(x=[1, 2], y=[3, 4], error_y=bars, name="one", meta={"seed": 0})
    return theme.set_alt(fig, "One line of one run, rising.")


def side_by_side() -> go.Figure:
    """Two panels with titles, one beside the other, that share their y axis."""
    fig = theme.panels(300, ["first", "second"], cols=2, shared_yaxes=True)
    for col in (1, 2):
        fig.add_scatter(x=[1, 2], y=[3, col], name="line", showlegend=False, row=1, col=col)
    return theme.set_alt(fig, "Two panels with a line each.")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """A page with the three figures, and the plotly.js that draws them."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copy(chapters.BOOK / "_assets/plotly.min.js", folder)
    figures = [
        f'<figure id="fig-{i}">{sphinx_ext.figure(json.loads(fig.to_json()))}</figure>'
        for i, fig in enumerate((two_by_three(), side_by_side(), plain()))
    ]
    write_page(folder, "page", "".join(figures))
    return folder / "page.html"


@pytest.fixture
def opened(context, page):
    """A function that opens the page, and with `choose` its choice of runs."""
    with tabs_on(context, page.parent) as open_page:

        def open_it(width=1280, choose=False):
            here = open_page("page", width)
            if choose:
                here.locator(".gk-runs summary").click()
            return here

        yield open_it


def test_a_figure_waits_for_its_fonts_and_does_without(browser, page):
    """From a file: with the fonts, with the fonts late, and without them."""

    def late(route):
        time.sleep(0.5)
        route.continue_()

    sizes = []
    for treat in (None, late, lambda route: route.abort()):
        tab = Tab(browser.new_page(), page.parent.as_uri() + "/")
        if treat:
            tab.page.route("**/*.woff2", treat)
        here = tab.open("page.html?print").page
        status = here.evaluate("[...document.fonts].map(f => f.family + f.weight + f.status)")
        legends = ".legendtext, .xtick text"
        widths = here.locator(legends).evaluate_all("t => t.map(e => e.getComputedTextLength())")
        size = here.evaluate("document.querySelector('.gk-plot')._fullLayout.legend._width")
        sizes.append((widths, size))
        assert ("Inter400loaded" in status) == (treat in (None, late))
        here.close()
    assert sizes[0] == sizes[1] != sizes[2]


PANELS = """() => [...document.querySelectorAll('#fig-1 .nsewdrag')]
    .map(p => p.getBoundingClientRect()).map(r => [r.left, r.top, r.width, r.bottom])"""


def test_panels_stand_under_each_other_where_it_is_narrow_and_beside_each_other_again(opened):
    """And every figure is as wide as its box, whatever made that narrow."""
    page = opened()
    for width, below in ((340, True), (900, False), (500, True)):
        page.evaluate(f"document.body.style.width = '{width}px'")
        page.wait_for_function(
            f"below => (([a, b]) => below ? b[1] > a[3] : b[1] === a[1])(({PANELS})())", arg=below
        )
        page.wait_for_function(FITTED)
        first, second = page.evaluate(PANELS)
        assert (first[0] == second[0]) == below
        assert (first[2] > 0.5 * width) == below  # nearly as wide as the page, or half
        box = page.locator("#fig-1 .gk-plotly").bounding_box()
        assert second[3] < box["y"] + box["height"]  # the box has grown with them


DRAWN = """() => document.querySelector('.gk-plot').calcdata
    .filter(c => c[0].trace.visible === true)
    .map(c => [c[0].trace.meta?.seed ?? null, c[0].trace.meta?.weight_decay ?? null])"""


def drawn(page) -> list[tuple]:
    """The (seed, weight decay) of every line that the first figure draws."""
    page.evaluate(FRAMES)
    return [tuple(pair) for pair in page.evaluate(DRAWN)]


def test_a_group_of_boxes_for_each_key_that_varies_and_none_without_fits_a_phone(opened):
    page = opened(width=360, choose=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator(".gk-runs").count() == 1
    assert page.locator(".gk-runs").evaluate("d => d.closest('figure').id") == "fig-0"
    assert page.locator(".gk-runs legend").all_inner_texts() == ["seed", "weight decay"]
    labels = page.locator(".gk-runs label")
    assert [text.strip() for text in labels.all_inner_texts()] == ["0", "1", "0.1", "0.5", "2"]
    boxes = labels.evaluate_all("labels => labels.map(l => l.getBoundingClientRect().height)")
    assert min(boxes) >= 24
    assert len(drawn(page)) == 7


def test_the_keyboard_alone_hides_and_shows_runs(opened):
    page = opened()
    page.locator(".gk-runs summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")  # seed 0
    page.keyboard.press("Space")
    assert drawn(page) == [(1, 0.1), (1, 0.5), (1, 2), (None, None)]
    said = page.locator(".gk-runs output").inner_text()
    assert said == "3 of 6 curves shown; lines over all runs stay"
    page.keyboard.press("Space")
    assert len(drawn(page)) == 7


def test_the_tools_show_when_the_pointer_comes_near(opened):
    page = opened()
    shown = "getComputedStyle(document.querySelector('.modebar-group')).opacity == 1"
    assert not page.evaluate(shown)
    page.locator(".gk-plot").first.hover()
    page.wait_for_function(shown)
    page.locator(".modebar").first.hover()
    page.wait_for_timeout(500)
    assert page.evaluate(shown)


def test_a_hidden_lines_legend_entry_passes_to_another_of_its_group(opened):
    page = opened(choose=True)
    entries = page.locator(".legendtext")
    before = entries.all_text_contents()
    assert before == ["weight decay 0.1", "weight decay 0.5", "weight decay 2", "the paper's"]
    page.get_by_role("checkbox", name="0", exact=True).uncheck()
    drawn(page)
    assert entries.all_text_contents() == before
    page.get_by_role("checkbox", name="0.5").uncheck()
    drawn(page)
    assert entries.all_text_contents() == [before[0], *before[2:]]


def test_all_of_a_group_go_and_come_back_with_one_button(opened):
    page = opened(choose=True)
    page.get_by_role("button", name="none: weight decay").click()
    assert drawn(page) == [(None, None)]
    page.get_by_role("checkbox", name="2").check()
    assert drawn(page) == [(0, 2), (1, 2), (None, None)]
    page.get_by_role("button", name="none: weight decay").click()
    page.get_by_role("button", name="all: weight decay").click()
    assert len(drawn(page)) == 7


def test_a_choice_stays_when_the_theme_changes(opened):
    page = opened(choose=True)
    page.get_by_role("checkbox", name="0.1").uncheck()
    switch_to(page, "dark")
    assert drawn(page) == [(0, 0.5), (1, 0.5), (0, 2), (1, 2), (None, None)]


def test_a_dark_page_prints_light_and_is_dark_again(opened):
    page = opened()
    switch_to(page, "dark")
    ink = "getComputedStyle(document.querySelector('.gk-plot .gtitle, .gk-plot .legendtext')).fill"
    modes, inks = ["dark"], [page.evaluate(ink)]
    for event in ("beforeprint", "afterprint"):
        page.evaluate(f"dispatchEvent(new Event('{event}'))")
        page.evaluate(FRAMES)
        modes.append(page.evaluate("document.documentElement.dataset.theme"))
        inks.append(page.evaluate(ink))
    assert modes == ["dark", "light", "dark"]
    assert inks[0] == inks[2] != inks[1]


def csv_of(figure: go.Figure) -> str:
    return data.table(json.loads(figure.to_json()))


def test_the_csv_says_whose_each_point_is():
    head, *rows = csv.reader(csv_of(two_by_three()).splitlines())
    assert head == ["panel", "trace", "x", "y", "seed", "weight_decay", "dataset_size"]
    assert len(rows) == 3 * 6 + 2
    assert {tuple(row[4:]) for row in rows[:3]} == {("0", "0.1", "400")}
    assert rows[-1][4:] == ["", "", ""]


def test_where_epoch_0_has_no_place_on_the_axis_hover_and_csv_know_it():
    fig = theme.figure().add_scatter(x=[0, 1, 10], y=[1, 2, 3], hovertemplate="epoch %{x:,}")
    plots.log_epochs(fig)
    assert 0 < fig.data[0].x[0] < 1
    assert fig.data[0].hovertemplate == "epoch %{customdata:,}"
    assert [*fig.data[0].customdata] == [0, 1, 10]
    assert [row[2] for row in csv.reader(csv_of(fig).splitlines())] == ["x", "0", "1", "10"]


BARS = {"array": [2], "arrayminus": [1]}
PACKED = np.array([0.1, np.nan], dtype=np.float32)


def test_the_csv_has_the_ends_of_error_bars_along_either_axis_packed_numbers_and_no_markup():
    head = "panel,trace,x,y"
    assert csv_of(plain()) == f"{head},seed,low,high\n1,one,1,3,0,2,3.5\n1,one,2,4,0,,\n"
    along_x = theme.figure().add_scatter(x=[5], y=[1], error_x=BARS)
    assert csv_of(along_x) == f"{head},low,high\n1,trace 1,5,1,4,7\n"
    packed = theme.figure().add_scatter(y=PACKED, name="a<sub>b</sub>")
    assert csv_of(packed) == f"{head}\n1,ab,0,0.1\n1,ab,1,\n"


def test_the_csv_names_each_panel_by_the_titles_of_its_axes_or_of_those_that_they_share():
    fig = theme.panels(300, ["", ""], cols=2, shared_yaxes=True)
    for col, name in enumerate(("D", "D<sub>crit</sub>"), start=1):
        fig.add_scatter(x=[1], y=[2], row=1, col=col)
        fig.update_xaxes(title=name, row=1, col=col)
    fig.update_yaxes(title="accuracy", row=1, col=1)
    _, *rows = csv.reader(csv_of(fig).splitlines())
    assert [row[0] for row in rows] == ["1: accuracy against D", "2: accuracy against Dcrit"]
