"""The chapters' parameters: each declared once, and checked before anything is computed."""

import ast
from contextlib import nullcontext
from functools import cache
from math import inf, nan
from types import CodeType
from typing import Any

import pytest
from test_chapters import NAMES, cells

from grokkit import tasks
from varma2023.publish import parameters
from varma2023.publish.parameters import PARAMETERS
from varma2023.tables import indexed


def defaults(name: str) -> dict[str, Any]:
    """The values of a chapter's first cell."""
    values: dict[str, Any] = {}
    exec(cells(name)[0], {"__builtins__": {}}, values)
    return values


def check(name: str, **given: Any) -> None:
    """The call of `check_parameters` in a chapter's second cell, with these values."""
    exec(_imports_and_check(name), {**defaults(name), **given})


@cache
def _imports_and_check(name: str) -> CodeType:
    body = ast.parse(cells(name)[1]).body
    imports = [n for n in body if isinstance(n, ast.Import | ast.ImportFrom)]
    call = body[len(imports)]
    assert ast.unparse(call).startswith("check_parameters("), "something comes before the check"
    return compile(ast.Module([*imports, call], []), name, "exec")


def bad_values(name: str) -> list[Any]:
    """Values outside what a parameter declares, made from its bounds and its type."""
    declared = PARAMETERS[name]
    if declared.choices:
        return ["qick", "", declared.choices[0].upper() + " ", 1, 1.5, True, nan, [], b"x"]
    low, high = declared.low, declared.high
    ones = ["abc", "", str(high), "1e3", nan, inf, -inf, True, False, 2**70, -(2**70), 1j, {}]
    ones += [low - 1, high + 1, low - 0.001, high * 1.001]
    ones += [low + 0.5, float(low), 1e3] if declared.kind is int else []
    if declared.lengths is None:
        return [*ones, [low], [], (low, high)]
    least, most = declared.lengths
    lists = [[one, high][:least] if least < 2 else [one, high] for one in ones]
    lists += [[], "123", high, {low: high}, [[low] * least], [low] * (most + 1), [None] * least]
    return lists + ([[low, high, low]] if least < most else [])


CASES = [(name, parameter) for name in NAMES for parameter in defaults(name)]


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_declared_and_its_default_passes_in_every_profile(name):
    assert set(defaults(name)) <= set(PARAMETERS)
    for profile in parameters.PROFILES:
        check(name, profile=profile)


def test_every_declared_parameter_is_one_of_a_chapter():
    assert {parameter for _, parameter in CASES} == set(PARAMETERS)


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_bad_value_is_refused_with_its_name_itself_and_what_is_allowed(name, parameter):
    for value in bad_values(parameter) + ([None] if defaults(name)[parameter] is not None else []):
        with pytest.raises(ValueError, match=f"^{parameter} must be ") as error:
            check(name, **{parameter: value})
        assert str(error.value).endswith(f"{PARAMETERS[parameter].allowed}; got {value!r}")


DEPENDS = {
    "p": {4},  # not for a modulus
    "task": set(tasks.PERMUTATION),  # they need another p
    "dataset_size": {PARAMETERS["dataset_size"].high},  # more than the default p has
    "sizes": {PARAMETERS["sizes"].high},
    "kappa": {10},  # above 2 in the simulation
}


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_bound_passes_unless_another_parameter_forbids_it(name, parameter):
    declared = PARAMETERS[parameter]
    for bound in declared.choices or (declared.low, declared.high):
        depends = bound in DEPENDS.get(parameter, ()) and name != "chapters/d_theorems"
        with pytest.raises(ValueError, match="must be") if depends else nullcontext():
            check(name, **{parameter: [bound] * declared.lengths[0] if declared.lengths else bound})


INTRO, SEMI, RELATED = "01_introduction", "05_3_semi_grokking", "06_related_work"


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        (RELATED, {"p": 7, "dataset_size": 49}, r"dataset_size must be 1\.\.48, .*got 49"),
        (RELATED, {"dataset_size": 2809}, r"1\.\.2808.* x\+y at p = 53"),
        (INTRO, {"p": 7, "dataset_size": 49}, r"dataset_size must be 1\.\.48"),
        (SEMI, {"p": 7, "sizes": [30, 49]}, r"sizes must be 1\.\.48, .*got \[30, 49\]"),
        (SEMI, {"sizes": [962]}, r"^sizes must be 1\.\.960, .*got \[962\]"),
        (INTRO, {"task": "x/y", "p": 9}, "division needs a prime modulus p, got 9"),
        (INTRO, {"task": "S_n: xy", "p": 6}, r"p is .* must be 2\.\.5, got 6"),
        (INTRO, {"task": "x*y", "p": 4}, "p must be 5 or more for x"),
        ("c_simulation", {"kappa": 2.5}, r"kappa must be in \(0, 2\), got 2.5"),
        (INTRO, {"task": "S_n: xy", "p": 4}, None),
        (INTRO, {"profile": "quick", "task": "x/y", "p": 37, "weight_decay": 2}, None),
        (RELATED, {"p": 7, "dataset_size": 48}, None),
        (SEMI, {"p": 7, "sizes": [30, 48], "epochs": 100, "seeds": 2}, None),
        ("03_ingredients", {"w_gen": [0, 1], "kappa": 1}, None),
    ],
    ids=str,
)
def test_values_that_do_not_fit_together_are_refused_and_those_that_do_pass(name, given, says):
    with pytest.raises(ValueError, match=says) if says else nullcontext():
        check(f"chapters/{name}", **given)


def test_an_undeclared_name_is_an_error():
    with pytest.raises(ValueError, match="unknown parameter 'x': there are profile, task"):
        parameters.check(x=1)


def test_the_table_says_of_every_parameter_what_it_may_be():
    table = parameters.parameter_table()
    for name, declared in PARAMETERS.items():
        cells = f"<code>{name}</code></td><td>{declared.meaning}</td><td>{declared.allowed}"
        assert indexed(cells) in table
    assert PARAMETERS["sizes"].allowed.startswith("a list of 1 to 50 different whole numbers, each")
