"""Claims about the other tasks: Fig. 8, and their circuits."""

from collections.abc import Sequence

from grokkit import tasks
from grokkit.runs import Record
from varma2023 import measures
from varma2023.claims import TWO, Claim, Evidence, Records, Result
from varma2023.measures import NONE, PERFECT, end_kind
from varma2023.other_tasks import analysis
from varma2023.pages import OTHER_TASKS, UNGROKKING


def group_circuits(found: Records) -> Result:
    """B5, from the networks of `grokked_tasks` whose weights were kept."""
    kept = [record for record in found["grokked_tasks"] if record.weights_path]
    return group_result([analysis.group_circuit(record) for record in kept])


def group_result(found: Sequence[analysis.GroupCircuit]) -> Result:
    """B5 from the circuits of trained networks: few characters are key, and hold the norm."""
    judged = analysis.judged(found)
    if not analysis.enough(found):
        return Result()
    modular = [c for c in judged if c.task not in tasks.PERMUTATION and c.other]
    held = [c for c in judged if c.share > analysis.MOST]
    by_task = [[c.record for c in judged if c.task == task] for task in {c.task for c in judged}]
    return Result(
        analysis.text(judged),
        all(map(analysis.few, modular)),
        {
            f"they hold over {analysis.MOST:.0%} of the norm, the paper's gate ({len(held)} of "
            f"{len(judged)} networks)": len(held) == len(judged)
        },
        Evidence.of(*by_task),
    )


def fig8(found: Records) -> Result:
    """Fig. 8: every task whose network holds the rule goes from near chance to generalised."""
    groups = measures.group(found["other_tasks"], "task")
    if not measures.judged(found["other_tasks"]):
        return Result()
    held = {task: here for task, here in groups.items() if _holds_the_rule(here)}
    met = [measures.task_ungroks(here) for here in held.values()]
    known = sum(map(_beyond_memory, groups.values()))
    return Result(
        f"from near chance to generalised in {sum(met)} of {len(groups)} tasks; {len(held)} of "
        f"them hold the rule at the largest D′, {known} more than memory with mirror images",
        all(met) if met else None,
        {
            f"all nine tasks were trained until they held the rule ({len(held)} of "
            f"{measures.N_OTHER_TASKS})": len(held) == measures.N_OTHER_TASKS,
            **measures.resting(found["other_tasks"]),
        },
        Evidence.of(*groups.values()),
    )


def _holds_the_rule(records: Sequence[Record]) -> bool:
    """Whether every seed's network, on its largest train set, is generalised (choice C10)."""
    return all(record.final("test_accuracy") >= PERFECT for record in measures.at_largest(records))


def _beyond_memory(records: Sequence[Record]) -> bool:
    """Whether every seed's network, on its largest train set, answers more than memory would."""
    return all(end_kind(record) != NONE for record in measures.at_largest(records))


CLAIMS = (
    Claim(
        "B5",
        "Beyond: the two circuits in other tasks",
        "few characters of the task's group take the place of the cosines",
        OTHER_TASKS,
        "fig-characters",
        group_circuits,
        ("grokked_tasks",),
    ),
    Claim(
        "F8",
        "Fig. 8, nine other tasks",
        "each task whose network holds its rule ungroks",
        UNGROKKING,
        "fig-8",
        fig8,
        ("other_tasks",),
        number="a transition in each of nine",
        heading=TWO,
    ),
)
