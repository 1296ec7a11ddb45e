"""Muon for the hidden matrices: where networks forget, and how long they take (choice C71).

Weight decay bounds the largest singular value of a matrix that Muon moves, and not its norm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from math import nan
from statistics import fmean

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Records
from varma2023 import measures, statistics
from varma2023.delay import analysis, figures
from varma2023.measures import at_the_end, group
from varma2023.statistics import Interval
from varma2023.theme import GEN, NORM, TEST

LARGER = 1.3  # times the size by AdamW: the least by which that with Muon must be larger, and
SAME_ACCURACY = 0.1  # the most by which accuracy may differ at half of the learning rate
STILL = 0.05  # the most by which an accuracy may move in the last quarter of the epochs


@dataclass(frozen=True)
class Muon:
    """Runs of `sweeps.muon` beside those of AdamW."""

    usual: Records  # ungrokking by AdamW (`sweeps.grokfast`)
    ends: Mapping[float, Records]  # by Muon, by the length of its step, that of the claims first
    slow: Records  # on one size, at half of the learning rate
    waits: Records  # fresh networks

    @classmethod
    def of(cls, records: Records, filtered: Records, more: Records = ()) -> "Muon":
        """From those of `sweeps.muon` and of `sweeps.grokfast`; `more`: of `sweeps.muon_more`."""
        by_adamw, by_muon = ([r for r in more if (r.run.muon > 0) == so] for so in (False, True))
        records = [*records, *by_muon]
        by_rate = [*group([record for record in records if record.run.init], "lr").values()]
        ends = group(by_rate[-1], "muon") if by_rate else {}
        first = dict(sorted(ends.items(), reverse=True))
        slow = by_rate[0] if len(by_rate) > 1 else []
        fresh = [record for record in records if not record.run.init]
        return cls([*analysis.Grokfast.of(filtered).usual, *by_adamw], first, slow, fresh)

    @property
    def whole(self) -> bool:
        """Whether there are five sizes at two lengths of the step, and by AdamW."""
        kinds = [*self.ends.values(), self.usual]
        return len(kinds) > 2 and all(len(group(own, "dataset_size")) > 4 for own in kinds)

    @property
    def ratios(self) -> dict[float, Interval]:
        """By the length of the step, the size at accuracy 1/2 over that by AdamW, by seed."""
        usual = measures.d_crits(self.usual)
        found = self.ends.items()
        return {step: statistics.mean_ratio(measures.d_crits(own), usual) for step, own in found}

    @property
    def slower(self) -> Interval:
        """Accuracy at the end at half of the learning rate less that of the same, over seeds."""
        first = next(iter(self.ends.values()))
        own = {measures.network(record): at_the_end(record) for record in first}
        apart = [at_the_end(r) - own.get(measures.network(r), nan) for r in self.slow]
        return statistics.bootstrap(apart, fmean)

    @property
    def still(self) -> list[bool]:
        """Of each network that ungroks, by AdamW too, whether its accuracy is still at the end."""
        every = chain(self.usual, *self.ends.values(), self.slow)
        late = ((r["epoch"] >= 0.75 * r.run.epochs, r) for r in every)
        return [bool(np.ptp(r["test_accuracy"][last]) <= STILL) for last, r in late]

    def times(self, records: Records) -> dict[int, Interval]:
        """By size, the time to grok over that by AdamW, of `sweeps.delay`, by seed.

        A network that does not get there by Muon counts with its end.
        """
        return analysis.by_field(self.waits, records, "dataset_size", analysis.halfway_or_end)

    def figure(self, records: Records) -> go.Figure:
        """Where ungrokking ends, and how long grokking takes, by AdamW and by Muon.

        `records`: of `sweeps.delay`, among them the waits of the same networks by AdamW.
        """
        ends = {"AdamW": (self.usual, TEST)}
        for (step, own), colour in zip(self.ends.items(), (GEN, NORM), strict=False):
            ends[f"Muon, {step:g} η"] = own, colour
        usual = measures.among(records, self.waits)
        waits = {"AdamW": (usual, TEST), f"Muon, {next(iter(self.ends)):g} η": (self.waits, GEN)}
        late = {f"{size} examples": r.text() for size, r in self.times(records).items()}
        return figures.ends_and_waits(ends, waits, "muon", late)
