"""What an NVIDIA card needs besides the code that runs everywhere: graphs, precision, memory."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

WARM_UP = 3  # calls before a graph is recorded, in which the libraries choose and allocate


class Graphed:
    """A step that is recorded as a CUDA graph and then replayed: one launch instead of hundreds.

    The step reads and writes the same tensors each time and never waits for the card. If the card
    or its driver cannot record it, that is said once and the step goes on as it is.
    """

    def __init__(self, step: Callable[[], None], device: torch.device) -> None:
        self.eager, self._step, self._calls = step, step, 0
        self._device, self._aside = device, torch.cuda.Stream(device)

    def __call__(self) -> None:
        self._calls += 1
        if self._calls <= WARM_UP:
            here = torch.cuda.current_stream(self._device)
            self._aside.wait_stream(here)
            with torch.cuda.stream(self._aside):
                self.eager()
            here.wait_stream(self._aside)
            return
        if self._calls == WARM_UP + 1:
            self._record()
        self._step()

    def _record(self) -> None:
        """Have calls replay a graph from now on; recording does not compute."""
        graph = torch.cuda.CUDAGraph()
        try:
            torch.cuda.synchronize(self._device)
            with torch.cuda.graph(graph, stream=self._aside):
                self.eager()
        except RuntimeError as error:
            warnings.warn(f"no CUDA graph, steps are launched one by one: {error}", stacklevel=3)
        else:
            self._step = graph.replay


@contextmanager
def matmul_precision(precision: str, device: torch.device) -> Iterator[None]:
    """Let the card round the factors of matrix products to TF32, if `precision` is "tf32"."""
    before = torch.get_float32_matmul_precision()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def free_bytes(device: torch.device) -> int:
    """Memory that is free on the device; for one that does not say, 4 GB."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 4 << 30
