"""Characters of finite groups, against the definitions, worked out slowly."""

import cmath
import itertools

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from grokkit import tasks
from varma2023.other_tasks import groups

GROUPS = [groups.cyclic(n) for n in (1, 2, 7, 10, 52)]
GROUPS += [groups.symmetric(n) for n in (2, 3, 4, 5)]


def some_function(group, seed=0):
    return torch.randn(
        group.order, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


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
    for a in range(group.order):  # f(a b a^-1) = f(b), with b = c a and so a b a^-1 = a c
        c = torch.arange(group.order)
        inverse = group.quotient[0]
        product = group.quotient[:, inverse]  # x y = x (y^-1)^-1
        conjugate = group.quotient[product[a, c], a]
        assert_close(group.characters[:, conjugate], group.characters[:, c])


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_dimensions_of_the_representations_of_s_n_add_up_to_its_order(n):
    group = groups.symmetric(n)
    dims = group.characters[:, 0]
    assert int(dims.square().sum()) == group.order
    assert_close(group.characters.square().sum(1) / group.order, torch.ones(len(dims)).double())


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
def test_plancherel(group):
    f = some_function(group)
    along, entries = groups.character_part(f, group)
    assert_close(entries.sum(), f.square().sum())
    assert (along <= entries + 1e-9).all()


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_a_character_lies_in_its_own_part_alone(group):
    for k, character in enumerate(group.characters):
        along, entries = groups.character_part(character, group)
        expected = torch.zeros(len(group.characters), dtype=torch.float64)
        expected[k] = character.square().sum()
        assert_close(along, expected)
        assert_close(entries, expected)


def test_the_part_of_a_cyclic_group_is_the_fourier_transforms():
    n, group = 10, groups.cyclic(10)
    f = some_function(group)
    power = [
        abs(sum(f[g] * cmath.exp(-2j * cmath.pi * k * g / n) for g in range(n))) ** 2 / n
        for k in range(n)
    ]
    folded = [power[k] + (power[n - k] if 0 < k < n - k else 0) for k in range(n // 2 + 1)]
    assert_close(groups.character_part(f, group)[1], torch.tensor(folded, dtype=torch.float64))


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


def test_a_composite_modulus_has_no_primitive_root_here():
    with pytest.raises(ValueError, match="got 12"):
        groups.discrete_log(12)
