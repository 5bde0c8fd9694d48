"""Searches with and without simulations on the way: the best that each finds, simulated.

    python validation/bench_fidelities.py [RUN ...] [--seeds 5] [--population 24]
        [--generations 16] [--samples 10000] [--every 4] [--simulate 3] [--mappings 4] [--workers 1]

RUN is a run file or a run that ships (``poster`` when left out). Every seed searches with the same
number of evaluations three times:

* ``closed``: closed forms only, the best ``rescore.top`` designs are simulated at the end;
* ``late``: the same search, but as many more designs simulated at the end as the calibrated search
  simulates on its way: the fair use of as many simulations;
* ``on the way``: with ``calibration``.

Told are the least simulated loss of each, the ratios to ``on the way`` with their geometric means,
the error of closed forms and corrected scores on designs before they were simulated, and evaluated
designs a second. Exit code 3 when ``on the way`` is worse than ``late`` on the geometric mean.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from math import exp, log
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from arraysmith.arch.errors import ArraysmithError
from arraysmith.search.explore import Silence
from arraysmith.search.run import Calibration, Run
from arraysmith.search.run_file import load_run
from arraysmith.search.runner import run_search
from arraysmith.sim.tables import text_table


class Clock(Silence):
    """A progress that measures the stage ``search``.

    Attributes:
        seconds: it took.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._begun: float | None = None

    def stage(self, name: str, total: int | None, unit: str) -> None:
        """Begin or end the measurement."""
        del total, unit
        now = time.monotonic()
        if self._begun is not None:
            self.seconds += now - self._begun
        self._begun = now if name == "search" else None


@dataclass(frozen=True)
class Outcome:
    """What one seed found: least simulated losses, and evaluated designs a second."""

    closed: float
    late: float
    on_the_way: float
    rate_without: float
    rate_with: float
    closed_error: float | None
    corrected_error: float | None
    simulated: int


def shortened(ref: str, seed: int, population: int, generations: int, samples: int) -> Run:
    """Return a run without what does not matter here, and with less effort."""
    run = load_run(ref, seed=seed)
    effort = {"population": population, "generations": generations}
    settings = run.settings.model_copy(update=effort)
    mapper = replace(run.mapper, samples=samples, refine=0, prove=0)  # of closed forms alone
    return replace(run, settings=settings, mapper=mapper, rivals=(), values_macs=0, traces="none")


def searched(run: Run, workers: int) -> tuple[dict[str, Any], float]:
    """Return (result, evaluated designs a second) of a search."""
    clock = Clock()
    with TemporaryDirectory() as folder:
        document = run_search(run, Path(folder) / "out", workers=workers, progress=clock)
    return document, document["effort"]["evaluations"] / clock.seconds


def compared(run: Run, calibration: Calibration, workers: int) -> Outcome:
    """Return what a run finds with and without simulations on the way."""
    found, rate_with = searched(replace(run, calibration=calibration), workers)
    told = found["calibration"]
    more = run.top + told["simulated"]
    blind, rate_without = searched(replace(run, calibration=None, top=more), workers)
    by_closed = sorted(blind["top"], key=lambda x: x["loss"])
    return Outcome(
        closed=min(x["cycle_loss"] for x in by_closed[: run.top]),
        late=blind["top"][0]["cycle_loss"],
        on_the_way=found["top"][0]["cycle_loss"],
        rate_without=rate_without,
        rate_with=rate_with,
        closed_error=told["errors"]["closed"],
        corrected_error=told["errors"]["corrected"],
        simulated=told["simulated"],
    )


def mean_ratio(pairs: list[tuple[float, float]]) -> float:
    """Return the geometric mean of first / second."""
    return exp(sum(log(x / y) for x, y in pairs) / len(pairs))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", default=["poster"], metavar="RUN")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--population", type=int, default=24)
    parser.add_argument("--generations", type=int, default=16)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--simulate", type=int, default=3)
    parser.add_argument("--mappings", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    calibration = Calibration(
        arguments.every, arguments.simulate, 1, arguments.mappings, most_steps=100_000
    )
    worse = False
    for ref in arguments.runs:
        outcomes, rows = [], []
        for seed in range(1, arguments.seeds + 1):
            try:
                effort = (arguments.population, arguments.generations, arguments.samples)
                run = shortened(ref, seed, *effort)
                found = compared(run, calibration, arguments.workers)
            except ArraysmithError as error:
                print(error, file=sys.stderr)
                return 2
            outcomes.append(found)
            rows.append(
                (
                    str(seed),
                    *(f"{x:.4g}" for x in (found.closed, found.late, found.on_the_way)),
                    f"{found.closed / found.on_the_way:.3f}",
                    f"{found.late / found.on_the_way:.3f}",
                    str(found.simulated),
                    _percent(found.closed_error),
                    _percent(found.corrected_error),
                    f"{found.rate_without:,.0f}",
                    f"{found.rate_with:,.0f}",
                )
            )
            print(f"{ref}, seed {seed} done", file=sys.stderr)
        heads = ("seed", "closed", "late", "on the way", "closed/way", "late/way", "simulated")
        errors = ("closed forms off", "corrected off", "designs/s without", "with")
        unit = f"{run.objective.name}, {run.objective.unit}"
        evaluated = arguments.population * arguments.generations
        print(f"{ref}: least simulated {unit}, {evaluated:,} designs asked for")
        print(text_table((*heads, *errors), rows))
        closed = mean_ratio([(x.closed, x.on_the_way) for x in outcomes])
        late = mean_ratio([(x.late, x.on_the_way) for x in outcomes])
        print(f"geometric means: closed / on the way {closed:.3f}, late / on the way {late:.3f}\n")
        worse = worse or late < 1
    return 3 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
