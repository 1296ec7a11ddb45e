"""The claim about other tasks' circuits: the logits by character of the task's group."""

from collections.abc import Sequence

from grokkit import tasks
from varma2023 import characters
from varma2023.claims.judging import BEYOND, Claim, Evidence, Records, Result
from varma2023.publish.pages import OTHER_TASKS


def group_circuits(found: Records) -> Result:
    """B5, from the networks of `grokked_tasks` whose weights were kept."""
    kept = [record for record in found["grokked_tasks"] if record.weights_path]
    return group_result([characters.group_circuit(record) for record in kept])


def group_result(found: Sequence[characters.GroupCircuit]) -> Result:
    """B5 from the circuits of trained networks: few characters are key, and hold the norm."""
    judged = characters.judged(found)
    if not characters.enough(found):
        return Result()
    modular = [c for c in judged if c.task not in tasks.PERMUTATION and c.other]
    held = [c for c in judged if c.share > characters.MOST]
    by_task = [[c.record for c in judged if c.task == task] for task in {c.task for c in judged}]
    return Result(
        characters.text(judged),
        all(map(characters.few, modular)),
        {
            f"they hold over {characters.MOST:.0%} of the norm, the paper's gate ({len(held)} of "
            f"{len(judged)} networks)": len(held) == len(judged)
        },
        Evidence.of(*by_task),
    )


CLAIMS = (
    Claim(
        "B5",
        "Beyond: the two circuits in other tasks",
        "few characters of the task's group take the place of the cosines",
        "not in the paper",
        OTHER_TASKS,
        "fig-characters",
        group_circuits,
        ("grokked_tasks",),
        BEYOND,
    ),
)
