"""The last line of .ci/run, `N passed, N failed, N skipped`, from the test runner's own report.

    python3 .ci/tally.py build/tests.xml

The exit status is 1 if no test ran, one failed, or one was skipped for want of anything but a GPU.
"""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

ALLOWED = "needs a CUDA device"  # the one reason to skip a test in CI
WORST = ("failed", "skipped", "passed")  # of a test with several entries the worst counts


def outcome(case: ElementTree.Element) -> tuple[str, str]:
    """One of `WORST`, and the reason if it was skipped."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed", ""
    skip = case.find("skipped")
    return ("passed", "") if skip is None else ("skipped", skip.get("message", ""))


def main(report: Path) -> int:
    """Print what ran; the exit status."""
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))
    except (OSError, ElementTree.ParseError):  # the tests never ran, or not to their end
        cases = []
    found: dict[str, str] = {}
    wrong = []
    for case in cases:
        name = f"{case.get('classname')}::{case.get('name')}"
        here, reason = outcome(case)
        found[name] = min(here, found.get(name, here), key=WORST.index)
        if here == "skipped" and ALLOWED not in reason:
            wrong.append(f"skipped, which CI allows for want of a GPU only: {name}: {reason}")
    print(*wrong, sep="\n", end="\n" * bool(wrong))
    n = Counter(found.values())
    print(f"{n['passed']} passed, {n['failed']} failed, {n['skipped']} skipped")
    return int(bool(wrong) or n["failed"] > 0 or n["passed"] == 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
