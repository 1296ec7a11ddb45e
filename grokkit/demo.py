"""`grokkit demo`: one small network groks, then un-groks, in less than a minute."""

from dataclasses import replace
from tempfile import TemporaryDirectory

import torch

from grokkit.curves import picture
from grokkit.engine.metrics import METRICS
from grokkit.engine.tabulated import begin_thread
from grokkit.engine.trainer import Training
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


def demo() -> str:
    """Train both runs one after the other, print how they go, and return a page with the curves."""
    threads, records, titles = torch.get_num_threads(), [], []
    begin_thread()
    try:
        with TemporaryDirectory() as folder:
            store = Store(folder, shipped="")
            for run, title in ((GROK, "grokking"), (UNGROK, "ungrokking")):
                print(f"{title}: D = {run.dataset_size:,} of {run.p**2:,} examples")
                records.append(_watched(run, store))
                titles.append(f"{title}, D = {run.dataset_size:,}")
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
    sizes = {"many": GROK.dataset_size, "few": UNGROK.dataset_size, "all": GROK.p**2}
    return PAGE.format(p=GROK.p, **sizes, picture=picture(records, titles))


def _watched(run: Run, store: Store) -> Record:
    """The record of the run, of which each evaluation is printed as soon as it is made."""
    training = Training({run: None}, store, torch.device("cpu"), 1)
    accuracies = [METRICS.index(name) for name in ("train_accuracy", "test_accuracy")]
    for row, epoch in enumerate(run.log_epochs()):
        metrics = training.metrics
        while training.runs and training.epoch <= epoch:
            training.advance()
        train, test = metrics[row, 0, accuracies].tolist()
        line = f"  epoch {epoch:5,}  train accuracy {train:.2f}  test accuracy {test:.2f} "
        print(line + "#" * round(30 * test), flush=True)
    record = store.get(run)
    assert record is not None
    return record
