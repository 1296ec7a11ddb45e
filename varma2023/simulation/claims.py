"""The claim about the simulation of Sec. 3: Fig. 2."""

from grokkit import simulation
from varma2023.claims import ByExperiment, Claims, Evidence, Result
from varma2023.pages import INGREDIENTS
from varma2023.simulation.analysis import OUTCOMES, marks

CLAIMS = Claims()


@CLAIMS.row(
    "F2a-c",
    "Fig. 2, three ingredients suffice",
    "a simulation groks with all three, and not without the lower cost or the slower learning",
    (INGREDIENTS, "fig-2"),
    number="(a) groks, (b) never generalises, (c) generalises together",
)
def fig2(found: ByExperiment) -> Result:
    """Fig. 2: each panel of the simulation has the paper's outcome."""
    panels = simulation.simulate_panels(simulation.Toy())
    seen = {name: marks(trajectory).outcome for name, trajectory in panels.items()}
    ours = ", ".join(f"({name}) {outcome}" for name, outcome in seen.items())
    as_papers = all(outcome == OUTCOMES[name] for name, outcome in seen.items())
    return Result(ours, as_papers, {}, Evidence(("simulation",)))
