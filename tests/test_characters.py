"""Other tasks' circuits: readings of a task in a group, on logits made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from handmade import record
from torch.testing import assert_close

from grokkit import analysis, characters, circuits, claims, figures, groups, tasks, theme
from grokkit.characters import GroupCircuit
from grokkit.model import ModelConfig, initialise
from grokkit.runs import Run

NAMES = [(name, 4 if name in tasks.PERMUTATION else 11) for name in tasks.NAMES]


def noise(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def made(name, p, spoil=0.0):
    """Logits that are one character of the relative element in each reading, and noise."""
    task = tasks.task(name, p)
    logits = spoil * noise(task.n_examples, task.n_labels)
    for reading in characters.readings(task):
        values = reading.group.characters[1][reading.relative()]
        logits[reading.rows[:, None], reading.labels] += values
    return task, logits


@pytest.mark.parametrize(("name", "p"), NAMES)
def test_each_row_of_a_reading_meets_each_element_once(name, p):
    task = tasks.task(name, p)
    for reading in [*characters.readings(task), *characters.other_readings(task)]:
        n = torch.arange(reading.group.order)
        assert (reading.relative().sort(1).values == n).all()


@pytest.mark.parametrize(("name", "p"), NAMES)
def test_the_right_label_is_where_the_relative_element_is_the_identity(name, p):
    task = tasks.task(name, p)
    for reading in [*characters.readings(task), *characters.other_readings(task)]:
        at = (reading.relative() == 0).nonzero()
        assert_close(reading.labels[at[:, 1]], torch.from_numpy(task.labels)[reading.rows])


@pytest.mark.parametrize(("name", "p"), NAMES)
def test_the_readings_of_a_task_do_not_overlap_and_leave_zero_out_alone(name, p):
    task = tasks.task(name, p)
    rows = torch.cat([reading.rows for reading in characters.readings(task)])
    assert len(rows) == len(rows.unique())
    left = np.setdiff1d(np.arange(task.n_examples), rows.numpy())
    assert (task.labels[left] == 0).all()
    if name in ("x+y", "x-y", *tasks.PERMUTATION):
        assert not len(left)


@pytest.mark.parametrize(("name", "p"), NAMES)
def test_logits_of_one_character_are_found_in_full_and_in_that_one(name, p):
    task, logits = made(name, p)
    for reading in characters.readings(task):
        s = characters.spectrum(logits, reading)
        assert float(s.characters[1]) == pytest.approx(1)
        assert characters.n_key([s]) == 1


def test_shares_are_of_a_projection_and_noise_has_little_of_it():
    task, reading = tasks.task("x*y", 11), characters.readings(tasks.task("x*y", 11))[0]
    logits = noise(task.n_examples, task.n_labels)
    s = characters.spectrum(logits, reading)
    block = reading.block(logits)
    f = reading.mean(logits)
    projected = f[reading.relative()]
    assert_close(float(s.entries.sum()), float(projected.square().sum() / block.square().sum()))
    assert abs(((block - projected) * projected).sum()) < 1e-9  # what is left is orthogonal
    assert 0 < s.entries.sum() < 0.1


def test_addition_gives_what_app_b_gives():
    p = 11
    _, logits = made("x+y", p, spoil=0.5)
    Z, [reading] = logits.view(p, p, p), characters.readings(tasks.task("x+y", p))
    s = characters.spectrum(logits, reading)
    assert float(s.characters.sum()) ** 0.5 == pytest.approx(circuits.trig_share(Z).norm)
    norms = (s.characters[1:] * s.squared_norm).sqrt()
    assert_close(norms, circuits.frequency_norms(Z))


def test_a_product_is_few_characters_of_the_units_and_many_of_the_residues():
    task, logits = made("x*y", 11)
    own, other = (
        [characters.spectrum(logits, reading) for reading in of(task)]
        for of in (characters.readings, characters.other_readings)
    )
    assert characters.n_key(own) == 1
    assert characters.n_key(other) > 3
    assert float(characters.shares(other).sum()) < 0.6


def test_two_rules_count_by_the_norm_of_their_blocks():
    task, logits = made("x/y or x-y", 11)
    first, second = (characters.spectrum(logits, r) for r in characters.readings(task))
    twice = replace(second, squared_norm=3 * first.squared_norm)
    assert_close(characters.shares([first, twice])[:2], torch.tensor([0.75, 0.25]).double())
    assert characters.n_key([first, twice]) == 2
    assert characters.n_characters([first, twice]) == 5 + 5


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
    c = characters.group_circuit(stored("x*y"))
    assert c.share < 0.5
    assert 0 < c.read < 1
    assert characters.n_key(c.own) > 1


def test_the_tables_and_figures_have_what_was_found(stored):
    found = [characters.group_circuit(stored(name, p)) for name, p in NAMES[2:3] + NAMES[-3:]]
    html = characters.circuits_table(found)
    assert "Z/10" in html
    assert f"{found[0].share:.3f}" in html
    assert html.count("<tr") == 5
    rows = characters.representations_table(found)
    assert all(name in rows for name in groups.symmetric(4).names)
    fig = theme.show(figures.fig_characters(found))
    assert [trace.name for trace in fig.data] == ["its own group", "another group"]
    assert all(np.all(np.diff(trace.y) >= -1e-6) for trace in fig.data)
    fig = theme.show(figures.fig_representations(found))
    assert len(fig.data) == 6
    assert {trace.meta["task"] for trace in fig.data} == set(tasks.PERMUTATION)


def with_share(name, p, share, n_key, other_key, accuracy=1.0):
    """A circuit in which n_key characters hold `share` of the norm in equal parts."""

    def part(count, share):
        group = groups.cyclic(p)
        values = torch.zeros(len(group.characters), dtype=torch.float64)
        values[1 : count + 1] = share**2 / count
        return characters.Spectrum(group, values, values, 1.0)

    size = tasks.task(name, p).n_examples
    made = record(Run(task=name, p=p, dataset_size=size // 2), [0, 1], test_accuracy=accuracy)
    return GroupCircuit(made, (part(n_key, share),), (part(other_key, 0.5),), 1.0)


GOOD = [with_share(name, 53, 0.95, 4, 26) for name in ("x+y", "x-y", "x*y", "x/y")]


def test_the_verdict_asks_for_most_of_the_norm_in_few_characters():
    assert characters.verdict(GOOD) == analysis.HOLDS
    assert characters.verdict([*GOOD, with_share("x-y", 53, 0.5, 4, 26)]) == analysis.IN_PART
    assert characters.verdict([*GOOD, with_share("x-y", 53, 0.9, 20, 26)]) == analysis.IN_PART
    bad = [with_share(c.task, 53, 0.5, 20, 4) for c in GOOD]
    assert characters.verdict(bad) == analysis.FAILS
    result = claims.characters.characters_result(GOOD)
    assert result.n_runs == 4
    assert "x*y: 0.95 of the norm, 4 of 26 characters" in result.ours


def test_the_verdict_needs_several_grokked_tasks_at_a_modulus_that_says_something():
    assert characters.verdict([]) == analysis.NOT_RUN
    assert characters.verdict(GOOD[:2]) == analysis.NOT_RUN
    small = [with_share(c.task, 11, 0.1, 4, 5) for c in GOOD]
    assert characters.verdict(small) == analysis.NOT_RUN
    memorised = [with_share(c.task, 53, 0.1, 20, 26, accuracy=0.5) for c in GOOD]
    assert characters.verdict(memorised) == analysis.NOT_RUN
    assert characters.verdict(GOOD + memorised) == analysis.HOLDS


def test_results_leave_records_without_weights_out():
    assert claims.characters.results({}) == {}
    assert claims.characters.results({"grokked_tasks": [GOOD[0].record]}) == {}
