"""What chapter cells call: parameters that must exist, and numbers that print as numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from handmade import grokking
from hypothesis import given
from hypothesis import strategies as st

from varma2023 import measures
from varma2023.publish import chapters, notebook


@pytest.fixture
def cells(monkeypatch):
    """A kernel whose history is the returned list."""
    history: list[str] = []
    shell = SimpleNamespace(user_ns={"In": history})
    monkeypatch.setattr(notebook, "get_ipython", lambda: shell)
    return history


def test_known_parameters_pass_and_only_papermills_cell_is_read(cells):
    cells += ['profile = "published"\nseeds = None', '# Parameters\nseeds = 3\nprofile = "quick"\n']
    notebook.check_parameters(profile="quick", seeds=3)
    cells += ["wieght_decay = 0.5", "import numpy  # Parameters\nx = 1"]  # not papermill's
    notebook.check_parameters(profile="quick", seeds=3)


def test_an_unknown_parameter_is_named_with_what_exists_and_what_is_closest(cells):
    cells.append("# Parameters\np = [1, None, 'x = 2']\nwieght_decay = 0.5\n_q = 1\n")
    with pytest.raises(ValueError, match="wieght_decay") as error:
        notebook.check_parameters(profile="published", p=None, weight_decay=None)
    assert "profile, p, weight_decay" in str(error.value)
    assert str(error.value).endswith("did you mean 'weight_decay'?")


@given(value=st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, width=32))
def test_numbers_of_any_kind_become_pythons_own(value):
    kinds = (value, np.array(value)[()], np.array([value]), torch.tensor(value))
    for kind in (*kinds, np.float32(value)) if isinstance(value, float) else kinds:
        assert notebook.plain(kind) == value
        assert type(notebook.plain(kind)) is type(value)


@pytest.mark.parametrize("value", [None, [1], np.arange(2), torch.zeros(2), True, {"a": 1}, 1j])
def test_what_a_page_cannot_print_is_refused(value):
    with pytest.raises(TypeError, match="glue"):
        notebook.plain(value)


def test_glue_keeps_the_plain_value_and_a_live_notebook_finds_what_its_prose_quotes(monkeypatch):
    kept, shell = {}, SimpleNamespace(user_ns={})
    monkeypatch.setattr("myst_nb.glue", lambda name, value, display: kept.update({name: value}))
    monkeypatch.setattr(notebook, "get_ipython", lambda: shell)
    notebook.glue("share", np.float64(0.5))
    notebook.glue("word", "met")
    assert repr(kept) == "{'share': 0.5, 'word': 'met'}"
    for quote in chapters.QUOTES.values():
        name = quote.removeprefix("{eval}`").partition("[")[0]
        assert shell.user_ns[name] == kept
    notebook.glue("runs", notebook.chips([grokking(0), grokking(1)], "float64"))
    assert kept["runs"].data.startswith("<span")


def test_chips_say_what_the_sentence_on_the_runs_says_and_no_more():
    runs = [grokking(0), grokking(1)]
    html = BeautifulSoup(notebook.chips(runs, "float64").data, "html.parser")
    texts = [chip.get_text() for chip in html.select(".gk-badge")]
    assert ", ".join(texts) == measures.described(runs).replace(" of ", ", ", 1) + ", float64"
    assert html.get_text(" ", strip=True) == " ".join(texts)
