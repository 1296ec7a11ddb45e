"""Sweeps on Dask workers: the same records as here, also when a worker is killed or time is up."""

import os
import re
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from tiny import RUN, equal, train

from grokkit.store.store import Store
from grokkit.sweeps import dask, local

CHILD = replace(RUN, dataset_size=12, epochs=30, init=RUN, keep_weights=False)


@pytest.mark.process
def test_a_local_cluster_trains_inits_first_and_to_the_same_bits(tmp_path, capsys):
    runs = [CHILD, RUN, replace(RUN, seed=1)]
    there = local.train(runs, Store(tmp_path / "there", ""), device="cpu", scheduler="local:1")
    here = train(runs, tmp_path / "here")
    assert all(equal(one, other) for one, other in zip(there, here, strict=True))
    printed = capsys.readouterr().err
    assert "0 runs stored, 3 to train: 110 epochs" in printed
    assert re.search(r"100%.*110/110", printed.replace(".00", ""))


def test_what_is_stored_asks_no_scheduler(tmp_path):
    first = train([RUN], tmp_path)
    assert equal(first[0], train([RUN], tmp_path, scheduler="tcp://nowhere.invalid:1")[0])


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("local", "must be tcp://host:port or local:N, got 'local'"),
        ("local:0", "must be tcp://host:port or local:N, got 'local:0'"),
        ("10.0.0.1:8786", "must be tcp://host:port or local:N, got '10.0.0.1:8786'"),
        ("carrier://pigeon:1", "carrier://pigeon:1: unknown address scheme 'carrier'"),
        ("tcp://127.0.0.1:9", "nothing answers at tcp://127.0.0.1:9: "),
    ],
)
def test_an_address_without_a_scheduler_is_named(tmp_path, monkeypatch, scheduler, message):
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 0.3)
    with pytest.raises(ValueError, match=message):
        train([RUN], tmp_path, scheduler=scheduler)


def test_without_dask_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "grokkit\[cluster\]"'):
        train([RUN], tmp_path, scheduler="local:2")


LONG = [replace(RUN, seed=seed, epochs=300) for seed in range(4)]
LONG.append(replace(CHILD, init=LONG[0], epochs=100))
OFTEN = f"""{dask.PRELOAD}from grokkit.engine import trainer
trainer.CHECKPOINT_SECONDS, trainer.CHECKPOINT_SHARE = -1.0, 1e9
"""


def kill_a_worker(path, killed):
    """As soon as a run has a checkpoint: SIGKILL the process that trains it."""
    while not killed:
        for child in psutil.Process().children(recursive=True):
            open_files = []
            with suppress(psutil.NoSuchProcess):  # some child processes live for a moment only
                open_files = child.open_files()
            for lock in [Path(f.path) for f in open_files if f.path.endswith(".lock")]:
                if (path / "checkpoints" / f"{lock.stem}.safetensors").exists() and not killed:
                    killed.append(child.pid)
                    child.kill()
        time.sleep(0.01)


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_costs_no_run_and_no_bit(tmp_path, monkeypatch):
    here = train(LONG, tmp_path / "here")
    monkeypatch.setattr(dask, "PRELOAD", OFTEN)
    path, killed = tmp_path / "there", []
    killer = threading.Thread(target=kill_a_worker, args=(path, killed), daemon=True)
    killer.start()
    there = train(LONG, path, scheduler="local:2")
    killer.join()
    assert killed[0] != os.getpid()
    assert all(equal(one, other) for one, other in zip(there, here, strict=True))
    assert max(len(record.provenance["processes"]) for record in there) == 2
    assert not list((path / "checkpoints").glob("*.safetensors"))


@pytest.mark.slow
def test_when_time_is_up_workers_stop_at_a_checkpoint_for_another_call(tmp_path, monkeypatch):
    endless = [replace(run, epochs=100_000) for run in LONG[:3]]
    told = []
    with monkeypatch.context() as patch:
        patch.setattr(local._Watch, "progress", lambda self, epochs: told.append(epochs))
        patch.setattr(local._Watch, "halt", lambda self: len(told) > 3)
        with pytest.raises(TimeoutError, match="the same call continues"):
            train(endless, tmp_path, scheduler="local:2")
    first = Store(tmp_path, "").checkpointed()
    assert len(first) == 2
    assert min(first.values()) > 0
    with pytest.raises(TimeoutError):
        train(list(first), tmp_path, minutes=0.02)  # here
    second = Store(tmp_path, "").checkpointed()
    assert second.keys() == first.keys()
    assert any(second[run] > first[run] for run in first)


def test_of_several_workers_the_least_memory_counts_and_the_cpu_where_kinds_differ(tmp_path):
    def found(*kinds):
        told = {f"tcp://10.0.0.{i}:1": (kind, 9 - i, True) for i, kind in enumerate(kinds)}
        client = SimpleNamespace(nthreads=lambda: told, run=lambda *_: told)
        return dask.Cluster(client, Store(tmp_path), "auto").device_and_free_memory(bool)

    assert found("cuda", "cuda") == (torch.device("cuda"), 8)
    assert found("cuda", "cpu", "cuda") == (torch.device("cpu"), 7)


def test_where_no_worker_comes_in_time_it_says_so(tmp_path):
    cluster = dask.Cluster(SimpleNamespace(nthreads=dict), Store(tmp_path), "auto")
    with pytest.raises(TimeoutError, match="no worker has come"):
        cluster.device_and_free_memory(lambda: True)


def test_workers_that_do_not_see_the_store_are_named(tmp_path):
    there = "tcp://10.0.0.2:1"
    blind = SimpleNamespace(nthreads=lambda: {there: 1}, run=lambda *_: {there: ("cpu", 1, False)})
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path} is not seen by {there}")):
        dask.Cluster(blind, Store(tmp_path), "auto").device_and_free_memory(lambda: False)
    assert not list(tmp_path.rglob("*.tmp"))
