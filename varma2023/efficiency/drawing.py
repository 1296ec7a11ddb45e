"""The mechanism of Sec. 4 drawn from fits: a table of facts that grows, a rule that does not."""

import re
from html import escape

import numpy as np

from grokkit.runs import Records
from varma2023.efficiency.analysis import LOGIT, Fit, logs_by_seed
from varma2023.efficiency.critical import cost_curve, equal_cost_size
from varma2023.measures import curve, trig_part
from varma2023.theme import GEN, MEM

ROWS, COLUMNS = 4, 20  # of a whole drawn table of facts
WIDTH, HEIGHT, BAR = 240, 232, 80  # of a picture, and of a bar in it
APART = 4  # times fewer, and more, examples than where both circuits cost the same
COLOURS = {"gen": f"var(--gk-gen, {GEN})", "mem": f"var(--gk-mem, {MEM})"}
TITLES = {"mem": "the table is cheaper", "gen": "the rule is cheaper", "": "both cost the same"}


def mechanism(mem: Fit, gen: Fit) -> str:
    """Sec. 4 in four pictures, as HTML: both circuits at the D where they cost the same, and at
    `APART` times fewer and more examples; and what each costs against D.

    In all of them a dot of the table is so many examples, and norms are those of the fits at a
    correct logit of `LOGIT`.
    """
    critical = equal_cost_size(mem, gen, LOGIT)
    if not np.isfinite(critical):
        return "<p>By these fits memory does not get costlier, so the costs do not cross.</p>"
    sizes = [critical / APART, critical, critical * APART]
    longest = max(gen.at(LOGIT), mem.at(LOGIT, sizes[-1]))
    drawn = [_pair(mem, gen, size, sizes[-1], longest) for size in sizes]
    drawn.append(_lines(mem, gen, sizes, longest))
    said = "; ".join(
        f"at D = {size:,.0f} memory costs {mem.at(LOGIT, size):.1f} and the rule "
        f"{gen.at(LOGIT):.1f}, {TITLES[_cheaper(mem, gen, size)]}"
        for size in sizes
    )
    label = escape(f"The parameter norm that each circuit needs for the same logits: {said}.")
    style = "display:flex;flex-wrap:wrap;gap:1rem 2rem;margin:1rem 0"
    return f'<div role="img" aria-label="{label}" style="{style}">{"".join(drawn)}</div>'


def measured(mem: Records, gen: Records, ends: Records) -> dict[str, list[list[float]]]:
    """Points by D to lay over the fits: the norm of each circuit alone at a correct logit of
    `LOGIT`, and in networks with both, `ends`, the trigonometric share of the correct logit.

    All are means over seeds: of log norms, and of shares.
    """
    circuits = (("mem", mem), ("gen", gen))
    norms = {k: np.exp(cost_curve(logs_by_seed(runs), LOGIT)).tolist() for k, runs in circuits}
    shares = zip(*curve(ends, trig_part), strict=True)
    return norms | {"share": [[float(size), float(share)] for size, share in shares]}


def _cheaper(mem: Fit, gen: Fit, size: float) -> str:
    """The circuit that needs less norm: "mem", "gen", or "" where both need the same."""
    costs = mem.at(LOGIT, size), gen.at(LOGIT)
    return "" if np.isclose(*costs) else "mem" if costs[0] < costs[1] else "gen"


def _pair(mem: Fit, gen: Fit, size: float, largest: float, longest: float) -> str:
    """The table of facts and the dial at one size, and under each the bar of its norm."""
    kept = _cheaper(mem, gen, size)
    n = max(1, round(ROWS * COLUMNS * size / largest))
    at = [(4 + 11.5 * (i % COLUMNS), 56 + 12 * (i // COLUMNS)) for i in range(n)]
    facts = "".join(f"M{x:g} {y:g}h6" for x, y in at)
    hands = "".join(f"M22 186L{22 + 15 * np.sin(a):.1f} {186 - 15 * np.cos(a):.1f}" for a in (0, 2))
    parts = [
        _text(0, 14, f"D = {size:,.0f}: {TITLES[kept]}", font_weight=600),
        _text(0, 38, f"C_mem, a square per {largest / (ROWS * COLUMNS):.0f} examples"),
        f'<path d="{facts}" stroke="{COLOURS["mem"]}" stroke-width="6"/>',
        _bar("mem", mem.at(LOGIT, size), longest, 104, kept),
        _text(0, 158, "C_gen, one rule for all"),
        f'<circle cx="22" cy="186" r="18" fill="none" stroke="{COLOURS["gen"]}" stroke-width="3"/>'
        f'<path d="{hands}" stroke="{COLOURS["gen"]}" stroke-width="3"/>',
        _bar("gen", gen.at(LOGIT), longest, 210, kept),
    ]
    return _svg(parts)


def _bar(circuit: str, norm: float, longest: float, y: float | int, kept: str) -> str:
    """The norm of a circuit as a bar, pale where it decays in favour of the other."""
    fate = "" if not kept else ", is kept" if circuit == kept else ", decays away"
    opacity = 1 if kept in ("", circuit) else 0.35
    return (
        f'<rect x="0" y="{y}" width="{BAR * norm / longest:.1f}" height="14" '
        f'fill="{COLOURS[circuit]}" fill-opacity="{opacity}"/>'
        + _text(BAR * norm / longest + 6, y + 12, f"norm {norm:.1f}{fate}")
    )


def _lines(mem: Fit, gen: Fit, sizes: list[float], longest: float) -> str:
    """What each circuit costs against D, on a logarithmic axis, and where the lines cross."""
    low, high = np.log(sizes[0]), np.log(sizes[-1])
    low, high = low - 0.1 * (high - low), high + 0.1 * (high - low)

    def at(size: float, norm: float | int) -> tuple[float, float]:
        return WIDTH * (np.log(size) - low) / (high - low), 200 - 150 * norm / longest

    ends = float(np.exp(low)), float(np.exp(high))
    rising = [at(size, mem.at(LOGIT, size)) for size in np.geomspace(ends[0], ends[1], 40)]
    flat = [at(size, gen.at(LOGIT)) for size in ends]
    parts = [_text(0, 14, "Norm of each circuit, against D", font_weight=600)]
    for circuit, points, dash in (("mem", rising, "7 3"), ("gen", flat, "none")):
        d = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        how = f'stroke="{COLOURS[circuit]}" stroke-width="3" stroke-dasharray="{dash}"'
        parts.append(f'<path d="M{d}" fill="none" {how}/>')
    parts.append('<path d="M0 200H240" stroke="currentColor"/>')
    for size in sizes:
        x, y = at(size, max(mem.at(LOGIT, size), gen.at(LOGIT)))
        parts.append(f'<path d="M{x:.1f} {y:.1f}V200" stroke="currentColor" stroke-opacity=".4"/>')
        parts.append(_text(x, 216, f"{size:,.0f}", text_anchor="middle"))
    (x, y), top = at(sizes[1], gen.at(LOGIT)), rising[-1][1]
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" stroke="currentColor" fill="none"/>')
    parts.append(_text(x - 8, y - 10, "D_crit", text_anchor="end"))
    parts.append(_text(WIDTH - 28, top + 8, "C_mem", text_anchor="end", fill=COLOURS["mem"]))
    parts.append(_text(WIDTH, flat[1][1] + 18, "C_gen", text_anchor="end", fill=COLOURS["gen"]))
    return _svg(parts)


def _text(x: float | int, y: float | int, text: str, **looks: str | int) -> str:
    """A text in SVG, with attributes of it; a name like C_mem gets its index."""
    below = r'<tspan dy="3" font-size="10">\1</tspan><tspan dy="-3">\2</tspan>'
    body = re.sub(r"_(\w+)(.*)", below, escape(text))
    looks = {"text_anchor": "start", "font_weight": 400, "fill": "currentColor", **looks}
    look = " ".join(f'{name.replace("_", "-")}="{value}"' for name, value in looks.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="13" {look}>{body}</text>'


def _svg(parts: list[str]) -> str:
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg aria-hidden="true" style="overflow:visible" {size}>{"".join(parts)}</svg>'
