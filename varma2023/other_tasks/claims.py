"""Claims about the other tasks: Fig. 8, and their circuits."""

from varma2023 import measures
from varma2023.claims import TWO, ByExperiment, Claims, Evidence, Met, Result
from varma2023.measures import NONE, end_kind
from varma2023.other_tasks import analysis
from varma2023.pages import OTHER_TASKS, UNGROKKING

CLAIMS = Claims()


@CLAIMS.row(
    "B5",
    "Beyond: the two circuits in other tasks",
    "in modular tasks a few characters of the task's group take the place of the cosines",
    (OTHER_TASKS, "fig-characters"),
    ("grokked_tasks",),
    few="one network a task; the weights of one take 0.7 MB of the 30 that results may have",
)
def group_circuits(found: ByExperiment) -> Result:
    """B5: in networks whose weights were kept few characters are key, and hold the norm."""
    kept = [record for record in found["grokked_tasks"] if record.weights_path]
    circuits = [analysis.group_circuit(record) for record in kept]
    if not analysis.enough(circuits):
        return Result()
    judged = analysis.judged(circuits)
    held = sum(c.share > analysis.MOST for c in judged)
    by_task = measures.group([c.record for c in judged], "task").values()
    few = all(analysis.few(c) for c in judged if c.other)
    gate = f"they hold over {analysis.MOST:.0%} of the norm, the paper's criterion"
    further: dict[str, Met] = {f"{gate} ({held} of {len(judged)} networks)": held == len(judged)}
    further |= measures.resting([c.record for c in judged])
    return Result(analysis.text(judged), few, further, Evidence.of(*by_task))


@CLAIMS.row(
    "F8",
    "Fig. 8, nine other tasks",
    "in each task whose networks hold its rule, they ungrok",
    (UNGROKKING, "fig-8"),
    ("other_tasks",),
    number="in many cases accuracy falls below 1, often to nearly 0",
    heading=TWO,
    earlier="in part, with one seed from earlier starts; in part, with x²+xy+y² as the first rule "
    "counted it, and without the size that was added for x/y (C50)",
    few="two were planned for each of nine tasks (C50)",
)
def fig8(found: ByExperiment) -> Result:
    """Fig. 8: every task whose network holds the rule goes from near chance to generalised.

    It holds the rule if every seed's network, on its largest train set, is generalised (choice
    C10), and answers more there than memory with mirror images would (choice C50).
    """
    records = found["other_tasks"]
    if not measures.judged(records):
        return Result()
    groups = measures.group(records, "task")
    largest = {task: measures.at_largest(here) for task, here in groups.items()}
    held = [task for task, here in groups.items() if measures.holds_rule(here)]
    known = sum(all(end_kind(r) != NONE for r in here) for here in largest.values())
    met = [measures.task_ungroks(groups[task]) for task in held]
    n, nine = len(held), len(measures.OTHER_TASKS)
    every = f"networks of all nine tasks were trained until they held the rule ({n} of {nine})"
    ours = f"accuracy goes from near chance to generalised in {sum(met)} of {len(groups)} tasks; "
    ours += f"at the largest D′ {n} of them hold the rule, and {known} know more than memory with "
    ours += "mirror images"
    core, further = all(met) if met else None, {every: n == nine or None}
    return Result(ours, core, further | measures.resting(records), Evidence.of(*groups.values()))
