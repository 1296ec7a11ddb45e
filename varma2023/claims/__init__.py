"""Every claim of the paper, and what we found of it.

`CLAIMS` is the table of the claims, each with the function that judges it; `results` computes what
the records of the experiments can decide, by the rules of `judging`. A chapter takes its verdicts
from the same functions as the scoreboard.
"""

from varma2023.claims.board import (
    CLAIMS,
    MARK,
    badges_html,
    claim,
    judge,
    results,
    score_text,
    scoreboard,
    tally,
    verdict_html,
)
from varma2023.claims.judging import (
    FAILS,
    HOLDS,
    IN_PART,
    NOT_RUN,
    OPEN,
    SCORES,
    SMALLER,
    VERDICTS,
    Claim,
    Evidence,
    Result,
)

__all__ = [
    "CLAIMS",
    "FAILS",
    "HOLDS",
    "IN_PART",
    "MARK",
    "NOT_RUN",
    "OPEN",
    "SCORES",
    "SMALLER",
    "VERDICTS",
    "Claim",
    "Evidence",
    "Result",
    "badges_html",
    "claim",
    "judge",
    "results",
    "score_text",
    "scoreboard",
    "tally",
    "verdict_html",
]
