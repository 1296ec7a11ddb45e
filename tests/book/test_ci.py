"""The end of .ci/run: what ran, counted from the test runner's report."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GPU = '<testcase classname="t" name="gpu"><skipped message="needs a CUDA device"/></testcase>'
NODE = '<testcase classname="t" name="node"><skipped message="needs node"/></testcase>'
GOOD = '<testcase classname="t" name="good"/>'
BAD = '<testcase classname="t" name="bad"><failure/></testcase>'
BROKEN = '<testcase classname="t" name="broken"><error/></testcase>'
TORN_DOWN = '<testcase classname="t" name="good"><error/></testcase>'  # good's own second entry


REPORTING = 'case "$*" in *REPORT*) echo "%s" >build/tests.xml;; esac\n'
ENDS = [
    ("", "", 1, "0 passed, 0 failed, 0 skipped"),
    (GOOD, "", 0, "1 passed, 0 failed, 0 skipped"),
    (GOOD + GPU, "", 0, "1 passed, 0 failed, 1 skipped"),
    (GOOD + BAD + BROKEN, "", 1, "1 passed, 2 failed, 0 skipped"),
    (GOOD + TORN_DOWN, "", 1, "0 passed, 1 failed, 0 skipped"),
    (GOOD + NODE, "", 1, "1 passed, 0 failed, 1 skipped"),
    (GPU, "", 1, "0 passed, 0 failed, 1 skipped"),
    (GOOD, "lint", 7, "0 passed, 0 failed, 0 skipped"),
    (GOOD + BAD, "test", 7, "1 passed, 1 failed, 0 skipped"),
    (GOOD, "quick", 7, "1 passed, 0 failed, 0 skipped"),
]


@pytest.mark.parametrize(("cases", "failing", "status", "line"), ENDS)
def test_a_run_ends_with_the_tally_whatever_fails(tmp_path, cases, failing, status, line):
    """With a `make` that writes a report at the tests, and fails at one target."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "tests.xml").write_text(f"<a>{BAD}</a>")  # of an earlier run
    tools, environment = tmp_path / "tools", tmp_path / ".venv/bin"
    tools.mkdir()
    environment.mkdir(parents=True)
    report = f"<a>{cases}</a>".replace('"', '\\"') if cases else ""
    make = REPORTING % report + f'test "$1" != "{failing}" || exit 7\n'
    for path, text in ((tools / "make", make), (environment / "python", "")):  # finds a browser
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    run = subprocess.run([tmp_path / ".ci/run"], capture_output=True, text=True, env={"PATH": path})
    assert run.stdout.splitlines()[-1] == line, run.stderr
    assert run.returncode == status
    assert ("t::node: needs node" in run.stdout) == (NODE in cases)
    assert run.stdout.endswith("\n")
    assert len(re.findall(r"^\d+ passed, ", run.stdout, re.MULTILINE)) == 1
