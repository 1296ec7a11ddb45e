"""Rendering for the book: HTML that stands without scripts, docstrings that Sphinx can read."""

import html
import json
import re
from types import SimpleNamespace

import docutils.core
import docutils.nodes
import pytest
from bs4 import BeautifulSoup
from dukpy import JSRuntimeError
from hypothesis import given
from hypothesis import strategies as st

from varma2023 import theme
from varma2023.publish import chapters, sphinx_ext


def held(text: str) -> dict:
    """What the script element of a rendered output holds."""
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', text, re.S)[1])


def figure_json(**layout) -> dict:
    fig = theme.figure(**layout).add_scatter(x=[1, 2], y=[3, 4], name="train")
    return json.loads(theme.set_alt(fig, 'Loss < 1 & "falling".').to_json())


def test_a_figure_carries_its_data_its_text_and_no_template():
    text = sphinx_ext.figure(figure_json(height=300))
    spec = held(text)
    assert spec["data"][0]["y"] == [3, 4]
    assert "template" not in spec["layout"]
    alt = html.escape('Loss < 1 & "falling".')
    assert f'role="img" aria-label="{alt}"' in text
    assert f"<noscript><p>{alt}</p></noscript>" in text
    assert "height:300px" in text
    assert "http" not in text


def test_a_figure_without_curves_still_has_a_list_of_them():
    """The page's script walks it; without, it stopped at this figure and drew none after it."""
    fig = json.loads(theme.set_alt(theme.figure(), "Nothing was run.").to_json())
    assert held(sphinx_ext.figure(fig))["data"] == []


@given(name=st.text(max_size=20))
def test_no_text_in_a_figure_ends_its_script(name):
    fig = figure_json()
    fig["data"][0]["name"] = name + "</script><script>"
    text = sphinx_ext.figure(fig)
    assert text.count("</script>") == 1
    assert held(text)["data"][0]["name"] == fig["data"][0]["name"]


def test_an_island_carries_its_module_and_what_to_say_without_scripts():
    content = {"esm": "export default {}; // </script>", "state": {"x": 1}, "alt": "An explorer."}
    text = sphinx_ext.island(content)
    assert held(text) == content
    assert "<noscript><p>An explorer.</p></noscript>" in text


def test_other_outputs_are_left_to_others():
    data = SimpleNamespace(mime_type="text/plain", content={})
    assert sphinx_ext.Renderer.handle_mime(None, data, inline=False) is None


def test_figures_and_equations_carry_the_papers_numbers():
    labels = ["fig-1a", "fig-9", "fig-d4-shares", "fig-d4-exchange", "fig-adamw", "fig-loop"]
    assert sphinx_ext.paper_numbers(labels) == ["1a", "9", "D4a", "D4b", "S1", "S2"]
    labels = ["equation-eq-2", "equation-eq-adamw", "equation-eq-trig", "equation-eq-6"]
    assert sphinx_ext.paper_numbers(labels) == ["2", "S1", "S2", "6"]


LABEL = st.from_regex(r"fig-[a-d]?[1-9]?(-[a-z]+)?", fullmatch=True)


@given(st.lists(LABEL, max_size=9, unique=True))
def test_no_two_figures_share_a_number(labels):
    assert len(set(sphinx_ext.paper_numbers(labels))) == len(labels)


def messages(lines: list[str]) -> str:
    """What docutils complains about."""
    quiet = {"report_level": 1, "halt_level": 5, "warning_stream": SimpleNamespace(write=list)}
    source = "\n".join(sphinx_ext.docstring_as_rst(lines))
    tree = docutils.core.publish_doctree(source, settings_overrides=quiet)
    return "\n".join(node.astext() for node in tree.findall(docutils.nodes.system_message))


DOCSTRING = """The part of *the* logits Z[a, b, c] in |x|: Z_{h,T} of App. B, for n_ and `p_`.

The formula, with `code` and ``code``:
    w_i = P_i ** (-q kappa / (q - kappa))
and on it goes.

    indented = on_its_own

Two points:
- one, that goes on
  in a second line;
- two * three.

Raises:
    ValueError: for y = 0 in `x/y`.
    TypeError: never_
""".splitlines()


def test_a_docstring_in_our_style_is_clean_and_keeps_its_formula():
    assert messages(DOCSTRING[: DOCSTRING.index("Raises:")]) == ""
    text = "\n".join(sphinx_ext.docstring_as_rst(DOCSTRING))
    assert "    w_i = P_i ** (-q kappa / (q - kappa))" in text
    assert "``code``" in text
    assert "    ValueError: for y = 0 in ``x/y``." in text


@given(st.lists(st.text("ab*|_\\:. ", max_size=12).map(str.strip).map("w{}".format), max_size=4))
def test_marks_of_markup_in_a_docstring_are_letters(lines):
    assert messages(lines) == ""


def test_maths_is_typeset_in_the_build_and_what_is_no_tex_stops_it():
    page = SimpleNamespace(builder=SimpleNamespace(srcdir=chapters.BOOK))
    made = BeautifulSoup(sphinx_ext._math(page, r"\frac{a}{b}", display=True), "html.parser")
    assert made.find("gk-math")["class"] == ["gk-display", "notranslate"]
    assert [tag.get_text() for tag in made.select("mfrac mi")] == ["a", "b"]
    with pytest.raises(JSRuntimeError, match="ParseError"):
        sphinx_ext._math(page, r"\frac{a")
