"""Results of other tasks' circuits: the logits by character of the task's group."""

from collections.abc import Mapping, Sequence

from grokkit import characters
from grokkit.claims.board import Result
from grokkit.runs import Record


def results(records: Mapping[str, Sequence[Record]]) -> dict[str, Result]:
    """What the records of `grokked_tasks` decide; those without weights are left out."""
    kept = [record for record in records.get("grokked_tasks", ()) if record.weights_path]
    found = [characters.group_circuit(record) for record in kept]
    return {"B5": characters_result(found)} if found else {}


def characters_result(found: Sequence[characters.GroupCircuit]) -> Result:
    """Whether characters take the place of the cosines, from the circuits of trained networks."""
    judged = characters.judged(found)
    return Result(characters.verdict(found), characters.text(judged), len(judged))
