"""From an item of the paper (figure, equation, theorem, section) to functions, runs and chapter."""

import ast
import re
from dataclasses import dataclass
from functools import cache

from varma2023 import pages
from varma2023.pages import PAGES, ROOT, api
from varma2023.tables import table


@dataclass(frozen=True)
class Item:
    """One row of the index."""

    name: str  # as docstrings cite it
    about: str
    experiment: str  # of `varma2023 list`; "" where nothing is trained
    chapter: str
    label: str  # the target on that page

    @property
    def functions(self) -> list[str]:
        """Dotted names of the public functions and classes that this item is about.

        An equation's docstring begins with it, another's cites the item in its first paragraph.
        What draws it comes first; how the book is made is left out.
        """

        def about(text: str) -> bool:
            return bool(re.match(re.escape(self.name) + r"(?!\d|\.\d)", text)) or (
                not self.name.startswith("Eq.") and cites(text.split("\n\n")[0], self.name)
            )

        named = [name for name, text in docstrings().items() if about(text)]
        ours = [name for name in named if not name.startswith("varma2023.publish")]
        return sorted(ours, key=lambda name: ".figures." not in name)


@cache
def docstrings() -> dict[str, str]:
    """Docstring of every public function and class of both packages, by dotted name."""
    found = {}
    for path in [p for name in ("grokkit", "varma2023") for p in (ROOT / name).rglob("*.py")]:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
                found[f"{module}.{node.name}"] = ast.get_docstring(node) or ""
    return dict(sorted(found.items()))


def cites(text: str, item: str) -> bool:
    """Whether a text names the item, alone or in a list such as "Figs. 1a, 9, 11"."""
    kind, number = item.rsplit(" ", 1)
    kind = re.escape(kind.rstrip("."))
    others = r"(?:[A-Z]?[\d.]+[a-z]?(?:, and | and | to |, ))*"
    return bool(re.search(rf"{kind}s?\.? {others}{re.escape(number)}(?!\w|\.\w)", text))


PAPER_INDEX = (
    Item("Fig. 1", "the three phenomena", "grokking", "intro", "fig-1"),
    Item("Fig. 1a", "grokking", "grokking", pages.INTRO, "fig-1a"),
    Item("Fig. 1b", "ungrokking", "ungrokking", pages.INTRO, "fig-1b"),
    Item("Fig. 1c", "semi-grokking", "semi_grokking", pages.SEMI_GROKKING, "fig-1c"),
    Item("Sec. 2", "parameter norm", "", pages.NOTATION, "sec-2"),
    Item("Eq. (1)", "cross-entropy", "", pages.NOTATION, "equation-eq-1"),
    Item("Eq. (2)", "loss with weight decay", "", pages.NOTATION, "equation-eq-2"),
    Item("Sec. 3", "three ingredients", "", pages.INGREDIENTS, "sec-3"),
    Item("Fig. 2", "the simulation", "", pages.INGREDIENTS, "fig-2"),
    Item("Sec. 4.1", "efficiency and dataset size", "memorising", pages.WHY, "sec-4-1"),
    Item("Sec. 4.2", "nested train sets", "", pages.INTRO, "sec-1-ungrokking"),
    Item("Sec. 5.1", "networks of one circuit", "generalising", pages.EFFICIENCY, "sec-5-1-lines"),
    Item("Fig. 3", "isologit lines", "memorising", pages.EFFICIENCY, "fig-3"),
    Item("Sec. 5.2", "from full data to less", "full_data", pages.INTRO, "sec-1-ungrokking"),
    Item("Fig. 4", "accuracy after ungrokking", "transition", pages.UNGROKKING, "fig-4"),
    Item("Sec. 5.3", "semi-grokking", "semi_grokking", pages.SEMI_GROKKING, "sec-5-3"),
    Item("Fig. 5", "many semi-grokking runs", "semi_grokking", pages.SEMI_GROKKING, "fig-5"),
    Item("Sec. 6", "rival accounts", "ablations", pages.RIVALS, "sec-6"),
    Item("Sec. 7", "discussion", "ablations", pages.DISCUSSION, "sec-7"),
    Item("Fig. 6", "one semi-grokking run", "semi_grokking", pages.SEMI_GROKKING, "fig-6"),
    Item("App. A", "the network", "", pages.NOTATION, "sec-2-network"),
    Item("Fig. 7", "ungrokking over time", "ungrokking", pages.INTRO, "fig-7"),
    Item("App. A.2", "two starts, two sizes", "starts_at_rest", pages.MORE, "sec-a2"),
    Item("Fig. 8", "nine other tasks", "other_tasks", pages.UNGROKKING, "fig-8"),
    Item("App. A.3", "observations", "grokking", pages.CIRCUITS, "sec-a3"),
    Item("Fig. 9", "the two circuits while grokking", "grokking", pages.CIRCUITS, "fig-9"),
    Item("App. A.4", "trade-offs", "transition", pages.MORE, "sec-a4"),
    Item("Fig. 10", "relative strength", "transition", pages.MORE, "fig-10"),
    Item("App. B", "trigonometric logits", "grokking", pages.TRIGONOMETRIC, "app-b"),
    Item("Fig. 11", "the trigonometric algorithm", "grokking", pages.TRIGONOMETRIC, "fig-11"),
    Item("App. C", "the simulation", "", pages.SIMULATION, "app-c"),
    Item("Eq. (3)", "logits of the generalising table", "", pages.SIMULATION, "app-c"),
    Item("Eq. (4)", "logits of the memorising table", "", pages.SIMULATION, "app-c"),
    Item("Eq. (5)", "logits of both", "", pages.INGREDIENTS, "sec-3"),
    Item("Table 1", "parameters of the simulation", "", pages.SIMULATION, "app-c"),
    Item("Theorem D.1", "scaling up what is right", "", pages.THEOREMS, "thm-d1"),
    Item("Lemma D.2", "powers up to one", "", pages.THEOREMS, "lem-d2"),
    Item("Lemma D.3", "a power and its slope", "", pages.THEOREMS, "lem-d3"),
    Item("App. D", "equal circuits", "", pages.THEOREMS, "app-d"),
    Item("Eq. (6)", "their loss", "", pages.THEOREMS, "equation-eq-6"),
    Item("Theorem D.4", "who keeps weight", "", pages.THEOREMS, "thm-d4"),
)


def paper_index_table() -> str:
    """The index as HTML, for a chapter; functions link to the API."""
    rows = []
    for item in PAPER_INDEX:
        functions = "<br>".join(api(name) for name in item.functions)
        experiment = f"<code>{item.experiment}</code>" if item.experiment else ""
        page = f'<a href="../{item.chapter}.html#{item.label}">{PAGES[item.chapter]}</a>'
        rows.append((f"{item.name}, {item.about}", functions, experiment, page))
    return table("the paper | functions | runs | page", rows)
