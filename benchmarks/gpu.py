"""Everything about an accelerator that this project wants to know, in one command.

    python benchmarks/gpu.py [--device cuda] [--minutes 8] [--save] [--quick]

1. The peaks of the card: matrix products in four precisions, and copying.
2. The time of a model-step of AdamW by stack size, train set, precision, with and without a CUDA
   graph, and its share of the limit: the larger of arithmetic over peak and bytes over bandwidth.
3. The time of a gradient of the minimiser.
4. Whether a lower precision changes outcomes: the same five seeds of a grokking network in each
   precision, and the epoch of generalising, final norm, logit, accuracy and residual.

Parts that the time does not allow are left out and named. `--quick` tries it all small, anywhere.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from engine import fresh, matmul_peak, options, repeated, runs_of, save, seconds

from grokkit.engine import cuda
from grokkit.engine.trainer import resolve_device
from grokkit.runs import PRECISIONS, Record, Run
from grokkit.store.store import Store
from grokkit.sweeps import local
from varma2023 import profiles
from varma2023.engine import forms, timings
from varma2023.measures import generalises

CASES = [(64, 1800), (256, 1800), (8, 1800), (1, 1800), (64, 1000), (64, 3830), (1, 3830)]
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "float64": torch.float64}


def peaks(device: torch.device) -> dict[str, float]:
    """FLOP/s of matrix products by precision, and bytes/s of copying."""
    found = {name: matmul_peak(device, dtype) for name, dtype in DTYPES.items()}
    with cuda.matmul_precision("tf32", device):
        found["tf32"] = matmul_peak(device)
    big = torch.empty(1 << (28 if device.type == "cuda" else 24), device=device)
    copy = repeated(partial(torch.empty_like(big).copy_, big))
    copy(1)
    return found | {"bytes": 2 * big.numel() * 4 / min(seconds(copy, device, 5) for _ in range(5))}


def limit(run: Run, peak: dict[str, float]) -> float:
    """Seconds that a model-step of the dense form takes at least.

    Arithmetic: W_O, the MLP and the unembedding for each example, three passes. Bytes: AdamW reads
    parameters, gradient and moments and writes three of them.
    """
    flop = replace(forms.last_row(run), fixed=0).flop(run.dataset_size)
    return max(flop / peak[run.precision], timings.update_bytes(run) / peak["bytes"])


def steps(
    cases: list[tuple[int, int]], device: torch.device, peak: dict[str, float]
) -> Iterator[dict]:
    """Time of a model-step in every case, precision, eager and as a graph."""
    for n_runs, size in cases:
        for precision in PRECISIONS["adamw"][:3]:
            runs = [replace(run, precision=precision) for run in runs_of(n_runs, size)]
            step = fresh(runs, device, batched=True).step
            graphed = isinstance(step, cuda.Graphed)
            ways = {"eager": step.eager, "graph": step} if graphed else {"eager": step}
            for way, step in ways.items():
                epochs = repeated(step)
                with cuda.matmul_precision(precision, device):
                    epochs(6)  # the graph is recorded in the fourth
                    repeats = 50 if device.type == "cuda" else 2
                    took = statistics.median(seconds(epochs, device, repeats) for _ in range(5))
                row = {"n_runs": n_runs, "dataset_size": size, "precision": precision, "way": way}
                share = limit(runs[0], peak) * n_runs / took
                yield row | {"us": 1e6 * took / n_runs, "limit_share": share}


def minimiser(n_runs: int, size: int, device: torch.device) -> dict:
    """Time of one gradient of the minimiser, per run."""
    own = {"optimiser": "lbfgs", "precision": "float64"}
    runs = [replace(run, **own) for run in runs_of(n_runs, size)]
    gradients = repeated(fresh(runs, device, batched=True).advance)
    gradients(5)
    took = statistics.median(seconds(gradients, device, 5) for _ in range(3))
    return {"n_runs": n_runs, "dataset_size": size, "us": 1e6 * took / n_runs}


def outcome(record: Record) -> dict:
    """How a grokking run ended, and when it generalised."""
    mark = generalises(record)
    names = ("param_norm", "correct_logit", "test_accuracy", "train_loss", "residual")
    return {
        "seed": record.run.seed,
        "precision": record.run.precision,
        "generalises": None if mark is None else int(mark.epoch),
        **{name: record.final(name) for name in names},
    }


def outcomes(device: torch.device, quick: bool) -> Iterator[dict]:
    """The same seeds of a grokking network in every precision."""
    few = {"profile": "quick", "seeds": 2, "epochs": 30}
    runs = profiles.grokking(**few) if quick else profiles.grokking(seeds=5)
    with tempfile.TemporaryDirectory() as folder:
        for precision in PRECISIONS["adamw"]:
            again = [replace(run, precision=precision, keep_weights=False) for run in runs]
            for record in local.train(again, Store(folder, ""), str(device), progress=False):
                yield outcome(record)


def main() -> None:
    args = options(__doc__, device="cuda", minutes=8.0).parse_args()
    device = resolve_device(args.device)
    deadline = time.monotonic() + 60 * args.minutes
    peak = peaks(device)
    print({name: f"{value:.3g}" for name, value in peak.items()}, flush=True)
    cases, mini = ([(2, 40)], (2, 40)) if args.quick else (CASES, (16, 1800))
    parts = {
        "steps": lambda: steps(cases, device, peak),
        "minimiser": lambda: iter([minimiser(*mini, device)]),
        "outcomes": lambda: outcomes(device, args.quick),
    }
    found: dict[str, list[dict]] = {name: [] for name in parts}
    left_out = []
    for name, part in parts.items():
        for row in part():
            print(name, row, flush=True)
            found[name].append(row)
            if time.monotonic() > deadline:
                left_out.append(f"{name} after {len(found[name])} rows")
                break
    print("left out for want of time:", ", ".join(left_out) or "nothing")
    save(args, "gpu", device, **found, peaks=peak, left_out=left_out)


if __name__ == "__main__":
    main()
