"""Train small networks and look at them: a demo, single runs, a tidy store."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from inspect import getsource
from pathlib import Path
from typing import Any

from grokkit import __version__
from grokkit.demo import demo
from grokkit.model import ModelConfig
from grokkit.runs import TEXTS, Run
from grokkit.store.store import Store
from grokkit.sweeps.local import train

STORE = "folder where runs are stored (default: $GROKKIT_STORE or ~/.cache/grokkit)"
DEVICE = "auto, cpu, cuda, or cuda:1 ..."


def _demo(args: argparse.Namespace) -> int:
    if args.page.is_dir() or not args.page.parent.is_dir():
        raise ValueError(f"--page must be a file in a folder that is there, got {args.page}")
    args.page.write_text(demo(), encoding="utf-8")
    print(f"both curves: {args.page}")
    return 0


def _train(args: argparse.Namespace) -> int:
    model, own = (
        {name: v for name, v in vars(args).items() if name in kind.__dataclass_fields__}
        for kind in (ModelConfig, Run)
    )
    run = Run(**own, model=ModelConfig(**model))
    [record] = train(run, args.store, args.device, not args.quiet)
    print(f"{record.run.key}  {record.run}")
    for name in record.metrics:
        print(f"{name:18} {record.final(name):.6g}")
    return 0


def _gc(args: argparse.Namespace) -> int:
    store = Store(args.store)
    for path in (removed := store.collect_garbage(args.damaged)):
        print(path.relative_to(store.path))
    print(f"{len(removed)} files deleted from {store.path}")
    return 0


def parser() -> argparse.ArgumentParser:
    """The options; those of `train` are the fields of `Run`."""
    made = argparse.ArgumentParser(prog="grokkit", description=__doc__)
    made.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = made.add_subparsers(dest="command", required=True)
    one = commands.add_parser("demo", help="one small network groks and ungroks, in a minute")
    one.add_argument("--page", type=Path, default="grokkit-demo.html", help="curves: %(default)s")
    one.set_defaults(call=_demo)
    one = commands.add_parser("train", help="one network; options are a run's fields but `init`")
    source = getsource(Run) + getsource(ModelConfig)
    said = dict(re.findall(r"^    (\w+): .*?  # (.+)$", source, re.MULTILINE))
    for item in (*fields(Run), *fields(ModelConfig)):
        if item.default is MISSING or item.name == "init":
            continue
        option = f"--{item.name.replace('_', '-')}"
        if item.type is bool:
            one.add_argument(option, action="store_true", help=said.get(item.name))
        else:
            how: dict[str, Any] = {"type": item.type, "choices": TEXTS.get(item.name)}
            what = f"{said.get(item.name, '')} (default: %(default)s)".lstrip()
            one.add_argument(option, default=item.default, help=what, **how)
    one.add_argument("--store", help=STORE)
    one.add_argument("--device", default="auto", help=DEVICE)
    one.add_argument("--quiet", action="store_true", help="show no progress")
    one.set_defaults(call=_train)
    one = commands.add_parser("gc", help="delete from the store what finished runs no longer need")
    one.add_argument("--store", help=STORE)
    one.add_argument("--damaged", action="store_true", help="also what was set aside as damaged")
    one.set_defaults(call=_gc)
    return made


def exit_status(call: Callable[[], int], trains: bool) -> int:
    """What `call` returns; 1 out of time, 2 an error, 130 Ctrl-C, each said in a line."""
    try:
        status = call()
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ModuleNotFoundError, FloatingPointError) as error:
        print(error, file=sys.stderr)
        return 1 if isinstance(error, TimeoutError) else 2
    except KeyboardInterrupt:
        kept = " at a checkpoint; the same command continues" if trains else ""
        print(f"stopped{kept}", file=sys.stderr)
        return 130  # which shells expect after Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 out of time, 2 bad arguments or what is said, 130 Ctrl-C."""
    args = parser().parse_args(argv)
    return exit_status(lambda: args.call(args), args.command == "train")
