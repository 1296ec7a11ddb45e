"""`python -m grokkit.readme`: the README's picture and scoreboard, made from the shipped results.

python -m grokkit.readme           # the scoreboard, between its two marks
python -m grokkit.readme picture   # and the picture, which needs a browser (see CONTRIBUTING)
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go

from grokkit import analysis, claims, experiments, figures
from grokkit.analysis import NOT_RUN
from grokkit.browser import find_browser

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PICTURE = ROOT / ".github" / "overview.svg"
PLOTLY = ROOT / "book" / "_assets" / "plotly.min.js"


def scoreboard(found: Mapping[str, claims.Result]) -> str:
    """The claims that have a result as a Markdown table, and how many have none yet."""
    lines = ["| claim | the paper | ours | verdict |", "|---|---|---|---|"]
    for claim in claims.CLAIMS:
        result = found.get(claim.id, claims.Result())
        if result.verdict == NOT_RUN:
            continue
        says = f"**{claim.title}**: {claim.says}"
        sign = claims.MARK[result.verdict][0]
        lines.append(f"| {says} | {claim.number} | {result.ours} | {sign} {result.verdict} |")
    waiting = claims.tally(found)[NOT_RUN]
    lines += ["", f"{waiting} of {len(claims.CLAIMS)} claims have not been run yet; the book's"]
    lines[-1] += " first page lists them all."
    return "\n".join(lines)


def with_scoreboard(text: str, table: str) -> str:
    """The README's text with the table between its marks.

    Raises:
        ValueError: the marks are missing.
    """
    marks = re.compile(r"(<!-- scoreboard -->\n).*?(\n<!-- /scoreboard -->)", re.DOTALL)
    if not marks.search(text):
        raise ValueError("README.md has no <!-- scoreboard --> and <!-- /scoreboard -->")
    return marks.sub(lambda found: f"{found[1]}{table}{found[2]}", text)


def draw(fig: go.Figure, path: Path, width: int = 900, height: int = 340) -> None:
    """Write the figure as SVG, drawn by the book's own plotly.js in a browser."""
    from playwright.sync_api import sync_playwright

    script = """async ([fig, width, height]) => {
        const host = document.body.appendChild(document.createElement("div"));
        await Plotly.newPlot(host, fig.data, {...fig.layout, width, height});
        return Plotly.toImage(host, {format: "svg", width, height, imageDataOnly: true});
    }"""
    with sync_playwright() as playwright:
        chromium = find_browser(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.add_script_tag(path=str(PLOTLY))
        svg = page.evaluate(script, [json.loads(fig.to_json(engine="json")), width, height])
        browser.close()
    path.write_text(svg, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 2 for an unknown argument."""
    given = sys.argv[1:] if arguments is None else arguments
    if given not in ([], ["picture"]):
        print(f"the only argument is picture, got {' '.join(given)}", file=sys.stderr)
        return 2
    grokked = experiments.records(experiments.grokking())
    ungrokked = experiments.records(experiments.ungrokking())
    table = scoreboard(claims.results(grokked, ungrokked))
    README.write_text(with_scoreboard(README.read_text("utf-8"), table), encoding="utf-8")
    if given:
        draw(figures.fig1_overview(grokked, analysis.smallest(ungrokked)), PICTURE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
