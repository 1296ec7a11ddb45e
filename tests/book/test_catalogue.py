"""The page of the runs: what it counts is what the records hold."""

import numpy as np
from bs4 import BeautifulSoup

from grokkit.runs import Record, Run
from varma2023 import experiments
from varma2023.publish import catalogue

RUNS = [Run(p=5, dataset_size=size, epochs=9, seed=seed) for size in (5, 20) for seed in (0, 1)]


def record(run, commit="abc", stack=1):
    metrics = {"epoch": np.array([0, 9]), "test_accuracy": np.array([0.0, 0.25])}
    process = {"wall_seconds": 3600.0, "commit": commit, "stack": stack}
    return Record(run, metrics, {"processes": [process]})


def body(html: str) -> list[list[str]]:
    """The texts of a table's cells, by row."""
    rows = BeautifulSoup(html, "html.parser").select("tbody tr")
    return [[cell.get_text() for cell in row.select("td")] for row in rows]


def test_hours_of_threads_and_of_cards_are_summed_apart_and_shared_by_a_stack():
    records = [record(run) for run in RUNS] + [record(RUNS[0], stack=4)]
    assert catalogue.hours_text(records, 2) == "4.25 thread-hours"
    records[0].provenance["processes"][0]["threads"] = 2
    records[1].provenance["processes"][0]["device"] = "cuda NVIDIA X"
    assert catalogue.hours_text(records, 2) == "4.25 thread-hours and 1.00 card-hours"
    early = record(RUNS[0], stack=None)  # as in the published runs of Fig. 9
    early.provenance["stack"] = 3
    assert catalogue.hours_text([early], 4) == "0.3333 thread-hours"


def test_what_a_record_says_of_itself_is_text_and_not_html():
    made = record(RUNS[0], commit="<script>x</script>")
    made.provenance["ended"] = "<img src=x>: y"
    for text in (catalogue.catalogue_table({"grokking": [made]}), catalogue.runs_table([made])):
        assert not BeautifulSoup(text, "html.parser").select("script, img")


def test_a_resumed_run_names_every_commit_once():
    first = record(RUNS[0], commit="abc")
    first.provenance["processes"].append({"wall_seconds": 1.0, "commit": "def"})
    assert catalogue.commits([first, record(RUNS[1])]) == ["abc", "def"]


def test_every_experiment_has_a_row_and_those_without_records_say_so():
    rows = body(catalogue.catalogue_table({"grokking": [record(run) for run in RUNS]}))
    for name, cells in zip(experiments.EXPERIMENTS, rows, strict=True):
        assert cells[0].startswith(f"{name}: ")
        assert (cells[1] == "not run") == (name != "grokking")
    assert rows[0][1] == "4"


def test_a_run_stands_with_its_key_and_its_end():
    [cells] = body(catalogue.every_run({"grokking": [record(RUNS[0])]}))
    assert cells == [RUNS[0].key, str(RUNS[0]), "9", "all epochs", "test accuracy 0.250"]
