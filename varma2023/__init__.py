"""The reproduction of the paper; each folder holds its sweeps, analysis, figures and claims."""
