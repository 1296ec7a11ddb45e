"""Every verdict of every claim, from records by hand; the rules of choice C23 as properties."""

from dataclasses import replace
from functools import partial
from itertools import chain, product
from pathlib import Path

import evidence as made
import numpy as np
import pytest
from evidence import CALM, D_CRIT, DECAYS, FALLING, FIVE, RESTLESS
from handmade import altered, grokking
from hypothesis import given
from hypothesis import strategies as st

from grokkit import simulation
from grokkit.model import ModelConfig
from grokkit.runs import Record, Run
from varma2023 import board, measures, statistics
from varma2023.claims import VERDICTS, Evidence, Result, every
from varma2023.convergence import analysis as convergence
from varma2023.decomposition import analysis as decomposition
from varma2023.delay.analysis import comparable
from varma2023.measures import FULL, SEMI, TRANSIENT, UNDER_WAY
from varma2023.other_tasks import analysis as other_tasks
from varma2023.theorems import analysis, claims

HOLDS, SMALLER, IN_PART, FAILS, OPEN, NOT_RUN = VERDICTS
TWO, ONE, KINDS = range(2), range(1), (UNDER_WAY, SEMI, TRANSIENT, FULL)
SMALL = {"p": 53, "dataset_size": 1200}


def grokked(seeds=FIVE, shift=1.0, change=None, **changes):
    """Runs of Fig. 9 by hand; `change` replaces curves, all or by their last value."""
    records = [grokking(seed, shift, **changes) for seed in seeds]
    for each in records:
        for name, value in (change or {}).items():
            each.metrics[name] = np.append(each[name][: -len(value)], value)
    return {"grokking": records}


def read_as(report, record):
    """The record, of whose network this is what is read."""
    return replace(record, weights_path=Path(), provenance={"report": report})


def networks(report, seeds=FIVE, **changes):
    return {"grokking": [read_as(report, r) for r in grokked(seeds, **changes)["grokking"]]}


def from_start(places=(0, 1, 2, 3), odd=None, seeds=FIVE):
    """Networks whose key frequencies have these places by strength at the start; or those `odd`."""

    def report(run):
        order = decomposition.strength_at_start(run).argsort(descending=True) + 1
        here = odd if odd and run.seed % 2 else places
        return replace(made.rotations(), frequencies=order[list(here)].tolist())

    return {"grokking": [read_as(report(r.run), r) for r in grokked(seeds)["grokking"]]}


@pytest.fixture(autouse=True, scope="module")
def few_resamples_and_no_weights():
    """Intervals take long, and of these records they are narrow; networks are as `read_as`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "N_RESAMPLES", 20)
        for of, name in (
            (decomposition, "trigonometric"),
            (convergence, "equilibrium"),
            (other_tasks, "group_circuit"),
        ):
            patch.setattr(of, name, lambda record: record.provenance["report"])
        yield


def of(experiment, build):
    """A function that gives the records of a builder, by the name of their experiment."""
    return lambda *args, **changes: {experiment: build(*args, **changes)}


ends, tasks = of("transition", made.sweep), of("other_tasks", made.other_tasks)
memory = of("memorising", made.memory)
ablations, pairs = of("ablations", made.ablations), of("convergence", made.pairs)
strengths, clock = of("strength", made.strengths), of("learning_rates", made.at_rates)
steeps = of("steep", made.steeps)
forgetting = of("forgetting", made.forgetting)
by_decay = of("tasks_by_decay", partial(made.other_tasks, values=(0.5, 2.0)))


FIG7 = (0.02, 0.1, 0.4, 0.7, 0.9, 0.97, 1.0)


def rule(*args, **changes):
    """The rule, and those of its networks that have weight decay 1 as trained anew."""
    found = made.rule(*args, **changes)
    return {"generalising": found, "generalising_anew": at_decay_1(found)}


def at_decay_1(records):
    return [record for record in records if record.run.weight_decay == 1]


def ungrok(found=FIG7, **changes):
    sizes = (390, 488, 610, 763, 955, 1194, 1494)
    return {"ungrokking": made.ungrokked(dict(zip(sizes, found, strict=False)), **changes)}


def by_both(seeds=FIVE, adamw_decays=DECAYS):
    """The transition by the minimiser, and by AdamW."""
    return ends(seeds) | {"transition_adamw": made.sweep(seeds, adamw=True, values=adamw_decays)}


def one_end(build, row, accuracy):
    """These records, but that one network of the transition ends at this accuracy."""
    found = build()
    found["transition"][row] = made.end(found["transition"][row].run, test_accuracy=accuracy)
    return found


def fig_10(seeds=FIVE, **changes):
    """The transition; and five more networks, at sizes closer together."""
    own = {"sizes": range(500, 1201, 50), "values": (1.0,)} | changes
    return ends(seeds, **changes) | {"finer": made.sweep([5 + seed for seed in seeds], **own)}


def two_starts(up=1900.0, loss=2.0, far=CALM, **changes):
    """From grokked networks and from fresh ones, of this D_crit and with so much higher Eq. (2)."""
    own = {"values": (1.0,), "sizes": (*made.SIZES, 1800)} | changes
    grokked = made.with_rest(made.sweep(**own), far, dataset_size=300)
    both = [*grokked, *made.sweep(d_crit=up, loss=loss, fresh=True, **own)]
    return {"both_starts": both, "starts_at_rest": both, "finer": grokked}


def smaller_starts(small=20.0):
    """Ablations mod 53, and the usual runs and those from smaller weights, this norm, mod 113."""
    papers = made.ablations(small=small)
    smaller = [r for r in papers if r.run.init_scale < 1]
    first = made.ablations(base=Run(epochs=20_000, **SMALL))
    return {"ablations": first, "grokking": papers[:5], "smaller_start": smaller}


def semi(kinds=KINDS, longer=SEMI, precise=SEMI, rest=CALM, base=made.PAPERS, **changes):
    """A sweep near D_crit, runs made again, and the minimiser's ends."""
    found = {"semi_grokking": made.near_d_crit(kinds, base=base, **changes)}
    if longer:
        at = base.dataset_size + 10 * (kinds.index(SEMI) if SEMI in kinds else 0)
        found["semi_grokking_again"] = made.again(longer, precise, replace(base, dataset_size=at))
    return found | {"semi_grokking_ends": made.minimised(0.6, rest)}


def predicted(cost=D_CRIT, mem=None, starts=CALM, seeds=FIVE, **changes):
    """C_mem, the rule of the networks that ungrok, and their ends."""
    found = memory(seeds, **(mem or {})) | rule(seeds) | ends(seeds, **changes)
    return found | {"starts": made.rule(seeds, cost=cost, sizes=(6000,), rest=starts)}


def at_papers_modulus(**changes):
    """Ungrokking, and memory of random labels."""
    found = made.by_costs(**changes)
    random = [r for r in found["memory_at_rest"] if r.run.labels == "random"]
    again = made.by_rounded_costs(**changes)["along_rounded_kinks"]
    return {"transition": found["moduli"], "papers_memory": random, "papers_rounded": again}


def one_line_rises():
    """The rule, but at the smallest weight decay the norm rises with D."""
    lines = made.rule(power=0.2, decays=(0.1,)) + made.rule(decays=made.ALL_DECAYS[1:])
    return {"generalising": lines, "generalising_anew": at_decay_1(lines)}


def across(cost=1.0, mem=CALM, seeds=FIVE, **changes):
    """C_mem, of Eq. (2) so many times as large, and the nine tasks."""
    mem = made.memory(seeds, rest=mem, decays=(1.0,))
    dearer = [altered(r, train_loss=r["train_loss"] * cost) for r in mem]
    return tasks(seeds, **changes) | {"papers_memory": dearer}


def winners(kappa=4.0, gone=CALM, steep=1000.0, seeds=FIVE):
    """Both circuits with this kappa, and ends that jump or not; the largest may be falling."""
    found = made.with_rest(made.sweep(seeds, steep=steep), gone, dataset_size=3000)
    return memory(seeds, kappa=kappa) | rule(seeds, kappa=kappa) | {"transition": found}


def by_eps(power=0.0, far=CALM, **changes):
    """AdamW's curves for three epsilons; ends at the largest size may be falling."""
    changes |= {"field": "eps", "values": (1e-9, 1e-8, 1e-7)}
    ends = made.sweep(power=power, adamw=True, **changes)
    return {"epsilon": made.with_rest(ends, far, dataset_size=3000)}


def circuits(**changes):
    found = made.group_circuits(**changes)
    return {"grokked_tasks": [read_as(circuit, circuit.record) for circuit in found]}


PANELS = simulation.simulate_panels(simulation.Toy())
TOGETHER = simulation.simulate(simulation.Toy(0.2, w_gen=(0.0, 0.005), w_mem=(0.0, 0.005)))
HOLDING = {  # by claim, what makes it hold: records by experiment, or where it reads none, a result
    **dict.fromkeys(("F1a", "F9", "A.3"), grokked),
    **dict.fromkeys(("F1c", "F5", "F6"), semi),
    **dict.fromkeys(("F1b", "F7"), ungrok),
    **dict.fromkeys(("F4", "F4wd"), by_both),
    **dict.fromkeys(("F10a", "F10b"), fig_10),
    **dict.fromkeys(("A.2", "A.4", "B3"), two_starts),
    **dict.fromkeys(("S6", "S7"), ablations),
    **{"B1": predicted, "B2": at_papers_modulus},
    **{"F3a,b": memory, "F3c,d": rule, "F8": tasks, "F8wd": by_decay, "B9": across},
    **{"B10": winners, "B5": circuits, "B6": pairs, "B7": strengths, "B8": by_eps},
    **{"B11": clock, "B12": made.by_step, "B13": made.by_modulus, "B14": made.waits},
    **{"B15": made.by_width, "B16": made.by_mirrors, "B17": made.by_loss},
    **{"B18": made.by_costs, "B19": steeps, "B20": made.two_minima, "B21": made.leaving},
    **{"B22": made.by_momentum, "B23": made.shaken, "B24": made.left_in_the_middle},
    **{"B25": made.lowered, "B26": made.grokfast, "B27": partial(made.grokfast, faster=0.4)},
    **{"B29": made.papers_sizes, "B30": forgetting},
    **{"B31": of("remembering", made.remembering), "B32": made.slower},
    **{"B33": of("from_minima", made.from_minima), "B35": made.clipped},
    **{"B36": made.kicked, "B38": made.exchanged, "B39": made.key_frequencies},
    **{"B40": made.by_either_width, "B41": made.second_moments, "B42": made.rounded_again},
    **{"B43": made.held, "B44": made.mixtures, "B45": made.carried, "B46": made.continued},
    **{"B47": made.by_muon, "B48": partial(made.by_muon, late=0.9), "B49": made.pushed},
    **{"B50": made.by_either_width, "B51": made.by_rounded_costs, "B52": made.narrower},
    **{"B53": made.slingshots, "B54": made.longer_slingshots},
    "B56": of("steep_rates", made.by_pace),
    "B57": of("memory_rates", made.by_slower),
    "B28": lambda **own: {"leaving_memory_53": [*chain(*made.leaving(**own).values())]},
    "B34": lambda **own: {"delay_53": comparable(made.waits(**own)["delay"])},
    "B55": lambda **own: {"delay_53": made.waits(p=53)["delay"]} | made.waits(**own),
    "B37": of("minima_by_size", made.minima_by_size),
    "F11": partial(networks, made.rotations()),
    "App.B": from_start,
    "B4": partial(networks, made.state()),
    "T-D.1": partial(claims.theorem_d1, {}, 200),
    "L-D.2": partial(claims.lemma_d2, {}, 10_000),
    "L-D.3": (analysis, "count_d3_failures", 0),
    "F2a-c": (simulation, "simulate_panels", PANELS | {"c": TOGETHER}),
    "T-D.4": partial(claims.theorem_d4, {}, 100),
}
SIZES_3, SIZES_2 = {"sizes": (300, 800, 3000)}, {"sizes": (500, 1000)}
# What to change there for another verdict, of several claims, and of one; or another builder; three
# are a module, a function of it and what that is made to return. Where "holds, smaller" is left
# out, two seeds of what makes the claim hold lead to it.
ALIKE = [
    ("F3a,b F10a B5 B6 B16 B18 B26 B27 B28 B33 B37 B40", SMALLER, {"p": 53}),
    ("B47 B48 B50 B51 B53 B54 B56 B57", SMALLER, {"p": 53}),
    ("B14 B19 B20 B21 B22 B24 B29 B34 B41 B49 B55", SMALLER, {"p": 31}),
    ("B14 B34 B55", FAILS, {"law": "exponential"}),
    ("B14 B34 B55", OPEN, {"law": "constant"}),
    ("B14 B34 B55", NOT_RUN, {"n_sizes": 5}),
    ("B20 B49", NOT_RUN, {"sizes": (900,)}),
    ("B25 B35 B36", NOT_RUN, {"base": replace(made.PAPERS, dataset_size=3000)}),
    ("S6 B17", SMALLER, {"base": Run(epochs=20_000, **SMALL)}),
    ("F1c F5 F6 B45", SMALLER, {"base": made.SMALL}),
    ("B21 B22 B28", IN_PART, {"spiky": False}),
    ("F1c", FAILS, {"longer": FULL}),
    ("B24 B29", FAILS, {"longer": FULL, "seeds": range(30)}),  # fewer could not tell
    ("B2 B18 B51", FAILS, {"dearer": 1.5}),
    ("B21 B28", FAILS, {"crits": (D_CRIT,) * 5}),
    ("B21 B28", OPEN, {"crits": (400, 400, 800, 800, 800)}),
    ("B24 B29", OPEN, {"lost": 1}),
    ("F3c,d F8wd B13 B15 B16 B20 B40", OPEN, {"rest": FALLING}),
    ("A.2 A.4", OPEN, {"rest": RESTLESS}),
    ("B2 B18 B50 B51", OPEN, {"mem": FALLING}),
    ("F10b A.2 A.4 B2 B3 B8 B16", NOT_RUN, {"p": 31}),
    ("B30 B31", NOT_RUN, {"p": 53}),
    ("F1c F5 F6 B24 B29", NOT_RUN, {"seeds": range(3)}),
    ("B21 B28", NOT_RUN, {"rates": (4e-3, 1.6e-2)}),
    ("F1a F9", IN_PART, {"shift": 1.5}),
    ("F11 App.B B4", NOT_RUN, grokked),  # without weights
    ("F1c F5", OPEN, {"longer": None}),
    ("F5 F10b B5 B26", IN_PART, {"rest": RESTLESS}),
    ("F3a,b B3", IN_PART, {"rest": FALLING}),
    ("F8 B9", IN_PART, {"seeds": TWO, "d_crits": {"x-y": 1e5}}),
    ("F3c,d F8wd B8", FAILS, {"power": 0.1}),
    ("A.2 B8 B13", IN_PART, {"far": RESTLESS}),
    ("F3c,d B44", NOT_RUN, {"share": 0.9}),
    ("B25 B36", FAILS, {"kind": FULL}),
    ("B25 B44", SMALLER, {"seeds": range(4)}),
    ("B26 B47", NOT_RUN, {"n_sizes": 4}),
    ("B40 B50", NOT_RUN, lambda: made.by_either_width() | {"either_width": made.sweep()[:1]}),
]
ALONE = [
    ("F1a", {FAILS: {"change": {"test_accuracy": [0.5]}}}),
    ("F9", {SMALLER: SMALL, FAILS: {"change": {"trig_logit": [0.0] * 13}}}),
    ("A.3", {IN_PART: {"change": {"trig_logit": [60.0]}}}),
    ("A.3", {FAILS: {"change": {"param_norm": [60.0] * 11}}, NOT_RUN: SMALL}),
    ("F11", {IN_PART: partial(networks, made.rotations(shared=False))}),
    ("F11", {FAILS: partial(networks, made.rotations(explained=0.9))}),
    ("App.B", {FAILS: {"places": (0, 20, 30, 40)}, OPEN: {"odd": (30, 40, 50, 55)}}),
    ("B4", {FAILS: partial(networks, made.state(cosine=0.9))}),
    ("B4", {OPEN: {"change": {"param_norm": [44, 34]}}}),
    ("F1b", {IN_PART: {"train_accuracy": 0.99}, FAILS: {"found": (0.3, 1.0)}}),
    ("F1b", {OPEN: {"found": (0.3, 1.0), "rest": {390: RESTLESS}}}),
    ("F7", {IN_PART: {"rest": {610: RESTLESS}}, FAILS: {"found": (0.3, *FIG7[1:])}}),
    ("F7", {OPEN: {"found": (0.3, *FIG7[1:]), "rest": {390: RESTLESS}}}),
    ("F7", {NOT_RUN: {"found": (0.02, 1.0)}}),
    ("F2a-c", {FAILS: (simulation, "simulate_panels", dict.fromkeys("abc", PANELS["a"]))}),
    ("F2a-c", {IN_PART: dict}),
    ("F3a,b", {FAILS: {"power": 0.02, "rest": FALLING}, NOT_RUN: SIZES_2}),
    ("F3c,d", {IN_PART: one_line_rises}),
    ("F4", {IN_PART: {"adamw_decays": (1.0,)}, FAILS: partial(ends, steep=0.2)}),
    ("F4", {NOT_RUN: partial(ends, **SIZES_3)}),
    ("F4wd", {IN_PART: partial(one_end, ends, 0, 0.3)}),  # away from the crossing
    ("F4wd", {FAILS: partial(ends, power=0.1), OPEN: lambda: by_both() | ends(rest=FALLING)}),
    ("F4wd", {NOT_RUN: partial(ends, values=(1.0,))}),
    ("F8", {FAILS: {"seeds": ONE, "d_crits": {"x-y": 200}}}),
    ("F8", {OPEN: {"seeds": ONE, "sizes": (100, 200, 300, 400, 500)}}),
    ("F8", {NOT_RUN: {"seeds": ONE, **SIZES_3}}),
    ("F8wd", {IN_PART: lambda: {"tasks_by_decay": by_decay()["tasks_by_decay"][:-100]}}),
    ("F8wd", {NOT_RUN: {"values": (1.0,)}}),
    ("F1c", {IN_PART: {"precise": FULL}}),
    ("F5", {FAILS: {"kinds": (UNDER_WAY, UNDER_WAY, TRANSIENT, FULL)}}),
    ("F6", {IN_PART: {"param_norm": 27.0}, FAILS: {"kinds": (UNDER_WAY, UNDER_WAY, SEMI, FULL)}}),
    ("F10a", {IN_PART: {"norm": 0.01}, FAILS: {"ratio": -7}, NOT_RUN: SIZES_3}),
    ("F10a", {OPEN: {"ratio": -7, "rest": FALLING}}),
    ("F10b", {FAILS: partial(one_end, fig_10, -1, 0.9)}),  # where it should stay at 1
    ("F10b", {OPEN: {"d_crit": 1300.0, "steep": 3.0}}),
    ("A.2", {FAILS: {"up": 900.0}}),
    ("A.4", {IN_PART: lambda: two_starts() | {"two_minima": made.two_minima()["two_minima"]}}),
    ("A.4", {FAILS: {"loss": 0.5}}),
    ("B3", {FAILS: {"up": D_CRIT}}),
    ("S6", {FAILS: {"spiky": (1000,)}}),
    ("S6", {OPEN: partial(smaller_starts, small=30.0)}),  # above the norm at the end
    ("S6", {NOT_RUN: {"small": 30.0}}),
    ("S7", {IN_PART: {"without": 2000}, FAILS: {"without": None, "base": Run(epochs=100_000)}}),
    ("S7", {OPEN: {"without": None}, NOT_RUN: lambda: {"ablations": made.ablations()[:10]}}),
    ("T-D.1", {FAILS: (analysis, "count_d1_failures", 1)}),
    ("L-D.2", {FAILS: (analysis, "count_d2_failures", 1)}),
    ("L-D.3", {FAILS: partial(claims.lemma_d3, {}, 500)}),
    ("T-D.4", {FAILS: (analysis, "largest_d4_gap", 1e-3)}),
    ("B1", {FAILS: {"cost": 600}, OPEN: {"mem": {"rest": FALLING}}, NOT_RUN: {"mem": SIZES_2}}),
    ("B2", {IN_PART: {"depth": 0.9}}),
    ("B9", {FAILS: {"seeds": TWO, "cost": 1.8}, OPEN: {"seeds": TWO, "mem": FALLING}}),
    ("B9", {NOT_RUN: lambda: {"papers_memory": made.memory(ONE)} | tasks(ONE, sizes=(300, 3000))}),
    ("B10", {IN_PART: {"gone": FALLING}, FAILS: {"steep": 1.0}, OPEN: {"kappa": 1.5}}),
    ("B10", {NOT_RUN: lambda: winners() | rule(share=0.9)}),
    ("B5", {FAILS: {"n_key": 20}, NOT_RUN: {"tasks": ("x-y", "x*y")}}),
    ("B6", {IN_PART: {"differ": (1, 2)}, FAILS: {"differ": (1, 2, 3)}}),
    ("B7", {IN_PART: {"correct_logit": 40.0}, FAILS: {"param_norm": 20.0}}),
    ("B7", {OPEN: {"optimiser": "lbfgs"}}),
    ("B8", {OPEN: lambda: {"epsilon": made.with_rest(by_eps()["epsilon"], RESTLESS)}}),
    ("B11", {IN_PART: {"time": 2.5, "of": 2e-3}, FAILS: {"d_crit": 1.5}}),
    ("B11", {NOT_RUN: {"rates": (1e-3, 2e-3)}}),
    ("B12", {IN_PART: {"small": FULL}, FAILS: {"kinds": (SEMI,) * 4}, OPEN: {"odd": (SEMI,) * 4}}),
    ("B12", {NOT_RUN: {"rates": (8e-3,)}}),
    ("B26", {FAILS: {"moved": 1.3}, OPEN: {"moved": 1.1, "apart": 0.1}}),
    ("B47", {IN_PART: {"shorter": 1.0}, FAILS: {"moved": 1.1}, OPEN: {"moved": 1.3, "apart": 0.1}}),
    ("B48", {IN_PART: {"late": 1.1}, FAILS: {"early": 1.2}, OPEN: {"early": 1.0, "apart": 0.1}}),
    ("B48", {NOT_RUN: lambda: {**made.by_muon(), "delay": made.waits(n_sizes=5)["delay"]}}),
    ("B27", {FAILS: {"faster": 1.0}, OPEN: {"faster": 0.5, "apart": 0.1}}),
    ("B27", {NOT_RUN: lambda: {**made.grokfast(), "delay": made.waits(n_sizes=5)["delay"]}}),
    ("B13", {FAILS: {"factor": 1.3}, NOT_RUN: {"known": (47, 113)}}),
    ("B14", {IN_PART: {"d_c": 0.7}}),
    ("B15", {IN_PART: {"dearer": 1.5}, FAILS: {"narrow": 0.7}}),
    ("B15", {NOT_RUN: lambda: {"widths": made.sweep()}}),
    ("B16", {IN_PART: {"ratio": 1.6}, FAILS: {"ratio": 1.0}}),
    ("B17", {IN_PART: {"general": None}, FAILS: {"calm": (1000,)}, NOT_RUN: {"seeds": range(4)}}),
    ("B18", {IN_PART: {"true": 1.5}}),
    ("B18", {NOT_RUN: lambda: made.by_costs() | {"moduli": made.sweep()[:1]}}),
    ("B19", {IN_PART: {"usual": 36.0}, FAILS: {"rounded": 36.0}, NOT_RUN: {"size": 700}}),
    ("B20", {IN_PART: {"down": 900}, FAILS: {"dearer": 0.9}}),
    ("B22", {FAILS: {"left": (5, 0, 0)}, NOT_RUN: {"betas": (0.1, 0.9, 0.9)}}),
    ("B23", {SMALLER: {"p": 31, "sizes": (2392, 3029)}}),  # 180 and 228 there
    ("B23", {IN_PART: {"lost": 0.0}, FAILS: {"back": 0.9}, OPEN: {"back": 0.9, "rest": FALLING}}),
    ("B23", {NOT_RUN: {"sizes": (180,)}}),
    ("B24", {IN_PART: {"ended": 1.0}}),
    ("B29", {IN_PART: {"other": made.NONE}}),
    ("B30", {IN_PART: {"spiky": 0.1}, FAILS: {"few": 20.0}}),
    ("B31", {IN_PART: {"spiky": 1e-6}, FAILS: {"many": 20.0}}),
    ("B32", {IN_PART: {"alone": 1}, FAILS: {"still": 3}}),
    ("B32", {NOT_RUN: lambda: dict.fromkeys(("semi_grokking", "slower"), made.slower()["slower"])}),
    ("B33", {IN_PART: {"calm": True}, FAILS: {"memory": 3.0}, OPEN: {"apart": 1.5}}),
    ("B34", {IN_PART: {"spread": 0.8}}),
    ("B37", {IN_PART: {"rule": 2.0}, FAILS: {"memory": -1.0}, OPEN: {"memory": 0.0, "apart": 0.5}}),
    ("B25", {IN_PART: {"loss": 1e-4}}),
    ("B36", {IN_PART: {"small": (0.9, 0.9)}}),
    ("B38", {IN_PART: {"raised": 5}, FAILS: {"low": 1}, NOT_RUN: {"large": 0}}),
    ("B39", {IN_PART: {"power": -0.2}, FAILS: {"power": 1.0}, OPEN: {"general": 0.5}}),
    ("B40", {IN_PART: {"narrow": 2.0}, FAILS: {"flat": 0.8}}),
    ("B51", {IN_PART: {"lower": 0.9}, NOT_RUN: {"right": 0.5}}),
    ("B50", {IN_PART: {"dearer": (1.5, 1.5, 1.5)}, FAILS: {"dearer": (1.5, 1.0, 1.0)}}),
    ("B42", {IN_PART: {"kinds": (SEMI, SEMI, SEMI, FULL, UNDER_WAY)}}),
    ("B42", {FAILS: {"kinds": (SEMI, SEMI, FULL, FULL)}, NOT_RUN: {"kinds": (SEMI, SEMI)}}),
    ("B42", {SMALLER: {"kinds": (SEMI,) * 4}}),
    ("B46", {IN_PART: {"residual": 0.5}, FAILS: {"stay": (SEMI, SEMI, FULL, FULL)}}),
    ("B46", {NOT_RUN: {"stay": (SEMI, SEMI)}, SMALLER: {"stay": (SEMI,) * 4}}),
    ("B45", {IN_PART: {"exact": (0.6,) * 5}, FAILS: {"rest": FALLING}, NOT_RUN: {"start": 1.0}}),
    ("B53", {IN_PART: {"many": False}, FAILS: {"calm": True}}),
    ("B53", {NOT_RUN: lambda: {"slingshots": made.slingshots()["slingshots"][:10]}}),
    ("B54", {IN_PART: {"risen": 4}, FAILS: {"risen": 2}, NOT_RUN: {"seeds": TWO}}),
    ("B56", {IN_PART: {"kept": 0.5}, FAILS: {"steep": (10, 36, 36)}}),
    ("B56", {OPEN: {"time": 1.0, "steep": (10, 20, 20)}, NOT_RUN: {"steep": (10, 36)}}),
    ("B57", {FAILS: {"dearer": 1.2}, OPEN: {"spread": 0.1}, NOT_RUN: {"rates": (0.5, 1, 2)}}),
    ("B52", {IN_PART: {"on": FULL}, FAILS: {"ends": (0.6, 1.0, 0.6)}}),
    ("B52", {OPEN: {"ends": (0.6, 1.0, 0.6), "rest": made.FALLING}, NOT_RUN: {"moduli": (31, 47)}}),
    ("B49", {IN_PART: {"left": 1300.0}, FAILS: {"heights": (16.0, 17.0, 2.8)}}),
    ("B49", {OPEN: {"over": False}}),
    ("B49", {OPEN: {"heights": (16.0, 17.0, 2.8), "residual": 0.3}}),  # not at rest before
    ("B44", {IN_PART: {"other": 1.0}, FAILS: {"part": 1.0}, OPEN: {"part": 0.8, "uneven": 0.3}}),
    ("B43", {IN_PART: {"rest": 0.7}}),
    ("B43", {FAILS: {"exact": (FULL, FULL, SEMI, SEMI), "others": (SEMI,) * 4}}),
    ("B43", {NOT_RUN: {"exact": (FULL,) * 2, "others": (SEMI,) * 2}}),
    ("B43", {SMALLER: {"exact": (FULL,) * 4, "others": (SEMI,) * 4}}),
    ("B41", {IN_PART: {"slower": 2.0}, FAILS: {"power": 0.5}, OPEN: {"power": 0.8, "apart": 0.1}}),
    ("B41", {NOT_RUN: {"betas": (0.95, 0.99)}}),
    ("B35", {IN_PART: {"loss": 1e-7}, FAILS: {"kinds": (FULL, FULL)}}),
]
OTHERWISE = {(name, verdict): how for names, verdict, how in ALIKE for name in names.split()} | {
    (name, verdict): how for name, rows in ALONE for verdict, how in rows.items()
}
IMPOSSIBLE = {  # verdicts that no records lead to, and why
    "F2a-c": {SMALLER, OPEN, NOT_RUN},  # no runs
    "T-D.1 L-D.2 T-D.4": {SMALLER, IN_PART, OPEN, NOT_RUN},  # one criterion, no runs
    "L-D.3": {IN_PART, SMALLER, OPEN, NOT_RUN},
    "App.B": {IN_PART},  # frequencies that are mostly the strongest have a high mean rank
    # the core is met or not, whatever the runs
    "F1a F9 A.3 F11 F3a,b F4 F6 B3 B5 B6 B11 B17 B19 B22 B25": {OPEN},
    "B30 B31 B32 B35 B36 B38 B42 B43 B45 B46 B53 B54": {OPEN},
    # there is no further criterion, or it is asked before the core can be told
    "B4 S6 B1 B27 B55 B57": {IN_PART},
}
# not run only without their experiment
NEEDED_ALONE = {"F1a", "F9", "F1b", "B6", "B7", "B33", "B37", "B39"}


def impossible(name):
    return set().union(*(never for names, never in IMPOSSIBLE.items() if name in names.split()))


POSSIBLE = {(name, HOLDS): build for name, build in HOLDING.items()}
for _name, _build in HOLDING.items():
    if SMALLER not in impossible(_name):
        POSSIBLE[_name, SMALLER] = partial(_build, seeds=TWO)
for (_name, _verdict), _how in OTHERWISE.items():
    _how = partial(HOLDING[_name], **_how) if isinstance(_how, dict) else _how
    POSSIBLE[_name, _verdict] = _how


@pytest.mark.parametrize(("name", "verdict"), POSSIBLE)
def test_a_claim_has_the_verdict_that_its_records_were_made_for(name, verdict, monkeypatch):
    build = POSSIBLE[name, verdict]
    if isinstance(build, tuple):
        module, function, value = build
        monkeypatch.setattr(module, function, lambda *_, **__: value)
        build = dict
    found = build()
    result = found if isinstance(found, Result) else board.judge(name, **found)
    assert result.verdict == verdict, f"{result.core} {result.further} {result.ours}"


@pytest.mark.parametrize("name", [claim.id for claim in board.CLAIMS])
def test_the_table_is_complete_and_every_claim_can_fail(name):
    without = impossible(name) | ({NOT_RUN} if name in NEEDED_ALONE else set())
    assert {verdict for claim, verdict in POSSIBLE if claim == name} == set(VERDICTS) - without
    assert not without & {HOLDS, FAILS}


def test_a_claim_without_one_of_its_experiments_is_not_run():
    one, claim = [grokking()], replace(board.CLAIMS[0], needs=("one", "other"), judge=pytest.fail)
    for records in ({"one": one}, {"other": one}, {"one": one, "other": []}):
        assert claim.result(records).verdict == NOT_RUN


# --- the rules as properties -----------------------------------------------------------------

met = st.sampled_from([True, False, None])
lists = st.lists(met, max_size=4)
evidences = st.sampled_from([Evidence(("AdamW",), smaller=small) for small in (False, True)])


@given(met, lists, st.none() | evidences)
def test_a_verdict_is_that_of_the_table_in_choice_c23(core, further, evidence):
    criteria = {f"criterion {i}": met for i, met in enumerate(further)}
    found = Result("", core, criteria, evidence).verdict
    if evidence is None:
        assert found == NOT_RUN
    elif core is True and further.count(True) == len(further):
        assert found == (SMALLER if evidence.smaller else HOLDS)
    else:
        assert found == {True: IN_PART, False: FAILS, None: OPEN}[core]


def test_one_unmet_criterion_outweighs_one_that_cannot_be_told():
    assert [*map(every, ([], [True, None], [None, False]))] == [True, None, False]


groups = st.lists(st.lists(st.integers(0, 9), min_size=1), min_size=1, max_size=3)


@given(groups, st.sampled_from([53, 113, 127]), st.sampled_from([16, 128]))
def test_evidence_is_of_the_fewest_seeds_and_says_where_the_setting_is_another(seeds, p, d_model):
    model = replace(ModelConfig(), d_model=d_model)
    runs = [[Record(Run("x+y", p, 100, seed=s, model=model), {}, {}) for s in own] for own in seeds]
    found = Evidence.of(*runs)
    assert found.seeds == min(len(set(group)) for group in seeds)
    assert found.smaller == (p != 113 or d_model != 128 or found.seeds < 5)
    counts = sorted({len(set(group)) for group in seeds})
    counted = " – ".join(map(str, [counts[0], *counts[1:][-1:]])) + " seed" + "s" * (counts != [1])
    assert found.badges[1:] == [f"p = {p}", counted]
    with pytest.raises(ValueError, match="must hold a record"):
        Evidence.of(*runs, [])


def test_badges_name_every_optimiser_and_permutations_by_their_degree():
    runs = [Run(), Run(lr=1e-2), made.lbfgs(), Run(task="S_n: xy", p=5, dataset_size=100)]
    found = Evidence.of([Record(run, {}, {}) for run in runs])
    assert found.badges == ["AdamW", "AdamW, η = 0.01", "L-BFGS", "p = 113", "S5", "1 seed"]
    for n, smaller in ((5, False), (4, True)):
        runs = [Run(task="S_n: xy", p=n, dataset_size=9, seed=seed) for seed in FIVE]
        assert Evidence.of([Record(run, {}, {}) for run in runs]).smaller is smaller


# --- what is still falling ---------------------------------------------------------------------

ONE_END = [  # of a claim: an experiment, and a size, on both sides of D_CRIT, or its last record
    *product(("F4wd", "B1", "B2"), ["transition"], (650, 800)),
    *product(["B9"], ["other_tasks"], (650, 800)),
    *product(["B18"], ["moduli"], (650, 800, None)),
    *product(["B1"], ["memorising", "starts"], [None]),
    *product(["B2"], ["transition"], [None]),
    *product(["B9"], ["papers_memory", "other_tasks"], [None]),  # on the largest D'
]


@pytest.mark.parametrize("rest", [RESTLESS, FALLING], ids=["residual", "Eq. (2)"])
@pytest.mark.parametrize(("name", "experiment", "size"), ONE_END)
def test_one_falling_end_beside_a_crossing_or_minimum_leaves_it_open(name, experiment, size, rest):
    found = HOLDING[name](seeds=ONE if name == "B9" else TWO)
    assert board.judge(name, **found).core is True
    records = found[experiment]
    row = [r.run.dataset_size for r in records].index(size) if size else -1
    [records[row]] = made.with_rest([records[row]], rest)
    assert not measures.rests(records[row])
    assert board.judge(name, **found).verdict == OPEN


def test_accuracy_at_one_size_may_differ_if_all_but_one_rest_there():
    """The third prediction fails by ends at rest alone."""
    for rest, met in ((None, False), (FALLING, None)):
        found = one_end(ends, 0, 0.3)
        if rest:
            found["transition"][:1] = made.with_rest(found["transition"][:1], rest)
        told = board.judge("F4wd", **found).further
        assert [m for says, m in told.items() if says.startswith("Prediction 3")] == [met]


def test_at_equal_epochs_adamw_may_move_with_weight_decay():
    slow = {"transition_adamw": made.sweep(adamw=True, power=0.1)}
    result = board.judge("F4wd", **by_both() | slow)
    at_equal = [met for says, met in result.further.items() if "equal epochs" in says]
    assert (result.verdict, at_equal) == (IN_PART, [False])


def test_a_smaller_start_that_groks_when_trained_for_longer_says_that_it_had_not():
    *early, last = made.ablations()[20:25]
    longer = replace(last.run, epochs=2 * last.run.epochs)
    assert board.judge("S6", ablations=made.ablations()).before == ""
    assert board.claim("B16").earlier
    assert board.judge("B16", **made.by_mirrors()).before == ""  # it tells of the published runs
    late = made.ablation(longer, last.run.epochs + 1000, 20.0, ())
    others = [r for r in made.ablations() if r.run.init_scale >= 1]
    found = board.judge("S6", ablations=[*others, *early, late])
    assert found.core
    assert f"by epoch {last.run.epochs:,}, when 1 of the smaller starts had not" in found.before


def test_sec_6_is_judged_at_the_papers_modulus_where_such_runs_are():
    runs = smaller_starts()
    found = board.judge("S6", **runs)
    assert (found.verdict, found.before) == (HOLDS, "holds, smaller, without the later runs (C48)")
    never = [made.ablation(r.run, None, 20.0) for r in runs["smaller_start"]]
    assert board.judge("S6", **runs | {"smaller_start": never}).core is False


def test_a_falling_network_enters_no_exponent_of_the_rule():
    resting = made.rule(TWO)
    wild = [made.end(r.run, FALLING, param_norm=90.0) for r in made.rule(range(2, 5))]
    anew = {"generalising_anew": at_decay_1(resting)}
    found = board.judge("F3c,d", generalising=[*resting, *wild], **anew)
    assert (found.verdict, found.evidence.seeds) == (SMALLER, 2)
    alone = board.judge("F3c,d", generalising=resting, **anew)
    assert found.ours == alone.ours.replace("30 of 30 runs are", "75 of 75 runs are")
    both = {"generalising_anew": at_decay_1([*resting, *wild])}
    assert board.judge("F3c,d", generalising=resting, **both).ours == alone.ours


@pytest.mark.parametrize(("power", "met"), [(0.1, False), (0.0, True)])
def test_the_rule_is_flat_in_networks_trained_anew_too(power, met):
    anew = at_decay_1(made.rule(power=power))
    found = board.judge("F3c,d", generalising=made.rule(), generalising_anew=anew)
    assert found.further["it is flat from random weights on each size, too"] is met
    one_size = [record for record in anew if record.run.dataset_size == 4000]
    found = board.judge("F3c,d", generalising=made.rule(), generalising_anew=one_size)
    assert (found.core, found.verdict) == (True, IN_PART)
    assert found.further["it is flat from random weights on each size, too"] is None


def test_a_prediction_without_a_measured_pair_is_not_run():
    elsewhere = predicted(seeds=TWO) | {"transition": made.sweep(range(7, 9))}
    assert board.judge("B1", **elsewhere).verdict == NOT_RUN


def test_a_seed_without_a_prediction_leaves_the_minima_open():
    found = at_papers_modulus(dearer=1.5)
    found["papers_memory"] = [r for r in found["papers_memory"] if r.run.dataset_size < 1000]
    told = board.judge("B2", **found)
    assert told.core is None
    assert told.ours.startswith("seed 0: predicted none, measured 750")


def test_the_seeds_of_two_ways_are_the_fewest_of_a_kind():
    several = made.pairs()
    one = [replace(r, run=replace(r.run, init=Run(keep_weights=True))) for r in several[:2]]
    assert board.judge("B6", convergence=several).evidence.seeds == 5
    assert board.judge("B6", convergence=[*several, *one]).evidence.seeds == 1


@pytest.mark.parametrize(
    ("name", "found", "size", "criterion"),
    [
        ("B2", at_papers_modulus, 1000, "no end lies below both circuits, so there is a jump"),
        (
            "F4wd",
            by_both,
            3000,
            "Prediction 3 itself: accuracy at one size is the same for every weight decay",
        ),
    ],
)
def test_ends_that_still_fall_meet_no_criterion(name, found, size, criterion):
    records = found()
    assert board.judge(name, **records).further[criterion]
    falling = made.with_rest(records["transition"], FALLING, dataset_size=size)
    assert board.judge(name, **records | {"transition": falling}).further[criterion] is None


def test_the_norm_of_a_circuit_has_the_papers_gate():
    gate = "they hold over 95% of the norm, the paper's criterion (0 of 15 networks)"
    assert board.judge("B5", **circuits(share=0.9)).further[gate] is False


def test_a_run_that_stays_but_does_not_rest_is_told_by_fig_1c():
    criterion, found = "one that stays is at rest", semi()
    assert board.judge("F1c", **found).further[criterion]
    found["semi_grokking_again"] = [altered(r, residual=3.0) for r in found["semi_grokking_again"]]
    assert board.judge("F1c", **found).further[criterion] is None


def test_networks_that_never_come_near_rest_leave_b41_open():
    found = made.second_moments()
    assert board.judge("B41", **found).core
    one = found["second_moment"][0]
    found["second_moment"] = [altered(one, residual=5.0), *found["second_moment"][1:]]
    assert board.judge("B41", **found).core is None


def test_b40_is_judged_on_the_seeds_that_all_four_networks_have():
    found = made.by_either_width()
    two = [record for record in found["either_width"] if record.run.seed < 2]
    assert board.judge("B40", **found | {"either_width": two}).ours
