"""How long Adam remembers the gradients of the start: when the loss is felt in full (choice C65).

AdamW divides by sqrt(v) + eps. Until v has forgotten the gradients of the start, the loss pulls
less against weight decay than Eq. (2) says, and the residual is far above 1.
"""

from collections.abc import Mapping
from itertools import chain
from math import log

import plotly.graph_objects as go

from grokkit.runs import Record, Records
from varma2023 import measures, plots, statistics
from varma2023.delay.analysis import NEAR_REST, near_rest
from varma2023.measures import group
from varma2023.plots import Looks, draw
from varma2023.statistics import Interval
from varma2023.theme import NORM, coloured, panels, set_alt

SWEEPS = "second_moment", "delay", "semi_grokking", "leaving_memory"
SAME_EPOCH = 1.25  # factor between numbers of epochs, as 1 / -ln(beta_2)


def forgotten(record: Record) -> float:
    """The epoch of `near_rest` over that in which v falls by a factor of e: 1 / -ln(beta_2)."""
    return -near_rest(record) * log(record.run.beta2)


def at_middle(own: Records) -> list[Record]:
    """Those on the middle one of their sizes."""
    sizes = [*group(own, "dataset_size").values()]
    return sizes[len(sizes) // 2]


def with_the_rate(others: Records) -> Interval:
    """Epochs to grok at the larger rate with a beta_2 that goes with it, over those without."""
    found = group(others, "beta2").values()
    scaled, plain = ({r.run.seed: measures.general_epoch(r) for r in here} for here in found)
    return statistics.mean_ratio(scaled, plain)


def felt_text(records: Records) -> str:
    """ "1,250 (1,240 – 1,300)": the epoch of `near_rest`, median and range."""
    return measures.Summary.of([*map(near_rest, records)]).text(",.0f")


def fig_felt(found: Mapping[str, Records]) -> go.Figure:
    """The residual along runs at several learning rates, and with several beta_2, on one size each.

    Args:
        found: by name, the records of `SWEEPS`. Drawn is the largest size at all learning rates.
    """
    betas, usual, *others = (found[name] for name in SWEEPS)
    rates = [*chain(*others)]
    fig = panels(460, cols=2, horizontal_spacing=0.12)
    sizes = [{r.run.dataset_size for r in here} for here in group(rates, "lr").values()]
    common = max(set.intersection(*sizes), default=rates[0].run.dataset_size)
    by_rate = group([r for r in rates if r.run.dataset_size == common], "lr")
    middle = at_middle(measures.among(betas, usual))
    by_beta_2 = group(measures.among([*betas, *usual], middle), "beta2")
    for i, (name, groups) in enumerate((("η", by_rate), ("β₂", by_beta_2)), 1):
        for (value, here), (_, colour) in zip(groups.items(), coloured([*groups]), strict=True):
            label = f"{name} = {value:g}"
            looks: Looks = {"colour": colour, "width": 1.2, "place": (1, i)}
            for record in here:
                hover = f"%{{y:.2g}} at epoch %{{x:,}}<br>{label}, {plots.run_name(record)}"
                draw(fig, record["epoch"], record["residual"], label, hover, **looks)
        rule: Looks = {"line": {"color": NORM, "dash": "dot", "width": 1.5}}
        fig.add_hline(y=NEAR_REST, row=1, col=i, **rule)
    fig.update_xaxes(title="epoch", **plots.LOG)
    fig.update_yaxes(title="residual", **plots.LOG | {"dtick": 2})  # over ten decades
    told = [f"{beta:g}: {felt_text(here)}" for beta, here in by_beta_2.items()]
    return set_alt(fig, f"Epoch at which the residual is first below 1, by β₂: {'; '.join(told)}.")
