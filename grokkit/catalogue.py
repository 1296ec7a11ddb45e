"""Where the numbers of the book come from: the shipped runs by experiment, and how to redo them."""

from collections.abc import Mapping, Sequence

from grokkit.analysis import described_runs
from grokkit.experiments import EXPERIMENTS
from grokkit.runs import Record
from grokkit.tables import html_table


def hours(records: Sequence[Record]) -> float:
    """Hours that training these records took, of one thread or of a whole card, summed."""
    seconds = [
        process.get("wall_seconds", 0.0) / max(process.get("stack", 1), 1)
        for record in records
        for process in record.provenance.get("processes", [])
    ]
    return sum(seconds) / 3600


def commits(records: Sequence[Record]) -> list[str]:
    """The commits at which the records were made, in order of appearance."""
    found = [
        process.get("commit", "") or "unknown"
        for record in records
        for process in record.provenance.get("processes", [])
    ]
    return list(dict.fromkeys(found))


def catalogue_table(records: Mapping[str, Sequence[Record]]) -> str:
    """One row an experiment: what it is for, its runs, their cost and code, and the command."""
    rows = []
    for name, experiment in EXPERIMENTS.items():
        here = records.get(name, ())
        command = f"<code>python -m grokkit run {name}</code>"
        if here:
            runs = [record.run for record in here]
            cells = [str(len(here)), described_runs(runs), f"{hours(here):.1f}"]
            cells.append(", ".join(f"<code>{commit}</code>" for commit in commits(here)))
        else:
            cells = ["not run", described_runs(experiment.runs("published")), "", ""]
        rows.append([f"{name}: {experiment.figures}", *cells, command])
    head = ["experiment", "runs", "what", "hours", "code", "to do it again"]
    return html_table(head, rows)


def runs_table(records: Sequence[Record]) -> str:
    """Every run of one experiment: its key, what it is, how it ended, what made it."""
    rows = []
    for record in records:
        metric = "test_accuracy" if "test_accuracy" in record.metrics else "train_accuracy"
        ended = record.ended.split(":")[0] or "all epochs"
        rows.append(
            [
                f"<code>{record.run.key}</code>",
                str(record.run),
                f"{int(record['epoch'][-1]):,}",
                ended,
                f"{metric.replace('_', ' ')} {record.final(metric):.3f}",
            ]
        )
    return html_table(["key", "run", "epochs or evaluations", "ended by", "at the end"], rows)


def every_run(records: Mapping[str, Sequence[Record]]) -> str:
    """The tables of all runs, folded away, one for each experiment."""
    return "".join(
        f"<details><summary>{name}: {len(here)} runs</summary>{runs_table(here)}</details>"
        for name, here in records.items()
    )
