"""What the paper's own grid would take: FLOP counted, time from rates measured or assumed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from grokkit.runs import Run
from grokkit.sweeps.plan import flop, with_inits, work
from varma2023 import experiments
from varma2023.engine import measured, timings
from varma2023.estimate import duration
from varma2023.tables import table


@dataclass(frozen=True)
class Budget:
    """An experiment in the paper's size, the runs that its runs start from included."""

    experiment: str
    figures: str
    runs: int
    steps: int  # model-steps, of all runs together
    flop: float  # float64 counts as twice as much
    longest: float  # FLOP of the longest run with all that it starts from, one after the other
    longest_steps: int


def budget(name: str) -> Budget:
    """What one experiment needs in the paper's size when nothing is stored."""
    chosen = experiments.experiment(name)
    runs = [*chain(*with_inits(chosen.runs("paper")))]
    chains = [[*chain(*with_inits([run]))] for run in runs]  # a run, and all that it starts from
    each, steps = [work(run) for run in runs], [run.epochs for run in runs]
    longest = max(sum(map(work, own)) for own in chains)
    most = max(sum(run.epochs for run in own) for own in chains)
    return Budget(name, chosen.figures, len(runs), sum(steps), sum(each), longest, most)


def measured_rate() -> float:
    """FLOP a second of AdamW at the paper's grokking run, as the engine's benchmark timed it."""
    ways = (own["grokkit"] for own in timings.by_case(measured.load("engine-cpu")).values())
    [ms] = [t.ms for t in ways if (t.n_runs, t.dataset_size) == (1, Run().dataset_size)]
    return flop(Run()) / (ms / 1000)


def measured_threads() -> int:
    """How many threads that benchmark had."""
    return int(measured.load("engine-cpu")["provenance"]["threads"])


def seconds_on_cores(b: Budget, cores: int) -> float:
    """Time on so many cores, a run on each: never less than the longest run takes on one."""
    one = measured_rate() / measured_threads()
    return max(b.flop / (cores * one), b.longest / one)


def seconds_on_gpu(b: Budget, tflops: int | float, step_ms: int | float) -> float:
    """Time on a GPU that sustains `tflops`, and takes `step_ms` for a step however small."""
    return max(b.flop / (tflops * 1e12), b.longest_steps * step_ms / 1000)


def budget_table(budgets: Sequence[Budget], tflops: float, step_ms: float, cores: int) -> str:
    """By experiment: runs, model-steps, FLOP, and time on a CPU, on one GPU, on a cluster."""
    threads = measured_threads()
    heads = f"experiment | figures | runs | model-steps | FLOP | {threads} cores | one GPU"
    rows = (
        f"<code>{b.experiment}</code> | {b.figures} | {b.runs:,} | {b.steps:.1e} | {b.flop:.1e} | "
        f"{duration(seconds_on_cores(b, threads))} | "
        f"{duration(seconds_on_gpu(b, tflops, step_ms))} | {duration(seconds_on_cores(b, cores))}"
        for b in budgets
    )
    return table(f"{heads} | {cores} cores", rows)
