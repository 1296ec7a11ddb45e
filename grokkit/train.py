"""Full-batch AdamW on a stack of runs, from the start or a checkpoint to the end.

`train` is the one entrance: runs that the store has are loaded, the others are packed into stacks
and trained, with a checkpoint every half minute. Killed at any moment it continues where it was,
and on one machine (same thread count) ends with the same bits as an unbroken run.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from grokkit import circuits, stack, tasks
from grokkit.model import initialise
from grokkit.runs import Checkpoint, Record, Run, Store, provenance

METRICS = (
    "train_loss",  # Eq. (1) on the train set, nats
    "test_loss",
    "train_accuracy",
    "test_accuracy",
    "param_norm",  # P of Sec. 2
    "correct_logit",  # mean over the train set, class-centred
    "correct_logit_raw",
    "trig_logit",  # its trigonometric part and the rest (App. B); x+y only
    "mem_logit",
    "trig_share",  # ||Z_T|| / ||Z|| over all inputs (choice C5); x+y only
    "residual",  # distance from the fixed point of AdamW, 0 at convergence (choice C6)
)
CHECKPOINT_SECONDS = 30.0
MAX_EXAMPLES = {"cpu": 20_000, "cuda": 400_000, "mps": 100_000}  # per stack, padding included
MAX_PADDING = 0.1  # share of a stack's rows


def resolve_device(name: str = "auto") -> torch.device:
    """The torch device of a name; "auto" is CUDA where there is one, else the CPU.

    Raises:
        ValueError: a name torch does not know, or a device this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    kind = name.split(":")[0]
    if not available.get(kind, False):
        allowed = ["auto", *(key for key, there in available.items() if there)]
        raise ValueError(f"device must be one of {', '.join(allowed)} here, got {name!r}")
    return torch.device(name)


class Stack:
    """A stack of runs in training: parameters, AdamW's moments, train sets.

    On an accelerator all runs of a stack go through one batched step. On the CPU they take turns,
    which is as fast (a step of one run fits the cache), needs no padding, and makes a run's bits
    independent of its neighbours. Either way each run has its own parameter group, on views of the
    stacked tensors, and so its own lr, weight decay, eps and betas.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        theta: stack.Theta,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.runs = list(runs)
        self.theta = {k: v.detach().to(device, dtype).contiguous() for k, v in theta.items()}
        self.train_rows, self.test_rows = [], []
        for run in runs:
            train, test = run.split()
            self.train_rows.append(train)
            self.test_rows.append(test)
        size = 1 if device.type == "cpu" else len(runs)
        self.groups = [range(i, min(i + size, len(runs))) for i in range(0, len(runs), size)]
        self.leaves = [
            {k: v[g.start : g.stop].requires_grad_() for k, v in self.theta.items()}
            for g in self.groups
        ]
        self.batches = [self._batch(group, device, dtype) for group in self.groups]
        self.views = [[weight[i] for weight in self.theta.values()] for i in range(len(runs))]
        self.optimiser = torch.optim.AdamW(
            [
                {
                    "params": [view.requires_grad_() for view in views],
                    "lr": run.lr,
                    "betas": (run.beta1, run.beta2),
                    "eps": run.eps,
                    "weight_decay": run.weight_decay,
                }
                for run, views in zip(runs, self.views, strict=True)
            ],
            fused=True,
        )

    def _batch(self, group: range, device: torch.device, dtype: torch.dtype) -> stack.Batch:
        inputs, labels = [], []
        for i in group:
            run, rows = self.runs[i], self.train_rows[i]
            inputs.append(tasks.task(run.task, run.p).inputs[rows])
            labels.append(run.example_labels()[rows])
        return stack.Batch.of(inputs, labels, dtype, device)

    def gradient(self) -> list[dict[str, Float[Tensor, "..."]]]:
        """Gradient of each run's train loss with respect to its own parameters."""
        gradients = []
        for group, leaf, batch in zip(self.groups, self.leaves, self.batches, strict=True):
            loss = stack.train_loss(leaf, batch).sum()
            slopes = torch.autograd.grad(loss, list(leaf.values()))
            # torch's fused AdamW on the CPU reads a gradient in memory order, whatever its strides
            whole = [slope.contiguous() for slope in slopes]
            for i in range(len(group)):
                gradients.append({k: slope[i] for k, slope in zip(leaf, whole, strict=True)})
        return gradients

    def update(self, gradients: list[dict[str, Float[Tensor, "..."]]]) -> None:
        """One epoch: AdamW with decoupled weight decay on every parameter."""
        for views, gradient in zip(self.views, gradients, strict=True):
            for view, slope in zip(views, gradient.values(), strict=True):
                view.grad = slope
        self.optimiser.step()

    def moments(self) -> dict[str, Tensor]:
        """Parameters and AdamW's two moments of every run, by name."""
        saved = dict(self.theta)
        for moment in ("exp_avg", "exp_avg_sq"):
            for j, name in enumerate(self.theta):
                states = [self.optimiser.state[views[j]] for views in self.views]
                saved[f"{moment}.{name}"] = torch.stack([state[moment] for state in states])
        return saved

    def restore(self, saved: dict[str, Tensor], epoch: int) -> None:
        """Continue from `moments()` after `epoch` updates."""
        for j, (name, weight) in enumerate(self.theta.items()):
            weight.copy_(saved[name])
            for i, views in enumerate(self.views):
                self.optimiser.state[views[j]] = {
                    "step": torch.tensor(float(epoch), device=weight.device),
                    "exp_avg": saved[f"exp_avg.{name}"][i].to(weight).clone(),
                    "exp_avg_sq": saved[f"exp_avg_sq.{name}"][i].to(weight).clone(),
                }


def fresh(runs: Sequence[Run], store: Store, device: torch.device) -> Stack:
    """A stack at epoch 0: from each run's seed, or from the final weights of its `init`.

    Raises:
        LookupError: an `init` run has no record in the store.
    """
    thetas = []
    for run in runs:
        if run.init is None:
            n_tokens = tasks.task(run.task, run.p).n_tokens
            thetas.append(initialise(run.model, n_tokens, run.seed, run.init_scale))
            continue
        record = store.get(run.init)
        if record is None:
            raise LookupError(f"{run} starts from run {run.init.key} ({run.init}): not in {store}")
        thetas.append(record.weights())
    return Stack(runs, stack.stacked(thetas), device)


# --- metrics ---------------------------------------------------------------------------------


def stationarity(
    theta: dict[str, Tensor], gradient: dict[str, Tensor], eps: float, weight_decay: float
) -> float:
    """||g + eps lambda theta / (1 - lambda |theta|)|| / ||eps lambda theta||, 0 where AdamW rests.

    An update g / (|g| + eps) + lambda theta vanishes there: late AdamW is gradient descent on
    Eq. (2) with alpha = eps lambda. NaN without weight decay, which has no fixed point.
    """
    if weight_decay == 0:
        return float("nan")
    off, scale = 0.0, 0.0
    for name, weight in theta.items():
        w, g = weight.double(), gradient[name].double()
        pull = eps * weight_decay * w
        # |theta| < 1 / lambda holds at any fixed point; larger weights count as just below it
        room = (1 - weight_decay * w.abs()).clamp(min=0.01)
        off += float((g + pull / room).square().sum())
        scale += float(pull.square().sum())
    return (off / scale) ** 0.5 if scale else float("nan")


@torch.no_grad()
def all_logits(
    theta: dict[str, Float[Tensor, "..."]], task: tasks.Task
) -> Float[Tensor, "batch label"]:
    """Logits of one network on every example of the task, in float64 on the weights' device."""
    single = {name: weight.unsqueeze(0) for name, weight in theta.items()}
    x, y = torch.from_numpy(task.inputs.T).to(theta["W_E"].device).unsqueeze(1)
    logits = stack.forward(single, x, y)[0]
    return (logits.cpu() if logits.device.type == "mps" else logits).double()


@torch.no_grad()
def evaluate(stack_: Stack, i: int, gradient: dict[str, Tensor]) -> Float[Tensor, " metric"]:
    """`METRICS` of run i of the stack, in float64; NaN where a metric is not defined."""
    run = stack_.runs[i]
    task = tasks.task(run.task, run.p)
    theta = {name: weight[i] for name, weight in stack_.theta.items()}
    logits = all_logits(theta, task)
    labels = torch.from_numpy(run.example_labels()).to(logits.device)
    train = torch.from_numpy(stack_.train_rows[i]).to(logits.device)
    test = torch.from_numpy(stack_.test_rows[i]).to(logits.device)
    loss = stack.cross_entropy(logits.unsqueeze(0), labels.unsqueeze(0))[0]
    right = (logits.argmax(-1) == labels).double()
    raw = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    correct = (raw - logits.mean(1))[train].mean()
    value = dict.fromkeys(METRICS, torch.tensor(float("nan"), dtype=torch.float64))
    value |= {
        "train_loss": loss[train].mean(),
        "test_loss": loss[test].mean(),  # NaN where the train set is everything
        "train_accuracy": right[train].mean(),
        "test_accuracy": right[test].mean(),
        "param_norm": torch.stack([w.double().square().sum() for w in theta.values()]).sum().sqrt(),
        "correct_logit": correct,
        "correct_logit_raw": raw[train].mean(),
    }
    if task.name == "x+y":
        Z = logits.view(task.p, task.p, task.p)
        trig = circuits.trig_logits(Z).view_as(logits)
        value["trig_logit"] = trig.gather(1, labels.unsqueeze(1)).squeeze(1)[train].mean()
        value["mem_logit"] = correct - value["trig_logit"]
        value["trig_share"] = trig.norm() / circuits.centred(logits).norm()
    row = torch.stack([value[name].cpu() for name in METRICS])
    row[METRICS.index("residual")] = stationarity(theta, gradient, run.eps, run.weight_decay)
    return row


# --- one stack -------------------------------------------------------------------------------


@dataclass
class _Progress:
    """A training stack's position, in memory: what a checkpoint holds."""

    stack: Stack
    epoch: int
    metrics: Float[Tensor, "log run metric"]
    processes: list[dict]

    def save(self, store: Store) -> None:
        saved = {"metrics": self.metrics, **self.stack.moments()}
        store.save_checkpoint(Checkpoint(self.stack.runs, self.epoch, saved, self.processes))


def _resume(
    runs: list[Run], store: Store, device: torch.device, saved: Checkpoint | None
) -> _Progress:
    here = provenance(device) | {"from_epoch": saved.epoch if saved else 0, "wall_seconds": 0.0}
    if saved is None:
        shape = (len(runs[0].log_epochs()), len(runs), len(METRICS))
        metrics = torch.full(shape, float("nan"), dtype=torch.float64)
        return _Progress(fresh(runs, store, device), 0, metrics, [here])
    names = runs[0].model.shapes(tasks.task(runs[0].task, runs[0].p).n_tokens)
    theta = {name: saved.tensors[name] for name in names}  # a file keeps no order; sums need one
    resumed = Stack(runs, theta, device)
    resumed.restore(saved.tensors, saved.epoch)
    return _Progress(resumed, saved.epoch, saved.tensors["metrics"], [*saved.provenance, here])


def train_stack(
    runs: list[Run],
    store: Store,
    device: torch.device,
    bar: tqdm,
    saved: Checkpoint | None = None,
    deadline: float = float("inf"),
) -> bool:
    """Train one stack of runs (equal epochs and shapes) to its end and store the records.

    Returns False if `deadline` (in time.monotonic seconds) came first; a checkpoint then holds all.
    """
    state = _resume(runs, store, device, saved)
    here, epochs = state.processes[-1], runs[0].epochs
    logged = {int(epoch): row for row, epoch in enumerate(runs[0].log_epochs())}
    began = last_saved = time.monotonic()
    bar.update(state.epoch * len(runs))
    try:
        while True:
            gradients = state.stack.gradient()
            if state.epoch in logged:
                for i, gradient in enumerate(gradients):
                    state.metrics[logged[state.epoch], i] = evaluate(state.stack, i, gradient)
            if state.epoch == epochs:
                break
            state.stack.update(gradients)
            state.epoch += 1
            bar.update(len(runs))
            now = time.monotonic()
            if now - last_saved > CHECKPOINT_SECONDS or now > deadline:
                here["wall_seconds"] = now - began
                state.save(store)
                last_saved = now
            if now > deadline:
                return False
    except KeyboardInterrupt:
        if state.epoch > here["from_epoch"]:
            state.save(store)
        raise
    here["wall_seconds"] = time.monotonic() - began
    _finish(state, store)
    return True


def _finish(state: _Progress, store: Store) -> None:
    """Store the records of a finished stack. The checkpoint stays until all of them are there."""
    runs = state.stack.runs
    state.save(store)
    for i, run in enumerate(runs):
        columns = state.metrics[:, i].numpy().T
        metrics = {
            name: c for name, c in zip(METRICS, columns, strict=True) if not np.isnan(c).all()
        }
        origin = {"stack": len(runs), "processes": state.processes}
        theta = stack.unstacked(state.stack.theta, i) if run.keep_weights else None
        store.put(Record(run, {"epoch": run.log_epochs()} | metrics, origin), theta)
    store.drop_checkpoint(runs)


# --- many runs -------------------------------------------------------------------------------


def pack(runs: Sequence[Run], device: torch.device) -> list[list[Run]]:
    """Stacks of runs that can train together: equal shapes, epochs and log, similar train sets.

    Sorted by size, and cut where padding would pass `MAX_PADDING` or the stack `MAX_EXAMPLES`.
    """
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        n_tokens = tasks.task(run.task, run.p).n_tokens
        groups.setdefault((n_tokens, run.model, run.epochs, run.n_logged), []).append(run)
    stacks: list[list[Run]] = []
    for group in groups.values():
        current: list[Run] = []
        for run in sorted(group, key=lambda r: (-r.dataset_size, r.key)):
            longest = current[0].dataset_size if current else run.dataset_size
            rows = longest * (len(current) + 1)
            used = sum(r.dataset_size for r in current) + run.dataset_size
            if current and (rows > MAX_EXAMPLES[device.type] or used < (1 - MAX_PADDING) * rows):
                stacks.append(current)
                current = []
            current.append(run)
        stacks.append(current)
    return stacks


def with_inits(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs and all that they start from, without repeats, in generations: inits first."""
    depth: dict[Run, int] = {}

    def visit(run: Run) -> int:
        if run not in depth:
            depth[run] = 0 if run.init is None else visit(run.init) + 1
        return depth[run]

    for run in runs:
        visit(run)
    return [[r for r in depth if depth[r] == d] for d in range(max(depth.values(), default=-1) + 1)]


def train(
    runs: Sequence[Run],
    store: Store | None = None,
    device: str = "auto",
    progress: bool = True,
    minutes: float = float("inf"),
) -> list[Record]:
    """The records of the runs, in order: loaded where the store has them, trained where not.

    Stops at a checkpoint after `minutes`; the same call continues from there.

    Raises:
        ValueError: an unknown or absent device.
        TimeoutError: `minutes` were over before all runs were trained.
    """
    store, where = store or Store(), resolve_device(device)
    deadline = time.monotonic() + 60 * minutes
    for generation in with_inits(runs):
        missing = [run for run in generation if store.get(run) is None]
        if missing:
            _train_missing(missing, store, where, progress, deadline)
    records = [store.get(run) for run in runs]
    lost = [str(run) for run, record in zip(runs, records, strict=True) if record is None]
    if lost:
        raise RuntimeError(f"trained but not found in {store}: {', '.join(lost)}")
    return [record for record in records if record is not None]


def _train_missing(
    missing: list[Run], store: Store, device: torch.device, progress: bool, deadline: float
) -> None:
    """Resume the checkpointed stacks that hold missing runs, then pack and train the rest."""
    wanted = set(missing)
    begun = [runs for runs in store.checkpointed() if wanted & set(runs)]
    resumed = {run for runs in begun for run in runs}
    stacks = begun + pack([run for run in missing if run not in resumed], device)
    total = sum(len(runs) * runs[0].epochs for runs in stacks)
    with tqdm(total=total, unit="epoch", unit_scale=True, disable=not progress) as bar:
        for runs in stacks:
            bar.set_description(f"{len(runs)} × {runs[0].task} D={runs[0].dataset_size}")
            with store.claim(runs):
                if all(store.get(run) is not None for run in runs):  # another process was faster
                    store.drop_checkpoint(runs)
                    continue
                saved = store.load_checkpoint(runs)
                if not train_stack(runs, store, device, bar, saved, deadline):
                    raise TimeoutError(
                        f"time is up with {bar.n:,.0f} of {bar.total:,.0f} epochs trained; "
                        "the same call continues from the checkpoint"
                    )
