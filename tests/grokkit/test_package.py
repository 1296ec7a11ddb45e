"""The library as a whole: its public names, its docstring, its command, its wheel."""

import doctest
import importlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import grokkit
from grokkit import demo
from grokkit.commands import main

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--p", "5", "--dataset-size", "20", "--epochs", "6", "--n-logged", "4"]
TINY += ["--d-model", "16", "--n-heads", "2", "--d-mlp", "8"]


def test_every_public_name_is_there_and_any_other_is_an_error():
    assert len(set(grokkit.__all__)) == len(grokkit.__all__) == len(dir(grokkit))
    assert all(getattr(grokkit, name) is not None for name in grokkit.__all__)
    assert not {path.stem for path in (ROOT / "grokkit").glob("*.py")} & set(grokkit.__all__)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        grokkit.trian  # noqa: B018


@pytest.mark.process
def test_importing_it_imports_nothing_large_and_is_all_that_adding_a_task_takes():
    code = "import sys, grokkit; assert not {'torch', 'numpy', 'scipy'} & set(sys.modules); "
    code += "grokkit.tasks.MODULAR['2x+y'] = lambda x, y, p: (2 * x + y) % p; "
    code += "assert grokkit.task('2x+y', 5).labels.tolist()[:6] == [0, 1, 2, 3, 4, 2]"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.slow
def test_the_five_lines_of_the_docstring_run(home):
    found = {"grokkit": grokkit}
    for example in doctest.DocTestParser().get_examples(grokkit.__doc__):
        exec(example.source, found)
    assert found["record"].final("train_accuracy") == 1
    assert 0 < found["share"] < 1
    assert found["picture"]._repr_svg_().count("<polyline") == 2


# --- the command


def test_the_demo_prints_how_it_goes_and_makes_a_page_of_its_own(tmp_path, monkeypatch, capsys):
    short = replace(demo.GROK, p=5, dataset_size=20, epochs=8, n_logged=4)
    monkeypatch.setattr(demo, "GROK", short)
    monkeypatch.setattr(demo, "UNGROK", replace(short, dataset_size=9))
    page = tmp_path / "page.html"
    assert main(["demo", "--page", str(page)]) == 0
    assert capsys.readouterr().out.count("test accuracy") == 2 * len(short.log_epochs())
    found = BeautifulSoup(page.read_text("utf-8"), "html.parser")
    assert len(found.find_all("polyline")) == 4
    assert not found.find_all(href=True) + found.find_all(src=True)


@pytest.mark.slow
def test_the_demo_groks_and_ungroks(capsys):
    demo.demo()
    lines = [line for line in capsys.readouterr().out.splitlines() if "epoch" in line]
    accuracy = [float(line.split()[7]) for line in lines]
    assert accuracy[0] < 0.2
    assert accuracy[len(demo.GROK.log_epochs()) - 1] > 0.9
    assert accuracy[-1] < 0.5


def test_train_takes_every_field_of_a_run_stores_the_record_and_prints_its_end(home, capsys):
    assert main(["train", *TINY, "--weight-decay", "0.5", "--keep-weights", "--quiet"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert (home / "records" / f"{printed[0].split()[0]}.parquet").exists()
    ends = {line.split()[0]: float(line.split()[1]) for line in printed[1:]}
    assert ends["epoch"] == 6
    assert 0 <= ends["test_accuracy"] <= 1
    assert "wd=0.5" in printed[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", *TINY, "--lr", "-1"], "lr must be positive and finite, got -1.0"),
        (["train", *TINY, "--device", "abacus"], "device must be one of auto, cpu"),
        (["train", *TINY, "--n-heads", "3"], "n_heads must divide"),
        (["train", *TINY, "--store", "/dev/null/x"], "/dev/null/x"),
        (["demo", "--page", "/no/page.html"], "file in a folder that is there, got /no/page"),
        (["demo", "--page", "/"], "must be a file in a folder that is there, got /"),
        (["gc", "--store", __file__], f"must be a folder or not yet there, got {__file__}"),
    ],
)
def test_a_mistake_is_said_in_a_line_and_gives_status_2(home, arguments, message, capsys):
    assert main(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.parametrize("command", ["grokkit", "varma2023"])
def test_the_version_is_that_of_the_project(command, capsys):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module, name = project["scripts"][command].split(":")
    assert callable(getattr(importlib.import_module(module), name))
    called = main if command == "grokkit" else importlib.import_module("varma2023.commands").main
    with pytest.raises(SystemExit, match="0"):
        called(["--version"])
    assert capsys.readouterr().out.split() == [command, project["version"]]
    assert project["version"] == grokkit.__version__


@pytest.mark.slow
def test_the_wheel_is_small_and_its_command_runs_where_nothing_else_is_installed(tmp_path):
    def run(*arguments, **more):
        done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    for name in ("grokkit", "varma2023"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / "source" / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "source")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "GROKKIT"))}
    clean["GROKKIT_STORE"] = str(tmp_path / "store")
    where = {"cwd": tmp_path, "env": clean}
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    build = ("-m", "build", "--no-isolation", "--outdir", tmp_path)  # the wheel from the sdist
    run(sys.executable, *build, tmp_path / "source", **where)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 400_000
    names = zipfile.ZipFile(wheel).namelist()
    assert {"grokkit/py.typed", "varma2023/py.typed", "varma2023/theme.json"} <= set(names)
    assert not [name for name in names if name.endswith((".parquet", ".safetensors"))]
    assert not [name for name in names if "/publish/" in name]  # it makes the book of a clone
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    [site] = (tmp_path / "venv/lib").glob("python*/site-packages")
    run(*pip, "--python", tmp_path / "venv/bin/python", "install", "--no-deps", wheel, **where)
    here = [path for path in sys.path if path.endswith("site-packages")]
    (site / "others.pth").write_text("\n".join(here))  # torch and the like, not this package
    bin = tmp_path / "venv/bin"
    assert run(bin / "grokkit", "--version", **where).split() == ["grokkit", grokkit.__version__]
    code = "import grokkit.runs as r; print(r.__file__)"
    assert str(site) in run(bin / "python", "-c", code, **where)
    assert "test accuracy" in run(bin / "grokkit", "demo", **where)
    assert (tmp_path / "grokkit-demo.html").exists()
    rows = json.loads(run(bin / "varma2023", "list", "--json", "--profile", "quick", **where))
    assert all(row["stored"] == 0 for row in rows)
