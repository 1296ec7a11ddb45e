"""Training as a textbook writes it: the plain model, torch's AdamW, one network at a time.

Nothing of the engine is used. It is what the engine is tested and timed against.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from grokkit import model
from grokkit.model import Weights
from grokkit.runs import Run


def train(
    run: Run,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    forward: Callable[[Weights, Tensor], Tensor] = model.forward,
    evaluate: bool = False,
) -> Iterator[Weights]:
    """The parameters of the run's network after each epoch, for ever; the same tensors each time.

    With `evaluate` the loss on the test set is computed too, as known notebooks do each epoch.
    Raises ValueError, at the first epoch, for a run of the minimiser, from another's end, or with
    Muon, noise, amplified or clipped gradients.
    """
    if run.optimiser != "adamw":
        raise ValueError(f"optimiser must be adamw, got {run.optimiser!r}")
    if any(changed := (run.init, run.noise, run.amplify, run.muon, run.clip)):
        raise ValueError(f"init, noise, amplify, muon and clip must be None or 0, got {changed}")
    task = run.operation
    tokens = model.tokens(torch.tensor(task.inputs), task.n_tokens).to(device)
    labels = torch.tensor(run.example_labels()).to(device)
    rows, test_rows = (torch.from_numpy(rows).to(device) for rows in run.split())
    (x, y), (x_test, y_test) = ((tokens[r], labels[r]) for r in (rows, test_rows))
    weights = model.initialise(run.model, task.n_tokens, run.seed, run.init_scale)
    theta = {name: w.to(device, dtype).requires_grad_() for name, w in weights.items()}
    options = {"eps": run.eps, "weight_decay": run.weight_decay, "betas": (run.beta1, run.beta2)}
    adamw = torch.optim.AdamW(theta.values(), run.lr, **options)  # type: ignore[arg-type]
    loss = model.cross_entropy if run.loss == "exact" else F.cross_entropy
    while True:
        adamw.zero_grad()
        loss(forward(theta, x)[:, -1], y).mean().backward()
        adamw.step()
        if evaluate:
            with torch.no_grad():
                loss(forward(theta, x_test)[:, -1], y_test).mean()
        yield theta
