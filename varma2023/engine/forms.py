"""What the three forms of the gradient cost, equal but for rounding, from the sizes of a network.

They are those of `grokkit.model`, `grokkit.engine.batched` and `grokkit.engine.tabulated`.
"""

from dataclasses import dataclass

from grokkit.engine.tabulated import CHUNK
from grokkit.model import N_CTX
from grokkit.runs import Run
from grokkit.sweeps.plan import multiply_adds, sizes


@dataclass(frozen=True)
class Cost:
    """A form of the gradient: multiply-adds of its forward pass, and what it keeps meanwhile."""

    form: str
    example: int  # multiply-adds for each example
    fixed: int  # and once a step
    kept: int  # numbers of each example that the backward pass reads again
    chunk: int | None = None  # examples at a time, where not all

    def flop(self, dataset_size: int | float) -> float:
        """FLOP of the gradient, as `grokkit.sweeps.plan.flop` has it."""
        return 6.0 * (dataset_size * self.example + self.fixed)


def textbook(run: Run) -> Cost:
    """`model.forward`: every matrix at all four positions, and attention among them."""
    n, d, m, _ = sizes(run)
    position = 4 * d * d + 2 * N_CTX * d + 2 * d * m + d * n  # Q K V O, attention, MLP, W_U
    return Cost("textbook", N_CTX * position, 0, N_CTX * (7 * d + m + n))


def last_row(run: Run) -> Cost:
    """`batched.forward`: W_O, MLP and W_U at the last position; attention from 2 n + 2 rows."""
    n, d, m, h = sizes(run)
    tables = (2 * n + 2) * d * (d + h) + 2 * d * d  # values and scores; query, folded keys
    return Cost("last row", d * d + 2 * d * m + d * n, tables, 4 * d + h + m + n)


def tabulated(run: Run) -> Cost:
    """`tabulated.gradient`, as `grokkit.sweeps.plan` counts it."""
    n, _, m, h = sizes(run)
    return Cost("tables", *multiply_adds(run), m + n + 7 * h, CHUNK)


def all_forms(run: Run) -> list[Cost]:
    """The three forms, from the textbook's to the tables."""
    return [textbook(run), last_row(run), tabulated(run)]


def kept_bytes(form: Cost, dataset_size: int) -> int:
    """What the examples leave for the backward pass at a time, in bytes of float32."""
    return 4 * min(dataset_size, form.chunk or dataset_size) * form.kept
