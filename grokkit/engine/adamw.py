"""Full-batch AdamW for a stack of runs, each with its own weight decay."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grokkit.engine.lbfgs import Objective
from grokkit.model import named
from grokkit.optimum import Rows
from grokkit.runs import Run

MOMENTS = ("exp_avg", "exp_avg_sq")
SLOW = 0.98  # of Grokfast's average of slopes, kept for the next epoch
MOMENTUM = 0.95  # Muon's, with Nesterov's look ahead
QUINTIC = (3.4445, -4.775, 2.0315)  # of X, X X' X and X X' X X' X in a step of Newton and Schulz
N_STEPS = 5
MATRICES = ("W_Q", "W_K", "W_V", "W_O", "W_in", "W_out")  # that Muon moves; of attention by head


class AdamW:
    """torch's fused Adam with one lr, betas, eps, clip, amplify and muon, which the runs share.

    It has a single weight decay as well, so theta <- (1 - lr lambda) theta is done here.
    """

    def __init__(self, runs: Sequence[Run], tensors: dict[str, Tensor], epoch: int) -> None:
        """From the `tensors()` of one that made `epoch` steps; a fresh one needs "point" only."""
        run, self.point = runs[0], tensors["point"]  # run parameter
        self._noisy = [(i, r) for i, r in enumerate(runs) if r.noise]
        self._run = run  # what the runs share
        self._moments = MOMENTS + ("slow",) * bool(run.amplify) + ("mean",) * bool(run.muon)
        self._epoch = epoch  # Adam's own count is a float32, which ends at 2^24
        self.stuck = torch.zeros(len(runs), dtype=torch.bool)  # it never is
        self.decay = self.point.new_tensor([[1 - r.lr * r.weight_decay] for r in runs])
        options: dict[str, Any] = {"fused": True, "capturable": self.point.is_cuda}
        options |= {"lr": run.lr, "betas": (run.beta1, run.beta2), "eps": run.eps}
        self.adam = torch.optim.Adam([self.point], **options)
        self.adam.state[self.point] = {
            "step": torch.tensor(float(epoch), device=self.point.device),
            **{name: tensors.get(name, torch.zeros_like(self.point)) for name in self._moments},
        }

    @torch.no_grad()
    def step(self, train_loss: Objective) -> None:
        """One epoch."""
        gradient = self.point.grad = train_loss(self.point)[1]
        if longest := self._run.clip * self._run.eps:
            gradient *= (longest / gradient.norm(dim=1, keepdim=True)).clamp(max=1)
        for i, run in self._noisy:
            gradient[i] += self._noise(run).to(gradient)
        if self._run.amplify:
            slow = self.adam.state[self.point]["slow"]
            gradient += self._run.amplify * slow.lerp_(gradient, 1 - SLOW if self._epoch else 1)
        self._epoch += 1
        self.point.mul_(self.decay)
        moved = self._by_muon(gradient) if self._run.muon else []
        self.adam.step()
        for weight, value in moved:
            weight.copy_(value)

    def _by_muon(self, gradient: Rows) -> list[tuple[Tensor, Tensor]]:
        """Each of `MATRICES` after its decay, a view of the point, and where Muon's step leads it.

        Of full rank, the step has a root mean square of lr times `Run.muon` (Liu et al. 2025).
        """
        mean = self.adam.state[self.point]["mean"].lerp_(gradient, 1 - MOMENTUM)
        weights, (a, b, c) = named(self.point, self._run.shapes), QUINTIC
        ahead, moved = named(gradient.lerp(mean, MOMENTUM), self._run.shapes), []
        for name in MATRICES:
            rows, columns = weights[name].shape[-2:]
            x = ahead[name].mT if rows > columns else ahead[name]
            x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-30)
            for _ in range(N_STEPS):
                gram = x @ x.mT
                x = a * x + (b * gram + c * gram @ gram) @ x
            step = self._run.muon * max(rows, columns) ** 0.5 * (x.mT if rows > columns else x)
            moved.append((weights[name], weights[name] - self._run.lr * step))
        return moved

    def _noise(self, run: Run) -> Tensor:
        """What is added to the gradient of a run at this epoch, by its seed and the epoch alone."""
        draw = np.random.default_rng([run.seed, self._epoch]).standard_normal
        return torch.from_numpy(draw(self.point.shape[1], np.float32)) * (run.noise * run.eps)

    def scale(self) -> Rows:
        """sqrt(eps / (sqrt(v) + eps)) of every parameter: in theta / scale Adam is plain descent.

        With the learning rate lr / eps; 1 where slopes are far below eps.
        """
        moments = self.adam.state[self.point]  # its own step, which a graph counts as well
        v = moments["exp_avg_sq"] / (1 - self._run.beta2 ** moments["step"].clamp(min=1))
        return (self._run.eps / (v.sqrt() + self._run.eps)).sqrt()

    def tensors(self) -> dict[str, Rows]:
        """Parameters and moments."""
        moments = self.adam.state[self.point]
        return {"point": self.point, **{name: moments[name] for name in self._moments}}
