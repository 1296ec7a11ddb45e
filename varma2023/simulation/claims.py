"""The claim about the simulation of Sec. 3: Fig. 2."""

from grokkit import simulation
from varma2023.claims import ByExperiment, Claims, Evidence, Result
from varma2023.measures import LATER
from varma2023.pages import INGREDIENTS
from varma2023.simulation.analysis import OUTCOMES, marks

CLAIMS = Claims()


@CLAIMS.row(
    "F2a-c",
    "Fig. 2, three ingredients suffice",
    "a simulation with the values of Table 1 groks with all three ingredients, and not without "
    "the rule's lower cost or its slower learning",
    (INGREDIENTS, "fig-2"),
    number="(a) groks, (b) never generalises, (c) generalises together, losses very similar",
)
def fig2(found: ByExperiment) -> Result:
    """Fig. 2: each panel of the simulation has the paper's outcome."""
    panels = simulation.simulate_panels(simulation.Toy())
    seen = {name: marks(trajectory) for name, trajectory in panels.items()}
    ours = ", ".join(f"({name}) {own.outcome}" for name, own in seen.items())
    as_papers = all(own.outcome == OUTCOMES[name] for name, own in seen.items())
    times = seen["c"].factor
    similar = f"in (c) the two losses fall below 1 within a factor of {LATER} ({times:.1f})"
    before = "holds, before it asked how similar the losses in (c) are (C93)"
    return Result(ours, as_papers, {similar: times < LATER}, Evidence(("simulation",)), before)
