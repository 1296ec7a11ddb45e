"""The explorers: the browser's arithmetic is Python's, and a page needs no kernel."""

import json
import math
import random
import re
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import playwright
import pytest
import torch

from grokkit.simulation import TABLE_1, Toy, Trajectory, simulate
from grokkit.store.store import Store
from grokkit.theorems import EqualCircuits, optimal_shares, optimal_weights
from varma2023 import explorers, profiles, theme
from varma2023.decomposition import snapshots
from varma2023.decomposition.analysis import Trigonometric, trigonometric, trigonometric_algorithm
from varma2023.efficiency import analysis, critical

NODE = Path(playwright.__file__).parent / "driver" / "node"  # playwright brings its own
CURVES = ("step", "train_loss", "test_loss", "gen_logit", "mem_logit", "param_norm")


def in_node(name: str, expression: str, cases: list) -> list:
    """`expression` of each case `c`, computed by the explorer's module under node."""
    driver = f"console.log(JSON.stringify({json.dumps(cases)}.map((c) => {expression})));"
    command, program = [NODE, "--input-type=module", "-"], f"{explorers.module(name)}\n{driver}"
    return json.loads(subprocess.check_output(command, input=program, encoding="utf-8"))


def log_uniform(rng: random.Random, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def gap(one: Trajectory, other: Trajectory) -> float:
    """The largest relative difference between two trajectories, over all curves and steps."""
    pairs = [(getattr(one, curve), getattr(other, curve)) for curve in CURVES]
    return max((np.abs(a - b) / (np.abs(b) + 1e-12)).max() for a, b in pairs)


def random_toy(rng: random.Random) -> Toy:
    """A toy within the ranges of the explorer's sliders."""
    return Toy(
        P_gen=rng.uniform(0.2, 8),
        P_mem=rng.uniform(0.2, 8),
        kappa=rng.uniform(0.3, 1.95),
        alpha=log_uniform(rng, 1e-4, 1e-1),
        w_gen=(rng.choice([0.0, rng.uniform(0, 1)]), rng.uniform(0, 1)),
        w_mem=(rng.choice([0.0, rng.uniform(0, 1)]), rng.uniform(0, 1)),
        n_labels=rng.randint(2, 1000),
        lr=log_uniform(rng, 1e-3, 1e-1),
    )


def is_settled_by_its_inputs(toy: Toy) -> bool:
    """Whether a change of lr in its 12th digit leaves the curves alone.

    Where kappa is near 2 and the decay strong, a weight near zero overshoots at every step and
    rounding decides its course: two correct programs then differ. About one toy in fifty is so.
    """
    nudged = replace(toy, lr=toy.lr * (1 + 1e-12))
    return gap(simulate(nudged, 10_000, 37), simulate(toy, 10_000, 37)) < 1e-9


def test_the_browser_simulates_as_python_does():
    rng = random.Random(0)
    settled = list(filter(is_settled_by_its_inputs, (random_toy(rng) for _ in range(60))))
    assert len(settled) > 50
    toys = [*TABLE_1.values(), *settled]
    found = in_node("simulation", "simulate(c, 10000, 37)", [*map(explorers.table_1_state, toys)])
    for toy, curves in zip(toys, found, strict=True):
        assert curves.pop("diverged") is None
        theirs = Trajectory(toy, **{name: np.array(values) for name, values in curves.items()})
        assert gap(theirs, simulate(toy, 10_000, 37)) < 1e-9, toy


def test_the_browser_diverges_where_python_does():
    toy = Toy(lr=10.0, kappa=0.3, alpha=1.0, w_mem=(2.0, 2.0))
    (theirs,) = in_node("simulation", "simulate(c, 100)", [explorers.table_1_state(toy)])
    with pytest.raises(ValueError, match=f"step {theirs['diverged']} overshoots and leaves a"):
        simulate(toy, 100)


def test_the_browser_finds_the_optimal_weights_as_python_does():
    rng, found = random.Random(1), [EqualCircuits((1.0, 2.0), kappa=k) for k in (1.2, 2.0, 3.0)]
    for _ in range(200):
        P = tuple(rng.uniform(0.5, 4) for _ in range(rng.randint(2, 4)))
        kappa, q = rng.uniform(0.1, 4), rng.uniform(0.5, 3.5)
        found.append(EqualCircuits(P, kappa, q, log_uniform(rng, 1e-4, 1e-1), rng.randint(2, 500)))
    cases = [vars(circuits) for circuits in found]
    for circuits, theirs in zip(found, in_node("kappa", "optimalWeights(c)", cases), strict=True):
        ours = optimal_weights(circuits)
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-300, err_msg=str(circuits))


def test_the_browser_shares_and_crosses_as_python_does():
    rng = random.Random(2)
    cases = [
        {
            "P_mem": rng.uniform(5, 80),
            "P_gen": rng.uniform(5, 80),
            "exponent": rng.uniform(0.05, 1),
            "kappa": rng.choice([1.0, 2.0, rng.uniform(0.3, 10)]),
            "logit": log_uniform(rng, 20, 200),
            "size": log_uniform(rng, 100, 12_000),
        }
        for _ in range(100)
    ]
    at = "(c, c.logit, c.size)"
    read = f"[criticalSize(c), memNorm{at}, genNorm(c, c.logit), genShare{at}]"
    for c, theirs in zip(cases, in_node("efficiency", read, cases), strict=True):
        mem = analysis.Fit(c["P_mem"], c["exponent"], c["kappa"])
        gen = analysis.Fit(c["P_gen"], 0.0, c["kappa"])
        norms = gen.at(c["logit"]), mem.at(c["logit"], c["size"])
        share = optimal_shares(EqualCircuits(norms, c["kappa"]))[0]
        ours = critical.equal_cost_size(mem, gen, c["logit"]), norms[1], norms[0], share
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-12, err_msg=str(c))


NETWORK = {key: getattr(explorers.IN_THE_PAGE, key) for key in ("p", "lr", "weight_decay")}
NETWORK |= vars(explorers.IN_THE_PAGE.model)
LIFE = """(() => {
  const { trainer, initialise, order, evaluate, circle } = engine();
  const net = trainer(c, initialise(c, 0)), all = order(c.p, 0);
  const train = (size, n) => { for (let i = 0; i < n; i++) net.step(all.subarray(0, size)); };
  const accuracies = (size) => [all.subarray(0, size), all.subarray(size)]
    .map((rows) => evaluate(c, net.theta, rows).accuracy);
  train(620, 150); const memorised = accuracies(620);
  train(620, 650); const grokked = accuracies(620), { x, y } = circle(c, net.theta);
  net.forget(); train(60, 300);
  const radii = x.map((along, i) => Math.hypot(along, y[i]));
  return { memorised, grokked, ungrokked: accuracies(60), radii };
})()"""


@pytest.mark.slow
def test_the_pages_network_memorises_groks_gathers_on_a_circle_and_ungroks():
    (life,) = in_node("training", LIFE, [NETWORK])
    assert life["memorised"][0] > 0.99
    assert life["memorised"][1] < 0.8  # mirror images of what it knows are two thirds of the rest
    assert min(life["grokked"]) > 0.98
    assert life["ungrokked"][0] > 0.99
    assert life["ungrokked"][1] < 0.4
    radii = np.array(life["radii"])
    assert radii.std() < 0.25 * radii.mean()


@cache
def report() -> Trigonometric:
    """App. B of the first network of Fig. 9, from the weights that ship."""
    return trigonometric(Store().get(profiles.grokking()[0]))


@cache
def both_lives() -> list[snapshots.Moments]:
    """The shipped moments of grokking and of ungrokking."""
    sweeps = (profiles.grokking, profiles.ungrokking_at_first)
    return [snapshots.load_or_train(Store().get(sweep()[0])) for sweep in sweeps]


def test_the_browser_adds_by_rotation_as_python_does():
    p, found = 113, report()
    whole = trigonometric_algorithm(found.amplitudes, found.frequencies, p)
    one = trigonometric_algorithm(found.amplitudes[:1], found.frequencies[:1], p)
    rng = random.Random(3)
    for count, logits in ((len(found.frequencies), whole), (1, one)):
        pairs = [(rng.randrange(p), rng.randrange(p)) for _ in range(20)]
        state = explorers.AdditionExplorer(found, p).state() | {"count": count}
        cases = [state | {"a": a, "b": b} for a, b in pairs]
        for (a, b), theirs in zip(pairs, in_node("addition", "votes(c)", cases), strict=True):
            np.testing.assert_allclose(theirs, logits[a, b].numpy(), atol=1e-9)
            assert int(np.argmax(theirs)) == (a + b) % p


def test_the_browser_reads_the_moments_that_python_packed():
    rows = (0, 3, -1)
    read = """(() => {
      const { circle, logits } = opened(c.life);
      return c.rows.map((i) => [circle(i, 1), logits(i, 0), logits(i, 1)]);
    })()"""
    for moments in both_lives():
        n = len(moments.epochs)
        life = explorers.life(moments)
        [found] = in_node("epochs", read, [{"life": life, "rows": [row % n for row in rows]}])
        for row, (circle, *sums) in zip(rows, found, strict=True):
            reach = float(moments.circles[row].abs().max())
            np.testing.assert_allclose(circle, moments.circles[row, 1].T, atol=reach / 250)
            for s, ((x, y), parts) in enumerate(zip(moments.sums.tolist(), sums, strict=True)):
                whole = moments.logits[row, s].numpy()
                part = moments.trig[row, (x + y - torch.arange(113)) % 113].numpy()
                close = {"atol": 1e-4 * np.abs(whole).max(), "rtol": 0}
                np.testing.assert_allclose(parts["total"], whole, **close)
                np.testing.assert_allclose(parts["trig"], part, **close)
                np.testing.assert_allclose(parts["mem"], whole - part, **close)


MEM, GEN = analysis.Fit(25.0, 0.3, 4.0), analysis.Fit(31.0, 0.0, 9.0)
POINTS = {"mem": [[500, 27.0], [2000, 44.0]], "share": [[800, 0.9]]}
CIRCUITS = EqualCircuits((1.0, 1.5, 2.0), kappa=1.2)
MADE = {  # by the name of its module
    "epochs": lambda: explorers.EpochExplorer(both_lives()),
    "addition": lambda: explorers.AdditionExplorer(report(), 113),
    "efficiency": lambda: explorers.EfficiencyExplorer(MEM, GEN, POINTS),
    "kappa": lambda: explorers.KappaExplorer(CIRCUITS),
    "simulation": lambda: explorers.SimulationExplorer(Toy(), 10_000),
    "training": explorers.TrainingExplorer,
}
READ = re.compile(r'(?:model\.get\(|key: )"(\w+)"(?:\)|, html)')  # by name, or by a slider


@pytest.mark.parametrize("name", MADE)
def test_an_explorer_prints_for_jupyter_and_for_the_page_all_that_its_module_reads(name):
    data, _ = MADE[name]()._repr_mimebundle_()
    island = data[theme.ISLAND_MIME]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "export default { render }" in island["esm"]
    assert "http" not in island["esm"].replace('"http://www.w3.org/2000/svg"', "")
    assert "import " not in island["esm"]
    assert island["alt"]
    state = json.loads(json.dumps(island["state"]))
    assert set() < {*READ.findall(island["esm"])} <= set(state)
    assert not any(key.startswith("_") for key in state)


def test_an_explorer_starts_from_what_it_is_given_or_says_why_not():
    state = explorers.SimulationExplorer(replace(Toy(), kappa=1.5, n_labels=7), steps=500).state()
    assert state.items() >= {"kappa": 1.5, "steps": 500, "n_labels": 7}.items()
    presets = state["presets"]
    assert list(presets) == ["a", "b", "c"]
    assert presets["b"]["P_gen"] == TABLE_1["b"].P_gen == 4.0
    assert presets["c"]["w_gen_2"] == TABLE_1["c"].w_gen[1] == 1.0
    assert explorers.KappaExplorer(EqualCircuits((1.0, 1.5, 2.0), q=3.0)).state()["n_circuits"] == 3
    state = explorers.EfficiencyExplorer(MEM, GEN, {}).state()
    assert state.items() >= {"P_mem": 25.0, "P_gen": 31.0, "exponent": 0.3, "kappa": 6.0}.items()
    with pytest.raises(ValueError, match="2 to 4 norms, got 5"):
        explorers.KappaExplorer(EqualCircuits((1.0,) * 5))
    with pytest.raises(ValueError, match="kappa must be positive"):
        explorers.EfficiencyExplorer(replace(MEM, kappa=-4.0), GEN, {})
