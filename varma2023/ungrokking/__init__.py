"""Grokked networks trained further on fewer examples (Sec. 5.2; Figs. 1b, 4, 7)."""
