"""Time of one gradient in each of its three forms, against the number of examples, on one thread.

    python benchmarks/forms.py [--rounds 7] [--quick] [--save]

The textbook form computes all four positions, the last row is `stack`, the tables are `tabulated`.
All are timed in turns in one process, without an optimiser. What the tables cost once a step shows
at few examples, what an example costs at many.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from engine import fused_forward, matmul_peak

from grokkit import benchmarks, costs, model, stack, tasks, train
from grokkit.runs import Run
from grokkit.store import provenance

SIZES = (30, 60, 120, 240, 480, 1000, 2000, 3830)
CPU = torch.device("cpu")
Gradient = Callable[[], tuple[torch.Tensor, torch.Tensor]]  # loss and gradient, as one row each


def textbook(run: Run) -> Gradient:
    """By autograd through the textbook network, with torch's fused attention."""
    task = tasks.task(run.task, run.p)
    rows = run.split()[0]
    inputs = model.tokens(torch.from_numpy(task.inputs[rows]), task.n_tokens)
    labels = torch.from_numpy(task.labels[rows])
    weights = model.initialise(run.model, task.n_tokens, run.seed)
    theta = {name: weight.requires_grad_() for name, weight in weights.items()}

    def gradient() -> tuple[torch.Tensor, torch.Tensor]:
        loss = F.cross_entropy(fused_forward(theta, inputs)[:, -1], labels)
        slopes = torch.autograd.grad(loss, list(theta.values()))
        return loss.detach()[None], torch.cat([slope.flatten() for slope in slopes])[None]

    return gradient


def forms_of(run: Run) -> dict[str, Gradient]:
    """The gradient at the start of a run, by the name of its form in `costs`."""
    n_tokens = tasks.task(run.task, run.p).n_tokens
    theta = model.initialise(run.model, n_tokens, run.seed)
    point = stack.flat({name: weight[None] for name, weight in theta.items()})
    last_row = train.batched_loss([run], torch.float32, CPU)
    tables = train.tabulated_loss([run], torch.float32)
    ways = (textbook(run), lambda: last_row(point), lambda: tables(point))
    return dict(zip((cost.form for cost in costs.forms(run)), ways, strict=True))


def measure(size: int, rounds: int) -> list[dict]:
    """A row for each form: milliseconds of a gradient, median and range over rounds."""
    ways = forms_of(Run(dataset_size=size))
    times: dict[str, list[float]] = {form: [] for form in ways}
    repeats = max(1, 1000 // size)
    for round_ in range(rounds + 1):
        for form, gradient in ways.items():
            began = time.perf_counter()
            for _ in range(repeats):
                gradient()
            if round_:  # the first warms up
                times[form].append(1e3 * (time.perf_counter() - began) / repeats)
    return [
        {
            "form": form,
            "dataset_size": size,
            "ms": statistics.median(column),
            "least": min(column),
            "most": max(column),
        }
        for form, column in times.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="two sizes, to try the command")
    parser.add_argument("--save", action="store_true", help="as a figure of the book")
    args = parser.parse_args()
    torch.set_num_threads(1)
    peak = matmul_peak(CPU)
    print(f"torch {torch.__version__}, one thread, matmul peak {peak / 1e9:,.0f} GFLOP/s float32\n")
    print("examples  form               ms (range)")
    rows = []
    for size in SIZES[:2] if args.quick else SIZES:
        rows += measure(size, args.rounds)
        for row in rows[-3:]:
            spread = f"({row['least']:.2f} – {row['most']:.2f})"
            print(f"{size:8,}  {row['form']:10} {row['ms']:10.2f} {spread}", flush=True)
    if args.save:
        name = "forms-quick" if args.quick else "forms-cpu"
        saved = {"rows": rows, "peak_flops": peak, "provenance": provenance(CPU)}
        print(benchmarks.save(name, saved))


if __name__ == "__main__":
    main()
