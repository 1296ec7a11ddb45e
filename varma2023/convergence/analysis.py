"""Two ways to converge, compared: where AdamW ends, and the minimum of Eq. (2) that L-BFGS finds.

Also when a run of AdamW could have ended early, and whether that would have changed what it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import isclose
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from grokkit.engine.metrics import at_rest
from grokkit.engine.stack import tabulated_loss
from grokkit.model import flat
from grokkit.optimum import room
from grokkit.runs import Record, Records, Run
from varma2023 import measures
from varma2023.measures import Pair, group, least, objective, rests, value_at
from varma2023.statistics import Interval, bootstrap
from varma2023.tables import span, table

SAME = {"objective": measures.SAME_EQ_2, "norm": 0.02, "logit": 0.05}  # relative (choice C16)
MAX_ACCURACY_GAP = 0.05  # absolute


def charged(record: Record) -> int:
    """Gradients that were spent on the start of a minimiser: AdamW's epochs on the same train set.

    A network trained on more data is the common start of both ways and costs neither.
    """
    start = record.run.init
    return start.epochs if start and start.dataset_size == record.run.dataset_size else 0


def gradients(pair: Pair, residual: float | None) -> tuple[int | None, int | None]:
    """Gradients that AdamW and the minimiser need to a residual, or None: to where AdamW ends.

    That is an objective no more than 1% above AdamW's last one. None where one never gets there.
    """
    counts, target = [], 1.01 * least(pair.adamw)
    for record in (pair.adamw, pair.lbfgs):
        there = objective(record) <= target if residual is None else record["residual"] < residual
        arrival = measures.first(record, there)
        counts.append(arrival.epoch + charged(record) if arrival else None)
    return counts[0], counts[1]


def savings(found: Sequence[Pair], residual: float | None) -> list[float]:
    """How many times fewer `gradients` the minimiser needs, of every pair where both get there."""
    each = (gradients(pair, residual) for pair in found)
    return [adamw / lbfgs for adamw, lbfgs in each if adamw and lbfgs]


def agreement(pair: Pair) -> dict[str, bool]:
    """In what the two ends agree: objective, norm, correct logit and test accuracy (choice C16)."""
    names = ("param_norm", "correct_logit")
    one, other = ([least(r), *map(r.final, names)] for r in (pair.adamw, pair.lbfgs))
    ends = zip(SAME.items(), one, other, strict=True)
    alike = {name: isclose(x, y, rel_tol=within) for (name, within), x, y in ends}
    gap = pair.adamw.final("test_accuracy") - pair.lbfgs.final("test_accuracy")
    return alike | {"test accuracy": abs(gap) <= MAX_ACCURACY_GAP}


def agreeing(found: Sequence[Pair]) -> int:
    """How many pairs agree in everything."""
    return sum(all(agreement(pair).values()) for pair in found)


def below(one: Record, other: Record) -> bool:
    """Whether the objective of one ends clearly below that of the other (choice C16)."""
    return least(one) < (1 - SAME["objective"]) * least(other)


def lower_text(found: Sequence[Pair]) -> str:
    """ "3 of 8 pairs, AdamW's in 1": where the minimiser's end is clearly the lower one."""
    lower = measures.how_many(below(pair.lbfgs, pair.adamw) for pair in found)
    return f"{lower} pairs, AdamW's in {sum(below(pair.adamw, pair.lbfgs) for pair in found)}"


def floor(record: Record) -> float:
    """The median residual over the last tenth of the epochs: where AdamW hovers."""
    return float(np.median(record["residual"][record["epoch"] >= 0.9 * record["epoch"][-1]]))


def savings_text(found: Sequence[Pair], residual: float | None) -> str:
    """The range of `savings`, and of how many pairs it is."""
    times = savings(found, residual)
    return f"{span(times, '.1f', '–', ' to ')} (of {len(times)} of {len(found)} pairs)"


def ends_table(found: Sequence[Pair]) -> str:
    """By pair and way: gradients, objective, norm, correct logit, test accuracy, residual."""
    rows = []
    for pair in found:
        differs = ", ".join(name for name, same in agreement(pair).items() if not same) or "nothing"
        adamw, lbfgs = (
            f"{r['epoch'][-1]:,} | {least(r):.1f} | {r.final('param_norm'):.2f} | "
            f"{r.final('correct_logit'):.1f} | {r.final('test_accuracy'):.3f} | {floor(r):.2g}"
            for r in (pair.adamw, pair.lbfgs)
        )
        rows += [f"{_wide(pair)} | AdamW | {adamw} | ", f" | minimiser | {lbfgs} | {differs}"]
    heads = "network | trained by | gradients | Eq. (2) over α | norm | correct logit"
    return table(f"{heads} | test accuracy | residual | the ends differ in", rows)


def _wide(pair: Pair) -> str:
    return f'<div style="min-width: 8rem">{pair}</div>'


def cost_table(found: Sequence[Pair]) -> str:
    """By pair: gradients that both ways need to AdamW's end and to each residual."""
    rows = []
    for pair in found:
        row = [_wide(pair)]
        for residual in (None, *measures.RESIDUALS):
            counts = gradients(pair, residual)
            shown = " / ".join("never" if n is None else f"{n:,}" for n in counts)
            row.append(shown + "".join(f" ({x:.1f} ×)" for x in savings([pair], residual)))
        rows.append(row)
    goals = (f"to a residual of {residual:g}" for residual in measures.RESIDUALS)
    return table(" | ".join(["gradients: AdamW / minimiser", "to AdamW's end", *goals]), rows)


# --- the same strength for (c eps, lambda / c) -----------------------------------------------


def scale(record: Record) -> float:
    """c of a run with (c eps, lambda / c): its epsilon over the default one."""
    return float(f"{record.run.eps / Run().eps:.3g}")


def strength_shift(records: Records, c: float, metric: str) -> Interval:
    """A final metric for this c over that for c = 1, minus 1: the mean over seeds."""
    seeds = [{scale(r): r.final(metric) for r in own} for own in group(records, "seed").values()]
    return bootstrap([own[c] / own[1.0] - 1 for own in seeds], np.mean)


def typical_weight(records: Records) -> float:
    """The root mean square of the final parameters for c = 1, of all seeds."""
    own = [record for record in records if scale(record) == 1]
    squares = [record.final("param_norm") ** 2 / record.run.n_parameters for record in own]
    return float(np.mean(squares) ** 0.5)


def strength_table(records: Records) -> str:
    """By c: the strength at the end, medians and ranges over seeds, and how many are at rest."""
    rows = []
    for eps, own in group(records, "eps").items():
        final = partial(measures.finals, own)
        ends = [final("param_norm").text(".2f"), final("correct_logit").text(".1f")]
        ends += [final("test_accuracy").text(".3f"), final("residual").text(".2g")]
        epochs = span([r["epoch"][-1] for r in own], ",")
        resting = measures.how_many(map(rests, own))
        rows.append([f"{eps:g}", f"{own[0].run.weight_decay:g}", epochs, *ends, resting])
    return table("ε | λ | epochs | norm | correct logit | test accuracy | residual | at rest", rows)


# --- ending early ----------------------------------------------------------------------------


class EarlyEnd(NamedTuple):
    """Where a stored run of AdamW would have ended at a tolerance, and what it shows there."""

    record: Record
    epoch: int
    accuracy: float  # test accuracy there
    same: bool  # whether that is within 0.05 of running on
    norm_shift: float  # relative excess of the norm over that of running on


def early_ends(records: Records, tolerance: float) -> list[EarlyEnd]:
    """Where runs were first at rest (`metrics.at_rest`), if before their last evaluation."""
    found = []
    for record in records:
        if "test_accuracy" not in record.metrics:
            continue
        epoch, residual, accuracy = (record[k] for k in ("epoch", "residual", "test_accuracy"))
        for n in range(2, len(epoch)):
            if at_rest(epoch[:n], residual[:n], accuracy[:n], tolerance, record.run.decay_time):
                there, gap = float(accuracy[n - 1]), abs(accuracy[n - 1] - accuracy[-1])
                shift = float(record["param_norm"][n - 1]) / record.final("param_norm") - 1
                same = bool(gap <= MAX_ACCURACY_GAP)
                found.append(EarlyEnd(record, int(epoch[n - 1]), there, same, shift))
                break
    return found


def early_criteria(ends: Sequence[EarlyEnd]) -> dict[str, bool]:
    """Whether it makes no difference to test accuracy that a run ends early."""
    return {"ending early changes nothing": all(end.same for end in ends)}


def norm_shift_text(ends: Sequence[EarlyEnd]) -> str:
    """The largest `norm_shift`, as a percentage; a dash for none."""
    return f"{max(abs(end.norm_shift) for end in ends):.1%}" if ends else "–"


def early_table(records: Records, tolerances: Sequence[float]) -> str:
    """By tolerance: runs that would have ended early, epochs saved, and runs that look the same."""
    rows = []
    for tolerance in tolerances:
        ends = early_ends(records, tolerance)
        saved = [1 - end.epoch / end.record.run.epochs for end in ends]
        rows.append(
            f"{tolerance:g} | {len(ends)} of {len(records)} | "
            f"{f'{np.median(saved):.0%}' if saved else '–'} | "
            f"{measures.how_many(end.same for end in ends)} | {norm_shift_text(ends)}"
        )
    heads = "tolerance | runs that would end early | epochs saved (median)"
    heads += " | with the same test accuracy at the end | largest change of norm after that"
    return table(heads, rows)


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """The gradient of one converged network against what Eq. (2) with alpha = eps lambda wants."""

    gradient: Float[np.ndarray, " parameter"]  # of the train loss, one entry per parameter
    expected: Float[np.ndarray, " parameter"]  # -eps lambda theta / (1 - lambda |theta|)
    alpha: float  # fitted: the slope of the gradient against -theta / (1 - lambda |theta|)
    cosine: float


def equilibrium(record: Record) -> Equilibrium:
    """The float64 gradient at the final weights, and the fixed point of AdamW it should be at.

    Raises ValueError where the record has no weights, or the run no weight decay.
    """
    run = record.run
    if run.weight_decay == 0:
        raise ValueError("without weight decay AdamW has no fixed point: weight_decay is 0")
    point = flat(record.weights()).double()
    gradient = tabulated_loss([run], torch.float64)(point.unsqueeze(0))[1][0].numpy()
    direction = (-point / room(point, run.weight_decay)).numpy()
    alpha = float(gradient @ direction / (direction @ direction))
    cosine = float(gradient @ direction / np.linalg.norm(gradient) / np.linalg.norm(direction))
    return Equilibrium(gradient, run.alpha * direction, alpha, cosine)


SETTLED = 0.1  # of what decay alone would do to the norm (choice C6)
ALONG = 0.95  # the least cosine of gradient and decay at rest (choice C96)


def drift(record: Record) -> float:
    """The norm's rate of change over the last tenth of its epochs, as a part of lr times lambda.

    That is 1 where weight decay acts alone and 0 where the gradient holds its balance along the
    parameters. Far below epsilon it is about |1 - alpha / (eps lambda)| of the fitted alpha.
    """
    run, last = record.run, int(record["epoch"][-1])  # before run.epochs where it ended early
    change = np.log(record.final("param_norm") / value_at(record, "param_norm", 0.9 * last))
    return float(abs(change) / (run.lr * run.weight_decay * 0.1 * last))


def equilibrium_table(states: Sequence[Equilibrium], records: Records) -> str:
    """By network: fitted alpha over eps lambda, cosine, residual, and how far the norm drifts."""
    rows = (
        f"{r.run.seed} | {r.run.dataset_size:,} | {state.alpha / r.run.alpha:.3f} | "
        f"{state.cosine:.3f} | {r.final('residual'):.2f} | {drift(r):.2f}"
        for state, r in zip(states, records, strict=True)
    )
    return table("seed | D | fitted α / ελ | cosine | residual | drift of the norm", rows)
