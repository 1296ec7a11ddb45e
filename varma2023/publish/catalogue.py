"""Where the numbers of the book come from: the shipped runs by experiment, and how to redo them."""

from collections.abc import Mapping
from html import escape

from grokkit.runs import Records
from varma2023.experiments import EXPERIMENTS
from varma2023.measures import run_facts
from varma2023.tables import table


def hours_text(records: Records, digits: int = 0) -> str:
    """Hours that training these records took: of single threads, and of whole cards if any.

    A process that trained a stack of runs notes its time with each of them; a run has its share.
    """
    spent = {"thread": 0.0, "card": 0.0}
    for record in records:
        for process in record.provenance.get("processes", []):
            # records of early versions note their stack once, beside the processes
            stack = process.get("stack") or record.provenance.get("stack") or 1
            share = process.get("wall_seconds", 0.0) / stack / 3600
            if process.get("device", "cpu").startswith("cpu"):
                spent["thread"] += share * process.get("threads", 1)
            else:
                spent["card"] += share
    told = {of: f"{spent[of]:,.{digits}f}" for of in spent if spent[of] or of == "thread"}
    return " and ".join(f"{n} {of}-hour{'s' * (n != '1')}" for of, n in told.items())


def commits(records: Records) -> list[str]:
    """The commits at which the records were made, in order of appearance."""
    made = (process for r in records for process in r.provenance.get("processes", []))
    return list(dict.fromkeys(str(process.get("commit") or "unknown") for process in made))


def catalogue_table(records: Mapping[str, Records]) -> str:
    """One row an experiment: what it is for, its runs, their cost, and the commits of its code."""
    rows = []
    for name, experiment in EXPERIMENTS.items():
        here = records.get(name, ())
        runs = [record.run for record in here] or experiment.runs("published")
        about = f"{name}: {experiment.figures}", len(here) or "not run", ", ".join(run_facts(runs))
        code = ", ".join(f"<code>{escape(commit)}</code>" for commit in commits(here))
        rows.append((*about, hours_text(here, 1) if here else "", code))
    return table("experiment | runs | what | time | code", rows)


def runs_table(records: Records) -> str:
    """Every run of one experiment: its key, what it is, how long it was, how and where it ended."""
    rows = []
    for record in records:
        metric = "test_accuracy" if "test_accuracy" in record.metrics else "train_accuracy"
        ended = escape(record.ended.split(":")[0]) or "all epochs"
        end = f"{metric.replace('_', ' ')} {record.final(metric):.3f}"
        epochs = f"{int(record['epoch'][-1]):,}"
        rows.append([f"<code>{record.run.key}</code>", record.run, epochs, ended, end])
    return table("key | run | epochs or gradients | ended by | at the end", rows)


def every_run(records: Mapping[str, Records]) -> str:
    """The tables of all runs, folded away, one for each experiment."""
    return "".join(
        f"<details><summary>{name}: {len(here)} runs</summary>{runs_table(here)}</details>"
        for name, here in records.items()
    )
