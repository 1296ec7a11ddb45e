"""Whether D_crit depends on how a network treats its operands, as a clock or a pizza (C100).

    python benchmarks/operands.py [--quick] [--save] [--seeds 20]

Mod 31: networks trained on every example, and the sizes at which the minimiser makes each ungrok.
All are trained here, in an hour or two, and nothing shipped is used: what another machine trained
is another network, and D_crit has to be that of the one which is measured.
"""

from math import log

import torch
from engine import CPU, options, save

from grokkit.store.store import Store
from varma2023 import experiments, measures
from varma2023.decomposition.operands import distance_irrelevance, gradient_symmetry
from varma2023.ungrokking.sweeps import moduli

LEAST = 1.3  # times p ln p: on fewer examples ends creep, and D_crit is larger


def main() -> None:
    args = options(__doc__, seeds=20).parse_args()
    torch.set_num_threads(1)
    every = moduli("quick" if args.quick else "published", args.seeds)
    p, store, rows = min(run.p for run in every), Store(shipped=""), []
    least = LEAST * p * log(p)
    for seed in range(args.seeds):
        own = [run for run in every if (run.p, run.seed) == (p, seed)]
        runs = [run for run in own if run.dataset_size > least]
        [start] = experiments.load_or_train([run.init for run in runs[:1] if run.init], store)
        ends = experiments.load_or_train(runs, store)
        largest = max(ends, key=lambda end: end.run.dataset_size)
        found = measures.d_crit(ends)
        rows.append(
            {
                "seed": seed,
                "symmetry": gradient_symmetry(start),
                "irrelevance": distance_irrelevance(start),
                "d_crit": None if found.censored else found.value,
                "crossing_rests": measures.crossings_rest(ends),
                "cost": measures.least(largest),
                "cost_rests": measures.rests(largest),
            }
        )
        print(rows[-1], flush=True)
    save(args, "operands", CPU, p=p, rows=rows)


if __name__ == "__main__":
    main()
