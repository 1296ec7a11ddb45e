"""Tasks: the rules against independent arithmetic, splits, random labels, errors."""

import re
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers, sampled_from
from tiny import SMALL_TASKS

from grokkit import tasks
from grokkit.runs import Run


def rule(name: str, x: int, y: int, p: int) -> int:
    """The label by counting: the inverse of y is the z with z y = 1."""
    over = next((z for z in range(p) if z * y % p == 1), None)
    return {
        "x+y": lambda: x + y,
        "x-y": lambda: x - y,
        "x*y": lambda: x * y,
        "x/y": lambda: x * over,
        "x/y or x-y": lambda: x * over if y % 2 else x - y,
        "x^2+y^2": lambda: x**2 + y**2,
        "x^2+xy+y^2": lambda: x**2 + x * y + y**2,
    }[name]() % p


@pytest.mark.parametrize("p", [3, 5, 13])
@pytest.mark.parametrize("name", tasks.MODULAR)
def test_modular_labels_follow_the_rule(name, p):
    task = tasks.task(name, p)
    assert [rule(name, x, y, p) for x, y in task.inputs.tolist()] == task.labels.tolist()
    assert task.n_examples == (p * (p - 1) if name == "x/y" else p * p)


@pytest.mark.parametrize("name", tasks.PERMUTATION)
def test_permutation_labels_compose_matrices(name):
    # independent: permutation matrices P_x[i, x(i)] = 1 multiply in the same order as "left first"
    elements, _ = tasks.symmetric_group(4)
    assert elements.tolist() == [list(element) for element in permutations(range(4))]
    matrices = [np.eye(4, dtype=int)[element] for element in elements]
    task = tasks.task(name, 4)
    assert (task.n_tokens, task.n_examples) == (24, 576)
    for (x, y), label in zip(task.inputs, task.labels, strict=True):
        X, Y = matrices[x], matrices[y]
        expected = {"S_n: xy": X @ Y, "S_n: xyx^-1": X @ Y @ X.T, "S_n: xyx": X @ Y @ X}[name]
        assert (matrices[label] == expected).all()


@given(sampled_from(SMALL_TASKS), integers(0, 2**20), integers(0, 2**20), integers(0, 2**20))
def test_a_split_covers_everything_never_overlaps_and_grows_with_its_size(which, seed, one, other):
    task = tasks.task(*which)
    small, large = sorted(1 + size % task.n_examples for size in (one, other))
    train, test = tasks.split(task, large, seed)
    assert len(train) == large
    assert sorted([*train, *test]) == list(range(task.n_examples))
    assert set(tasks.split(task, small, seed)[0]) <= set(train)


@given(integers(0, 50), integers(0, 500))
def test_a_train_set_holds_all_mirror_images_or_none(seed, size):
    task = tasks.task("x+y", 11)
    examples = task.inputs.tolist()

    def held(size: int, mirrors: str) -> set[tuple[int, int]]:
        rows, rest = tasks.split(task, size, seed, mirrors)
        assert sorted([*rows, *rest]) == list(range(121))
        return {tuple(examples[row]) for row in rows}

    whole, single = held(1 + size % 121, "all"), held(1 + size % 66, "none")
    assert sum((y, x) not in whole for x, y in whole) <= 1  # the last may wait for its own
    assert all(x == y or (y, x) not in single for x, y in single)
    assert held(66, "none") >= single
    assert held(min(121, len(whole) + 9), "all") >= whole


def test_splits_differ_between_seeds():
    one, other = (tasks.split(tasks.task("x+y", 23), 100, seed)[0] for seed in (0, 1))
    assert (one != other).any()


def test_random_labels_are_uniform_and_unrelated_to_the_rule():
    task = tasks.task("x+y", 113)
    labels = tasks.random_labels(task, 3)
    counts = np.bincount(labels, minlength=113)
    chi_squared = ((counts - 113) ** 2 / 113).sum()  # 112 degrees of freedom: 112 +- 15
    assert 112 - 75 < chi_squared < 112 + 75
    assert (labels == task.labels).mean() == pytest.approx(1 / 113, abs=0.006)
    assert (labels == tasks.random_labels(task, 3)).all()
    assert (labels != tasks.random_labels(task, 4)).any()


@pytest.mark.parametrize(
    "rule",
    [
        lambda x, y, p: x**3 + y,  # not an answer: beyond p
        lambda x, y, p: x - y,  # below 0
        lambda x, y, p: (x + y) % p / 1,  # no integer
        lambda x, y, p: (x + y) % p == 0,
        lambda x, y, p: 1,  # not one for each example
    ],
)
def test_a_rule_that_does_not_give_answers_is_named(rule, monkeypatch):
    monkeypatch.setitem(tasks.MODULAR, "mine", rule)
    with pytest.raises(ValueError, match=r"mine: a rule gives 25 integers in 0\.\.4, got"):
        tasks.task("mine", 5)


@pytest.mark.parametrize("name", ["mine", "x*y"])
def test_another_rule_of_a_name_is_another_task_and_another_run(monkeypatch, name):
    found = [Run("x*y", 7, 20).key]
    for times in (1, 2):
        monkeypatch.setitem(tasks.MODULAR, name, lambda x, y, p, k=times: (x + k * y) % p)
        run = Run(name, 7, 20)
        assert run.operation.labels.tolist() == [(x + times * y) % 7 for x, y in np.ndindex(7, 7)]
        found.append(run.key)
    assert len({*found}) == 3
    for array in (run.operation.inputs, run.example_labels()):  # every such run has these
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


SUMS = tasks.task("x+y", 7)


@pytest.mark.parametrize(
    ("call", "arguments", "says"),
    [
        (tasks.task, ("x/y", 4), "prime modulus p, got 4"),
        (tasks.task, ("x/y or x-y", 9), "prime modulus p, got 9"),
        (tasks.task, ("x+y", 2), "at least 3, got 2"),
        (tasks.task, ("x^y", 113), "got 'x^y'"),
        (tasks.task, ("S_n: xy", 6), "must be 2..5, got 6"),
        (tasks.task, ("x+y", True), "must be an integer, got True"),
        (tasks.task, ("x+y", 7.0), "p must be an integer, got 7.0"),
        (tasks.split, (SUMS, 0, 0), "must be 1..49, got 0"),
        (tasks.split, (SUMS, 50, 0), "must be 1..49, got 50"),
        (tasks.split, (SUMS, 5, 0, "ALL"), "mirrors must be one of any, all, none, got 'ALL'"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(call, arguments, says):
    tasks.task("x+y", 7)  # what is kept of it is no answer for 7.0
    with pytest.raises(ValueError, match=re.escape(says)):
        call(*arguments)
