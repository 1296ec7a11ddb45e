"""The theme: fixed colours, one template for Python and the page, and what `show` lets through."""

import hashlib
import re

import numpy as np
import plotly.graph_objects as go
import plotly.offline
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plotly.colors import hex_to_rgb, unlabel_rgb

from varma2023 import theme
from varma2023.publish import chapters

ASSETS = chapters.BOOK / "_assets"
HEAVY = np.random.default_rng(0).random((400, 400))


def line(n: int = 3, **trace) -> go.Figure:
    """A figure that may be shown, with one line of n points."""
    fig = theme.figure().add_scatter(x=np.arange(float(n)), y=np.arange(float(n)), **trace)
    return theme.set_alt(fig, "A rising line.")


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb or rgb(r, g, b), by the accessibility guidelines."""
    channels = hex_to_rgb(colour) if colour.startswith("#") else unlabel_rgb(colour)
    values = [channel / 255 for channel in channels]
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_named_colour_shows_on_its_paper(mode):
    colours = theme.THEME["colours" if mode == "light" else "dark_colours"]
    assert set(colours) == {"train", "test", "gen", "mem", "norm", "reference"}
    paper = theme.THEME[mode]["paper"]
    assert min(contrast(colour, paper) for colour in colours.values()) >= 3
    assert contrast(theme.THEME[mode]["text"], paper) >= 7


def test_a_figure_has_a_template_of_its_own_the_shared_one_in_its_light_form():
    shared, font = theme.THEME["layout"], {**theme.THEME["layout"]["font"]}
    theme.template()["layout"]["font"]["size"] = 1
    made = theme.figure(height=300).to_plotly_json()["layout"]
    assert made["height"] == 300
    layout = made["template"]["layout"]
    assert layout["legend"] == shared["legend"]
    assert layout["xaxis"].items() >= shared["xaxis"].items()
    assert layout["font"] == font | {"color": theme.THEME["light"]["text"]}


@given(n=st.integers(1, 60))
def test_ordered_colours_are_distinct_and_get_lighter(n):
    light = [luminance(colour) for _, colour in theme.coloured(range(n))]
    assert light == sorted(set(light))
    assert len(light) == n


@pytest.mark.parametrize("part", np.linspace(0, 1, 21))
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_ordered_colours_show_on_both_papers_as_they_are(mode, part):
    """At a contrast of 3, from which on the page's script leaves a colour as it is in the dark."""
    assert contrast(theme.ordered_at(part), theme.THEME[mode]["paper"]) >= 3


def test_alt_text_survives_other_metadata():
    fig = theme.set_alt(theme.figure(meta={"source": "x"}), "A sentence.")
    assert fig.layout.meta == {"source": "x", "alt": "A sentence."}


@pytest.mark.parametrize(
    ("fig", "says"),
    [
        (theme.set_alt(line(), ""), "alt text"),
        (theme.set_alt(line(), "   "), "alt text"),
        (line(501, name="train"), "'train'.*500 points, got 501"),
        (theme.set_alt(go.Figure(go.Scatter(y=np.zeros(501))), "x"), "500 points, got 501"),
        (theme.set_alt(go.Figure(go.Scatter3d(x=[1], y=[1], z=[1])), "A point."), "scatter3d"),
        (line().update_layout(sliders=[{}]), "no sliders"),
        (line().update_layout(xaxis_title="$t$"), "dollar"),
        (theme.set_alt(go.Figure(go.Bar(customdata=HEAVY)), "x"), "bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_show_refuses_what_the_book_cannot_draw_and_names_it(fig, says):
    with pytest.raises(ValueError, match=says):
        theme.show(fig)


def test_vendored_files_are_the_ones_listed_and_no_other():
    sums = (ASSETS / "SHA256SUMS").read_text("utf-8").splitlines()
    listed = {name: digest for digest, name in (row.split(maxsplit=1) for row in sums)}
    vendored = (p for p in ASSETS.rglob("*") if p.suffix in (".js", ".css", ".woff2"))
    assert set(listed) == {p.relative_to(ASSETS).as_posix() for p in vendored}
    for name, digest in listed.items():
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == digest, name


def test_vendored_plotly_is_the_version_that_python_writes_for_and_draws_what_show_lets_through():
    bundle = (ASSETS / "plotly.min.js").read_text("utf-8")
    assert f"v{plotly.offline.get_plotlyjs_version()}" in bundle[:400]
    assert set(re.findall(r'moduleType:"trace",name:"(\w+)"', bundle)) == theme.TRACE_TYPES
    components = set(re.findall(r'moduleType:"component",name:"(\w+)"', bundle))
    assert components >= {"annotations", "legend", "shapes"}
    assert not components & set(theme.NOT_DRAWN)
    assert len(bundle.encode()) < 950_000


def test_every_vendored_package_has_its_licence():
    mit, ofl = "MIT License", "SIL OPEN FONT LICENSE Version 1.1"
    for name, kind in {"plotly.js": mit, "katex": mit, "inter": ofl, "noto-sans-math": ofl}.items():
        assert kind in (ASSETS / "licences" / f"{name}.txt").read_text("utf-8")


def test_the_text_fonts_are_light_and_are_what_the_theme_asks_for_first():
    fonts = list((ASSETS / "fonts").glob("*.woff2"))
    assert sum(font.stat().st_size for font in fonts) < 150_000
    first = theme.THEME["layout"]["font"]["family"].replace("'", "").split(", ")[:2]
    style = (chapters.STATIC / "gk-book.css").read_text()
    faces = re.findall(r'font-family: "?([\w ]+)"?;[^}]*url\(', style)
    assert sorted(set(faces)) == sorted(first)
    assert {"".join(face.split()) for face in faces} == {f.stem.split("-")[0] for f in fonts}
