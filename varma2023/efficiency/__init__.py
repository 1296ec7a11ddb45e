"""Norm against logit for both circuits, and the D_crit this predicts (Secs. 4.1, 5.1; Fig. 3)."""
