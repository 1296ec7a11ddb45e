"""What prose quotes from the trajectories of the simulation: marks, outcomes, tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from grokkit.simulation import Trajectory
from varma2023.tables import table

GROKS = 10  # how many times later the test loss falls below 1 (choice C93)
OUTCOMES = {"a": "groks", "b": "never", "c": "together"}  # what Fig. 2 of the paper shows


@dataclass(frozen=True)
class Marks:
    """What prose quotes from a trajectory; a step is None when the event does not happen."""

    train_fits: int | None  # first logged step with train loss below 1
    test_fits: int | None  # the same of the test loss: the simulation has generalised
    gen_rises: int | None  # first logged step with gen logit above a tenth
    gen_leads: int | None  # first logged step with gen logit above mem logit
    norm_peak_step: int
    norm_peak: float
    test_peak: float

    @property
    def outcome(self) -> str:
        """The kind of curve: "groks", "together", or "never" when a loss stays at 1 or above.

        It groks when the test loss falls below 1 over `GROKS` times later than the train loss does.
        """
        if self.train_fits is None or self.test_fits is None:
            return "never"
        return "groks" if self.test_fits > GROKS * self.train_fits else "together"

    @property
    def factor(self) -> float:
        """The step at which the test loss falls below 1 over that of the train loss."""
        return self.test_fits / self.train_fits if self.test_fits and self.train_fits else inf


def marks(t: Trajectory) -> Marks:
    """The marks of one trajectory, at the resolution of its log."""
    events = t.train_loss < 1, t.test_loss < 1, t.gen_logit > 0.1, t.gen_logit > t.mem_logit
    train, test, rises, leads = (int(t.step[e.argmax()]) if e.any() else None for e in events)
    norm, peak = t.param_norm.max(), int(t.step[t.param_norm.argmax()])
    return Marks(train, test, rises, leads, peak, float(norm), float(t.test_loss.max()))


def when(step: int | None) -> str:
    """A step of `Marks` as words: "step 5,393", or "never"."""
    return "never" if step is None else f"step {step:,}"


def curve_table(t: Trajectory, steps: Sequence[int]) -> str:
    """The curves at the logged steps nearest above those given, as an HTML table."""
    rows = []
    for i in np.searchsorted(t.step, np.minimum(steps, t.step[-1])):
        losses = [f"{curve[i]:.3f}" for curve in (t.train_loss, t.test_loss)]
        rest = [f"{curve[i]:.2f}" for curve in (t.gen_logit, t.mem_logit, t.param_norm)]
        rows.append([f"{t.step[i]:,}", *losses, *rest])
    return table("step | train loss | test loss | gen logit | mem logit | norm", rows)


def marks_table(trajectories: Mapping[str, Trajectory]) -> str:
    """The marks of several trajectories, as an HTML table with one row each."""
    rows = []
    for name, m in ((name, marks(t)) for name, t in trajectories.items()):
        peak = f"{m.norm_peak:.2f} ({when(m.norm_peak_step)})"
        rows.append([name, when(m.gen_rises), peak, when(m.train_fits), when(m.test_fits)])
    heads = " | gen logit above 0.1 | norm peaks at | train loss below 1 | test loss below 1"
    return table(heads, rows)
