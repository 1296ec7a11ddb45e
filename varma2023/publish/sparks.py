"""Small pictures as inline SVG in the theme's colours, light and dark: no script draws them."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from varma2023.theme import THEME

WIDTH, HEIGHT = 240, 76  # of a spark, in its own units: it is stretched to the width of its box
EDGE = 4  # around what is drawn, so that no stroke is cut
PAPER = "reference"


class Axis(NamedTuple):
    """The values at both ends of an axis."""

    low: float
    high: float
    log: bool = False

    def at(self, values: ArrayLike) -> np.ndarray:
        """Where values lie, from 0 to 1; those beyond an end lie on it."""
        ends = np.array([self.low, self.high], dtype=float)
        found, ends = (np.log(each) if self.log else each for each in (np.asarray(values), ends))
        return np.clip((found - ends[0]) / (ends[1] - ends[0]), 0, 1)


class Curve(NamedTuple):
    """Points to be joined by a line, or with `dots` to be marked, in a colour of the theme."""

    x: ArrayLike
    y: ArrayLike
    colour: str
    dots: bool = False
    dash: str = ""
    width: float = 2


def colour(name: str) -> str:
    """A colour of the theme as CSS: the page's, which follows light and dark, or the light one."""
    return f"var(--gk-{name}, {THEME['colours'][name]})"


class Box(NamedTuple):
    """A rectangle with two axes in which curves are drawn."""

    x: Axis
    y: Axis
    width: float = WIDTH
    height: float = HEIGHT

    def place(self, x: ArrayLike, y: ArrayLike) -> list[tuple[float, float]]:
        """Where points lie in the picture; y upwards."""
        across = EDGE + self.x.at(x) * (self.width - 2 * EDGE)
        down = EDGE + (1 - self.y.at(y)) * (self.height - 2 * EDGE)
        return [*zip(across.round(1).tolist(), down.round(1).tolist(), strict=True)]

    def line(self, curve: Curve) -> str:
        """A curve as an SVG path."""
        points = self.place(np.atleast_1d(curve.x), np.atleast_1d(curve.y))
        d = "".join(f"M{x:g},{y:g}h0" for x, y in points) if curve.dots else ""
        d = d or "M" + "L".join(f"{x:g},{y:g}" for x, y in points)
        cap, width = ("round", 6) if curve.dots else ("butt", curve.width)
        dash = f' stroke-dasharray="{curve.dash}"' if curve.dash else ""
        return (
            f'<path d="{d}" fill="none" stroke-linecap="{cap}" stroke-width="{width:g}"{dash} '
            f'vector-effect="non-scaling-stroke" style="stroke: {colour(curve.colour)}"/>'
        )

    def text(self, x: float, y: float, words: str, name: str, anchor: str = "start") -> str:
        """Words whose first, last or middle letter stands at a point, in a colour of the theme."""
        [(across, down)] = self.place([x], [y])
        return (
            f'<text x="{across:g}" y="{down:g}" text-anchor="{anchor}" '
            f'style="fill: {colour(name)}">{escape(words)}</text>'
        )

    def below(self, x: float, words: str, anchor: str = "middle") -> str:
        """Words under the axis of x: a tick or its title."""
        return self.text(x, self.y.low, words, PAPER, anchor).replace("<text", '<text dy="18"')

    def band(self, low: float, high: float) -> str:
        """The paper's own result between two values of x, as in `plots.draw_paper`."""
        (left, top), (right, bottom) = self.place([low, high], [self.y.high, self.y.low])
        size = f'width="{right - left:.1f}" height="{bottom - top:.1f}"'
        return (
            f'<rect class="gk-paper" x="{left:g}" y="{top:g}" {size} opacity="0.3" '
            f'style="fill: {colour(PAPER)}"/>'
        )


def svg(body: str, alt: str, width: float, height: float, name: str, stretch: bool = False) -> str:
    """A picture of this size and class; `alt` is its text for those who do not see it."""
    how = ' preserveAspectRatio="none"' if stretch else ""
    return (
        f'<svg class="{name}" role="img" aria-label="{escape(alt)}" '
        f'viewBox="0 0 {width:g} {height:g}"{how}>{body}</svg>'
    )


def spark(
    curves: Sequence[Curve],
    x: Axis,
    y: Axis,
    alt: str,
    paper_x: float | tuple[float, float] | None = None,
    paper_y: float | None = None,
) -> str:
    """A picture of a few curves without labels, and the paper's own level or band behind them."""
    box, drawn = Box(x, y), [*curves]
    if paper_y is not None:
        drawn.insert(0, Curve([x.low, x.high], [paper_y] * 2, PAPER, dash="7 4"))
    if isinstance(paper_x, float | int):
        drawn.insert(0, Curve([paper_x] * 2, [y.low, y.high], PAPER, dash="7 4"))
    band = box.band(*paper_x) if isinstance(paper_x, tuple) else ""
    return svg(band + "".join(map(box.line, drawn)), alt, WIDTH, HEIGHT, "gk-spark", True)
