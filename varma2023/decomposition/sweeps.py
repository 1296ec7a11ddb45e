"""Grokked networks of other moduli, for how many key frequencies they have."""

from dataclasses import replace
from math import log

from grokkit.runs import Run
from varma2023.profiles import grokking, seed_range

MODULI = {"published": (31, 53, 73, 97), "quick": (23,), "paper": (31, 53, 73, 97)}
UNDER_WAY = ((97, 1),)  # p and seed of published networks that are not done at their last epoch


def grokked_moduli(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: `grokking` at other moduli, on as many examples by p ln p (choice C60).

    That is how D_crit goes with p (choice C26), so all have about as many times theirs. Published
    ones that are under way at their last epoch are made again, twice as long (choice C9).
    """
    count = len(seed_range(profile, seeds, published=7, paper=5))  # as in `grokking` (choice C106)
    usual = [replace(run, keep_weights=False) for run in grokking(profile, count)]
    share = usual[0].dataset_size / (usual[0].p * log(usual[0].p))
    sizes = {p: round(share * p * log(p)) for p in MODULI[profile]}
    runs = [replace(run, p=p, dataset_size=size) for p, size in sizes.items() for run in usual]
    again = UNDER_WAY if profile == "published" else ()
    return runs + [replace(r, epochs=2 * r.epochs) for r in runs if (r.p, r.seed) in again]
