"""The paper's experiments as lists of runs, in three sizes, and the call that gets their records.

`published` is what this book shows, from stored results; `quick` trains everything anew at a small
modulus in minutes; `paper` is the paper's own grid, for those with the hours. A field of
`Run` that a sweep does not set itself can be changed: `grokking(p=53, weight_decay=0.5)`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from grokkit.runs import Record, Run
from grokkit.store.store import Store
from grokkit.sweeps.local import train as load_or_train
from grokkit.sweeps.plan import with_inits
from varma2023.clock.sweeps import learning_rates, memory_rates, steep_rates
from varma2023.convergence import sweeps as converge
from varma2023.decomposition.sweeps import grokked_moduli
from varma2023.delay import sweeps as late
from varma2023.efficiency import sweeps as costs
from varma2023.other_tasks.sweeps import grokked_tasks, other_tasks, task_starts, tasks_by_decay
from varma2023.profiles import full_data, grokking, grokking_longer, one_of, ungrokking
from varma2023.rivals import sweeps as rivals
from varma2023.semi_grokking import sweeps as semi
from varma2023.two_starts import sweeps as two
from varma2023.ungrokking import sweeps as ungrok


@dataclass(frozen=True)
class Experiment:
    """A sweep: which figures it draws and how its runs are made."""

    figures: str
    runs: Callable[..., list[Run]]


EXPERIMENTS = {
    sweep.__name__: Experiment(figures, sweep)
    for sweep, figures in (
        (grokking, "Figs. 1a, 9, 11; the equilibrium of AdamW"),
        (grokking_longer, "runs of `grokking` under way at their end, longer"),
        (full_data, "the start of Figs. 1b and 7"),
        (ungrokking, "Figs. 1b, 7"),
        (converge.convergence, "AdamW and the minimiser of Eq. 2, to the same end"),
        (learning_rates, "AdamW at other learning rates"),
        (memory_rates, "random labels at other learning rates"),
        (steep_rates, "how steep the loss is before a network groks, by learning rate"),
        (converge.long_runs, "when a run may end early"),
        (converge.from_minima, "whether AdamW stays on minima of both circuits"),
        (converge.from_memory, "whether AdamW stays in memory, by its step"),
        (converge.minima_by_size, "whether AdamW stays on minima, by number of examples"),
        (converge.strength, "(c ε, λ / c): the same end"),
        (ungrok.transition, "Figs. 4, 10a, where ungrokking ends"),
        (ungrok.finer, "Fig. 10, by sizes closer together"),
        (ungrok.transition_adamw, "Fig. 4 by the paper's protocol"),
        (costs.memorising, "Fig. 3a, b, the efficiency of C_mem"),
        (costs.generalising, "Fig. 3c, d, the efficiency of C_gen"),
        (costs.generalising_anew, "Fig. 3c, d from random weights on each size"),
        (costs.starts, "D_crit predicted, seed by seed"),
        (two.both_starts, "the loop of two starts"),
        (two.starts_at_rest, "App. A.2, A.4, two starts"),
        (two.from_scratch, "the ends of Fig. 5"),
        (task_starts, "the start of Fig. 8"),
        (other_tasks, "Fig. 8"),
        (tasks_by_decay, "Fig. 8 by weight decay"),
        (semi.semi_grokking, "Figs. 1c, 5, 6"),
        (semi.semi_grokking_ends, "the networks of Figs. 1c, 5, 6 by the minimiser"),
        (semi.semi_grokking_again, "whether semi-grokked runs stay"),
        (semi.larger_step, "near D_crit at p = 113, at a larger rate"),
        (semi.papers_sizes, "the paper's 200 networks of Fig. 5, at a larger rate"),
        (semi.papers_sizes_again, "those of the 200 left in the middle, longer"),
        (semi.lowered, "near D_crit at p = 113, the larger rate lowered"),
        (semi.leaving_memory, "near D_crit at p = 31, at larger rates"),
        (semi.leaving_more, "as many more at p = 31, at two of these rates"),
        (semi.slower, "near D_crit at p = 31, at a smaller rate"),
        (semi.leaving_memory_53, "near D_crit at p = 53, at larger rates"),
        (semi.carried_53, "where networks from the middle rest, p = 53"),
        (semi.momentum, "out of memory by momentum, at the usual rate"),
        (semi.clipped, "out of memory, with long gradients clipped"),
        (semi.kicked, "out of memory, with noise on the gradient"),
        (semi.exchanged, "out of memory, by ε and λ at one ε λ"),
        (semi.middling, "whether networks left in the middle stay"),
        (semi.lasting, "those that stay, in float64 and at the usual rate"),
        (semi.rounded, "near D_crit, with a loss that rounds"),
        (semi.rounded_again, "rounded loss: whether networks in the middle stay"),
        (semi.held, "rounded loss: what holds networks in the middle"),
        (semi.carried, "where networks from the middle rest"),
        (semi.continued, "where they go by AdamW from the same weights"),
        (semi.narrower, "narrower networks at three moduli"),
        (semi.narrower_ends, "where narrower networks in the middle go"),
        (semi.narrower_more, "more narrower networks at the last modulus"),
        (semi.steep, "how steep the loss is near D_crit"),
        (semi.forgetting, "how steep it is while networks ungrok"),
        (semi.remembering, "how steep it is while fresh ones stay in memory"),
        (late.delay, "how long until a network groks"),
        (late.delay_53, "time to grok at p = 53, over a wide range of sizes"),
        (late.below, "time to grok on fewer examples, longer runs"),
        (late.second_moment, "how long Adam remembers its first gradients, by β₂"),
        (late.noisy, "time to grok with noise on the gradient"),
        (late.grokfast, "where networks forget and when they grok, with Grokfast"),
        (late.muon, "where they forget and when they grok, with Muon"),
        (late.muon_more, "as many more that forget, by AdamW and Muon"),
        (late.upper_branch, "fresh networks at p = 31, by the minimiser"),
        (rivals.ablations, "Sec. 6, 7: rival accounts"),
        (rivals.smaller_start, "Sec. 6 at the paper's modulus"),
        (rivals.without_decay, "Sec. 7 without Adam's ε, and on more examples"),
        (rivals.with_decay, "Sec. 7 with weight decay, on as many examples"),
        (rivals.slingshots, "Sec. 7 with a loss that rounds"),
        (rivals.other_slingshots, "Sec. 7 with a loss that rounds, and another β₂"),
        (rivals.longer_slingshots, "those of Sec. 7 that only memorise, for longer"),
        (grokked_moduli, "key frequencies at other moduli"),
        (grokked_tasks, "circuits of the other tasks"),
        (ungrok.epsilon, "D_crit against Adam's ε"),
        (ungrok.moduli, "D_crit at other moduli"),
        (ungrok.widths, "D_crit at another width"),
        (ungrok.widths_more, "as many more networks at two widths"),
        (ungrok.either_width, "D_crit with d_model or d_mlp alone halved"),
        (ungrok.narrower_ungrokking, "D_crit of narrower networks"),
        (ungrok.a_million, "Fig. 7 for as long as the paper's"),
        (ungrok.ungrokking_ends, "where ungrokking rests, from AdamW's ends"),
        (costs.memory_at_rest, "what memory costs near D_crit"),
        (costs.papers_memory, "what memory costs at the paper's modulus"),
        (costs.along_rounded_kinks, "both costs along rounded kinks"),
        (costs.papers_rounded, "what memory costs along rounded kinks at p = 113"),
        (two.two_minima, "both starts on the same training sets"),
        (two.shaken, "whether shaken networks come back to their minima"),
        (two.pushed, "how high Eq. (2) is between memory and the rule"),
        (two.other_speeds, "that height, pushed faster and slower"),
        (two.released, "where pushed networks rest"),
        (ungrok.mirrors, "D_crit by examples, or by facts"),
    )
}


def experiment(name: str) -> Experiment:
    """The experiment of that name. Raises ValueError, which lists those there are, for another."""
    return EXPERIMENTS[one_of("experiment", name, EXPERIMENTS)]


def inventory(runs: Sequence[Run], store: Store) -> tuple[int, dict[Run, int]]:
    """How many runs `load_or_train` would load; and those to train, with checkpoints' epochs.

    The runs that missing ones start from are included.
    """
    has: dict[Run, bool] = {}
    missing = chain(*with_inits(runs, lambda run: has.setdefault(run, store.has(run))))
    begun = store.checkpointed()
    return sum(has.values()), {run: begun.get(run, 0) for run in missing}


def named(profile: str, *names: str, **changes: Any) -> dict[str, list[Record]]:
    """The records of these experiments by name, with these changes, trained where missing."""
    return {name: load_or_train(experiment(name).runs(profile, **changes)) for name in names}


def all_records(profile: str = "published", store: Store | None = None) -> dict[str, list[Record]]:
    """The records of every experiment, by its name: what the scoreboard is computed from.

    The quick profile trains what is missing. At the other sizes, where that takes hours, an
    experiment that is not wholly stored is left out; `varma2023 run` trains it.
    """
    store, found = store or Store(), {}
    for name, each in EXPERIMENTS.items():
        runs = each.runs(profile)
        if profile == "quick":
            found[name] = load_or_train(runs, store)
            continue
        stored = [record for run in runs if (record := store.get(run)) is not None]
        if len(stored) == len(runs):
            found[name] = stored
    return found
