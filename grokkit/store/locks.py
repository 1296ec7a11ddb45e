"""Claims: which process trains which run, in a store that processes and machines share.

A claim is a small file `<key>.json` that its holder touches every 15 seconds. It is stale, and
anyone may take it over, when it was not touched for two minutes by the file server's clock, or
when its holder ran on this machine and has ended. A short lock on `.lock` guards every change.
"""

import hashlib
import json
import os
import threading
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from grokkit.runs import Run
from grokkit.store.files import (
    GARBAGE,
    Damaged,
    Unreadable,
    listed,
    opened,
    reading,
    set_aside,
    write_atomically,
)
from grokkit.store.processes import Process, this_process

HEARTBEAT_SECONDS = 15.0
STALE_SECONDS = 120.0
LOCK_SECONDS = 60.0  # a lock held for longer is that of a suspended process


class Claim:
    """The runs that this process may train, from `take` to `close`.

    A process that was suspended for minutes may have `lost` some of them to another one.
    """

    def __init__(self, folder: Path) -> None:
        self.runs: list[Run] = []
        self._folder, self._token, self._process = folder, uuid.uuid4().hex, this_process()
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="grokkit claim", daemon=True)

    def lost(self) -> list[Run]:
        """Those of the runs that are no longer ours; the others stay fresh."""
        return [run for run in self.runs if not self._touch(run)]

    def release(self, runs: Sequence[Run]) -> None:
        """Give up these runs; those taken over by others are left alone."""
        if not runs or os.getpid() != self._process.pid:  # a forked child owns nothing
            return
        try:
            with _locked(self._folder):
                for run in runs:
                    if self._touch(run):
                        _path(self._folder, run).unlink(missing_ok=True)
        except Timeout:
            _say_stuck(self._folder, f"{len(runs)} claims are left to go stale")
        released = set(runs)
        self.runs = [run for run in self.runs if run not in released]

    def close(self) -> None:
        """Release all runs and stop the heartbeat."""
        self._over.set()
        if self._heart.is_alive():
            self._heart.join()
        self.release(self.runs)

    def _take(self, run: Run) -> None:
        held = {"run": run.key, "token": self._token} | asdict(self._process)
        text = json.dumps(held | {"sha256": _digest(held)})
        # a power cut ends the holder too, and a thousand fsyncs take seconds
        write_atomically(_path(self._folder, run), text.encode(), durable=False)
        self.runs.append(run)

    def _touch(self, run: Run) -> bool:
        """Whether the claim is ours; the very file that was read is touched, or none."""
        try:
            with opened(_path(self._folder, run)) as file:
                if json.load(file)["token"] != self._token:
                    return False
                os.utime(file.fileno())
        except (FileNotFoundError, *GARBAGE):  # gone or damaged
            return False
        except OSError:  # the file server is away: to be seen at the next beat
            pass
        return True

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            self.lost()


def take(folder: Path, runs: Sequence[Run]) -> Claim:
    """A claim on those of the runs that nobody else holds; never waits for their holders.

    Raises:
        StoreFull: no space for the claim files; none is left behind.
    """
    claim = Claim(folder)
    try:
        with _locked(folder) as now:
            for run in runs:
                if _free(_path(folder, run), now):
                    claim._take(run)
        if claim.runs:
            claim._heart.start()
    except Timeout:
        _say_stuck(folder, "no run is claimed")
    except BaseException:
        claim.close()
        raise
    return claim


def held(folder: Path, runs: Sequence[Run]) -> list[Run]:
    """Those of the runs that other processes hold; other threads of this one do not count."""
    try:
        names = set(os.listdir(folder))
    except FileNotFoundError:
        return []
    here, now, found = this_process(), None, []
    for run in runs:
        path = _path(folder, run)
        if path.name in names:
            now = now or _server_time(folder)
            try:
                if _holder(path, now) not in (None, here):
                    found.append(run)
            except Damaged:  # it holds nothing; whoever takes it over reports it
                continue
            except Unreadable:
                found.append(run)
    return found


def remove_stale(folder: Path) -> list[Path]:
    """Delete the claims that anyone may take over, and return their paths."""
    if not folder.is_dir():
        return []
    removed = []
    try:
        with _locked(folder) as now:
            for path in listed(folder, "*.json"):
                if _free(path, now):
                    path.unlink(missing_ok=True)
                    removed.append(path)
    except Timeout:
        _say_stuck(folder, "stale claims are left")
    return removed


def _path(folder: Path, run: Run) -> Path:
    return folder / f"{run.key}.json"


def _digest(held: dict) -> str:
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


def _holder(path: Path, now: float) -> Process | None:
    """Who holds a claim; None if it is stale or there is none. Raises Damaged or Unreadable."""
    try:
        # ahead of time is no sign of life either: the clock was set back, or the store copied
        if abs(now - path.stat().st_mtime) > STALE_SECONDS:
            return None
        with reading(path), opened(path) as file:
            held = json.load(file)
            if held.pop("sha256") != _digest(held):
                raise Damaged(path, "its content does not match its checksum")
            if held["run"] != path.stem:
                raise Damaged(path, f"is the claim of run {held['run']}")
    except FileNotFoundError:
        return None
    process = Process(held["host"], held["pid"], held["started"])
    return None if process.gone() else process


def _free(path: Path, now: float) -> bool:
    """Whether nobody holds a claim; a damaged one is set aside, for it holds nothing."""
    try:
        return _holder(path, now) is None
    except Damaged as error:
        warnings.warn(f"{error}; {set_aside(path)}; the run is free", stacklevel=6)
        return True
    except Unreadable as error:  # of another user, say
        warnings.warn(f"{error}; the run counts as held until it is stale", stacklevel=6)
        return False


def _server_time(folder: Path) -> float:
    """Now, by the clock of the file server, which is the one that dates the claims."""
    lock = folder / ".lock"
    lock.touch()
    return lock.stat().st_mtime


@contextmanager
def _locked(folder: Path) -> Iterator[float]:
    """Only one process at a time gets past this; yields the file server's time."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock", timeout=LOCK_SECONDS).acquire(poll_interval=0.01):
        yield _server_time(folder)


def _say_stuck(folder: Path, so: str) -> None:
    warnings.warn(f"{folder / '.lock'}: held for {LOCK_SECONDS:g} s; {so}", stacklevel=6)
