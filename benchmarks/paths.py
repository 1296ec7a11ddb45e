"""How high Eq. (2) rises on the lowest path found from memory to a grokked network (C89, C90).

    python benchmarks/paths.py [--quick] [--save]

Of narrow networks, mod 31: the same train sets from both starts, each at its end. They are trained
first where the store has not got them. A path takes some minutes, a network up to a quarter of an
hour.
"""

import numpy as np
import torch
from engine import CPU, options, save

from grokkit.store.store import Store
from varma2023 import experiments, measures
from varma2023.two_starts.analysis import by_start
from varma2023.two_starts.barrier import IN_MEMORY
from varma2023.two_starts.paths import accuracies, lowest
from varma2023.two_starts.sweeps import connected


def main() -> None:
    args = options(__doc__).parse_args()
    torch.set_num_threads(1)
    runs = connected("quick" if args.quick else "published")
    rules, memories = by_start(experiments.load_or_train(runs, Store()))
    rows = []
    for memory, rule in zip(memories, rules, strict=True):
        where = {"dataset_size": memory.run.dataset_size, "seed": memory.run.seed}
        where["at_rest"] = [measures.rests(end) for end in (memory, rule)]
        if (right := measures.at_the_end(memory)) > IN_MEMORY:  # it has left by itself
            found = {"at": [], "costs": [], "tops": [], "accuracies": [right]}
        else:
            path = lowest(memory.run, memory.weights(), rule.weights())
            found = {name: [*np.round(getattr(path, name), 4)] for name in ("at", "costs", "tops")}
            found["accuracies"] = [*accuracies(memory.run, path.networks)]
        rows.append(where | found)
        print(where, found["tops"][-1:], flush=True)
        save(args, "paths", CPU, rows=rows)  # what is known so far


if __name__ == "__main__":
    main()
