"""What a model-step costs, counted from the sizes of a network.

A model-step is one epoch of one run: the gradient of its whole train set and one update.
"""

from dataclasses import dataclass
from math import prod

from grokkit import tasks
from grokkit.engine.tabulated import CHUNK
from grokkit.runs import Run


@dataclass(frozen=True)
class Cost:
    """A form of the gradient: multiply-adds of its forward pass, and what it keeps meanwhile."""

    form: str
    example: int  # multiply-adds for each example
    fixed: int  # and once a step
    kept: int  # numbers of each example that the backward pass reads again
    chunk: int | None = None  # examples at a time, where not all

    def flop(self, dataset_size: int | float) -> float:
        """FLOP of the gradient: 2 a multiply-add, once forward and twice backward."""
        return 6.0 * (dataset_size * self.example + self.fixed)


def sizes(run: Run) -> tuple[int, int, int, int]:
    """How many tokens, d_model, d_mlp and n_heads."""
    n = tasks.task(run.task, run.p).n_tokens
    return n, run.model.d_model, run.model.d_mlp, run.model.n_heads


def tabulated(run: Run) -> Cost:
    """`tabulated.gradient`: the entries of A and B, and W_OU; the tables T, F and W_OU."""
    n, d, m, h = sizes(run)
    width = m + n
    tables = d * d * width + (n + 4) * d * (d + width) + m * d * n
    return Cost("tables", m * n + (2 + 4) * h * width, tables, width + 7 * h, CHUNK)


def n_parameters(run: Run) -> int:
    """How many parameters the run's network has."""
    return sum(map(prod, run.shapes.values()))
