"""A reproduction of "Explaining grokking through circuit efficiency" (Varma et al., 2023)."""

__version__ = "0.1.0"
