"""The store: records, atomic files, damage, checkpoints, shipped results."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import BRIEF as RUN
from tiny import checkpoint, finished
from torch.testing import assert_close

from grokkit.store.store import Checkpoint, Store


def test_a_record_without_weights_says_so(store):
    run = replace(RUN, keep_weights=False)
    store.put(finished(run)[0])
    with pytest.raises(ValueError, match="not asked to keep its weights"):
        store.get(run).weights()


def files(store: Store) -> set[Path]:
    return {p for ending in ("parquet", "safetensors") for p in store.path.rglob(f"*.{ending}")}


def test_weights_of_another_network_are_refused(store):
    record, weights = finished(RUN)
    fewer = {name: weight for name, weight in weights.items() if name != "W_U"}
    for forged in (fewer, weights | {"W_U": weights["W_U"].T}):
        store.put(record, forged)
        with pytest.warns(UserWarning, match=r"safetensors: .*not those of the run's network"):
            assert store.get(RUN) is None


def test_a_checkpoint_comes_back_as_it_was_saved_last(store):
    saved = checkpoint(RUN, 1)
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


def test_garbage_is_what_no_run_needs_and_nothing_else(store):
    assert store.collect_garbage(damaged=True) == []
    assert not store.path.exists()
    going, done = replace(RUN, seed=3), RUN
    store.put(*finished(done))
    for run in (going, done):
        store.save_checkpoint(checkpoint(run))
    kept = files(store) - {store.path / "checkpoints" / f"{done.key}.safetensors"}
    folder = store.path / "records"
    names = {"new": ".a.parquet.0.tmp", "old": ".a.parquet.1.tmp", "damaged": "a.parquet.damaged"}
    paths = {name: folder / file for name, file in names.items()}
    for path in paths.values():
        path.write_bytes(b"half of it")
    (folder / "b.parquet.damaged").mkdir()
    os.utime(paths["old"], (0, 0))
    removed = {path.name for path in store.collect_garbage()}
    assert removed == {f"{done.key}.safetensors", names["old"]}
    assert files(store) == kept
    assert paths["damaged"].exists()
    damaged = {path.name for path in store.collect_garbage(damaged=True)}
    assert damaged == {"a.parquet.damaged", "b.parquet.damaged"}
    assert {path.name for path in folder.iterdir()} == {f"{done.key}.parquet", names["new"]}
    assert store.checkpointed() == {going: 2}


def test_tensors_that_share_memory_are_stored_apart(store):
    row = torch.arange(6.0)
    store.save_checkpoint(Checkpoint(RUN, 1, {"row": row, "part": row[2:], "same": row}, []))
    again = store.load_checkpoint(RUN).tensors
    assert torch.equal(again["part"], row[2:])
    assert torch.equal(again["same"], again["row"])


def test_shipped_results_are_found_beneath_the_store_and_are_never_written(store, tmp_path):
    record, weights = finished(RUN)
    store.put(record, weights)
    plain = replace(RUN, keep_weights=False, seed=2)
    store.put(finished(plain)[0])
    shipped = tmp_path / "results"
    store.export("some", [RUN, plain], shipped)
    below = Store(tmp_path / "empty", shipped)
    assert (below.get(RUN)["param_norm"] == record["param_norm"]).all()
    assert below.get(RUN).weights().keys() == weights.keys()
    assert below.get(plain) is not None
    assert below.get(replace(RUN, seed=5)) is None
    assert not below.path.exists()


def test_exporting_a_missing_run_names_it(store, tmp_path):
    with pytest.raises(ValueError, match=RUN.key):
        store.export("some", [RUN], tmp_path)


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in Linux's /proc")
def test_reading_and_writing_records_starts_no_threads(store):
    """Threads of pyarrow's own now and then abort a process that ends (exit status 134)."""
    record, weights = finished(RUN)
    store.put(record, weights)
    script = """if True:
        import os, sys
        from grokkit.store import parquet
        from pathlib import Path
        threads = lambda: len(os.listdir("/proc/self/task"))
        before, path = threads(), Path(sys.argv[1])
        found = parquet.read_records(path, path.parent)
        assert parquet.parquet_bytes(found)
        print(threads() - before)
    """
    [path] = (store.path / "records").iterdir()
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0"
