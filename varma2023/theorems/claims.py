"""Claims about the theorems of App. D, each checked on random draws."""

from varma2023.claims import ByExperiment, Claims, Evidence, Result
from varma2023.pages import THEOREMS
from varma2023.theorems import analysis

N_DRAWS = 500
CLOSE = 1e-6  # between a solver's weights and those of Theorem D.4
CLAIMS = Claims()


def _drawn(n_draws: int) -> Evidence:
    """Evidence from so many random draws."""
    return Evidence(("random draws",), (f"{n_draws:,}",))


@CLAIMS.row(
    "T-D.1",
    "Theorem D.1",
    "scaling up a perfect classifier lowers its loss",
    (THEOREMS, "thm-d1"),
    number="always",
)
def theorem_d1(found: ByExperiment, n_draws: int = N_DRAWS, seed: int = 0) -> Result:
    """Whether Theorem D.1 holds on random perfect classifiers, each scaled up."""
    failures = analysis.count_d1_failures(n_draws, seed)
    return Result(f"{failures} failures", failures == 0, {}, _drawn(n_draws))


@CLAIMS.row(
    "L-D.2", "Lemma D.2", "powers up to one are subadditive", (THEOREMS, "lem-d2"), number="always"
)
def lemma_d2(found: ByExperiment, n_draws: int = N_DRAWS, seed: int = 0) -> Result:
    """Whether Lemma D.2 holds on random sums and powers."""
    failures = analysis.count_d2_failures(n_draws, seed)
    return Result(f"{failures} failures", failures == 0, {}, _drawn(n_draws))


@CLAIMS.row(
    "L-D.3",
    "Lemma D.3",
    "a power falls almost as fast as its slope, as the lemma is printed",
    (THEOREMS, "lem-d3"),
    number="always",
)
def lemma_d3(found: ByExperiment, n_draws: int = N_DRAWS, seed: int = 0) -> Result:
    """Whether Lemma D.3 holds as it is printed, and as the proof of Theorem D.4 uses it."""
    printed = analysis.count_d3_failures(n_draws, seed, as_printed=True)
    corrected = analysis.count_d3_failures(n_draws, seed, as_printed=False)
    ours = f"fails as printed on {printed} draws, corrected on {corrected}"
    too = {"the lemma holds with ε where it prints δ": corrected == 0}
    before = "in part, by the lemma as corrected (C2)" if printed and not corrected else ""
    return Result(ours, printed == 0, too, _drawn(n_draws), before)


@CLAIMS.row(
    "T-D.4",
    "Theorem D.4",
    "for κ ≥ q only the most efficient circuits keep weight; for κ < q all do, the more efficient "
    "ones more",
    (THEOREMS, "thm-d4"),
    number="weights ∝ P^(−qκ/(q − κ)) for κ < q",
)
def theorem_d4(found: ByExperiment, n_draws: int = N_DRAWS, seed: int = 0) -> Result:
    """Whether, as Theorem D.4 says, a solver of Eq. (6) finds the weights of the closed form."""
    gap = analysis.largest_d4_gap(n_draws, seed)
    return Result(f"largest distance {gap:.0e}", gap < CLOSE, {}, _drawn(n_draws))
