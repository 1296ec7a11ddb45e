"""What is recorded of a network: logits in the type of its weights, and then in float64."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokkit import decomposition, tasks
from grokkit.engine import batched
from grokkit.model import Weights, cross_entropy, param_norm
from grokkit.runs import Run

METRICS = (
    "train_loss",  # Eq. (1) on the train set, nats
    "test_loss",
    "train_accuracy",
    "test_accuracy",
    "param_norm",  # P of Sec. 2
    "correct_logit",  # mean over the train set, class-centred
    "correct_logit_raw",
    "trig_logit",  # its trigonometric part and the rest (App. B); x+y only
    "mem_logit",
    "trig_share",  # ||Z_T|| / ||Z|| over all inputs (choice C5); x+y only
    "n_key_frequencies",  # how many hold 98% of its squared norm (App. B); x+y only
    "residual",  # distance from the fixed point of AdamW (choice C6), kinks rounded or not
    "steepness",  # lr times the train loss's second difference in AdamW's metric (`Run.steepness`)
)

Epochs = Int[np.ndarray, " log"]
Logged = Float[np.ndarray, " log"]  # a number at each of them

STILL_SHARE = 0.25  # of a run's epochs so far, and
STILL_TIMES = 5  # times 1 / (lr lambda), over which it must have been at rest to end early
STILL_ACCURACY = 0.002  # how far its test accuracy may have moved meanwhile


def at_rest(
    epochs: Epochs, residual: Logged, test_accuracy: Logged, tolerance: float, decay_time: float
) -> bool:
    """Whether a run of AdamW has converged at the last of these evaluations (choice C15).

    Its median residual has been below the tolerance, and its test accuracy still, over the last
    quarter of its epochs and at least five times `Run.decay_time`. A small residual by itself says
    little: a network that is about to ungrok starts with one.
    """
    since = min((1 - STILL_SHARE) * epochs[-1], epochs[-1] - STILL_TIMES * decay_time)
    if since < 0:
        return False
    window = slice(int(np.searchsorted(epochs, since)), None)
    moved = np.ptp(test_accuracy[window])  # NaN where the train set is everything
    return bool(np.median(residual[window]) < tolerance and not moved > STILL_ACCURACY)


MINIMUM_SHARE = 0.2  # of a minimiser's gradients so far, over which
MINIMUM_FALL = 0.002  # Eq. (2) has fallen by less than this share, and
MINIMUM_RESIDUAL = 0.2  # the residual is below this: then it is at a minimum
MINIMUM_GRADIENTS = 500  # before which nothing counts as one


def at_minimum(gradients: Epochs, objective: Logged, residual: float) -> bool:
    """Whether the minimiser has come to rest at the last of these evaluations (choice C15).

    Eq. (2) fell by less than 0.2% over the last fifth of its gradients, of which there were 500 or
    more, and its residual is below 0.2. Everything else is still falling.
    """
    if gradients[-1] < MINIMUM_GRADIENTS or not residual < MINIMUM_RESIDUAL:
        return False
    before = np.interp((1 - MINIMUM_SHARE) * gradients[-1], gradients, objective)
    return bool(before / objective[-1] - 1 < MINIMUM_FALL)


def all_logits(theta: Weights, task: tasks.Task) -> Float[Tensor, "batch label"]:
    """Logits of one network on every example of the task, in float64 on the weights' device."""
    if (known := len(theta["W_E"]) - 2) != task.n_tokens:
        raise ValueError(f"{task.name} has {task.n_tokens} operands here, the network {known}")
    single = {name: weight.unsqueeze(0) for name, weight in theta.items()}
    x, y = torch.tensor(task.inputs.T, device=theta["W_E"].device).unsqueeze(1)
    return batched.forward(single, x, y)[0].double()


@torch.no_grad()
def evaluate(
    run: Run, theta: dict[str, Tensor], residual: Float[Tensor, ""]
) -> Float[Tensor, " metric"]:
    """`METRICS` of a run with these parameters, in float64; NaN where a metric is not defined.

    Without the steepness, and without waiting for the device. `residual`: `optimum.residual`.
    """
    task = run.operation
    logits = all_logits(theta, task)
    labels, train, test = _examples(run, run.key, logits.device)
    loss = cross_entropy(logits, labels)
    right = (logits.argmax(-1) == labels).double()
    raw = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    correct = (raw - logits.mean(1))[train].mean()
    value = dict.fromkeys(METRICS, loss.new_tensor(torch.nan))
    value |= {
        "train_loss": loss[train].mean(),
        "test_loss": loss[test].mean(),  # NaN where the train set is everything
        "train_accuracy": right[train].sum() / right.new_tensor(len(train)),
        "test_accuracy": right[test].sum() / right.new_tensor(len(test)),  # a card's mean() rounds
        "param_norm": param_norm(theta),
        "correct_logit": correct,
        "correct_logit_raw": raw[train].mean(),
        "residual": residual,
    }
    if task.name == "x+y":
        Z = logits.view(task.p, task.p, task.p)
        trig = decomposition.trig_logits(Z).view_as(logits)
        value["trig_logit"] = trig.gather(1, labels.unsqueeze(1)).squeeze(1)[train].mean()
        value["mem_logit"] = correct - value["trig_logit"]
        value["trig_share"] = decomposition.trig_share(Z)
        value["n_key_frequencies"] = decomposition.n_key(decomposition.frequency_norms(Z))
    return torch.stack([value[name].to(logits) for name in METRICS])


@lru_cache(maxsize=256)  # of a whole stack (`plan.MAX_RUNS`)
def _examples(run: Run, key: str, device: torch.device) -> tuple[Tensor, ...]:
    """Labels of all examples, and the rows of the train and of the test set; `key`: the run's."""
    arrays = (run.example_labels(), *run.split())
    return tuple(torch.tensor(rows, device=device) for rows in arrays)
