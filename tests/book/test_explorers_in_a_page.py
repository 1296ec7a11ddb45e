"""The explorers under a reader's hands: pressed, dragged, by keyboard, on a page of their own."""

import re
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from test_explorers import CIRCUITS, MADE, NETWORK, POINTS, both_lives
from test_site import FRAMES, tabs_on, write_page
from tiny import textbook_loss
from torch.func import grad

from grokkit import textbook
from grokkit.model import flat, initialise, named
from grokkit.theorems import optimal_shares
from varma2023 import explorers, theme
from varma2023.publish import sphinx_ext

pytestmark = [pytest.mark.site]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, make in MADE.items():
        data, _ = make()._repr_mimebundle_()
        write_page(folder, name, sphinx_ext.island(data[theme.ISLAND_MIME]))
    return folder


@pytest.fixture
def opened(context, folder):
    with tabs_on(context, folder) as open_page:
        yield open_page


def status(page) -> str:
    page.evaluate(FRAMES)
    return page.locator("[role=status]").inner_text()


def labels(page) -> list[str]:
    page.evaluate(FRAMES)
    return page.locator("svg[role=img]").evaluate_all("l => l.map(s => s.ariaLabel)")


def press(page, slider: str, *keys: str) -> None:
    """Press these keys on the slider of this name, one after the other."""
    for key in keys:
        page.locator(f"[data-key={slider}]").press(key)


def trained(opened, told: int):
    """The page of the network that trains, once it has told more often than this how it goes."""
    page = opened("training")
    page.locator("[data-action=train]").click()
    page.wait_for_function(f"document.querySelector('[data-key=look]').max > {told}")
    return page


@pytest.mark.parametrize("name", MADE)
def test_an_explorer_fits_a_phone_light_and_dark(opened, name):
    page = opened(name, width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ink = "getComputedStyle(document.querySelector('.gk-x svg [style*=stroke]')).stroke"
    light = page.evaluate(ink)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    fixed = name == "kappa"  # the colours of its circuits stand for nothing on other pages
    assert (page.evaluate(ink) == light) is fixed


def test_the_arrow_keys_go_through_grokking_and_on_through_ungrokking(opened):
    page, lives = opened("epochs"), [explorers.life(moments) for moments in both_lives()]
    press(page, "at", "Home")
    assert re.search(r"Epoch 0: it gets \d% of its examples right", status(page))
    press(page, "at", "ArrowRight")
    assert f"Epoch {lives[0]['epochs'][1]}:" in status(page)
    press(page, "at", *["ArrowRight"] * (len(lives[0]["epochs"]) - 2))
    assert "Epoch 10,000: it gets 100% of its examples right and 100% of the other" in status(page)
    press(page, "at", "ArrowRight")
    page.locator("[data-action=life-1][aria-pressed=true]").wait_for()
    assert "Trained on 390 of the 12,769 sums mod 113. Before, it trained on all" in status(page)
    press(page, "at", "End")
    end = both_lives()[1].record.final("test_accuracy")
    assert f"{100 * end:.0f}% of the other sums" in status(page)
    at = page.locator("[data-key=at]").get_attribute("aria-valuetext")
    assert at.startswith("Ungrokking, epoch")


def test_circles_close_while_the_network_groks(opened):
    page = opened("epochs")
    radii = """() => [...document.querySelectorAll('.gk-x-dials > div')].map((dial) => {
      const points = dial.querySelectorAll('path')[1].getAttribute('d').split('M').slice(1);
      const at = points.map((p) => p.split(/[ h]/).slice(0, 2).map(Number));
      const r = at.map(([x, y]) => Math.hypot(x, y));
      const mean = r.reduce((a, b) => a + b) / r.length;
      return Math.sqrt(r.reduce((a, b) => a + (b - mean) ** 2, 0) / r.length) / mean;
    })"""
    page.locator("[data-action=life-0]").click()
    page.evaluate(FRAMES)
    first = page.evaluate(radii)
    assert len(first) == len(both_lives()[0].frequencies)
    press(page, "at", *["ArrowRight"] * (len(both_lives()[0].epochs) - 1))
    page.evaluate(FRAMES)
    last = page.evaluate(radii)
    assert min(first) > 0.3
    assert max(last) < 0.15


def test_a_press_in_the_curves_goes_to_that_epoch_and_a_sum_can_be_chosen(opened):
    page = opened("epochs")
    box = page.locator("svg[aria-label^=Accuracy]").bounding_box()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 60)
    page.mouse.down()
    epoch = int(re.search(r"Epoch ([\d,]+):", status(page))[1].replace(",", ""))
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 60)
    page.mouse.up()
    earlier = int(re.search(r"Epoch ([\d,]+):", status(page))[1].replace(",", ""))
    assert 4000 < earlier < epoch < 9000
    titles = []
    for kind in ("sum-0", "sum-1"):
        page.locator(f"[data-action={kind}]").click()
        titles.append(next(label for label in labels(page) if label.startswith("Logits of")))
    (a, b), (x, y) = both_lives()[0].sums.tolist()
    assert f"{a} + {b} mod 113: its answer is {(a + b) % 113}, which is right" in titles[0]
    assert f"{x} + {y} mod 113" in titles[1]


def test_training_plays_and_stops_when_the_reader_takes_over(opened):
    page = opened("epochs")
    play = page.locator("[data-action=play]")
    play.click()
    page.wait_for_function("document.querySelector('[data-key=at]').value > 2")
    press(page, "at", "Home")
    assert play.inner_text() == "Play"
    assert "Epoch 0:" in status(page)


def test_all_waves_agree_at_the_right_answer_and_one_alone_is_no_proof(opened):
    page = opened("addition")
    lead = []
    for key in ("End", "Home"):
        press(page, "count", key)
        lead.append(float(re.search(r"has ([\d.]+)% of that", status(page))[1]))
    assert lead[0] < 70 < 99 < lead[1]
    press(page, "a", "End")
    press(page, "b", "Home", "ArrowRight")
    assert "112 + 1 = 0 mod 113" in status(page)
    assert any(label.endswith("highest at 0") for label in labels(page))


@pytest.mark.parametrize("name", ["simulation", "efficiency", "addition"])
def test_reset_brings_the_first_picture_back(opened, name):
    page = opened(name)
    first = labels(page)
    for slider in page.locator(".gk-x-sliders input").all():
        slider.press("PageDown")
    assert labels(page) != first
    page.locator("[data-action=reset]").click()
    assert labels(page) == first


def test_the_slow_start_has_a_logarithmic_slider(opened):
    page = opened("simulation")
    slider = page.locator("[data-key=w_gen_2]")
    values = []
    for key in ("Home", *["PageUp"] * 3):
        slider.press(key)
        page.evaluate(FRAMES)
        values.append(float(slider.get_attribute("aria-valuetext")))
    ratios = [after / before for before, after in pairwise(values)]
    assert min(ratios) > 1.5
    assert max(ratios) < 1.3 * min(ratios)


def test_beyond_q_the_most_efficient_circuit_keeps_all_the_weight(opened):
    page = opened("kappa")
    best = 100 * optimal_shares(CIRCUITS)[0]
    assert f"circuit 1 {best:.3g}%" in labels(page)[0]
    assert "every circuit keeps some weight" in status(page)
    press(page, "kappa", "End")
    assert "circuit 1 100%, circuit 2 0%" in labels(page)[0]
    assert "keeps all the weight" in status(page)


def test_the_logit_moves_the_lines_in_axes_that_stay(opened):
    page = opened("efficiency")
    chart = "document.querySelector('.gk-x svg[role=img]')"
    ticks = f"() => [...{chart}.querySelectorAll('text')].map(t => t.textContent)"
    lines = f"() => [...{chart}.querySelectorAll('.gk-x-line')].map(p => p.getAttribute('d'))"
    before = page.evaluate(ticks), page.evaluate(lines)
    press(page, "logit", "PageUp")
    page.evaluate(FRAMES)
    assert page.evaluate(ticks) == before[0]
    assert page.evaluate(lines)[:2] != before[1][:2]
    assert page.locator("circle.gk-x-ring").count() == sum(map(len, POINTS.values()))


def settle(page):
    """Wait for the worker's last word: the status must stand still within two seconds."""
    told = []
    while told[-2:-1] != told[-1:] or not told:
        assert len(told) < 5, told
        page.wait_for_timeout(500)
        told.append(status(page))


def test_the_reader_drags_back_through_what_was_trained(opened):
    page = trained(opened, 4)
    page.locator("[data-action=pause]").click()
    settle(page)
    newest = status(page), labels(page)
    press(page, "look", "Home")
    assert status(page).startswith("Epoch 0:")
    assert labels(page)[0].startswith("Accuracy after 0 epochs")
    assert page.locator(".gk-x-cursor").count() == 2
    press(page, "look", "End")
    assert (status(page), labels(page)) == newest
    assert page.locator(".gk-x-cursor").count() == 0


def test_every_epoch_can_be_looked_at_also_one_that_was_told_twice(opened):
    page = trained(opened, 2)
    for fewer in ("Home", "End"):  # after a pause each tells the epoch once more
        page.locator("[data-action=pause]").click()
        settle(page)
        press(page, "fewer", fewer)
        page.locator("[data-action=take]").click()
        page.locator("[data-action=take]:disabled").wait_for()  # as many as there are
    page.locator("[data-action=pause]").click()
    settle(page)
    look = page.locator("[data-key=look]")
    press(page, "look", "Home")
    for at in range(1, int(look.get_attribute("max")) + 1):
        press(page, "look", "ArrowRight")
        assert look.input_value() == str(at)


def test_training_stops_when_the_reader_leaves_the_page(opened):
    page = trained(opened, 1)
    page.evaluate("""() => {
      Object.defineProperty(document, "hidden", { value: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    page.locator("[data-action=pause]", has_text="Go on").wait_for()
    settle(page)
    left = status(page)
    page.wait_for_timeout(600)  # it tells each quarter of a second
    assert status(page) == left


TRAINED = """(() => {
  const { trainer, evaluate } = engine();
  const map = (named, f) => Object.fromEntries(Object.entries(named).map(([k, v]) => [k, f(v)]));
  const theta = map(c.theta, (values) => Float64Array.from(values));
  const { gradient } = evaluate(c.network, theta, c.rows, true), net = trainer(c.network, theta);
  for (let i = 0; i < 50; i++) net.step(c.rows);
  const [g, t] = [gradient, net.theta].map((named) => map(named, (values) => Array.from(values)));
  return { gradient: g, theta: t, loss: evaluate(c.network, net.theta, c.rows).loss };
})()"""
IN_PAGE = """async ([source, c]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return (await import(url)).answer(c);
}"""


@pytest.mark.parametrize("size", [310, 97])
def test_the_browser_trains_as_the_textbook_does(opened, size):
    """The first gradient, and 50 epochs later the weights and the loss, in float64."""
    run = replace(explorers.IN_THE_PAGE, dataset_size=size)
    start = initialise(run.model, run.p, run.seed)
    case = {"network": NETWORK, "rows": run.split()[0].tolist()}
    case["theta"] = {name: weight.flatten().tolist() for name, weight in start.items()}
    source = f"{explorers.module('training')}\nexport const answer = (c) => {TRAINED};"
    theirs = opened("training").evaluate(IN_PAGE, [source, case])
    loss = textbook_loss(run)
    first = named(grad(loss)(flat(start).double()), run.shapes)
    ours = next(islice(textbook.train(run, torch.float64), 49, None))
    assert theirs["loss"] == pytest.approx(loss(flat(ours)).item(), rel=1e-9)
    for name in start:
        for found, wanted in (("gradient", first[name]), ("theta", ours[name].detach())):
            gap = np.linalg.norm(theirs[found][name] - wanted.numpy().ravel())
            assert gap < 1e-9 * wanted.norm().item(), (found, name)
