"""Claims: every run is trained by one process at a time, whatever happens to that process."""

import json
import multiprocessing
import os
import random
import signal
import threading
import time
import warnings
from dataclasses import asdict, replace

import pytest
from filelock import FileLock

from grokkit.runs import Record, Run
from grokkit.store import locks, processes
from grokkit.store.processes import Process, this_process
from grokkit.store.store import Store

RUN = Run(p=5, dataset_size=10, epochs=3, n_logged=4)
RUNS = [replace(RUN, seed=seed) for seed in range(40)]
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", shipped="")


@pytest.fixture
def quick(monkeypatch):
    """Claims that are stale after a second, here and in the children that are forked."""
    monkeypatch.setattr(locks, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(locks, "STALE_SECONDS", 1.0)


def finish(store: Store, run: Run) -> None:
    store.put(Record(run, {"epoch": run.log_epochs()}, {}))


def claim_file(store: Store, run: Run):
    return store.path / "claims" / f"{run.key}.json"


class Child:
    """A forked process that runs `function(store, pipe)`; killed at the latest by `with`."""

    def __init__(self, store, function):
        self.pipe, theirs = FORK.Pipe()
        self.process = FORK.Process(target=function, args=(store, theirs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # fork of a process with threads
            self.process.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()

    def hear(self):
        assert self.pipe.poll(20), "the child says nothing"
        return self.pipe.recv()


def hold(store, pipe):
    """Claim RUN and tell what was got; then, whenever asked, what was lost, or let go."""
    with store.claim([RUN]) as claim:
        pipe.send(claim.runs)
        while pipe.recv() == "lost?":
            pipe.send(claim.lost())
    pipe.send("released")


def granted(store, runs):
    with store.claim(runs) as claim:
        return claim.runs


def test_what_another_process_holds_is_not_granted_until_it_lets_go(store):
    assert store.held(RUNS) == []
    with Child(store, hold) as child:
        assert child.hear() == [RUN]
        assert store.held(RUNS) == [RUN]
        with store.claim(RUNS[:3]) as claim:
            assert claim.runs == RUNS[1:3]
            assert claim.lost() == []
            assert store.held(RUNS) == [RUN]  # not what this process itself holds
        child.pipe.send("let go")
        assert child.hear() == "released"
        assert granted(store, [RUN]) == [RUN]
    assert not list(claim_file(store, RUN).parent.glob("*.json"))


def test_a_killed_holder_is_followed_at_once(store):
    with Child(store, hold) as child:
        child.hear()
        child.process.kill()
        deadline = time.monotonic() + 5
        while store.held([RUN]) and time.monotonic() < deadline:  # not waited for: a zombie
            time.sleep(0.01)
        assert granted(store, [RUN]) == [RUN]


def test_a_suspended_holder_loses_its_claim_and_learns_it(store, quick):
    with Child(store, hold) as child:
        child.hear()
        os.kill(child.process.pid, signal.SIGSTOP)
        assert granted(store, [RUN]) == []
        time.sleep(1.1)
        with store.claim([RUN]) as claim:
            assert claim.runs == [RUN]
            os.kill(child.process.pid, signal.SIGCONT)
            child.pipe.send("lost?")
            assert child.hear() == [RUN]
            child.pipe.send("let go")
            assert child.hear() == "released"
            assert claim.lost() == []  # it released nothing of ours


def test_a_heartbeat_keeps_a_claim_for_any_length_of_time(store, quick):
    with Child(store, hold) as child:
        child.hear()
        time.sleep(1.5)
        assert granted(store, [RUN]) == []
        child.pipe.send("lost?")
        assert child.hear() == []


def test_two_threads_of_one_process_hold_different_runs(store):
    got, both = {}, threading.Barrier(2)

    def work(name):
        with store.claim(RUNS) as claim:
            got[name] = claim.runs
            both.wait(10)
            assert claim.lost() == []

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, got.values())) == [0, len(RUNS)]
    assert granted(store, RUNS) == RUNS


def race(store, pipe):
    """Claim the runs one by one in a random order; train, that is store, what is granted."""
    order = random.Random(os.getpid()).sample(RUNS, len(RUNS))
    mine = []
    pipe.recv()
    for run in order:
        with store.claim([run]) as claim:
            for got in claim.runs:
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


def seize(store, pipe):
    pipe.recv()
    with store.claim(RUNS) as one, store.claim(RUNS) as two:
        pipe.send((one.runs, two.runs))
        pipe.recv()


def test_eight_processes_racing_for_the_claims_of_a_dead_one_get_each_once(store):
    claim = locks.take(store.path / "claims", [])
    claim._process = Process(this_process().host, this_process().pid, "1")  # an earlier process
    for run in RUNS:
        claim._take(run)
    claim._over.set()
    children = [Child(store, seize) for _ in range(8)]
    for child in children:
        child.pipe.send("go")
    shares = [child.hear() for child in children]
    assert sorted(r.key for one, two in shares for r in one + two) == sorted(r.key for r in RUNS)
    for child in children:
        child.pipe.send("let go")
        child.process.join()


def test_a_finished_run_is_not_granted(store):
    finish(store, RUN)
    assert granted(store, RUNS[:2]) == [RUNS[1]]


def test_a_forked_child_cannot_release_what_its_parent_holds(store):
    with store.claim([RUN]) as claim:
        with Child(store, lambda *_: claim.close()) as child:
            child.process.join()
        assert claim.lost() == []


@pytest.mark.parametrize(("age", "free"), [(30, False), (130, True), (-30, False), (-130, True)])
def test_a_claim_of_another_machine_goes_by_the_clock_of_the_files(store, age, free):
    with store.claim([RUN]) as claim:
        claim._process = replace(this_process(), host="elsewhere-00000000", pid=1)
        claim._take(RUN)
        path = claim_file(store, RUN)
        then = time.time() - age
        os.utime(path, (then, then))
        assert store.held([RUN]) == ([] if free else [RUN])
        assert granted(store, [RUN]) == ([RUN] if free else [])


def elsewhere(store, pipe):
    """`hold` on what looks like another machine, where this one cannot see who runs."""
    processes._host = lambda: "elsewhere-00000000"
    hold(store, pipe)


def test_a_killed_holder_on_another_machine_is_followed_when_its_claim_is_stale(store, quick):
    with Child(store, elsewhere) as child:
        assert child.hear() == [RUN]
        assert store.held([RUN]) == [RUN]
        child.process.kill()
        child.process.join()
        assert granted(store, [RUN]) == []
        time.sleep(1.1)
        assert granted(store, [RUN]) == [RUN]


def test_a_claim_tells_who_holds_it(store):
    with store.claim([RUN]):
        held = json.loads(claim_file(store, RUN).read_text())
    assert asdict(this_process()).items() <= held.items()


def test_a_pid_that_the_system_gave_to_a_later_process_is_not_the_holder():
    here = this_process()
    assert not here.gone()
    assert replace(here, started="1").gone()
    assert replace(here, pid=2**22 + 1).gone()
    assert not replace(here, host="elsewhere", pid=2**22 + 1).gone()
    assert not Process(here.host, 1, "").gone()


def test_a_lock_that_is_not_given_back_is_named_and_nothing_claimed(store, monkeypatch):
    monkeypatch.setattr(locks, "LOCK_SECONDS", 0.1)
    granted(store, [RUN])
    lock = claim_file(store, RUN).with_name(".lock")
    with FileLock(lock), pytest.warns(UserWarning, match=rf"{lock}: held for 0.1 s"):
        assert granted(store, [RUN]) == []
    claim = locks.take(lock.parent, [RUN])
    with FileLock(lock), pytest.warns(UserWarning, match=rf"{lock}: .*; 1 claims are left"):
        claim.close()


def test_stale_claims_are_garbage_and_fresh_ones_are_not(store):
    with Child(store, hold) as child, store.claim([RUNS[1]]) as claim:
        child.hear()
        child.process.kill()
        child.process.join()
        assert store.collect_garbage() == [claim_file(store, RUN)]
        assert claim.lost() == []
