"""Live explorers: one front-end module runs in JupyterLab (anywidget) and on the page (island)."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from grokkit.model import ModelConfig
from grokkit.runs import Run
from grokkit.simulation import TABLE_1, Toy
from grokkit.theorems import EqualCircuits
from varma2023.decomposition import snapshots
from varma2023.decomposition.analysis import Trigonometric
from varma2023.efficiency.analysis import Fit
from varma2023.theme import ISLAND_MIME, THEME

FOLDER = Path(__file__).parent
IN_THE_PAGE = Run(p=31, dataset_size=620, lr=5e-3, weight_decay=2.0, model=ModelConfig(48, 2, 96))
"""What a browser trains in half a minute; at p = 31, groks within about 600 epochs."""


def module(name: str) -> str:
    """The text of one explorer's ES module: the shared charts, then its own code."""
    return "\n".join((FOLDER / f"{part}.js").read_text("utf-8") for part in ("plot", name))


def css_variables(selector: str, values: Mapping[str, str]) -> str:
    """A CSS rule that keeps values of the theme under their names, as variables."""
    return f"{selector} {{ {''.join(f'--gk-{name}: {text}; ' for name, text in values.items())}}}\n"


def stylesheet() -> str:
    """The explorers' CSS, with the theme's colours as variables, light and dark."""
    dark = "html[data-theme=dark] .gk-x, [data-jp-theme-light=false] .gk-x"
    rules = css_variables(".gk-x", THEME["colours"]) + css_variables(dark, THEME["dark_colours"])
    return rules + (FOLDER / "explorer.css").read_text("utf-8")


def table_1_state(toy: Toy) -> dict[str, float]:
    """The ten rows of Table 1 of one simulation, flat, under the names the explorer uses."""
    state = asdict(toy)
    for circuit in ("w_gen", "w_mem"):
        state[f"{circuit}_1"], state[f"{circuit}_2"] = state.pop(circuit)
    return state


class _Explorer(anywidget.AnyWidget):
    """A widget that also prints itself as an island, so that a page needs no kernel.

    The front end reads, and JupyterLab keeps in step, the values that it is made with.
    """

    _css = stylesheet()
    alt = ""

    def __init__(self, **values: Any) -> None:
        self._names = sorted(values)
        self.add_traits(**{k: traitlets.Any(v).tag(sync=True) for k, v in values.items()})
        super().__init__()  # opens the connection, with these values

    def state(self) -> dict[str, Any]:
        """The values the front end reads, by name."""
        return {name: getattr(self, name) for name in self._names}

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        island = {"esm": self._esm, "css": self._css, "state": self.state(), "alt": self.alt}
        return {**data, ISLAND_MIME: island}, metadata


class SimulationExplorer(_Explorer):
    """The simulation of Sec. 3 with a slider for each row of Table 1 and for the number of steps.

    `SimulationExplorer(toy, steps)` starts from the values of `toy`.
    """

    _esm = module("simulation")
    alt = "Explorer of the two-circuit simulation; it recomputes in the browser with JavaScript."

    def __init__(self, toy: Toy, steps: int) -> None:
        presets = {name: table_1_state(of) | {"steps": 10_000} for name, of in TABLE_1.items()}
        super().__init__(**table_1_state(toy), steps=steps, presets=presets)


class KappaExplorer(_Explorer):
    """Sliders for Theorem D.4: kappa, q and the parameter norms of two to four circuits.

    `KappaExplorer(circuits)` starts from the values of `circuits`.
    """

    _esm = module("kappa")
    alt = "Explorer of Theorem D.4; it recomputes in the browser with JavaScript."

    def __init__(self, circuits: EqualCircuits) -> None:
        state = asdict(circuits)
        norms = state.pop("P")
        if not 2 <= len(norms) <= 4:
            raise ValueError(f"KappaExplorer: P must hold 2 to 4 norms, got {len(norms)}")
        state |= zip(("P_1", "P_2", "P_3", "P_4"), (*norms, 3.0, 3.5)[:4], strict=True)
        super().__init__(**state, n_circuits=len(norms))


class EfficiencyExplorer(_Explorer):
    """D_crit with sliders for what each circuit costs: the norms of both against D (Sec. 4.1).

    `EfficiencyExplorer(mem, gen, measured)` starts from fits of both circuits. One kappa, the
    geometric mean of theirs, serves both, as in App. D. `measured` lays points of runs over the
    curves, pairs of D and a norm at a correct logit of 60 ("mem", "gen") or a share ("share").
    """

    _esm = module("efficiency")
    alt = "Explorer of the critical dataset size; it recomputes in the browser with JavaScript."

    def __init__(self, mem: Fit, gen: Fit, measured: Mapping[str, list[list[float]]]) -> None:
        if not (0 < mem.kappa < inf and 0 < gen.kappa < inf):
            says = f"EfficiencyExplorer: kappa must be positive and finite, got {mem} and {gen}"
            raise ValueError(says)
        state = {"P_mem": mem.norm, "P_gen": gen.norm}  # at D = 1,000 and a correct logit of 60
        state |= {"exponent": mem.exponent, "kappa": (mem.kappa * gen.kappa) ** 0.5}
        super().__init__(**state, logit=60.0, size=500, measured=dict(measured))


class TrainingExplorer(_Explorer):
    """A small network for x + y mod p that trains in the page, groks, and ungroks (Figs. 1a, b).

    It starts from the network and the settings of `IN_THE_PAGE`.
    """

    _esm = module("training")
    alt = "A network that groks and ungroks as you watch; it trains in the page with JavaScript."

    def __init__(self) -> None:
        run, names = IN_THE_PAGE, ("p", "lr", "weight_decay", "beta1", "beta2", "eps", "seed")
        fields = {name: getattr(run, name) for name in names}
        super().__init__(**fields, **asdict(run.model), size=run.dataset_size, fewer=60)


def life(moments: snapshots.Moments) -> dict[str, Any]:
    """One training as the explorer of epochs reads it: its curves, and moments in whole numbers."""
    record, run = moments.record, moments.record.run
    curves = {name: [float(f"{v:.4g}") for v in record[name]] for name in snapshots.CURVES}
    before = f" Before, it trained on all {run.p**2:,}." if run.init else ""
    state = {
        "name": "Ungrokking" if run.init else "Grokking",
        "about": f"Trained on {run.dataset_size:,} of the {run.p**2:,} sums mod {run.p}.{before}",
        "p": run.p,
        "size": run.dataset_size,
        "epochs": moments.epochs,
        "frequencies": moments.frequencies,
        "sums": moments.sums.tolist(),
        "curves": {"epoch": record["epoch"].tolist()} | curves,
    }
    for name, dtype in snapshots.PACKED.items():
        whole, worth = snapshots.packed(getattr(moments, name), dtype)
        state[name] = b64encode(whole.numpy().tobytes()).decode()
        state[f"{name}_worth"] = [float(f"{v:.6g}") for v in worth]
    return state


class EpochExplorer(_Explorer):
    """Training to drag through: circles in the embedding, the logits of one sum, and the curves.

    `EpochExplorer(moments)` takes the moments of trainings, one after the other.
    """

    _esm = module("epochs")
    alt = "Explorer of a network's training; drag through it epoch by epoch."

    def __init__(self, moments: Sequence[snapshots.Moments]) -> None:
        super().__init__(lives=[life(each) for each in moments], at=0, sum=0)


class AdditionExplorer(_Explorer):
    """Fig. 11 as a thing to turn: two numbers, a clock for each key frequency, the waves' sum.

    `AdditionExplorer(report, p)` has the frequencies and amplitudes of a trained network.
    """

    _esm = module("addition")
    alt = "Explorer of addition by rotation; it recomputes in the browser with JavaScript."

    def __init__(self, report: Trigonometric, p: int) -> None:
        waves = {"frequencies": report.frequencies, "amplitudes": report.amplitudes.tolist()}
        super().__init__(p=p, a=40 % p, b=25 % p, count=len(report.frequencies), **waves)
