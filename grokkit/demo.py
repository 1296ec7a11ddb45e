"""`grokkit demo`: one small network groks, then un-groks, in less than a minute."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from grokkit.curves import picture
from grokkit.engine.metrics import METRICS
from grokkit.engine.stack import Stack, start
from grokkit.engine.tabulated import begin_thread
from grokkit.model import ModelConfig
from grokkit.runs import Record, Run
from grokkit.store.store import Store

GROK = Run(
    p=23,
    dataset_size=350,
    epochs=600,
    lr=5e-3,
    weight_decay=2.0,
    model=ModelConfig(d_model=64, n_heads=4, d_mlp=128),
    n_logged=40,
    keep_weights=True,
)
UNGROK = replace(GROK, dataset_size=60, epochs=200, init=GROK)

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>grokkit demo</title>
<body style="font-family: sans-serif; max-width: 900px; margin: 2em auto">
<h1>One network groks, then un-groks</h1>
<p>It learns x + y mod {p} from {many} of {all} examples. It fits them within a few dozen epochs and
fails on the others; then weight decay hands the work to the circuit that knows the rule. Trained
further on {few} of the examples, it forgets the rule, for memorising so few is cheaper.</p>
{picture}
</body></html>
"""


def watched(run: Run, stack: Stack) -> Iterator[tuple[int, dict[str, float]]]:
    """Train the run, the only one of this stack: epoch and `METRICS` of each evaluation."""
    logged = set(run.log_epochs().tolist())
    for epoch in range(run.epochs + 1):
        if epoch in logged:
            yield epoch, dict(zip(METRICS, stack.metrics()[0].tolist(), strict=True))
        stack.advance()


def demo() -> str:
    """Train both runs one after the other, print how they go, and return a page with the curves."""
    threads = torch.get_num_threads()
    begin_thread()
    records, titles = [], []
    state = start(GROK, Store(shipped=""))
    try:
        for run, title in ((GROK, "grokking"), (UNGROK, "ungrokking")):
            print(f"{title}: D = {run.dataset_size:,} of {run.p**2:,} examples")
            stack, rows = Stack([run], [state], torch.device("cpu")), []
            for epoch, row in watched(run, stack):
                rows.append({"epoch": epoch} | row)
                bar = "█" * round(30 * row["test_accuracy"])
                print(
                    f"  epoch {epoch:5,}  train accuracy {row['train_accuracy']:.2f}  "
                    f"test accuracy {row['test_accuracy']:.2f} {bar}",
                    flush=True,
                )
            state = {"point": stack.state(0)["point"]}
            metrics = {name: np.array([row[name] for row in rows]) for name in rows[0]}
            records.append(Record(run, metrics, {}))
            titles.append(f"{title}, D = {run.dataset_size:,}")
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
    return PAGE.format(
        p=GROK.p,
        many=GROK.dataset_size,
        few=UNGROK.dataset_size,
        all=GROK.p**2,
        picture=picture(records, titles),
    )
