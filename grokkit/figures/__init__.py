"""One function per figure of the paper, grouped by what they draw."""

from grokkit.figures.theory import (
    fig2_simulation,
    fig_d1_scale,
    fig_d4_exchange,
    fig_d4_shares,
)

__all__ = ["fig2_simulation", "fig_d1_scale", "fig_d4_exchange", "fig_d4_shares"]
