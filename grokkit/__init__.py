"""Grokking by circuit efficiency: tasks, exact training of many small networks, their circuits.

A task, a run, its training, its circuits, a picture:

>>> task = grokkit.task("x+y", 13)
>>> run = grokkit.Run(p=13, dataset_size=130, epochs=300, lr=5e-3, keep_weights=True)
>>> [record] = grokkit.train([run])
>>> Z = grokkit.all_logits(record.weights(), task).view(13, 13, 13)
>>> share = grokkit.trig_share(Z)  # of the generalising circuit, 0 to 1
>>> picture = grokkit.picture([record])  # an SVG, which a notebook shows

The names below are loaded when they are first used, so that `import grokkit` takes no time.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    name: module
    for module, names in {
        "tasks": "task split random_labels",
        "model": "ModelConfig initialise forward cross_entropy param_norm",
        "optimum": "objective residual",
        "decomposition": "trig_logits mem_logits trig_share key_frequencies",
        "simulation": "Toy simulate",
        "theorems": "EqualCircuits optimal_weights",
        "runs": "Run Record",
        "store.store": "Store",
        "engine.metrics": "all_logits",
        "sweeps.local": "train",
        "curves": "picture",
    }.items()
    for name in names.split()
}
__all__ = [*_HOME, "__version__"]


def __getattr__(name: str):
    if name in {module.partition(".")[0] for module in _HOME.values()}:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
