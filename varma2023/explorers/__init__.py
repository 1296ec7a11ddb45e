"""Live explorers: one front-end module runs in JupyterLab (anywidget) and on the page (island)."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from grokkit.model import ModelConfig
from grokkit.runs import Run
from grokkit.simulation import TABLE_1, Toy
from grokkit.theorems import EqualCircuits
from varma2023.efficiency.analysis import Fit
from varma2023.theme import ISLAND_MIME, THEME

FOLDER = Path(__file__).parent
IN_THE_PAGE = Run(
    p=31, dataset_size=620, lr=5e-3, weight_decay=2.0, model=ModelConfig(48, n_heads=2, d_mlp=96)
)
"""What a browser trains in half a minute; at p = 31, groks within about 600 epochs."""


def module(name: str) -> str:
    """The text of one explorer's ES module: the shared charts, then its own code."""
    return "\n".join((FOLDER / f"{part}.js").read_text("utf-8") for part in ("plot", name))


def stylesheet() -> str:
    """The explorers' CSS, with the theme's colours as variables, light and dark."""
    light, dark = (
        "".join(f"--gk-{name}: {colour}; " for name, colour in THEME[key].items())
        for key in ("colours", "dark_colours")
    )
    return (
        f".gk-x {{ {light}}}\n"
        f"html[data-theme=dark] .gk-x, [data-jp-theme-light=false] .gk-x {{ {dark}}}\n"
        + (FOLDER / "explorer.css").read_text("utf-8")
    )


def table_1_state(toy: Toy) -> dict[str, float]:
    """The ten rows of Table 1 of one simulation, flat, under the names the explorer uses."""
    return {
        "P_gen": toy.P_gen,
        "P_mem": toy.P_mem,
        "kappa": toy.kappa,
        "alpha": toy.alpha,
        "w_gen_1": toy.w_gen[0],
        "w_gen_2": toy.w_gen[1],
        "w_mem_1": toy.w_mem[0],
        "w_mem_2": toy.w_mem[1],
        "n_labels": toy.n_labels,
        "lr": toy.lr,
    }


class _Explorer(anywidget.AnyWidget):
    """A widget that also prints itself as an island, so that a page needs no kernel."""

    alt = ""

    def state(self) -> dict[str, Any]:
        """The values the front end reads: every synced trait that is the explorer's own."""
        names = set(self.trait_names(sync=True)) - set(anywidget.AnyWidget.class_trait_names())
        return {name: getattr(self, name) for name in sorted(names) if not name.startswith("_")}

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        island = {"esm": self._esm, "css": self._css, "state": self.state(), "alt": self.alt}
        return {**data, ISLAND_MIME: island}, metadata


class SimulationExplorer(_Explorer):
    """The simulation of Sec. 3 with a slider for each row of Table 1 and for the number of steps.

    `SimulationExplorer(toy)` starts from the values of `toy`.
    """

    _esm = module("simulation")
    _css = stylesheet()
    alt = "Explorer of the two-circuit simulation; it recomputes in the browser with JavaScript."

    P_gen = traitlets.Float().tag(sync=True)
    P_mem = traitlets.Float().tag(sync=True)
    kappa = traitlets.Float().tag(sync=True)
    alpha = traitlets.Float().tag(sync=True)
    w_gen_1 = traitlets.Float().tag(sync=True)
    w_gen_2 = traitlets.Float().tag(sync=True)
    w_mem_1 = traitlets.Float().tag(sync=True)
    w_mem_2 = traitlets.Float().tag(sync=True)
    n_labels = traitlets.Int().tag(sync=True)
    lr = traitlets.Float().tag(sync=True)
    steps = traitlets.Int(10_000).tag(sync=True)
    presets = traitlets.Dict().tag(sync=True)

    def __init__(self, toy: Toy | None = None, steps: int = 10_000) -> None:
        presets = {
            name: {**table_1_state(panel), "steps": 10_000} for name, panel in TABLE_1.items()
        }
        super().__init__(**table_1_state(toy or Toy()), steps=steps, presets=presets)


class KappaExplorer(_Explorer):
    """Sliders for Theorem D.4: kappa, q and the parameter norms of two to four circuits.

    `KappaExplorer(circuits)` starts from the values of `circuits`.
    """

    _esm = module("kappa")
    _css = stylesheet()
    alt = "Explorer of Theorem D.4; it recomputes in the browser with JavaScript."

    kappa = traitlets.Float().tag(sync=True)
    q = traitlets.Float().tag(sync=True)
    alpha = traitlets.Float().tag(sync=True)
    n_labels = traitlets.Int().tag(sync=True)
    n_circuits = traitlets.Int().tag(sync=True)
    P_1 = traitlets.Float().tag(sync=True)
    P_2 = traitlets.Float().tag(sync=True)
    P_3 = traitlets.Float().tag(sync=True)
    P_4 = traitlets.Float().tag(sync=True)

    def __init__(self, circuits: EqualCircuits | None = None) -> None:
        c = circuits or EqualCircuits((1.0, 2.0))
        if not 2 <= len(c.P) <= 4:
            raise ValueError(f"KappaExplorer: P must hold 2 to 4 norms, got {len(c.P)}")
        norms = dict(zip(("P_1", "P_2", "P_3", "P_4"), (*c.P, 3.0, 3.5)[:4], strict=True))
        rest = {"kappa": c.kappa, "q": c.q, "alpha": c.alpha, "n_labels": c.n_labels}
        super().__init__(**rest, **norms, n_circuits=len(c.P))


class EfficiencyExplorer(_Explorer):
    """D_crit with sliders for what each circuit costs: the norms of both against D (Sec. 4.1).

    `EfficiencyExplorer(mem, gen)` starts from fits of both circuits. One kappa, the geometric mean
    of theirs, serves both, as in App. D.
    """

    _esm = module("efficiency")
    _css = stylesheet()
    alt = "Explorer of the critical dataset size; it recomputes in the browser with JavaScript."

    P_mem = traitlets.Float().tag(sync=True)  # norms at D = 1,000 and a correct logit of 60
    P_gen = traitlets.Float().tag(sync=True)
    exponent = traitlets.Float().tag(sync=True)
    kappa = traitlets.Float().tag(sync=True)
    logit = traitlets.Float(60.0).tag(sync=True)
    size = traitlets.Int(500).tag(sync=True)

    def __init__(self, mem: Fit | None = None, gen: Fit | None = None) -> None:
        mem, gen = mem or Fit(30.0, 0.4, 1.2), gen or Fit(30.0, 0.0, 1.2)
        if not (mem.kappa > 0 and gen.kappa > 0):
            raise ValueError(f"EfficiencyExplorer: kappa must be positive, got {mem} and {gen}")
        kappa = (mem.kappa * gen.kappa) ** 0.5
        super().__init__(P_mem=mem.norm, P_gen=gen.norm, exponent=mem.exponent, kappa=kappa)


class TrainingExplorer(_Explorer):
    """A small network for x + y mod p that trains in the page, groks, and un-groks (Figs. 1a, b).

    `TrainingExplorer(run)` starts from the task, network and settings of a `Run`.
    """

    _esm = module("training")
    _css = stylesheet()
    alt = (
        "A network that groks and un-groks while you watch; it trains in the page with JavaScript."
    )

    p = traitlets.Int().tag(sync=True)
    d_model = traitlets.Int().tag(sync=True)
    n_heads = traitlets.Int().tag(sync=True)
    d_mlp = traitlets.Int().tag(sync=True)
    lr = traitlets.Float().tag(sync=True)
    weight_decay = traitlets.Float().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    size = traitlets.Int().tag(sync=True)
    fewer = traitlets.Int(60).tag(sync=True)

    def __init__(self, run: Run = IN_THE_PAGE) -> None:
        if run.task != "x+y":
            raise ValueError(f"TrainingExplorer: task must be x+y, got {run.task}")
        fields = {name: getattr(run, name) for name in ("p", "lr", "weight_decay", "seed")}
        super().__init__(**fields, **asdict(run.model), size=run.dataset_size)
