"""The commands of varma2023: list the experiments, train them, export and verify results."""

import argparse
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial

from grokkit import __version__
from grokkit.commands import DEVICE, STORE, exit_status
from grokkit.engine.trainer import resolve_device
from grokkit.store.files import Damaged, listed, read_checked
from grokkit.store.store import Store
from varma2023 import estimate, experiments, retrain
from varma2023.engine.measured import read
from varma2023.profiles import PROFILES, one_of

NO_RESULTS = (
    "An installed package has no results: set GROKKIT_RESULTS to the folder `results` of a copy of "
    "the repository, or train anew."
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="varma2023", description=__doc__)
    parser.add_argument("--store", help=STORE)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--store", help=STORE, default=argparse.SUPPRESS)
    names, sizes = ", ".join(experiments.EXPERIMENTS), ", ".join(PROFILES)
    two = f"{sizes}; default: the first two, since `paper` has thousands of runs"
    stop = "stop at a checkpoint after so many minutes"
    dask = "Dask scheduler: tcp://host:port, or local:N for N processes here"
    key = "key of a run, or its first digits; `varma2023 run` prints keys"
    for takers, option, how in (
        ("list run retrain", "--device", {"default": "auto", "help": DEVICE}),
        ("run", "experiment", {"help": f"{names}; or all"}),
        ("export", "experiment", {"help": names}),
        ("run", "--profile", {"default": "published", "help": sizes}),
        ("run", "--seeds", {"type": int, "help": "how many, instead of the profile's"}),
        ("list", "--profile", {"help": two}),
        ("list", "--json", {"action": "store_true", "help": "as JSON, for programs"}),
        ("retrain", "key", {"nargs": "+", "help": key}),
        ("run", "--minutes", {"type": positive_number, "default": math.inf, "help": stop}),
        ("run", "--scheduler", {"help": dask}),
        ("run", "--quiet", {"action": "store_true", "help": "show no progress"}),
    ):
        for name in takers.split():
            commands.choices[name].add_argument(option, **how)
    return parser


def positive_number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text}")
    return value


def _list(store: Store, args: argparse.Namespace) -> None:
    where = resolve_device(args.device)
    machine, rows = None, []
    for name, experiment in experiments.EXPERIMENTS.items():
        for size in PROFILES[:2] if args.profile is None else (args.profile,):
            stored, left = experiments.inventory(experiment.runs(size), store)
            begun = seconds = None
            if left:
                machine = machine or estimate.measure(where)
                begun = sum(left.values()) / sum(run.epochs for run in left)
                seconds = estimate.seconds(left, machine)
            row = (name, size, stored + len(left), stored, len(left))
            rows.append((*row, begun, seconds, experiment.figures))
    head = ("experiment", "profile", "runs", "stored", "missing", "begun", "time", "figures")
    if args.json:  # begun is a share, time in seconds; both null where nothing is missing
        print(json.dumps([dict(zip(head, row, strict=True)) for row in rows], indent=1))
        return
    width = max(map(len, (*experiments.EXPERIMENTS, head[0])))
    line = f"{{:{width}}} {{:10}} {{:>6}} {{:>7}} {{:>8}} {{:>6}} {{:>10}}  {{}}".format
    print(line(*head))
    for *columns, begun, seconds, figures in rows:
        time = "" if seconds is None else estimate.duration(seconds)
        print(line(*columns, "" if begun is None else f"{begun:.0%}", time, figures).rstrip())
    if machine:
        print(f"time: {machine}")


def _run(store: Store, args: argparse.Namespace) -> None:
    store.path.mkdir(parents=True, exist_ok=True)  # or say so before anything is looked up
    names = experiments.EXPERIMENTS if args.experiment == "all" else [args.experiment]
    profile = one_of("profile", args.profile, PROFILES)
    wanted = map(experiments.experiment, names)
    runs = [run for each in wanted for run in each.runs(profile, args.seeds)]
    if not runs:
        print(f"{args.experiment} has no runs of this profile and number of seeds", file=sys.stderr)
    how = {"minutes": args.minutes, "scheduler": args.scheduler, "progress": not args.quiet}
    for record in experiments.load_or_train(runs, store, args.device, **how):
        # trained on every example there is no test set
        of = "test" if "test_accuracy" in record.metrics else "train"
        accuracy = f"{of} accuracy {record.final(f'{of}_accuracy'):.3f}"
        print(f"{record.run.key}  {record.run}  {accuracy}  {record.ended}".rstrip())


def _export(store: Store, args: argparse.Namespace) -> None:
    print(store.export(args.experiment, experiments.experiment(args.experiment).runs("published")))


def _verify(store: Store, args: argparse.Namespace) -> int:
    if store.shipped is None:
        raise ValueError("GROKKIT_RESULTS is not set or is nothing: there are no results to verify")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        shipped = [*store.shipped_rows()]  # the weights of each, though runs stand in several files
    damaged = [str(warning.message) for warning in found]

    def sound(check: Callable[[], object]) -> bool:
        try:
            check()
        except (Damaged, OSError) as error:
            damaged.append(str(error))
            return False
        return True

    measurements = listed(store.shipped / "benchmarks", "*.json")
    measured = sum(sound(partial(read, path)) for path in measurements)
    moments = listed(store.shipped / "moments", "*.safetensors")
    drawn = sum(sound(partial(read_checked, path)) for path in moments)
    whole = sum(not record.weights_path or sound(record.weights) for record in shipped)
    for text in damaged:
        print(text, file=sys.stderr)
    whole_ones = f"{whole} records, {measured} measurements and {drawn} networks' moments"
    print(f"{whole_ones} of {store.shipped} are whole")
    return 1 if damaged or not whole else 0


def _retrain(store: Store, args: argparse.Namespace) -> int:
    records = [retrain.find(store, key) for key in args.key]  # all of them, before any is trained
    agree = True
    for record in records:
        found = retrain.retrain(record, store, args.device)
        print(found)
        agree &= found.agrees
    return 0 if agree else 1


COMMANDS: dict[str, tuple[Callable[[Store, argparse.Namespace], int | None], str]] = {
    "list": (_list, "experiments: what is stored, what is missing, and how long to train it here"),
    "run": (_run, "train the missing runs of one experiment, or of all"),
    "export": (_export, "copy an experiment into the shipped results, or $GROKKIT_RESULTS"),
    "verify": (_verify, "check every shipped record and its weights"),
    "retrain": (_retrain, "train shipped runs again from nothing, and compare"),
}


def _called(args: argparse.Namespace) -> int:
    store = Store(args.store)
    if store.shipped is None and "GROKKIT_RESULTS" not in os.environ:
        print(NO_RESULTS, file=sys.stderr)
    command, _ = COMMANDS[args.command]
    return command(store, args) or 0


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 out of time, or results damaged or not the same, 2 bad arguments or
    what the message says, 130 Ctrl-C."""
    args = _parser().parse_args(argv)
    return exit_status(lambda: _called(args), args.command in ("run", "retrain"))
