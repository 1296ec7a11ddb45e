"""Claims about where training ends: AdamW against the minimiser, and (c eps, lambda / c)."""

from collections.abc import Sequence

from grokkit.runs import Record
from varma2023 import convergence
from varma2023.claims.judging import BEYOND, Claim, Evidence, Records, Result
from varma2023.publish.pages import CONVERGENCE

SAME_STRENGTH = 0.1  # by which norm and logit may differ from those of c = 1


def two_ways(found: Records) -> Result:
    """Whether AdamW and the minimiser of Eq. (2) have the same end, on most train sets."""
    records = found["convergence"]
    pairs = convergence.pairs(records)
    alike, times = convergence.agreeing(pairs), convergence.savings_text(pairs, 1.0)
    return Result(
        f"{alike} of {len(pairs)} pairs end alike; gradients to a residual of 1, times fewer: "
        f"{times}",
        2 * alike > len(pairs),
        {"every pair ends alike": alike == len(pairs), **convergence.resting(records)},
        Evidence.of(records),
    )


def strength(found: Records) -> Result:
    """Whether (c eps, lambda / c) leads AdamW to the norm and logit of (eps, lambda).

    The minimiser cannot tell: to it only the product of the two is known. Nor can a run of AdamW
    that is not at rest.
    """
    records = found["strength"]
    groups = convergence.by_alpha(records)
    less, more = (convergence.shift_text(groups, c, "param_norm") for c in (10.0, 0.1))
    adamw = [r for r in records if r.run.optimiser == "adamw"]
    known = bool(adamw) and all(map(convergence.rests, adamw))

    def same(metric: str) -> bool | None:
        return _same(convergence.by_alpha(adamw), metric) if known else None

    return Result(
        f"norm against c = 1, by network: {less} for λ / 10, {more} for 10 λ",
        same("param_norm"),
        {"the correct logit is the same, too": same("correct_logit")},
        Evidence.of(records),
    )


def _same(groups: Sequence[Sequence[Record]], metric: str) -> bool:
    shifts = [convergence.strength_shift(each, c, metric) for each in groups for c in (0.1, 10.0)]
    return all(abs(shift) < SAME_STRENGTH for shift in shifts)


CLAIMS = (
    Claim(
        "B6",
        "Beyond: two ways, one end",
        "AdamW ends where the minimiser of Eq. (2) does, on most train sets",
        "not in the paper",
        CONVERGENCE,
        "fig-two-ways",
        two_ways,
        ("convergence",),
        BEYOND,
    ),
    Claim(
        "B7",
        "Beyond: the same strength for another ε and λ",
        "AdamW with (c ε, λ / c) comes to the norm of (ε, λ)",
        "not in the paper",
        CONVERGENCE,
        "fig-strength",
        strength,
        ("strength",),
        BEYOND,
    ),
)
