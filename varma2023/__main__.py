"""`python -m grokkit`: list the experiments, train them, export and verify results, tidy up."""

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # while torch is imported, Ctrl-C ends the process at once and without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import sys
import warnings
from collections.abc import Sequence

from grokkit.engine.trainer import resolve_device
from grokkit.runs import Run
from grokkit.store.files import Damaged, listed
from grokkit.store.store import Store
from grokkit.sweeps import estimate, retrain
from varma2023 import experiments
from varma2023.engine.measured import read
from varma2023.profiles import PROFILES, check_profile

INTERRUPTED = 130  # the exit status that shells expect after Ctrl-C
COMMANDS = {
    "list": "experiments: what is stored, what is missing, and how long that takes here",
    "run": "train what is missing of an experiment, or of all",
    "export": "copy an experiment's records and weights into the package's results",
    "verify": "check every shipped record and its weights",
    "retrain": "train shipped runs again from nothing, and compare",
    "gc": "delete from the store what no run needs any more",
}


def _parser() -> argparse.ArgumentParser:
    where = "writable store (default: $GROKKIT_STORE or ~/.cache/grokkit)"
    parser = argparse.ArgumentParser(prog="python -m grokkit", description=__doc__)
    parser.add_argument("--store", help=where)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--store", help=where, default=argparse.SUPPRESS)
    for name in ("list", "run", "retrain"):
        commands.choices[name].add_argument(
            "--device", default="auto", help="auto, cpu, cuda, cuda:1, … or mps"
        )
    for name in ("run", "export"):
        command = commands.choices[name]
        command.add_argument(
            "experiment",
            help=", ".join(experiments.EXPERIMENTS) + ("; or all" if name == "run" else ""),
        )
        command.add_argument("--profile", default="published", help=", ".join(PROFILES))
        command.add_argument("--seeds", type=int, help="so many, instead of the profile's")
    commands.choices["list"].add_argument(
        "--profile",
        help=f"{', '.join(PROFILES)}; default: the first two, for `paper` has thousands of runs",
    )
    commands.choices["retrain"].add_argument(
        "key", nargs="+", help="of a run, or how it begins; `run` prints the keys"
    )
    run = commands.choices["run"]
    run.add_argument(
        "--minutes", type=_positive, default=float("inf"), help="stop at a checkpoint after these"
    )
    run.add_argument(
        "--scheduler", help="of Dask: tcp://host:port, or local:N for N processes here"
    )
    run.add_argument("--quiet", action="store_true", help="no progress")
    commands.choices["gc"].add_argument(
        "--damaged", action="store_true", help="also what was set aside as damaged"
    )
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be positive, got {text}")
    return value


def _list(store: Store, device: str, profile: str | None) -> None:
    profiles = PROFILES[:2] if profile is None else (profile,)
    check_profile(profiles[0])
    where = resolve_device(device)
    machine = None
    head = ("experiment", "profile", "runs", "stored", "missing", "begun", "time", "figures")
    width = max(map(len, (*experiments.EXPERIMENTS, head[0])))
    line = f"{{:{width}}} {{:10}} {{:>6}} {{:>7}} {{:>8}} {{:>6}} {{:>10}}  {{}}".format
    print(line(*head))
    for name, experiment in experiments.EXPERIMENTS.items():
        for size in profiles:
            have = experiments.inventory(experiment.runs(size), store)
            begun = time = ""
            if have.missing:
                machine = machine or estimate.measure(where)
                left = estimate.seconds(have.left, machine)
                begun, time = f"{have.begun:.0%}", estimate.duration(left)
            runs = have.stored + have.missing
            columns = (runs, have.stored, have.missing, begun, time, experiment.figures)
            print(line(name, size, *columns).rstrip())
    if machine:
        print(f"time: {machine}")


def _runs(name: str, profile: str, seeds: int | None) -> list[Run]:
    chosen = experiments.EXPERIMENTS if name == "all" else [name]
    return [run for each in chosen for run in experiments.experiment(each).runs(profile, seeds)]


def _run(args: argparse.Namespace, store: Store) -> None:
    store.path.mkdir(parents=True, exist_ok=True)  # or say so before anything is looked up
    records = experiments.load_or_train(
        _runs(args.experiment, args.profile, args.seeds),
        store,
        args.device,
        progress=not args.quiet,
        minutes=args.minutes,
        scheduler=args.scheduler,
    )
    for record in records:
        # trained on every example there is no test set
        of = "test" if "test_accuracy" in record.metrics else "train"
        accuracy = f"{of} accuracy {record.final(f'{of}_accuracy'):.3f}"
        print(f"{record.run.key}  {record.run}  {accuracy}  {record.ended}".rstrip())


def _verify(store: Store) -> int:
    if store.shipped is None:
        raise ValueError("GROKKIT_RESULTS is set to nothing, so there are no results to verify")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        shipped = store.shipped_records()
    damaged, whole, measured = [str(warning.message) for warning in found], 0, 0
    for path in listed(store.shipped / "benchmarks", "*.json"):
        try:
            read(path)
            measured += 1
        except (Damaged, OSError) as error:
            damaged.append(str(error))
    for record in shipped:
        try:
            if record.weights_path:
                record.weights()
            whole += 1
        except (Damaged, OSError) as error:
            damaged.append(str(error))
    for text in damaged:
        print(text, file=sys.stderr)
    print(f"{whole} records and {measured} measurements of {store.shipped} are whole")
    return 1 if damaged or not whole else 0


def _retrain(store: Store, keys: Sequence[str], device: str) -> int:
    records = [retrain.find(store, key) for key in keys]  # all of them, before any is trained
    agree = True
    for record in records:
        found = retrain.retrain(record, store, device)
        print(found)
        agree &= found.agrees
    return 0 if agree else 1


def _collect(store: Store, damaged: bool) -> None:
    removed = store.collect_garbage(damaged)
    for path in removed:
        print(path.relative_to(store.path))
    print(f"{len(removed)} files deleted from {store.path}")


def _dispatch(args: argparse.Namespace) -> int:
    store = Store(args.store)
    if args.command == "list":
        _list(store, args.device, args.profile)
    elif args.command == "run":
        _run(args, store)
    elif args.command == "export":
        runs = experiments.experiment(args.experiment).runs(args.profile, args.seeds)
        print(store.export(args.experiment, runs))
    elif args.command == "retrain":
        return _retrain(store, args.key, args.device)
    elif args.command == "gc":
        _collect(store, args.damaged)
    else:
        return _verify(store)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 out of time, or results damaged or not the same, 2 bad arguments or
    what the message says, 130 Ctrl-C."""
    stopped = "stopped"
    try:
        args = _parser().parse_args(argv)
        if args.command == "run":
            stopped = "stopped at a checkpoint; the same command continues"
        return _dispatch(args)
    except TimeoutError as error:
        print(error, file=sys.stderr)
        return 1
    except (ValueError, OSError, ModuleNotFoundError, FloatingPointError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return INTERRUPTED


def sigterm_is_ctrl_c() -> None:
    """What batch systems send some seconds before the end stops at a checkpoint too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # all is imported
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


if __name__ == "__main__":
    sigterm_is_ctrl_c()
    raise SystemExit(main())
