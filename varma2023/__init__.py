"""The reproduction of the paper; each room holds its sweeps, analysis, figures and claims."""
