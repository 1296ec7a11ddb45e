"""The mechanism in pictures: entries grow with D, bars are norms, and the cheaper circuit stays."""

import re
from xml.etree import ElementTree

import pytest

from varma2023.efficiency.analysis import LOGIT, Fit
from varma2023.efficiency.critical import equal_cost_size
from varma2023.efficiency.drawing import APART, mechanism

MEM, GEN = Fit(34.0, 0.4, 6.0), Fit(32.0, 0.0, 6.0)


def pictures() -> tuple[str, list]:
    whole = ElementTree.fromstring(mechanism(MEM, GEN))
    return whole.attrib["aria-label"], list(whole)


def texts(svg) -> list[str]:
    return ["".join(text.itertext()) for text in svg.iter("text")]


def test_a_table_has_an_entry_for_so_many_examples_and_a_bar_is_as_long_as_its_norm():
    _, (*svgs, _) = pictures()
    critical = equal_cost_size(MEM, GEN, LOGIT)
    per_entry, per_norm = [], []
    for size, svg in zip((critical / APART, critical, critical * APART), svgs, strict=True):
        facts = next(path for path in svg.iter("path") if path.attrib["stroke-width"] == "6")
        per_entry.append(facts.attrib["d"].count("M") / size)
        widths = [float(bar.attrib["width"]) for bar in svg.iter("rect")]
        norms = MEM.at(LOGIT, size), GEN.at(LOGIT)
        per_norm += [width / norm for width, norm in zip(widths, norms, strict=True)]
    assert per_entry == pytest.approx([per_entry[-1]] * 3, rel=0.15)
    assert per_norm == pytest.approx([per_norm[0]] * 6, rel=0.01)


def test_weight_decay_leaves_the_cheaper_circuit_on_each_side_of_d_crit():
    label, (fewer, equal, more, lines) = pictures()
    for svg, fates in ((fewer, ("kept", "decays away")), (more, ("decays away", "kept"))):
        norms = [text for text in texts(svg) if text.startswith("norm")]
        assert all(fate in norm for fate, norm in zip(fates, norms, strict=True))  # mem, gen
    assert [text for text in texts(equal) if "kept" in text or "decays" in text] == []
    critical = f"{equal_cost_size(MEM, GEN, LOGIT):,.0f}"
    assert f"at D = {critical} " in label
    assert critical in texts(lines)


def test_the_lines_cross_where_the_circle_is():
    _, (*_, lines) = pictures()
    mem, gen = (
        [tuple(map(float, point.split())) for point in re.split("[ML]", path.attrib["d"])[1:]]
        for path in list(lines.iter("path"))[:2]
    )
    [circle] = lines.iter("circle")
    x, y = float(circle.attrib["cx"]), float(circle.attrib["cy"])
    assert gen[0][1] == gen[1][1] == pytest.approx(y, abs=0.1)
    beside = sorted(mem, key=lambda point: abs(point[0] - x))[:2]
    assert min(p[1] for p in beside) - 0.1 <= y <= max(p[1] for p in beside) + 0.1
    assert mem[0][1] > y > mem[-1][1]  # up is less on a screen


def test_costs_that_do_not_cross_are_said_and_not_drawn():
    assert "do not cross" in mechanism(Fit(34.0, -0.1, 6.0), GEN)
