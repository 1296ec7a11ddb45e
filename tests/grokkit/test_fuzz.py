"""Two processes on one sweep, killed over and over: the records are those of an unbroken sweep."""

import os
import random
import signal
import time
from dataclasses import replace
from itertools import chain

import pytest
import tiny
import torch
from tiny import equal

from grokkit.engine import trainer
from grokkit.store.store import Store
from grokkit.sweeps import local, plan

RUN = replace(tiny.RUN, epochs=80)
BASE = replace(RUN, dataset_size=49, epochs=40)
SMALLER = replace(RUN, dataset_size=30, epochs=40, init=BASE)
MIXED = [
    RUN,
    replace(RUN, seed=1),
    replace(RUN, seed=2, keep_weights=False),
    replace(RUN, dataset_size=40),
    replace(RUN, dataset_size=33, weight_decay=0.1),
    replace(RUN, dataset_size=12, weight_decay=5.0, seed=3),
    replace(RUN, labels="random", dataset_size=20),
    replace(RUN, task="x*y", dataset_size=30),
    replace(RUN, task="x-y", dataset_size=28, eps=1e-6),
    replace(RUN, p=5, dataset_size=20, beta2=0.999),
    replace(RUN, precision="float64", dataset_size=31),
    replace(RUN, tolerance=1e9, seed=4),  # ends as soon as it may
    replace(RUN, dataset_size=15, epochs=40, init=SMALLER),  # a chain of three
    replace(RUN, **tiny.MINIMISER, dataset_size=35),
    replace(RUN, **tiny.MINIMISER | {"precision": "mixed"}, dataset_size=27),
]


def work(runs, path, threads, often=True):
    """In a child process: the whole sweep, with a checkpoint after every epoch if `often`."""
    torch.set_num_threads(threads)
    if often:
        trainer.CHECKPOINT_SECONDS, trainer.CHECKPOINT_SHARE = -1.0, float("inf")
    local.POLL_SECONDS = 0.05
    local.train(runs, Store(path, ""), device="cpu", progress=False)


def break_up(runs, path, kills, rng):
    """Train the sweep with two processes of which one at a time is killed, up to `kills` times.

    Returns how often that was; processes that end by themselves must have succeeded.
    """
    both = [tiny.served(work, runs, path, threads) for threads in (1, 2)]
    done, deadline = 0, time.monotonic() + 600
    while any(process.is_alive() for process in both):
        assert time.monotonic() < deadline, "no end in sight"
        if done < kills and not list(path.glob("checkpoints/*.safetensors")):
            time.sleep(0.01)  # nothing is begun yet
            continue
        time.sleep(rng.uniform(0, 0.4))
        i = rng.randrange(2)
        if done < kills and both[i].is_alive():
            both[i].kill()
            both[i].join()
        if both[i].exitcode == -signal.SIGKILL:
            done += 1
            both[i] = tiny.served(work, runs, path, i + 1)
    assert [process.exitcode for process in both] == [0, 0]
    return done


def check(runs, path, unbroken):
    """Every record has the unbroken one's bits, and housekeeping leaves nothing else.

    Returns how often a run was continued from its checkpoint.
    """
    broken, continued, expected = Store(path, ""), 0, set()
    for temporary in path.rglob("*.tmp"):  # of a killed process: garbage after an hour
        os.utime(temporary, (0, 0))
    broken.collect_garbage()
    for run in chain.from_iterable(plan.with_inits(runs)):
        one, other = unbroken.get(run), broken.get(run)
        assert equal(one, other), run
        continued += len(other.provenance["processes"]) - 1
        expected.add(path / "records" / f"{run.key}.parquet")
        if run.keep_weights:
            expected.add(path / "weights" / f"{run.key}.parquet")
    rest = {file for file in path.rglob("*") if file.is_file()} - expected
    assert {(file.parent.name, file.stat().st_size) for file in rest} <= {("locks", 0)}
    assert all(file.exists() for file in expected)
    return continued


@pytest.mark.process
@pytest.mark.parametrize(
    ("runs", "kills"),
    [
        pytest.param(MIXED[9:14], 3, id="3 kills"),
        pytest.param(MIXED, 50, id="50 kills", marks=pytest.mark.slow),
    ],
)
def test_a_sweep_killed_at_random_moments_ends_with_the_bits_of_an_unbroken_one(place, runs, kills):
    once = tiny.served(work, runs, place / "unbroken", 1, False)
    once.join()
    assert once.exitcode == 0
    rng, done, continued = random.Random(kills), 0, 0
    while done < kills:  # sweep after sweep, should one end before it was killed that often
        path = place / f"killed {done}"
        done += break_up(runs, path, kills - done, rng)
        continued += check(runs, path, Store(place / "unbroken", ""))
    assert done == kills
    assert continued > 0, "the kills did not hit runs in training"
