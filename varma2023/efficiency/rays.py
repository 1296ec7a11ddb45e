"""Networks along a ray, every parameter times c: the κ that Apps. C and D take for granted."""

from functools import cache

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float

from grokkit import decomposition
from grokkit.engine import batched, metrics
from grokkit.model import Weights
from grokkit.runs import Record, Records
from varma2023 import plots
from varma2023.efficiency.analysis import memorised
from varma2023.efficiency.critical import LONGEST
from varma2023.measures import Summary
from varma2023.plots import Looks, draw
from varma2023.theme import GEN, MEM, NORM, figure, set_alt

FACTORS = np.geomspace(0.7, 1 / 0.7, 5)  # values of c
BESIDE = len(FACTORS) // 2 + np.array([-1, 1])  # the two around c = 1
SHORTEST = 2  # parameters in a product along the shortest path through the network


@cache
@torch.no_grad()
def along_ray(record: Record, frozen: bool = False) -> Float[np.ndarray, " c"]:
    """The correct logit of a trained network, the mean over its train set, for each of `FACTORS`.

    `frozen`: with the attention pattern of c = 1.
    """
    run, weights = record.run, record.weights()
    task, (rows, _) = run.operation, run.split()
    x, y = torch.from_numpy(task.inputs[rows].T).unsqueeze(1)
    labels = torch.from_numpy(run.example_labels()[rows]).unsqueeze(1)
    found = []
    for c in FACTORS.tolist():
        theta = {n: w.unsqueeze(0) for n, w in _scaled(weights, c, frozen).items()}
        Z = decomposition.centred(batched.forward(theta, x, y)[0].double())
        found.append(float(Z.gather(1, labels).mean()))
    return np.array(found)


def _scaled(weights: Weights, c: float, frozen: bool) -> Weights:
    """Every parameter times c; `frozen`: but W_Q, so that attention stays, over c^3.

    Its scores are a product of four parameters.
    """
    theta = {name: c * weight for name, weight in weights.items()}
    return theta | {"W_Q": weights["W_Q"] / c**3} if frozen else theta


def kappa_of_parts(record: Record) -> list[float]:
    """`kappa_on_ray`, frozen, of both parts of the correct logit for x + y: trigonometric, rest."""
    run, weights, none = record.run, record.weights(), torch.tensor(torch.nan)
    c = FACTORS[BESIDE]
    found = [metrics.evaluate(run, _scaled(weights, each, True), none) for each in c.tolist()]
    parts = [metrics.METRICS.index(name) for name in ("trig_logit", "mem_logit")]
    low, high = (np.log(each[parts].abs().numpy()) for each in found)
    return ((high - low) / np.log(c[1] / c[0])).tolist()


def kappa_on_ray(record: Record, frozen: bool = False) -> float:
    """App. D's κ where a network is: d log (correct logit) / d log c around c = 1."""
    logits, c = (np.log(v[BESIDE]) for v in (along_ray(record, frozen), FACTORS))
    return float(np.ptp(logits) / np.ptp(c))


def kappa_text(mem: Records, gen: Records, frozen: bool = False) -> str:
    """`kappa_on_ray` of networks of either circuit, as median and range."""
    kappas = ([kappa_on_ray(record, frozen) for record in own] for own in (gen, mem))
    rule, memory = (Summary.of(each).text(".1f") for each in kappas)
    return f"{rule} in networks that have grokked and {memory} with random labels"


def random_labels(records: Records) -> list[Record]:
    """The networks with C_mem alone (`analysis.memorised`) whose weights were kept."""
    return [record for record in memorised(records) if record.weights_path]


def fig_rays(mem: Records, gen: Records) -> go.Figure:
    """The correct logit against c, over that at c = 1, of networks of one circuit each."""
    xaxis = {"title": "every parameter times c", "type": "log", "tickvals": [0.7, 1, 1.4]}
    yaxis = {"title": "correct logit, over that at c = 1", **plots.LOG}
    fig = figure(xaxis=xaxis, yaxis=yaxis, height=420)
    circuits = (("C<sub>gen</sub>", gen, GEN), ("C<sub>mem</sub>", mem, MEM))
    for i, (label, records, colour) in enumerate(circuits):
        for record in records:
            logits = along_ray(record)
            hover = f"%{{y:.3g}} times the logit at c = %{{x:.2f}}<br>{plots.run_name(record)}"
            looks: Looks = {"colour": colour, "dash": plots.dash_of(i), "meta": plots.meta(record)}
            draw(fig, FACTORS, logits / logits[len(logits) // 2], label, hover, **looks)
    for power, dash in ((SHORTEST, "dot"), (LONGEST, "longdash")):
        line: Looks = {"colour": NORM, "dash": dash, "width": 1.4, "mode": "lines"}
        draw(fig, FACTORS, FACTORS**power, f"c to the power {power}", **line)
    said = f"The correct logit of {len(mem) + len(gen)} networks along a ray. Around c = 1 it goes "
    return set_alt(fig, f"{said}as c to the power {kappa_text(mem, gen)}.")
