"""The README says what the shipped results say."""

import pytest

from varma2023 import claims
from varma2023.board import CLAIMS
from varma2023.publish import readme


def test_its_tables_are_the_ones_that_the_shipped_results_give(board, monkeypatch):
    monkeypatch.setattr(readme, "shipped", lambda: board)
    text = readme.README.read_text(encoding="utf-8")
    made = readme.updated(text) == text
    assert made, "README.md is out of date: python -m varma2023.publish.readme picture"


@pytest.mark.parametrize("path", readme.WITH_TREE, ids=lambda path: path.name)
def test_its_tree_is_the_one_that_the_code_has(path):
    text = path.read_text(encoding="utf-8")
    made = readme.with_table(text, readme.tree(), "tree") == text
    assert made, f"{path.name} is out of date: python -m varma2023.publish.readme"


def test_claims_without_a_result_are_counted_and_not_listed():
    evidence = claims.Evidence(("AdamW",), ("p = 113",), 3, 3)
    table = readme.scoreboard({"F1a": claims.Result("never", False, {}, evidence)})
    rows = [line for line in table.splitlines() if line.startswith("| **")]
    assert len(rows) == 1
    assert "Fig. 1a" in rows[0]
    assert rows[0].endswith("fails<br>AdamW, p = 113, 3 seeds |")
    n = sum(claim.score == claims.SCORES[0] for claim in CLAIMS)
    assert f"1 fails, {n - 1} not run, of {n}." in table


def test_a_readme_without_the_marks_is_named():
    with pytest.raises(ValueError, match="the text has no <!-- scoreboard -->"):
        readme.with_table("# grokkit", "")


def test_the_picture_is_there_and_linked():
    picture = readme.PICTURE.read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert "@font-face{font-family:Inter;" in picture
    linked = readme.PICTURE.relative_to(readme.ROOT).as_posix()
    assert f"]({linked})" in readme.README.read_text(encoding="utf-8")


def test_an_unknown_argument_is_named(capsys):
    assert readme.main(["pictures"]) == 2
    assert "pictures" in capsys.readouterr().err
