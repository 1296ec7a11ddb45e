"""Damage to any file of a store: never trusted, named in a message that says what was done."""

import io
import os
import re
import resource
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from tiny import BRIEF as RUN
from tiny import checkpoint, finished
from torch.testing import assert_close

from grokkit import runs
from grokkit.runs import Run
from grokkit.store import files, parquet, store
from grokkit.store.store import Store

OTHER = replace(RUN, seed=1)
RECORD, THETA = finished(RUN)
FILES = {
    "record": "store/records/{}.parquet",
    "weights": "store/weights/{}.parquet",
    "checkpoint": "store/checkpoints/{}.safetensors",
    "shipped": "results/{}.parquet",
    "shipped weights": "results/weights/{}.parquet",
}
NOBODY = 65534


def fill(place: Path, *runs: Run) -> None:
    """In `place`, a store with a record and a checkpoint of the runs, and exported results."""
    made = Store(place / "store", "")
    for run in runs:
        made.put(*finished(run))
        made.save_checkpoint(checkpoint(run))
        made.export(f"seed-{run.seed}", [run], place / "results")


def target_of(kind: str, place: Path, run: Run) -> Path:
    return place / FILES[kind].format(f"seed-{run.seed}" if kind == "shipped" else run.key)


def trusted(kind: str, place: Path) -> bool:
    """Whether the store still gives what the file said; it must then be what was written."""
    here = Store(place / "store", "")
    if kind == "checkpoint":
        assert set(here.checkpointed()) <= {RUN, OTHER}
        found = here.load_checkpoint(RUN)
        assert found is None or torch.equal(found.tensors["W"], checkpoint(RUN).tensors["W"])
        return found is not None
    found = (Store(place / "empty", place / "results") if "shipped" in kind else here).get(RUN)
    if found is not None:
        assert (found.run, found.provenance) == (RUN, RECORD.provenance)
        for name, values in RECORD.metrics.items():
            assert (found[name] == values).all()
            assert found[name].dtype == values.dtype
        assert_close(found.weights(), THETA, rtol=0, atol=0)
    return found is not None


@pytest.mark.parametrize(
    "error", [pa.ArrowMemoryError("malloc failed"), RuntimeError("you tried to allocate 9 bytes")]
)
def test_want_of_memory_is_no_damage(error, tmp_path, monkeypatch):
    fill(tmp_path, RUN)

    def fails(path):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(parquet, "_table", fails)
        with pytest.raises(type(error)):
            trusted("record", tmp_path)
    assert trusted("record", tmp_path)


# --- ways to damage a file -------------------------------------------------------------------


def damaged(data: bytes, how: str, seed: int) -> bytes:
    """The bytes of a file, damaged at random."""
    rng = np.random.default_rng(seed)
    at = rng.integers(1, len(data))
    return {
        "truncate": data[:at],
        "flip": data[:at] + bytes([data[at] ^ 1 << rng.integers(8)]) + data[at + 1 :],
        "zero": data[:at] + bytes(len(data[at : at + 64])) + data[at + 64 :],
        "garbage": rng.bytes(len(data)),
    }[how]


TIMES = {"truncate": 9, "flip": 14, "zero": 8, "garbage": 2}
CASES = [(kind, how, seed) for kind in FILES for how, n in TIMES.items() for seed in range(n)]
OTHERWISE = [
    *((kind, "directory") for kind in FILES),
    *((kind, "swapped") for kind in FILES if kind != "shipped"),  # its name means nothing
    *((kind, "schema") for kind in ("record", "checkpoint")),
    *((kind, "missing") for kind in ("weights", "shipped weights")),
    *(("weights", how) for how in ("fewer", "turned")),  # of another network, and so recorded
    *((kind, how) for kind in FILES for how in ("fifo", "link", "empty", "longer")),
    *((kind, "nested") for kind in ("weights", "checkpoint", "shipped weights")),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    place = tmp_path_factory.mktemp("whole")
    fill(place, RUN, OTHER)
    assert all(trusted(kind, place) for kind in FILES)
    return place


@pytest.fixture
def place(whole, place):
    """A copy to be damaged, in a folder that other users can reach."""
    return shutil.copytree(whole, place, dirs_exist_ok=True)


def refusal(kind: str, place: Path, target: Path) -> bool:
    """Whether the damaged target is refused; if so a message names it and what was done."""
    with warnings.catch_warnings(record=True, action="always") as seen:
        if trusted(kind, place):
            return False
    [message] = {str(warning.message) for warning in seen}
    assert str(target) in message
    if "shipped" in kind:
        assert "as missing" in message
    elif ": missing;" not in message:
        assert f"set aside as {target.name}.damaged" in message
        assert os.path.lexists(f"{target}.damaged")
    return True


@pytest.mark.parametrize(("kind", "how", "seed"), CASES)
def test_bytes_that_were_not_written_are_refused(place, kind, how, seed):
    target = target_of(kind, place, RUN)
    target.write_bytes(damaged(target.read_bytes(), how, seed))
    # a few bytes say nothing: then `trusted` has found all that it read to be as written
    assert refusal(kind, place, target) or how in ("flip", "zero")


@pytest.mark.parametrize(("kind", "how"), OTHERWISE)
def test_a_file_in_the_wrong_place_or_form_is_refused(place, kind, how, monkeypatch):
    target = target_of(kind, place, RUN)
    if how == "swapped":
        target_of(kind, place, OTHER).replace(target)
    elif how == "schema":
        put_another_schema(kind, place, target, monkeypatch)
    elif how == "nested":
        deep = b"[" * 100_000
        target.write_bytes(len(deep).to_bytes(8, "little") + deep)
    elif how in ("fewer", "turned"):
        other = {"W_U": THETA["W_U"].T} if how == "turned" else {}
        rest = {name: weight for name, weight in THETA.items() if name != "W_U"} | other
        with monkeypatch.context() as patched:  # which `put` refuses
            shapes = {name: (*weight.shape,) for name, weight in rest.items()}
            patched.setattr(Run, "shapes", shapes)
            Store(place / "store", "").put(RECORD, rest)
    elif how in ("empty", "longer"):
        target.write_bytes(target.read_bytes() + bytes(16) if how == "longer" else b"")
    else:
        aside = target.rename(place / "aside")
    if how == "directory":
        target.mkdir()
        (target / "file").write_text("in the way")
    elif how == "fifo":
        os.mkfifo(target)
    elif how == "link":
        target.symlink_to(place, target_is_directory=True)
    assert refusal(kind, place, target)
    with warnings.catch_warnings(action="ignore"):  # of weights that are now missing
        Store(place / "store", "").collect_garbage(damaged=True)
    assert not list((place / "store").rglob("*.damaged"))
    if how == "missing":  # weights that are elsewhere for a moment cost no record
        aside.rename(target)
        assert trusted(kind, place)


def check_unreadable(kind: str, place: Path, why: str) -> None:
    """Check that the target is named, with the reason, and left, whatever is asked of the store."""
    target, here = target_of(kind, place, RUN), Store(place / "store", "")
    said = rf"{re.escape(str(target))}: cannot be read \({why}\), left as it is"
    if "shipped" in kind:
        with pytest.warns(UserWarning, match=rf"{said}; .* as missing"):
            assert not trusted(kind, place)
        return
    with pytest.raises(files.Unreadable, match=said):
        here.load_checkpoint(RUN) if kind == "checkpoint" else here.get(RUN)
    with pytest.warns(UserWarning, match=said):
        removed = here.collect_garbage(damaged=True)
    assert target_of("checkpoint", place, RUN) not in removed  # with no record to read


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_may_not_be_read_is_named_left_as_it_is_and_trusted_once_it_may(place, kind):
    target = target_of(kind, place, RUN)
    before = target.read_bytes()
    target.chmod(0)
    with unprivileged(place):
        check_unreadable(kind, place, "Permission denied")
    target.chmod(0o600)
    assert target.read_bytes() == before
    assert trusted(kind, place)


def test_an_error_while_a_file_is_read_says_nothing_about_the_file(place, monkeypatch):
    class File(io.BytesIO):
        def read(self):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(parquet, "opened", lambda path: File())
    with pytest.raises(files.Unreadable, match="cannot be read"):
        Store(place / "store", "").get(RUN)
    monkeypatch.undo()
    assert trusted("record", place)


@pytest.mark.parametrize("kind", ["record", "checkpoint", "shipped"])
@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"later": 0.0}, "fields of another version: later"),
        ({"task": "x^9"}, r"a run that is not allowed here: .*got 'x\^9'"),
    ],
)
def test_what_another_version_has_written_is_left_as_it_is(place, kind, other, says, monkeypatch):
    config = Run.config
    monkeypatch.setattr(Run, "config", lambda run: config(run) | other)
    later = Store(place / "later" / "store", "")
    later.put(RECORD, THETA)
    later.save_checkpoint(checkpoint(RUN))
    monkeypatch.undo()
    target = target_of(kind, place, RUN)
    made = "record" if kind == "shipped" else kind  # a file of one row is shipped as well
    target_of(made, place / "later", RUN).replace(target)
    before = target.read_bytes()
    check_unreadable(kind, place, says)
    assert target.read_bytes() == before


def put_another_schema(kind, place, target, monkeypatch):
    """Write the target as another version would, under the name that this one looks for."""
    before, run = RUN.key, replace(RUN)
    monkeypatch.setattr(runs, "SCHEMA", runs.SCHEMA + 1)
    monkeypatch.setattr(store, "SCHEMA", store.SCHEMA + 1)
    assert run.key != before
    fill(place / "later", run)
    target_of(kind, place / "later", run).replace(target)
    monkeypatch.undo()


@contextmanager
def unprivileged(place: Path) -> Iterator[None]:
    """Be a user that permissions hold for, who owns all of `place`."""
    if os.geteuid():
        yield
        return
    for path in [place, *place.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_cannot_be_set_aside_is_left_and_reported_and_a_list_goes_on(place):
    target = target_of("record", place, RUN)
    target.write_bytes(b"not a record")
    target.parent.chmod(0o500)
    here = Store(place / "store", "")
    with unprivileged(place):
        with pytest.warns(
            UserWarning, match=rf"{re.escape(str(target))}: .*left where it is \(Permission"
        ):
            assert not here.has(RUN)
        (here.path / "checkpoints").chmod(0)
        with pytest.warns(UserWarning, match=r"checkpoints: Permission denied; its files"):
            assert here.checkpointed() == {}
        target.parent.chmod(0o700)
        (here.path / "checkpoints").chmod(0o700)


# --- a full disk -----------------------------------------------------------------------------


WRITES = {  # what would replace the files of RUN by those of other content
    "record": lambda here: here.put(replace(RECORD, run=replace(RUN, keep_weights=False))),
    "weights": lambda here: here.put(RECORD, {name: w + 1 for name, w in THETA.items()}),
    "checkpoint": lambda here: here.save_checkpoint(replace(checkpoint(RUN), epoch=3)),
    "shipped": lambda here: here.export("seed-0", [OTHER], here.path.parent / "results"),
}


@pytest.mark.parametrize("size", [0, 1, 100, 200])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_full_disk_leaves_every_file_as_it_was_and_names_the_one(whole, place, write, size):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(files.StoreFull, match=r"write .*\.(parquet|safetensors)"):
            write(Store(place / "store", ""))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    before, after = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (whole, place)
    )
    assert after == before


@pytest.mark.slow  # and not part of CI, where it may not be allowed to mount
def test_a_disk_that_fills_up_holds_whole_files_only(tmp_path):
    """On a real file system of 256 KB, filled file by file and freed in between."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(tmp_path)]
    if os.geteuid() or subprocess.call(mount):
        pytest.skip("needs to be root and to be allowed to mount")
    try:
        here, full, tried = Store(tmp_path, ""), 0, []
        while full < 20:
            run = replace(RUN, seed=len(tried))
            tried.append(run)
            try:
                with here.lock([run]):
                    here.save_checkpoint(checkpoint(run))
                    here.put(*finished(run))
                    here.drop_checkpoint(run)
            except files.StoreFull:
                full += 1
                here.drop_checkpoint(run)
        assert 5 < sum(here.get(run) is not None for run in tried) < len(tried)  # no warning
        assert not list(tmp_path.rglob("*.tmp"))
    finally:
        subprocess.check_call(["umount", str(tmp_path)])
