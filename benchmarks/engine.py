"""Time of one model-step, from the textbook loop to the engine, one idea at a time.

    python benchmarks/engine.py [--device cpu] [--rounds 7] [--quick] [--save]

All ways train the same networks on the same data in one process, in turns, so that what else the
machine does falls on each alike; the ratios are what counts. The textbook loop computes all four
positions with torch's fused attention and steps torch.optim.AdamW, one network at a time. `last
row` computes what the loss reads (`stack`), `side by side` several such networks at a time, a
thread each, and `one batch` all of them in each operation. `grokkit` is the engine as it runs: on
the CPU side by side and from tables (`tabulated`), on an accelerator in one batch.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grokkit import textbook
from grokkit.engine.stack import Stack, start
from grokkit.engine.tabulated import keep_freed_memory
from grokkit.engine.trainer import resolve_device
from grokkit.runs import Run
from grokkit.store.store import Store, provenance
from grokkit.sweeps import local, plan
from grokkit.textbook import Weights
from varma2023.engine import measured
from varma2023.engine.timings import Timing

CPU = torch.device("cpu")
CASES = ((1, 3830), (8, 1000), (32, 1000))  # networks in the stack, examples of each
HEAD = "networks  examples  way                   ms per model-step   × textbook (range)   share"
Step = Callable[[int], None]  # train so many epochs


def options(doc: str, **others: str | float) -> argparse.ArgumentParser:
    """The options of a benchmark: `others` with their defaults, a small trial, and saving."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=kind)
    for name, default in others.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--quick", action="store_true", help="a small part, to try the command")
    parser.add_argument("--save", action="store_true", help="among the shipped results")
    return parser


def save(args: argparse.Namespace, name: str, device: torch.device, **found: object) -> None:
    """Write what was found among the shipped results, if that was asked for."""
    if args.save:
        kind = "quick" if args.quick else device.type
        print(measured.save(f"{name}-{kind}", found | {"provenance": provenance(device)}))


def fused_forward(
    theta: Weights, tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos label"]:
    """`model.forward` with torch's fused attention, as a good textbook loop would have it."""
    resid = theta["W_E"][tokens] + theta["W_pos"]
    q, k, v = (torch.einsum("bpm,hmd->bhpd", resid, theta[w]) for w in ("W_Q", "W_K", "W_V"))
    z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    resid = resid + torch.einsum("bhpd,hdm->bpm", z, theta["W_O"])
    hidden = F.relu(resid @ theta["W_in"] + theta["b_in"])
    return (resid + hidden @ theta["W_out"] + theta["b_out"]) @ theta["W_U"]


def textbook_loop(runs: list[Run], device: torch.device, evaluate: bool) -> Step:
    """Epochs of each run in turn; with `evaluate` the test loss too, as known notebooks do."""
    kind: dict[str, Any] = {"device": device, "forward": fused_forward, "evaluate": evaluate}
    loops = [textbook.train(replace(run, loss="rounded"), **kind) for run in runs]
    return repeated(*(partial(next, loop) for loop in loops))


def alone(runs: list[Run], device: torch.device) -> Step:
    """Epochs of each run in turn by `stack`, with all threads."""
    return repeated(*(fresh([run], device, batched=True).advance for run in runs))


def together(runs: list[Run], device: torch.device) -> Step:
    """Epochs of all runs in one batch, padded to the longest: what an accelerator does."""
    return repeated(fresh(runs, device, batched=True).advance)


def side_by_side(runs: list[Run], device: torch.device, batched: bool | None = None) -> Step:
    """Epochs of the runs as `sweep.train` does them: on the CPU as many at a time as threads."""
    if device.type != "cpu":
        return together(runs, device)
    with local.side_by_side(device, len(runs)) as (_, threads):
        stacks = [fresh([run], device, batched, threads) for run in runs]

    def epochs(n: int) -> None:
        with local.side_by_side(device, len(stacks)) as (pool, _):
            list(pool.map(lambda stack: repeated(stack.advance)(n), stacks))

    return epochs


def fresh(
    runs: list[Run], device: torch.device, batched: bool | None = None, threads: int = 1
) -> Stack:
    """The runs at epoch 0."""
    states = [start(run, Store("/nonexistent", shipped="")) for run in runs]
    return Stack(runs, states, device, batched=batched, threads=threads)


def repeated(*calls: Callable[[], object]) -> Step:
    """These calls in turn, so many times."""

    def times(n: int) -> None:
        for call in calls * n:
            call()

    return times


def seconds(step: Step, device: torch.device, repeats: int) -> float:
    """Mean wall time of one of `repeats` epochs."""
    began = time.perf_counter()
    step(repeats)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


def in_turns(
    ways: dict[str, tuple[Step, int]], device: torch.device, rounds: int
) -> dict[str, list[float]]:
    """Mean seconds of an epoch, of so many at a time, by way and round after a warm-up."""
    found = [
        {name: seconds(step, device, repeats) for name, (step, repeats) in ways.items()}
        for _ in range(rounds + 1)
    ]
    return {name: [each[name] for each in found[1:]] for name in ways}


def matmul_peak(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """FLOP/s of the best of several large matrix products, the machine's measured peak."""
    best = 0.0
    for size in (512, 1024, 2048) if device.type == "cpu" else (4096, 8192):
        a, b = torch.randn(2, size, size, device=device, dtype=dtype)
        product = partial(torch.mm, a, b)
        product()
        best = max(best, 2 * size**3 / min(seconds(repeated(product), device, 3) for _ in range(8)))
    return best


def ways_of(runs: list[Run], device: torch.device) -> dict[str, tuple[Step, int]]:
    """Each way to train these runs, by name, and of how many of them one call trains an epoch."""
    few = runs[: min(len(runs), 2)]  # one network at a time: two are enough to time
    ways = {
        "textbook": (textbook_loop(few, device, False), len(few)),
        "textbook + test set": (textbook_loop(few, device, True), len(few)),
        "last row": (alone(few, device), len(few)),
    }
    if len(runs) > 1:
        ways["one batch"] = (together(runs, device), len(runs))
    if device.type == "cpu":
        if len(runs) > 1:
            ways["side by side"] = (side_by_side(runs, device, True), len(runs))
        exact = [replace(run, precision="float64") for run in runs]
        ways["grokkit, float64"] = (side_by_side(exact, device), len(runs))
    ways["grokkit"] = (side_by_side(runs, device), len(runs))
    return ways


def runs_of(n_runs: int, size: int) -> list[Run]:
    return [Run(dataset_size=size, seed=seed) for seed in range(n_runs)]


def measure(runs: list[Run], device: torch.device, rounds: int, peak: float) -> list[Timing]:
    """Time all ways in turns, `rounds` times after a warm-up."""
    ways = ways_of(runs, device)
    repeats = {name: 2 if "textbook" in name else max(2, 24 // n) for name, (_, n) in ways.items()}
    epochs = in_turns({name: (ways[name][0], repeats[name]) for name in ways}, device, rounds)
    times = {name: [took / ways[name][1] for took in epochs[name]] for name in ways}
    rows = []
    for name, column in times.items():
        factors = sorted(a / b for a, b in zip(times["textbook"], column, strict=True))
        middle = statistics.median(column)
        spread = (statistics.median(factors), factors[0], factors[-1])
        share = plan.flop(runs[0]) / middle / peak
        rows.append(Timing(len(runs), runs[0].dataset_size, name, 1e3 * middle, *spread, share))
    return rows


def memory(n_runs: int, size: int, device: torch.device) -> float:
    """The most memory that a few epochs of the sweep take, in GB: of a process of its own."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        side_by_side(runs_of(n_runs, size), device)(4)
        return torch.cuda.max_memory_allocated(device) / 2**30
    code = f"import engine; print(engine.peak_of_this_process({n_runs}, {size}))"
    command, here = [sys.executable, "-c", code], Path(__file__).parent
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=here)
    return float(done.stdout)


def peak_of_this_process(n_runs: int, size: int) -> float:
    """Peak resident memory, in GB, after a few epochs of the sweep in this process."""
    keep_freed_memory()  # as the trainer does
    side_by_side(runs_of(n_runs, size), CPU)(2)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def table(rows: list[Timing]) -> str:
    """The rows as plain text, under `HEAD`."""
    return "\n".join(
        f"{row.n_runs:8} {row.dataset_size:9,}  {row.way:20} {row.ms:17.2f}   "
        f"{row.factor:6.1f} ({row.least:4.1f} – {row.most:4.1f}) {row.limit_share:9.0%}"
        for row in rows
    )


def main() -> None:
    args = options(__doc__, device="auto", rounds=7).parse_args()
    keep_freed_memory()  # as the trainer does
    device = resolve_device(args.device)
    peak = matmul_peak(device)
    print(f"torch {torch.__version__}, {device.type}, {torch.get_num_threads()} threads")
    print(f"measured matmul peak: {peak / 1e9:,.0f} GFLOP/s float32\n")
    rows: list[Timing] = []
    print(HEAD + "\n" + "-" * len(HEAD))
    for n_runs, size in ((2, 200),) if args.quick else CASES:
        rows += measure(runs_of(n_runs, size), device, args.rounds, peak)
        print(table([row for row in rows if row.n_runs == n_runs]), flush=True)
    n_runs, size = (2, 200) if args.quick else CASES[-1]
    most = memory(n_runs, size, device)
    print(f"\n{n_runs} networks of {size:,} examples: {most:.2f} GB at most")
    found, case = [row._asdict() for row in rows], [n_runs, size]
    save(args, "engine", device, rows=found, peak_flops=peak, memory_gb=most, memory_of=case)


if __name__ == "__main__":
    main()
