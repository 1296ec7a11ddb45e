"""Who may import whom: a library below, the paper on top of it, and no room knows another."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = """tasks model optimum decomposition simulation theorems runs textbook curves store
engine sweeps demo commands"""
SHARED = "tables statistics pages theme claims measures plots profiles"
ROOMS = """grokking simulation efficiency ungrokking semi_grokking two_starts decomposition
other_tasks rivals theorems convergence clock delay engine"""
JOINING = "experiments board explorers estimate retrain publish commands __main__"
LAYERS = [
    ["grokkit.__version__"],
    *([f"grokkit.{name}"] for name in LIBRARY.split()),
    ["grokkit.__init__", "grokkit.__main__"],
    *([f"varma2023.{name}"] for name in SHARED.split()),
    [f"varma2023.{name}" for name in ROOMS.split()],
    *([f"varma2023.{name}"] for name in JOINING.split()),
]
LEVEL = {name: i for i, names in enumerate(LAYERS) for name in names}
FILES = sorted(p for package in ("grokkit", "varma2023") for p in (ROOT / package).rglob("*.py"))


def part(dotted: str) -> str:
    """The module or folder directly below a package, as LAYERS names it."""
    package, *rest = dotted.split(".")
    return f"{package}.{rest[0] if rest else '__init__'}"


def imported(path: Path) -> set[str]:
    """What a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports in full"
            found |= {f"{node.module}.{a.name}" for a in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_from_its_own_part_and_from_those_below(path):
    own = part(".".join(path.relative_to(ROOT).with_suffix("").parts))
    ours = {part(n) for n in imported(path) if n.split(".")[0] in ("grokkit", "varma2023")}
    assert {name for name in ours - {own} if LEVEL.get(name, 99) >= LEVEL[own]} == set()
    # annotations are evaluated, so that shapes are checked
    assert "__future__.annotations" not in imported(path)
