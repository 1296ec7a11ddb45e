"""The scoreboard against `recompute.py`, which reads the same files without the package."""

import re

import numpy as np
import pytest
import recompute

from grokkit.store.store import Store
from varma2023.experiments import EXPERIMENTS

TWICE = {"ungrokking", "convergence", "moduli", "two_minima"}
"""Experiments with runs from two trainings of one start, on two processors (choices C46, C50)."""


IN_ANOTHER_ORDER = {"F8wd", "B16", "B18", "B35", "B37"}  # than on the board


def test_the_board_says_the_same_numbers(board):
    for claim, texts in recompute.rows_of_the_board().items():
        ours, at = f"^{board[claim].ours}", 0
        for text in texts:
            at = ours.find(text, 0 if claim in IN_ANOTHER_ORDER else at)
            assert at >= 0, f"{claim}: {text}"
            at += len(text)


def test_the_criteria_of_b29_have_the_same_numbers(board):
    *_, same, pairs, low, rest = recompute.left_at_113()
    text = "; ".join(board["B29"].further)
    assert f"({same} of {pairs};" in text
    assert f"in the middle ({low} of {rest})" in text


def test_rows_whose_runs_changed_keep_their_earlier_verdict(board):
    names = "F1b F7 F8 F3c,d F4wd F8wd F10b B2 B8 B9 B12 B13 B14 B15 B17 B18 B23 B28 B39".split()
    assert [name for name in (*names, "B29", "B41") if not board[name].before] == []
    assert board["F11"].before.startswith("fails, without the later runs (C9)")


def test_a_row_with_fewer_than_five_seeds_says_why(board):
    few = {name for name, result in board.items() if result.few}
    made = {name: result.evidence.seeds for name, result in board.items() if result.evidence}
    assert few == {name for name, seeds in made.items() if seeds is not None and seeds < 5}


def test_as_many_ends_are_at_rest_and_the_limit_is_right_as_often(board):
    for name, met, of in recompute.resting():
        assert f"({met} of {of})" in str(board[name].further), name


def test_two_estimators_of_an_exponent_agree(board):
    """Least squares against medians: within 0.02 for memory's 0.34, 0.005 for the rule's 0."""
    rule = [row for row in recompute.read("generalising") if recompute.rests(row)]
    of_both = [recompute.exponent(rows) for rows in (recompute.read("memorising"), rule)]
    for name, found, within in zip(("F3a,b", "F3c,d"), of_both, (0.02, 0.005), strict=True):
        ours = float(re.search(r"to the power (-?[\d.]+)", board[name].ours)[1])
        assert ours == pytest.approx(found, abs=within)
    assert of_both[0] > 10 * abs(of_both[1])


def test_two_readings_of_the_time_with_grokfast_agree(board):
    """Up to an accuracy of 1/2, or half-way from what mirror images give, by another mean."""
    ours = float(re.search(r"× ([\d.]+).* with Grokfast;", board["B27"].ours)[1])
    found = recompute.with_grokfast(*map(recompute.read, ("grokfast", "delay")))
    assert ours == pytest.approx(found, rel=0.1)


def test_what_is_compared_within_a_seed_starts_from_one_network():
    """Another processor rounds otherwise, and a network that it trains forgets at another size."""
    shipped = {row.run.key: row for row in Store().shipped_rows()}
    found = set()
    for name, experiment in EXPERIMENTS.items():
        norms: dict = {}
        for run in experiment.runs("published"):
            if run.init and (record := shipped.get(run.key)):
                norms.setdefault(run.init, []).append(record["param_norm"][0])
        if any(np.ptp(each) > 1e-4 * each[0] for each in norms.values()):
            found.add(name)
    assert found == TWICE


def test_the_minimiser_leads_all_networks_of_b32_to_the_rule():
    """As the page says, in words."""
    ends = map(recompute.read, ("semi_grokking_ends", "slower"))
    assert recompute.above_a_half(*ends) == (8, 8, 0)
