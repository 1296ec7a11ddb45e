"""The page on the engine names functions and tests, and they are there."""

import importlib
import re
from pathlib import Path

import pytest

from varma2023.publish import chapters

PAGE = (chapters.BOOK / "chapters" / "engine.md").read_text(encoding="utf-8")
PACKAGE = {path.stem for path in (chapters.ROOT / "grokkit").glob("*.py")}
NAMES = [
    name for name in re.findall(r"`([a-z]\w*\.\w+)`", PAGE) if name.partition(".")[0] in PACKAGE
]
TESTS = re.findall(r"`(test_\w+)`", PAGE)
SCRIPTS = re.findall(r"benchmarks/\w+\.py", PAGE)


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_a_function_that_the_page_names_is_there(name):
    module, _, function = name.partition(".")
    assert hasattr(importlib.import_module(f"grokkit.{module}"), function)


def test_tests_and_scripts_that_the_page_names_are_there():
    here = "".join(p.read_text(encoding="utf-8") for p in Path(__file__).parents[1].rglob("*.py"))
    assert len(TESTS) > 5
    assert [name for name in TESTS if f"def {name}(" not in here] == []
    assert [name for name in SCRIPTS if not (chapters.ROOT / name).exists()] == []
