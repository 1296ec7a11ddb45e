"""App. B for the other tasks: how much of a network's logits its group's characters hold.

For x + y mod p the generalising logits are cosines of a + b - c, the real characters of Z/p at
"answer minus label". For another group the residue becomes answer times inverse label, and its own
characters take the place of the cosines. Everything is in float64, on class-centred logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokkit import decomposition, tasks
from grokkit.runs import Record, Records
from varma2023 import measures
from varma2023.measures import curve, d_crit, d_crit_interval, d_crit_text, group, task_ungroks
from varma2023.other_tasks import groups
from varma2023.other_tasks.groups import Group
from varma2023.tables import pivot, table

HELD = 0.98  # of the squared norm along all characters, held by the key ones (as in App. B)
GROKKED = 0.98  # test accuracy of a network that has generalised


@dataclass(frozen=True, eq=False)
class Reading:
    """How examples and labels of a task are read as elements of a group.

    Every row of the logits then is a function of the relative element, answer times inverse label,
    and each element comes up once a row.
    """

    group: Group
    rows: Int[Tensor, " batch"]  # the examples that are read
    answer: Int[Tensor, " batch"]  # the element of each one's answer
    labels: Int[Tensor, " label"]  # the labels that are read
    element: Int[Tensor, " label"]  # the element of each

    def block(self, logits: Float[Tensor, "n m"]) -> Float[Tensor, "batch label"]:
        """The logits of these examples and labels, class-centred."""
        return decomposition.centred(logits[self.rows][:, self.labels])

    def relative(self) -> Int[Tensor, "batch label"]:
        """Answer times inverse label, for each example and label."""
        return self.group.quotient[self.answer][:, self.element]

    def mean(self, logits: Float[Tensor, "n m"]) -> Float[Tensor, " p"]:
        """The mean of the block over each relative element: its projection, as a function."""
        total = torch.zeros(self.group.order, dtype=logits.dtype)
        flat = self.block(logits).flatten()
        return total.index_add(0, self.relative().flatten(), flat) / len(self.rows)


def _modular(task: tasks.Task, multiplicative: bool, rows: np.ndarray) -> Reading:
    """Residues mod p as Z/p, or the units among them as powers of a primitive root."""
    labels = np.arange(task.p)
    element, group = labels, groups.cyclic(task.p)
    if multiplicative:
        element, group = groups.discrete_log(task.p), groups.cyclic(task.p - 1)
        labels, rows = labels[1:], rows & (task.labels != 0)
    chosen = np.flatnonzero(rows)
    indices = chosen, element[task.labels[chosen]], labels, element[labels]
    return Reading(group, *map(torch.from_numpy, indices))


def readings(task: tasks.Task, other: bool = False) -> list[Reading]:
    """The task in its own group, zero apart where it multiplies; two where it has two rules.

    The last three modular tasks combine their operands in another way: x/y or x-y divides or
    subtracts by the parity of y; x^2 + y^2 adds squares, so its group is Z/p; x^2 + xy + y^2 is no
    operation of a group on its operands, and is read in Z/p by its answer alone.
    `other`: a modular task in the group that is not its own, Z/p for products and the reverse.
    """
    if task.name in tasks.PERMUTATION:
        n, answer = torch.arange(task.n_tokens), torch.tensor(task.labels)
        own = Reading(groups.symmetric(task.p), torch.arange(task.n_examples), answer, n, n)
        return [] if other else [own]
    if task.name == "x/y or x-y":
        odd = task.inputs[:, 1] % 2 == 1
        return [_modular(task, not other, odd), _modular(task, other, ~odd)]
    multiplies = task.name in ("x*y", "x/y")
    return [_modular(task, multiplies != other, np.ones(task.n_examples, dtype=bool))]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A block of logits by irreducible character, as shares of its squared norm."""

    group: Group
    characters: Float[Tensor, " freq"]  # along each real character of the relative element
    entries: Float[Tensor, " freq"]  # in all functions of it that belong to the character
    squared_norm: float  # of the block


def spectrum(logits: Float[Tensor, "n m"], reading: Reading) -> Spectrum:
    """The shares of a task's logits [example, label] in one reading."""
    total = float(reading.block(logits).square().sum())
    parts = groups.character_part(reading.mean(logits), reading.group)
    along, entries = (part * len(reading.rows) / total for part in parts)
    return Spectrum(reading.group, along, entries, total)


def shares(parts: Sequence[Spectrum]) -> Float[Tensor, " freq"]:
    """Every character of these readings, strongest first, by its share of their squared norm."""
    total = sum(part.squared_norm for part in parts)
    every = [part.characters * part.squared_norm / total for part in parts]
    return torch.cat(every).sort(descending=True).values


def n_key(parts: Sequence[Spectrum]) -> int:
    """How many key characters: the fewest that hold `HELD` of what all of them hold."""
    held = shares(parts).cumsum(0)
    return int((held < HELD * held[-1] - 1e-12).sum()) + 1


def n_characters(parts: Sequence[Spectrum]) -> int:
    """How many characters there are besides the trivial one, which centred logits cannot hold."""
    return sum(len(part.characters) - 1 for part in parts)


@dataclass(frozen=True, eq=False)
class GroupCircuit:
    """What App. B's projection gives for one network, in its task's own group and in another."""

    record: Record
    own: tuple[Spectrum, ...]
    other: tuple[Spectrum, ...]  # of a modular task: sums read as products and the reverse
    read: float  # share of the squared norm of all centred logits that the own reading covers

    def __str__(self) -> str:
        return f"{self.name}, seed {self.record.run.seed}"

    @property
    def task(self) -> str:
        return self.record.run.task

    @property
    def start(self) -> str:
        """What the minimiser started from."""
        init = self.record.run.init
        every = tasks.task(self.task, self.record.run.p).n_examples
        known = init is not None and init.dataset_size == every
        return "every example" if known else "random weights"

    @property
    def name(self) -> str:
        """The task, and of permutations the start, since both are there."""
        return f"{self.task}, from {self.start}" if self.task in tasks.PERMUTATION else self.task

    @property
    def share(self) -> float:
        """Norm along the characters over that of the logits read, asked to be 95% (choice C5)."""
        return float(shares(self.own).sum()) ** 0.5

    @property
    def grokked(self) -> bool:
        return self.record.final("test_accuracy") > GROKKED


def group_circuit(record: Record) -> GroupCircuit:
    """The circuit of one trained network whose record keeps its weights."""
    task = record.run.operation
    logits = measures.all_logits(record)
    both = readings(task), readings(task, other=True)
    own, other = (tuple(spectrum(logits, reading) for reading in found) for found in both)
    everything = float(decomposition.centred(logits).square().sum())
    return GroupCircuit(record, own, other, sum(part.squared_norm for part in own) / everything)


def _keys(parts: Sequence[Spectrum]) -> str:
    return f"{n_key(parts)} of {n_characters(parts)}"


def circuits_table(found: Sequence[GroupCircuit]) -> str:
    """By network: how much its group's characters hold, with how few, and another group's."""
    rows = []
    for c in found:
        share = float(shares(c.other).sum()) ** 0.5 if c.other else 0.0
        other = f"{group_names(c.other)}: {share:.3f}, {_keys(c.other)}" if c.other else ""
        rows.append(
            f"{c.task} | {c.start}, seed {c.record.run.seed} | {group_names(c.own)} | "
            f"{c.record.final('test_accuracy'):.3f} | {c.read:.3f} | "
            f"{c.share:.3f} ({c.share**2:.3f}) | {_keys(c.own)} | {other}"
        )
    heads = "task | start | group | test accuracy | covered (norm²) | share of norm (norm²)"
    return table(f"{heads} | key characters | another group: share of norm, key characters", rows)


def group_names(parts: Sequence[Spectrum]) -> str:
    """ "Z/52 and Z/53": the groups whose characters these are."""
    return " and ".join(part.group.name for part in parts)


def representations_table(found: Sequence[GroupCircuit]) -> str:
    """By representation of S_n: the share of norm² along its character, and in all its entries."""
    cells = {}
    for c in (c for c in found if c.task in tasks.PERMUTATION):
        own, head = c.own[0], str(c)
        parts = torch.stack([own.characters, own.entries, own.group.characters[:, 0]], 1).tolist()
        for name, (one, every, dimension) in zip(own.group.names, parts, strict=True):
            cells[name, "dimension"] = f"{dimension:.0f}"
            cells[name, head] = f"{one:.3f} / {every:.3f}"
        cells["all", "dimension"] = ""
        cells["all", head] = f"{float(own.characters.sum()):.3f} / {float(own.entries.sum()):.3f}"
    return pivot("representation", cells)


OPERATIONS = ("x+y", "x-y", "x*y", "x/y", "x/y or x-y", "S_n: xy")
"""Tasks whose rule is a group's operation, or one of two: here the characters should be found."""
MOST = 0.95  # of the norm: the paper's criterion for x + y (Sec. 5.1)
FEW = 0.25  # of all characters: as for key frequencies in Fig. 11
LEAST_P, LEAST_TASKS = 53, 3  # modulus and tasks from which the claim is judged


def judged(found: Sequence[GroupCircuit]) -> list[GroupCircuit]:
    """The circuits of networks that count: that have grokked one of `OPERATIONS`."""
    return [c for c in found if c.grokked and c.task in OPERATIONS]


def text(found: Sequence[GroupCircuit]) -> str:
    """ "x*y: 0.95 of the norm, 5 of 26 characters; ...": for a sentence; "none" of no network."""
    each = [
        f"{c.name}: {c.share:.3f} of the norm, {_keys(c.own)} characters"
        f"{'' if c.other else ' (no other group to compare)'}"
        for c in found
    ]
    return "; ".join(each) or "none"


def in_representations(found: Sequence[GroupCircuit], names: Sequence[str]) -> str:
    """Share of norm^2 along the characters of these representations, by task of permutations."""
    each = []
    for c in (c for c in found if c.task in tasks.PERMUTATION):
        held = dict(zip(c.own[0].group.names, c.own[0].characters.tolist(), strict=True))
        each.append(f"{sum(held[name] for name in names):.2f} for {c.task.removeprefix('S_n: ')}")
    return ", ".join(each) or "none"


def few(circuit: GroupCircuit) -> bool:
    """Whether few characters of the task's group are key, and fewer than of the other group's.

    Any network that answers right has logits that depend on answer and label, so a large share of
    the norm alone would prove little. Asked of modular tasks: S_n has hardly any characters.
    """
    key = n_key(circuit.own)
    return key <= FEW * n_characters(circuit.own) and key < n_key(circuit.other)


def enough(found: Sequence[GroupCircuit]) -> bool:
    """Whether a claim can be judged by these networks: by their moduli and tasks."""
    large = [c for c in found if c.record.run.p >= LEAST_P or c.task in tasks.PERMUTATION]
    grokked = {c.task for c in judged(large)}
    return len(grokked) >= LEAST_TASKS and bool(grokked - set(tasks.PERMUTATION))


def ungroks_text(records: Records) -> str:
    """Whether one task ungroks: "yes", "no", or "not judged" as a network lacks the rule."""
    if not measures.holds_rule(records):
        return "not judged"
    return "yes" if task_ungroks(records) else "no"


def tasks_table(records: Records, starts: Records) -> str:
    """Fig. 8 by task: D_crit, also as a share of all examples; accuracy at the ends.

    And its starts. And what a table of the largest train set would know, if it is right that
    x y = y x.
    """
    rows, trained = [], group(starts, "task")
    for task, here in group(records, "task").items():
        examples = tasks.task(task, here[0].run.p).n_examples
        found, (sizes, values) = d_crit_interval(here), curve(here)
        mirror = fmean(measures.mirror_share(record.run) for record in measures.at_largest(here))
        crossing = d_crit_text(here) if found.n > 1 else str(d_crit(here))
        share = f", {found.value / examples:.1%}" if isfinite(found.value) else ""
        ends = [(r.final("test_accuracy"), r.final("residual")) for r in trained[task]]
        known = ", ".join(f"{right:.2f} ({residual:.2g})" for right, residual in ends)
        rows.append(
            f"{task} | {trained[task][0].run.epochs:,}; {known} | {crossing}{share} | "
            f"{values[0]:.2f} at {sizes[0]:,.0f} | "
            f"{values[-1]:.2f} at {sizes[-1]:,.0f}; {mirror:.2f} | "
            f"{ungroks_text(here)} | "
            f"{max(record.final('residual') for record in here):.2g}"
        )
    heads = "task | starts: epochs; accuracy on the rest (residual) | D_crit; its share of all "
    heads += "examples | accuracy at smallest D′ | at largest D′; by mirror images alone | ungroks"
    return table(f"{heads} | largest residual", rows)
