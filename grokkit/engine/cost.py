"""What an epoch of a run costs, counted from the sizes of its network."""

from math import prod

from grokkit.runs import Run


def sizes(run: Run) -> tuple[int, int, int, int]:
    """How many tokens, d_model, d_mlp and n_heads."""
    return run.operation.n_tokens, run.model.d_model, run.model.d_mlp, run.model.n_heads


def multiply_adds(run: Run) -> tuple[int, int]:
    """Those of the forward pass of `tabulated.gradient`: for each example, and once an epoch."""
    n, d, m, h = sizes(run)
    width = m + n
    tables = d * d * width + (n + 4) * d * (d + width) + m * d * n  # T, F and W_OU
    return m * n + (2 + 4) * h * width, tables  # the entries of A and B, and W_OU


def flop(dataset_size: int | float, example: int, fixed: int) -> float:
    """FLOP of a gradient: 2 for each of `multiply_adds`, once forward and twice backward."""
    return 6.0 * (dataset_size * example + fixed)


def n_parameters(run: Run) -> int:
    """How many parameters the run's network has."""
    return sum(map(prod, run.shapes.values()))
