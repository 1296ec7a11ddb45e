"""The scoreboard against `recompute.py`, which reads the same files without the package."""

import re
from pathlib import Path

import pytest
import recompute
from recompute import headlines
from scipy.stats import gmean


@pytest.fixture(scope="module")
def numbers():
    return headlines()


def averaged(values: list[float], spec: str, of=lambda value: value) -> str:
    """How the board prints a geometric mean, and goes on with each where there are few seeds."""
    few = ", ".join(format(of(value), spec) for value in values) if len(values) < 5 else ""
    return f"{format(of(gmean(values)), spec)} ({few}"


def summary(values: list[float]) -> str:
    middle = sorted(values)[len(values) // 2]
    return f"{middle:,.0f} ({min(values):,.0f} – {max(values):,.0f})"


def test_grokking_and_ungrokking_have_these_epochs_and_ends(numbers, board):
    assert board["F1a"].ours == (
        f"{summary(numbers['epochs of fit'])}; {summary(numbers['epochs of generalisation'])}"
    )
    ends = numbers["ungrokked"]
    said = ", ".join(f"{size:,}: {accuracy:.2f}" for size, accuracy in ends.items())
    assert said in board["F7"].ours
    assert board["F1b"].ours.startswith(f"{ends[min(ends)]:.2f} (")


@pytest.mark.parametrize(
    ("claim", "name", "before"),
    [
        ("F4", "D_crit", "D_crit "),
        ("F4", "D_crit by AdamW", "by L-BFGS, "),
        ("A.2", "D_crit down", "D_crit "),
        ("A.2", "D_crit up", "at most "),
        ("B3", "D_crit up", "at most "),
    ],
)
def test_d_crit_is_the_same_by_both_readings(numbers, board, claim, name, before):
    assert before + averaged(numbers[name], ",.0f") in board[claim].ours


@pytest.mark.parametrize(("name", "before"), [("shift", "moves by "), ("shift by AdamW", "AdamW ")])
def test_d_crit_moves_as_far_with_weight_decay(numbers, board, name, before):
    factors = [1 + each for each in numbers[name]]
    assert before + averaged(factors, "+.1%", lambda value: value - 1) in board["F4wd"].ours


def test_as_many_ends_are_at_rest(numbers, board):
    for name, (resting, of) in numbers["at rest"].items():
        assert f"({resting} of {of})" in board[name].criteria, name


def test_two_estimators_of_an_exponent_agree(numbers, board):
    """Least squares against medians: within 0.02 for memory's 0.34, 0.005 for the rule's 0."""
    for name, which, within in (("F3a,b", "memory", 0.02), ("F3c,d", "the rule", 0.005)):
        ours = float(re.search(r"to the power (-?[\d.]+)", board[name].ours)[1])
        assert ours == pytest.approx(numbers[f"exponent of {which}"], abs=within)
    assert numbers["exponent of memory"] > 10 * abs(numbers["exponent of the rule"])


def test_the_ratio_of_logits_has_the_rank_and_range(numbers, board):
    assert f"rank correlation {numbers['rank of the ratio']:.2f} " in board["F10a"].ours
    assert f"over {numbers['decades']:.1f} decades" in board["F10a"].ours
    assert f"rank correlation {numbers['rank of accuracy']:.2f} " in board["F10b"].ours


def test_semi_grokked_runs_end_in_the_middle_and_this_many_stay(numbers, board):
    assert all(0.5 < end <= 0.95 for end in numbers["semi-grokked"])
    stay = [end for end in numbers["longer"] if end <= 0.95]
    assert board["F1c"].ours.startswith(f"{len(stay)} of {len(numbers['longer'])} stay")
    assert f"the example is at {stay[0]:.1%}" in board["F1c"].ours
    assert f"{len(numbers['semi-grokked'])} semi-grokked" in board["F5"].ours


def test_as_many_tasks_ungrok_and_pairs_end_alike(numbers, board):
    assert f"in {numbers['tasks that ungrok']} of {numbers['tasks']} tasks" in board["F8"].ours
    alike, of = numbers["pairs alike"]
    assert board["B6"].ours.startswith(f"{alike} of {of} pairs end alike")


def test_the_script_reads_without_the_package():
    text = Path(recompute.__file__).read_text(encoding="utf-8")
    assert not re.search(r"^\s*(from|import) grokkit", text, re.MULTILINE)
