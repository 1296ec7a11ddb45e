"""The README's results, tree and picture, made from the shipped runs and the code.

python -m varma2023.publish.readme           # results and tree, between their marks
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

from varma2023 import board, claims, experiments, measures
from varma2023.pages import BOOK, ROOT
from varma2023.publish import overview
from varma2023.publish.browser import find_browser
from varma2023.tables import capitalised

README = ROOT / "README.md"
WITH_TREE = (README, ROOT / "CONTRIBUTING.md")
PICTURE = ROOT / ".github" / "overview.svg"
ASSETS = BOOK / "_assets"
HEADLINES = ("F1a", "F1b", "F1c", "F3a,b", "F4", "F11")


def headlines(found: Mapping[str, claims.Result]) -> str:
    """Six results in a line each, and the three scores, as Markdown."""
    lines = []
    for claim in map(board.claim, HEADLINES):
        result = found.get(claim.id, claims.Result())
        badges = f" ({', '.join(result.evidence.badges)})" if result.evidence else ""
        sign = board.MARK[result.verdict][0]
        lines.append(f"- {sign} **{claim.title}** {result.verdict}{badges}: {claim.says}.")
    scores = (f"{name}: {own}" for name, own in board.score_texts(found).items())
    return "\n".join([*lines, "", f"{capitalised('; '.join(scores))}."])


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


def with_part(text: str, part: str, name: str) -> str:
    """The text of a page with the part between its marks. Raises ValueError without those."""
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not marks.search(text):
        raise ValueError(f"the text has no <!-- {name} --> and <!-- /{name} -->")
    return marks.sub(lambda found: f"{found[1]}{part}\n{found[2]}", text)


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


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 2 for an unknown argument."""
    given = sys.argv[1:] if arguments is None else arguments
    if given not in ([], ["picture"]):
        print(f"the only argument is picture, got {' '.join(given)}", file=sys.stderr)
        return 2
    every = experiments.all_records()
    text = with_part(README.read_text("utf-8"), headlines(board.results(every)), "results")
    README.write_text(text, encoding="utf-8")
    for path in WITH_TREE:
        path.write_text(with_part(path.read_text("utf-8"), tree(), "tree"), encoding="utf-8")
    if given:
        ungrokked = measures.smallest(every["ungrokking"])
        three = every["grokking"], ungrokked, overview.near_d_crit(every)
        draw(overview.fig1_overview(*three), PICTURE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
