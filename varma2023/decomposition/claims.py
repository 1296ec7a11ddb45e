"""The claims about the algorithm inside a network: Fig. 11, and App. B."""

from math import inf

import numpy as np

from varma2023 import measures
from varma2023.claims import ByExperiment, Claims, Evidence, Result, told_without
from varma2023.decomposition import analysis, moduli
from varma2023.measures import Summary
from varma2023.pages import TRIGONOMETRIC
from varma2023.statistics import bootstrap

CLAIMS = Claims()


@CLAIMS.row(
    "F11",
    "Fig. 11, the trigonometric algorithm",
    "the embedding and the logits of a grokked network are those of adding by rotations at a few "
    "key frequencies",
    (TRIGONOMETRIC, "fig-11"),
    ("grokking",),
    number="logits are a sum of cos(ω(a + b − c)), as Nanda et al. (2023) found",
)
@told_without("C9", "grokking_longer")
def fig11(found: ByExperiment) -> Result:
    """Fig. 11: the algorithm, rebuilt from a few key frequencies, explains the logits (C96)."""
    records = [r for r in measures.grokked(found) if r.run.task == "x+y" and r.weights_path]
    if not records:
        return Result()
    reports = [analysis.trigonometric(record) for record in records]
    criteria = [analysis.trigonometric_criteria(report) for report in reports]
    met = {name: all(each[name] for each in criteria) for name in criteria[0]}
    (_, core), *further = met.items()
    ours = f"{Summary.of([len(r.frequencies) for r in reports]).text()} key frequencies; "
    ours += f"they explain {min(r.explained for r in reports):.3f} or more of the squared norm"
    return Result(ours, core, dict(further), Evidence.of(records))


@CLAIMS.row(
    "App.B",
    "App. B, where key frequencies come from",
    "key frequencies are typically those that are strongest in the random initial weights (here: "
    "of the embedding)",
    (TRIGONOMETRIC, "sec-b-start"),
    ("grokking",),
    number="“typically”, no number (we ask for most of them)",
)
def strongest_at_start(found: ByExperiment) -> Result:
    """App. B: most key frequencies are among the strongest of the random weights (choice C74)."""
    records = [r for r in measures.grokked(found) if r.run.task == "x+y" and r.weights_path]
    if not records:
        return Result()
    records.sort(key=lambda record: record.run.seed)  # resampling goes by the order
    reads = (analysis.among_strongest, analysis.rank_at_start)
    share, rank = (bootstrap([*map(read, records)], np.mean) for read in reads)
    ours = f"{share.text('.2f')} of them are; mean rank, 0 to 1 (strongest): {rank.text('.2f')}"
    further = {"key frequencies are stronger there than others": rank.tells(0.5, inf)}
    return Result(ours, share.tells(0.5, inf), further, Evidence.of(records))


ROOT = 0.5  # of a count that grows as the root of p (choice C60)


@CLAIMS.row(
    "B39",
    "Beyond: key frequencies and the modulus",
    "the number of key frequencies of grokked networks grows more slowly than the square root of p",
    (TRIGONOMETRIC, "fig-moduli-frequencies"),
    ("grokked_moduli", "grokking"),
    earlier="in part, without the longer run of one network (C60); holds, by five seeds and "
    "narrower intervals (C94); in part, by five seeds (C106)",
)
def few_frequencies(found: ByExperiment) -> Result:
    """B39: how the number of key frequencies goes with p (choice C60)."""
    records = [*measures.longest(found["grokked_moduli"]), *measures.grokked(found)]
    known = [r for r in records if r.weights_path or "n_key_frequencies" in r.metrics]
    power = moduli.growth(known)
    ours = f"∝ p to the power {power.text()}, where ln p would give {moduli.of_log(known):.2f}"
    further = {"the number grows": power.tells(0, inf)}
    further |= measures.all_of("every network has grokked", map(measures.generalises, known))
    by_modulus = measures.group(known, "p").values()
    return Result(ours, power.tells(-inf, ROOT), further, Evidence.across(*by_modulus))
