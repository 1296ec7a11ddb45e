"""How steep the training loss is around a trained network, over the lengths of AdamW's steps."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import plotly.graph_objects as go
import torch

from grokkit.engine.stack import tabulated_loss
from grokkit.engine.steepness import second_difference
from grokkit.engine.tabulated import begin_thread
from grokkit.model import flat
from grokkit.runs import Record, Records
from varma2023 import plots
from varma2023.measures import PERFECT, at_the_end, rests, stable_below
from varma2023.plots import Looks, draw
from varma2023.tables import span
from varma2023.theme import GEN, MEM, NORM, figure, set_alt

DISTANCES = (1e-4, 3e-4, 1e-3)  # over ||theta||; the last is lr lambda, a step of decay alone


@cache
def steepness(record: Record, part: float) -> float:
    """`second_difference` of the train loss over this part of the norm, times lr / eps."""
    run = record.run
    loss = tabulated_loss([run], torch.float32)
    point = flat(record.weights()).unsqueeze(0)
    with ThreadPoolExecutor(1, initializer=begin_thread) as thread:
        found = thread.submit(second_difference, loss, point, point.new_tensor([part])).result()
    return float(found) * run.lr / run.eps


def at_step(records: Records) -> str:
    """The range of `steepness` over the largest of `DISTANCES`."""
    return span([steepness(record, DISTANCES[-1]) for record in records], ",.2g", to=" to ")


def told(records: Records) -> str:
    """How many of them AdamW's step suits over the least and the largest of `DISTANCES`."""
    over = (
        f"{sum(steepness(r, part) < stable_below(r.run) for r in records)} of {len(records)} over "
        f"{part:g} of the norm"
        for part in (DISTANCES[0], DISTANCES[-1])
    )
    return f"{', '.join(over)} ({sum(map(rests, records))} of them at rest)"


def fastest(records: Records) -> str:
    """The range of learning rates from which a network's end is too steep, others left out."""
    rates = [stable_below(r.run) / steepness(r, DISTANCES[0]) * r.run.lr for r in records]
    return span([rate for r, rate in zip(records, rates, strict=True) if rate > r.run.lr], ".2g")


def holds_rule(record: Record) -> bool:
    """Whether it has a test set and gets nearly all of it right."""
    return "test_accuracy" in record.metrics and at_the_end(record) >= PERFECT


def by_rule(records: Records) -> tuple[list[Record], list[Record]]:
    """The records of networks that hold the rule, and the others."""
    rule = [record for record in records if holds_rule(record)]
    return rule, [record for record in records if not holds_rule(record)]


def fig_steepness(records: Records) -> go.Figure:
    """`steepness` by distance, a line a network; above the dashed level AdamW overshoots."""
    xaxis = {"title": "distance, over the norm", "type": "log", "tickvals": DISTANCES}
    yaxis = {"title": "second difference × η / ε", **plots.LOG, "dtick": 2}
    fig = figure(xaxis=xaxis, yaxis=yaxis, height=440)
    rule, none = by_rule(records)
    for record in records:
        label, colour = ("rule", GEN) if record in rule else ("no rule", MEM)
        who = f"{record.run.task}, p = {record.run.p}<br>{plots.run_name(record)}"
        values = [steepness(record, part) for part in DISTANCES]
        looks: Looks = {"colour": colour, "meta": plots.meta(record), "mode": "lines+markers"}
        draw(fig, DISTANCES, values, label, f"%{{y:.3g}} at %{{x:g}}<br>{who}", **looks)
    limits = sorted({stable_below(record.run) for record in records})
    line: Looks = {"colour": NORM, "dash": "dash", "width": 1.4, "mode": "lines"}
    for limit in limits:
        draw(fig, DISTANCES, np.full(len(DISTANCES), limit), f"{limit:.0f}, AdamW's limit", **line)
    text = f"How steep the loss is around {len(records)} networks. Over a thousandth of the norm: "
    return set_alt(
        fig, f"{text}{at_step(rule)} where they hold the rule, {at_step(none)} elsewhere."
    )
