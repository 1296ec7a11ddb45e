"""The store: records, checkpoints, shipped results, locks; `test_damage` has the rest."""

import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import BRIEF as RUN
from tiny import CPU, checkpoint, finished
from torch.testing import assert_close

from grokkit import tasks
from grokkit.runs import Record
from grokkit.store.store import SHIPPED, Store, provenance

PLAIN = replace(RUN, keep_weights=False)
RUNS = [replace(PLAIN, seed=seed) for seed in range(40)]


def files(store: Store) -> set[Path]:
    return {p for ending in ("parquet", "safetensors") for p in store.path.rglob(f"*.{ending}")}


def test_a_checkpoint_comes_back_as_it_was_saved_last(store):
    saved = checkpoint(RUN, 1)
    W = saved.tensors["W"]
    saved = replace(saved, tensors=saved.tensors | {"same": W, "part": W[2:]})  # in its memory
    store.save_checkpoint(checkpoint(RUN, 2))
    store.save_checkpoint(saved)
    assert store.checkpointed() == {RUN: 1}
    again = store.load_checkpoint(RUN)
    assert (again.run, again.epoch, again.provenance) == (RUN, 1, [{"torch": "x"}])
    assert_close(again.tensors, saved.tensors, rtol=0, atol=0, equal_nan=True)
    for _ in range(2):
        store.drop_checkpoint(RUN)
    assert store.load_checkpoint(RUN) is None
    assert not files(store)


def test_a_record_keeps_20_bits_of_a_metric_at_any_scale_and_all_of_epochs_and_accuracies(store):
    n_test = PLAIN.operation.n_examples - PLAIN.dataset_size
    epochs = np.arange(10**12 - 9, 10**12 + 1)
    loss = np.append(np.logspace(-320, 300, 6) / 3, [0, np.nan, np.inf, -1 / 3])
    curves = {"epoch": epochs, "train_loss": loss, "test_accuracy": (1 + np.arange(10)) / n_test}
    store.put(Record(PLAIN, curves, {}))
    found = store.get(PLAIN)
    assert (found["epoch"] == epochs).all()
    assert (found["test_accuracy"] == curves["test_accuracy"]).all()
    np.testing.assert_allclose(found["train_loss"], loss, rtol=2**-20, atol=5e-324)
    assert found["train_loss"][-1] == -round(2**21 / 3) / 2**21 != -1 / 3
    store.put(found)  # and as often as one likes
    np.testing.assert_array_equal(store.get(PLAIN)["train_loss"], found["train_loss"])


def test_garbage_is_what_no_run_needs_and_nothing_else(store):
    assert store.collect_garbage(damaged=True) == []
    assert not store.path.exists()
    going, done, plain = replace(RUN, seed=3), RUN, replace(RUN, keep_weights=False)
    store.put(*finished(done))
    for run in (going, done, plain):
        store.save_checkpoint(checkpoint(run))
    over = {f"{run.key}.safetensors" for run in (done, plain)}  # `done` is there for both
    kept = {path for path in files(store) if path.name not in over}
    folder = store.path / "records"
    names = {"new": ".a.parquet.0.tmp", "old": ".a.parquet.1.tmp", "damaged": "a.parquet.damaged"}
    paths = {name: folder / file for name, file in names.items()}
    for path in paths.values():
        path.write_bytes(b"half of it")
    (folder / "b.parquet.damaged").mkdir()
    os.utime(paths["old"], (0, 0))
    removed = {path.name for path in store.collect_garbage()}
    assert removed == {*over, names["old"]}
    assert files(store) == kept
    assert paths["damaged"].exists()
    damaged = {path.name for path in store.collect_garbage(damaged=True)}
    assert damaged == {"a.parquet.damaged", "b.parquet.damaged"}
    assert {path.name for path in folder.iterdir()} == {f"{done.key}.parquet", names["new"]}
    assert store.checkpointed() == {going: 2}


def test_the_checkpoint_of_a_run_that_is_shipped_but_trained_anew_is_no_garbage(store, tmp_path):
    store.put(*finished(RUN))
    store.export("some", [RUN], tmp_path / "results")
    anew = Store(tmp_path / "anew", tmp_path / "results")
    anew.save_checkpoint(checkpoint(RUN))
    assert anew.collect_garbage() == []


def test_a_shipped_file_that_goes_away_is_said_and_its_runs_are_missing(store, tmp_path):
    store.put(*finished(RUN))
    shipped = store.export("some", [RUN], tmp_path / "results")
    below = [Store(tmp_path / "empty", tmp_path / "results") for _ in range(2)]
    assert all(each._shipped_in for each in below)
    shipped.unlink()
    for read in (lambda: below[0].get(RUN), lambda: next(below[1].shipped_rows(), None)):
        with pytest.warns(UserWarning, match="missing"):
            assert read() is None


def test_shipped_results_are_found_beneath_the_store_and_are_never_written(store, tmp_path):
    record, weights = finished(RUN)
    store.put(record, weights)
    other = replace(PLAIN, seed=1)
    with pytest.raises(ValueError, match=other.key):  # not there yet
        store.export("some", [RUN, other], tmp_path / "results")
    store.put(finished(other)[0])
    store.export("some", [RUN, other], tmp_path / "results")
    below = Store(tmp_path / "empty", tmp_path / "results")
    assert (below.get(RUN)["param_norm"] == record["param_norm"]).all()
    assert below.get(RUN).weights().keys() == weights.keys()
    for plain in (other, PLAIN):
        with pytest.raises(ValueError, match="not asked to keep its weights"):
            below.get(plain).weights()
    assert below.get(replace(RUN, seed=5)) is None
    assert not below.path.exists()


def test_weights_of_another_network_are_refused_and_their_order_does_not_matter(store):
    record, weights = finished(RUN)
    rest = {name: weight for name, weight in weights.items() if name != "W_U"}
    for wrong in (rest, rest | {"W_U": weights["W_U"].T}):
        with pytest.raises(ValueError, match=f"weights of run {RUN.key} must be .*W_U"):
            store.put(record, wrong)
    with pytest.raises(ValueError, match="no metric epoch"):
        store.put(replace(record, metrics={}), weights)
    store.put(record, dict(sorted(weights.items())))
    assert_close(store.get(RUN).weights(), weights, rtol=0, atol=0)


@pytest.mark.parametrize("names", [("late", "early"), ("early", "late")])
def test_a_run_in_two_shipped_files_is_found_by_either(store, tmp_path, names):
    record, weights = finished(RUN)
    for name in names:  # the last has the weights that are there
        store.put(record, weights := {key: weight + 1 for key, weight in weights.items()})
        store.export(name, [RUN], tmp_path / "results")
    found = Store(tmp_path / "empty", tmp_path / "results")
    with warnings.catch_warnings(record=True, action="always") as said:
        assert_close(found.get(RUN).weights(), weights, rtol=0, atol=0)
    stale = names[0] == min(names)  # the file that is read first
    assert ["checksum" in str(each.message) for each in said] == [True] * stale
    (tmp_path / "results" / f"{names[0]}.parquet").unlink()
    (tmp_path / "results" / "gone.parquet").symlink_to(tmp_path / "absent")
    with pytest.warns(UserWarning, match="gone"):
        assert Store(tmp_path / "empty", tmp_path / "results").get(RUN)
    for runs, target in (([RUN], None), ([], str(tmp_path / "results"))):
        with pytest.raises(ValueError, match=f"needs runs and a target, got {len(runs)} runs"):
            Store(store.path, "").export("some", runs, target)


def test_a_folder_of_shipped_results_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"shipped must be a folder or nothing, got '.*absent'"):
        Store(tmp_path, tmp_path / "absent")


def test_a_shipped_file_is_read_once_and_anew_when_it_has_changed(store, tmp_path):
    results = tmp_path / "results"
    store.put(*finished(RUN))
    store.export("some", [RUN], results)
    assert Store(tmp_path, results).get(RUN) is Store(tmp_path, results).get(RUN)
    store.put(finished(PLAIN)[0])
    store.export("some", [RUN, PLAIN], results)
    assert Store(tmp_path, results).get(PLAIN) is not None


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in Linux's /proc")
def test_reading_and_writing_records_starts_no_threads(store):
    """Threads of pyarrow's own now and then abort a process that ends (exit status 134)."""
    store.put(*finished(RUN))
    [path] = (store.path / "records").iterdir()
    script = f"""if True:
        import os
        from grokkit.store import parquet
        from pathlib import {type(path).__name__}
        before = os.listdir("/proc/self/task")
        assert parquet.parquet_bytes(parquet.read_records({path!r}, {path.parent!r}))
        assert os.listdir("/proc/self/task") == before
    """
    subprocess.run([sys.executable, "-c", script], check=True)


# --- locks: every run is trained by one process at a time, whatever happens to that process


@contextmanager
def child(store, function):
    """A forked process that runs `function(store, pipe)`, and what it says next; killed at last."""
    fork = multiprocessing.get_context("fork")
    pipe, theirs = fork.Pipe()
    process = fork.Process(target=function, args=(store, theirs), daemon=True)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        process.start()  # a fork of a process with threads

    def hear():
        assert pipe.poll(20), "the child says nothing"
        return pipe.recv()

    try:
        yield process, pipe, hear
    finally:
        process.kill()
        process.join()


def hold(store, pipe):
    """Lock PLAIN and tell what was got; let go when told so."""
    with store.lock([PLAIN]) as held:
        pipe.send(held)
        pipe.recv()
    pipe.send("released")


def granted(store, runs):
    with store.lock(runs) as held:
        return held


@pytest.mark.parametrize("killed", [False, True])
def test_what_another_process_holds_is_not_granted_until_it_lets_go_or_dies(store, killed):
    with child(store, hold) as (process, pipe, hear):
        assert hear() == [PLAIN]
        assert granted(store, RUNS[:3]) == RUNS[1:3]
        os.kill(process.pid, signal.SIGSTOP)  # it may go on at any time
        assert granted(store, [PLAIN]) == []
        if killed:
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie holds nothing
        else:
            os.kill(process.pid, signal.SIGCONT)
            pipe.send("let go")
            assert hear() == "released"
        assert granted(store, [PLAIN]) == [PLAIN]


def test_an_error_or_ctrl_c_lets_go(store):
    for error in (OSError, KeyboardInterrupt):
        with pytest.raises(error), store.lock(RUNS):
            raise error
        assert granted(store, RUNS) == RUNS


def test_two_threads_of_one_process_hold_different_runs(store):
    both = threading.Barrier(2)

    def work(_):
        with store.lock(RUNS) as held:
            both.wait(10)
            return held

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(work, "ab")
    assert sorted(run.key for run in one + other) == sorted(run.key for run in RUNS)
    assert granted(store, RUNS) == RUNS


def race(store, pipe):
    """Lock the runs one by one in a random order; train, that is store, what is granted."""
    mine = []
    pipe.recv()
    for run in random.Random(os.getpid()).sample(RUNS, len(RUNS)):
        with store.lock([run]) as held:
            mine += held
            for got in held:
                store.put(finished(got)[0])
    pipe.send(mine)


@pytest.mark.process
def test_eight_processes_racing_for_forty_runs_train_each_exactly_once(store):
    with ExitStack() as stack:
        children = [stack.enter_context(child(store, race)) for _ in range(8)]
        for _, pipe, _ in children:
            pipe.send("go")
        shares = [hear() for _, _, hear in children]
    assert sorted(run.key for share in shares for run in share) == sorted(r.key for r in RUNS)
    assert all(store.get(run) is not None for run in RUNS)


def test_a_forked_child_neither_releases_nor_keeps_what_its_parent_holds(store):
    with ExitStack() as stack:
        with store.lock([PLAIN]) as held:
            assert held == [PLAIN]
            with child(store, lambda *_: None) as (process, *_):
                process.join()
                assert granted(store, [PLAIN]) == []
            stack.enter_context(child(store, lambda store, pipe: pipe.recv()))
        assert granted(store, [PLAIN]) == [PLAIN]


def test_a_finished_run_is_not_granted_and_its_lock_file_goes(store):
    done, begun = RUNS[:2]
    with store.lock([done, begun]):
        store.put(finished(done)[0])
    assert [path.stem for path in (store.path / "locks").iterdir()] == [begun.key]
    assert granted(store, RUNS[:2]) == [begun]


def test_provenance_names_the_commit_and_torch():
    found = provenance(CPU)
    assert found["torch"] == torch.__version__
    git = shutil.which("git")
    asked = [git, "--git-dir=.git", "rev-parse", "HEAD"]
    if git and not subprocess.run(asked, cwd=SHIPPED.parent, capture_output=True).returncode:
        assert re.fullmatch("[0-9a-f]{12}(-dirty)?", found["commit"])


def test_files_of_a_rule_that_has_changed_under_its_name_are_not_damaged(tmp_path, monkeypatch):
    store = Store(tmp_path)
    monkeypatch.setitem(tasks.MODULAR, "mine", lambda x, y, p: (x + y) % p)
    first = replace(RUN, task="mine")
    store.put(*finished(first))
    store.save_checkpoint(checkpoint(replace(first, seed=1)))
    before = sorted(path.name for path in tmp_path.rglob("*.*"))
    monkeypatch.setitem(tasks.MODULAR, "mine", lambda x, y, p: (x + 2 * y) % p)
    assert store.get(first) is None  # its key is that of the rule as it is now
    with pytest.warns(UserWarning, match="mine may be another rule here"):
        assert store.checkpointed() == {}
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == before
