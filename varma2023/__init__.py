"""The reproduction of "Explaining grokking through circuit efficiency" (Varma et al., 2023)."""
