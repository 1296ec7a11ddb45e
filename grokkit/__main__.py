"""Train small networks and look at them: a demo, single runs, a tidy store."""

import argparse
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from grokkit import __version__

STORE = "writable store (default: $GROKKIT_STORE or ~/.cache/grokkit)"


def _demo(args: argparse.Namespace) -> int:
    from grokkit.demo import demo

    if not args.page.parent.is_dir():
        raise ValueError(f"--page must lie in a folder that exists, got {args.page}")
    args.page.write_text(demo(), encoding="utf-8")
    print(f"both curves: {args.page}")
    return 0


def _train_options(parser: argparse.ArgumentParser) -> None:
    from dataclasses import MISSING, fields

    from grokkit.model import ModelConfig
    from grokkit.runs import Run

    for item in (*fields(Run), *fields(ModelConfig)):
        if item.default is MISSING or item.name == "init":
            continue
        option = f"--{item.name.replace('_', '-')}"
        if item.type is bool:
            parser.add_argument(option, action="store_true")
        else:
            kind = item.type if isinstance(item.type, type) else str
            parser.add_argument(option, type=kind, default=item.default, help="%(default)s")
    parser.add_argument("--store", help=STORE)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … or mps")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def _train(args: argparse.Namespace) -> int:
    from grokkit.model import ModelConfig
    from grokkit.runs import Run
    from grokkit.store.store import Store
    from grokkit.sweeps.local import train

    values = vars(args)
    model, own = (
        {name: values[name] for name in kind.__dataclass_fields__ if name in values}
        for kind in (ModelConfig, Run)
    )
    store = Store(args.store)
    store.path.mkdir(parents=True, exist_ok=True)
    [record] = train([Run(**own, model=ModelConfig(**model))], store, args.device, not args.quiet)
    print(f"{record.run.key}  {record.run}")
    for name in record.metrics:
        print(f"{name:18} {record.final(name):.6g}")
    return 0


def _gc(args: argparse.Namespace) -> int:
    from grokkit.store.store import Store

    store = Store(args.store)
    removed = store.collect_garbage(args.damaged)
    for path in removed:
        print(path.relative_to(store.path))
    print(f"{len(removed)} files deleted from {store.path}")
    return 0


def parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The options; those of `train` are the fields of `Run`, looked up only if it is asked for."""
    made = argparse.ArgumentParser(prog="grokkit", description=__doc__)
    made.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = made.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="one small network groks and un-groks, in a minute")
    page = Path("grokkit-demo.html")
    demo.add_argument("--page", type=Path, default=page, help="where the curves go: %(default)s")
    demo.set_defaults(call=_demo)
    train = commands.add_parser("train", help="one network; every field of a run is an option")
    if "train" in argv:
        _train_options(train)
    train.set_defaults(call=_train)
    gc = commands.add_parser("gc", help="delete from the store what no run needs any more")
    gc.add_argument("--store", help=STORE)
    gc.add_argument("--damaged", action="store_true", help="also what was set aside as damaged")
    gc.set_defaults(call=_gc)
    return made


def exit_status(call: Callable[[], int], stopped: str = "stopped") -> int:
    """What `call` returns; 1 out of time, 2 an error, 130 Ctrl-C, each said in a line."""
    try:
        return call()
    except (ValueError, OSError, ModuleNotFoundError, FloatingPointError) as error:
        print(error, file=sys.stderr)
        return 1 if isinstance(error, TimeoutError) else 2
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return 130  # which shells expect after Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 2 bad arguments or what the message says, 130 Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser(argv).parse_args(argv)
    kept = args.command == "train"
    stopped = "stopped at a checkpoint; the same command continues" if kept else "stopped"
    return exit_status(lambda: args.call(args), stopped)


def loaded(module: str) -> Any:
    """The module, imported for a command; torch is what takes time.

    Meanwhile Ctrl-C ends the process at once, without a traceback. From then on it stops at a
    checkpoint, as does SIGTERM, which batch systems send some seconds before the end.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    found = import_module(module)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    return found


def script() -> int:
    """The installed command."""
    loaded("grokkit.sweeps.local")
    return main()


if __name__ == "__main__":
    raise SystemExit(script())
