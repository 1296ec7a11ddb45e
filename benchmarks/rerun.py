"""Three chapters executed again by papermill with other parameters, everything trained anew.

    python benchmarks/rerun.py [--quick] [--save]

Each begins with an empty store and without the shipped results. What it printed, the figure it drew
and what it cost are the page "Run it yourself".
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from engine import CPU, options, save

from grokkit.store.parquet import read_records
from varma2023.publish import chapters
from varma2023.publish.reruns import Rerun
from varma2023.theme import PLOTLY_MIME

CASES = {  # name: chapter, its figure that is kept, parameters
    "another modulus": ("01_introduction", "fig-1a", {"profile": "quick", "p": 37, "seeds": 1}),
    "another weight decay": (
        "a3_grokking_circuits",
        "fig-9",
        {"profile": "quick", "weight_decay": 2, "seeds": 1},
    ),
    "another task": ("01_introduction", "fig-7", {"profile": "quick", "task": "x*y", "seeds": 1}),
}


def rerun(name: str) -> Rerun:
    """Execute the case with this name in a process of its own, and read what came out."""
    chapter, label, parameters = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        store, out = Path(folder) / "store", Path(folder) / "out.ipynb"
        given = [part for key, value in parameters.items() for part in ("-p", key, str(value))]
        source = f"book/chapters/{chapter}.ipynb"
        command = [sys.executable, "-m", "papermill", source, str(out), *given]
        environment = {**os.environ, "GROKKIT_STORE": str(store), "GROKKIT_RESULTS": ""}
        before, began = _cpu(), time.perf_counter()
        subprocess.run(command, check=True, cwd=chapters.ROOT, env=environment)
        seconds, cpu = time.perf_counter() - began, _cpu() - before
        paths = sorted((store / "records").glob("*.parquet"))
        runs = [read_records(path, store)[0].run for path in paths]
        return Rerun(
            name=name,
            chapter=f"chapters/{chapter}",
            parameters=parameters,
            seconds=round(seconds, 1),
            cpu_seconds=round(cpu, 1),
            networks=len(runs),
            epochs=sum(run.epochs for run in runs),
            values=chapters.glued(out),
            figure=_figure(out, label),
        )


def _cpu() -> float:
    """Seconds of processor time of the processes started here that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _figure(notebook: Path, label: str) -> dict[str, Any]:
    """The figure of the cell with this label, as plotly's JSON, without the template."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["metadata"].get("mystnb", {}).get("figure", {}).get("name") == label:
            [found] = [
                o["data"][PLOTLY_MIME] for o in cell["outputs"] if PLOTLY_MIME in o.get("data", {})
            ]
            layout = {k: v for k, v in found["layout"].items() if k != "template"}
            return {"data": found["data"], "layout": layout}
    raise LookupError(f"{notebook}: no figure {label!r}")


def main() -> None:
    args, rows = options(__doc__).parse_args(), []
    for name in list(CASES)[: 1 if args.quick else None]:
        made = rerun(name)
        rows.append(vars(made))
        print(name, made.networks, "networks,", made.cpu_seconds, "s,", made.verdicts, flush=True)
    save(args, "rerun", CPU, rows=rows)


if __name__ == "__main__":
    main()
