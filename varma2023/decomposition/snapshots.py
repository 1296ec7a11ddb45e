"""Some seventy moments of two trainings, few enough numbers for a page (Fig. 9, App. B).

`python -m varma2023.decomposition.snapshots` trains both runs again and writes the shipped files.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokkit import decomposition
from grokkit.engine import metrics, tabulated
from grokkit.engine.stack import Stack, start
from grokkit.model import Weights
from grokkit.runs import Record, Run
from grokkit.store import files
from grokkit.store.store import Store, provenance
from varma2023 import profiles

CURVES = ("train_accuracy", "test_accuracy", "trig_logit", "mem_logit", "param_norm")
COMMAND = "python -m varma2023.decomposition.snapshots"
UNGROKKED = 10_000  # epochs; what follows is slow (Fig. 7)


@dataclass(frozen=True, eq=False)
class Moments:
    """What a page shows of one network at some epochs of its training."""

    record: Record  # of this training: the curves, and by which command, with what and where
    epochs: list[int]
    frequencies: list[int]  # key frequencies where the trigonometric share is largest
    sums: Int[Tensor, "2 2"]  # x and y: one sum of the train set, one that is new both ways round
    circles: Float[Tensor, "log freq p 2"]  # of W_E in the plane of each key frequency
    trig: Float[Tensor, "log p"]  # trigonometric logits, by the residue x + y - c
    logits: Float[Tensor, "log 2 p"]  # class-centred logits of both sums


def plane(W_E: Float[Tensor, "p d_model"], k: int) -> Float[Tensor, "p 2"]:
    """The rows of the embedding in the plane in which they go around k times.

    The first axis is the sum of the rows times cos(2 pi k t / p), the second that with the sine,
    made orthogonal. For rows on one circle in that order the picture is a circle.
    """
    W_E = W_E.double()
    angle = 2 * torch.pi * k / len(W_E) * torch.arange(len(W_E), dtype=torch.float64)
    axes, _ = torch.linalg.qr(torch.stack([angle.cos(), angle.sin()]).matmul(W_E).T)
    flat = W_E @ axes
    return flat * torch.stack([angle.cos(), angle.sin()], 1).mul(flat).sum(0).sign()


def shown_sums(run: Run) -> Int[Tensor, "2 2"]:
    """The first sum of the train set, and the first of the test set whose mirror image is too."""
    inputs = run.operation.inputs
    train, test = (inputs[rows] for rows in run.split())
    new = set(map(tuple, test.tolist()))
    fresh = next((x, y) for x, y in test.tolist() if (y, x) in new)
    return torch.tensor([train[0].tolist(), fresh])


def moments(record: Record, networks: Mapping[int, Weights]) -> Moments:
    """The moments of a training from its weights, by epoch; ValueError of a task but x + y."""
    run = record.run
    if run.task != "x+y":
        raise ValueError(f"App. B is about x+y, got a run of {run.task!r}")
    p, task, sums = run.p, run.operation, shown_sums(run)
    shares, trig, logits = [], [], []
    for theta in networks.values():
        Z = decomposition.centred(metrics.all_logits(theta, task)).view(p, p, p)
        part = decomposition.trig_logits(Z)
        shares.append((float(decomposition.trig_share(Z)), decomposition.key_frequencies(Z)))
        trig.append(part[0, 0, -torch.arange(p) % p])
        logits.append(Z[sums[:, 0], sums[:, 1]])
    keys, tables = max(shares)[1], [theta["W_E"][:p] for theta in networks.values()]
    circles = [torch.stack([plane(W_E, k) for k in keys]) for W_E in tables]
    tensors = [torch.stack(each) for each in (circles, trig, logits)]
    return Moments(record, list(networks), keys, sums, *tensors)


def spread(record: Record, n: int, until: int | None = None) -> list[int]:
    """About n evaluated epochs between which the curves, and the epochs, change about alike."""
    epochs = record["epoch"][record["epoch"] <= (until or record["epoch"][-1])]
    curves = [np.log1p(epochs), epochs, *(record[name][: len(epochs)] for name in CURVES)]
    ways = [np.abs(np.diff(curve)) / (np.ptp(curve) or 1) for curve in curves]
    along = np.concatenate([[0], np.cumsum(np.sum(ways, 0))])
    at = np.abs(along - np.linspace(0, along[-1], n)[:, None]).argmin(1)
    return [int(epochs[i]) for i in sorted({0, *at.tolist(), len(epochs) - 1})]


def train_again(run: Run, epochs: Sequence[int], store: Store) -> Moments:
    """The moments of a run at these epochs, trained anew in one thread of the CPU.

    Networks part at rounding errors, so another machine, or a gradient summed in another order than
    the record's, leads to another network that behaves alike; the curves are its own. Raises
    LookupError if the network that it starts from has no record in the store.
    """

    def trained() -> tuple[list[Tensor], dict[int, Weights]]:
        stack = Stack([run], [start(run, store)], torch.device("cpu"))
        rows, networks = [], {}
        for epoch in range(max(epochs) + 1):
            if epoch in epochs:
                networks[epoch] = stack.theta(0)
            if epoch in logged:
                rows.append(stack.metrics()[0])
            stack.advance()
        return rows, networks

    logged = run.log_epochs()
    with ThreadPoolExecutor(1, initializer=tabulated.begin_thread) as thread:
        rows, networks = thread.submit(trained).result()
    columns = dict(zip(metrics.METRICS, torch.stack(rows).numpy().T, strict=True))
    curves = {name: columns[name].astype(np.float32) for name in CURVES}
    made = provenance(torch.device("cpu")) | {"threads": 1, "command": COMMAND}
    return moments(Record(run, {"epoch": logged[: len(rows)]} | curves, made), networks)


def shipped(run: Run, store: Store) -> Path | None:
    """Where the results have the moments of a run, if they have them; None without results."""
    return store.shipped and store.shipped / "moments" / f"{run.key}.safetensors"


def load_or_train(record: Record) -> Moments:
    """The shipped moments of a run or, where there are none, those of training it again."""
    path = shipped(record.run, store := Store())
    return read(path, record.run) if path and path.is_file() else again(record, store)


def again(record: Record, store: Store) -> Moments:
    """The moments of a run that is trained again: 45, or 25 of one that starts from another."""
    epochs = spread(record, 25, UNGROKKED) if record.run.init else spread(record, 45)
    return train_again(record.run, epochs, store)


def packed(values: Float[Tensor, "log *rest"], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Whole numbers of this type, and for each moment what one of them is worth."""
    worth = values.flatten(1).abs().amax(1).clamp(min=1e-9) / torch.iinfo(dtype).max
    return (values / worth.view(-1, *[1] * (values.ndim - 1))).round().to(dtype), worth.float()


PACKED = {"circles": torch.int8, "trig": torch.int16, "logits": torch.int16}


def write(found: Moments, path: Path) -> None:
    """The moments as one file: whole numbers and their scales, with provenance and checksum."""
    record = found.record
    curves = {name: torch.from_numpy(np.asarray(record[name])) for name in ("epoch", *CURVES)}
    tensors = {"sums": found.sums.to(torch.int16), **curves}
    for name, dtype in PACKED.items():
        tensors[name], tensors[f"{name}_worth"] = packed(getattr(found, name), dtype)
    meta = {"run": record.run.key, "epochs": found.epochs, "frequencies": found.frequencies}
    content = files.tensor_bytes(tensors, meta | {"provenance": record.provenance})
    files.write_atomically(path, content)


def read(path: Path, run: Run) -> Moments:
    """The moments of a run, as `write` left them. Raises Damaged if they are not, or another's."""
    tensors, meta = files.read_checked(path)
    if meta["run"] != run.key:
        raise files.Damaged(path, f"of run {meta['run']}, not {run.key}")
    curves = {name: tensors[name].numpy() for name in ("epoch", *CURVES)}
    whole = {}
    for name in PACKED:
        values, worth = tensors[name].double(), tensors[f"{name}_worth"].double()
        whole[name] = values * worth.view(-1, *[1] * (values.ndim - 1))
    record = Record(run, curves, meta["provenance"])
    return Moments(record, meta["epochs"], meta["frequencies"], tensors["sums"].long(), **whole)


def main() -> None:
    """Train the first run of grokking and of ungrokking again, and write their moments."""
    store = Store()
    for sweep in (profiles.grokking, profiles.ungrokking_at_first):
        record = store.get(run := sweep()[0])
        path = shipped(run, store)
        if record is None or path is None:
            raise LookupError(f"{run} has no record in {store}")
        write(again(record, store), path)
        print(f"{path}: moments of {run}")


if __name__ == "__main__":
    main()
