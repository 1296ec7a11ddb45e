"""Marks, summaries and verdicts on curves written by hand; what is read out of trained networks."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence import lbfgs
from handmade import UNGROKKED, altered, grokking, record, ungrokking
from tiny import TINY, textbook_loss
from torch.testing import assert_close

from grokkit import model, tasks
from grokkit.engine import tabulated
from grokkit.runs import Record, Run
from varma2023 import measures, tables
from varma2023.convergence.analysis import drift, equilibrium, equilibrium_table
from varma2023.decomposition import analysis as rotation
from varma2023.grokking import analysis
from varma2023.measures import MARKS, Crossing, Summary
from varma2023.ungrokking.analysis import ungrokking_criteria, ungrokking_table

RUN = Run(p=7, dataset_size=25, epochs=30)
NAN = float("nan")


def curve(**metrics):
    return record(RUN, [0, 10, 20, 30], **metrics)


# --- crossings and marks


@pytest.mark.parametrize(
    ("event", "start", "expected", "lasting"),
    [
        ([0, 0, 1, 1], 0, Crossing(10, 20), Crossing(10, 20)),
        ([0, 0, 0, 0], 0, None, None),
        ([1, 1, 1, 1], 0, Crossing(0, 0), Crossing(0, 0)),
        ([1, 0, 0, 1], 1, Crossing(20, 30), Crossing(20, 30)),
        ([1, 0, 1, 1], 0, Crossing(0, 0), Crossing(10, 20)),
        ([1, 1, 1, 0], 3, None, None),
    ],
)
def test_the_first_epoch_of_an_event_and_that_from_which_it_lasts(event, start, expected, lasting):
    event = np.array(event, dtype=bool)
    assert measures.first(curve(), event, start) == expected
    assert measures.for_good(curve(), event) == lasting


@pytest.mark.parametrize(
    ("mark", "metrics", "expected"),
    [
        (measures.train_fits, {"train_accuracy": [0, 0.999, 1, 1]}, Crossing(10, 20)),
        (measures.train_fits, {"train_accuracy": [0, 0.5, 0.9, 0.999]}, None),
        (measures.norm_peaks, {"param_norm": [99, 3, 5, 4]}, Crossing(10, 20)),  # not the start
        (measures.norm_peaks, {"param_norm": [1, 5, 4, 5]}, Crossing(0, 10)),  # the first of two
        (measures.test_falls, {"test_loss": [4, 10, 9.5, 8]}, Crossing(20, 30)),
        (measures.test_falls, {"test_loss": [4, 8, 10, 9.5]}, None),
        (measures.test_falls, {"test_loss": [10, 5, 9.5, 5]}, Crossing(20, 30)),  # for good
        (measures.generalises, {"test_accuracy": [0, 0.98, 0.99, 0.5]}, Crossing(10, 20)),
        (measures.generalises, {"test_accuracy": NAN}, None),
        (measures.trig_leads, {"trig_logit": [2, 0, 2, 3], "mem_logit": 1}, Crossing(10, 20)),
        (measures.trig_leads, {"trig_logit": NAN, "mem_logit": NAN}, None),
        (measures.trig_leads, {}, None),
    ],
)
def test_a_mark_is_found_where_the_curve_has_it(mark, metrics, expected):
    assert mark(curve(**metrics)) == expected


def test_the_handmade_run_has_the_papers_epochs_and_generalising_at_once_is_not_grokking():
    run = grokking()
    assert [mark.find(run).epoch for mark in MARKS] == [mark.paper for mark in MARKS]
    assert measures.groks(run)
    for test, groks in (([0, 0, 1, 1], False), ([0, 0, 0, 0], False), ([0, 0, 0, 1], True)):
        assert measures.groks(curve(train_accuracy=[0, 1, 1, 1], test_accuracy=test)) == groks


# --- summaries and texts


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([200.0, 100.0, 4000.0], "200 (100 – 4,000)"),
        ([200.0], "200"),
        ([1.0, None, NAN, 3.0], "2 (1 – 3), in 2 of 4 runs"),
        ([None, None], "never (0 of 2 runs)"),
    ],
)
def test_a_summary_is_the_median_with_its_range_and_says_what_is_missing(values, text):
    assert Summary.of(values).text() == text


def test_what_a_metric_is_at_an_epoch_and_where_another_peaks():
    run = grokking()
    assert measures.at_peak([run], "epoch", "trig_logit").median == 4000
    assert measures.at_peak([run], "mem_logit", "trig_logit").median == 4
    assert measures.at_peak([run], "trig_logit").median == 50
    assert measures.values_at([run], "trig_logit", 200, "correct_logit").median == 4 / 14
    assert measures.value_at(run, "trig_logit", 150) == 3
    assert np.isnan(measures.value_at(run, "trig_logit", 10_001))


def test_a_span_and_a_table_print_what_there_is():
    assert tables.span([3000, 300, 800], ",") == "300 – 3,000"
    assert tables.span(iter([0.501, 0.499]), ".1f") == "0.5"
    assert tables.span([], none="–") == "–"
    html = tables.table("D | runs", [[f"{1000:,}", 3], ("–", None)])
    cells = re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", html)
    assert cells == ["D", "runs", "1,000", "3", "–", "None"]


def test_a_caption_describes_its_runs():
    runs = [grokking(seed) for seed in range(2)]
    described = "x+y, p = 113, D = 3,830, weight decay 1, 2 seeds, 10,000 epochs"
    assert measures.described(runs) == f"2 runs of {described}"
    assert measures.described(runs[:1]).startswith("1 run of x+y")
    mixed = [ungrokking(390, 0).run, ungrokking(1494, 1).run]
    mixed += [Run(p=53, dataset_size=500), lbfgs(dataset_size=600, epochs=100)]
    text = measures.described([Record(run, {}, {}) for run in mixed])
    assert text.startswith("4 runs of x+y, p = 53 and p = 113, D = 390 – 1,494 (4 values)")
    assert text.endswith("weight decay 1, 1 seed, 1,000 – 10,000 epochs, 100 gradients")


def test_of_nobody_nothing_can_be_told():
    assert measures.all_of("all", []) == {"all (0 of 0)": None} == measures.none_of("all", [])
    assert measures.all_of("all", [1, 0]) == {"all (1 of 2)": False}
    assert measures.true_or_open("all", [1, 0]) == {"all (1 of 2)": None}
    assert measures.none_of("none", [0, 0]) == {"none (0 of 2)": True}


def test_require_names_what_is_not_met_and_only_where_it_applies():
    parts = {"it groks": True, "it ungroks": False}
    measures.require(parts, when=False)
    measures.require({"it groks": True})
    with pytest.raises(AssertionError, match="expected of these runs, but not so: it ungroks"):
        measures.require(parts)


# --- what makes a run a grokking or ungrokking one


def test_only_the_papers_own_setting_has_its_epochs():
    assert measures.at_papers_setting([grokking(0), grokking(1, 2.0)])  # or a longer run
    assert not measures.at_papers_setting([])
    for changes in ({"p": 53, "dataset_size": 1200}, {"weight_decay": 0.5}, {"eps": 1e-9}):
        other = [grokking(0), grokking(1, **changes)]
        assert not measures.at_papers_setting(other)
        assert "other setting" in analysis.marks_table(other)


def test_marks_agree_as_nearly_as_seeds_do():
    seeds = [grokking(0, 1.5), grokking(1, 1.5), grokking(2, 1.2), grokking(3), grokking(4)]
    assert measures.seed_factor(seeds) == pytest.approx(1.5)
    assert all(analysis.mark_met(seeds, mark) for mark in MARKS)
    late = [grokking(0, 1.6), grokking(1, 1.6), grokking(2, 1.1)]  # as near as 1.45, and 1.6 away
    assert not any(analysis.mark_met(late, mark) for mark in MARKS)
    flat = altered(grokking(5), test_accuracy=0.5)
    assert analysis.mark_met([*seeds, flat], MARKS[-1]) is False
    assert analysis.mark_met(seeds[3:4], MARKS[0]) is None  # how near are seeds?
    assert measures.mark_epochs([*seeds, flat], MARKS[-1]).seen == 5
    assert not analysis.grokking_criteria([flat])["every run ends above test accuracy 0.98"]
    assert all(analysis.grokking_criteria(seeds).values())


def test_the_changes_of_app_a3_are_read_at_the_papers_epochs():
    five = [grokking(seed) for seed in range(5)]
    assert all(analysis.change_seen(five, change) for change in analysis.CHANGES)
    assert "<td>4.0</td><td>21.0</td>" in analysis.changes_table(five)
    five[:3] = [altered(one, mem_logit=20.0) for one in five[:3]]  # neither rises nor is near zero
    assert [analysis.change_seen(five, c) for c in analysis.CHANGES] == [1, 0, 1, 1, 0, 1]
    short = curve(param_norm=1, trig_logit=1, mem_logit=1, test_loss=1)
    assert "<td>not run</td><td>not run</td><td>not run</td>" in analysis.changes_table([short])
    assert not any(analysis.change_met(short, change) for change in analysis.CHANGES)


def test_ungrokking_is_summed_up_by_size():
    assert [r.run.seed for r in measures.smallest(UNGROKKED)] == [0, 1]
    assert {r.run.dataset_size for r in measures.at_largest(UNGROKKED)} == {1494}
    rows = measures.ungrokked(UNGROKKED[::-1])
    assert [row.dataset_size for row in rows] == [390, 800, 1494]
    # of train accuracy, the dip in the first tenth does not count
    assert rows[1] == measures.Ungrokked(800, Summary(0.5, 0.5, 0.5, 2, 2), 1.0, 0.2)
    assert "<td>1,494</td><td>0.99</td>" in ungrokking_table(UNGROKKED)


@pytest.mark.parametrize(
    ("another", "unmet"),
    [
        ([], []),
        ([ungrokking(390, 0.11, 2)], ["the smallest train set ends near chance"]),
        ([ungrokking(1494, 0.94, 2)], ["the largest train set stays generalised"]),
        ([ungrokking(800, 0.5, 2, train=0.99)], ["train accuracy stays 1"]),
    ],
)
def test_one_seed_that_differs_fails_a_criterion_of_ungrokking(another, unmet):
    criteria = ungrokking_criteria([*UNGROKKED, *another])
    assert [name for name, met in criteria.items() if not met] == unmet


# --- trained networks


def tiny(theta: dict | None = None, **changes) -> Record:
    """A record of a run with these final weights, at rest; random ones if not told else."""
    run = replace(Run(p=7, dataset_size=30, epochs=10, model=TINY, keep_weights=True), **changes)
    made = record(run, [0, run.epochs], param_norm=1.0, residual=0.0)
    known = theta or model.initialise(TINY, run.p, seed=3)
    return replace(made, read_weights=lambda _: known)


def test_logits_and_gradient_of_a_network_are_the_textbooks():
    found = tiny()
    theta = {name: weight.double() for name, weight in found.weights().items()}
    inputs = torch.tensor(tasks.task("x+y", 7).inputs)
    logits = model.forward(theta, model.tokens(inputs, 7))[:, -1]
    assert_close(measures.all_logits(found), logits, rtol=1e-10, atol=1e-10)
    row = model.flat(theta)
    ours = torch.from_numpy(equilibrium(found).gradient)
    assert_close(ours, torch.func.grad(textbook_loss(found.run))(row), rtol=1e-9, atol=1e-12)


def test_a_network_that_adds_by_rotation_is_found_out(monkeypatch):
    A, frequencies = torch.tensor([3.0, 2.0], dtype=torch.float64), [5, 2]
    Z = rotation.trigonometric_algorithm(A, frequencies, 13)
    noise = torch.randn(Z.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theta = model.initialise(TINY, 13, seed=0)
    angles = 2 * torch.pi * torch.arange(13)[:, None] * torch.tensor(frequencies) / 13
    theta["W_E"][:] = 0
    theta["W_E"][:13, :4] = torch.cat([torch.cos(angles), torch.sin(angles)], dim=1)
    found = tiny(theta, p=13, dataset_size=100)
    monkeypatch.setattr(rotation, "all_logits", lambda _: (Z + 0.01 * noise).view(169, 13))
    report = rotation.trigonometric(found)
    assert report.frequencies == [5, 2]
    assert_close(report.amplitudes, A, rtol=1e-2, atol=1e-2)
    assert report.explained == pytest.approx(1, abs=1e-3)
    rebuilt = rotation.trigonometric_algorithm(report.amplitudes, report.frequencies, 13)
    assert (rebuilt.argmax(-1) == Z.argmax(-1)).all()
    n = torch.arange(13)
    assert (rebuilt.argmax(-1) == (n[:, None] + n) % 13).all()
    assert report.share > 0.99
    assert sorted((report.embedding_norms.argsort(descending=True)[:2] + 1).tolist()) == [2, 5]
    few, strong = rotation.trigonometric_criteria(report).values()
    assert (few, strong) == (False, True)  # 2 frequencies of 6 are not few
    assert "<td>5, 2</td>" in rotation.trigonometric_table([report], [found])


def test_a_random_network_does_not_add_by_rotation():
    report = rotation.trigonometric(tiny())
    assert report.share < 0.5
    assert not all(rotation.trigonometric_criteria(report).values())
    with pytest.raises(ValueError, match=r"App. B is about x\+y, got a run of 'x\*y'"):
        rotation.trigonometric(tiny(task="x*y"))


def test_at_adamws_fixed_point_alpha_is_eps_times_lambda(monkeypatch):
    """In place of the train loss, one with gradient -eps lambda theta / (1 - lambda |theta|)."""
    eps, weight_decay = 1e-3, 0.3
    found = tiny(eps=eps, weight_decay=weight_decay)
    theta = torch.cat([w.flatten() for w in found.weights().values()]).double().numpy()
    expected = equilibrium(found).expected
    np.testing.assert_allclose(expected, -eps * 0.3 * theta / (1 - 0.3 * abs(theta)), rtol=1e-12)
    # there an update of AdamW with m = g and sqrt(v) = |g| changes nothing
    assert abs(0.3 * theta + expected / (abs(expected) + eps)).max() < 1e-12

    def gradient(theta, *_):
        decay = {k: eps * weight_decay * w / (1 - weight_decay * w.abs()) for k, w in theta.items()}
        return torch.tensor(0.0), {name: -slope for name, slope in decay.items()}

    monkeypatch.setattr(tabulated, "gradient", gradient)
    state = equilibrium(found)
    assert state.alpha == pytest.approx(eps * weight_decay, rel=1e-12)
    assert state.cosine == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(state.gradient, state.expected, rtol=1e-10, atol=1e-18)
    table = equilibrium_table([state], [found])
    assert "<td>1.000</td><td>1.000</td><td>0.00</td><td>0.00</td>" in table
    with pytest.raises(ValueError, match="weight_decay is 0"):
        equilibrium(tiny(weight_decay=0.0))


def test_weight_decay_alone_is_a_drift_of_one_over_the_runs_own_last_tenth():
    epoch, run = np.arange(0, 1001, 100), Run(p=5, dataset_size=9, epochs=1000, weight_decay=0.5)
    assert drift(record(run, epoch, param_norm=np.exp(-1e-3 * 0.5 * epoch))) == pytest.approx(1)
    long = replace(run, epochs=50_000, weight_decay=1.0)  # ended early
    norm = np.where(epoch < 900, 9.0, 40 * np.exp(-1e-3 * epoch))
    assert drift(record(long, epoch, param_norm=norm)) == pytest.approx(1)
    assert drift(curve(param_norm=9.0)) == 0
    rise = record(replace(run, epochs=10, weight_decay=1.0), [0, 10], param_norm=[1.0, 9.0])
    assert drift(rise) == pytest.approx(np.log(9 / 8.2) / 1e-3)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("7e-12 (7e-12 – 2.5e+04)", "7·10⁻¹² (7·10⁻¹² – 2.5·10⁴)"),
        ("1e-08, 1e6", "10⁻⁸, 10⁶"),
        ("-0.5% (-1.2% – 0.0%), 10 – -3, x-1", "−0.5% (−1.2% to 0.0%), 10 to −3, x-1"),
        ("run 4e12345678901234, seed 1, 2.5 examples", None),
    ],
)
def test_powers_of_ten_are_set_as_powers(text, read):
    assert tables.powers(text) == (read or text)


def test_the_names_of_circuits_have_their_index_in_html_and_not_in_its_tags():
    told = '<p title="D_crit">D<sub>crit</sub>, C<sub>mem</sub> at 10⁻³; D_criterion</p>'
    assert tables.indexed('<p title="D_crit">D_crit, C_mem at 1e-3; D_criterion</p>') == told
