"""One function per figure of the paper, grouped by what they draw."""

from grokkit.figures.convergence import fig_early_end, fig_strength, fig_two_ways
from grokkit.figures.engine import (
    fig_engine_forms,
    fig_engine_gains,
    fig_engine_ladder,
    fig_minimisers,
)
from grokkit.figures.overview import fig1_overview
from grokkit.figures.theory import (
    fig2_simulation,
    fig_d1_scale,
    fig_d4_exchange,
    fig_d4_shares,
)
from grokkit.figures.trained import fig11_trigonometric, fig_equilibrium
from grokkit.figures.training import (
    fig1a_grokking,
    fig1b_ungrokking,
    fig7_ungrokking_runs,
    fig9_circuits,
)

__all__ = [
    "fig1_overview",
    "fig1a_grokking",
    "fig1b_ungrokking",
    "fig2_simulation",
    "fig7_ungrokking_runs",
    "fig9_circuits",
    "fig11_trigonometric",
    "fig_d1_scale",
    "fig_d4_exchange",
    "fig_d4_shares",
    "fig_early_end",
    "fig_engine_forms",
    "fig_engine_gains",
    "fig_engine_ladder",
    "fig_equilibrium",
    "fig_minimisers",
    "fig_strength",
    "fig_two_ways",
]
