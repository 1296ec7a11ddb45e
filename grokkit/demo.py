"""`grokkit demo`: one small network groks, then ungroks, in less than a minute."""

from dataclasses import replace
from tempfile import TemporaryDirectory

from grokkit.curves import picture
from grokkit.model import ModelConfig
from grokkit.runs import Run
from grokkit.store.store import Store
from grokkit.sweeps.local import train

GROK = Run(p=23, dataset_size=350, epochs=600, lr=5e-3, weight_decay=2.0, n_logged=40)
GROK = replace(GROK, model=ModelConfig(d_model=64, n_heads=4, d_mlp=128), keep_weights=True)
UNGROK = replace(GROK, dataset_size=60, epochs=200, init=GROK)

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>grokkit demo</title>
<body style="font-family: sans-serif; max-width: 900px; margin: 2em auto">
<h1>One network groks, then ungroks</h1>
<p>It learns x + y mod {p} from {many} of {all} examples. It fits them within a few dozen epochs and
fails on the others; then weight decay hands the work to the circuit that knows the rule. Trained
further on {few} of the examples, it forgets the rule, for memorising so few is cheaper.</p>
{picture}
</body></html>
"""


def demo() -> str:
    """Train both runs one after the other, print how they went, and make a page of the curves."""
    titles = []
    with TemporaryDirectory() as folder:
        print("One small network groks, then ungroks: in about half a minute.", flush=True)
        records = train([GROK, UNGROK], Store(folder, shipped=""), "cpu", progress=False)
    for record, title in zip(records, ("grokking", "ungrokking"), strict=True):
        titles.append(f"{title}, D = {record.run.dataset_size:,}")
        print(f"{titles[-1]} of {record.run.p**2:,} examples")
        columns = (record[name] for name in ("epoch", "train_accuracy", "test_accuracy"))
        for epoch, right, test in zip(*columns, strict=True):
            line = f"  epoch {epoch:5,}  train accuracy {right:.2f}  test accuracy {test:.2f} "
            print(line + "#" * round(30 * test))
    sizes = {"many": GROK.dataset_size, "few": UNGROK.dataset_size, "all": GROK.p**2}
    return PAGE.format(p=GROK.p, **sizes, picture=picture(records, titles))
