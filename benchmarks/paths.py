"""How high Eq. (2) rises on the lowest path found from memory to a grokked network (choice C89).

    python benchmarks/paths.py [--quick] [--save]

Of narrow networks, mod 31: the same train sets from both starts, each at its end. They are trained
first where the store has not got them. A path takes some minutes.
"""

import numpy as np
import torch
from engine import CPU, options, save

from grokkit.store.store import Store
from varma2023 import experiments, measures
from varma2023.two_starts.analysis import by_start
from varma2023.two_starts.paths import accuracies, lowest
from varma2023.two_starts.sweeps import connected


def main() -> None:
    args = options(__doc__).parse_args()
    torch.set_num_threads(1)
    runs = connected("quick" if args.quick else "published")
    rules, memories = by_start(experiments.load_or_train(runs, Store()))
    rows = []
    for memory, rule in zip(memories, rules, strict=True):
        path = lowest(memory.run, memory.weights(), rule.weights())
        where = {"dataset_size": memory.run.dataset_size, "seed": memory.run.seed}
        found = {name: [*np.round(getattr(path, name), 4)] for name in ("at", "costs", "tops")}
        found["accuracies"] = [*accuracies(memory.run, path.networks)]
        rows.append(where | found | {"at_rest": [measures.rests(end) for end in (memory, rule)]})
        print(where, max(found["costs"]), flush=True)
        save(args, "paths", CPU, rows=rows)  # what is known so far


if __name__ == "__main__":
    main()
