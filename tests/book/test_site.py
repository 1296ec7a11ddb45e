"""Every page of the built site in a real browser, with every other host blocked.

The site is built first where it is missing or older than its sources, so this tests what
`make book` would publish. Without a browser the tests are skipped, and fail where CI is set.
"""

import contextlib
import csv
import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import unicodedata
from html import unescape
from itertools import chain, pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from bs4 import BeautifulSoup
from filelock import FileLock
from playwright.sync_api import Route
from test_chapters import cells

from varma2023 import claims
from varma2023.board import CLAIMS, PARTS, verdict_box
from varma2023.publish import chapters, pdf

pytestmark = [pytest.mark.site]

SITE = chapters.BUILD / "site"
PAGES = [f"{name}.html" for name in chapters.contents()]
CHAPTERS = [page for page in PAGES if page == "intro.html" or page.startswith("chapters/")]
OTHERS = ["genindex.html", "py-modindex.html", "search.html"]
MAX_PAGE = 1_300_000  # bytes of its own: text, figures, explorers
MAX_CODE = 750_000  # scripts and style sheets that pages share, besides plotly.min.js, as large


@pytest.fixture(scope="session")
def site() -> Path:
    """The built site, up to date."""
    chapters.BUILD.mkdir(exist_ok=True)
    with FileLock(chapters.BUILD / "site.lock"):  # one worker builds, the other waits
        index = SITE / "index.html"
        roots = [chapters.ROOT / name for name in ("book", "grokkit", "varma2023", "results")]
        files = [p for root in roots for p in root.rglob("*") if p.is_file() and p.suffix != ".pyc"]
        newest = max(files, key=lambda p: p.stat().st_mtime)
        if not index.exists() or index.stat().st_mtime < newest.stat().st_mtime:
            print(f"building the site first (newer: {newest.relative_to(chapters.ROOT)})")
            for action in ("check", "execute", "site"):
                command = [sys.executable, "-m", "varma2023.publish", action]
                subprocess.run(command, check=True, cwd=chapters.ROOT)
    return SITE


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word, for the browser to keep: it parses plotly.min.js once."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=3600")
        super().end_headers()


@pytest.fixture(scope="session")
def address(site):
    """The address under which the site is served here."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Tab:
    """A page of a site in a browser's tab, what it asked for, and what went wrong in it."""

    def __init__(self, page, base, width=1280, mode="light", fonts=True):
        self.base, self.page, self.fonts = base, page, fonts
        if not fonts:
            self.page.route("**/*.woff2", lambda route: route.abort())
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme=mode)
        self.asked: set[str] = set()  # files of the site
        self.outside: list[str] = []
        self.problems: list[str] = []
        self.listeners = {
            "request": self._request,
            "pageerror": lambda error: self.problems.append(str(error)),
            "console": self._console,
            "websocket": lambda socket: self.outside.append(socket.url),
        }
        for event, listener in self.listeners.items():
            self.page.on(event, listener)

    def _request(self, request):
        if request.url.startswith(self.base):
            self.asked.add(unquote(urlsplit(request.url).path).lstrip("/"))
        elif not request.url.startswith(("data:", "blob:")):
            self.outside.append(request.url)

    def _console(self, message):
        missed = not self.fonts and message.location["url"].endswith(".woff2")
        if message.type in ("error", "warning") and not missed:
            self.problems.append(f"{message.text} {message.location['url']}")

    def open(self, address: str) -> "Tab":
        """Open a page with all its figures and explorers, and wait until they stand."""
        self.page.goto(self.base + address)
        self.page.wait_for_function(pdf.DRAWN)
        return self

    def leave(self) -> None:
        """Leave the page and check what it did."""
        self.page.goto("about:blank")
        self.page.unroute_all()
        for event, listener in self.listeners.items():
            self.page.remove_listener(event, listener)
        assert self.outside == [], "requests that left the site"
        assert self.problems == [], "messages on the console"


def write_page(folder: Path, name: str, body: str) -> None:
    """A page with this body, beside the script, the style and the fonts of the book's pages."""
    chapters.stage_assets(folder)
    shutil.copytree(chapters.BOOK / "_assets/fonts", folder / "fonts", dirs_exist_ok=True)
    (folder / f"{name}.html").write_text(
        '<!doctype html><html data-theme="light"><head><meta charset="utf-8"><title>page</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="gk-book.css"><script src="gk-book.js"></script></head>'
        f'<body style="margin: 0">{body}</body></html>',
        encoding="utf-8",
    )


@contextlib.contextmanager
def tabs_on(context, folder: Path):
    """A function that opens pages of a folder; what they did is checked at the end."""
    tabs = []

    def open_page(name, width=1280):
        tabs.append(Tab(context.new_page(), folder.as_uri() + "/", width=width))
        return tabs[-1].open(f"{name}.html?print").page

    yield open_page
    for tab in tabs:
        tab.leave()
        tab.page.close()


@pytest.fixture(scope="session")
def blank(context):
    """One tab for all pages: a new one costs more than most pages do."""
    return context.new_page()


@pytest.fixture
def tab(blank, address):
    """A function that opens a page of the site, once a test; what it did is checked afterwards."""
    tabs = []

    def open_tab(page, **options):
        assert tabs == []
        tabs.append(Tab(blank, address, **options))
        return tabs[-1].open(page)

    yield open_tab
    tabs[0].leave()


def test_the_pages_are_those_of_the_contents(site):
    built = {p.relative_to(site).as_posix() for p in site.rglob("*.html")}
    built = {p for p in built if not p.startswith(("_modules/", "_static/"))}
    assert built - set(OTHERS) - {"index.html", "prf-prf.html"} == set(PAGES)


def n_figures(page: str) -> int:
    """How many figure cells the page's notebook has."""
    shows = re.compile(r"^show\(", re.MULTILINE)
    return sum(bool(shows.search(cell)) for cell in cells(page.removesuffix(".html")))


INK = """d => [...d.querySelectorAll('.scatterlayer path, .barlayer path')]
    .some(e => e.getBoundingClientRect().width > 0)"""
MISPLACED = """() => {
  const rect = (e) => e.getBoundingClientRect();
  const on = (r, q) => Math.min(r.bottom, q.bottom) - Math.max(r.top, q.top) > 0
    && Math.min(r.right, q.right) - Math.max(r.left, q.left) > 0;
  const check = (figure) => {
    const box = rect(figure.querySelector('.main-svg') ?? figure);
    const tools = figure.querySelector('.modebar');
    const cut = (r) => r.top < box.top - 1 || r.bottom > box.bottom + 1 || r.left < box.left - 1
      || r.right > box.right + 1;
    const before = []; // labels of x axes
    return [...figure.querySelectorAll('.legend, .bg, text')].flatMap((e) => {
      const r = rect(e), tick = e.closest('.xtick');
      const wrong = { cut: cut(r), 'under the tools': tools && on(r, rect(tools)),
        'on another label': tick && before.some((q) => on(r, q)) };
      if (tick) before.push(r);
      return Object.keys(wrong).filter((key) => wrong[key])
        .map((key) => `${key}: ${e.textContent}`);
    });
  };
  return [...document.querySelectorAll('.gk-plotly, .gk-x svg[role=img]')].flatMap(check);
}"""
FACES = """() => [...document.querySelectorAll(`article :is(p, li, td, th, h1, h2, h3, figcaption,
    summary, label, button, output), .gk-plotly text, .gk-x text`)]
  .filter((e) => !getComputedStyle(e).fontFamily.startsWith('Inter')).map((e) => e.outerHTML)"""
RAW = """() => {  // a link to a heading shows its maths as it is written
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (texts.nextNode()) {
    const { parentElement: parent, data } = texts.currentNode;
    const maths = /\\\\[a-zA-Z]+/.test(data);
    if (maths && !parent.closest('script, pre, code, gk-math')) found.push(data);
  }
  return found;
}"""


LUMINANCE = """const light = (c) => c.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0) + 0.05;
  const ratio = (a, b) => Math.max(light(a), light(b)) / Math.min(light(a), light(b));"""
IN_FIGURES = f"""() => {{ {LUMINANCE}
  const paper = getComputedStyle(document.body).backgroundColor;
  return [...document.querySelectorAll(`.gk-plotly .xtick text, .gk-plotly .ytick text,
    .gk-plotly .legendtext`)].map((e) => ratio(getComputedStyle(e).fill, paper));
}}"""
IN_PROSE = f"""() => {{ {LUMINANCE}
  const paper = (e) => {{  // a tint is no paper
    const own = e ? getComputedStyle(e).backgroundColor : "rgb(255, 255, 255)";
    return /^rgba.*, 0(\\.[0-4]\\d*)?\\)$/.test(own) ? paper(e.parentElement) : own;
  }};
  return [...document.querySelectorAll(`article :is(p, li, td, th, h1, h2, h3, figcaption, dt,
    summary, label, output, code, pre span, a:not(.headerlink))`)]
    .filter((e) => e.textContent.trim() && e.getBoundingClientRect().width)
    .map((e) => ratio(getComputedStyle(e).color, paper(e)));
}}"""


REDRAWN = """(change) => {  // a figure is redrawn for it
  const plots = [...document.querySelectorAll('.gk-plot')];
  const redrawn = plots.map((p) => new Promise((done) => p.once('plotly_afterplot', done)));
  document.documentElement.dataset.theme = change;
  return Promise.all(redrawn).then(() => 0);
}"""
FRAMES = "() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => r())))"
FITTED = """[...document.querySelectorAll('.gk-plot')]
    .every(p => p.clientWidth === p._fullLayout.width)"""


def switch_to(here, mode):
    """As the button of the page does, at once."""
    here.add_style_tag(content="* { transition: none !important; }")
    here.evaluate(REDRAWN, mode)
    here.evaluate(FRAMES)


def resize(here, width):
    here.set_viewport_size({"width": width, "height": 900})
    here.wait_for_function(FITTED)
    here.evaluate(FRAMES)


WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
# Of contrast `IN_PROSE` and `IN_FIGURES` are asked on every page in both modes. Axe, for which the
# colours take thrice as long as all else, is asked on a page of each kind that is written by hand.
CONTRAST = ["intro.html", "chapters/07_discussion.html", "chapters/score.html", "search.html"]
WIDE = """() => {  // tables wider than their column, those that a click unfolds included
  const closed = [...document.querySelectorAll('.bd-article details:not([open])')];
  closed.forEach((d) => { d.open = true; });
  const found = [...document.querySelectorAll('.bd-article table')]
    .filter((t) => t.scrollWidth > t.clientWidth + 1).map((t) => t.tHead?.textContent);
  closed.forEach((d) => { d.open = false; });
  return found;
}"""
TWICE = """() => [...document.querySelectorAll('[id]')].map((e) => e.id)
  .filter((id, i, all) => all.indexOf(id) < i)"""
UNREACHED = """() => [...document.querySelectorAll('body *')].filter((e) => e.tabIndex < 0
  && (e.scrollWidth > e.clientWidth + 13 || e.scrollHeight > e.clientHeight + 13)
  && /auto|scroll/.test(getComputedStyle(e).overflow) && e.checkVisibility()
  && !e.querySelector('a[href], button, input, select, summary, [tabindex]'))
  .map((e) => e.outerHTML.slice(0, 200))"""
AXE = """([runOnly, enabled]) => axe.run(document, { runOnly, preload: false,
    rules: { 'color-contrast': { enabled }, 'link-in-text-block': { enabled } },
    resultTypes: ['violations'] })
  .then(({ violations }) => violations
  .filter(({ impact }) => impact === 'serious' || impact === 'critical')
  .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`)))"""


@pytest.mark.parametrize("page", PAGES + OTHERS)
def test_a_page_draws_everything_is_light_and_fits_in_both_modes(tab, page, site):
    opened = tab(f"{page}?print")
    here = opened.page
    figures = here.query_selector_all(".gk-plotly")
    assert len(figures) == n_figures(page)
    for figure in figures:
        assert figure.evaluate(INK), "a figure without a mark on it"
        [picture] = figure.query_selector_all("svg.main-svg[role=img]")
        assert len(picture.get_attribute("aria-label")) > 20
    assert here.evaluate(MISPLACED) == []
    assert here.evaluate(FACES) == [], "not in the book's own face"
    assert here.evaluate(RAW) == []
    assert here.evaluate(WIDE) == []
    assert here.evaluate(TWICE) == [], "an id that several elements have"
    assert here.query_selector('svg[data-icon="circle-question"], .fa-missing') is None
    assert (site / page).stat().st_size < MAX_PAGE
    shared = {name for name in opened.asked if name.endswith((".js", ".css"))}
    shared -= {"_static/plotly.min.js", "searchindex.js"}
    assert 100_000 < sum((site / name).stat().st_size for name in shared) < MAX_CODE
    before = here.evaluate(IN_FIGURES)
    assert min(before, default=99) > 4.5
    assert min(here.evaluate(IN_PROSE), default=99) > 4.4
    if not page.startswith("api/") or page == "api/runs.html":  # of those of one template, one
        here.evaluate(AXE_SCRIPT)
        assert here.evaluate(AXE, [WCAG, page in CONTRAST]) == [], "what keeps some readers out"
    switch_to(here, "dark")
    after = here.evaluate(IN_FIGURES)
    assert len(after) == len(before)
    if page in CONTRAST:
        assert here.evaluate(AXE, [WCAG, True]) == [], "what keeps some readers out in the dark"
    assert min(after, default=99) > 4.5
    resize(here, 360)
    assert here.evaluate("document.documentElement.scrollWidth") <= 360
    sizes = here.evaluate(
        """[...document.querySelectorAll('.gk-plotly text')].filter(t => t.textContent.trim()
            && !t.closest('.modebar')).map(t => parseFloat(getComputedStyle(t).fontSize))"""
    )
    assert min(sizes, default=99) >= 9
    assert here.evaluate(MISPLACED) == []
    assert min(here.evaluate(IN_PROSE), default=99) > 4.4
    assert here.evaluate(UNREACHED) == [], "what scrolls on a phone, and no key reaches"


CONTROLS = """() => [...document.querySelectorAll(
    'a[href], button, input, select, summary, [tabindex]')].filter((e) => e.tabIndex >= 0
    && !e.disabled && e.checkVisibility({ visibilityProperty: true }))"""
FOCUSED = f"""() => {{
  const e = document.activeElement, style = getComputedStyle(e);
  const ring = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0)
    || style.boxShadow !== 'none';
  const shows = ring && e.checkVisibility({{ opacityProperty: true }});
  (window.reached ??= new Set()).add(e);
  return [({CONTROLS})().includes(e), shows, e.outerHTML];
}}"""
LEFT = (
    f"({CONTROLS})().filter((e) => !window.reached?.has(e)).map((e) => e.outerHTML.slice(0, 200))"
)


@pytest.mark.parametrize(
    "page", ["intro.html", "chapters/03_ingredients.html", "chapters/d_theorems.html"]
)
def test_the_keyboard_reaches_every_control_and_shows_where_it_is(tab, page):
    here = tab(f"{page}?print").page
    here.add_style_tag(content="* { transition: none !important; }")
    names = here.evaluate(LEFT)
    assert sum("modebar-btn" in name for name in names) > 3
    for _ in range(2 * len(names)):  # controls come and go while a slow machine draws the page
        here.keyboard.press("Tab")
        one, shows, name = here.evaluate(FOCUSED)
        # past the last control the focus is the browser's, and begins anew
        assert shows or not one, name[:200]
        if not here.evaluate(LEFT):
            break
    assert here.evaluate(LEFT) == []


def test_a_table_stays_in_its_column_and_shows_where_it_goes_on(tab):
    """On a phone, faded at its edge; at 1280 px none is wider (in the test of every page)."""
    here = tab("chapters/06_related_work.html?print", width=360).page
    tables = "[...document.querySelectorAll('.bd-article table')]"
    wide = "t => t.scrollWidth > t.clientWidth + 1"
    assert here.evaluate(f"{tables}.filter({wide}).length") > 0
    faded = f"{tables}.filter({wide}).every(t => getComputedStyle(t).maskImage !== 'none')"
    here.wait_for_function(faded)
    here.evaluate(f"{tables}.forEach(t => t.scrollTo(9999, 0))")
    here.wait_for_function(f"{tables}.every(t => getComputedStyle(t).maskImage === 'none')")


def test_the_score_is_a_card_a_claim_on_a_phone(tab):
    here = tab("chapters/score.html", width=360).page
    assert here.locator(".gk-score tbody tr").count() == len(CLAIMS)
    cells = here.locator("#score-f1a td")
    said = "cells => cells.map(td => getComputedStyle(td, '::before').content)"
    heads = ["verdict", "the paper", "ours", "criteria", "evidence"]
    assert cells.evaluate_all(said) == ["none", *(f'"{head}: "' for head in heads)]
    boxes = [cells.nth(i).bounding_box() for i in range(6)]
    assert all(box["x"] + box["width"] <= 360 for box in boxes)
    assert all(a["y"] + a["height"] <= b["y"] + 1 for a, b in pairwise(boxes))


def test_search_finds_pages_before_functions_and_quotes_formulas_as_one_sees_them(tab):
    here = tab("search.html?q=efficiency").page
    here.get_by_text("Search finished").wait_for()
    links = here.locator("#search-results ul.search li a")
    links.and_(here.locator("[href*='api/']")).first.wait_for()
    found = links.evaluate_all("links => links.map(a => a.pathname)")
    pages = [not path.startswith("/api") for path in found]
    assert 5 < sum(pages) < len(pages)
    assert pages == sorted(pages, reverse=True)
    quotes = here.locator("#search-results .context")
    quotes.first.wait_for()
    quoted = " ".join(quotes.all_inner_texts())
    assert "efficiency" in quoted
    assert "\\" not in quoted
    text = here.evaluate("""async () => Search.htmlToText(
        await (await fetch("chapters/convergence.html")).text(), "")""")
    assert text.startswith("The minimum, sought directly")  # and not with the page's buttons
    assert "αϵ" in text or "ϵλ" in text
    assert "\\" not in text  # the source of a formula
    links.first.click()
    here.wait_for_load_state()
    assert "efficiency" in here.inner_text("article").lower()


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_page_opens_in_the_mode_of_its_reader(tab, mode):
    here = tab("chapters/choices.html", mode=mode).page
    assert here.evaluate("document.documentElement.dataset.theme") == mode
    assert min(here.evaluate(IN_PROSE)) > 4.4


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_page_opens_on_a_phone_and_fits_a_desk_without_its_fonts(tab, page):
    here = tab(f"{page}?print", fonts=False, width=360).page
    ours = "[...document.fonts].filter((face) => face.family === 'Inter')"
    assert here.evaluate(f"{ours}.every((face) => face.status !== 'loaded')")
    assert here.evaluate("document.documentElement.scrollWidth") <= 360
    assert here.evaluate(MISPLACED) == []
    resize(here, 1280)
    assert here.evaluate(MISPLACED) == []


DATA = re.compile(r'<script type="application/json">(.*?)</script>', re.DOTALL)
UNREAD = re.compile(  # tags, and what is in another face: code and maths
    r'<(script|style|code|pre|kbd)\b.*?</\1>|<dt class="sig.*?</dt>'
    r"|<gk-math.*?</gk-math>|<!--.*?-->|<[a-zA-Z/!][^>]*>",
    re.DOTALL,
)


def shown(page: Path) -> set[str]:
    """The characters of a built page's text, figures and explorers, without code and maths."""
    html = page.read_text(encoding="utf-8")
    text = unescape(UNREAD.sub("", html)) + json.dumps(
        [json.loads(x) for x in DATA.findall(html)], ensure_ascii=False
    )
    return {c for c in text if c.isprintable() and not c.isspace()}


def test_the_shipped_fonts_have_every_character_that_a_page_shows(tab, site):
    here = tab("search.html").page
    chars = sorted(set().union(*(shown(site / page) for page in PAGES + OTHERS)))
    assert {"✔", "◐", "−", "λ"} < set(chars)
    here.evaluate(
        """chars => document.body.replaceChildren(...chars.flatMap(c => ["span", "b"].map(tag =>
        Object.assign(document.createElement(tag), { textContent: c }))))""",
        chars,
    )
    here.evaluate("document.fonts.ready.then(() => 0)")
    session = here.context.new_cdp_session(here)
    for domain in ("DOM", "CSS"):
        session.send(f"{domain}.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    nodes = session.send("DOM.querySelectorAll", {"nodeId": root, "selector": "body > *"})
    used = [session.send("CSS.getPlatformFontsForNode", {"nodeId": n}) for n in nodes["nodeIds"]]
    assert len(used) == 2 * len(chars)
    own = [all(font["isCustomFont"] for font in use["fonts"]) for use in used]
    assert {chars[i // 2] for i, ours in enumerate(own) if not ours} == set()


def test_figures_wait_until_they_come_near(address, context):
    page = max(PAGES, key=n_figures)
    here = context.new_page()
    here.set_viewport_size({"width": 1280, "height": 400})
    here.goto(address + page)
    here.wait_for_timeout(500)
    assert here.query_selector_all(".gk-plotly:not([data-drawn])")
    last = "[...document.querySelectorAll('.gk-plotly')].at(-1)"
    here.wait_for_function(f"{last}.scrollIntoView() || {last}.dataset.drawn", polling=200)
    here.close()


@pytest.mark.parametrize("page", [p for p in PAGES if n_figures(p)][:3])
def test_a_figures_csv_has_a_row_for_every_point(tab, page):
    here = tab(f"{page}?print").page
    with here.expect_download() as download:
        here.locator(".gk-csv").first.click()
    assert download.value.suggested_filename.endswith(".csv")
    rows = list(csv.reader(Path(download.value.path()).read_text("utf-8").splitlines()))
    assert rows[0][:4] == ["panel", "trace", "x", "y"]
    assert len(set(rows[0])) == len(rows[0])
    drawn = here.evaluate(
        "document.querySelector('.gk-plot').calcdata.map(c => [c[0].trace.type, c.length])"
    )
    if all(kind == "scatter" for kind, _ in drawn):
        assert len(rows) - 1 >= sum(n for _, n in drawn) > 0
    assert [float(row[3]) for row in rows[1:] if row[3]]


@pytest.fixture(scope="session")
def without_scripts(browser):
    """A tab in which no script runs."""
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("page", [p for p in CHAPTERS if n_figures(p)])
def test_a_page_reads_without_scripts(without_scripts, address, site, page):
    here = without_scripts
    here.goto(address + page)
    soup = BeautifulSoup((site / page).read_text(encoding="utf-8"), "html.parser")
    for tex in soup.select("annotation"):
        tex.decompose()
    text = " ".join(here.inner_text("article").split())
    for figure in soup.select(".gk-plotly"):
        assert " ".join(figure["aria-label"].split()) in text, "what the figure shows"
    for place in ("figcaption .caption-text", "article table td"):
        place += ":not(details *)"  # what is folded, a click unfolds
        words = ["".join(e.get_text().split()) for e in soup.select(place)]
        shown = ["".join(t.split()) for t in here.locator(place).all_inner_texts()]
        assert list(map(len, shown)) == pytest.approx(list(map(len, words)), abs=9)
    for link in soup.select(".gk-csv"):
        assert (site / page).parent.joinpath(link["href"]).read_text("utf-8").count("\n") > 1
    assert here.locator("gk-math:visible").count() == here.locator(".katex:visible").count()
    empty = here.locator(".gk-plotly, .gk-island")
    assert all(not empty.nth(i).is_visible() for i in range(empty.count()))


EXPLORERS = [
    *(("chapters/03_ingredients.html", 11), ("chapters/04_circuit_efficiency.html", 5)),
    *(("chapters/a3_grokking_circuits.html", 1), ("chapters/b_trigonometric.html", 3)),
    ("chapters/d_theorems.html", 3),
]
CURVES = "i => [...i.querySelectorAll('svg path')].map(p => p.getAttribute('d')).join(';')"


@pytest.mark.parametrize(("page", "at_least"), EXPLORERS)
def test_sliders_move_the_curves_without_a_kernel(tab, page, at_least):
    here = tab(f"{page}?print").page
    moved = 0
    for island in here.query_selector_all(".gk-island"):
        for slider in island.query_selector_all("input[type=range]"):
            before = island.evaluate(CURVES)
            at_end = slider.input_value() == slider.get_attribute("max")
            slider.focus()
            here.keyboard.press("PageDown" if at_end else "PageUp")
            here.evaluate(FRAMES)
            moved += island.evaluate(CURVES) != before
    assert moved >= at_least


def test_a_network_trains_in_a_thread_of_its_own_in_the_page(tab):
    here = tab("intro.html?print").page
    here.locator("[data-action=take]:disabled").wait_for()
    here.locator("[data-action=train]").click()
    status = here.locator(".gk-island [role=status]")
    status.filter(has_text="it has memorised").wait_for()
    assert here.workers
    here.locator("[data-key=fewer]").press("End")
    here.locator("[data-action=take]").click()
    status.filter(has_text="on 900 examples now").wait_for()
    here.locator("[data-action=pause]").click()
    here.locator("[data-action=pause]", has_text="Go on").wait_for()


def test_every_executed_chapter_has_the_verdicts_of_the_board(site, board):
    reached = chapters.verdicts(chapters.BUILD / "book")
    for (chapter, name), verdict in reached.items():
        assert verdict == board.get(name, claims.Result()).verdict, f"{name} in {chapter}"
    assert {(claim.where[0], claim.id) for claim in CLAIMS} <= set(reached)


def test_every_box_of_a_chapter_has_the_numbers_criteria_and_earlier_verdict_of_the_board(
    site, board
):
    shown = set()
    for path in (chapters.BUILD / "book/chapters").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        outputs = chain.from_iterable(cell.get("outputs", ()) for cell in cells)
        shown |= {str(output.get("data", {}).get("text/html")) for output in outputs}
    proved = PARTS["theorems"]  # these have no box but a table
    boxes = {name: verdict_box(name, own) for name, own in board.items() if name not in proved}
    assert [name for name, box in boxes.items() if box not in shown] == []


def test_the_site_names_no_other_host_and_nothing_of_this_machine(site):
    for path in [*site.rglob("*.html"), *site.rglob("*.ipynb")]:
        text = path.read_text(encoding="utf-8")
        assert str(chapters.ROOT) not in text, path
        loads = re.findall(r'<(?:script|img|iframe|source)[^>]*src="(?:https?:)?//[^"]*', text)
        loads += re.findall(r'<link[^>]*href="(?:https?:)?//[^"]*', text)
        assert loads == [], path


@pytest.mark.parametrize("page", CHAPTERS)
def test_the_notebook_that_a_page_offers_quotes_its_own_numbers_when_run(site, page):
    text = (site / page).read_text(encoding="utf-8")
    paths = {*re.findall(r'href="((?:\.\./)?_sources/[^"]+\.ipynb)"', text)}
    assert bool(paths) == (chapters.BOOK / page).with_suffix(".ipynb").exists()
    for path in paths:
        offered = ((site / page).parent / path).read_text(encoding="utf-8")
        assert offered == (chapters.BOOK / page).with_suffix(".ipynb").read_text(encoding="utf-8")


def test_a_marked_term_leads_to_the_glossary_and_shows_its_meaning(site):
    texts = [(site / page).read_text(encoding="utf-8") for page in PAGES if "chapters/" in page]
    marked = [tag for text in texts for tag in re.findall(r"<a [^>]*gk-term[^>]*>", text)]
    targets = {target for text in texts for target in re.findall(r'<dt id="(term-[^"]+)"', text)}
    assert len(marked) > 20
    for link in (BeautifulSoup(tag, "html.parser").a for tag in marked):
        assert link["href"].partition("#")[2] in targets
        assert len(link["title"]) > 20
        assert "\\" not in link["title"], "maths as it is written"


# --- the first page and the full score


FIRST, SCORE = "intro.html", "chapters/score.html"


def test_the_first_page_is_short_its_cards_in_one_column_on_a_phone_and_in_several_on_a_desk(tab):
    here = tab(f"{FIRST}?print").page
    here.evaluate("document.querySelector('.gk-card details').open = false")  # as readers find it
    assert here.evaluate("document.documentElement.scrollHeight") < 5000
    assert "Show code cell" not in here.inner_text("article")
    lefts = "new Set([...document.querySelectorAll('.gk-card')].map(c => c.offsetLeft)).size"
    assert here.evaluate(lefts) >= 2
    resize(here, 360)
    assert here.evaluate(lefts) == 1


SEEN = """const look = () => {
  const { width, top } = document.querySelector('.gk-idea')?.getBoundingClientRect() ?? {};
  if (width > 0 && top < innerHeight) requestAnimationFrame(() => { window.seen = true; });
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);"""


def test_a_reader_sees_the_first_picture_before_the_figures_can_be_drawn(address, context):
    """The code that draws figures is held back until the picture is on the screen."""
    here, held = context.new_page(), list[Route]()
    here.set_viewport_size({"width": 1280, "height": 900})
    here.add_init_script(SEEN)
    here.route("**/plotly.min.js", lambda route: held.append(route))
    with here.expect_request("**/plotly.min.js"):
        here.goto(address + FIRST, wait_until="commit")
        here.wait_for_function("window.seen")
    assert here.evaluate("!window.Plotly")
    for route in held:
        route.continue_()
    here.wait_for_function("window.Plotly")
    here.close()


def shown_verdicts(here) -> list[str]:
    return here.evaluate(
        """[...document.querySelectorAll("[data-verdict]")]
            .filter(e => e.getBoundingClientRect().width).map(e => e.dataset.verdict)"""
    )


@pytest.mark.parametrize("page", [FIRST, SCORE])
def test_claims_are_chosen_by_verdict_with_the_keyboard(tab, page, board):
    here = tab(f"{page}?print").page
    every = [board.get(claim.id, claims.Result()).verdict for claim in CLAIMS]
    assert sorted(shown_verdicts(here)) == sorted(every)
    here.get_by_label("fails", exact=True).focus()
    here.keyboard.press("Space")
    assert sorted(shown_verdicts(here)) == sorted(v for v in every if v != claims.FAILS)
    here.locator(".gk-filtered button", has_text="none").first.press("Enter")
    here.get_by_label("fails", exact=True).press("Space")
    assert set(shown_verdicts(here)) == {claims.FAILS}
    assert all("fails" in text for text in here.locator(".gk-card:visible").all_inner_texts())
    assert f"{every.count(claims.FAILS)} of {len(every)}" in here.inner_text(".gk-filtered output")


def test_of_many_claims_those_that_do_not_hold_are_folded_until_a_reader_chooses(blank, address):
    blank.goto(address + FIRST)
    assert blank.locator(".gk-card details").count() == 1
    blank.wait_for_function("!document.querySelector('.gk-card details').open")
    blank.get_by_label("fails", exact=True).focus()
    blank.keyboard.press("Space")
    blank.wait_for_function("document.querySelector('.gk-card details').open")


def test_claims_of_the_score_are_chosen_by_badge_with_the_keyboard(tab, board):
    here = tab(f"{SCORE}?print").page
    made = [board[claim.id].evidence for claim in CLAIMS if claim.id in board]
    at_31 = [each for each in made if each and "p = 31" in each.settings]
    by_adamw = [each for each in at_31 if any(name.startswith("AdamW") for name in each.by)]
    assert 0 < len(by_adamw) < len(at_31)
    here.get_by_label("none: modulus").press("Enter")
    assert shown_verdicts(here) == []
    here.get_by_label("p = 31", exact=True).press("Space")
    assert len(shown_verdicts(here)) == len(at_31)
    here.get_by_label("none: method").press("Enter")
    here.get_by_label("AdamW", exact=True).press("Space")
    assert len(shown_verdicts(here)) == len(by_adamw)
    assert f"{len(by_adamw)} of {len(CLAIMS)}" in here.inner_text(".gk-filtered output")


@pytest.mark.parametrize("page", [FIRST, SCORE])
def test_without_scripts_all_claims_show_and_cards_have_pictures(address, without_scripts, page):
    here = without_scripts
    here.goto(address + page)
    items = here.locator("[data-verdict]")
    assert items.count() == len(CLAIMS)
    assert all(items.nth(i).is_visible() for i in range(len(CLAIMS)))
    assert page == SCORE or here.locator(".gk-card svg path").count() > 8


def test_the_score_is_sorted_by_a_column_with_the_keyboard(tab):
    here = tab(f"{SCORE}?print").page
    column = """i => [...document.querySelectorAll(".gk-score tbody tr")]
        .map(row => row.cells[i].textContent.trim())"""
    before = here.evaluate(column, 0)
    head = here.locator(".gk-score th").nth(1)
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    verdicts = [text.replace("\xa0", " ")[2:] for text in here.evaluate(column, 1)]
    assert verdicts == sorted(verdicts, key=claims.VERDICTS.index)
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert here.evaluate(column, 1)[0].replace("\xa0", " ").endswith(verdicts[-1])
    first = here.locator(".gk-score th").nth(0)
    first.locator("button").press("Enter")
    assert first.get_attribute("aria-sort") == "ascending"
    assert head.get_attribute("aria-sort") is None
    assert here.evaluate(column, 0) == before


@pytest.mark.parametrize("page", [FIRST, SCORE, "chapters/paper_index.html"])
def test_every_link_of_a_page_that_code_writes_leads_to_a_place_that_is_there(site, page):
    soup = BeautifulSoup((site / page).read_text("utf-8"), "html.parser").article
    places = {}
    hrefs = {link["href"] for link in soup.select("a[href]") if not link.get("role")}
    for href in hrefs:
        name, _, target = href.partition("#")
        path = ((site / page).parent / name).resolve() if name else site / page
        assert path.exists(), href
        if path not in places:
            places[path] = set(re.findall(r'\bid="([^"]+)"', path.read_text("utf-8")))
        assert not target or unquote(target) in places[path], href
    assert len(hrefs) > 20


def bare(text: str) -> str:
    """The text without spaces and ligatures, which a PDF sets as it likes."""
    return "".join(unicodedata.normalize("NFKC", text).split())


@pytest.mark.slow
def test_the_book_is_one_pdf_with_every_page_its_figures_and_links(site, browser, tmp_path):
    pypdf = pytest.importorskip("pypdf")
    command = [sys.executable, "-m", "varma2023.publish.pdf", str(tmp_path / "book.pdf")]
    browser.new_page().close()  # there is one, or this is skipped
    subprocess.run(command, check=True, cwd=chapters.ROOT)
    book = pypdf.PdfReader(tmp_path / "book.pdf")
    titles = [x for x in book.outline if not isinstance(x, list)]
    assert titles[0].title == "Contents"
    assert len(titles) == len(PAGES) + 1
    texts = [bare(leaf.extract_text()) for leaf in book.pages]
    front = book.get_destination_page_number(titles[1])
    for i, text in enumerate(texts[front:], 1):
        assert text.endswith(str(i)) or text.startswith(str(i)), "no number on this leaf"
    for mark, page in zip(titles[1:], PAGES, strict=True):
        at = book.get_destination_page_number(mark)
        assert bare(mark.title) in texts[at], page
        assert bare(f"{mark.title}{at - front + 1}") in "".join(texts[:front]), "the contents"
    specs = [json.loads(d) for p in PAGES for d in DATA.findall((site / p).read_text("utf-8"))]
    axes = [spec["layout"].get("yaxis", {}).get("title", {}) for spec in specs if "data" in spec]
    for text in {axis.get("text", "") for axis in axes}:
        assert "<" in text or bare(text) in "".join(texts), "a figure that is not drawn"
    links = [a.get_object() for leaf in book.pages for a in leaf.get("/Annots", ())]
    assert sum("/Dest" in link for link in links) > 100
    assert not [x for x in links if str(x.get("/A", {}).get("/URI", "")).startswith("file:")]
