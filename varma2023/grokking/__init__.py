"""Grokking itself: memorised first, generalised later (Figs. 1a, 9; App. A.3)."""
