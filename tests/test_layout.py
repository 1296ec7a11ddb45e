"""Which module may import which: the layers stay a picture that anyone can draw."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "grokkit"
ALLOWED = {
    "__init__": "",
    "tasks": "",
    "model": "",
    "circuits": "",
    "tables": "",
    "toy": "tables",
    "theorems": "",
    "theme": "",
    "stack": "",
    "processes": "",
    "files": "processes",
    "runs": "tasks model files",
    "records": "files runs",
    "claiming": "processes files runs",
    "store": "files runs records claiming",
    "metrics": "tasks model stack circuits runs",
    "tabulated": "",
    "minimise": "",
    "cuda": "",
    "gradients": "tasks stack tabulated minimise runs",
    "lockstep": "tasks model stack minimise costs cuda gradients metrics runs store",
    "train": "cuda gradients lockstep metrics runs files claiming store",
    "cluster": "cuda runs store tabulated train",
    "sweep": "tasks cluster costs cuda tabulated minimise runs store train",
    "experiments": "model tasks runs store sweep",
    "analysis": "runs circuits metrics tabulated tasks tables",
    "convergence": "costs metrics runs tables",
    "figures": "theme analysis convergence characters costs timings runs toy theorems "
    "tasks semi_grokking rivals transition tradeoffs statistics efficiency",
    "statistics": "runs",
    "groups": "tasks",
    "budget": "benchmarks costs experiments runs store tables timings",
    "reruns": "benchmarks tables theme",
    "characters": "analysis circuits groups tasks runs tables",
    "efficiency": "analysis convergence runs statistics tables",
    "transition": "analysis convergence runs statistics tables tasks",
    "dependence": "runs statistics transition",
    "tradeoffs": "analysis convergence runs statistics tables transition",
    "semi_grokking": "analysis convergence runs statistics tables",
    "rivals": "analysis runs statistics tables",
    "pages": "",
    "claims": "analysis convergence characters model pages runs tables tasks theorems toy "
    "statistics semi_grokking rivals transition dependence tradeoffs efficiency",
    "paper_index": "pages tables",
    "widgets": "toy theorems theme efficiency",
    "parameters": "tasks tables",
    "notebook": "theme parameters claims runs",
    "bookext": "theme",
    "book": "theme pages parameters",
    "estimate": "gradients tasks lockstep runs store sweep",
    "retrain": "runs store sweep",
    "catalogue": "analysis experiments runs tables",
    "__main__": "benchmarks experiments estimate files retrain runs store train",
    "browser": "",
    "benchmarks": "files store",
    "costs": "tasks model runs tables tabulated",
    "timings": "tables benchmarks",
    "readme": "analysis benchmarks browser claims experiments figures tables timings",
}
FILES = sorted(p for p in PACKAGE.rglob("*.py"))


def module(path: Path) -> str:
    """The module's name in the table; a sub-package counts as one module."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def ours(path: Path) -> set[str]:
    """The modules of this package that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.startswith("grokkit")}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: write imports in full, from grokkit"
            source = node.module or ""
            if source == "grokkit":
                found |= {f"grokkit.{a.name}" for a in node.names if a.name[:2] != "__"}
            elif source.startswith("grokkit."):
                found.add(source)
    return {name.split(".")[1] for name in found if "." in name}


def test_the_table_names_every_module_and_has_no_cycle():
    assert {module(p) for p in FILES} <= set(ALLOWED), "a new module needs its row in ALLOWED"
    graph = {name: set(imports.split()) for name, imports in ALLOWED.items()}
    assert set().union(*graph.values()) <= set(graph)
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_row_allows(path):
    assert ours(path) - {module(path)} <= set(ALLOWED[module(path)].split())


@pytest.mark.parametrize("name", ALLOWED)
def test_a_row_allows_only_what_its_module_imports(name):
    used = set().union(*(ours(path) for path in FILES if module(path) == name))
    assert set(ALLOWED[name].split()) <= used


def test_imports_are_seen_at_all():
    assert ours(PACKAGE / "notebook.py") == {"claims", "parameters", "runs", "theme"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_annotations_are_evaluated_so_that_shapes_are_checked(path):
    assert "from __future__ import annotations" not in path.read_text(encoding="utf-8")
