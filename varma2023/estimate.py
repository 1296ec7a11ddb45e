"""How long a sweep takes on this machine, from a measurement of about a second."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from numpy.polynomial import Polynomial

from grokkit.engine.adamw import MATRICES, N_STEPS
from grokkit.engine.stack import Stack, start
from grokkit.engine.steepness import STEPS
from grokkit.engine.tabulated import keep_freed_memory
from grokkit.runs import Run
from grokkit.store.store import Store
from grokkit.sweeps import plan

SECONDS = 0.1  # of each measurement, of which there are four
BATCH = 32  # runs of a stack on an accelerator
FULL_HISTORY = 2.0  # an epoch of L-BFGS with all its curvature pairs, against one of the first ones

SMALL, LARGE = Run(p=31, dataset_size=620), Run()


@dataclass(frozen=True)
class Machine:
    """What was measured of a device."""

    device: torch.device
    at_a_time: int  # runs that go side by side, each at these speeds
    epoch: dict[bool, Polynomial]  # its seconds by FLOP, by whether it is in float64
    evaluation: dict[bool, Polynomial]
    measured: float  # seconds that it took

    def __str__(self) -> str:
        flop, each = plan.flop(LARGE), [_epoch_seconds(r, self) for r in (LARGE, _exactly(LARGE))]
        adamw, lbfgs = (f"{1000 * t:.3g} ms ({flop / t / 1e9:.3g} GFLOP/s)" for t in each)
        return (
            f"{self.device.type}, {self.at_a_time} at a time; an epoch of p = {LARGE.p}, "
            f"D = {LARGE.dataset_size:,} takes {adamw} in float32, AdamW and {lbfgs} in float64, "
            f"L-BFGS; measured in {self.measured:.1f} s"
        )


def measure(device: torch.device) -> Machine:
    """Time a few epochs of four stacks, small and large, in float32 and in float64.

    On the CPU each run has one thread, and as many go side by side as there are.
    """
    began, threads = time.monotonic(), torch.get_num_threads()
    on_cpu = device.type == "cpu"
    if on_cpu:
        keep_freed_memory()  # as the trainer does
    epoch: dict[bool, Polynomial] = {}
    evaluation: dict[bool, Polynomial] = {}
    torch.set_num_threads(1)
    try:
        for exact in (False, True):
            runs = [_exactly(run) if exact else run for run in (SMALL, LARGE)]
            times = (_time(run, device, 1 if on_cpu else BATCH) for run in runs)
            (small, small_evaluation), (large, large_evaluation) = times
            epoch[exact] = _fit(small, large, plan.flop)
            evaluation[exact] = _fit(small_evaluation, large_evaluation, _evaluation_flop)
    finally:
        torch.set_num_threads(threads)
    return Machine(device, threads if on_cpu else 1, epoch, evaluation, time.monotonic() - began)


def seconds(left: dict[Run, int], machine: Machine) -> float:
    """Time for the runs, each from its epoch on; those that start from others wait for them."""
    total = 0.0
    for generation in plan.with_inits(list(left)):
        each = [run_seconds(run, left[run], machine) for run in generation if run in left]
        total += max(sum(each) / machine.at_a_time, max(each, default=0.0))
    return total


def run_seconds(run: Run, done: int, machine: Machine) -> float:
    """Time for one run from epoch `done` to its end; one that ends early takes less."""
    rest = 1 - done / run.epochs
    evaluation = machine.evaluation[run.float64](_evaluation_flop(run))
    evaluation += (1 + 2 * STEPS) * _epoch_seconds(run, machine) if run.steepness else 0
    return rest * (run.epochs * _epoch_seconds(run, machine) + run.n_logged * evaluation)


def duration(seconds: int | float) -> str:
    """ "3 hours": two digits, in the largest unit of which there is at least one."""
    for unit, length in (("year", 365.25 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = f"{float(f'{seconds / length:.2g}'):,g}"
            return f"{count} {unit}{'s' * (count != '1')}"
    return f"{seconds:.0f} s"


def _exactly(run: Run) -> Run:
    return replace(run, optimiser="lbfgs", precision="float64")


def _epoch_seconds(run: Run, machine: Machine) -> float:
    slower = FULL_HISTORY if run.optimiser == "lbfgs" else 1.0
    return slower * machine.epoch[run.float64](plan.flop(run) + _muon_flop(run))


def _muon_flop(run: Run) -> float:
    """FLOP of Muon's iteration in one epoch, the same at every dataset size."""
    total = 0.0
    for *heads, rows, columns in (run.shapes[name] for name in MATRICES if run.muon):
        few, many = sorted((rows, columns))
        total += N_STEPS * math.prod(heads) * 2 * (2 * few**2 * many + few**3)
    return total


def _evaluation_flop(run: Run) -> float:
    """FLOP of a forward over all examples and a gradient."""
    whole = replace(run, dataset_size=run.operation.n_examples, init=None, mirrors="any")
    return plan.flop(whole) / 3 + plan.flop(run)


def _fit(small: float, large: float, flop: Callable[[Run], float]) -> Polynomial:
    """The line through the two measurements; through the origin where that has less at 0."""
    slope = (large - small) / (flop(LARGE) - flop(SMALL))
    fixed = small - slope * flop(SMALL)
    if slope <= 0 or fixed < 0:
        return Polynomial([0.0, large / flop(LARGE)])
    return Polynomial([fixed, slope])


def _time(run: Run, device: torch.device, batch: int) -> tuple[float, float]:
    """Seconds of an epoch and of an evaluation, per run of a stack of `batch`.

    On the CPU an epoch of AdamW is its gradient, to a hundredth: torch's Adam imports a compiler
    when it is made, for longer than all that is measured here.
    """
    nothing, on_cpu = Store("/nonexistent", shipped=""), device.type == "cpu"
    bare = on_cpu and run.optimiser == "adamw"
    own = replace(run, optimiser="lbfgs", precision="mixed") if bare else run
    stack = Stack([own] * batch, [start(run, nothing)] * batch, device)
    epoch = (lambda: stack.train_loss(stack.optimiser.point)) if bare else stack.advance
    for _ in range(1 if on_cpu else 6):  # the first ones allocate and record
        epoch()
    epochs, began = 0, _now(device)
    while epochs < 2 or _now(device) - began < SECONDS:
        epoch()
        epochs += 1
    middle = _now(device)
    stack.metrics()
    return (middle - began) / epochs / batch, (_now(device) - middle) / batch


def _now(device: torch.device) -> float:
    """The clock, when the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
