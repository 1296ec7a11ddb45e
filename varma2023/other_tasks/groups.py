"""Finite groups and their characters: cyclic groups, and the symmetric groups of up to 5 letters.

What cosines are to x + y mod p, the real parts of the irreducible characters are to any group.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokkit import tasks


@dataclass(frozen=True, eq=False)
class Group:
    """A finite group with the real parts of its irreducible characters, the trivial one first.

    A pair of complex characters k, -k of a cyclic group counts as one: its real part is
    cos(2 pi k g / n), and the functions that belong to it are spanned by a cosine and a sine.
    """

    name: str
    quotient: Int[Tensor, "p p"]  # a b^-1, as indices of elements; 0 is the identity
    names: tuple[str, ...]  # of the characters
    characters: Float[Tensor, "freq p"]  # orthogonal to each other

    @property
    def order(self) -> int:
        return len(self.quotient)


@lru_cache
def cyclic(n: int) -> Group:
    """Z/n; its characters are cos(2 pi k g / n), k = 0 .. n/2."""
    g = torch.arange(n)
    k = torch.arange(n // 2 + 1)
    characters = (2 * torch.pi / n * (k[:, None] * g).double()).cos()
    return Group(f"Z/{n}", (g[:, None] - g) % n, tuple(map(str, k.tolist())), characters)


@lru_cache
def symmetric(n: int) -> Group:
    """S_n, n at most 5, with the elements and the product of `tasks.symmetric_group`.

    The sum of all transpositions multiplies what belongs to an irreducible character by a number,
    another for each up to n = 5. So its eigenspaces are those functions, from the trivial one's to
    the sign's, and the projection on one takes the identity to chi(1) chi / n!.
    They are named by what they are or by their dimension, with a prime for the later one of two:
    1, standard (n - 1), 5, 6, 5', 4', sign for S_5.
    """
    elements, product = tasks.symmetric_group(n)
    inverse = product.argmin(axis=1)  # the identity has index 0
    quotient = torch.from_numpy(product[:, inverse])
    swaps = torch.from_numpy((elements != elements[0]).sum(1) == 2)
    values, vectors = torch.linalg.eigh(swaps[quotient].double())
    levels = values.round().int()
    spaces = [vectors[:, levels == level] for level in levels.unique().flip(0)]
    dims = [round(space.shape[1] ** 0.5) for space in spaces]
    at_1 = (space @ space[0] * len(elements) for space in spaces)  # chi(1) chi
    characters = [(f / dim).round() for f, dim in zip(at_1, dims, strict=True)]  # whole numbers
    names = [f"{d}′" if d in dims[:i] else str(d) for i, d in enumerate(dims)]
    names[0], names[-1] = "trivial", "sign"
    if n > 2:
        names[1] = "standard"
    return Group(f"S{n}", quotient, tuple(names), torch.stack(characters))


def discrete_log(p: int) -> Int[np.ndarray, " p"]:
    """log x to the smallest primitive root of a prime p, for x = 1 .. p - 1; -1 for x = 0.

    Raises:
        ValueError: p is not prime, so that there may be no root.
    """
    for root in range(1, p):
        powers = [pow(root, k, p) for k in range(p - 1)]
        if len(set(powers)) == p - 1:
            log = np.full(p, -1)
            log[powers] = np.arange(p - 1)
            return log
    raise ValueError(f"p must be prime for a primitive root, got {p}")


def character_part(
    f: Float[Tensor, " p"], group: Group
) -> tuple[Float[Tensor, " freq"], Float[Tensor, " freq"]]:
    """||f||^2 along each character, and in all functions that belong to it, of f on a group.

    The second adds up to ||f||^2 (Plancherel): the projection is the convolution with the
    character, times chi(1) over ||chi||^2.
    """
    squares = group.characters.square().sum(1, keepdim=True)
    along = (group.characters @ f).square() / squares[:, 0]
    kernel = group.characters * group.characters[:, :1] / squares
    return along, torch.einsum("kab,b->ka", kernel[:, group.quotient], f).square().sum(1)
