"""The paper's experiments as lists of runs, in three sizes, and the call that gets their records.

`published` is what this book shows, from stored results; `quick` trains everything anew at a small
modulus in minutes; `paper` is the paper's own grid, for those with the hours. A field of
`Run` that a sweep does not set itself can be changed: `grokking(p=53, weight_decay=0.5)`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from grokkit.runs import Record, Run
from grokkit.store.store import Store
from grokkit.sweeps.local import train as load_or_train
from grokkit.sweeps.plan import with_inits
from varma2023.clock.sweeps import learning_rates
from varma2023.convergence.sweeps import (
    convergence,
    from_minima,
    long_runs,
    minima_by_size,
    strength,
)
from varma2023.decomposition.sweeps import grokked_moduli
from varma2023.delay.sweeps import delay, delay_53, grokfast, noisy, upper_branch
from varma2023.efficiency.sweeps import (
    generalising,
    memorising,
    memory_at_rest,
    papers_memory,
    starts,
)
from varma2023.other_tasks.sweeps import grokked_tasks, other_tasks, task_starts
from varma2023.profiles import full_data, grokking, grokking_longer, one_of, ungrokking
from varma2023.rivals.sweeps import ablations, smaller_start, without_decay
from varma2023.semi_grokking import sweeps as semi
from varma2023.two_starts.sweeps import both_starts, from_scratch, shaken, two_minima
from varma2023.ungrokking import sweeps as ungrok


@dataclass(frozen=True)
class Experiment:
    """A sweep: which figures it draws and how its runs are made."""

    figures: str
    runs: Callable[..., list[Run]]


EXPERIMENTS = {
    "grokking": Experiment("Figs. 1a, 9, 11; the equilibrium of AdamW", grokking),
    "grokking_longer": Experiment("those that are under way at their end", grokking_longer),
    "full_data": Experiment("the start of Figs. 1b and 7", full_data),
    "ungrokking": Experiment("Figs. 1b, 7", ungrokking),
    "convergence": Experiment("AdamW and the minimiser of Eq. 2, to the same end", convergence),
    "learning_rates": Experiment("AdamW at other learning rates", learning_rates),
    "long_runs": Experiment("when a run may end early", long_runs),
    "from_minima": Experiment("whether AdamW stays on minima of both circuits", from_minima),
    "minima_by_size": Experiment("the same on more and on fewer examples", minima_by_size),
    "strength": Experiment("(c ε, λ / c): the same end", strength),
    "transition": Experiment("Figs. 4, 10a, where ungrokking ends", ungrok.transition),
    "transition_adamw": Experiment("Fig. 4 by the paper's protocol", ungrok.transition_adamw),
    "memorising": Experiment("Fig. 3a, b, the efficiency of C_mem", memorising),
    "generalising": Experiment("Fig. 3c, d, the efficiency of C_gen", generalising),
    "starts": Experiment("D_crit predicted, seed by seed", starts),
    "both_starts": Experiment("App. A.2, two starts", both_starts),
    "from_scratch": Experiment("the ends of Fig. 5", from_scratch),
    "task_starts": Experiment("the start of Fig. 8", task_starts),
    "other_tasks": Experiment("Fig. 8", other_tasks),
    "semi_grokking": Experiment("Figs. 1c, 5, 6", semi.semi_grokking),
    "semi_grokking_ends": Experiment("the same networks by the minimiser", semi.semi_grokking_ends),
    "semi_grokking_again": Experiment("whether semi-grokked runs stay", semi.semi_grokking_again),
    "larger_step": Experiment("near D_crit at p = 113, at a larger rate", semi.larger_step),
    "papers_sizes": Experiment("its 200 networks of Fig. 5, at a larger rate", semi.papers_sizes),
    "papers_sizes_again": Experiment("those left in the middle, longer", semi.papers_sizes_again),
    "lowered": Experiment("the same, the rate lower once memorised", semi.lowered),
    "leaving_memory": Experiment("near D_crit at p = 31, at larger rates", semi.leaving_memory),
    "leaving_memory_53": Experiment("the same at p = 53", semi.leaving_memory_53),
    "slower": Experiment("the same at a smaller rate", semi.slower),
    "middling": Experiment("whether networks left in the middle stay", semi.middling),
    "momentum": Experiment("the same, by momentum at the usual rate", semi.momentum),
    "clipped": Experiment("the same with spikes kept low", semi.clipped),
    "kicked": Experiment("the same with noise instead", semi.kicked),
    "exchanged": Experiment("the same, by ε and λ at one ε λ", semi.exchanged),
    "rounded": Experiment("near D_crit, with a loss that rounds", semi.rounded),
    "steep": Experiment("how steep the loss is on the way there", semi.steep),
    "forgetting": Experiment("how steep it is while networks ungrok", semi.forgetting),
    "remembering": Experiment("and while fresh ones stay in memory", semi.remembering),
    "delay": Experiment("how long until a network groks", delay),
    "delay_53": Experiment("the same at p = 53, over a wide range of sizes", delay_53),
    "noisy": Experiment("the same with noise on the gradient", noisy),
    "grokfast": Experiment("where they forget, and how long, with Grokfast", grokfast),
    "upper_branch": Experiment("fresh networks at that modulus, by the minimiser", upper_branch),
    "ablations": Experiment("Sec. 6, 7: rival accounts", ablations),
    "smaller_start": Experiment("Sec. 6 at the paper's modulus", smaller_start),
    "without_decay": Experiment("Sec. 7 without Adam's ε, and on more examples", without_decay),
    "grokked_moduli": Experiment("key frequencies at other moduli", grokked_moduli),
    "grokked_tasks": Experiment("circuits of the other tasks", grokked_tasks),
    "epsilon": Experiment("D_crit against Adam's ε", ungrok.epsilon),
    "epsilon_adamw": Experiment("the same by AdamW", ungrok.epsilon_adamw),
    "moduli": Experiment("D_crit at other moduli", ungrok.moduli),
    "widths": Experiment("D_crit at another width", ungrok.widths),
    "memory_at_rest": Experiment("what memory costs near D_crit", memory_at_rest),
    "papers_memory": Experiment("the same at the paper's modulus", papers_memory),
    "two_minima": Experiment("both starts, side by side", two_minima),
    "shaken": Experiment("whether networks come back to them", shaken),
    "mirrors": Experiment("D_crit by examples, or by facts", ungrok.mirrors),
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


def named(profile: str, *names: str) -> dict[str, list[Record]]:
    """The records of these experiments by name, trained where they are missing."""
    return {name: load_or_train(experiment(name).runs(profile)) for name in names}


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
