"""Characters of groups against their definitions; circuits of other tasks, on logits by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence import group_circuit, group_circuits, sweep
from handmade import record
from torch.testing import assert_close

from grokkit import decomposition, tasks
from grokkit.model import ModelConfig, initialise
from grokkit.runs import Run
from grokkit.store.store import Store
from varma2023 import board, claims, theme
from varma2023.other_tasks import analysis, figures, groups

GROUPS = [*map(groups.cyclic, (1, 2, 7, 10, 52)), *map(groups.symmetric, (2, 3, 4, 5))]


def noise(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_the_quotient_is_that_of_a_group(group):
    n = group.order
    assert (group.quotient.diagonal() == 0).all()  # a a^-1 = 1
    assert (group.quotient[:, 0] == torch.arange(n)).all()
    assert (group.quotient.sort(0).values == torch.arange(n)[:, None]).all()  # a Latin square
    assert (group.quotient.sort(1).values == torch.arange(n)).all()


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_characters_are_orthogonal_and_take_a_value_a_conjugacy_class(group):
    gram = group.characters @ group.characters.T
    assert_close(gram, torch.diag(gram.diagonal()), atol=1e-9, rtol=0)
    product = group.quotient[:, group.quotient[0]]  # x y = x (y^-1)^-1
    assert_close(group.characters[:, product], group.characters[:, product.T])  # f(x y) = f(y x)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_dimensions_of_the_representations_of_s_n_add_up_to_its_order(n):
    group = groups.symmetric(n)
    assert int(group.characters[:, 0].square().sum()) == group.order
    squares = group.characters.square().sum(1) / group.order
    assert_close(squares, torch.ones_like(squares))


def test_s_5_has_the_representations_that_textbooks_list():
    group = groups.symmetric(5)
    assert group.names == ("trivial", "standard", "5", "6", "5′", "4′", "sign")
    assert group.characters[:, 0].tolist() == [1, 4, 5, 6, 5, 4, 1]
    elements, _ = tasks.symmetric_group(5)
    fixed = torch.from_numpy((elements == np.arange(5)).sum(1)).double()
    signs = [np.linalg.det(np.eye(5)[list(g)]).round() for g in elements]
    assert_close(group.characters[1], fixed - 1)
    assert_close(group.characters[-1], torch.tensor(signs, dtype=torch.float64))
    assert_close(group.characters[5], group.characters[1] * group.characters[-1])
    assert_close(group.characters[4], group.characters[2] * group.characters[-1])


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_parts_add_up_by_plancherel_and_a_character_lies_in_its_own_alone(group):
    f = noise(group.order)
    along, entries = groups.character_part(f, group)
    assert_close(entries.sum(), f.square().sum())
    assert (along <= entries + 1e-9).all()
    for k, character in enumerate(group.characters):
        along, entries = groups.character_part(character, group)
        expected = torch.zeros(len(group.characters), dtype=torch.float64)
        expected[k] = character.square().sum()
        assert_close(along, expected)
        assert_close(entries, expected)


def test_the_part_of_a_cyclic_group_is_the_fourier_transforms():
    group = groups.cyclic(10)
    f = noise(group.order)
    power = torch.fft.rfft(f).abs() ** 2 / group.order
    power[1:-1] *= 2  # k and 10 - k
    assert_close(groups.character_part(f, group)[1], power)


def test_the_matrix_entries_of_the_standard_representation_lie_in_its_part():
    group, (elements, _) = groups.symmetric(4), tasks.symmetric_group(4)
    basis = np.linalg.qr(np.c_[np.ones(4), np.eye(4)[:, :3]])[0][:, 1:]  # orthogonal to (1,1,1,1)
    matrices = np.array([basis.T @ np.eye(4)[list(g)] @ basis for g in elements])
    for row, column in itertools.product(range(3), repeat=2):
        entry = torch.from_numpy(matrices[:, row, column])
        _, entries = groups.character_part(entry, group)
        assert_close(entries[group.names.index("standard")], entry.square().sum())


@pytest.mark.parametrize("p", [3, 5, 7, 53, 113])
def test_the_discrete_log_turns_products_into_sums(p):
    log = groups.discrete_log(p)
    x, y = np.meshgrid(np.arange(1, p), np.arange(1, p))
    np.testing.assert_array_equal(log[x * y % p], (log[x] + log[y]) % (p - 1))
    assert sorted(log[1:]) == list(range(p - 1))
    assert log[0] == -1
    with pytest.raises(ValueError, match="got 12"):  # composite: no primitive root here
        groups.discrete_log(12)


NAMES = [(name, 4 if name in tasks.PERMUTATION else 11) for name in tasks.names()]


def made(name, p, spoil=0.0):
    """Logits that are one character of the relative element in each reading, and noise."""
    task = tasks.task(name, p)
    logits = spoil * noise(task.n_examples, task.n_tokens)
    for reading in analysis.readings(task):
        values = reading.group.characters[1][reading.relative()]
        logits[reading.rows[:, None], reading.labels] += values
    return task, logits


@pytest.mark.parametrize(("name", "p"), NAMES)
def test_a_row_meets_each_element_once_and_the_identity_at_the_right_label(name, p):
    task = tasks.task(name, p)
    for reading in [*analysis.readings(task), *analysis.readings(task, other=True)]:
        assert (reading.relative().sort(1).values == torch.arange(reading.group.order)).all()
        at = (reading.relative() == 0).nonzero()
        assert_close(reading.labels[at[:, 1]], torch.tensor(task.labels)[reading.rows])


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
    logits = noise(task.n_examples, task.n_tokens)
    s = analysis.spectrum(logits, reading)
    block = reading.block(logits)
    projected = reading.mean(logits)[reading.relative()]
    assert_close(float(s.entries.sum()), float(projected.square().sum() / block.square().sum()))
    assert abs(((block - projected) * projected).sum()) < 1e-9  # what is left is orthogonal
    assert 0 < s.entries.sum() < 0.1


def test_addition_gives_what_app_b_gives():
    p = 11
    _, logits = made("x+y", p, spoil=0.5)
    Z, [reading] = logits.view(p, p, p), analysis.readings(tasks.task("x+y", p))
    s = analysis.spectrum(logits, reading)
    assert float(s.characters.sum()) ** 0.5 == pytest.approx(decomposition.trig_share(Z))
    assert_close((s.characters[1:] * s.squared_norm).sqrt(), decomposition.frequency_norms(Z))


def test_a_product_is_few_characters_of_the_units_and_many_of_the_residues():
    task, logits = made("x*y", 11)  # of one character in its own group
    other = [analysis.spectrum(logits, reading) for reading in analysis.readings(task, other=True)]
    assert analysis.n_key(other) > 3
    assert float(analysis.shares(other).sum()) < 0.6


def test_two_rules_count_by_the_norm_of_their_blocks():
    task, logits = made("x/y or x-y", 11)
    first, second = (analysis.spectrum(logits, r) for r in analysis.readings(task))
    twice = replace(second, squared_norm=3 * first.squared_norm)
    assert_close(analysis.shares([first, twice])[:2], torch.tensor([0.75, 0.25]).double())
    assert analysis.n_key([first, twice]) == 2
    assert analysis.n_characters([first, twice]) == 5 + 5


def untrained(store, name, p):
    """The circuit of a task's network with weights at their first draw."""
    task = tasks.task(name, p)
    run = Run(task=name, p=p, dataset_size=task.n_examples // 2, keep_weights=True)
    theta = initialise(ModelConfig(), task.n_tokens, 0)
    return analysis.group_circuit(store.put(record(run, [0, 1], test_accuracy=1.0), theta))


def test_untrained_networks_have_no_circuit_and_tables_and_figures_what_was_found(tmp_path):
    found = [untrained(Store(tmp_path, ""), name, p) for name, p in NAMES[2:3] + NAMES[-3:]]
    assert found[0].share < 0.5
    assert 0 < found[0].read < 1
    assert analysis.n_key(found[0].own) > 1
    html = analysis.circuits_table(found)
    assert "Z/10" in html
    assert f"{found[0].share:.3f}" in html
    assert html.count("<tr") == 5
    rows = analysis.representations_table(found)
    assert all(name in rows for name in groups.symmetric(4).names)
    parts = [analysis.in_representations(found[1:2], [name]) for name in groups.symmetric(4).names]
    assert parts[0].endswith(" for xy")
    held = found[1].own[0].characters.sum()
    assert sum(float(part.split()[0]) for part in parts) == pytest.approx(float(held), abs=0.03)
    assert analysis.in_representations(found[:1], ["sign"]) == "none"
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
    assert not analysis.enough(good[:2])
    assert not analysis.enough(group_circuits(range(1), p=11, n_key=1, other_key=2))
    memorised = group_circuits(range(1), p=53, accuracy=0.5)
    assert not analysis.enough(memorised)
    assert analysis.judged([*good, *memorised]) == good
    assert "x*y: 0.970 of the norm, 4 of 26 characters" in analysis.text(good)
    without_weights = [circuit.record for circuit in good]
    assert board.judge("B5", grokked_tasks=without_weights).verdict == claims.NOT_RUN


def test_a_task_that_holds_its_rule_and_keeps_it_does_not_ungrok_and_another_is_not_judged():
    crits = {750: "yes", 1: "no", 10**6: "not judged"}
    assert {c: analysis.ungroks_text(sweep(d_crit=c, values=(1.0,))) for c in crits} == crits
