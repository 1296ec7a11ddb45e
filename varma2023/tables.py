"""Tables of a chapter, as HTML that a page and JupyterLab both print."""

import re
from collections.abc import Iterable, Mapping

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def badges(texts: Iterable[str]) -> str:
    """Short facts, such as what a run was, as a row of badges."""
    told = map(powers, texts)
    each = " ".join(f'<span class="gk-badge" role="listitem">{text}</span>' for text in told)
    return f'<span class="gk-badges" role="list">{each}</span>'


def table(heads: str, rows: Iterable[str | Iterable[object]]) -> str:
    """An HTML table of values as they print, in a box that scrolls by itself on a narrow page.

    `heads` are its headings, with | between them. A row is written like those, or it is a list of
    its values.
    """
    top = "".join(f'<th scope="col">{head}</th>' for head in heads.split(" | "))
    lists = (row.split(" | ") if isinstance(row, str) else map(str, row) for row in rows)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in lists)
    whole = f'<table class="table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    unbroken = re.sub(r"(?<=\d) – (?=\d)", "\u00a0–\u2060\u00a0", indexed(whole))  # ranges
    return f'<div style="overflow-x: auto" tabindex="0">{unbroken}</div>'


def folded(table: str) -> str:
    """A table below its picture, closed until a reader opens it; works without scripts."""
    return f"<details><summary>The numbers</summary>{table}</details>"


def pivot(corner: str, cells: Mapping[tuple[str, str], str]) -> str:
    """An HTML table of cells by row and column, both in the order in which they first come."""
    rows, heads = (list(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
    lines = ([row, *(cells.get((row, head), "–") for head in heads)] for row in rows)
    return table(" | ".join([corner, *heads]), lines)


def span(values: Iterable[float], form: str = "g", none: str = "none", to: str = " – ") -> str:
    """ "300 – 3,000": the least and the largest of some numbers, or the one that there is."""
    texts = [f"{value:{form}}" for value in sorted(values)]
    if not texts:
        return none
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]}{to}{texts[-1]}"


def powers(text: str) -> str:
    """A text in which "7e-12" is 7·10⁻¹², "1e+06" 10⁶, and a task "x^2+y^2" x²+y², "S_n" Sₙ.

    A hyphen before a number is a minus, and ranges of signed numbers go "to".
    """

    def power(found: re.Match[str]) -> str:
        factor, exponent = found[1], str(int(found[2])).translate(RAISED)
        return f"10{exponent}" if factor == "1" else f"{factor}·10{exponent}"

    text = re.sub(r"\b(\d(?:\.\d+)?)e([+-]?\d{1,3})\b", power, text)
    raised = re.sub(r"(?<=[xy])\^(-?\d)", lambda found: found[1].translate(RAISED), text)
    signed = re.sub(r"(?<![\w.-])-(?=\d)", "−", raised.replace("S_n", "Sₙ"))
    return re.sub(r"(?<=\d|%) – (?=[+−]\d)|(?<=−)([\d.,]+%?) – (?=\d)", r"\1 to ", signed)


def indexed(text: str) -> str:
    """`powers` in an HTML text, and indices as in D_crit, D_c, C_mem and C_trig set as such."""
    name = re.compile(r"\b([CD])_(crit|mem|gen|trig|c)\b")
    parts = re.split(r"(<[^>]*>)", text)  # texts, and tags between them
    parts[::2] = [name.sub(r"\1<sub>\2</sub>", powers(part)) for part in parts[::2]]
    return "".join(parts)


def capitalised(text: str) -> str:
    """The text with a large first letter, as a sentence begins; a symbol such as ε stays."""
    return text[:1].upper() + text[1:] if text[:1].isascii() else text
