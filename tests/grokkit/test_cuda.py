"""CUDA graphs and precision, on stand-ins for the card: every call is one step, come what may."""

from contextlib import contextmanager, nullcontext
from unittest import mock

import pytest
import torch
from tiny import fresh

from grokkit.engine import cuda
from grokkit.runs import Run


@pytest.mark.parametrize("fails", [False, True])
def test_every_call_of_a_graphed_step_is_one_step(monkeypatch, recwarn, fails):
    done, recording = [], []

    def step():
        if not recording:  # recording does not compute
            done.append(1)

    @contextmanager
    def record(graph, stream):
        if fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        recording.append(graph)
        yield
        recording.clear()

    card = mock.Mock(torch.cuda, graph=record, stream=nullcontext)
    card.CUDAGraph().replay = lambda: done.append(1)
    monkeypatch.setattr(torch, "cuda", card)
    graphed = cuda.Graphed(step, torch.device("cuda"))
    for calls in range(1, 12):
        graphed()
        assert len(done) == calls
    said = [str(w.message) for w in recwarn]
    assert len(said) == int(fails)
    assert all("launched one by one" in text for text in said)


def test_the_precision_of_matrix_products_is_set_on_a_card_only_and_given_back():
    before = torch.get_float32_matmul_precision()
    cases = [("tf32", "cpu", before), ("tf32", "cuda", "high"), ("float32", "cuda", "highest")]
    for precision, device, there in cases:
        with cuda.matmul_precision(precision, torch.device(device)):
            assert torch.get_float32_matmul_precision() == there
        assert torch.get_float32_matmul_precision() == before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_graph_trains_as_single_launches_do():
    runs = [Run(p=13, dataset_size=60 + seed, seed=seed) for seed in range(3)]
    graphed, plain = (fresh(runs, torch.device("cuda")) for _ in range(2))
    plain.step = plain.step.eager
    for _ in range(20):
        graphed.advance()
        plain.advance()
    for i in range(3):
        torch.testing.assert_close(graphed.theta(i), plain.theta(i), rtol=1e-3, atol=1e-5)
