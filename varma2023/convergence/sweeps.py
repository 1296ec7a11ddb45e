"""Where training ends: AdamW's runs, the minimiser's, and what may end early."""

from dataclasses import replace

from grokkit.runs import Run
from varma2023 import profiles
from varma2023.profiles import PAPERS, PART, Changes, Grid


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
        lengths = ((620, 900), (40, 500), (100, 500))
    own = replace(everything, n_logged=60 if small else 200, keep_weights=False)
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
        start = profiles.early(run) if run.init is None and run.labels == "true" else run.init
        pairs += [run, profiles.minimised(run, 80 if small else 1500, start)]
    return pairs


def strength(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """(c eps, lambda / c) for c of 0.1, 1 and 10: the same alpha, so the same strength at the end.

    By AdamW, seed by seed, from networks trained on every example, for 20 decay times
    1 / (lr lambda) or until they are at rest. The learning rate is c times the usual one, too:
    so lr lambda, which is the pace, and lr / eps, by which steps are stable, stay (choice C16).
    """
    quick = profile == "quick"
    count = len(profiles.seed_range(profile, seeds))
    size, runs = 620 if quick else 1200, []
    for init in profiles.full_data(profile, count, p=None if quick else 53):
        base = replace(init, dataset_size=size, init=init, n_logged=100, keep_weights=False)
        for c in (0.1, 1.0, 10.0):
            decay = base.weight_decay / c
            run = replace(base, eps=base.eps * c, weight_decay=decay, lr=base.lr * c)
            epochs = 250 if quick else round(20 * run.decay_time)
            runs.append(replace(run, epochs=epochs, tolerance=0.3))
    return runs


def long_runs(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Runs that go on long after they are at rest: grokking, and ungrokking that stays grokked.

    At a small modulus; those of the quick profile are as long as it has time for. By them one sees
    whether ending early is safe.
    """
    n = len(profiles.seed_range(profile, seeds, paper=5))
    if profile == "quick":
        return profiles.grokking(profile, n) + profiles.ungrokking(profile, n, sizes=[400])
    base = Run(p=31, dataset_size=620, epochs=10_000, n_logged=200)
    full = replace(base, dataset_size=31**2, epochs=600, n_logged=60, keep_weights=True)
    less = replace(base, dataset_size=400, init=full)
    seeded = [replace(base, seed=seed) for seed in range(n)]
    return seeded + [replace(less, seed=s, init=replace(full, seed=s)) for s in range(n)]


Many = tuple[int, ...]
PACES = (1, 4, 16)  # times the usual learning rate
STAY = 5  # decay times for which AdamW is put on a minimum
MINIMA = (
    *((31, 280, decay, 64, 18_000) for decay in (0.5, 1.0, 2.0)),
    (31, 280, 1.0, 128, 18_000),
    (113, 1190, 1.0, 128, 6000),
)
"""Modulus, D, weight decay, d_model and gradients: at 1.6 times D_crit (width 128)."""


BY_SIZE = (
    (31, 64, 18_000, (100, 143, 200, 280), (280, 392, 549, 768)),
    (113, 128, 6000, (600, 850, 1190), (1190, 1700)),
)
"""Modulus, d_model, gradients, and D of memory's minima and of the rule's, at weight decay 1."""


def from_minima(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: AdamW put on minima of Eq. (2), of the rule and of memory (choice C52).

    By setting; first minima to which grokked networks lead (trained on every example, but at
    p = 113 those of `grokking`), then random weights, on the same train sets. From each the
    minimiser once more, to see whether it falls further, then AdamW at three learning rates. The
    steepness of the loss at the minimum is that of epoch 0.
    """
    count = len(profiles.seed_range(profile, seeds))
    settings, runs = MINIMA[1:2] if profile == "quick" else MINIMA, list[Run]()
    for p, size, decay, width, most in settings:
        first = Run(p=p, dataset_size=1, weight_decay=decay, model=profiles.of_width(width))
        for grokked in (True, False):
            runs += _at_minima(profile, count, first, (size,), most, grokked, PACES)
    return runs


SLOW, ROUNDED = {"lr": PAPERS.lr / 4}, {"loss": "rounded"}
WAYS: tuple[Changes, ...] = (SLOW, {"precision": "float64"}, ROUNDED, {**SLOW, **ROUNDED})
"""How AdamW goes on from memory's minima otherwise (choice C82)."""


def from_memory(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: AdamW put on memory's minima of one setting of `from_minima` (C82).

    By each of `WAYS`, for as many decay times as there.
    """
    p, size, decay, width, _ = MINIMA[1]
    setting, runs = (p, size, decay, width, PAPERS.lr), list[Run]()
    for run in from_minima(profile, seeds):
        own = run.p, run.dataset_size, run.weight_decay, run.model.d_model, run.lr
        start = run.init and run.init.init
        if run.optimiser == "adamw" and own == setting and start and start.dataset_size == size:
            ways = [replace(run, **way) for way in WAYS]
            runs += [replace(way, epochs=round(run.epochs * run.lr / way.lr)) for way in ways]
    return runs


def minima_by_size(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: the same on more and on fewer examples, AdamW at the paper's rate (C56).

    By modulus; memory's minima, then the rule's.
    """
    quick, runs = profile == "quick", list[Run]()
    count = len(profiles.seed_range(profile, seeds))
    for p, width, most, *sizes in BY_SIZE[:1] if quick else BY_SIZE:
        first = Run(p=p, dataset_size=1, model=profiles.of_width(width))
        for grokked, own in zip((False, True), sizes, strict=True):
            own = own[1::2] if quick else own
            runs += _at_minima(profile, count, first, own, most, grokked, PACES[:1])
    return runs


def _at_minima(
    profile: str, count: int, first: Run, sizes: Many, gradients: int, grokked: bool, paces: Many
) -> list[Run]:
    """What starts at the minima to which grokked networks lead, or random weights."""
    quick, runs = profile == "quick", list[Run]()
    own: Changes = {"p": first.p, "model": first.model, "until_rest": not quick}
    base, decays = Run(p=first.p, dataset_size=1), (first.weight_decay,)
    grid = Grid(count, 80 if quick else gradients, sizes, decays, base, exact=True)
    if grokked:
        start = profiles.grokking if first.p == PAPERS.p else profiles.full_data
        inits = start(profile, count, p=first.p, model=first.model)
        ends = profiles.to_the_minimum(inits, grid, own)
    else:
        ends = profiles.from_random(grid, own)
    for end in ends:
        minimum = replace(end, keep_weights=True)
        runs.append(replace(end, init=minimum, epochs=min(end.epochs, 3000)))
        run = replace(first, dataset_size=end.dataset_size, seed=end.seed, init=minimum)
        run = replace(run, n_logged=60, steepness=PART)
        for pace in paces:
            faster = replace(run, lr=pace * PAPERS.lr)
            runs.append(replace(faster, epochs=round((0.1 if quick else STAY) * faster.decay_time)))
    return runs
