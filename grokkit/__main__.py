"""`python -m grokkit`: list the experiments, run one, export its results, verify what ships."""

import argparse
import sys

from grokkit import experiments
from grokkit.store import SHIPPED, Store
from grokkit.sweep import with_inits


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m grokkit", description=__doc__)
    parser.add_argument(
        "--store", help="writable store (default: $GROKKIT_STORE or ~/.cache/grokkit)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="experiments, with how many of their runs are stored")
    for name, text in (
        ("run", "train what is missing of an experiment"),
        ("export", "copy an experiment's records and weights into the package's results"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("experiment")
        command.add_argument("--profile", default="published")
    run = commands.choices["run"]
    run.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    run.add_argument("--minutes", type=float, default=float("inf"), help="stop cleanly after")
    run.add_argument("--seeds", type=int)
    commands.add_parser("verify", help="check every shipped record and its weights")
    return parser


def _list(store: Store) -> None:
    head = ("experiment", "profile", "stored", "missing", "epochs left", "figures")
    print("{:12} {:10} {:>7} {:>8} {:>13}  {}".format(*head))
    for name, experiment in experiments.EXPERIMENTS.items():
        for profile in experiments.PROFILES:
            have = experiments.inventory(experiment.runs(profile), store)
            print(
                f"{name:12} {profile:10} {have.stored:7} {have.missing:8} "
                f"{have.missing_epochs:13,}  {experiment.figures}"
            )


def _verify() -> int:
    shipped = Store("/nonexistent", SHIPPED).shipped_records()
    for record in shipped:
        if record.weights_path:
            record.weights()
    print(f"{len(shipped)} shipped records are whole")
    return 0 if shipped else 1


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 time was up or nothing verified, 2 bad arguments."""
    args = _parser().parse_args(argv)
    store = Store(args.store)
    if args.command == "list":
        _list(store)
        return 0
    if args.command == "verify":
        return _verify()
    try:
        make = experiments.experiment(args.experiment).runs
        runs = make(args.profile, **({"seeds": args.seeds} if args.command == "run" else {}))
        if args.command == "export":
            print(store.export(args.experiment, [r for g in with_inits(runs) for r in g]))
            return 0
        records = experiments.records(runs, store, args.device, minutes=args.minutes)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except TimeoutError as error:
        print(error, file=sys.stderr)
        return 1
    for record in records:
        print(f"{record.run.key}  {record.run}  test accuracy {record.final('test_accuracy'):.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
