"""The book as one PDF: `python -m varma2023.publish.pdf` makes build/book.pdf of build/site.

A browser prints the pages in the order of the contents, with every figure drawn and every detail
open; they are joined, numbered, and given a table of contents, bookmarks and links between them.
"""

import argparse
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from varma2023.publish.browser import find_browser
from varma2023.publish.chapters import BUILD, contents

SCALE = 0.75  # 12 px of 16, so that four panels stand side by side
WIDTH = round((210 - 2 * 15) / 25.4 * 96 / SCALE)  # px of A4 between its margins
PAPER: dict[str, Any] = {
    "format": "A4",
    "print_background": True,
    "margin": {"left": "15mm", "right": "15mm", "top": "15mm", "bottom": "18mm"},
}
DRAWN = """[...document.querySelectorAll('.gk-plotly, .gk-island')]
    .every((e) => e.dataset.drawn || e.dataset.failed)"""
OPENED = """() => {
  document.querySelectorAll('details').forEach((e) => { e.open = true; });
  return document.fonts.ready.then(() => document.querySelector('h1').firstChild.data.trim());
}"""
STYLE = """<style>body { font: 11pt Inter, sans-serif; margin: 0 }
  li { display: flex; justify-content: space-between } ul { padding: 0 }
  div { break-after: page; height: 250mm; position: relative }
  div span { position: absolute; bottom: -14mm; width: 100%; text-align: center; font-size: 9pt }
  </style>"""


def write(site: Path, to: Path, chosen: Sequence[str]) -> None:
    """Print the chosen pages of the site into one PDF."""
    from playwright.sync_api import sync_playwright
    from pypdf import PdfReader, PdfWriter
    from pypdf.constants import PageLabelStyle

    with sync_playwright() as playwright:
        path = find_browser(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 1200}, color_scheme="light")
        page.emulate_media(media="print")
        titles, parts, starts = [], [], [0]
        for name in chosen:
            page.goto(f"{(site / name).as_uri()}.html?print")
            page.wait_for_function(DRAWN, timeout=120_000)
            if page.query_selector("[data-failed]"):
                raise SystemExit(f"{name}: a figure cannot be drawn; the page says why")
            titles.append(page.evaluate(OPENED))
            made = page.pdf(**PAPER, scale=SCALE, outline=True, tagged=True)
            parts.append(PdfReader(io.BytesIO(made)))
            starts.append(starts[-1] + len(parts[-1].pages))
            print(f"{starts[-1]:5} pages: {titles[-1]}", flush=True)
        rows = (
            f"<li><span>{html.escape(title)}</span><span>{start + 1}</span></li>"
            for title, start in zip(titles, starts, strict=False)
        )
        page.set_content(f"{STYLE}<h1>Contents</h1><ul>{''.join(rows)}</ul>")
        contents = PdfReader(io.BytesIO(page.pdf(**PAPER)))
        numbers = (f"<div><span>{i + 1}</span></div>" for i in range(starts[-1]))
        page.set_content(STYLE + "".join(numbers))
        stamps = PdfReader(io.BytesIO(page.pdf(**PAPER)))
        browser.close()
    book = PdfWriter()
    book.append(contents, "Contents")
    front = len(contents.pages)
    for title, part in zip(titles, parts, strict=True):
        book.append(part, title)
    for leaf, stamp in zip(book.pages[front:], stamps.pages, strict=False):
        leaf.merge_page(stamp)
    _link(book, {name: front + start for name, start in zip(chosen, starts, strict=False)}, site)
    book.set_page_label(0, front - 1, style=PageLabelStyle.LOWERCASE_ROMAN)
    book.set_page_label(front, len(book.pages) - 1, style=PageLabelStyle.DECIMAL)
    book.add_metadata({"/Title": titles[0]})
    book.compress_identical_objects()
    book.write(to)


def _link(book: Any, starts: dict[str, int], site: Path) -> None:
    """Make links to pages of the site links to their first leaf, if it is in the book."""
    from pypdf.generic import ArrayObject, NameObject

    root = site.as_uri() + "/"
    for leaf in book.pages:
        for link in (x.get_object() for x in leaf.get("/Annots", ())):
            address = str(link.get("/A", {}).get("/URI", ""))
            if address.startswith("file:"):
                name = urlsplit(address.removeprefix(root)).path.removesuffix(".html")
                del link["/A"]
                if name in starts:
                    first = book.pages[starts[name]].indirect_reference
                    link[NameObject("/Dest")] = ArrayObject([first, NameObject("/Fit")])


if __name__ == "__main__":
    if not (BUILD / "site" / "index.html").exists():
        raise SystemExit("there is no site to print: make book")
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("target", type=Path, nargs="?", default=BUILD / "book.pdf")
    target = options.parse_args().target
    if not target.parent.is_dir():
        raise SystemExit(f"there is no folder {target.parent} to write to")
    write(BUILD / "site", target, contents())
