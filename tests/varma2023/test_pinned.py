"""What follows from a train set of x + y: small ones worked by hand, and against ranks."""

import evidence as made
import numpy as np
import pytest

from grokkit import tasks
from varma2023.ungrokking import pinned

FIVE = tasks.task("x+y", 5)


def rows(*pairs):
    """The rows of these examples (x, y)."""
    return np.array([5 * x + y for x, y in pairs], dtype=int)


TWO_ROWS = [(x, y) for x in (0, 1) for y in range(5)]
JUST_ENOUGH = [*TWO_ROWS, (2, 0), (3, 3), (4, 1)]  # 3 p - 2


@pytest.mark.parametrize(
    ("pairs", "part"),
    [
        ([], 0),
        ([(2, 3)], 1 / 25),  # itself alone
        ([(0, y) for y in range(5)], 1 / 5),  # no other x is known
        (TWO_ROWS, 2 / 5),
        (JUST_ENOUGH[:-1], 4 / 5),
        (JUST_ENOUGH, 1),
        # y from 0 to 1 is x from 0 to 1, and so is y from 1 to 2; x from 1 to 2 is y from 0 to 1
        ([(0, 1), (1, 0), (0, 2), (1, 1), (2, 0)], 5 / 25),
        ([(0, 1), (1, 0), (0, 2), (1, 1), (2, 0), (1, 2)], 7 / 25),  # so (2, 1) is (1, 2)
    ],
)
def test_what_follows_from_a_few_examples(pairs, part):
    assert pinned.follows(FIVE, rows(*pairs)) == pytest.approx(part)


def slowly(task, chosen):
    """The same, by the rank of the equations without and with each example."""
    matrix = np.zeros((task.n_examples, 3 * task.n_tokens))
    for i, ((x, y), answer) in enumerate(zip(task.inputs, task.labels, strict=True)):
        for column, sign in ((x, 1), (task.n_tokens + y, 1), (2 * task.n_tokens + answer, -1)):
            matrix[i, column] += sign
    rank, known = np.linalg.matrix_rank, matrix[chosen]
    return np.mean([rank(np.vstack([known, each])) == rank(known) for each in matrix])


@pytest.mark.parametrize("p", [3, 5, 7, 11])
def test_an_example_follows_if_it_does_not_raise_the_rank(p):
    task, rng = tasks.task("x+y", p), np.random.default_rng(p)
    for size in (p, 2 * p, 3 * p - 3, min(4 * p, p * p)):
        chosen = rng.permutation(p * p)[:size]
        assert pinned.follows(task, chosen) == pytest.approx(slowly(task, chosen))


def test_the_least_sets_are_the_first_of_the_seeds_order_that_do():
    task = tasks.task("x+y", 11)
    order, _ = tasks.split(task, 121, 3)
    parts = [pinned.follows(task, order[:size]) for size in range(122)]
    assert (np.diff(parts) >= 0).all()
    half, whole = pinned.least(11, 3, 0.5), pinned.least(11, 3)
    assert parts[half - 1] < 0.5 <= parts[half] == pinned.known(11, 3, half)
    assert parts[whole - 1] < 1 == parts[whole]
    assert whole >= 3 * 11 - 2


def test_a_size_that_sets_d_crit_is_seen_in_the_ratio_the_power_and_the_seeds():
    records = []
    for p in (17, 19, 23):
        for seed in range(5):
            share = 1.5 * pinned.least(p, seed) * (113 / p) ** 2  # `sweep` takes shares
            around = [share * part for part in np.geomspace(0.6, 1.6, 9)]
            records += made.sweep((seed,), share, values=(1.0,), sizes=around, p=p)
    records += made.sweep((5,), 1e6, values=(1.0,), p=17)  # its D_crit is not seen
    found = pinned.sizes(records)
    assert {p: rows.shape for p, rows in found.items()} == dict.fromkeys((17, 19, 23), (5, 4))
    for rows in found.values():
        assert rows[:, 0] / rows[:, 2] == pytest.approx(1.5, rel=0.06)
        assert (rows[:, 3] == 1).all()  # at D_crit all follows
    assert pinned.over_text(found, 2).startswith("1.5")
    assert pinned.over_text(found, 2).count("at p = ") == 3
    assert pinned.power(found, 0) == pytest.approx(pinned.power(found, 2), abs=0.1)
    assert pinned.rank(found, 2).value > 0.9
    assert abs(pinned.rank(found, 1).value) < pinned.rank(found, 2).value
    assert np.isnan(pinned.power({17: found[17]}, 2))
    assert np.isnan(pinned.rank({}, 2).value)
    assert pinned.sizes([]) == {}
