"""Locks: every run is trained by one process at a time, whatever happens to that process."""

import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest
from tiny import BRIEF, FORK, finished, forked

RUN = replace(BRIEF, keep_weights=False)
RUNS = [replace(RUN, seed=seed) for seed in range(40)]


@contextmanager
def child(store, function):
    """A forked process that runs `function(store, pipe)`, and what it says next; killed at last."""
    pipe, theirs = FORK.Pipe()
    process = forked(function, store, theirs)

    def hear():
        assert pipe.poll(20), "the child says nothing"
        return pipe.recv()

    try:
        yield process, pipe, hear
    finally:
        process.kill()
        process.join()


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
    with child(store, hold) as (process, pipe, hear):
        assert hear() == [RUN]
        assert granted(store, RUNS[:3]) == RUNS[1:3]
        os.kill(process.pid, signal.SIGSTOP)  # it may go on at any time
        assert granted(store, [RUN]) == []
        os.kill(process.pid, signal.SIGCONT)
        pipe.send("let go")
        assert hear() == "released"
        assert granted(store, [RUN]) == [RUN]


def test_a_killed_holder_is_followed_at_once(store):
    with child(store, hold) as (process, _, hear):
        hear()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie holds nothing
        assert granted(store, [RUN]) == [RUN]


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
        with store.lock([RUN]) as held:
            assert held == [RUN]
            with child(store, lambda *_: None) as (process, *_):
                process.join()
                assert granted(store, [RUN]) == []
            stack.enter_context(child(store, lambda store, pipe: pipe.recv()))
        assert granted(store, [RUN]) == [RUN]


def test_a_finished_run_is_not_granted_and_its_lock_file_goes(store):
    done, begun = RUNS[:2]
    with store.lock([done, begun]):
        store.put(finished(done)[0])
    assert [path.stem for path in (store.path / "locks").iterdir()] == [begun.key]
    assert granted(store, RUNS[:2]) == [begun]
