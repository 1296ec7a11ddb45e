"""One list of packages: pyproject.toml, and constraints.txt and environment.yml that follow it."""

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from test_layout import FILES, imported

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = [Requirement(r) for r in sum(EXTRAS.values(), PROJECT["dependencies"])]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
LINES = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
BOUNDS = [x for x in LINES if re.match(r"\w+<", x)]
PINNED = [x for x in LINES if "==" in x]
PINS = {canonicalize_name(name): version for name, version in (x.split("==") for x in PINNED)}


def test_conda_brings_the_interpreter_and_leaves_packages_to_pip():
    plain = [d for d in CONDA["dependencies"] if isinstance(d, str)]
    assert {re.split("[=<>]", d)[0] for d in plain} == {"python", "pip", "make"}
    python = next(d for d in plain if d.startswith("python")).removeprefix("python=")
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]


def test_conda_and_make_install_this_package_with_every_extra_and_the_same_pins():
    pip = next(d["pip"] for d in CONDA["dependencies"] if isinstance(d, dict))
    for text in (" ".join(pip), (ROOT / "Makefile").read_text("utf-8").replace('"', "")):
        [extras] = re.findall(r"-c constraints\.txt -e \.\[(\S+)\]", text)
        assert set(extras.split(",")) == set(EXTRAS)
    assert len(pip) == 2


@pytest.mark.parametrize("wanted", WANTED, ids=lambda r: r.name)
def test_a_requirement_is_pinned_within_its_range_and_is_what_runs_here(wanted):
    name = canonicalize_name(wanted.name)
    if name == "torch":
        assert name not in PINS, "torch has a bound only: CPU or CUDA is the user's choice"
        assert Requirement(BOUNDS[0]).specifier.contains(importlib.metadata.version(name))
    else:
        assert wanted.specifier.contains(PINS[name])
    assert wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)


@pytest.mark.parametrize(
    ("part", "extras"),
    [("grokkit", ["cluster"]), ("varma2023", ["figures"]), ("publish", ["figures", "book"])],
)
def test_a_part_imports_the_packages_that_are_declared_for_it_and_no_others(part, extras):
    rooms = {path: path.relative_to(ROOT).parts for path in FILES}
    own = [p for p, room in rooms.items() if part == ("publish" if "publish" in room else room[0])]
    found = {name.split(".")[0] for path in own for name in imported(path)}
    there = importlib.metadata.packages_distributions()
    packages = {canonicalize_name(there[name][0]) for name in found - sys.stdlib_module_names}
    packages -= {"grokkit"}  # both of ours
    wanted = map(Requirement, sum([EXTRAS[extra] for extra in extras], PROJECT["dependencies"]))
    assert packages <= {canonicalize_name(n) for one in wanted for n in (one.name, *one.extras)}
    if part == "grokkit":  # it knows no figure and no page
        declared = {Requirement(one).name for one in PROJECT["dependencies"]}
        assert packages == declared | {"distributed"}


def test_pins_are_exact_unique_and_sorted():
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in PINNED)
    assert sorted(PINNED, key=str.casefold) == PINNED
    assert len(PINS) == len(PINNED) > 150


def test_upper_bounds_are_in_the_constraints_alone():
    assert {clause.operator for wanted in WANTED for clause in wanted.specifier} == {">="}
    assert BOUNDS == ["torch<2.14"]


def test_nothing_names_a_package_host():
    for path in ("pyproject.toml", "constraints.txt", "environment.yml", "Makefile", ".ci/run"):
        text = (ROOT / path).read_text("utf-8").replace(PROJECT["urls"]["Paper"], "")
        assert not re.search(r"https?://|--index-url|--find-links", text)
