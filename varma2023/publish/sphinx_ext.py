"""How the book renders what the chapters print: figures, explorers, maths, docstrings.

A Sphinx extension and a MyST-NB mime renderer. All of it writes plain HTML that
`static/gk-book.js` brings to life with files beside the page; nothing asks another host for
anything.
"""

import html
import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from docutils import nodes
from dukpy import JSInterpreter
from myst_nb.core import render
from sphinx.util.math import get_node_equation_number

from varma2023.publish.narrow import narrow
from varma2023.theme import ISLAND_MIME, PLOTLY_MIME, THEME


def _script(content: Any) -> str:
    """JSON that can stand inside a script element."""
    text = json.dumps(content, separators=(",", ":"), sort_keys=True).replace("</", "<\\/")
    return f'<script type="application/json">{text}</script>'


def figure(content: dict[str, Any]) -> str:
    """A figure: its JSON, its alternative text, and a link that saves its data as CSV."""
    layout = dict(content.get("layout", {}))
    layout.pop("template", None)  # the page's script applies the one of theme.json
    spec = {"data": content.get("data", []), "layout": layout}  # maybe without curves
    spec["narrow"] = narrow(spec["data"], layout)
    text = html.escape(str(layout.get("meta", {}).get("alt", "")))
    height = int(layout.get("height", THEME["layout"]["height"]))
    return (
        '<div class="gk-figure"><div class="gk-scroll">'
        f'<div class="gk-plotly" role="img" aria-label="{text}" '
        f'style="height:{height}px">{_script(spec)}</div></div>'
        f"<noscript><p>{text}</p></noscript>"
        '<p class="gk-links"><a class="gk-csv" href="#" role="button">CSV</a></p></div>'
    )


def island(content: dict[str, Any]) -> str:
    """A live explorer: an anywidget front-end module and its state, run without a kernel."""
    text = html.escape(str(content.get("alt", "This explorer needs JavaScript.")))
    return f'<div class="gk-island">{_script(content)}</div><noscript><p>{text}</p></noscript>'


class Renderer:
    """What MyST-NB asks for the HTML of a cell's figure or explorer, before any other output."""

    mime_priority_overrides = (("*", PLOTLY_MIME, 5), ("*", ISLAND_MIME, 4))

    @staticmethod
    def handle_mime(renderer: Any, data: Any, inline: bool) -> list[nodes.Element] | None:
        draw = {PLOTLY_MIME: figure, ISLAND_MIME: island}.get(data.mime_type)
        if inline or draw is None:
            return None
        return [nodes.raw(text=draw(data.content), format="html", classes=["output", "gk-output"])]


@cache
def _katex(source: Path) -> JSInterpreter:
    """KaTeX in an interpreter of its own."""
    interpreter = JSInterpreter()
    interpreter.evaljs(source.read_text(encoding="utf-8") + "; null")
    return interpreter


def _math(self: Any, tex: str, display: bool = False) -> str:
    """TeX as HTML and MathML, which a page shows without scripts. Raises JSRuntimeError: no TeX."""
    katex = _katex(Path(self.builder.srcdir) / "_assets/katex/katex.min.js")
    how = {"displayMode": display, "strict": "ignore", "colorIsTextColor": True}
    typeset = katex.evaljs("katex.renderToString(dukpy['tex'], dukpy['how'])", tex=tex, how=how)
    return f'<gk-math class="{"gk-display " * display}notranslate">{typeset}</gk-math>'


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def visit_math(self: Any, node: nodes.math) -> None:
    self.body.append(_math(self, node.astext()))
    raise nodes.SkipNode


def visit_math_block(self: Any, node: nodes.math_block) -> None:
    """Displayed TeX with its number; rows align at their ampersands."""
    tex = re.sub(r"\\(begin|end)\{(equation|align|gather)\}", r"\\\1{\2*}", node.astext().strip())
    if not node.get("nowrap") and r"\\" in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    number = node.get("number") and get_node_equation_number(self, node)
    if any(UUID.search(name) for name in node["ids"]):
        node["ids"] = []  # an equation that nobody named gets another name in every build
    self.body.append(self.starttag(node, "div", CLASS="gk-equation"))
    self.body.append(_math(self, tex, display=True))
    if number:
        self.body.append(f'<span class="eqno">({number})')
        if node["ids"]:
            self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>")
    raise nodes.SkipNode


def load_maths(app: Any, page: str, template: str, context: Any, doctree: Any) -> None:
    """KaTeX's style on the pages that hold maths, and on no other."""
    if "gk-math" in context.get("body", ""):
        app.add_css_file("katex/katex.min.css")


SECTION = re.compile(r"(Raises|Returns|Args|Yields|Attributes|Example|Examples|Note|Notes):$")


def docstring_as_rst(lines: Iterable[str]) -> list[str]:
    """A docstring written as plain text with `code`, as reStructuredText that means the same.

    Indented formulas become literal blocks; `code` becomes a literal; stars, bars and trailing
    underscores are letters. Sections such as "Raises:" keep their shape for napoleon.
    """
    out: list[str] = []
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        rows = paragraph.split("\n")
        bullet = next((i for i, row in enumerate(rows) if row.startswith("- ")), None)
        if SECTION.match(rows[0].strip()) or bullet is not None:
            text = [_inline(row) for row in rows]
            out += [*text[:bullet], "", *text[bullet:], ""] if bullet else [*text, ""]
            continue
        for indented, part in groupby(rows, key=lambda row: row.startswith(" ")):
            body = list(part)
            out += ["::", "", *body, ""] if indented else [*map(_inline, body), ""]
    return out


def _inline(line: str) -> str:
    """One line with its `code` as literals and everything else as letters."""
    parts = re.split(r"`+([^`]+)`+", line)  # text and code in turn
    parts[::2] = [re.sub(r"[*|\\]|(?<=\w)_(?!\w)", r"\\\g<0>", text) for text in parts[::2]]
    parts[1::2] = [f"``{code}``" for code in parts[1::2]]
    return "".join(parts)


def rewrite_docstring(app: Any, what: str, name: str, obj: Any, how: Any, lines: list[str]) -> None:
    lines[:] = docstring_as_rst(lines)


def paper_numbers(labels: Sequence[str]) -> list[str]:
    """Numbers from labels, in the book's order: fig-1a is Fig. 1a, fig-d4 Fig. D4, eq-6 Eq. (6).

    Labels that share a number get letters; what the paper lacks is Fig. S1, S2, ... or Eq. (S1).
    """
    found = [re.match(r"(?:fig|equation-eq)-([a-z]?\d+[a-z]?)(-|$)", label) for label in labels]
    stems = [match[1] if match else "" for match in found]
    numbers = []
    for i, stem in enumerate(stems):
        nth = stems[:i].count(stem)
        letter = chr(ord("a") + nth) if stems.count(stem) > 1 else ""
        numbers.append(f"{stem[0].upper()}{stem[1:]}{letter}" if stem else f"S{nth + 1}")
    return numbers


def number_as_the_paper(app: Any, env: Any) -> list[str]:
    """Put the paper's numbers in place of Sphinx's running ones, in captions and references."""
    for kind in ("figure", "displaymath"):
        by_page = [kinds.get(kind, {}) for kinds in env.toc_fignumbers.values()]
        running = [(number, found, label) for found in by_page for label, number in found.items()]
        running.sort(key=lambda entry: entry[0])
        numbers = paper_numbers([label for _, _, label in running])
        for (_, found, label), number in zip(running, numbers, strict=True):
            found[label] = (number,)
    return []


@cache
def meanings(env: Any) -> dict[str, str]:
    """The meaning of every term of the glossary, by the target of the term."""
    return {
        name: item.children[-1].astext()
        for item in env.get_doctree("chapters/glossary").findall(nodes.definition_list_item)
        for term in item.findall(nodes.term)
        for name in term["ids"]
    }


def explain_terms(app: Any, doctree: Any, page: str) -> None:
    """A link to a term of the glossary shows the term's meaning on hover."""
    for link in doctree.findall(nodes.reference):
        name = link.get("refuri", "").partition("#")[2] or link.get("refid", "")
        if name.startswith("term-") and name in meanings(app.env):
            link["reftitle"] = meanings(app.env)[name]
            link["classes"].append("gk-term")


def setup(app: Any) -> dict[str, bool]:
    """Register maths, docstrings, the search's scores and how figures are drawn."""
    # not by entry points: those would serve every book of whoever installs the wheel
    render.load_mime_renders = lambda: [Renderer]
    app.add_html_math_renderer("grokkit", (visit_math, None), (visit_math_block, None))
    app.config["html_search_scorer"] = str(Path(__file__).parent / "static" / "scorer.js")
    app.connect("env-get-updated", number_as_the_paper, priority=900)
    app.connect("doctree-resolved", explain_terms)
    app.connect("html-page-context", load_maths)
    app.connect("autodoc-process-docstring", rewrite_docstring, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
