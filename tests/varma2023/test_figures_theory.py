"""The figures of the theory chapters: fit to print, and their alt text says what the data say."""

import numpy as np

from grokkit import simulation
from grokkit.theorems import EqualCircuits
from varma2023 import theme
from varma2023.simulation.figures import fig2_simulation
from varma2023.theorems import figures


def test_fig2_keeps_each_curve_whole_and_its_alt_text_tells_the_outcomes_apart():
    found = simulation.simulate_panels(simulation.Toy())
    fig = theme.show(fig2_simulation(found))
    assert len(fig.data) == 15
    assert {(trace.x[0], trace.x[-1]) for trace in fig.data} == {(0, 10_000)}
    ends = [trace.y[-1] for trace in fig.data if trace.name == "test loss"]
    assert np.allclose(ends, [t.test_loss[-1] for t in found.values()], rtol=1e-6)
    text = theme.alt(fig)
    assert "panel a, train loss below 1: step 169, test loss below 1: step 5,393" in text
    assert "panel b, train loss below 1: step 169, test loss below 1: never" in text
    one = {"a": simulation.simulate(simulation.Toy(kappa=0.8), steps=300)}
    assert len(theme.show(fig2_simulation(one)).data) == 5


def test_the_figures_of_appendix_d_are_fit_to_print():
    circuits = EqualCircuits((1.0, 2.0, 1.5))
    fig = theme.show(figures.fig_d4_shares(circuits))
    assert np.allclose(sum(trace.y for trace in fig.data), 1)
    assert "to all of it at kappa = q" in theme.alt(fig)
    fig = theme.show(figures.fig_d4_exchange(circuits, (1.2, 2.0, 3.0)))
    assert "1.00 for kappa = 2, 1.00 for kappa = 3" in theme.alt(fig)
    fig = theme.show(figures.fig_d1_scale(np.random.default_rng(0).normal(size=(20, 7))))
    perfect, one_wrong = (trace.y for trace in fig.data)
    assert (np.diff(perfect) < 0).all()
    assert one_wrong[-1] > one_wrong.min()
