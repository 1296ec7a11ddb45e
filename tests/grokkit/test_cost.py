"""Costs: the counts are those of the code that runs."""

import pytest
import torch
from tiny import examples
from torch.utils.flop_counter import FlopCounterMode

from grokkit import model
from grokkit.engine import batched, tabulated
from grokkit.model import ModelConfig
from grokkit.runs import Run
from varma2023.engine import forms, timings

SMALL = Run(p=13, dataset_size=100, model=ModelConfig(d_model=32, n_heads=4, d_mlp=48))


def network(run):
    """Parameters, operand pairs and labels of the train set."""
    theta = model.initialise(run.model, run.p, run.seed)
    return {k: w.requires_grad_() for k, w in theta.items()}, *examples(run.p, run.dataset_size)


def textbook(run, theta, pairs, labels):
    logits = model.forward(theta, model.tokens(pairs, run.p))
    # the slopes of all positions count, though all but the last are zero
    return model.cross_entropy(logits[:, -1], labels).mean()


def last_row(run, theta, pairs, labels):
    batch = batched.Batch.of([(pairs, labels)], torch.float32, torch.device("cpu"))
    return batched.train_loss({name: weight[None] for name, weight in theta.items()}, batch).sum()


LOSSES = {"textbook": textbook, "last_row": last_row}


def product(out, left, right, **_):
    """FLOP of out += left @ right, where left may be sparse."""
    entries = left.numel() if left.layout == torch.strided else left.values().numel()
    return 2 * entries * right.shape[1]


def sampled(pattern, left, right, **_):
    """FLOP of left @ right, taken only where the pattern has entries."""
    return 2 * pattern.values().numel() * left.shape[1]


product._get_raw = sampled._get_raw = True  # torch's counter gives them tensors, not shapes
IN_PLACE = {torch.ops.aten.addmm_: product, torch.ops.aten.sparse_sampled_addmm: sampled}


@pytest.mark.parametrize("form", ["textbook", "last_row", "tabulated"])
@pytest.mark.parametrize("run", [SMALL, Run(dataset_size=300)], ids=["small", "paper"])
def test_flop_are_those_that_torch_counts_but_for_the_scores_from_tables(form, run):
    theta, *own = network(run)
    with FlopCounterMode(display=False, custom_mapping=IN_PLACE) as counter:
        if form == "tabulated":
            chunks = tabulated.chunks(*own, run.p, run.model.n_heads, torch.float32)
            tabulated.gradient(theta, chunks)
        else:
            torch.autograd.grad(LOSSES[form](run, theta, *own), list(theta.values()))
    expected = getattr(forms, form)(run).flop(run.dataset_size)
    apart = 0.04 if form == "tabulated" and run == SMALL else 0.01
    assert counter.get_total_flops() == pytest.approx(expected, rel=apart)


def saved(form, run):
    """Numbers that autograd keeps for the backward pass, shared memory once."""
    found = {}

    def keep(tensor):
        memory = tensor.untyped_storage()
        found[memory.data_ptr()] = tensor.is_floating_point() * memory.nbytes() / 4
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        _loss = LOSSES[form](run, *network(run))  # alive until all are counted
        return sum(found.values())


@pytest.mark.parametrize("form", ["textbook", "last_row"])
def test_autograd_keeps_what_is_counted_and_not_much_more(form):
    some, more = (saved(form, Run(dataset_size=size)) for size in (200, 300))
    kept = (more - some) / 100  # an example
    assert 1 <= kept / getattr(forms, form)(Run()).kept < 1.4


def test_parameters_and_bytes_are_those_of_the_network_and_forms_meet_at_equal_flop():
    theta, *_ = network(SMALL)
    n = sum(weight.numel() for weight in theta.values())
    assert SMALL.n_parameters == n
    assert timings.update_bytes(SMALL) == 7 * 4 * n
    assert forms.kept_bytes(forms.textbook(SMALL), 10) == 4 * 10 * 4 * (7 * 32 + 48 + 13)
    _, last_row, tables = forms.all_forms(Run())
    assert forms.kept_bytes(tables, 100) == 400 * tables.kept
    assert forms.kept_bytes(tables, 5000) == 4 * tabulated.CHUNK * tables.kept  # a chunk at a time
    size = timings.crossover(last_row, tables)
    assert last_row.flop(size) == pytest.approx(tables.flop(size))
    assert tables.flop(size + 1) < last_row.flop(size + 1)


def test_the_table_has_a_row_a_form_and_a_column_a_size():
    counts = timings.count_table([Run(), Run(dataset_size=1000)])
    assert counts.count("<tr>") == 4
    assert "<td>848,384</td>" in counts
    assert "GFLOP at D = 1,000" in counts
