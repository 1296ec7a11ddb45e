"""The simulation of two circuits (Sec. 3, Fig. 2, App. C)."""
