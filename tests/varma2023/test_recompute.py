"""The scoreboard against `recompute.py`, which reads the same files without the package."""

import re
from math import log

import numpy as np
import pytest
from recompute import headlines
from scipy.stats import gmean

from grokkit.store.store import Store
from varma2023.experiments import EXPERIMENTS

TWICE = {"ungrokking", "convergence", "moduli", "two_minima"}
"""Experiments with runs from two trainings of one start, on two processors (choices C46, C50)."""


@pytest.fixture(scope="module")
def numbers():
    return headlines()


def averaged(values: list[float], spec: str = ",.0f", of=lambda value: value) -> str:
    """How the board prints a geometric mean, and goes on with each where there are few seeds."""
    few = ", ".join(format(of(value), spec) for value in values) if len(values) < 5 else ""
    return f"{format(of(gmean(values)), spec)} ({few}"


def shift(values: list[float]) -> str:
    return averaged([1 + value for value in values], "+.1%", lambda factor: factor - 1)


def summary(values: list[float]) -> str:
    middle = sorted(values)[len(values) // 2]
    return f"{middle:,.0f} ({min(values):,.0f} – {max(values):,.0f})"


def off(p: int, crits: dict[int, list[float]]) -> float:
    """D_crit at p over what c p ln p says, with c from 53 and 113, less 1."""
    constant = gmean([gmean(crits[q]) / (q * log(q)) for q in (53, 113)])
    return gmean(crits[p]) / (constant * p * log(p)) - 1


def said(n: dict) -> dict[str, list[str]]:
    """By claim, what its row must say of these numbers; `^` is the beginning."""
    ends, (alike, pairs) = n["ungrokked"], n["pairs alike"]
    stay = [end for end in n["longer"] if end <= 0.95]
    up = f"at most {averaged(n['D_crit up'])}"
    crits = n["D_crit by modulus"]
    new = [p for p in crits if p not in (53, 113)]
    return {
        "F1a": [
            f"^fitted by epoch {summary(n['epochs of fit'])}",
            f"; generalised by {summary(n['epochs of generalisation'])}",
        ],
        "F1b": [f"^{ends[min(ends)]:.2f} ("],
        "F7": [", ".join(f"{size:,}: {accuracy:.2f}" for size, accuracy in ends.items())],
        "F4": [
            f"D_crit {averaged(n['D_crit'])}",
            "L-BFGS; by AdamW at least {:,.0f} – {:,.0f} by".format(
                *(pick(map(gmean, n["D_crit by AdamW"].values())) for pick in (min, max))
            ),
        ],
        "F4wd": [
            f"^from least to most weight decay D_crit moves by {shift(n['shift'])}",
            f"AdamW {shift(n['shift by AdamW'])}",
            f"at equal decay times, {shift(n['shift at equal epochs'])}",
        ],
        "A.2": [f"D_crit at least {averaged(n['D_crit down'])}", up],
        "B3": [up],
        "F10a": [
            f"rank correlation {n['rank of the ratio']:.2f} ",
            f"over {n['decades']:.1f} decades",
        ],
        "F10b": [f"rank correlation {n['rank of accuracy']:.2f} "],
        "F1c": [f"^{len(stay)} of {len(n['longer'])} stay", f"the example is at {stay[0]:.1%}"],
        "F5": [f"{len(n['semi-grokked'])} semi-grokked"],
        "F8": [f"in {n['tasks that ungrok']} of {n['tasks']} tasks"],
        "B2": [f"seed {i}: predicted {d:,.0f}," for i, d in enumerate(n["D at 113"])],
        "B6": [f"^{alike} of {pairs} pairs end alike"],
        "B11": [
            f"time to grok × {n['time to grok']:.2f} (",
            f"accuracy ½ × {n['half size']:.2f} (",
        ],
        "B13": [
            *(f"at p = {p}: {averaged(crits[p])}" for p in new),
            "off p ln p: " + ", ".join(f"{off(p, crits):+.0%} at {p}" for p in new),
        ],
        "B14": [f"end in memory up to {averaged(n['D_crit of fresh networks'])}"],
        "B15": [f"{averaged(c)}" for c in n["D_crit by width"].values()],
        "B16": [f"{averaged(c)}" for c in n["D_crit by mirrors"].values()],
        "B18": [
            f"^D_crit {averaged(crits[31])}",
            *(averaged(d) for d in n["D of equal costs"].values()),
            *(
                f"predicted {gmean(n['D_crit of these']) / gmean(d):.2f} ("
                for d in n["D of equal costs"].values()
            ),
        ],
        "B34": [f"ln t differs by {n['spread of waits at 53']:.2f} ("],
        "B20": [f"at an equal Eq. (2) on {summary(n['D of equal minima'])} examples"],
        "B21": [averaged(n["half size by rate"][rate]) for rate in (1e-3, 8e-3)],
        "B28": [averaged(n["half size by rate at 53"][rate]) for rate in (1e-3, 8e-3)],
        "B38": [
            f"{{}} of {{}} at η = {rate:g}".format(*n["above a half by rate and ε"][rate, eps])
            for rate, eps in ((1e-3, 1e-8 / 16), (16e-3, 1e-8))
        ],
        "S7": [
            f"{k} of 5 on {size:,} examples{'' if lr == 1e-3 else f', η = {lr:g}'}"
            + (f", ε = {eps:g}" if eps < 1e-8 else "")
            for (size, lr, eps), k in n["without decay"].items()
        ],
        "B22": [f"{k} of {of} with" for k, of in n["above a half by momentum"][:2]],
        "B23": [f"{k} of {of} at {size}" for size, (k, of) in n["come back"].items()],
        "B24": ["^{} of {} end in the middle, {} of them".format(*n["left in the middle"])],
        "B29": ["^{} of {} end in the middle, {} of them".format(*n["left in the middle at 113"])],
        "B25": [f"^{k} of {of} gen" for k, of in n["left memory at a lower rate"].values()],
        "B36": [f"^{k} of {of} gen" for k, of in n["left memory with noise"].values()],
        "B35": [
            f"{k} of {of} {f'generalise clipped at {clip:g} ε' if clip else 'as they are'}"
            for clip, (k, of) in n["left memory by clip"].items()
        ],
        "B30": [
            f"^{sum(map(bool, own))} of {len(own)} spike on {size:,} examples, at a steepness "
            f"before of {summary([np.median(each) for each in own])},"
            for size, own in [*n["before spikes"].items()][:1]
        ],
        "B31": [
            f"{summary(own)} while calm on {size:,} examples"
            for size, own in n["while fresh"].items()
        ],
        "B32": ["^{} of {} end above ½".format(*n["above a half at a smaller rate"])],
        "B33": [
            "^× {:.2g} – {:.2g} by setting".format(
                *(f(n["steepness of memory"]) for f in (min, max))
            )
        ],
        "B37": [
            f"memory's ∝ D to the power {memory:.2f} ("
            for memory, _ in n["steepness with size"].values()
        ]
        + [f"the rule's {rule:.2f} (" for _, rule in n["steepness with size"].values()],
        "B26": [averaged(crits) for crits in n["half size by gain"].values()],
        "B12": [f"{k} of {of} at D = {D:,}" for D, (k, of) in n["left memory"].items()],
    }


def test_the_board_says_the_same_numbers(numbers, board):
    for claim, texts in said(numbers).items():
        for text in texts:
            assert text in f"^{board[claim].ours}", claim


def test_the_criteria_of_b29_have_the_same_numbers(numbers, board):
    *_, same, pairs, low, rest = numbers["left in the middle at 113"]
    text = "; ".join(board["B29"].further)
    assert f"({same} of {pairs};" in text
    assert f"in the middle ({low} of {rest})" in text


def test_rows_whose_runs_changed_keep_their_earlier_verdict(board):
    names = "F1b F7 F8 F3c,d F4wd F10b B2 B8 B9 B12 B13 B15 B18 B23 B28 B39".split()
    assert [name for name in (*names, "B29") if not board[name].before] == []


def test_as_many_ends_are_at_rest_and_the_limit_is_right_as_often(numbers, board):
    for name, (met, of) in [*numbers["at rest"].items(), ("B33", numbers["limit right"])]:
        assert f"({met} of {of})" in str(board[name].further), name


def test_two_estimators_of_an_exponent_agree(numbers, board):
    """Least squares against medians: within 0.02 for memory's 0.34, 0.005 for the rule's 0."""
    for name, which, within in (("F3a,b", "memory", 0.02), ("F3c,d", "the rule", 0.005)):
        ours = float(re.search(r"to the power (-?[\d.]+)", board[name].ours)[1])
        assert ours == pytest.approx(numbers[f"exponent of {which}"], abs=within)
    assert numbers["exponent of memory"] > 10 * abs(numbers["exponent of the rule"])


def test_two_readings_of_the_time_with_grokfast_agree(numbers, board):
    """Up to an accuracy of 1/2, or half-way from what mirror images give, by another mean."""
    ours = float(re.search(r"× ([\d.]+).* with Grokfast;", board["B27"].ours)[1])
    assert ours == pytest.approx(numbers["time with Grokfast"], rel=0.1)


def test_what_is_compared_within_a_seed_starts_from_one_network():
    """Another processor rounds otherwise, and a network that it trains forgets at another size."""
    shipped, found = Store().shipped_records, set()
    for name, experiment in EXPERIMENTS.items():
        norms: dict = {}
        for run in experiment.runs("published"):
            if run.init and (record := shipped.get(run.key)):
                norms.setdefault(run.init, []).append(record["param_norm"][0])
        if any(np.ptp(each) > 1e-4 * each[0] for each in norms.values()):
            found.add(name)
    assert found == TWICE


def test_the_minimiser_leads_all_networks_of_b32_to_the_rule(numbers):
    """As the page says, in words."""
    assert numbers["by the minimiser, too"] == (8, 8, 0)
