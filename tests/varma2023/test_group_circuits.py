"""Other tasks' circuits: readings of a task in a group, on logits made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from evidence import group_circuit, group_circuits
from handmade import record
from torch.testing import assert_close

from grokkit import decomposition, tasks
from grokkit.model import ModelConfig, initialise
from grokkit.runs import Run
from varma2023 import board, claims, theme
from varma2023.other_tasks import analysis, figures, groups

NAMES = [(name, 4 if name in tasks.PERMUTATION else 11) for name in tasks.NAMES]


def noise(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def made(name, p, spoil=0.0):
    """Logits that are one character of the relative element in each reading, and noise."""
    task = tasks.task(name, p)
    logits = spoil * noise(task.n_examples, task.n_labels)
    for reading in analysis.readings(task):
        values = reading.group.characters[1][reading.relative()]
        logits[reading.rows[:, None], reading.labels] += values
    return task, logits


@pytest.mark.parametrize(("name", "p"), NAMES)
def test_a_row_meets_each_element_once_and_the_identity_at_the_right_label(name, p):
    task = tasks.task(name, p)
    for reading in [*analysis.readings(task), *analysis.readings(task, other=True)]:
        n = torch.arange(reading.group.order)
        assert (reading.relative().sort(1).values == n).all()
        at = (reading.relative() == 0).nonzero()
        assert_close(reading.labels[at[:, 1]], torch.from_numpy(task.labels)[reading.rows])


@pytest.mark.parametrize(("name", "p"), NAMES)
def test_logits_of_one_character_are_found_in_full_and_in_that_one(name, p):
    """The readings of a task do not overlap, and leave zero out alone."""
    task, logits = made(name, p)
    rows = np.concatenate([reading.rows for reading in analysis.readings(task)])
    left = np.setdiff1d(np.arange(task.n_examples), rows)
    assert len(rows) + len(left) == task.n_examples
    assert (task.labels[left] == 0).all()
    assert not len(left) or name not in ("x+y", "x-y", *tasks.PERMUTATION)
    for reading in analysis.readings(task):
        s = analysis.spectrum(logits, reading)
        assert float(s.characters[1]) == pytest.approx(1)
        assert analysis.n_key([s]) == 1


def test_shares_are_of_a_projection_and_noise_has_little_of_it():
    task, reading = tasks.task("x*y", 11), analysis.readings(tasks.task("x*y", 11))[0]
    logits = noise(task.n_examples, task.n_labels)
    s = analysis.spectrum(logits, reading)
    block = reading.block(logits)
    f = reading.mean(logits)
    projected = f[reading.relative()]
    assert_close(float(s.entries.sum()), float(projected.square().sum() / block.square().sum()))
    assert abs(((block - projected) * projected).sum()) < 1e-9  # what is left is orthogonal
    assert 0 < s.entries.sum() < 0.1


def test_addition_gives_what_app_b_gives():
    p = 11
    _, logits = made("x+y", p, spoil=0.5)
    Z, [reading] = logits.view(p, p, p), analysis.readings(tasks.task("x+y", p))
    s = analysis.spectrum(logits, reading)
    assert float(s.characters.sum()) ** 0.5 == pytest.approx(decomposition.trig_share(Z).norm)
    norms = (s.characters[1:] * s.squared_norm).sqrt()
    assert_close(norms, decomposition.frequency_norms(Z))


def test_a_product_is_few_characters_of_the_units_and_many_of_the_residues():
    task, logits = made("x*y", 11)
    own, other = (
        [analysis.spectrum(logits, reading) for reading in analysis.readings(task, other)]
        for other in (False, True)
    )
    assert analysis.n_key(own) == 1
    assert analysis.n_key(other) > 3
    assert float(analysis.shares(other).sum()) < 0.6


def test_two_rules_count_by_the_norm_of_their_blocks():
    task, logits = made("x/y or x-y", 11)
    first, second = (analysis.spectrum(logits, r) for r in analysis.readings(task))
    twice = replace(second, squared_norm=3 * first.squared_norm)
    assert_close(analysis.shares([first, twice])[:2], torch.tensor([0.75, 0.25]).double())
    assert analysis.n_key([first, twice]) == 2
    assert analysis.n_characters([first, twice]) == 5 + 5


@pytest.fixture
def stored(monkeypatch):
    """A function: a record of a task with weights at their first draw, and this test accuracy."""

    def make(name, p=11, test_accuracy=1.0, seed=0):
        task = tasks.task(name, p)
        run = Run(task=name, p=p, dataset_size=task.n_examples // 2, seed=seed, keep_weights=True)
        made = record(run, [0, 1], test_accuracy=test_accuracy)
        object.__setattr__(made, "weights_path", Path("somewhere"))
        theta = initialise(ModelConfig(), task.n_tokens, seed)
        monkeypatch.setattr(type(made), "weights", lambda self: theta)
        return made

    return make


def test_an_untrained_network_has_no_circuit(stored):
    c = analysis.group_circuit(stored("x*y"))
    assert c.share < 0.5
    assert 0 < c.read < 1
    assert analysis.n_key(c.own) > 1


def test_the_tables_and_figures_have_what_was_found(stored):
    found = [analysis.group_circuit(stored(name, p)) for name, p in NAMES[2:3] + NAMES[-3:]]
    html = analysis.circuits_table(found)
    assert "Z/10" in html
    assert f"{found[0].share:.3f}" in html
    assert html.count("<tr") == 5
    rows = analysis.representations_table(found)
    assert all(name in rows for name in groups.symmetric(4).names)
    fig = theme.show(figures.fig_characters(found))
    assert [trace.name for trace in fig.data] == ["its own group", "another group"]
    assert all(np.all(np.diff(trace.y) >= -1e-6) for trace in fig.data)
    fig = theme.show(figures.fig_representations(found))
    assert len(fig.data) == 6
    assert {trace.meta["task"] for trace in fig.data} == set(tasks.PERMUTATION)


def test_few_is_a_quarter_of_the_characters_and_fewer_than_in_the_other_group():
    few = [analysis.few(group_circuit("x*y", 53, 0.9, *n)) for n in ((6, 26), (7, 26), (4, 4))]
    assert few == [True, False, False]


def test_a_claim_needs_several_grokked_tasks_at_a_modulus_that_says_something():
    good = group_circuits(range(1), p=53)
    assert analysis.enough(good)
    assert not analysis.enough([])
    assert not analysis.enough(good[:2])
    assert not analysis.enough(group_circuits(range(1), p=11, n_key=1, other_key=2))
    memorised = group_circuits(range(1), p=53, accuracy=0.5)
    assert not analysis.enough(memorised)
    assert analysis.judged([*good, *memorised]) == good
    assert "x*y: 0.97 of the norm, 4 of 26 characters" in analysis.text(good)


def test_networks_without_weights_are_left_out():
    records = [circuit.record for circuit in group_circuits(range(1), p=53)]
    assert board.judge("B5", grokked_tasks=records).verdict == claims.NOT_RUN
