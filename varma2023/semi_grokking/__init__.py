"""Runs near D_crit that end in the middle (Sec. 5.3; Figs. 1c, 5, 6)."""
