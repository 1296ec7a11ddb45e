"""The figures of efficiency: Fig. 3, and the two ways in which it predicts D_crit."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import isfinite, log10
from typing import Any

import numpy as np
import plotly.graph_objects as go
import scipy

from grokkit.runs import Record, Records
from varma2023 import plots
from varma2023.efficiency import analysis, critical
from varma2023.efficiency.analysis import CIRCUITS, ROUTES, Bucket, Prediction, logit, margin, norm
from varma2023.measures import group, papers_task, rests, trig_part
from varma2023.plots import Looks, dash_of, draw, shared_meta, symbol_of
from varma2023.statistics import Interval
from varma2023.tables import powers
from varma2023.theme import GEN, MEM, NORM, coloured, figure, pale, panels, set_alt

ROUND = (10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 300, 500, 700, 1000, 1500, 2000)
COLOURS = {"mem": MEM, "gen": GEN}
PAPERS = {"mem": (25.0, 90.0), "gen": (27.0, 33.0)}  # its norms, from 500 or 4,000 to 8,000
AT_ONE = (logit, margin)
CLOSE = (30, 40, 50, 70, 100, 150, 200, 300, 400, 500, 700, 1000, 1500, 2000, 3000, 5000)


def _axis(values: Sequence[float | int], title: str, ticks: Sequence[int] = ROUND) -> dict:
    """A logarithmic axis with these ticks, or finer ones where fewer than three would be seen."""
    axis = plots.log_axis(values, title, ticks)
    for step in (10, 5, 2, 1):
        if len(axis["tickvals"]) < 3:
            axis = plots.log_axis(values, title, range(step, int(1.03 * max(values)) + 1, step))
    return axis


def _scatter(fig: go.Figure, records: Records, circuit: str, row: int) -> None:
    """Fig. 3a or 3c: a point a run, paler by D, on a line through its seed's weight decays.

    The sizes of C_mem, which lie apart, stand above their points; those of C_gen in the legend.
    """
    sizes = group(sorted(records, key=lambda r: r.run.weight_decay), "dataset_size")
    for i, (size, here) in enumerate(sizes.items()):
        label = f"{CIRCUITS[circuit]}, D = {size:,}"
        colour = pale(COLOURS[circuit], 1 - 0.6 * i / max(len(sizes) - 1, 1))
        line: Looks = {"colour": pale(COLOURS[circuit]), "mode": "lines", "showlegend": False}
        named: Looks = {"showlegend": False} if circuit == "mem" else {}
        for curve in group(here, "seed").values():
            norms, logits = [*map(norm, curve)], [*map(logit, curve)]
            line |= {"width": 1, "place": (row, 1), "meta": shared_meta(curve)}
            draw(fig, norms, logits, label, **line)
            for record, x, y in zip(curve, norms, logits, strict=True):
                told = f"norm {x:.2f}, correct logit {y:.1f}<br>{CIRCUITS[circuit]}<br>"
                symbol = plots.rest_symbol(record, symbol_of(i))
                dot: Looks = {"marker": {"color": colour, "size": 8, "symbol": symbol}}
                about: Looks = {"mode": "markers", "meta": plots.meta(record), **dot, **named}
                draw(fig, [x], [y], label, told + plots.run_name(record), place=(row, 1), **about)
        if circuit == "mem":
            top: Looks = {"mode": "text", "text": [f"{size:,}"], "textposition": "top center"}
            font: Looks = {"textfont": {"size": 12}, "cliponaxis": False}
            x, y = float(np.mean([*map(norm, here)])), max(map(logit, here))
            draw(fig, [x], [y], label, showlegend=False, place=(row, 1), **top, **font)


def _isologit(fig: go.Figure, bucket: Bucket, seed: int | None, **looks: Any) -> None:
    """One isologit line: the geometric mean norm of a bucket at each D, of one seed or of all."""
    low, high, chosen = bucket
    looks |= {"mode": "lines+markers", "width": 2.5, "opacity": 1, "marker": {"size": 7}}
    who = ""
    if seed is not None:
        chosen, who = group(chosen, "seed")[seed], f"seed {seed}, "
        looks |= {"width": 1, "opacity": 0.45, "marker": {"size": 4}}
    looks["meta"], norms = shared_meta(chosen), analysis.mean_norms(chosen)
    hover = f"norm %{{y:.2f}} at D = %{{x:,}}<br>correct logit {low:.1f} – {high:.1f}<br>"
    hover += f"{who}{len(chosen)} runs"
    label = f"correct logit {low:.0f} – {high:.0f}"
    draw(fig, list(norms), list(norms.values()), label, hover, showlegend=False, **looks)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """The heights moved, by the least sum of squares, to be this far apart in the same order."""
    order = np.argsort(heights, kind="stable")
    apart = gap * np.arange(len(heights))
    moved = scipy.optimize.isotonic_regression(np.asarray(heights)[order] - apart).x + apart
    return [float(height) for height in moved[np.argsort(order)]]


def _name_lines(fig: go.Figure, found: Sequence[Bucket], reach: float, **looks: Any) -> None:
    """The middle of each bucket's logit, at the right end of its line, none on another."""
    known = [bucket for bucket in found if bucket.records]
    ends = [[*analysis.mean_norms(bucket.records).items()][-1] for bucket in known]
    for size in {size for size, _ in ends}:
        here = [i for i, end in enumerate(ends) if end[0] == size]
        last = size == max(ends)[0]  # of the others lines go on above them
        side, low, aside = ("middle", 0.0, 1.03) if last else ("bottom", 0.03 * reach, 1.08)
        heights = spread([float(np.log(ends[i][1])) - low for i in here], 0.08 * reach)
        for i, height in zip(here, heights, strict=True):
            text: Looks = {"text": [f"{(known[i].low * known[i].high) ** 0.5:.0f}"], "mode": "text"}
            text |= {"textposition": f"{side} right", "cliponaxis": False, "showlegend": False}
            text["textfont"] = {"size": 12}
            draw(fig, [aside * size], [float(np.exp(height))], "", **text, **looks)


def fig3_efficiency(mem: Records, gen: Records) -> go.Figure:
    """Fig. 3: correct logit against norm (a, c), and isologit lines of norm against D (b, d).

    The colour is the circuit, on the left paler at a larger size.
    """
    shown = product(CIRCUITS.values(), ("by D", "isologit lines"))
    titles = [f"({letter}) {of}, {what}" for letter, (of, what) in zip("abcd", shown, strict=True)]
    fig = panels(860, titles, rows=2, cols=2, horizontal_spacing=0.13, vertical_spacing=0.16)
    papers, said = papers_task([*mem, *gen]), []
    for row, (circuit, records) in enumerate((("mem", mem), ("gen", gen)), start=1):
        _scatter(fig, records, circuit, row)
        found = analysis.buckets(records)
        for i, bucket in enumerate(found):
            looks: Looks = {"colour": COLOURS[circuit], "dash": dash_of(i), "place": (row, 2)}
            edge = {"width": 0.6, "dash": "dot", "color": NORM}
            fig.add_hline(y=bucket.high, line=edge, row=row, col=1)
            seeds = group(bucket.records, "seed")
            for seed in [None, *seeds] if len(seeds) > 1 else [None] * bool(seeds):
                _isologit(fig, bucket, seed, **looks)
        norms, sizes = [*map(norm, records)], [*group(records, "dataset_size")]
        ticks = sizes[:: 1 if len(sizes) <= 4 else 2]  # as many as the panel has room for
        logits, reach = [*map(logit, records)], [*norms]
        if papers:
            (low, high), under = PAPERS[circuit], 0.95 * min(logits)
            name = f"{CIRCUITS[circuit]} norms {low:g} – {high:g}"
            plots.draw_paper(fig, name, x=(low, high), y=under, place=(row, 1))
            logits.append(0.98 * under)
            reach += [low, high] if circuit == "gen" else [low]  # C_mem's go far beyond ours
        room = (max(norms) / min(norms)) ** 0.1  # for the names of lines
        tall = [min(norms) / room, max(norms) * room]
        _name_lines(fig, found, float(np.log(tall[1] / tall[0])), place=(row, 2))
        fig.update_xaxes(_axis(reach, "parameter norm"), row=row, col=1)
        fig.update_yaxes(_axis([*logits, 1.04 * max(logits)], "correct logit"), row=row, col=1)
        fig.update_xaxes(_axis([*sizes, 1.12 * max(sizes)], "D", ticks), row=row, col=2)
        fig.update_yaxes(_axis(tall, "parameter norm"), row=row, col=2)
        whole = analysis.fitted(records, "exponent")
        said.append(f"of C_{circuit} goes as D to the power {whole.text('.3f')}")
    text = f"Correct logit, norm and D of {len(mem)} networks with C_mem alone and {len(gen)} with "
    text += f"C_gen alone. At a fixed logit the norm {' and '.join(said)}."
    return set_alt(fig, text)


def fig_slopes(mem: Records, gen: Records) -> go.Figure:
    """The slope of every isologit line of Fig. 3, log norm over log D, against its logit.

    Single seeds small; the bar is the interval over seeds, where there are enough of them.
    """
    fig, said = figure(height=400), []
    for circuit, records, symbol in (("mem", mem, "circle"), ("gen", gen, "square")):
        looks: Looks = {"label": CIRCUITS[circuit], "mode": "markers"}
        marker, slopes = {"color": COLOURS[circuit], "symbol": symbol}, []
        for low, high, here in analysis.buckets(records):
            found, x = analysis.isologit_slope(here), [(low * high) ** 0.5]
            if not isfinite(found.value):
                continue
            slopes.append(found.value)
            told = f"{CIRCUITS[circuit]}, correct logit {low:.1f} – {high:.1f}<br>"
            whole = f"{told}slope {found.text('.3f')}<br>{len(here)} runs"
            bar: Looks = {"error_y": _bar(found, COLOURS[circuit])}
            draw(fig, x, [found.value], hover=whole, marker=marker | {"size": 10}, **bar, **looks)
            small = marker | {"size": 5, "opacity": 0.6}
            for each in found.each if len(found.each) > 1 else ():
                draw(fig, x, [each], hover=f"{told}one seed: %{{y:.3f}}", marker=small, **looks)
        said.append(f"of C_{circuit} {analysis.range_text(slopes, 'z.3f')}")
    plots.draw_paper(fig, "C<sub>gen</sub>'s lines are flat", y=0.0)
    fig.update_xaxes(title="correct logit of the line")
    fig.update_yaxes(title="slope of log norm over log D")
    return set_alt(fig, f"Slopes of the isologit lines of Fig. 3: {', '.join(said)}.")


def fig_anew(gen: Records, anew: Records) -> go.Figure:
    """The norm that the rule needs for one correct logit and for one margin, against D (C73).

    By seed: of the networks at weight decay 1 that go on, and of those trained anew on each size.
    """
    usual = [record for record in gen if record.run.weight_decay == 1]
    kinds = (("carried on", usual, NORM, "dash"), ("trained anew", anew, GEN, "solid"))
    titles, said = [f"at a fixed {read.__name__}" for read in AT_ONE], []
    fig = panels(400, titles, cols=2, horizontal_spacing=0.1)
    for col, read in enumerate(AT_ONE, start=1):
        slope = analysis.per_logit(analysis.logs_by_seed(gen, read, norm))
        level = float(np.median([read(record) for record in (*usual, *anew)]))
        for label, records, colour, dash in kinds:
            for seed, own in group(records, "seed").items():
                moved = analysis.at_logit(analysis.logs(own, read, norm), slope, level)
                sizes, norms = np.exp(moved).T
                hover = f"norm %{{y:.2f}} at D = %{{x:,.0f}}<br>{label}, seed {seed}"
                looks: Looks = {"colour": colour, "dash": dash, "width": 1.4, "place": (1, col)}
                draw(fig, sizes, norms, label, hover, meta=shared_meta(own), **looks)
        said.append(f"{read.__name__} {analysis.power_anew(anew, gen, read).text('z.3f')}")
    fig.update_xaxes(title="D", tickvals=[*group(anew, "dataset_size")])
    fig.update_yaxes(title="parameter norm")
    return set_alt(fig, f"Power of D of the norm, trained anew, at one {', at one '.join(said)}.")


def _bar(found: Interval, colour: str, **looks: float) -> Looks | None:
    """An interval as a plotly error bar; None without one."""
    ends = {"array": [found.high - found.value], "arrayminus": [found.value - found.low]}
    return {**ends, "color": colour, **looks} if found.bounded else None


MARKS = {"predicted D<sub>crit</sub>": "x", "measured, accuracy ½": "diamond-open"}


def fig_equal_cost(
    mem: Records, gen: Records, measured: Interval, pairs: Sequence[Prediction] = ()
) -> go.Figure:
    """Claim B1: the norm that both circuits need for one correct logit, against D (Sec. 4.1).

    D_crit predicted stands a little above the rule's line, measured below: large the means, small
    single seeds, the `pairs`.
    """
    level = critical.common_logit(mem, gen)
    predicted = critical.predicted_by_norm(mem, gen)
    height = analysis.fit(gen, flat=True).at(level)
    curve = np.exp(critical.cost_curve(analysis.logs_by_seed(mem), level))
    sizes = [*group([*mem, *gen], "dataset_size")]
    fig = figure(height=460)
    line = np.array([[sizes[0], height], [sizes[-1], height]])
    for circuit, colour, dash, points in (("mem", MEM, "solid", curve), ("gen", GEN, "dash", line)):
        hover = f"norm %{{y:.2f}} at D = %{{x:,.0f}}<br>{CIRCUITS[circuit]}"
        looks: Looks = {"colour": colour, "dash": dash, "width": 2.5, "mode": "lines"}
        draw(fig, points[:, 0], points[:, 1], CIRCUITS[circuit], hover, **looks)
    seen = []
    marks = zip(MARKS.items(), (predicted, measured), (1.03, 1 / 1.03), strict=True)
    for (name, symbol), found, aside in marks:
        own = [(p.name, p.predicted if found is predicted else p.measured) for p in pairs]
        for who, each, size in [("mean over seeds", found, 12), *((*one, 6) for one in own)]:
            if isfinite(each.value):
                seen.append(each.value)
                mark: Looks = {"marker": {"color": NORM, "size": size, "symbol": symbol}}
                mark |= {"mode": "markers", "error_x": _bar(each, NORM, thickness=1.5)}
                told = f"{name}: D = {each.text(',.0f')}<br>{who}"
                draw(fig, [each.value], [height * aside], name, told, **mark)
    if papers_task([*mem, *gen]):  # where the paper's ungrokking ends
        plots.draw_paper(fig, "accuracy 0.7 at 800 – 1,000", x=plots.PAPER_DOWN)
    near = [size for size in sizes if size < 2.5 * max(seen, default=sizes[-1])]
    norms, name = [*curve[: len(near), 1], height], f"norm at a correct logit of {level:.0f}"
    fig.update_xaxes(_axis([*near, *seen], "D", CLOSE)).update_yaxes(_axis(norms, name))
    text = f"Norm for a correct logit of {level:.0f} against D. That of C_mem meets that of C_gen, "
    text += f"{height:.1f}, at D = {predicted.text(',.0f')}; ungrokking has D_crit "
    text += f"{measured.text(',.0f')}."
    return set_alt(fig, text)


def fig_predicted(found: Sequence[Prediction]) -> go.Figure:
    """Every predicted D_crit against the measured one, on logarithmic axes; not in the paper.

    The band is where the two agree within `NEAR`. An open marker is a measured D_crit beside which
    an end was still falling: a lower bound.
    """
    known = [p for p in found if isfinite(p.predicted.value) and isfinite(p.measured.value)]
    fig = figure(height=560)
    values = [each.value for p in known for each in (p.predicted, p.measured)]
    low, high = 0.7 * min(values, default=1.0), 1.3 * max(values, default=1.0)
    ticks = plots.TICKS if high > 10 * low else CLOSE
    under, over = 1 + analysis.NEAR, 1 - analysis.NEAR
    band = [low, high, high, low], [low / under, high / under, high / over, low / over]
    area: Looks = {"fill": "toself", "fillcolor": pale(NORM, 0.08), "mode": "none"}
    draw(fig, *band, f"within {analysis.NEAR:.0%}", **area)
    line: Looks = {"colour": pale(NORM, 0.6), "dash": "dot", "width": 1, "mode": "lines"}
    draw(fig, [low, high], [low, high], "equal", showlegend=False, **line)
    own = dict.fromkeys(pair.route for pair in found)
    routes = ROUTES if own.keys() <= {*ROUTES} else own
    symbols = "square", "circle", "diamond", "triangle-up", "star"
    for (route, colour), symbol in zip(coloured(routes), symbols, strict=False):
        here = sorted((p for p in known if p.route == route), key=lambda p: p.predicted.value)
        below = [p for p in here if p.predicted.value >= p.measured.value]
        for p in here:
            bounds = {
                "predicted: a lower bound, memory still falling": not p.memory_rests,
                "predicted: an upper bound, the rule still falling": not p.rule_rests,
                "measured: a lower bound, ends still falling": not p.ends_rest,
            }
            told = [
                f"{route}<br>{powers(p.name)}",
                f"predicted {p.predicted.text(',.0f')}, measured {p.measured.text(',.0f')}",
                f"{'' if p.agrees else 'not '}within {p.near:.0%}",
                *(bound for bound, so in bounds.items() if so),
            ]
            marker = {"color": colour, "size": 9, "symbol": symbol + "-open" * (not p.ends_rest)}
            marker["line"] = {"width": 1.8, "color": colour}
            if route == ROUTES[2]:  # named: those below the line one under another
                x, y = log10(p.predicted.value), log10(p.measured.value)
                rank = len(below) - below.index(p) if p in below else 0
                ax, ay = (42 - 22 * rank, 44 * rank - 16) if rank else (-40, 0)
                leader: Looks = {"arrowhead": 0, "arrowwidth": 1, "arrowcolor": colour}
                fig.add_annotation(x=x, y=y, ax=ax, ay=ay, text=powers(p.name), **leader)
            at = [p.predicted.value], [p.measured.value]
            draw(fig, *at, route, "<br>".join(told), mode="markers", marker=marker)
    fig.update_xaxes(_axis([low, high], "predicted D<sub>crit</sub>", ticks))
    fig.update_yaxes(_axis([low, high], "measured D<sub>crit</sub>", ticks))
    ratios = analysis.range_text((p.ratio for p in known), ".2f")
    agreeing, falling = sum(p.agrees for p in known), sum(not p.ends_rest for p in known)
    text = f"Predicted against measured D_crit, {len(known)} of them: {agreeing} agree by their "
    text += f"criterion; predicted over measured is {ratios}."
    if falling:
        text += f" Of {falling} measured ones an end beside the crossing was still falling."
    return set_alt(fig, text)


def fig_shares(
    cases: Mapping[str, Sequence[tuple[Record, float]]],
    cost: str = "Eq. (2)",
    over: str = "that of the cheaper circuit alone",
) -> go.Figure:
    """What ends cost, over the cheaper circuit alone, against the rule's share of their logit.

    Not in the paper. By case a panel, of pairs as `critical.over_cheaper` has them, or of another
    `cost` over another; a line joins the ends of one training set. An open marker is an end still
    falling. Three sizes are named.
    """
    grid: Looks = {"cols": len(cases), "shared_yaxes": True, "horizontal_spacing": 0.04}
    fig, said = panels(460, [*cases], **grid), []
    for col, (case, found) in enumerate(cases.items(), start=1):
        above = {end.run: over - 1 for end, over in found if isfinite(over)}
        known = group([end for end, _ in found if end.run in above], "dataset_size")
        for i, ((size, here), colour) in enumerate(coloured(known.items())):
            sets = [sorted(own, key=trig_part) for own in group(here, "seed").values()]
            for own in sorted(sets, key=lambda ends: not all(map(rests, ends))):  # for the legend
                symbols = [plots.rest_symbol(end, symbol_of(i)) for end in own]
                looks: Looks = {"marker": {"symbol": symbols, "size": 8, "color": colour}}
                looks |= {"colour": pale(colour, 0.5), "width": 1, "mode": "lines+markers"}
                looks |= {"place": (1, col), "meta": shared_meta(own)}
                looks |= plots.one_of_three(i, len(known))
                hover = f"{cost} %{{y:+.1%}}, the rule's share %{{x:.2f}}<br>seed "
                hover += f"{own[0].run.seed}, D = {size:,}, {case}"
                x, y = [*map(trig_part, own)], [above[end.run] for end in own]
                draw(fig, x, y, f"D = {size:,}", hover, **looks)
        said.append(f"{case}: {critical.mixtures_text(found) or 'not known'}")
    fig.add_hline(0, line=plots.DOTTED)
    fig.update_xaxes(title="the rule's share of the logit", range=[0, 1.03])
    fig.update_yaxes(tickformat="+.0%").update_yaxes(title=f"{cost}, relative", col=1)
    text = f"The rule's share of the correct logit, and by how much {cost} is above {over}, ranges "
    return set_alt(fig, f"{text}by D. {'. '.join(said)}.")
