"""Run it yourself: the saved executions are what their commands say, and the recipe works."""

import re
import shlex
from itertools import chain

import pytest
import rerun
from test_parameters import defaults

from grokkit import tasks
from grokkit.sweeps.plan import with_inits
from varma2023 import profiles, theme
from varma2023.efficiency.sweeps import generalising, memorising
from varma2023.publish import chapters, reruns
from varma2023.publish.notebook import check_parameters
from varma2023.publish.reruns import Rerun
from varma2023.semi_grokking import sweeps
from varma2023.ungrokking.sweeps import a_million

SAVED = reruns.load()
CHAPTER = (chapters.BOOK / "chapters/run_it_yourself.md").read_text(encoding="utf-8")


def test_a_rerun_tables_its_cost_its_verdicts_and_its_values():
    values = {"verdict-F1a": "holds", "fits": "70"}
    example = Rerun("another modulus", "", {}, 61.4, 50.2, 5, 9100, values, {})
    assert example.verdicts == {"F1a": "holds"}
    assert "9,100" in reruns.cost_table([example])
    html = reruns.values_table(example, {"fits": "train accuracy 1"})
    assert "<td>train accuracy 1</td><td>70</td>" in html
    assert "<td>verdict: Fig. 1a, grokking</td><td>holds</td>" in html
    with pytest.raises(KeyError):
        reruns.values_table(example, {"nothing": ""})


def test_the_saved_ones_are_those_of_the_script():
    cases = rerun.CASES.items()
    asked = [(name, f"chapters/{chapter}", given) for name, (chapter, _, given) in cases]
    assert [(r.name, r.chapter, r.parameters) for r in SAVED] == asked
    assert all(r.verdicts and r.seconds > 0 for r in SAVED)


@pytest.mark.parametrize("r", SAVED, ids=lambda r: r.name)
def test_a_saved_one_trained_what_its_parameters_ask_for(r):
    known = defaults(r.chapter)
    assert {"profile", *r.parameters} <= set(known)  # papermill would only warn about another
    check_parameters(profiles.grokking, **{**dict.fromkeys(known), **r.parameters})
    given = {k: v for k, v in r.parameters.items() if k != "profile"}
    runs = profiles.grokking("quick", **given)
    if r.chapter.endswith("01_introduction"):
        runs += profiles.ungrokking("quick", **given)
        runs += [*sweeps.semi_grokking("quick"), *sweeps.semi_grokking_again("quick")]
        runs += [*memorising("quick"), *generalising("quick"), *a_million("quick")]
    else:
        runs += profiles.ungrokking_at_first("quick", seeds=1)[:1]
    runs = [*chain(*with_inits(runs))]
    assert r.networks == len(runs)
    assert r.epochs == sum(run.epochs for run in runs)


@pytest.mark.parametrize("r", SAVED, ids=lambda r: r.name)
def test_a_saved_figure_is_fit_to_print_with_the_command_that_was_run(r):
    fig = theme.show(r.drawn())
    assert len(fig.data) > 1
    assert len(theme.alt(fig)) > 40
    lines = CHAPTER.replace("\\\n", "").splitlines()
    printed = [shlex.split(line) for line in lines if line.startswith("papermill")]
    given = [part for name, value in r.parameters.items() for part in ("-p", name, str(value))]
    assert ["papermill", f"book/{r.chapter}.ipynb", "out.ipynb", *given] in printed


def test_the_recipe_for_a_task_works(monkeypatch):
    [name, rule] = re.search(r'^    "(.+)": (lambda .+),$', CHAPTER, re.MULTILINE).groups()
    operation = eval(rule)
    monkeypatch.setitem(tasks.MODULAR, name, operation)
    task = tasks.task(name, 11)
    assert task.labels.tolist() == [operation(x, y, 11) for x, y in task.inputs.tolist()]
    assert profiles.grokking("quick", task=name, seeds=1)[0].task == name
