"""Time of one gradient in each of its three forms, and of a step of each optimiser; one thread.

    python benchmarks/forms.py [--rounds 7] [--quick] [--save]

The textbook form computes all four positions, the last row is `stack`, the tables are `tabulated`.
All are timed in turns in one process, against the number of examples: what the tables cost once a
step shows at few, what an example costs at many. Then, for a few sizes, an epoch of AdamW against
a gradient of the minimiser with all its curvature pairs.
"""

from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from engine import CPU, fresh, fused_forward, in_turns, matmul_peak, options, repeated, save

from grokkit import model
from grokkit.engine import lbfgs, stack, tabulated
from grokkit.runs import Run
from varma2023.engine import forms

SIZES = (30, 60, 120, 240, 480, 1000, 2000, 3830)
STEP_SIZES = (480, 1000, 3830)
Gradient = Callable[[], tuple[torch.Tensor, torch.Tensor]]  # loss and gradient, as one row each


def textbook(run: Run) -> Gradient:
    """By autograd through the textbook network, with torch's fused attention."""
    task = run.operation
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
    point = fresh([run], CPU).optimiser.point
    last_row = stack.batched_loss([run], torch.float32, CPU)
    tables = stack.tabulated_loss([run], torch.float32)
    ways = (textbook(run), lambda: last_row(point), lambda: tables(point))
    return dict(zip((form.form for form in forms.all_forms(run)), ways, strict=True))


def steps_of(size: int, warm_up: int) -> dict[str, Callable[[], None]]:
    """An epoch of AdamW in both precisions, and a gradient of the minimiser, by name."""
    ways = {}
    for optimiser, precision in (("adamw", "float32"), ("adamw", "float64"), ("lbfgs", "float64")):
        own = fresh([Run(dataset_size=size, optimiser=optimiser, precision=precision)], CPU)
        for _ in range(warm_up if optimiser == "lbfgs" else 1):
            own.advance()
        ways[f"{optimiser}, {precision}"] = own.advance
    return ways


def measure(ways: dict[str, Callable], size: int, rounds: int, label: str) -> list[dict]:
    """A row for each way, with its name under `label`: milliseconds, median and range."""
    steps, rows = {name: (repeated(way), max(1, 1000 // size)) for name, way in ways.items()}, []
    for name, times in in_turns(steps, CPU, rounds).items():
        ms, least, most = (1e3 * of(times) for of in (median, min, max))
        rows.append({label: name, "dataset_size": size, "ms": ms, "least": least, "most": most})
        print(f"{size:8,}  {name:14} {ms:10.2f} ({least:.2f} – {most:.2f})", flush=True)
    return rows


def main() -> None:
    args = options(__doc__, rounds=7).parse_args()
    tabulated.keep_freed_memory()  # as the trainer does
    torch.set_num_threads(1)
    peak = matmul_peak(CPU)
    print(f"torch {torch.__version__}, one thread, matmul peak {peak / 1e9:,.0f} GFLOP/s float32\n")
    print("examples  of a gradient          ms (range)")
    rows, steps = [], []
    for size in SIZES[:2] if args.quick else SIZES:
        rows += measure(forms_of(Run(dataset_size=size)), size, args.rounds, "form")
    print("\nexamples  of a step              ms (range)")
    for size in SIZES[:1] if args.quick else STEP_SIZES:
        ways = steps_of(size, 2 if args.quick else lbfgs.HISTORY + 5)
        steps += measure(ways, size, args.rounds, "optimiser")
    save(args, "forms", CPU, rows=rows, steps=steps, peak_flops=peak)


if __name__ == "__main__":
    main()
