"""Every claim of the paper, and what we found of it.

`CLAIMS` is the table of the claims, and `results` computes what the records of the experiments can
decide. A chapter takes its verdicts from the same functions as the scoreboard.
"""

from collections.abc import Mapping, Sequence

from grokkit.claims import characters, efficiency, phenomena, rivals, semi_grokking, transition
from grokkit.claims.board import (
    CLAIMS,
    MARK,
    Claim,
    Result,
    scoreboard,
    tally,
    verdict_html,
)
from grokkit.runs import Record

__all__ = [
    "CLAIMS",
    "MARK",
    "Claim",
    "Result",
    "results",
    "scoreboard",
    "tally",
    "verdict_html",
]

Records = Mapping[str, Sequence[Record]]


def results(records: Records, n_draws: int = 200, seed: int = 0) -> dict[str, Result]:
    """By claim id, every result that pure computation and the records of experiments give.

    `records` are by the name of their experiment (`experiments.all_records`).
    """
    found = phenomena.theory_results(n_draws, seed)
    for part in (characters, efficiency, phenomena, rivals, semi_grokking, transition):
        found |= part.results(records)
    return found
