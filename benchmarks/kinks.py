"""How much of the minimiser's residual is that of hidden units on the kink of their ReLU.

    python benchmarks/kinks.py [--quick] [--save]

Of networks in memory, mod 31, from which `pushed` starts. They are trained first where the
store has not got them, which takes an hour.
"""

import torch
from engine import CPU, options, save

from grokkit.store.store import Store
from varma2023 import experiments
from varma2023.convergence.kinks import kinks
from varma2023.two_starts.sweeps import pushed


def main() -> None:
    args = options(__doc__).parse_args()
    torch.set_num_threads(1)
    starts = [run.init for run in pushed("quick" if args.quick else "published") if run.init]
    rows = []
    for record in experiments.load_or_train(starts, Store()):
        where = {"dataset_size": record.run.dataset_size, "seed": record.run.seed}
        rows.append(where | kinks(record.run, record.weights())._asdict())
        print(rows[-1], flush=True)
    save(args, "kinks", CPU, rows=rows)


if __name__ == "__main__":
    main()
