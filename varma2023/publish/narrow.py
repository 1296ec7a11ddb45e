"""A figure's second layout, for a narrow page: panels under each other, room for the legend.

The page's script takes it below 600 px. It is worked out from the layout alone, so that no figure
has to be drawn twice.
"""

import re
from collections.abc import Sequence
from typing import Any

from varma2023.theme import THEME

Layout = dict[str, Any]
TEXT, WIDTH = 7, 300  # px: a letter of a legend; what a phone leaves for a row of entries
ROW, SAMPLE = 21, 45  # px: a row of the legend; the line or marker before an entry
TALL, LOW = 220, 150  # px: of a panel, at most and at least
ALL = 1200  # px: of all panels together, at most
TITLE, TICKS, NAME, GAP = 34, 22, 34, 14  # px: a panel's title, tick labels, an axis's name, air


def panels(layout: Layout) -> list[tuple[str, str]]:
    """The x and the y axis of every panel, row by row."""
    found = [
        (name, "yaxis" + str(axis.get("anchor", "y"))[1:])
        for name, axis in layout.items()
        if re.fullmatch(r"xaxis\d*", name)
    ]

    def place(panel: tuple[str, str]) -> tuple[float, float]:
        left, (_, top) = _domain(layout, panel[0])[0], _domain(layout, panel[1])
        return -round(top, 3), round(left, 3)

    return sorted(found, key=place)


def legend_rows(data: Sequence[Layout], layout: Layout) -> int:
    """How many rows the legend takes on a narrow page."""
    names = [t.get("name") or "" for t in data if t.get("showlegend", True)]
    names += [s.get("name") or "" for s in layout.get("shapes", []) if s.get("showlegend")]
    rows, used = 0, WIDTH
    for name in names:
        width = SAMPLE + TEXT * len(re.sub(r"<[^>]*>", "", name))
        rows, used = (rows + 1, width) if used + width > WIDTH else (rows, used + width)
    return rows


def narrow(data: Sequence[Layout], layout: Layout) -> Layout:
    """What changes in the layout of a figure on a narrow page; annotations are given whole.

    Panels go row by row, or column by column where only the first row has titles: then these name
    columns. Panels of one column that share their x axis stay together.
    """
    rows, every = legend_rows(data, layout), panels(layout)
    height = int(layout.get("height", THEME["layout"]["height"]))
    columns = len({round(_domain(layout, x)[0], 3) for x, _ in every})  # by their left ends
    if columns <= 1:
        fonts = {x: {"tickfont": {"size": 12}} for x, _ in every}
        return {"height": height + ROW * max(rows - 2, 0), "margin": {"r": 12}, **fonts}
    notes = [dict(note) for note in layout.get("annotations", [])]
    titles = {panel: note for panel in every for note in notes if _names(layout, panel, note)}
    by_column = columns < len(every) and set(titles) <= set(every[:columns])
    order = [p for i in range(columns) for p in every[i::columns]] if by_column else every
    wide = height - 110
    changes: Layout = {}
    tops, down = {}, 0.0
    for i, panel in enumerate(order):
        x, y = panel
        here: Layout = {"domain": [0.0, 1.0], "tickfont": {"size": 12}}
        if not by_column:
            here["showticklabels"] = True
        axis = layout[x] | here
        down += (TITLE if panel in titles else GAP) if i else 0
        low, high = _domain(layout, y)
        tall = min(max((high - low) * wide, LOW), TALL, ALL / len(every))
        tops[panel] = down, down + tall
        down += tall + TICKS * (axis.get("showticklabels", True) is not False)
        down += NAME * bool(_title(axis))
        changes[x] = here
        row = every[columns * (every.index(panel) // columns)]
        named = layout[y] if _title(layout[y]) else layout[row[1]]
        changes[y] = {"showticklabels": True, "title": named.get("title", {})}
    bottom = max(end for _, end in tops.values())
    for panel, (top, end) in tops.items():
        changes[panel[1]]["domain"] = [round(1 - end / bottom, 4), round(1 - top / bottom, 4)]
        if panel in titles:
            titles[panel] |= {"x": 0.5, "y": changes[panel[1]]["domain"][1]}
    above = TITLE if order[0] in titles else 8
    changes["legend"] = {"x": 0, "y": round(1 + above / bottom, 4), "yanchor": "bottom"}
    changes["height"] = round(down + above + ROW * rows + 20)
    return changes | {"annotations": notes, "margin": {"t": above + 4, "r": 12}}


def _domain(layout: Layout, axis: str) -> tuple[float, float]:
    low, high = layout.get(axis, {}).get("domain") or (0.0, 1.0)
    return float(low), float(high)


def _title(axis: Layout) -> str:
    return str(axis.get("title", {}).get("text", ""))


def _names(layout: Layout, panel: tuple[str, str], note: Layout) -> bool:
    """Whether an annotation is the panel's title: in the middle of its upper edge."""
    (left, right), (_, top) = _domain(layout, panel[0]), _domain(layout, panel[1])
    if note.get("xref") != "paper" or note.get("yref") != "paper":
        return False
    return abs(note["x"] - (left + right) / 2) < 0.02 and abs(note["y"] - top) < 0.02
