"""One function per figure of the paper, grouped by what they draw."""

from varma2023.figures.characters import fig_characters, fig_representations
from varma2023.figures.convergence import fig_early_end, fig_strength, fig_two_ways
from varma2023.figures.efficiency import fig3_efficiency, fig_equal_cost, fig_first_order
from varma2023.figures.engine import (
    fig_engine_forms,
    fig_engine_gains,
    fig_engine_ladder,
    fig_minimisers,
)
from varma2023.figures.overview import fig1_overview
from varma2023.figures.rivals import fig_ablations, fig_when
from varma2023.figures.semi_grokking import (
    fig1c_semi_grokking,
    fig5_semi_grokking_runs,
    fig6_transient,
    fig_both_ways,
    fig_minimised_ends,
    fig_outcomes,
)
from varma2023.figures.theory import (
    fig2_simulation,
    fig_d1_scale,
    fig_d4_exchange,
    fig_d4_shares,
)
from varma2023.figures.tradeoffs import fig10_relative_strength, fig_hysteresis, fig_two_starts
from varma2023.figures.trained import fig11_trigonometric, fig_equilibrium
from varma2023.figures.training import (
    fig1a_grokking,
    fig1b_ungrokking,
    fig7_ungrokking_runs,
    fig9_circuits,
)
from varma2023.figures.transition import fig4_ungrokking, fig8_other_tasks, fig_epsilon

__all__ = [
    "fig1_overview",
    "fig1a_grokking",
    "fig1b_ungrokking",
    "fig1c_semi_grokking",
    "fig2_simulation",
    "fig3_efficiency",
    "fig4_ungrokking",
    "fig5_semi_grokking_runs",
    "fig6_transient",
    "fig7_ungrokking_runs",
    "fig8_other_tasks",
    "fig9_circuits",
    "fig10_relative_strength",
    "fig11_trigonometric",
    "fig_ablations",
    "fig_both_ways",
    "fig_characters",
    "fig_d1_scale",
    "fig_d4_exchange",
    "fig_d4_shares",
    "fig_early_end",
    "fig_engine_forms",
    "fig_engine_gains",
    "fig_engine_ladder",
    "fig_epsilon",
    "fig_equal_cost",
    "fig_equilibrium",
    "fig_first_order",
    "fig_hysteresis",
    "fig_minimised_ends",
    "fig_minimisers",
    "fig_outcomes",
    "fig_representations",
    "fig_strength",
    "fig_two_starts",
    "fig_two_ways",
    "fig_when",
]
