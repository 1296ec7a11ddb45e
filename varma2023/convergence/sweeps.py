"""Where training ends: AdamW's runs, the minimiser's, and what may end early."""

from dataclasses import replace

from grokkit.runs import Run
from varma2023 import profiles


def convergence(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Networks taken to convergence in two ways: AdamW's run, then the minimiser's, pair by pair.

    Grokking (the minimiser starts from AdamW's 400th epoch), ungrokking (both from the network
    trained on everything) and random labels (both from random weights), at two moduli.
    """
    two = profiles.seed_range(profile, seeds, published=2, quick=1, paper=2)
    small = profile == "quick"
    everything = Run(p=53, dataset_size=53**2, epochs=3000, n_logged=60, keep_weights=True)
    lengths = ((1200, 30_000), (150, 40_000), (300, 100_000))
    if small:
        everything = profiles.full_data("quick")[0]
        lengths = ((620, 1500), (40, 800), (100, 800))
    own = replace(everything, n_logged=80 if small else 200, keep_weights=False)
    grokked, ungrok, random = (replace(own, dataset_size=D, epochs=epochs) for D, epochs in lengths)
    ungrok = replace(ungrok, init=everything)
    random = replace(random, labels="random", keep_weights=small)  # `efficiency.rays` reads them
    adamw = [replace(grokked, seed=seed) for seed in two] + [ungrok, random]
    if not small:
        large = Run(epochs=20_000)
        adamw += profiles.grokking("published")[: len(two)]
        adamw += [
            replace(large, dataset_size=400, init=profiles.full_data("published")[0]),
            # `benchmarks/denormals.py` starts there, and `efficiency.rays` reads it
            replace(large, dataset_size=500, labels="random", keep_weights=True),
        ]
    pairs = []
    for run in adamw:
        groks = run.init is None and run.labels == "true"
        start = profiles.early(run) if groks else run.init
        pairs += [run, profiles.minimised(run, 80 if small else 1500, start)]
    return pairs


def strength(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """(c eps, lambda / c) for c of 0.1, 1 and 10: the same alpha, so the same strength at the end.

    By AdamW, seed by seed, from networks trained on every example, for 20 decay times
    1 / (lr lambda) or until they are at rest. The learning rate is c times the usual one, too:
    so lr lambda, which is the pace, and lr / eps, by which steps are stable, stay (choice C16).
    """
    quick = profile == "quick"
    count = len(profiles.seed_range(profile, seeds, published=5, quick=1, paper=10))
    size, runs = 620 if quick else 1200, []
    for init in profiles.full_data(profile, count, p=None if quick else 53):
        base = replace(init, dataset_size=size, init=init, n_logged=100, keep_weights=False)
        for c in (0.1, 1.0, 10.0):
            decay = base.weight_decay / c
            run = replace(base, eps=base.eps * c, weight_decay=decay, lr=base.lr * c)
            epochs = 500 if quick else round(20 * run.decay_time)
            runs.append(replace(run, epochs=epochs, tolerance=0.3))
    return runs


def long_runs(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Runs that go on long after they are at rest: grokking, and ungrokking that stays grokked.

    At a small modulus; those of the quick profile are as long as it has time for. By them one sees
    whether ending early is safe.
    """
    n = len(profiles.seed_range(profile, seeds, published=5, quick=1, paper=5))
    if profile == "quick":
        return profiles.grokking(profile, n) + profiles.ungrokking(profile, n, sizes=[400])
    base = Run(p=31, dataset_size=620, epochs=10_000, n_logged=200)
    full = replace(base, dataset_size=31**2, epochs=600, n_logged=60, keep_weights=True)
    less = replace(base, dataset_size=400, init=full)
    seeded = [replace(base, seed=seed) for seed in range(n)]
    return seeded + [replace(less, seed=s, init=replace(full, seed=s)) for s in range(n)]
