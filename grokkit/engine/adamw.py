"""Full-batch AdamW for a stack of runs, each with its own weight decay."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grokkit.engine.lbfgs import Objective
from grokkit.optimum import Rows
from grokkit.runs import Run

MOMENTS = ("exp_avg", "exp_avg_sq")
SLOW = 0.98  # of Grokfast's average of slopes, kept for the next epoch


class AdamW:
    """torch's fused Adam with one lr, betas, eps, clip and amplify, which the runs share.

    It has one weight decay too, so theta <- (1 - lr lambda) theta is a step of its own.
    """

    def __init__(self, runs: Sequence[Run], tensors: dict[str, Tensor], epoch: int) -> None:
        """From the `tensors()` of one that made `epoch` steps; a fresh one needs "point" only."""
        run, self.point = runs[0], tensors["point"]  # run parameter
        self._noisy = [(i, r) for i, r in enumerate(runs) if r.noise]
        self._amplify, self._moments = run.amplify, MOMENTS + ("slow",) * bool(run.amplify)
        self._longest = run.clip * run.eps
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
        if self._longest:
            gradient *= (self._longest / gradient.norm(dim=1, keepdim=True)).clamp(max=1)
        for i, run in self._noisy:
            gradient[i] += self._noise(run).to(gradient)
        if self._amplify:
            slow = self.adam.state[self.point]["slow"]
            gradient += self._amplify * slow.lerp_(gradient, 1 - SLOW if self._epoch else 1)
        self._epoch += 1
        self.point.mul_(self.decay)
        self.adam.step()

    def _noise(self, run: Run) -> Tensor:
        """What is added to the gradient of a run at this epoch, by its seed and the epoch alone."""
        draw = np.random.default_rng([run.seed, self._epoch]).standard_normal
        return torch.from_numpy(draw(self.point.shape[1], np.float32)) * (run.noise * run.eps)

    def scale(self) -> Rows:
        """sqrt(eps / (sqrt(v) + eps)) of every parameter: in theta / scale Adam is plain descent.

        With the learning rate lr / eps; 1 where slopes are far below eps.
        """
        options = self.adam.param_groups[0]
        moments = self.adam.state[self.point]  # its own step, which a graph counts as well
        v = moments["exp_avg_sq"] / (1 - options["betas"][1] ** moments["step"].clamp(min=1))
        return (options["eps"] / (v.sqrt() + options["eps"])).sqrt()

    def tensors(self) -> dict[str, Rows]:
        """Parameters and moments."""
        moments = self.adam.state[self.point]
        return {"point": self.point, **{name: moments[name] for name in self._moments}}
