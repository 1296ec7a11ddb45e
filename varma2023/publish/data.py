"""The data of a site's figures as CSV files, one row a point, which need no script to be saved."""

import base64
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

FIGURE = re.compile(r'class="gk-plotly"[^>]*><script type="application/json">(.*?)</script>', re.S)
LINK = 'class="gk-csv" href="#" role="button"'  # of a figure that has no file yet
MARKUP = re.compile(r"<[^>]*>")


def write(made: Path) -> None:
    """A file in `_static/data` for each figure of each page, to which the figure's link leads."""
    folder = made / "_static" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for page in made.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        where = page.relative_to(made).with_suffix("").parts
        up = "../" * (len(where) - 1)
        for n, match in enumerate(FIGURE.finditer(text), start=1):
            name = f"{'-'.join(where)}-{n}.csv"
            (folder / name).write_text(table(json.loads(match[1])), encoding="utf-8", newline="")
            text = text.replace(LINK, f'class="gk-csv" href="{up}_static/data/{name}" download', 1)
        page.write_text(text, encoding="utf-8")


def table(figure: Mapping[str, Any]) -> str:
    """Of every trace: panel, name, x, y, what its `meta` says of its runs, ends of error bars.

    `figure` is plotly's JSON. Hidden runs are there as well.
    """
    meta = [m if isinstance(m := t.get("meta"), Mapping) else {} for t in figure["data"]]
    keys = list(dict.fromkeys(key for own in meta for key in own))
    zero = (figure.get("layout", {}).get("meta") or {}).get("epoch_0", nan)  # drawn off its place
    barred = any(t.get(f"error_{a}", {}).get("array") for a in "xy" for t in figure["data"])
    bars = ["low", "high"] if barred else []
    to = io.StringIO()
    rows = csv.writer(to, lineterminator="\n")
    rows.writerow(["panel", "trace", "x", "y", *keys, *bars])
    for i, (trace, own) in enumerate(zip(figure["data"], meta, strict=True), start=1):
        name = MARKUP.sub("", trace.get("name") or "") or f"trace {i}"
        of = [own.get(key) for key in keys]
        for point, ends in _points(trace):
            point[0] = 0 if point[0] == zero else point[0]
            cells = [*point, *of, *(ends if bars else [])]
            rows.writerow([_panel(figure.get("layout", {}), trace), name, *map(_text, cells)])
    return to.getvalue()


def _panel(layout: Mapping[str, Any], trace: Mapping[str, Any]) -> str:
    """ "2: test accuracy against D": the number of the panel, and the titles of its axes."""
    number = trace.get("xaxis", "x")[1:] or "1"
    titles = [_title(layout, trace.get(f"{axis}axis", axis)) for axis in "yx"]
    return f"{number}: {' against '.join(titles)}" if all(titles) else number


def _title(layout: Mapping[str, Any], axis: str) -> str:
    """That of an axis, or of the one that it shares."""
    own = layout.get(f"{axis[0]}axis{axis[1:]}", {})
    title = (own.get("title") or {}).get("text")
    if not title and "matches" in own:
        return _title(layout, own["matches"])
    return MARKUP.sub("", title or "")


def _points(trace: Mapping[str, Any]) -> Iterator[tuple[list, list]]:
    """x and y of each point, and the ends of its error bar, along y if not along x."""
    x, y = (_values(trace.get(axis)) for axis in "xy")
    error, along = trace.get("error_y", {}), y
    if not error.get("array"):
        error, along = trace.get("error_x", {}), x
    above = _values(error.get("array"))
    below = _values(error.get("arrayminus", error.get("array")))
    for n in range(len(next((v for v in (y, x) if v is not None), []))):
        at = [x[n] if x is not None else n, y[n] if y is not None else None]
        known = above is not None and along is not None and above[n] is not None
        yield at, [along[n] - below[n], along[n] + above[n]] if known else [None, None]


def _values(values: Any) -> Any:
    """The numbers or texts of an array of plotly's, which may be packed as bytes."""
    if not isinstance(values, Mapping):
        return values
    return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value).removesuffix(".0")
