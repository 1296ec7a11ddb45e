"""What beats what at the minimum of Eq. (2): several minimisers in equal time.

    python benchmarks/minimisers.py [--seconds 20] [--quick] [--save]

All start from the same weights, on one thread; the objective is `engine.lbfgs.total`. The residual
is that of choice C6. A gradient is one of the whole train set; Newton's products of the Hessian and
a vector are differences of gradients, one gradient each.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from engine import CPU, fresh, options, save
from torch import Tensor

from grokkit import model
from grokkit.engine import lbfgs, metrics, stack, tabulated
from grokkit.runs import Run

RESIDUALS = (1.0, 0.1, 0.01)
LOOK = 50  # epochs of AdamW between two looks
LARGER, STAGE = (30.0, 10.0, 3.0), 60  # multiples of alpha, and gradients of each
HEAD = f"{'case':20} {'method':26} s to residual 1, 0.1, 0.01     f    residual  test  gradients"
Point = tuple[Tensor, Tensor, Tensor]  # parameters, value and gradient of one run
Method = Callable[["Problem"], Iterator[Point]]


@dataclass(frozen=True)
class Case:
    """A run, and the epochs of AdamW (of `before`, where that is another run) that it follows."""

    name: str
    run: Run
    epochs: int
    before: Run | None = None

    def start(self) -> tuple[Tensor, Tensor]:
        """The parameters of the run at its start [run parameter], float32; AdamW's scale there."""
        adamw = fresh([self.before or self.run], CPU)
        for _ in range(self.epochs):
            adamw.advance()
        return adamw.optimiser.point.detach().clone(), adamw.optimiser.scale()


def cases(quick: bool = False) -> list[Case]:
    """Grokking from memorised networks, ungrokking, and random labels, at p = 53."""
    if quick:
        small = model.ModelConfig(d_model=16, n_heads=2, d_mlp=32)
        return [Case("quick", Run(p=7, dataset_size=30, model=small), 50)]
    grok = Run(p=53, dataset_size=1200)
    return [
        Case("grokking", grok, 400),
        Case("grokking, less data", replace(grok, dataset_size=850), 400),
        Case("ungrokking", replace(grok, dataset_size=150), 1000, replace(grok, dataset_size=2809)),
        Case("random labels", replace(grok, dataset_size=300, labels="random"), 0),
    ]


class Problem:
    """The objective of a run, which counts its gradients."""

    def __init__(self, run: Run, start: Tensor, scale: Tensor) -> None:
        self.run, self.start, self.scale, self.gradients = run, start.double(), scale.double(), 0
        dtypes = (torch.float32, torch.float64)
        self.losses = {dtype: stack.tabulated_loss([run], dtype) for dtype in dtypes}

    def __call__(self, point: Tensor, larger: float = 1.0) -> tuple[Tensor, Tensor]:
        """f and its gradient in the type of the point; with a `larger` alpha, if asked."""
        self.gradients += 1
        eps, weight_decay = torch.tensor([[self.run.eps * larger], [self.run.weight_decay]])
        return lbfgs.total(self.losses[point.dtype], eps, weight_decay)(point)

    def test_accuracy(self, point: Tensor) -> float:
        theta = model.named(point[0].double(), self.run.shapes)
        row = metrics.evaluate(self.run, theta, torch.tensor(float("nan"), dtype=torch.float64))
        return float(row[metrics.METRICS.index("test_accuracy")])


def to_the_end(optimiser: lbfgs.LBFGS, objective: lbfgs.Objective) -> Iterator[Point]:
    """Steps until none goes down."""
    while not optimiser.stuck:
        optimiser.step(objective)
        yield optimiser.point, optimiser.value, optimiser.gradient


def with_history(history: int = lbfgs.HISTORY, pairs: torch.dtype = torch.float32) -> Method:
    return lambda problem: to_the_end(lbfgs.LBFGS(problem.start, history, pairs), problem)


def mixed(problem: Problem) -> Iterator[Point]:
    """In float32 until no step goes down, then in float64."""
    point = problem.start
    for dtype in (torch.float32, torch.float64):
        optimiser = lbfgs.LBFGS(point.to(dtype))
        yield from to_the_end(optimiser, problem)
        point = optimiser.point


def in_adams_scale(problem: Problem) -> Iterator[Point]:
    """In theta / scale, by AdamW's own scale of every parameter at the start (`AdamW.scale`)."""
    scale = problem.scale / problem.scale.max()

    def scaled(point: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = problem(point * scale)
        return value, gradient * scale

    for point, value, gradient in to_the_end(lbfgs.LBFGS(problem.start / scale), scaled):
        yield point * scale, value, gradient / scale


def adamw(problem: Problem) -> Iterator[Point]:
    """AdamW itself, in float32 and with moments of 0; looked at now and then, in float64."""
    trained = fresh([problem.run], CPU)
    trained.optimiser.point.copy_(problem.start)
    while True:
        for _ in range(LOOK):
            trained.advance()
        problem.gradients += LOOK - 1  # and one for the look
        point = trained.optimiser.point.double()
        yield point, *problem(point)


def larger_alpha_first(problem: Problem) -> Iterator[Point]:
    """Some gradients of Eq. (2) with 30, then 10, then 3 alpha; then of f to the end."""
    point = problem.start
    for larger in LARGER:
        optimiser = lbfgs.LBFGS(point)
        for _ in range(STAGE):
            optimiser.step(lambda x, larger=larger: problem(x, larger))
        point = optimiser.point
    yield from to_the_end(lbfgs.LBFGS(point), problem)


def newton(problem: Problem) -> Iterator[Point]:
    """Newton's method in a trust region, by at most 40 conjugate gradients a step (Steihaug)."""
    point, radius = problem.start, torch.tensor(1.0, dtype=torch.float64)
    value, gradient = problem(point)
    yield point, value, gradient
    while radius > 1e-9:
        step, model_fall, at_edge = _steihaug(problem, point, gradient, radius)
        new_value, new_gradient = problem(point + step)
        ratio = (value - new_value) / model_fall
        if ratio > 0.75 and at_edge:
            radius = 2 * radius
        elif not ratio > 0.25:
            radius = step.norm() / 4
        if new_value < value:
            point, value, gradient = point + step, new_value, new_gradient
        yield point, value, gradient


def _steihaug(
    problem: Problem, point: Tensor, gradient: Tensor, radius: Tensor
) -> tuple[Tensor, Tensor, bool]:
    """The step, the fall of the quadratic model along it, and whether it ends at the radius."""
    step, fall, r = torch.zeros_like(point), gradient.new_zeros(()), gradient
    direction = -r
    for _ in range(40):
        little = 1e-5 * point.norm() / direction.norm()
        product = (problem(point + little * direction)[1] - gradient) / little
        bend, rr = (direction * product).sum(), r.square().sum()
        length = rr / bend
        if bend <= 0 or (step + length * direction).norm() > radius:
            a, b = direction.square().sum(), (step * direction).sum()
            length = ((b**2 - a * (step.square().sum() - radius**2)).sqrt() - b) / a
            fall = fall + length * rr - length**2 * bend / 2
            return step + length * direction, fall, True
        step, fall, r = step + length * direction, fall + length * rr / 2, r + length * product
        if r.norm() < 0.1 * gradient.norm():
            break
        direction = r.square().sum() / rr * direction - r
    return step, fall, False


METHODS: dict[str, Method] = {
    **{f"L-BFGS, {n} pairs": with_history(n) for n in (5, 10, 20, 60, 200)},
    "60 pairs in float64": with_history(pairs=torch.float64),
    "60 pairs in bfloat16": with_history(pairs=torch.bfloat16),
    "in AdamW's scale": in_adams_scale,
    "float32, then float64": mixed,
    "larger alpha first": larger_alpha_first,
    "Newton, conj. gradients": newton,
    "AdamW, float32": adamw,
}


def measure(case: Case, start: tuple[Tensor, Tensor], name: str, seconds: float) -> dict:
    """One method on one case, for so long or until it is stuck."""
    problem, reached, began = Problem(case.run, *start), {}, time.perf_counter()
    for point, value, gradient in METHODS[name](problem):
        f = float(value)
        residual = float(gradient.norm() / point.norm())
        for goal in RESIDUALS:
            if residual < goal:
                reached.setdefault(str(goal), round(time.perf_counter() - began, 2))
        took = time.perf_counter() - began
        if took >= seconds:
            break
    row = {"case": case.name, "method": name, "gradients": problem.gradients, "reached": reached}
    row |= {"f": f, "residual": residual, "test_accuracy": problem.test_accuracy(point)}
    return row | {"seconds": took}


def line(row: dict) -> str:
    reached = " ".join(f"{row['reached'].get(str(goal), '–'):>8}" for goal in RESIDUALS)
    return (
        f"{row['case']:20} {row['method']:26} {reached} {row['f']:18.2f} {row['residual']:9.3f} "
        f"{row['test_accuracy']:6.3f} {row['gradients']:6,}"
    )


def main() -> None:
    args = options(__doc__, seconds=20.0).parse_args()
    tabulated.keep_freed_memory()  # as the trainer does
    torch.set_num_threads(1)
    print(HEAD + "\n" + "-" * len(HEAD))
    rows = []
    for case in cases(args.quick):
        start = case.start()
        for name in METHODS:
            rows.append(measure(case, start, name, 2.0 if args.quick else args.seconds))
            print(line(rows[-1]), flush=True)
    save(args, "minimisers", CPU, rows=rows)


if __name__ == "__main__":
    main()
