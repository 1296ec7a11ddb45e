"""Locks: every run is trained by one process at a time, whatever happens to that process."""

import os
import random
import signal
import threading
from dataclasses import replace

import pytest
from tiny import FORK, forked

from grokkit.runs import Record, Run
from grokkit.store.store import Store

RUN = Run(p=5, dataset_size=10, epochs=3, n_logged=4)
RUNS = [replace(RUN, seed=seed) for seed in range(40)]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", shipped="")


def finish(store: Store, run: Run) -> None:
    store.put(Record(run, {"epoch": run.log_epochs()}, {}))


class Child:
    """A forked process that runs `function(store, pipe)`; killed at the latest by `with`."""

    def __init__(self, store, function):
        self.pipe, theirs = FORK.Pipe()
        self.process = forked(function, store, theirs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()

    def hear(self):
        assert self.pipe.poll(20), "the child says nothing"
        return self.pipe.recv()


def hold(store, pipe):
    """Lock RUN and tell what was got; let go when told so."""
    with store.lock([RUN]) as held:
        pipe.send(held)
        pipe.recv()
    pipe.send("released")


def granted(store, runs):
    with store.lock(runs) as held:
        return held


def test_what_another_process_holds_is_not_granted_until_it_lets_go(store):
    with Child(store, hold) as child:
        assert child.hear() == [RUN]
        assert granted(store, RUNS[:3]) == RUNS[1:3]
        os.kill(child.process.pid, signal.SIGSTOP)  # it may go on at any time
        assert granted(store, [RUN]) == []
        os.kill(child.process.pid, signal.SIGCONT)
        child.pipe.send("let go")
        assert child.hear() == "released"
        assert granted(store, [RUN]) == [RUN]


def test_a_killed_holder_is_followed_at_once(store):
    with Child(store, hold) as child:
        child.hear()
        child.process.kill()
        os.waitid(os.P_PID, child.process.pid, os.WEXITED | os.WNOWAIT)  # a zombie holds nothing
        assert granted(store, [RUN]) == [RUN]


def test_an_error_or_ctrl_c_lets_go(store):
    for error in (OSError, KeyboardInterrupt):
        with pytest.raises(error), store.lock(RUNS):
            raise error
        assert granted(store, RUNS) == RUNS


def test_two_threads_of_one_process_hold_different_runs(store):
    got, both = {}, threading.Barrier(2)

    def work(name):
        with store.lock(RUNS) as held:
            got[name] = held
            both.wait(10)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run.key for held in got.values() for run in held) == sorted(r.key for r in RUNS)
    assert granted(store, RUNS) == RUNS


def race(store, pipe):
    """Lock the runs one by one in a random order; train, that is store, what is granted."""
    mine = []
    pipe.recv()
    for run in random.Random(os.getpid()).sample(RUNS, len(RUNS)):
        with store.lock([run]) as held:
            for got in held:
                mine.append(got)
                finish(store, got)
    pipe.send(mine)


@pytest.mark.process
def test_eight_processes_racing_for_forty_runs_train_each_exactly_once(store):
    children = [Child(store, race) for _ in range(8)]
    for child in children:
        child.pipe.send("go")
    shares = [child.hear() for child in children]
    for child in children:
        child.process.join()
    assert sorted(run.key for share in shares for run in share) == sorted(r.key for r in RUNS)
    assert all(store.get(run) is not None for run in RUNS)


def test_a_finished_run_is_not_granted(store):
    finish(store, RUN)
    assert granted(store, RUNS[:2]) == [RUNS[1]]


def test_a_forked_child_neither_releases_nor_keeps_what_its_parent_holds(store):
    with store.lock([RUN]) as held:
        assert held == [RUN]
        with Child(store, lambda *_: None) as child:
            child.process.join()
            assert granted(store, [RUN]) == []
        forked = Child(store, lambda store, pipe: pipe.recv())
    with forked:
        assert granted(store, [RUN]) == [RUN]


def test_a_lock_file_goes_when_its_run_is_finished(store):
    finished, begun = RUNS[:2]
    with store.lock([finished, begun]):
        finish(store, finished)
    assert [path.stem for path in (store.path / "locks").iterdir()] == [begun.key]
