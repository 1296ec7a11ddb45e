"""Tables of a chapter, as HTML that a page and JupyterLab both print."""

from collections.abc import Sequence


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table of ready-made cells, in a box that scrolls by itself on a narrow page."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    table = f'<table class="table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div style="overflow-x: auto" tabindex="0">{table}</div>'


def capitalised(text: str) -> str:
    """The text with a large first letter, as a sentence begins; a symbol such as ε stays."""
    return text[:1].upper() + text[1:] if text[:1].isascii() else text
