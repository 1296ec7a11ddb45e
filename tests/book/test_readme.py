"""What the README says of the results, and the page on the engine of the tests, is so."""

import ast
import re
from pathlib import Path

import pytest

from varma2023 import claims
from varma2023.board import CLAIMS
from varma2023.publish import chapters, readme


def test_its_results_are_those_of_the_shipped_runs(board):
    text = readme.README.read_text(encoding="utf-8")
    made = readme.with_part(text, readme.headlines(board), "results") == text
    assert made, "README.md is out of date: python -m varma2023.publish.readme picture"
    assert len(text.splitlines()) <= 120


@pytest.mark.parametrize("path", readme.WITH_TREE, ids=lambda path: path.name)
def test_its_tree_is_the_one_that_the_code_has(path):
    text = path.read_text(encoding="utf-8")
    made = readme.with_part(text, readme.tree(), "tree") == text
    assert made, f"{path.name} is out of date: python -m varma2023.publish.readme"


def test_claims_without_a_result_are_not_run():
    evidence = claims.Evidence(("AdamW",), ("p = 113",), 3, True)
    first, second, *_, scores = readme.headlines(
        {"F1a": claims.Result("never", False, {}, evidence)}
    ).splitlines()
    assert first.startswith("- ✘ **Fig. 1a, grokking** fails (AdamW, p = 113, 3 seeds): ")
    assert second.startswith("- ○ **Fig. 1b, ungrokking** not run: ")
    n = sum(claim.score == claims.SCORES[0] for claim in CLAIMS)
    assert f"1 fails, {n - 1} not run, of {n};" in scores


def test_a_readme_without_the_marks_is_named():
    with pytest.raises(ValueError, match="the text has no <!-- results -->"):
        readme.with_part("# grokkit", "", "results")


def test_the_picture_is_there_and_linked():
    picture = readme.PICTURE.read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert "@font-face{font-family:Inter;" in picture
    linked = readme.PICTURE.relative_to(readme.ROOT).as_posix()
    assert f"]({linked})" in readme.README.read_text(encoding="utf-8")


def test_an_unknown_argument_is_named(capsys):
    assert readme.main(["pictures"]) == 2
    assert "pictures" in capsys.readouterr().err


@pytest.mark.parametrize("path", [readme.README, *readme.BOOK.rglob("*.md")], ids=lambda p: p.name)
def test_python_to_copy_names_what_there_is(path):
    text, names = path.read_text(encoding="utf-8"), {}
    blocks = re.findall(r"^```python\n(from .*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks or path.name not in ("README.md", "run_it_yourself.md")
    for tree in map(ast.parse, blocks):
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), path.name, "exec"), names)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                of = node.value.id
                assert of not in names or hasattr(names[of], node.attr), f"{of}.{node.attr}"


def test_the_tests_and_scripts_that_the_page_on_the_engine_names_are_there():
    page = (chapters.BOOK / "chapters" / "engine.md").read_text(encoding="utf-8")
    tests = "".join(p.read_text(encoding="utf-8") for p in Path(__file__).parents[1].rglob("*.py"))
    named = re.findall(r"`(test_\w+)`", page)
    assert len(named) > 5
    assert [name for name in named if f"def {name}(" not in tests] == []
    scripts = re.findall(r"benchmarks/\w+\.py", page)
    assert [name for name in scripts if not (chapters.ROOT / name).exists()] == []
