"""What the rows on the transition say; their verdicts are in `test_verdicts`."""

import pytest
from evidence import other_tasks, sweep
from handmade import record

from grokkit.runs import Run
from varma2023 import board, claims, experiments


def test_the_row_of_fig_4_gives_d_crit_by_both_routes():
    adamw = sweep(range(2), 600, adamw=True)
    ours = board.judge("F4", transition=sweep(range(2)), transition_adamw=adamw).ours
    assert ours.startswith("D_crit 750 (750, 750; 2 seeds) by L-BFGS, 600 (600, 600; 2 seeds) by A")


@pytest.mark.parametrize("name", ["F4", "F4wd", "F8", "F10a", "F10b", "A.2", "B3", "B8"])
def test_the_quick_profile_is_never_judged(name):
    def runs(experiment):
        made = experiments.EXPERIMENTS[experiment].runs("quick")
        accuracies = [float(run.dataset_size > 100) for run in made]
        return [
            record(run, [0, run.epochs], test_accuracy=a)
            for run, a in zip(made, accuracies, strict=True)
        ]

    found = {experiment: runs(experiment) for experiment in board.claim(name).needs}
    assert board.judge(name, **found).verdict == claims.NOT_RUN


def test_mirror_images_alone_are_no_rule():
    # x*y is symmetric: 3,000 of its 12,769 examples tell the answer of about 0.23 of the others
    start = Run(task="x*y", dataset_size=12769, keep_weights=True)
    nine = other_tasks(range(1), sizes=(300, 500, 650, 800, 3000))
    for accuracy, rules in ((0.3, 8), (0.4, 9)):
        one = record(Run(task="x*y", dataset_size=3000, init=start), [0, 9], test_accuracy=accuracy)
        one.metrics.update(residual=one["epoch"] * 1.0)
        swapped = [one if r.run.task == "x*y" and r.run.dataset_size == 3000 else r for r in nine]
        ours = board.judge("F8", other_tasks=swapped).ours
        assert f"8 of them hold the rule at the largest D′, {rules} more than memory" in ours
