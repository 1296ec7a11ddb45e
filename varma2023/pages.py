"""The pages of the book by name, and links from one to another."""

import functools
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"

INTRO = "chapters/01_introduction"
NOTATION = "chapters/02_notation"
INGREDIENTS = "chapters/03_ingredients"
WHY_EFFICIENT = "chapters/04_circuit_efficiency"
EFFICIENCY = "chapters/05_1_efficiency"
UNGROKKING = "chapters/05_2_ungrokking"
SEMI_GROKKING = "chapters/05_3_semi_grokking"
RIVALS = "chapters/06_related_work"
DISCUSSION = "chapters/07_discussion"
MORE = "chapters/a_more_evidence"
CIRCUITS = "chapters/a3_grokking_circuits"
TRIGONOMETRIC = "chapters/b_trigonometric"
OTHER_TASKS = "chapters/b_other_tasks"
SIMULATION = "chapters/c_simulation"
THEOREMS = "chapters/d_theorems"
CONVERGENCE = "chapters/convergence"
CLOCK = "chapters/clock"

PAGES = {
    "intro": "the first page",
    INTRO: "1 Introduction",
    NOTATION: "2 Notation",
    INGREDIENTS: "3 Three ingredients",
    WHY_EFFICIENT: "4 Why generalising circuits are more efficient",
    EFFICIENCY: "5.1 Efficiency and dataset size",
    UNGROKKING: "5.2 Ungrokking",
    SEMI_GROKKING: "5.3 Semi-grokking",
    RIVALS: "6 Rival accounts",
    DISCUSSION: "7 Discussion",
    MORE: "A. More evidence",
    CIRCUITS: "A.3 Grokking circuits",
    TRIGONOMETRIC: "B. Trigonometric logits",
    OTHER_TASKS: "B. Other tasks' circuits",
    SIMULATION: "C. The simulation",
    THEOREMS: "D. Theorems",
    CONVERGENCE: "The minimum, sought directly",
    CLOCK: "A faster clock",
}
"""The pages that claims and items of the paper lead to, with their titles."""


def where(chapter: str, label: str = "", root: str = "") -> str:
    """A link to a target of a chapter, from a page that reaches the first one by `root`."""
    target = f"#{label}" if label else ""
    return f'<a href="{root}{chapter}.html{target}">{PAGES[chapter]}</a>'


@functools.cache
def api_pages(book: Path = BOOK) -> dict[str, str]:
    """By module, the page of the API reference that documents it."""
    return {
        module: f"api/{page.stem}"
        for page in sorted(book.glob("api/*.rst"))
        for module in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8"))
    }


def api(name: str, root: str = "") -> str:
    """A link to a public name, "package.module.name", in the API reference."""
    module, _, short = name.rpartition(".")
    page = api_pages().get(module, "api")
    shown = ".".join([module.rpartition(".")[2], short])
    return f'<a href="{root}{page}.html#{name}"><code>{shown}</code></a>'
