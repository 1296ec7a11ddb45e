"""`varma2023`: every command, its exit status, and Ctrl-C."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from numpy.polynomial import Polynomial
from tiny import CPU, MINIMISER, SMALL, TINY, checkpoint, equal, train
from torch.utils.flop_counter import FlopCounterMode

from grokkit.commands import main as grokkit_main
from grokkit.engine.stack import Stack, start
from grokkit.runs import Run
from grokkit.store.files import tensor_bytes, write_atomically
from grokkit.store.store import Store
from grokkit.sweeps import plan
from varma2023 import estimate, experiments, profiles
from varma2023.commands import NO_RESULTS, main
from varma2023.engine.measured import save
from varma2023.estimate import Machine

SPEED = {False: Polynomial([0.001, 1e-14]), True: Polynomial([0.002, 2e-14])}
MACHINE = Machine(CPU, 2, SPEED, SPEED, 2.0)


@pytest.fixture
def only(monkeypatch):
    """A function: there is one experiment, of this name and these runs, and a known machine."""

    def set_to(name, runs):
        one = experiments.Experiment("no figure", lambda profile, seeds=None: runs)
        monkeypatch.setattr(experiments, "EXPERIMENTS", {name: one})
        monkeypatch.setattr(estimate, "measure", lambda device: MACHINE)
        return runs

    return set_to


@pytest.fixture
def small(only):
    """The only experiment, of two tiny runs."""
    return only("small", profiles.grokking(seeds=2, keep_weights=True, **SMALL))


@pytest.fixture
def cli(home, capsys):
    """A function: what a command line prints, and on stderr; its status must be this one."""

    def call(line, status=0, of=main):
        assert of(shlex.split(line)) == status
        return capsys.readouterr()

    return call


# --- list


def test_list_shows_every_experiment_in_two_sizes(cli, monkeypatch):
    monkeypatch.setattr(estimate, "measure", lambda device: MACHINE)
    lines = cli("list").out.splitlines()
    assert len(lines) == 2 + 2 * len(experiments.EXPERIMENTS)
    assert lines[1].split()[:6] == ["grokking", "published", "7", "0", "7", "0%"]
    edges = {line.index(" published ") for line in lines if " published " in line}
    assert edges == {lines[0].index(" profile ")}  # the columns stand in line
    assert lines[-1].startswith("time: cpu, 2 at a time; an epoch of p = 113, D = 3,830 takes")


def test_list_counts_what_is_stored_and_what_checkpoints_hold(home, small, cli):
    train(small[:1], Store())
    Store().save_checkpoint(checkpoint(small[1], 3))
    [_, line, _] = cli(f"list --store '{home}' --profile paper").out.splitlines()
    assert line.split() == ["small", "paper", "2", "1", "1", "50%", "0", "s", "no", "figure"]
    [row] = json.loads(cli("list --json --profile quick").out)
    assert (row["experiment"], row["runs"], row["missing"], row["begun"]) == ("small", 2, 1, 0.5)
    assert row["time"] > 0


def test_list_measures_nothing_where_nothing_is_missing(small, cli, monkeypatch):
    monkeypatch.setattr(estimate, "measure", None)
    train(small, Store())
    assert "time: " not in cli("list").out


# --- run


def test_run_trains_what_is_missing_and_prints_where_it_ended(home, small, cli):
    for name in ("small", "all"):
        printed = cli(f"run {name} --device cpu --quiet")
        assert [line.split()[0] for line in printed.out.splitlines()] == [run.key for run in small]
        assert "test accuracy 0." in printed.out
        assert printed.err == ""
    assert experiments.inventory(small, Store(home)) == (2, {})


def test_a_store_may_be_named_before_or_after_the_command(home, small, tmp_path, cli):
    for line in ("--store '{}/one' run small --quiet", "run small --quiet --store '{}/two'"):
        cli(line.format(tmp_path))
    assert all(Store(tmp_path / name).get(small[0]) for name in ("one", "two"))
    assert not home.exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run groking", "experiment must be one of grokking, grokking_longer"),
        ("run grokking --profile fast", "profile must be one of published"),
        ("run grokking --seeds 0", "seeds must be a whole number of at least 1"),
        ("list --device abacus", "device must be one of auto, cpu"),
        ("run grokking --store /dev/null/x", "/dev/null/x"),
        ("export all", "experiment must be one of grokking, grokking_longer"),
    ],
)
def test_a_bad_argument_is_said_and_gives_status_2(line, message, cli):
    assert message in cli(line, 2).err.splitlines()[-1]


def test_a_wrong_option_is_an_error_also_where_all_is_stored(small, cli):
    train(small, Store())
    for option, allowed in (("device", "one of auto, cpu"), ("scheduler", "tcp://host:port or ")):
        assert f"{option} must be {allowed}" in cli(f"run small --{option} abacus", 2).err


def test_networks_without_a_test_set_are_printed_by_their_train_accuracy(only, cli):
    only("full", profiles.full_data(seeds=1, **SMALL))
    assert "train accuracy 0." in cli("run full --device cpu --quiet").out


def test_a_run_that_diverges_is_said_without_a_traceback(only, cli):
    only("wild", profiles.grokking(seeds=1, lr=1e30, weight_decay=0.0, **SMALL))
    assert "left the finite numbers" in cli("run wild --device cpu --quiet", 2).err


def test_no_runs_of_this_profile_is_said(only, cli):
    only("nothing", [])
    assert "nothing has no runs of this profile" in cli("run nothing --device cpu").err


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "soon"])
def test_minutes_must_be_positive(minutes, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "grokking", "--minutes", minutes])
    assert f"--minutes: must be a positive number, got {minutes}" in capsys.readouterr().err


def test_when_time_is_up_the_status_is_1_and_the_next_call_continues(small, cli):
    assert "the same call continues" in cli("run small --minutes 1e-9", 1).err
    cli("run small")


# --- Ctrl-C


def test_ctrl_c_promises_no_checkpoint_where_there_is_none(monkeypatch, cli):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("varma2023.experiments.inventory", interrupted)
    assert cli("list", 130).err == "stopped\n"


@pytest.mark.process
@pytest.mark.parametrize("command", ["varma2023 list", "grokkit train"])
def test_ctrl_c_while_torch_is_imported_prints_no_traceback(command):
    name, *more = command.split()
    program = f"import sys; from {name}.__main__ import script; sys.exit(script())"  # as installed
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-c", program, *more],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "torch" in line and not process.send_signal(signal.SIGINT):
            break
    seen += process.stderr.readlines()
    process.stderr.close()
    assert process.wait(60) == -signal.SIGINT
    assert "Traceback" not in "".join(seen)


@pytest.mark.process
def test_a_reader_that_leaves_early_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "varma2023", "list", "--profile", "quick"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) == 0


PROGRAM = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # CI may have started us ignoring it
import torch
from grokkit.__main__ import loaded
from grokkit.model import ModelConfig
from varma2023 import experiments, profiles

main = loaded("varma2023.commands").main
tiny = ModelConfig(d_model=16, n_heads=2, d_mlp=24)
runs = profiles.grokking(seeds=2, p=5, epochs=400, n_logged=40, model=tiny)
one = experiments.Experiment("", lambda profile, seeds=None: runs)
experiments.EXPERIMENTS = {"small": one}
torch.set_num_threads(2)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("where", "told"),
    [
        ((), signal.SIGINT),
        pytest.param((), signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(("--scheduler", "local:2"), signal.SIGINT, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_ctrl_c_stops_at_a_checkpoint_and_loses_no_bit(home, only, cli, tmp_path, where, told):
    process = subprocess.Popen(  # in a process group of its own, as a shell starts it
        [sys.executable, "-c", PROGRAM, "run", "small", "--device", "cpu", *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list((home / "locks").glob("*.lock")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    time.sleep(0.15)
    os.killpg(process.pid, told)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "stopped at a checkpoint; the same command continues"
    assert "Traceback" not in err
    assert out == ""
    store = Store(home, "")
    begun = store.checkpointed()
    runs = profiles.grokking(seeds=2, p=5, epochs=400, n_logged=40, model=TINY)
    assert begun.keys() <= set(runs)  # on a slow machine the second has not begun
    assert begun
    assert all(0 < epoch < 400 for epoch in begun.values())
    with store.lock(runs) as held:
        assert held == runs  # nobody else holds them
    only("small", runs)
    out = cli("run small --device cpu").out
    for one in train(runs, tmp_path / "whole"):
        other = store.get(one.run)
        assert one.run.key in out
        assert equal(one, other)
        since = [p["from_epoch"] for p in other.provenance["processes"]]
        assert since == ([0, begun[one.run]] if one.run in begun else [0])


# --- export, verify, gc


def test_export_writes_the_published_runs_and_takes_no_others(home, small, cli, monkeypatch):
    results = home / "results"
    results.mkdir(parents=True)
    monkeypatch.setenv("GROKKIT_RESULTS", str(results))
    assert f"run {small[0].key} " in cli("export small", 2).err
    train(small, Store())
    assert cli("export small").out == f"{results / 'small.parquet'}\n"
    assert {row.run for row in Store(home / "empty").shipped_rows()} == {*small}
    with pytest.raises(SystemExit, match="2"):
        main(["export", "small", "--seeds", "1"])


def test_verify_reads_the_results_in_use_and_fails_without_any(home, small, cli, monkeypatch):
    assert "GROKKIT_RESULTS is not set or is nothing" in cli("verify", 2).err
    results = home / "results"
    train(small, Store())
    Store().export("small", small, results)
    (results / "benchmarks").mkdir()
    moments = results / "moments" / "a.safetensors"
    write_atomically(moments, tensor_bytes({"at": torch.zeros(2)}, {}))
    monkeypatch.setattr("varma2023.engine.measured.FOLDER", results / "benchmarks")
    measured = save("engine-cpu", {"rows": [{"ms": 1.5}]})
    monkeypatch.setenv("GROKKIT_RESULTS", str(results))
    whole = "2 records, 1 measurements and 1 networks' moments"
    assert cli("verify").out == f"{whole} of {results} are whole\n"
    [path, _] = (results / "weights").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    printed = cli("verify", 1)
    assert printed.out.startswith("1 records")
    moments.write_bytes(moments.read_bytes()[:-1] + b"?")
    assert path.name in printed.err
    (results / "other.parquet").write_bytes(b"no")
    measured.write_text(measured.read_text().replace("1.5", "1.4"))
    printed = cli("verify", 1)
    assert "other.parquet" in printed.err
    assert f"{measured}: damaged" in printed.err
    assert f"{moments}: damaged" in printed.err
    assert "0 measurements and 0 networks' moments" in printed.out
    monkeypatch.setenv("GROKKIT_RESULTS", str(home / "nothing"))
    home.joinpath("nothing").mkdir()
    cli("verify", 1)


def test_a_misspelt_folder_of_results_is_an_error_and_trains_nothing(home, small, monkeypatch, cli):
    monkeypatch.setenv("GROKKIT_RESULTS", str(home / "resluts"))
    for line in ("list", "run small", "verify"):
        assert "GROKKIT_RESULTS must be a folder or nothing, got" in cli(line, 2).err
    assert not list(home.rglob("*.parquet"))


def test_that_there_are_no_results_is_said_unless_none_are_asked_for(home, small, cli, monkeypatch):
    assert cli("list").err == ""  # GROKKIT_RESULTS is nothing
    monkeypatch.delenv("GROKKIT_RESULTS")
    monkeypatch.setattr("grokkit.store.store.SHIPPED", home / "results")
    assert cli("list").err == f"{NO_RESULTS}\n"


def test_gc_names_what_it_deletes(home, small, cli):
    train(small, Store())
    Store().save_checkpoint(checkpoint(small[0]))
    (home / "records" / "x.parquet.damaged").touch()
    gone = f"checkpoints/{small[0].key}.safetensors\n1 files deleted from {home}\n"
    assert cli("gc", of=grokkit_main).out == gone
    assert "records/x.parquet.damaged\n" in cli("gc --damaged", of=grokkit_main).out
    assert Store().get(small[0]) is not None


# --- the estimate


def test_an_estimate_counts_gradients_evaluations_and_waiting_for_inits():
    first = Run(p=5, dataset_size=20, epochs=1000, n_logged=50, model=TINY, keep_weights=True)
    alone = estimate.run_seconds(first, 0, MACHINE)
    assert alone == pytest.approx(1000 * 0.001 + 50 * 0.001, rel=0.01)  # too small for FLOP
    assert estimate.run_seconds(first, 500, MACHINE) == pytest.approx(alone / 2)
    runs = {replace(first, seed=seed): 0 for seed in range(4)}
    assert estimate.seconds(runs, MACHINE) == pytest.approx(2 * alone)  # two at a time
    assert estimate.seconds({first: 0}, MACHINE) == pytest.approx(alone)
    child = replace(first, dataset_size=9, init=first)
    assert estimate.seconds({child: 0, first: 0}, MACHINE) == pytest.approx(2 * alone, rel=0.01)
    assert estimate.seconds({child: 0}, MACHINE) == pytest.approx(alone, rel=0.01)
    exact = replace(first, **MINIMISER)
    gradient = 2 * 0.001 * estimate.FULL_HISTORY
    exactly = 1000 * gradient + 50 * 0.002
    assert estimate.run_seconds(exact, 0, MACHINE) == pytest.approx(exactly, rel=0.01)
    steep = estimate.run_seconds(replace(first, steepness=1e-4), 0, MACHINE)
    assert steep == pytest.approx(alone + 50 * (1 + 2 * estimate.STEPS) * 0.001, rel=0.01)


def test_muons_iteration_costs_the_flop_that_torch_counts():
    usual, counted = Run(p=7, dataset_size=20, model=TINY), []
    for run in (usual, replace(usual, muon=0.2)):
        stack = Stack([run], [start(run, Store())], CPU)
        with FlopCounterMode(display=False) as counter:
            stack.advance()
        counted.append(counter.get_total_flops())
    assert counted[1] - counted[0] == estimate._muon_flop(run) > 0 == estimate._muon_flop(usual)
    assert estimate._epoch_seconds(run, MACHINE) > estimate._epoch_seconds(usual, MACHINE)


def test_a_line_through_two_measurements_or_through_the_origin():
    few, many = plan.flop(estimate.SMALL), plan.flop(estimate.LARGE)
    speed = estimate._fit(0.001 + 1e-11 * few, 0.001 + 1e-11 * many, plan.flop)
    assert speed.coef == pytest.approx((0.001, 1e-11))
    assert estimate._fit(2.0, 1.0, plan.flop) == Polynomial([0.0, 1.0 / many])


def test_the_measurement_takes_seconds_and_gives_seconds_above_zero(monkeypatch):
    monkeypatch.setattr(estimate, "SECONDS", 0.0)
    machine = estimate.measure(CPU)
    assert machine.at_a_time == torch.get_num_threads()
    for exact in (False, True):
        for speed in (machine.epoch[exact], machine.evaluation[exact]):
            assert 1e-5 < speed(1e9) < 100
