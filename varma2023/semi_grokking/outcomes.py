"""The outcome of one run by a stated rule (choice C17), and the runs that show it best."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from grokkit.runs import Record, Run
from varma2023.analysis import PERFECT, Summary, described, train_fits, value_at
from varma2023.statistics import Interval, bootstrap, by_seed
from varma2023.tables import html_table

NONE, UNDER_WAY, SEMI, TRANSIENT, FULL = (
    "no generalisation",
    "under way",
    "semi-grokked",
    "plateau, then full",
    "full",
)
OUTCOMES = (NONE, UNDER_WAY, SEMI, TRANSIENT, FULL)
MARGIN = 0.1  # of test accuracy above what mirror images explain; this and all below: choice C17
BAND = 0.1  # within which test accuracy stays on a plateau
DECAY_TIMES, SHARE = 5, 0.1  # a plateau lasts so many 1 / (lr lambda), and such a part of the run
SMOOTH = 5  # evaluations, of which the median is taken: a plateau may have spikes
DELAY = 2  # a plateau is delayed if it starts after so many times the epochs to fit
AT_ONCE = 2  # the norm falls so many times faster as a plateau ends than on it


def low(run: Run) -> float:
    """The test accuracy above which a network has begun to generalise."""
    return run.mirror_share + MARGIN


def smoothed(record: Record) -> Float[np.ndarray, " log"]:
    """Test accuracy, the median of `SMOOTH` evaluations around each."""
    padded = np.pad(record["test_accuracy"], SMOOTH // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTH), axis=-1)


@dataclass(frozen=True)
class Plateau:
    """A stretch of epochs over which test accuracy stays in the middle, within `BAND`."""

    start: int
    end: int
    level: float  # its median
    lasting: bool  # long enough, and late enough, to count

    @property
    def epochs(self) -> int:
        """How long it lasts."""
        return self.end - self.start

    def text(self) -> str:
        """ "0.55 from epoch 8,000 to 18,000"."""
        return f"{self.level:.2f} from epoch {self.start:,} to {self.end:,}"


def _stretches(values: Float[np.ndarray, " log"], bottom: float) -> list[tuple[int, int]]:
    """By last row in the middle: from which first row on all values are there and in one band."""
    found, first = [], 0
    for last, value in enumerate(values):
        if not bottom < value <= PERFECT:
            first = last + 1
            continue
        while np.ptp(values[first : last + 1]) > BAND:
            first += 1
        found.append((first, last))
    return found


def plateau(record: Record, at_end: bool = False) -> Plateau | None:
    """The longest plateau of a run, or the one that it ends on; None if it has none at all."""
    values, run, fits, epoch = smoothed(record), record.run, train_fits(record), record["epoch"]
    earliest = DELAY * fits.epoch if fits else np.inf
    least = max(DECAY_TIMES * run.decay_time, SHARE * run.epochs)
    best: tuple[bool, int, int, int] | None = None
    for first, last in _stretches(values, low(run)):
        if at_end and last < len(values) - 1:
            continue
        start, long = int(epoch[first]), int(epoch[last] - epoch[first])
        each = (start >= earliest and long >= least, long, first, last)
        best = each if best is None or each[:2] > best[:2] else best
    if best is None:
        return None
    lasting, _, first, last = best
    level = float(np.median(values[first : last + 1]))
    return Plateau(int(epoch[first]), int(epoch[last]), level, lasting)


def outcome(record: Record) -> str:
    """Which of `OUTCOMES` a run has, by its test accuracy (choice C17).

    At the end above 0.95: full, after a lasting plateau or without. At the end in the middle:
    semi-grokked on a lasting plateau, else under way. Otherwise no generalisation.
    """
    end = float(smoothed(record)[-1])
    if end <= low(record.run):
        return NONE
    here = plateau(record, at_end=end <= PERFECT)
    waits = here is not None and here.lasting
    if end <= PERFECT:
        return SEMI if waits else UNDER_WAY
    return TRANSIENT if waits else FULL


def counts(records: Sequence[Record], kind: Callable[[Record], str] = outcome) -> dict[str, int]:
    """How many runs have each outcome, or of the minimiser's ends: each `end_kind`."""
    found = Counter(map(kind, records))
    return {each: found[each] for each in OUTCOMES}


def counts_text(records: Sequence[Record], kind: Callable[[Record], str] = outcome) -> str:
    """ "3 semi-grokked, 10 full": `counts` without those that no run has."""
    return ", ".join(f"{n} {name}" for name, n in counts(records, kind).items() if n) or "none"


def share_of(records: Sequence[Record], wanted: str) -> Interval:
    """The share of runs with this outcome, with its interval over seeds."""

    seeds = [[outcome(record) == wanted for record in seed] for seed in by_seed(records)]

    def share(drawn: Sequence[Sequence[bool]]) -> float:
        return float(np.mean([has for seed in drawn for has in seed]))

    return bootstrap(seeds, share)


def standing(longer: Sequence[Record]) -> list[Record]:
    """Of the semi-grokked runs that were made once more, longer: those that stay (choice C17)."""
    return [record for record in longer if outcome(record) == SEMI]


def example(records: Sequence[Record]) -> Record:
    """The run to show for Fig. 1c: of the semi-grokked, the one that ends nearest the middle.

    Nearest the middle is: farthest from both ends of what counts as the middle. Where no run is
    semi-grokked, the nearest of all.
    """

    def how_clear(record: Record) -> tuple[bool, float]:
        end = float(smoothed(record)[-1])
        return outcome(record) == SEMI, min(end - low(record.run), PERFECT - end)

    return max(records, key=how_clear)


def moves_at_end(record: Record) -> float:
    """By how much test accuracy changes over the last tenth of the epochs."""
    start = value_at(record, "test_accuracy", 0.9 * record.run.epochs)
    return record.final("test_accuracy") - start


def ends_text(records: Sequence[Record], kind: str = SEMI) -> str:
    """The test accuracies at the end of the runs with this outcome; "none" of no runs."""
    here = [record for record in records if outcome(record) == kind]
    return ", ".join(f"{record.final('test_accuracy'):.2f}" for record in here) or "none"


def _end_text(record: Record) -> str:
    return f"{record.final('test_accuracy'):.2f} at {record.run.epochs:,}"


def stays_text(records: Sequence[Record]) -> str:
    """Where and since when the semi-grokked runs have stayed; "none" of no runs."""
    stays = [(r.run, plateau(r, at_end=True)) for r in records if outcome(r) == SEMI]
    each = [
        f"D = {run.dataset_size:,}, seed {run.seed}: {here.text()}" for run, here in stays if here
    ]
    return "; ".join(each) or "none"


def by_precision(again: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """The runs of `experiments.semi_grokking_again` that are longer, and those in float64."""
    halves: tuple[list[Record], list[Record]] = ([], [])
    for record in again:
        halves[record.run.precision == "float64"].append(record)
    return halves


def spreads_text(records: Sequence[Record], again: Sequence[Record]) -> str:
    """How far test accuracies of one network lie apart at one epoch: median and range; or "none".

    Those of the run in `records` at its end, of the one in float64 and of the longer one there.
    """
    first = _by_network(records)
    here = {name: [record.final("test_accuracy")] for name, record in first.items()}
    for record in again:
        name = _network(record.run)
        if name in first:
            here[name].append(value_at(record, "test_accuracy", first[name].run.epochs))
    spreads = [float(np.ptp(each)) for each in here.values() if len(each) > 1]
    return Summary.of(spreads).text(".2f") if spreads else "none"


def again_table(records: Sequence[Record], again: Sequence[Record]) -> str:
    """Whether semi-grokked runs stay: the same networks, trained once more from the beginning.

    By network: the end of the run in `records`, of the one in float64, the test accuracy of the
    longer one at that epoch and at its end, how far it moves over its last tenth, its outcome.
    """
    first = _by_network(records)
    longer, precise = map(_by_network, by_precision(again))
    rows = []
    for name, one in longer.items():
        ends = [_end_text(each[name]) if name in each else "not run" for each in (first, precise)]
        then = ""
        if name in first:
            then = f"{value_at(one, 'test_accuracy', first[name].run.epochs):.2f}"
        row = [f"{name.dataset_size:,}", str(name.seed), *ends, then, _end_text(one)]
        rows.append([*row, f"{moves_at_end(one):+.3f}", outcome(one)])
    head = ["D", "seed", "ends", "in float64", "the longer one, then", "and at its end"]
    return html_table([*head, "over its last tenth", "outcome"], rows)


def _network(run: Run) -> Run:
    """What runs of the same network and examples have in common: all but epochs and precision."""
    return replace(run, epochs=1, precision="float32")


def _by_network(records: Sequence[Record]) -> dict[Run, Record]:
    return {_network(record.run): record for record in records}


def in_words(records: Sequence[Record]) -> str:
    """What became of the clearest run, for a caption; "not run yet" of no runs."""
    if not records:
        return "not run yet"
    one = example(records)
    ends = f"ends at test accuracy {one.final('test_accuracy'):.2f} ({outcome(one)})"
    return f"{described([one])}, {ends}"


def transient_example(records: Sequence[Record]) -> Record:
    """The run to show for Fig. 6: of those with a plateau and then full, the longest plateau's.

    Where there is none, the run with the longest stretch in the middle.
    """

    def how_clear(record: Record) -> tuple[bool, int]:
        here = plateau(record)
        return outcome(record) == TRANSIENT, here.epochs if here else 0

    return max(records, key=how_clear)


@dataclass(frozen=True)
class Drop:
    """How the norm falls on a plateau and as it ends; rates are of log P in 1 / (lr lambda)."""

    on: float  # rate on the plateau
    after: float  # rate from its end until accuracy has been above 0.95 for one 1 / (lr lambda)
    before: float  # norm at the end of the plateau
    end: float  # norm at the end of that stretch

    @property
    def at_once(self) -> bool:
        """Whether the norm falls much faster as the plateau ends."""
        return self.after > AT_ONCE * max(self.on, 0.0) and self.end < self.before


def norm_drop(record: Record) -> Drop | None:
    """The fall of the norm as a plateau ends in full generalisation (Fig. 6); None without one."""
    here = plateau(record)
    if outcome(record) != TRANSIENT or here is None:
        return None
    epochs, time = record["epoch"], record.run.decay_time
    full = int(epochs[(smoothed(record) > PERFECT) & (epochs > here.end)][0])
    until = min(full + time, float(epochs[-1]))
    at = [value_at(record, "param_norm", epoch) for epoch in (here.start, here.end, until)]
    on = np.log(at[0] / at[1]) * time / here.epochs
    after = np.log(at[1] / at[2]) * time / (until - here.end)
    return Drop(float(on), float(after), at[1], at[2])


def norm_drops(records: Sequence[Record]) -> list[Drop]:
    """`norm_drop` of the runs that have one."""
    return [drop for drop in map(norm_drop, records) if drop is not None]


def drops_text(records: Sequence[Record]) -> str:
    """ "1 of 2": in how many of the `norm_drops` the norm falls at once."""
    drops = norm_drops(records)
    return f"{sum(drop.at_once for drop in drops)} of {len(drops)}"
