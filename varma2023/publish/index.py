"""From an item of the paper (figure, equation, theorem, section) to functions, runs and chapter."""

from dataclasses import dataclass

from varma2023.publish.pages import (
    CIRCUITS,
    DISCUSSION,
    EFFICIENCY,
    INGREDIENTS,
    INTRO,
    MORE,
    NOTATION,
    RIVALS,
    SEMI_GROKKING,
    SIMULATION,
    THEOREMS,
    TRIGONOMETRIC,
    UNGROKKING,
    WHY_EFFICIENT,
    api,
    where,
)
from varma2023.tables import html_table


@dataclass(frozen=True)
class Item:
    """One row of the index."""

    name: str  # as docstrings cite it
    about: str
    calls: str  # dotted names within grokkit, apart by blanks; each docstring cites the item
    experiment: str  # of `python -m varma2023 list`; "" where nothing is trained
    chapter: str
    label: str = ""  # the target on that page

    @property
    def functions(self) -> list[str]:
        """The dotted names, in full."""
        return [f"grokkit.{name}" for name in self.calls.split()]


ADD = "circuits.trig_logits circuits.mem_logits circuits.key_frequencies analysis.trigonometric"
FIG_11 = "figures.fig11_trigonometric circuits.trigonometric_algorithm analysis.trigonometric"
D_4 = "theorems.optimal_shares theorems.optimal_weights theorems.largest_d4_gap"
FIG_4 = "figures.fig4_ungrokking experiments.transition transition.adamw_table"
FIG_8 = "figures.fig8_other_tasks experiments.other_tasks transition.tasks_table tasks.task"
FIG_10 = "figures.fig10_relative_strength tradeoffs.ratio_parts tradeoffs.norms_table"
A_2 = "figures.fig_two_starts experiments.from_scratch tradeoffs.half_the_size"
FIG_5 = "figures.fig5_semi_grokking_runs experiments.semi_grokking claims.semi_grokking.fig5"
FIG_6 = "figures.fig6_transient semi_grokking.transient_example semi_grokking.norm_drop"
SEC_6 = "experiments.ablations rivals.rivals_table rivals.rival_parts figures.fig_ablations"
SEC_7 = "experiments.ablations rivals.decay_parts rivals.rate_at_zero figures.fig_ablations"
FIG_7 = "figures.fig7_ungrokking_runs experiments.ungrokking analysis.ungrokking_ends"
FIG_9 = "figures.fig9_circuits experiments.grokking analysis.marks_table"

PAPER_INDEX = (
    Item("Fig. 1", "the three phenomena", "figures.fig1_overview", "grokking", "intro", "fig-1"),
    Item(
        "Fig. 1a",
        "grokking",
        "figures.fig1a_grokking experiments.grokking claims.grokking.fig1a",
        "grokking",
        INTRO,
        "fig-1a",
    ),
    Item(
        "Fig. 1b",
        "ungrokking",
        "figures.fig1b_ungrokking experiments.ungrokking",
        "ungrokking",
        INTRO,
        "fig-1b",
    ),
    Item(
        "Fig. 1c",
        "semi-grokking",
        "figures.fig1c_semi_grokking semi_grokking.example experiments.semi_grokking",
        "semi_grokking",
        SEMI_GROKKING,
        "fig-1c",
    ),
    Item("Sec. 2", "parameter norm", "model.param_norm", "", NOTATION, "sec-2"),
    Item(
        "Eq. (1)",
        "cross-entropy",
        "model.cross_entropy stack.cross_entropy",
        "",
        NOTATION,
        "equation-eq-1",
    ),
    Item("Eq. (2)", "loss with weight decay", "model.total_loss", "", NOTATION, "equation-eq-2"),
    Item("Sec. 3", "three ingredients", "toy.Toy", "", INGREDIENTS, "sec-3"),
    Item(
        "Fig. 2", "the simulation", "figures.fig2_simulation toy.panels", "", INGREDIENTS, "fig-2"
    ),
    Item(
        "Sec. 4.1",
        "efficiency and dataset size",
        "efficiency.equal_cost_size figures.fig_equal_cost widgets.EfficiencyExplorer",
        "memorising",
        WHY_EFFICIENT,
        "sec-4-1",
    ),
    Item("Sec. 4.2", "nested train sets", "tasks.split", "", INTRO, "sec-1-ungrokking"),
    Item(
        "Sec. 5.1",
        "networks of one circuit",
        "tasks.random_labels efficiency.gated",
        "generalising",
        EFFICIENCY,
        "sec-5-1-lines",
    ),
    Item(
        "Fig. 3",
        "isologit lines",
        "figures.fig3_efficiency efficiency.buckets",
        "memorising",
        EFFICIENCY,
        "fig-3",
    ),
    Item(
        "Sec. 5.2",
        "from full data to less",
        "experiments.full_data",
        "full_data",
        INTRO,
        "sec-1-ungrokking",
    ),
    Item("Fig. 4", "accuracy after ungrokking", FIG_4, "transition", UNGROKKING, "fig-4"),
    Item(
        "Sec. 5.3",
        "semi-grokking",
        "semi_grokking.judged",
        "semi_grokking",
        SEMI_GROKKING,
        "sec-5-3",
    ),
    Item("Fig. 5", "many semi-grokking runs", FIG_5, "semi_grokking", SEMI_GROKKING, "fig-5"),
    Item("Sec. 6", "rival accounts", SEC_6, "ablations", RIVALS, "sec-6"),
    Item("Sec. 7", "discussion", SEC_7, "ablations", DISCUSSION, "sec-7"),
    Item("Fig. 6", "one semi-grokking run", FIG_6, "semi_grokking", SEMI_GROKKING, "fig-6"),
    Item("App. A", "the network", "model.ModelConfig model.forward", "", NOTATION, "sec-2-network"),
    Item("Fig. 7", "ungrokking over time", FIG_7, "ungrokking", INTRO, "fig-7"),
    Item("App. A.2", "which start finds the better minimum", A_2, "from_scratch", MORE, "sec-a2"),
    Item("Fig. 8", "nine other tasks", FIG_8, "other_tasks", UNGROKKING, "fig-8"),
    Item("App. A.3", "observations", "analysis.changes_table", "grokking", CIRCUITS, "sec-a3"),
    Item("Fig. 9", "the two circuits while grokking", FIG_9, "grokking", CIRCUITS, "fig-9"),
    Item("App. A.4", "trade-offs", "tradeoffs.ratio", "transition", MORE, "sec-a4"),
    Item("Fig. 10", "relative strength", FIG_10, "transition", MORE, "fig-10"),
    Item("App. B", "trigonometric logits", ADD, "grokking", TRIGONOMETRIC, "app-b"),
    Item("Fig. 11", "the trigonometric algorithm", FIG_11, "grokking", TRIGONOMETRIC, "fig-11"),
    Item("App. C", "the simulation", "toy.simulate", "", SIMULATION, "app-c"),
    Item("Eq. (3)", "logits of the generalising table", "toy.simulate", "", SIMULATION, "app-c"),
    Item("Eq. (4)", "logits of the memorising table", "toy.simulate", "", SIMULATION, "app-c"),
    Item("Eq. (5)", "logits of both", "toy.simulate", "", INGREDIENTS, "sec-3"),
    Item("Table 1", "parameters of the simulation", "toy.Toy toy.panels", "", SIMULATION, "app-c"),
    Item(
        "Theorem D.1",
        "scaling up what is right",
        "theorems.scaled_loss theorems.count_d1_failures figures.fig_d1_scale",
        "",
        THEOREMS,
        "thm-d1",
    ),
    Item("Lemma D.2", "powers up to one", "theorems.count_d2_failures", "", THEOREMS, "lem-d2"),
    Item(
        "Lemma D.3",
        "a power and its slope",
        "theorems.lemma_d3_delta theorems.count_d3_failures",
        "",
        THEOREMS,
        "lem-d3",
    ),
    Item("App. D", "equal circuits", "theorems.EqualCircuits", "", THEOREMS, "app-d"),
    Item("Eq. (6)", "their loss", "theorems.effective_loss", "", THEOREMS, "equation-eq-6"),
    Item("Theorem D.4", "who keeps weight", D_4, "", THEOREMS, "thm-d4"),
)


def paper_index_table() -> str:
    """The index as HTML, for a page in the folder of the chapters; functions link to the API."""
    rows = []
    for item in PAPER_INDEX:
        experiment = f"<code>{item.experiment}</code>" if item.experiment else ""
        functions = "<br>".join(api(name, "../") for name in item.functions)
        rows.append([f"{item.name}, {item.about}", functions, experiment])
        rows[-1].append(where(item.chapter, item.label, "../"))
    return html_table(["the paper", "functions", "runs", "page"], rows)
