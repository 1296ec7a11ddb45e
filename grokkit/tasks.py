"""The ten tasks of App. A and Fig. 8: inputs, labels, nested train sets, random labels.

Every draw is a pure function of a seed. Nothing here knows about networks.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np


def _inverse(y: np.ndarray, p: int) -> np.ndarray:
    """The inverse of y mod p, for prime p; 0 for y = 0."""
    return np.array([0] + [pow(k, -1, int(p)) for k in range(1, p)])[y]


MODULAR: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "x+y": lambda x, y, p: (x + y) % p,
    "x-y": lambda x, y, p: (x - y) % p,
    "x*y": lambda x, y, p: (x * y) % p,
    "x/y": lambda x, y, p: (x * _inverse(y, p)) % p,
    "x/y or x-y": lambda x, y, p: np.where(y % 2 == 1, x * _inverse(y, p), x - y) % p,
    "x^2+y^2": lambda x, y, p: (x * x + y * y) % p,
    "x^2+xy+y^2": lambda x, y, p: (x * x + x * y + y * y) % p,
}
"""Operations on residues mod p; `x/y or x-y` divides where y is odd and subtracts elsewhere."""

DIVISION = ("x/y", "x/y or x-y")  # these need an inverse, so a prime modulus
PERMUTATION = ("S_n: xy", "S_n: xyx^-1", "S_n: xyx")
KNOWN = {**MODULAR, **dict.fromkeys(PERMUTATION)}  # the key of another's run hashes its labels
MIRRORS = ("any", "all", "none")  # which mirror images, y before x, a train set holds of its own


@dataclass(frozen=True, eq=False)
class Task:
    """A finite binary operation: every input <x> <op> <y> <=> and its label.

    The tokens 0..n_tokens-1 are operands, n_tokens is the operation, n_tokens + 1 is `=`.
    """

    name: str
    p: int  # the modulus, or n of S_n
    n_tokens: int  # and labels
    inputs: np.ndarray  # int64 [example, 2], the operands x and y, in row-major order
    labels: np.ndarray  # int64 [example]

    @property
    def n_examples(self) -> int:
        return len(self.labels)


@lru_cache
def symmetric_group(n: int) -> tuple[np.ndarray, np.ndarray]:
    """S_n as (elements [n!, n], product table [n!, n!]), in lexicographic order; 0 is the identity.

    The product applies the left factor first, (xy)(i) = y(x(i)), as in openai/grok (sympy's order).
    """
    elements = np.array(list(permutations(range(n))))
    place = {tuple(element): index for index, element in enumerate(elements.tolist())}
    return elements, np.array([[place[tuple(y[x])] for y in elements] for x in elements])


def names() -> tuple[str, ...]:
    """Those of every task, whatever was added to `MODULAR` included."""
    return (*MODULAR, *PERMUTATION)


def task(name: str, p: int) -> Task:
    """The task `name` (one of `names()`, Fig. 8) at modulus p, or over S_p for the permutations.

    `x/y` leaves y = 0 out, so it has p (p - 1) examples; the others have n_tokens^2.

    Raises:
        ValueError: unknown name, p no integer >= 3, composite p with a division, S_n not n = 2..5.
    """
    return _task(name, p, MODULAR.get(name))


@lru_cache(typed=True)
def _task(name: str, p: int, rule: Callable | None) -> Task:
    if name not in (known := names()):
        raise ValueError(f"task must be one of {', '.join(map(repr, known))}; got {name!r}")
    if isinstance(p, bool) or not isinstance(p, (int, np.integer)):
        raise ValueError(f"{name}: p must be an integer, got {p!r}")
    if name in PERMUTATION:
        if not 2 <= p <= 5:
            raise ValueError(f"{name}: p is the n of S_n here and must be 2..5, got {p}")
    elif p < 3:
        raise ValueError(f"{name}: the modulus p must be at least 3, got {p}")
    elif name in DIVISION and not all(p % k for k in range(2, math.isqrt(p) + 1)):
        raise ValueError(f"{name}: division needs a prime modulus p, got {p}")
    n = math.factorial(p) if name in PERMUTATION else int(p)
    x, y = (axis.ravel() for axis in np.indices((n, n)))
    if name == "x/y":
        x, y = x[y != 0], y[y != 0]
    if rule:
        labels = np.asarray(rule(x, y, p))
        if labels.dtype.kind not in "iu" or labels.shape != x.shape or {*labels} - {*range(n)}:
            wanted = f"a rule gives {len(x)} integers in 0..{n - 1}"
            raise ValueError(f"{name}: {wanted}, got {labels!r}")
    else:
        _elements, product = symmetric_group(p)
        inverse = product.argmin(axis=1)  # the identity has index 0
        right = {"S_n: xy": 0 * x, "S_n: xyx^-1": inverse[x], "S_n: xyx": x}[name]
        labels = product[product[x, y], right]
    inputs, labels = np.stack([x, y], axis=1), labels.astype(np.int64)
    inputs.flags.writeable = labels.flags.writeable = False  # every run of this task has them
    return Task(name, int(p), n, inputs, labels)


def check_dataset_size(task: Task, dataset_size: int, mirrors: str = "any") -> None:
    """Raises ValueError unless 1 <= dataset_size <= the number of examples, or of pairs of them."""
    most = len(np.unique(facts(task))) if mirrors == "none" else task.n_examples
    if not 0 < dataset_size <= most:
        where = f"{task.name}, p = {task.p}, mirrors {mirrors!r}"
        raise ValueError(f"{where}: dataset_size must be 1..{most}, got {dataset_size}")


def facts(task: Task) -> np.ndarray:
    """A number for each example [example] that it shares with its mirror image alone."""
    return task.inputs.min(axis=1) * task.n_tokens + task.inputs.max(axis=1)


def split(
    task: Task, dataset_size: int, seed: int, mirrors: str = "any"
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the train set [dataset_size] and of the test set (the rest), shuffled (Sec. 4.2).

    The train set is a prefix of one permutation per seed, so smaller train sets are subsets of
    larger ones of the same seed: ungrokking only ever removes examples. With "all" of the `MIRRORS`
    the mirror image follows at once on its example there; with "none" after all other pairs.

    Raises ValueError for other mirrors, and for a size as `check_dataset_size` does.
    """
    if mirrors not in MIRRORS:
        raise ValueError(f"mirrors must be one of {', '.join(MIRRORS)}, got {mirrors!r}")
    check_dataset_size(task, dataset_size, mirrors)
    order = np.random.default_rng([seed, *b"split"]).permutation(task.n_examples)
    if mirrors != "any":
        _, first, pair = np.unique(facts(task)[order], return_index=True, return_inverse=True)
        leads = first[pair]  # the place of the first of its pair
        follows = leads != np.arange(len(order))
        order = order[np.lexsort((follows, leads) if mirrors == "all" else (leads, follows))]
    return order[:dataset_size], order[dataset_size:]


def random_labels(task: Task, seed: int) -> np.ndarray:
    """One uniformly random label per example [example], the same for every D (Sec. 5.1)."""
    return np.random.default_rng([seed, *b"labels"]).integers(task.n_tokens, size=task.n_examples)
