"""How a claim is judged: one core criterion, further ones, and the evidence (choice C23).

The core criterion is the claim's own sentence. A criterion is met, not met, or `None`: these runs
cannot tell, because they are not at rest or too few. The unit of evidence is a seed.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

from grokkit.model import ModelConfig
from grokkit.runs import Records, Run
from grokkit.tasks import PERMUTATION
from varma2023.tables import span

HOLDS, SMALLER, IN_PART = "holds", "holds, smaller", "in part"
FAILS, OPEN, NOT_RUN = "fails", "open", "not run"
VERDICTS = (HOLDS, SMALLER, IN_PART, FAILS, OPEN, NOT_RUN)
PAPER, THEOREMS, BEYOND = "the paper's claims", "its theorems", "beyond the paper"
SCORES = (PAPER, THEOREMS, BEYOND)
ENOUGH_SEEDS = 5  # below which a claim holds only "smaller"
PAPERS_MODULI = {(False, 113), (True, 5)}  # whether of permutations, and p, or n of S_n

Met = bool | None
ByExperiment = Mapping[str, Records]
"""Records by the name of their experiment."""
SIGN = {True: "✔", False: "✘", None: "?"}


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on, as badges show it."""

    by: tuple[str, ...]  # optimisers, or what else was computed
    settings: tuple[str, ...] = ()  # moduli
    seeds: int | None = None  # the fewest over the groups of runs that are compared; None: no runs
    smaller: bool = False  # another modulus or width than the paper's, or too few seeds
    most_seeds: int | None = None  # over those groups

    @classmethod
    def of(cls, *groups: Records) -> "Evidence":
        """Of groups of records, each with seeds of its own; ValueError of an empty one."""
        if not all(groups):
            raise ValueError("every group of the evidence must hold a record, got an empty one")
        runs = [record.run for group in groups for record in group]
        seeds = [len({record.run.seed for record in group}) for group in groups]
        moduli = sorted({(run.task in PERMUTATION, run.p) for run in runs})
        other = not {*moduli} <= PAPERS_MODULI or any(run.model != ModelConfig() for run in runs)
        by = tuple(sorted({_optimiser(run) for run in runs}))
        settings = tuple(f"S{p}" if permutes else f"p = {p}" for permutes, p in moduli)
        return cls(by, settings, min(seeds), other or min(seeds) < ENOUGH_SEEDS, max(seeds))

    @classmethod
    def across(cls, *groups: Records) -> "Evidence":
        """The same of a claim about other moduli: smaller only by too few seeds."""
        made = cls.of(*groups)
        return replace(made, smaller=(made.seeds or 0) < ENOUGH_SEEDS)

    @property
    def optimisers(self) -> list[str]:
        """ "AdamW", "L-BFGS": without rates and starts."""
        return sorted({re.split(r",| \(", name)[0] for name in self.by})

    @property
    def badges(self) -> list[str]:
        """ "AdamW", "p = 113", "5 seeds"."""
        return [*self.by, *self.settings, *seeds_badge([self])]


def seeds_badge(made: Sequence[Evidence]) -> list[str]:
    """ "5 seeds", or "2 – 5 seeds": the range over all groups of runs; nothing without runs."""
    counts = {n for each in made for n in (each.seeds, each.most_seeds) if n}
    return [f"{span(counts)} seed{'s' * (counts != {1})}"] if counts else []


def _optimiser(run: Run) -> str:
    usual, minimises = Run().lr, run.optimiser == "lbfgs"
    name = "L-BFGS" if minimises else "Muon" if run.muon else "AdamW"
    own = usual if minimises else run.lr  # the minimiser has none
    name += f", η = {own:g}" if own != usual else ""
    begun = run.init.lr if run.init else own
    return name + (f" (starts trained at η = {begun:g})" if begun not in (usual, own) else "")


@dataclass(frozen=True)
class Result:
    """What we found of one claim; without evidence, that nothing was run."""

    ours: str = ""  # our numbers
    core: Met = None  # whether the claim's own sentence is so
    further: Mapping[str, Met] = field(default_factory=dict)  # what else is asked, by what it says
    evidence: Evidence | None = None
    before: str = ""  # an earlier verdict: by fewer or shorter runs, and the choice that tells
    few: str = ""  # why fewer than `ENOUGH_SEEDS` seeds

    @property
    def verdict(self) -> str:
        """One of `VERDICTS` (choice C23)."""
        if self.evidence is None:
            return NOT_RUN
        if self.core is None:
            return OPEN
        if not self.core:
            return FAILS
        if not all(self.further.values()):
            return IN_PART
        return SMALLER if self.evidence.smaller else HOLDS


Judge = Callable[[ByExperiment], Result]


def told_without(choice: str, *later: str) -> Callable[[Judge], Judge]:
    """For a judge that reads experiments made later: `before` is the verdict without their runs.

    Only where that verdict is another one; `choice` is the rule by which they are read.
    """

    def decorate(judge: Judge) -> Judge:
        @wraps(judge)
        def told(found: ByExperiment) -> Result:
            result = judge(found)
            if not any(map(found.get, later)):
                return result
            alone = judge({name: records for name, records in found.items() if name not in later})
            if alone.verdict == result.verdict:
                return result
            parts = [result.before, f"{alone.verdict}, without the later runs ({choice})"]
            return replace(result, before="; ".join(filter(None, parts)))

        return told

    return decorate


def every(criteria: Iterable[Met]) -> Met:
    """Whether all of the criteria are met; None if one cannot be told and none is not met."""
    known = list(criteria)
    return False if False in known else None if None in known else True


@dataclass(frozen=True)
class Claim:
    """One row of the scoreboard: what the paper says, in our words, and how we judge it."""

    id: str  # a figure, theorem or section of the paper; B1.. go beyond it
    title: str
    says: str  # the core criterion
    where: tuple[str, str]  # the page, as in the book's contents, and the target on it
    judge: Judge = field(kw_only=True)
    needs: tuple[str, ...] = ()  # experiments without whose records there is nothing to judge
    number: str = "not in the paper"  # the paper's number, or what counts where it gives none
    heading: str = ""  # the prediction that it tests
    earlier: str = ""  # `Result.before` of the published runs of the first that it needs
    few: str = ""  # `Result.few` of these

    @property
    def href(self) -> str:
        """The address of its place in the book, from the book's folder."""
        return "{}.html#{}".format(*self.where)

    @property
    def score(self) -> str:
        """One of `SCORES`, by the id: a theorem or lemma, beyond the paper, or in it."""
        if self.id.startswith(("T-", "L-")):
            return THEOREMS
        return BEYOND if self.id.startswith("B") else PAPER

    def result(self, records: ByExperiment) -> Result:
        """The result that these records give; "not run" without the ones that it needs."""
        return self.judge(records) if all(records.get(name) for name in self.needs) else Result()


class Claims(list[Claim]):
    """The claims of a room, each added by `row` above the function that judges it."""

    def row(self, *said: Any, **more: Any) -> Callable[[Judge], Judge]:
        """For a judge: adds its claim, whose other fields these are, as `Claim` has them."""

        def decorate(judge: Judge) -> Judge:
            self.append(Claim(*said, **more, judge=judge))
            return judge

        return decorate


TWO, THREE = "Prediction 2, phase transition", "Prediction 3, weight decay"
