"""The figures of App. A: relative strength (Fig. 10), two starts, and the loop they draw."""

from collections.abc import Callable, Sequence
from math import isnan, log, nan
from statistics import fmean, geometric_mean

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Records
from varma2023 import measures, plots
from varma2023.measures import Reading, group, trig_part
from varma2023.plots import Looks, dash_of, draw, draw_ends, symbol_of
from varma2023.theme import GEN, MEM, NORM, TEST, coloured, figure, pale, panels, set_alt
from varma2023.two_starts import analysis, barrier

STARTS = (("from a grokked network", GEN), ("from a fresh network", MEM))
PAPER_RATIOS = (1e-2, 1e4)  # from, to: six orders of magnitude (App. A.4), by Fig. 10a's axis
CRITS = "fresh networks' D<sub>crit</sub>"
COLUMNS: Looks = {"cols": 2, "horizontal_spacing": 0.1}


def fig10_relative_strength(records: Records) -> go.Figure:
    """Fig. 10: the ratio of trig to mem logit (a) and test accuracy (b) against D', by norm.

    The lines are means over a bucket of norms (a), and runs of one seed and weight decay (b).
    """
    fig = panels(460, ["(a) trig logit over mem logit", "(b) test accuracy"], **COLUMNS)
    readings = {"ratio": analysis.ratio, "test accuracy": measures.at_the_end}
    for (seed, decay), runs in group(records, "seed", "weight_decay").items():
        thin: Looks = {"colour": pale(NORM, 0.2), "width": 1, "mode": "lines", "place": (1, 2)}
        thin |= {"meta": {"seed": seed, "weight_decay": decay}, "showlegend": False}
        draw(fig, *measures.curve(runs), "one seed and weight decay", **thin)
    groups = analysis.by_norm(records)
    for i, (bounds, colour) in enumerate(coloured(groups)):
        here, label = groups[bounds], f"norm {bounds[0]:.1f} – {bounds[1]:.1f}"
        for col, (what, value) in enumerate(readings.items(), start=1):
            told, place = f"{what} %{{y:.3g}} at %{{x:,}}<br>", (1, col)
            if what == "ratio":
                line: Looks = {"colour": colour, "width": 2.2, "mode": "lines", "showlegend": False}
                sizes = group(here, "dataset_size")
                known = [[v for v in map(value, runs) if not isnan(v)] for runs in sizes.values()]
                means = np.array([geometric_mean(own) if own else nan for own in known])
                draw(fig, list(sizes), means, label, f"{told}mean, {label}", place=place, **line)
            for (seed, decay), runs in group(here, "seed", "weight_decay").items():
                who = f"norm %{{customdata:.2f}}<br>seed {seed}, weight decay {decay:g}"
                point: Looks = {"mode": "markers", "marker": {"color": colour}, "place": place}
                point["customdata"] = [record.final("param_norm") for record in runs]
                point["meta"] = {"seed": seed, "weight_decay": decay}  # of any size
                draw_ends(fig, runs, value, label, told + who, i, **point)
    if measures.papers_task(records):
        for ratio in PAPER_RATIOS:
            plots.draw_paper(fig, "ratios from 10⁻² to 10⁴", y=ratio, place=(1, 1))
    plots.draw_paper_size(fig, records, (1, 2))
    fig.update_xaxes(plots.size_axis(records)).update_yaxes(plots.LOG, row=1, col=1)
    fig.update_yaxes({**plots.ACCURACY, "title": ""}, row=1, col=2)
    said = f"Ratio of trig to mem logit, and test accuracy, of {len(records)} networks where "
    said += "ungrokking ended, against the size of the train set. The ratio spans "
    said += f"{analysis.decades(records):.1f} powers of ten; its rank correlation with the size is "
    return set_alt(fig, f"{said}{analysis.rank_correlation(records).text()}.")


def fig_two_starts(grokked: Records, fresh: Records) -> go.Figure:
    """App. A.2: train loss and Eq. (2) over alpha at the end, from both starts, against D."""
    pairs = analysis.two_starts(grokked, fresh)
    fig = panels(420, ["train loss (nats)", "Eq. (2) over α"], **COLUMNS)
    values: tuple[Reading, ...] = (lambda record: record.final("train_loss"), measures.least)
    for i, (label, colour) in enumerate(STARTS):
        looks: Looks = {"colour": colour, "dash": dash_of(i), "width": 1.8}
        for j, (seed, runs) in enumerate(group([pair[i] for pair in pairs], "seed").items()):
            hover = f"%{{y:.4g}} at D = %{{x:,}}<br>seed {seed}, {label}"
            for col, value in enumerate(values, start=1):
                draw_ends(fig, runs, value, label, hover, j, place=(1, col), **looks)
    fig.update_xaxes(plots.size_axis([pair.grokked for pair in pairs], "D"))
    fig.update_yaxes(exponentformat="power")
    lower = [sum(pair.lower[what] for pair in pairs) for what in ("train loss", "objective")]
    said = f"{len(pairs)} train sets, with a grokked and a fresh network minimised on each. "
    said += f"The grokked start has the lower train loss on {lower[0]}, and the lower Eq. (2) on "
    return set_alt(fig, f"{said}{lower[1]} of them.")


def fig_two_minima(pairs: Sequence[analysis.TwoStarts]) -> go.Figure:
    """Test accuracy from both starts, and how far fresh ones end above in Eq. (2), against D.

    A marker of the second panel is open if one end of its pair was still falling.
    """
    fig = panels(440, ["test accuracy", "Eq. (2): fresh above grokked"], **COLUMNS)
    for i, (label, colour) in enumerate(STARTS):
        plots.draw_accuracy(fig, [p[i] for p in pairs], "p", label, colour, i, place=(1, 1))
    looks: Looks = {"colour": NORM, "width": 1.6, "place": (1, 2), "showlegend": False}
    one_of_each = [min(pair, key=measures.rests) for pair in pairs]  # that is not at rest, if any
    above = {one.run: pair.above for one, pair in zip(one_of_each, pairs, strict=True)}
    for j, (seed, runs) in enumerate(group(one_of_each, "seed").items()):
        hover, looks["dash"] = f"%{{y:+.1%}} at D = %{{x:,}}<br>seed {seed}", dash_of(j)
        draw_ends(fig, runs, lambda end: above[end.run], f"seed {seed}", hover, j, **looks)
    fig.add_hline(0, line=plots.DOTTED, row=1, col=2)
    fig.update_xaxes(plots.size_axis(one_of_each, "D", range(50, 1000, 50)))
    fig.update_yaxes({**plots.ACCURACY, "title": ""}, row=1, col=1)
    fig.update_yaxes(tickformat=".0%", row=1, col=2)
    lower = sum(not pair.lower["objective"] for pair in pairs)
    said = f"{len(pairs)} train sets, each from a grokked and from a fresh network. The fresh "
    return set_alt(fig, f"{said}start ends lower in Eq. (2) on {lower} of them.")


def fig_shaken(shaken: Sequence[analysis.Shake]) -> go.Figure:
    """Networks that were shaken: test accuracy after against before, and the change of Eq. (2).

    Not in the paper. An open marker: still falling before or after.
    """

    def still_falling(shake: analysis.Shake) -> bool:
        return not (shake.rested and measures.rests(shake.after))

    fig = panels(440, ["test accuracy after the shake", "change of Eq. (2), by D"], **COLUMNS)
    line: Looks = {"colour": NORM, "dash": "dot", "width": 1, "mode": "lines"}
    draw(fig, [0, 1], [0, 1], "as before", place=(1, 1), showlegend=False, **line)
    fig.add_hline(0, line=plots.DOTTED, row=1, col=2)
    sizes = [*analysis.by_field(shaken, "dataset_size")]
    for (label, colour), own in zip(STARTS, analysis.by_kind(shaken), strict=True):
        for size, here in analysis.by_field(own, "dataset_size").items():
            look = symbol_of(sizes.index(size))
            here = sorted(here, key=still_falling)  # the legend shows the first
            symbols = [f"{look}{'-open' * still_falling(each)}" for each in here]
            marker = {"color": colour, "symbol": symbols, "size": 9}
            told = [f"seed {s.after.run.seed}, {label}<br>Eq. (2) {s.change:+.2%}" for s in here]
            points: Looks = {"mode": "markers", "marker": marker, "customdata": told}
            points["meta"] = plots.shared_meta([s.after for s in here])
            x, y = ([measures.at_the_end(s[i]) for s in here] for i in (0, 1))
            name, hover = f"{label}, D = {size:,}", "%{y:.3f}, before %{x:.3f}<br>%{customdata}"
            draw(fig, x, y, name, hover, place=(1, 1), **points)
            aside = [size * (1 + 0.004 * (s.after.run.seed - 2)) for s in here]  # none on another
            changes = [s.change for s in here]
            draw(fig, aside, changes, name, "%{customdata}", place=(1, 2), **points)
    fig.update_xaxes(title="test accuracy before", range=[-0.03, 1.03], row=1, col=1)
    fig.update_xaxes(title="D", tickvals=sizes, row=1, col=2)
    fig.update_yaxes({**plots.ACCURACY, "title": ""}, row=1, col=1)
    fig.update_yaxes(tickformat="+.1%", row=1, col=2)
    minima = [s for s in shaken if s.rested]
    back = sum(s.comes_back is True for s in minima)
    said = f"{len(minima)} networks at rest were shaken by noise and taken to a minimum again: "
    return set_alt(fig, f"{said}{back} came back to where they were.")


def fig_hysteresis(grokked: Records, fresh: Records) -> go.Figure:
    """Test accuracy at the end against D: up from fresh networks, down from grokked ones."""
    fig = figure(xaxis=plots.size_axis([*grokked, *fresh], "D"), yaxis=plots.ACCURACY, height=460)
    for look, ((label, colour), ends) in enumerate(zip(STARTS, (grokked, fresh), strict=True)):
        plots.draw_accuracy(fig, ends, "seed", label, colour, look)
    plots.draw_paper_size(fig, grokked)
    if measures.papers_task(fresh):
        plots.draw_paper(fig, "0.7 at D ~2,000, fresh", x=plots.PAPER_UP, y=0.7)
    said = f"Test accuracy where {len(grokked)} grokked and {len(fresh)} fresh networks end, by "
    said += "the size of the train set. Down from grokked networks it crosses a half at "
    said += f"{measures.d_crit_text(grokked)}, up from fresh ones at {measures.d_crit_text(fresh)}."
    return set_alt(fig, said)


def fig_kept(grokked: Records, fresh: Records) -> go.Figure:
    """What networks know of the examples that were taken from them, or that they never saw.

    Test accuracy, with what mirror images give, and test loss with that of a guess, against D.
    """
    fig = panels(420, ["test accuracy", "test loss (nats)"], **COLUMNS)
    values: tuple[Reading, ...] = (measures.at_the_end, lambda record: record.final("test_loss"))
    for i, (runs, (label, colour)) in enumerate(zip((grokked, fresh), STARTS, strict=True)):
        looks: Looks = {"colour": colour, "dash": dash_of(i), "width": 1.8}
        for seed, here in group(runs, "seed").items():
            hover = f"%{{y:.3g}} at D = %{{x:,}}<br>seed {seed}, {label}"
            for col, value in enumerate(values, start=1):
                draw_ends(fig, here, value, label, hover, i, place=(1, col), **looks)
    sizes = group([*grokked, *fresh], "dataset_size")
    mirror = [fmean(measures.mirror_share(r.run) for r in here) for here in sizes.values()]
    line: Looks = {"colour": NORM, "mode": "lines", "width": 1.4}
    hover = "%{y:.3f} at D = %{x:,}<br>by mirror images"
    draw(fig, list(sizes), mirror, "mirror images alone", hover, place=(1, 1), dash="dot", **line)
    told, guess = "the loss of a guess: %{y:.2f} nats", [log(grokked[0].run.p)] * len(sizes)
    draw(fig, list(sizes), guess, "a guess", told, place=(1, 2), dash="longdash", **line)
    fig.update_xaxes(plots.size_axis([*grokked, *fresh], "D", (30, 100, 300, 1000, 3000)))
    fig.update_yaxes(plots.ACCURACY | {"title": ""}, row=1, col=1)
    told = measures.finals(measures.smallest(grokked), "test_accuracy").text(".3f")
    text = f"{len(grokked)} networks from which examples were taken, and {len(fresh)} "
    text += f"that never saw them. At the smallest size the first are right about {told}."
    return set_alt(fig, text)


def fig_parts(records: Records) -> go.Figure:
    """The rule's and memory's part of the correct logit where ungrokking ends, and test accuracy.

    Not in the paper. Against D', a line a seed. An open marker is an end that was still falling.
    """
    fig = panels(420, ["parts of the correct logit", "test accuracy"], **COLUMNS)
    parts: tuple[tuple[str, str, Reading], ...] = (
        ("the rule's part", GEN, lambda record: record.final("trig_logit")),
        ("memory's part", MEM, lambda record: record.final("mem_logit")),
    )
    for i, (label, colour, read) in enumerate(parts):
        looks: Looks = {"colour": colour, "dash": dash_of(i), "width": 1.8, "place": (1, 1)}
        for seed, runs in group(records, "seed").items():
            hover = f"{label} %{{y:.1f}} at %{{x:,}}<br>seed {seed}"
            draw_ends(fig, runs, read, label, hover, i, **looks)
    plots.draw_accuracy(fig, records, "weight_decay", "test accuracy", TEST, 2, place=(1, 2))
    fig.update_xaxes(plots.size_axis(records))
    fig.update_yaxes(plots.ACCURACY | {"title": ""}, row=1, col=2)
    sizes = group(records, "dataset_size").items()
    shares = ", ".join(f"{np.median([*map(trig_part, own)]):.2f} at {D:,}" for D, own in sizes)
    said = "Parts of the correct logit, and test accuracy, where ungrokking ends, against the size "
    return set_alt(fig, f"{said}of the train set. The rule's part, median over seeds: {shares}.")


def fig_pushed(pushes: barrier.Pushes, fresh: Records) -> go.Figure:
    """How Eq. (2) rises on the way out of memory, by share, and the height against D.

    Not in the paper. With where straight lines reach 0, and D_crit of the fresh networks.
    """
    paths = {f"D = {size:,}": own for size, own in barrier.by_size(pushes).items()}
    fig = _paths(paths, "the height, by D", lambda push: push.at[1], "D = %{x:,}")
    crits, zeros = measures.d_crits(fresh), barrier.vanishing_sizes(pushes)
    marks = ("straight lines reach 0", zeros, NORM, "circle-open"), (CRITS, crits, MEM, "x")
    for label, ends, colour, symbol in marks:
        mark: Looks = {"mode": "markers", "marker": {"color": colour, "symbol": symbol}}
        mark["customdata"] = list(ends)
        x, told = list(ends.values()), f"{label}, D = %{{x:.0f}}, seed %{{customdata}}"
        draw(fig, x, [0.0] * len(x), label, told, place=(1, 2), **mark)
    fig.update_xaxes(title="D", row=1, col=2)
    said = f"{len(pushes)} networks in memory are pushed towards the rule. Eq. (2) rises over "
    return set_alt(fig, f"{said}memory, by {barrier.heights_text(pushes)} examples.")


def fig_speeds(pushes: barrier.Pushes) -> go.Figure:
    """How Eq. (2) rises on the way out of memory, and the height, by the speed of the push.

    Not in the paper. On one size of the train set.
    """
    speeds = barrier.by_speed(pushes)
    paths = {f"{n:,} gradients a step": own for n, own in speeds.items()}
    fig = _paths(paths, "the height, by speed", lambda push: push.gradients, "%{x:,} a step")
    fig.update_xaxes(type="log", tickvals=[*speeds], title="gradients a step", row=1, col=2)
    told = barrier.speeds_text(pushes)
    return set_alt(fig, f"How high Eq. (2) rises over its least before: {told}.")


def _paths(
    paths: dict[str, list[barrier.Push]], title: str, read: Callable[[barrier.Push], int], at: str
) -> go.Figure:
    """Eq. (2) above memory's against the share, by label; and the heights by what `read` gives."""
    fig = panels(460, ["Eq. (2) above memory's", title], **COLUMNS)
    for i, ((label, own), colour) in enumerate(coloured(paths.items())):
        look: Looks = {"colour": colour, "dash": dash_of(i), "width": 1.6, "place": (1, 1)}
        for push in own:
            look["meta"] = plots.shared_meta([push.record])
            hover = f"%{{y:+.2f}} at a share of %{{x:.2f}}<br>seed {push.at[0]}"
            draw(fig, push.shares, push.above, label, hover, **look)
    seeds = barrier.by_seed([push for own in paths.values() for push in own])
    for i, (seed, own) in enumerate(seeds.items()):
        look = {"colour": NORM, "dash": dash_of(i), "width": 1.4, "mode": "lines+markers"}
        x, heights = zip(*((read(push), push.height) for push in own), strict=True)
        hover = f"%{{y:.2f}} at {at}<br>seed {seed}"
        draw(fig, x, heights, f"seed {seed}", hover, place=(1, 2), **look)
    for col in (1, 2):
        fig.add_hline(0, line=plots.DOTTED, row=1, col=col)
    fig.update_xaxes(title="share of the trigonometric logits", row=1, col=1)
    return fig


def fig_released(found: Sequence[barrier.Released]) -> go.Figure:
    """Where pushed networks rest once let go: Eq. (2) over memory's against test accuracy, by D.

    Not in the paper. With memory itself, and the grokked networks of the same train sets.
    """
    sizes = sorted({each.end.run.dataset_size for each in found})
    fig = panels(440, [f"D = {size:,}" for size in sizes], **COLUMNS)
    for each in sorted(found, key=lambda each: not measures.rests(each.end)):  # for the legend
        place, base = (1, 1 + sizes.index(each.end.run.dataset_size)), each.push.base
        who, memory = f"seed {each.end.run.seed}", float(each.push.record["test_accuracy"][0])
        ends = [("in memory", MEM, f"circle{'' if each.push.rested else '-open'}", memory, 0.0)]
        for label, colour, r in (("let go", NORM, each.end), ("grokked", GEN, each.grokked)):
            look = plots.rest_symbol(r, symbol_of(len(ends)))
            ends.append((label, colour, look, measures.at_the_end(r), measures.least(r) - base))
        for label, colour, look, x, y in ends:
            dot: Looks = {"mode": "markers", "marker": {"color": colour, "symbol": look, "size": 8}}
            dot["meta"] = plots.shared_meta([each.end])
            hover = f"{label}: test accuracy %{{x:.2f}}, %{{y:+.1f}}<br>{who}"
            draw(fig, [x], [y], label, hover, place=place, **dot)
    fig.update_xaxes(title="test accuracy", range=[-0.03, 1.03])
    fig.update_yaxes(title="Eq. (2) above memory's", row=1, col=1)
    below = measures.how_many(measures.least(each.end) < each.push.base for each in found)
    said = f"Where {len(found)} pushed networks end once they are let go. {below} end below where "
    return set_alt(fig, f"{said}they were in memory in Eq. (2).")


def fig_passes(known: Sequence[barrier.Pass]) -> go.Figure:
    """Along the lowest paths that are known: Eq. (2) above memory's end, and test accuracy.

    Not in the paper.
    """
    fig = panels(460, ["Eq. (2) above memory's", "test accuracy"], **COLUMNS)
    for i, (size, colour) in enumerate(coloured(dict.fromkeys(p.dataset_size for p in known))):
        line: Looks = {"colour": colour, "dash": dash_of(i), "width": 1.6, "mode": "lines"}
        for path in (path for path in known if path.dataset_size == size):
            symbols = [symbol_of(i) + "-open" * (not rests) for rests in path.at_rest]
            marker, name = {"color": colour, "size": 7, "symbol": symbols}, f"{size:,} examples"
            above = np.array(path.costs) - path.costs[0]
            networks = path.at[:: barrier.DENSE], np.array(path.accuracies), ".2f"
            for col, (x, y, form) in enumerate(((path.at, above, "+.1f"), networks), 1):
                told = f"%{{y:{form}}} at %{{x:.0%}} of the way<br>{name}, seed {path.seed}"
                own: Looks = {"place": (1, col), "meta": {"seed": path.seed}}
                draw(fig, x, y, name, told, **own, **line)
                own |= {"mode": "markers", "marker": marker}
                draw(fig, [x[0], x[-1]], [y[0], y[-1]], name, told, **own)
    fig.update_xaxes(title="part of the way", tickformat=".0%")
    rises = barrier.passes_text(known, lambda path: path.rise, ".1f")
    text = f"On {len(known)} paths from memory to a grokked network Eq. (2) rises by {rises}."
    return set_alt(fig, text)


def fig_stiff(known: Sequence[barrier.Stiff]) -> go.Figure:
    """How stiff memory's minimum is against the share of the rule, and against its logarithm.

    Not in the paper.
    """
    fig = panels(420, ["in the share", "in its logarithm"], **COLUMNS)
    for i, (seed, colour) in enumerate(coloured(dict.fromkeys(each.seed for each in known))):
        own = [each for each in known if each.seed == seed]
        sizes = [each.dataset_size for each in own]
        line: Looks = {"colour": colour, "width": 1.4, "meta": {"seed": seed}}
        line["marker"] = {"color": colour, "size": 7, "symbol": symbol_of(i)}
        for col, name in enumerate(("stiffness", "relative"), 1):
            told = f"%{{y:.3g}} on %{{x}} examples<br>seed {seed}"
            y = [getattr(each, name) for each in own]
            draw(fig, sizes, y, f"seed {seed}", told, mode="lines+markers", place=(1, col), **line)
    fig.update_xaxes(title="dataset size D").update_yaxes(plots.LOG)
    fig.update_yaxes(title="stiffness", col=1)
    text = barrier.stiff_text(known, "stiffness")
    return set_alt(fig, f"Stiffness of memory's minimum against the share of the rule: {text}.")
