"""Time of one model-step: the textbook loop, the same with per-step evaluation, and the stack.

    python benchmarks/engine.py [--device cpu] [--rounds 5] [--quick]

All three train the same networks on the same data in one process, in turns, so that what else the
machine does falls on each alike; the ratios are what counts. The textbook loop computes all four
positions with torch's fused attention and steps torch.optim.AdamW, one network at a time.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from grokkit import model, stack, tasks
from grokkit.runs import Run
from grokkit.train import Stack, resolve_device, several_at_a_time

CASES = ((1, 3830), (8, 1000), (32, 1000))  # networks in the stack, examples of each
Step = Callable[[int], None]  # train so many epochs


def least_flop(dataset_size: int, run: Run) -> float:
    """The least arithmetic of one model-step, in FLOP: W_O, MLP and unembedding, three passes.

    A pass is forward, gradient of the inputs, or gradient of the weights; tables are left out.
    """
    d, n = run.model.d_model, tasks.task(run.task, run.p).n_labels
    return 6.0 * dataset_size * (d**2 + 2 * d * run.model.d_mlp + d * n)


def fused_forward(theta: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """`model.forward` with torch's fused attention, as a good textbook loop would have it."""
    resid = theta["W_E"][tokens] + theta["W_pos"]
    q, k, v = (torch.einsum("bpm,hmd->bhpd", resid, theta[w]) for w in ("W_Q", "W_K", "W_V"))
    z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    resid = resid + torch.einsum("bhpd,hdm->bpm", z, theta["W_O"])
    hidden = F.relu(resid @ theta["W_in"] + theta["b_in"])
    return (resid + hidden @ theta["W_out"] + theta["b_out"]) @ theta["W_U"]


def textbook(runs: list[Run], device: torch.device, evaluate: bool) -> Step:
    """Epochs of each run in turn; with `evaluate` the test loss too, as known notebooks do."""
    loops = []
    for run in runs:
        task = tasks.task(run.task, run.p)
        train, test = run.split()
        every = model.tokens(torch.from_numpy(task.inputs), task.n_tokens).to(device)
        labels = torch.from_numpy(task.labels).to(device)
        weights = model.initialise(run.model, task.n_tokens, run.seed)
        theta = {k: w.to(device).requires_grad_() for k, w in weights.items()}
        adamw = torch.optim.AdamW(
            theta.values(), lr=run.lr, betas=(run.beta1, run.beta2), weight_decay=run.weight_decay
        )
        loops.append((theta, adamw, every[train], labels[train], every[test], labels[test]))

    def epochs(n: int) -> None:
        for theta, adamw, x, y, x_test, y_test in loops * n:
            adamw.zero_grad()
            F.cross_entropy(fused_forward(theta, x)[:, -1], y).backward()
            adamw.step()
            if evaluate:
                with torch.no_grad():
                    F.cross_entropy(fused_forward(theta, x_test)[:, -1], y_test)

    return epochs


def stacked(runs: list[Run], device: torch.device) -> Step:
    """Epochs of the stack, as `grokkit.train` runs it."""
    n_tokens = tasks.task(runs[0].task, runs[0].p).n_tokens
    thetas = [model.initialise(run.model, n_tokens, run.seed) for run in runs]
    together = Stack(runs, stack.stacked(thetas), device)

    def epochs(n: int) -> None:
        with several_at_a_time(together) as each:
            for _ in range(n):
                together.advance(each=each)

    return epochs


def seconds(step: Step, device: torch.device, repeats: int) -> float:
    """Mean wall time of one of `repeats` epochs."""
    began = time.perf_counter()
    step(repeats)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


def matmul_peak(device: torch.device) -> float:
    """FLOP/s of the best of several large float32 matrix products, the machine's measured peak."""
    best = 0.0
    for size in (512, 1024, 2048):
        a, b = torch.randn(2, size, size, device=device)
        torch.mm(a, b)

        def products(n: int, a: Tensor = a, b: Tensor = b) -> None:
            for _ in range(n):
                torch.mm(a, b)

        took = min(seconds(products, device, 3) for _ in range(8))
        best = max(best, 2 * size**3 / took)
    return best


@dataclass(frozen=True)
class Row:
    """One case: seconds of a model-step by way, medians over rounds."""

    n_runs: int
    dataset_size: int
    textbook: float
    evaluated: float
    stack: float
    peak_share: float  # of the measured matmul peak, on the least-FLOP count
    ratios: tuple[float, float, float]  # textbook / stack over rounds: least, median, most


def measure(n_runs: int, size: int, device: torch.device, rounds: int) -> Row:
    """Time the three ways in turns, `rounds` times after a warm-up."""
    runs = [Run(dataset_size=size, seed=seed) for seed in range(n_runs)]
    few = runs[: min(n_runs, 2)]  # the textbook loop takes networks one at a time: two are enough
    ways = (
        (textbook(few, device, False), len(few), 2),
        (textbook(few, device, True), len(few), 1),
        (stacked(runs, device), n_runs, max(1, 16 // n_runs)),
    )
    times: list[list[float]] = [[], [], []]
    for round_ in range(rounds + 1):
        for way, (step, n, repeats) in enumerate(ways):
            took = seconds(step, device, repeats) / n
            if round_:
                times[way].append(took)
    ratios = sorted(a / b for a, b in zip(times[0], times[2], strict=True))
    medians = [statistics.median(column) for column in times]
    share = least_flop(size, runs[0]) / medians[2] / matmul_peak(device)
    spread = (ratios[0], statistics.median(ratios), ratios[-1])
    return Row(n_runs, size, medians[0], medians[1], medians[2], share, spread)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one small case, to try the command")
    args = parser.parse_args()
    device = resolve_device(args.device)
    print(f"torch {torch.__version__}, {device.type}, {torch.get_num_threads()} threads")
    print(f"measured matmul peak: {matmul_peak(device) / 1e9:,.0f} GFLOP/s float32\n")
    print("milliseconds per model-step (median), and how many times faster the stack is")
    head = "networks  examples  textbook  + test set  stack   × (least – most)       share of peak"
    print(head + "\n" + "-" * len(head))
    for n_runs, size in ((2, 200),) if args.quick else CASES:
        row = measure(n_runs, size, device, args.rounds)
        low, middle, high = row.ratios
        print(
            f"{row.n_runs:8} {row.dataset_size:9,} {1e3 * row.textbook:9.1f} "
            f"{1e3 * row.evaluated:11.1f} {1e3 * row.stack:6.1f}   "
            f"{middle:4.1f} ({low:4.1f} – {high:4.1f})   {row.peak_share:12.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
