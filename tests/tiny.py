"""A network that trains in a moment, and what tests of training and of storage do with it."""

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grokkit import tasks
from grokkit.engine.stack import Stack, start
from grokkit.model import ModelConfig, cross_entropy, forward, initialise, named, tokens
from grokkit.runs import Record, Run
from grokkit.store.store import Checkpoint, Store
from grokkit.sweeps import local

TINY = ModelConfig(d_model=16, n_heads=2, d_mlp=24)
RUN = Run(p=7, dataset_size=25, epochs=40, model=TINY, n_logged=12, keep_weights=True)
BRIEF = replace(RUN, p=5, dataset_size=10, epochs=3, model=ModelConfig(8, 2, 12), n_logged=4)
MINIMISER = {"optimiser": "lbfgs", "precision": "float64"}  # changes of a run
SMALL = {"p": 5, "epochs": 6, "n_logged": 4, "model": TINY}  # changes of a sweep
SMALL_TASKS = [*((x, 7) for x in tasks.MODULAR), *((x, 3) for x in tasks.PERMUTATION)]
CPU = torch.device("cpu")
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tiny", "pytest", "torch._dynamo"])


def train(runs: Sequence[Run], store: Store | Path, **options: Any) -> list[Record]:
    """The records of the runs, trained on the CPU, without progress, in a store or its folder."""
    store = store if isinstance(store, Store) else Store(store, "")
    return local.train(runs, store, device="cpu", progress=False, **options)


def fresh(runs: Sequence[Run], device: torch.device = CPU, **options: Any) -> Stack:
    """A stack of these runs at epoch 0."""
    return Stack(runs, [start(run, Store("/nonexistent", "")) for run in runs], device, **options)


def equal(one: Record, other: Record) -> bool:
    """Whether metrics, and weights if there are any, are the same, bit for bit."""
    assert one.run == other.run
    assert one.metrics.keys() == other.metrics.keys()
    same = all(np.array_equal(one[k], other[k], equal_nan=True) for k in one.metrics)
    return same and one.weights_sha256 == other.weights_sha256


def finished(run: Run) -> tuple[Record, dict[str, torch.Tensor]]:
    """A record with curves drawn at random, in the 20 bits that a file keeps, and weights."""
    epochs, rng = run.log_epochs(), np.random.default_rng(run.seed)
    curves = {
        k: rng.integers(2**20, size=len(epochs)) / 2**20 for k in ("train_loss", "param_norm")
    }
    record = Record(run, {"epoch": epochs, **curves}, {"torch": "x", "wall": 1.5})
    return record, initialise(run.model, run.p, run.seed)


def checkpoint(run: Run, epoch: int = 2) -> Checkpoint:
    """A checkpoint with a matrix drawn at random, and metrics that are not there yet."""
    W = torch.randn(4, 5, generator=torch.Generator().manual_seed(run.seed))
    tensors = {"W": W, "metrics": torch.full((2, 2), torch.nan)}
    return Checkpoint(run, epoch, tensors, [{"torch": "x"}])


def examples(
    p: int, size: int, seed: int = 0, task: str = "x+y"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Operand pairs and labels of a train set."""
    whole = tasks.task(task, p)
    rows = tasks.split(whole, size, seed)[0]
    return torch.from_numpy(whole.inputs[rows]), torch.from_numpy(whole.labels[rows])


def textbook_loss(run: Run) -> Callable[[torch.Tensor], torch.Tensor]:
    """The textbook's train loss of a run, at parameters in one row."""
    pairs, labels = examples(run.p, run.dataset_size, run.seed, run.task)

    def loss(row: torch.Tensor) -> torch.Tensor:
        logits = forward(named(row, run.shapes), tokens(pairs, run.p))
        return cross_entropy(logits[:, -1], labels).mean()

    return loss


def served(function: Callable, *arguments: Any) -> BaseProcess:
    """A process that has begun to call the function, and may train with threads of its own.

    It is forked from a server that has imported torch and never used it: a fork of the tests' own
    process, whose threads it does not have, may fail.
    """
    process = SERVER.Process(target=function, args=arguments, daemon=True)
    process.start()
    return process
