"""The README's picture, tables and tree, made from the shipped results and the code.

python -m varma2023.publish.readme           # the tables, between their marks
python -m varma2023.publish.readme picture   # and the picture: needs a browser
"""

import ast
import base64
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go

from varma2023 import board, claims, experiments, measures, profiles
from varma2023.engine import timings
from varma2023.engine.measured import load
from varma2023.pages import ROOT
from varma2023.publish import overview
from varma2023.publish.browser import find_browser
from varma2023.tables import capitalised

README = ROOT / "README.md"
WITH_TREE = (README, ROOT / "CONTRIBUTING.md")
PICTURE = ROOT / ".github" / "overview.svg"
ASSETS = ROOT / "book" / "_assets"


def scoreboard(found: Mapping[str, claims.Result]) -> str:
    """The claims that have a result, score by score, as Markdown tables."""
    counts, lines = board.tally(found), []
    for score in claims.SCORES:
        lines += ["", f"**{capitalised(score)}**: {board.score_text(counts[score])}.", ""]
        lines += ["| claim | the paper | ours | verdict |", "|---|---|---|---|"]
        for claim in board.CLAIMS:
            if claim.score == score and claim.id in found:
                lines.append(_row(claim, found[claim.id]))
    return "\n".join([*lines[1:], "", "The book's first page says what is missing for each."])


def _row(claim: claims.Claim, result: claims.Result) -> str:
    sign, badges = board.MARK[result.verdict][0], ""
    if result.evidence:
        badges = f"<br>{', '.join(result.evidence.badges)}"
    says = f"**{claim.title}**: {claim.says}"
    return f"| {says} | {claim.number} | {result.ours} | {sign} {result.verdict}{badges} |"


def ladder() -> str:
    """Every way to train a network, by case, as `benchmarks/engine.py` timed them, in Markdown."""
    measured = load("engine-cpu")
    cases = timings.by_case(measured)
    lines = [f"| | {' | '.join(cases)} |", f"|---{'|---' * len(cases)}|"]
    for way in max(cases.values(), key=len):
        cells = [
            f"{own[way].ms:.1f} ms, {own[way].factor:.1f} ×" if way in own else ""
            for own in cases.values()
        ]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    threads, peak = measured["provenance"]["threads"], measured["peak_flops"] / 1e9
    n_runs, size = measured["memory_of"]
    return "\n".join(lines) + (
        f"\n\nOn {threads} threads with a measured matmul peak of {peak:,.0f} GFLOP/s in float32; "
        f"{n_runs} networks of {size:,} examples take {measured['memory_gb']:.1f} GB."
    )


def first_line(path: Path) -> str:
    """The first line of a module's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "\n"
    return text.splitlines()[0].removesuffix(".")


def tree() -> str:
    """Both packages with their modules and folders, a sentence each, as preformatted text."""
    lines = []
    for package in ("grokkit", "varma2023"):
        lines.append(f"{package + '/':22}{first_line(ROOT / package / '__init__.py')}")
        for path in sorted((ROOT / package).glob("[a-z]*")):
            if (path / "__init__.py").exists():
                lines.append(f"  {path.name + '/':20}{first_line(path / '__init__.py')}")
            elif path.suffix == ".py":
                lines.append(f"  {path.name:20}{first_line(path)}")
    return "\n".join(["```text", *lines, "```"])


def with_table(text: str, table: str, name: str = "scoreboard") -> str:
    """The text of a page with the table between its marks.

    Raises:
        ValueError: the marks are missing.
    """
    marks = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
    if not marks.search(text):
        raise ValueError(f"the text has no <!-- {name} --> and <!-- /{name} -->")
    return marks.sub(lambda found: f"{found[1]}{table}{found[2]}", text)


def draw(fig: go.Figure, path: Path, width: int = 900, height: int = 340) -> None:
    """Write the figure as SVG, drawn by the book's own plotly.js in a browser, with its font."""
    from playwright.sync_api import sync_playwright

    font = base64.b64encode((ASSETS / "fonts" / "Inter-Regular.woff2").read_bytes()).decode()
    face = f"@font-face{{font-family:Inter;src:url(data:font/woff2;base64,{font})}}"
    script = """async ([fig, width, height]) => {
        await document.fonts.load("1em Inter");
        const host = document.body.appendChild(document.createElement("div"));
        await Plotly.newPlot(host, fig.data, {...fig.layout, width, height});
        return Plotly.toImage(host, {format: "svg", width, height, imageDataOnly: true});
    }"""
    with sync_playwright() as playwright:
        chromium = find_browser(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.add_style_tag(content=face)
        page.add_script_tag(path=str(ASSETS / "plotly.min.js"))
        svg = page.evaluate(script, [json.loads(fig.to_json(engine="json")), width, height])
        browser.close()
    path.write_text(svg.replace("><", f"><style>{face}</style><", 1), encoding="utf-8")


def shipped() -> dict[str, claims.Result]:
    """Every result that the published runs give."""
    return board.results(experiments.all_records())


def updated(text: str) -> str:
    """The README's text with its tables as the shipped results and measurements give them."""
    return with_table(with_table(text, scoreboard(shipped())), ladder(), "engine")


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 2 for an unknown argument."""
    given = sys.argv[1:] if arguments is None else arguments
    if given not in ([], ["picture"]):
        print(f"the only argument is picture, got {' '.join(given)}", file=sys.stderr)
        return 2
    README.write_text(updated(README.read_text("utf-8")), encoding="utf-8")
    for path in WITH_TREE:
        path.write_text(with_table(path.read_text("utf-8"), tree(), "tree"), encoding="utf-8")
    if given:
        grokked = experiments.load_or_train(profiles.grokking())
        ungrokked = experiments.load_or_train(profiles.ungrokking())
        near = experiments.all_records().get("semi_grokking", [])
        draw(overview.fig1_overview(grokked, measures.smallest(ungrokked), near), PICTURE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
