"""One profile for every property test: the same examples each time, no deadline, small."""

import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "grokkit",
    derandomize=True,
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("grokkit")
torch.set_num_threads(1)  # the same bits, and no quarrel over cores, whoever runs the tests
