"""The pages of the book by name, and links to its API reference."""

import functools
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"

PAGES = {
    "intro": "the first page",
    (INTRO := "chapters/01_introduction"): "1 Introduction",
    (NOTATION := "chapters/02_notation"): "2 Notation",
    (INGREDIENTS := "chapters/03_ingredients"): "3 Three ingredients",
    (WHY := "chapters/04_circuit_efficiency"): "4 Why generalising circuits are more efficient",
    (EFFICIENCY := "chapters/05_1_efficiency"): "5.1 Efficiency and dataset size",
    (UNGROKKING := "chapters/05_2_ungrokking"): "5.2 Ungrokking",
    (SEMI_GROKKING := "chapters/05_3_semi_grokking"): "5.3 Semi-grokking",
    (RIVALS := "chapters/06_related_work"): "6 Rival accounts",
    (DISCUSSION := "chapters/07_discussion"): "7 Discussion",
    (MORE := "chapters/a_more_evidence"): "A. More evidence",
    (CIRCUITS := "chapters/a3_grokking_circuits"): "A.3 Grokking circuits",
    (TRIGONOMETRIC := "chapters/b_trigonometric"): "B. Trigonometric logits",
    (OTHER_TASKS := "chapters/b_other_tasks"): "Other tasks' circuits",
    (SIMULATION := "chapters/c_simulation"): "C. The simulation",
    (THEOREMS := "chapters/d_theorems"): "D. Theorems",
    (CONVERGENCE := "chapters/convergence"): "The minimum, sought directly",
    (CLOCK := "chapters/clock"): "A faster clock",
    (LEAVING := "chapters/leaving"): "Leaving memory: does the learning rate matter?",
    (DELAY := "chapters/delay"): "The time to grok",
    (DELAY_LAWS := "chapters/delay_laws"): "The law of the time, elsewhere",
    (METASTABLE := "chapters/metastable"): "Memory near the critical size",
    (MIDDLE := "chapters/middle"): "Semi-grokking: do networks stay in the middle?",
    (CRITICAL := "chapters/critical"): "What sets the critical size",
    (BARRIER := "chapters/barrier"): "How high is the barrier around memory?",
    (QUESTIONS := "chapters/questions"): "Questions of a sceptic",
}
"""The pages that claims and items of the paper lead to, with their titles and, but one, names."""


@functools.cache
def api_pages() -> dict[str, str]:
    """By module, the page of the API reference that documents it."""
    return {
        module: f"api/{page.stem}"
        for page in sorted(BOOK.glob("api/*.rst"))
        for module in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8"))
    }


def api(name: str) -> str:
    """A link from a chapter to a public name, "package.module.name", in the API reference."""
    module, _, short = name.rpartition(".")
    page = api_pages().get(module, "api")
    shown = ".".join([*module.split(".")[1:], short])
    return f'<a href="../{page}.html#{name}"><code>{shown}</code></a>'
