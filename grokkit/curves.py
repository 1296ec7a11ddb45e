"""The curves of a few records as one SVG, with no plotting library."""

from collections.abc import Sequence
from html import escape

from grokkit.runs import Record, Records

COLOURS = {"train_accuracy": "#0072B2", "test_accuracy": "#D55E00"}
WIDTH, HEIGHT, LEFT, TOP = 360, 180, 44, 34  # of a panel and its margins, in pixels


class Picture(str):
    """SVG text that a notebook shows as a picture."""

    def _repr_svg_(self) -> str:
        return str(self)


def picture(records: Records, titles: Sequence[str] = ()) -> Picture:
    """Train and test accuracy of each record against the epoch, a panel each."""
    titles = titles or [str(record.run) for record in records]
    panels = "".join(
        f'<g transform="translate({LEFT + i * (WIDTH + LEFT)} {TOP})">{_panel(*pair)}</g>'
        for i, pair in enumerate(zip(records, titles, strict=True))
    )
    size = (LEFT + len(records) * (WIDTH + LEFT), HEIGHT + 2 * TOP + 10)
    return Picture(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" '
        f'width="{size[0]}" font-family="sans-serif" font-size="12">{panels}</svg>'
    )


def _panel(record: Record, title: str) -> str:
    parts = [f'<text y="-14">{escape(title)}</text>']
    for share in (0.0, 0.5, 1.0):
        y = HEIGHT * (1 - share)
        parts.append(f'<path d="M0 {y}H{WIDTH}" stroke="#ccc"/>')
        parts.append(f'<text x="-6" y="{y + 4}" text-anchor="end">{share:g}</text>')
    last = max(1, int(record["epoch"][-1]))
    parts.append(f'<text y="{HEIGHT + 18}">epoch 0</text>')
    parts.append(f'<text x="{WIDTH}" y="{HEIGHT + 18}" text-anchor="end">{last:,}</text>')
    for i, (metric, colour) in enumerate(COLOURS.items()):
        if metric not in record.metrics:  # trained on every example there is no test set
            continue
        xy = zip(record["epoch"] / last * WIDTH, (1 - record[metric]) * HEIGHT, strict=True)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in xy)
        dash = ' stroke-dasharray="6 3"' if i else ""
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        )
        at, name = f'x="{90 + 110 * i}" y="{HEIGHT + 34}"', metric.replace("_", " ")
        parts.append(f'<text {at} fill="{colour}">{name}</text>')
    return "".join(parts)
