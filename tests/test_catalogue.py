"""The page of the runs: what it counts is what the records hold."""

import numpy as np
import pytest
from bs4 import BeautifulSoup

from grokkit import analysis, catalogue, experiments
from grokkit.runs import Record, Run

RUNS = [Run(p=5, dataset_size=size, epochs=9, seed=seed) for size in (5, 20) for seed in (0, 1)]


def record(run, seconds=3600.0, commit="abc", stack=1):
    metrics = {"epoch": np.array([0, 9]), "test_accuracy": np.array([0.0, 0.25])}
    process = {"wall_seconds": seconds, "commit": commit, "stack": stack}
    return Record(run, metrics, {"processes": [process]})


def test_a_value_stands_alone_and_several_are_counted():
    assert analysis.span([3, 3]) == "3"
    assert analysis.span([1000, 5, 20], ",") == "5 – 1,000 (3 values)"


def test_hours_are_summed_over_runs_and_shared_by_a_stack():
    records = [record(run) for run in RUNS] + [record(RUNS[0], stack=4)]
    assert catalogue.hours(records) == pytest.approx(4.25)


def test_a_resumed_run_names_every_commit_once():
    first = record(RUNS[0], commit="abc")
    first.provenance["processes"].append({"wall_seconds": 1.0, "commit": "def"})
    assert catalogue.commits([first, record(RUNS[1])]) == ["abc", "def"]


def test_every_experiment_has_a_row_with_its_command_and_those_without_records_say_so():
    made = [record(run) for run in RUNS]
    rows = BeautifulSoup(catalogue.catalogue_table({"grokking": made}), "html.parser")
    rows = rows.select("tbody tr")
    assert len(rows) == len(experiments.EXPERIMENTS)
    for name, row in zip(experiments.EXPERIMENTS, rows, strict=True):
        cells = [cell.get_text() for cell in row.select("td")]
        assert cells[0].startswith(f"{name}: ")
        assert cells[-1] == f"python -m grokkit run {name}"
        assert (cells[1] == "not run") == (name != "grokking")
    assert rows[0].select("td")[1].get_text() == "4"


def test_a_run_stands_with_its_key_and_its_end():
    page = BeautifulSoup(catalogue.every_run({"grokking": [record(RUNS[0])]}), "html.parser")
    cells = [cell.get_text() for cell in page.select_one("tbody tr").select("td")]
    assert cells == [RUNS[0].key, str(RUNS[0]), "9", "all epochs", "test accuracy 0.250"]
