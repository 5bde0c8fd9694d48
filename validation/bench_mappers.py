"""Mappings evaluated per second: our analytical model, ZigZag and MAESTRO, on the same layers.

An evaluation says what a mapping costs: cycles and energy from the words of every memory, tensor
and direction, and whether it fits. Machine: off-chip memory, a buffer of 1 MiB, 16 x 16 MACs, each
with 1 KiB for all three tensors; every memory moves 16 words a cycle each way. Ours: random
mappings of the default setting, drawn before the clock starts, in batches. ZigZag: loop orders as
its own engine brings them, 16 output by 16 input channels side by side; the clock runs in its cost
model, and once more with the engine's share. MAESTRO: random tiles and orders of two levels of
directives, padding written into the input; one file with all, and a process each, as mappers on top
of it work.

Rates of one core are per second of CPU time, because the machine may be shared; those of two are
per second of wall-clock time, with the cores that they got beside it, and per two seconds of CPU
time, which is what two cores with nothing else to do would reach. Medians of some rounds; the sides
take turns. MACs that a tool counts otherwise than the layer has them are said: strides in MAESTRO.

    python validation/bench_mappers.py [--zigzag-python PATH] [--maestro BINARY]

PATH is a Python with ``zigzag-dse==3.9.1 six``, BINARY the ``maestro`` that its sources build to.
A tool that is not there, or does not run, is left out by name.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import plotly.graph_objects as go

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.problem import Problem, conv
from arraysmith.sim.tables import text_table
from arraysmith.traces.plots.style import PALETTE, figure
from arraysmith.validation.bench_counting import LAYERS, draw
from arraysmith.validation.mapper_peers import AbsentError, Theirs, maestro, zigzag
from arraysmith.validation.mapper_rates import CHUNK, Evaluator, Rate, drawn, machine_of, rate

WANTED = 1_000_000
"""Mappings a second that two cores shall evaluate, of the layers in ``SEVEN``."""

TIMES_ZIGZAG = 1000
"""Times ZigZag's evaluations per second and core that ours shall be."""

SEVEN = ("conv, 7 dims, padded", "conv, 7 dims")
SAME = (*SEVEN, "conv, 7 dims, stride 2, padded", "conv 1 x 1, 5 dims")
"""Layers that all sides evaluate."""

PEAK = """
import sys
from arraysmith.validation.bench_mappers import peak_bytes
print(peak_bytes(int(sys.argv[1]), int(sys.argv[2])))
"""
"""Evaluates mappings in a process of its own: how many, how many at a time."""

Measure = Callable[[Mapping[str, Problem], Architecture, int], dict[str, tuple[Theirs, ...]]]
"""Layers, machine, evaluations of each: another tool's rates by layer."""


def peak_bytes(number: int, batch: int) -> int:
    """Return the most memory that this process held, evaluating ``batch`` at a time."""
    problem, architecture = LAYERS[SEVEN[0]], machine_of(3)
    evaluator = Evaluator.of(architecture, problem)
    for i in range(0, number, batch):
        evaluator.scores(draw(architecture, problem, min(batch, number - i), seed=i))
    # Not ru_maxrss, which a child inherits from whoever started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM")) * 1024


def memory_table() -> str:
    """Return peak memory for growing batches, and for growing numbers in batches of one size."""
    if not Path("/proc/self/status").exists():
        return "memory: left out: this system has no /proc/self/status"
    rows, least = [], 0
    cases = [(1, 1), *((n, n) for n in (1 << p for p in (14, 15, 16, 17)))]
    cases += [(n, CHUNK) for n in (1 << p for p in (13, 15, 17))]
    for number, batch in cases:
        command = [sys.executable, "-c", PEAK, str(number), str(batch)]
        peak = int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        least = least or peak
        each = f"{(peak - least) / batch:,.0f}" if batch > 1 else ""
        rows.append((f"{number:,}", f"{batch:,}", f"{peak / 1e6:,.0f}", each))
    heads = ("mappings", "at a time", "peak MB", "bytes a mapping of the batch, start-up off")
    return text_table(heads, rows, labels=0)


class Comparison:
    """Rates of all sides, round by round.

    Attributes:
        counted: ours by layer and threads, words and tiles alone.
        scored: ours by layer and threads, with cycles, energy and fit.
        theirs: others' by layer, tool and what was measured.
    """

    def __init__(self) -> None:
        self.counted: dict[tuple[str, int], list[Rate]] = {}
        self.scored: dict[tuple[str, int], list[Rate]] = {}
        self.theirs: dict[tuple[str, str, str], list[Theirs]] = {}

    def run(self, options: argparse.Namespace, peers: dict[str, Measure]) -> None:
        """Take turns; a tool that does not run is taken out of ``peers``, and says why."""
        machine, layers = machine_of(3), {name: LAYERS[name] for name in SAME}
        chunks = {name: drawn(3, layers[name], options.mappings) for name in SAME}
        for _ in range(options.rounds):
            for name in SAME:
                evaluator = Evaluator.of(machine, layers[name])
                evaluator.scores(chunks[name][0])  # compiled and loaded
                for threads in (1, 2):
                    for rates, evaluate in (
                        (self.counted, evaluator.counts),
                        (self.scored, evaluator.scores),
                    ):
                        found = rate(evaluate, chunks[name], threads)
                        rates.setdefault((name, threads), []).append(found)
            for tool, measure in list(peers.items()):
                try:
                    for name, ways in measure(layers, machine, options.evaluations).items():
                        for way in ways:
                            self.theirs.setdefault((name, tool, way.way), []).append(way)
                except AbsentError as error:
                    print(f"{tool}: left out: {error}")
                    del peers[tool]
                    self.theirs = {k: v for k, v in self.theirs.items() if k[1] != tool}

    def print(self) -> None:
        """Print medians, ratios, and what was wanted."""
        rows = []
        for kind, rates in (("counted", self.counted), ("evaluated", self.scored)):
            for name in SAME:
                one, two = rates[name, 1], rates[name, 2]
                had = median(x.per_wall_s / x.per_cpu_s for x in two)
                rows.append(
                    (
                        name,
                        kind,
                        f"{_per_core(one):,.0f}",
                        f"{median(x.per_wall_s for x in two):,.0f}",
                        f"{had:.2f}",
                        f"{2 * _per_core(two):,.0f}",
                    )
                )
        heads = (
            "layer",
            "ours",
            "1 core: /s",
            "2 threads: /s",
            "cores had",
            "2 x CPU second: /s",
        )
        print(text_table(heads, rows, labels=2))
        print()
        others = []
        for (name, tool, way), group in sorted(
            self.theirs.items(), key=lambda x: SAME.index(x[0][0])
        ):
            each = median(x.per_cpu_s for x in group)
            times = _per_core(self.scored[name, 1]) / each
            right = f"{100 * group[0].right:.0f}"
            others.append((name, f"{tool}, {way}", f"{each:,.1f}", f"{times:,.0f}", right))
        if others:
            columns = ("layer", "tool", "1 core: /s", "ours is times as fast", "right MACs %")
            print(text_table(columns, others, labels=2))
            print()
        for kind, rates in (("counted", self.counted), ("evaluated", self.scored)):
            for name in SEVEN:
                two = rates[name, 2]
                print(
                    f"{name}: {median(x.per_wall_s for x in two):,.0f} {kind} a second by two "
                    f"threads, {2 * _per_core(two):,.0f} per two seconds of CPU time; "
                    f"wanted: {WANTED:,}"
                )
        worst = [
            _per_core(self.scored[name, 1]) / median(x.per_cpu_s for x in found)
            for (name, tool, way), found in self.theirs.items()
            if tool == "ZigZag" and way == "cost model alone"
        ]
        if worst:
            least = f"{min(worst):,.0f} to {max(worst):,.0f}"
            print(f"times ZigZag's cost model per core: {least}; wanted: {TIMES_ZIGZAG:,}")


def _per_core(rates: Sequence[Rate]) -> float:
    return median(x.per_cpu_s for x in rates)


def layer_of(dims: int, *, padded: bool) -> Problem:
    """Return a layer in which so many dims turn, in the order K, C, P, Q, R, S, N, G."""
    sizes = (64, 64, 56, 56, 3, 3, 4, 4)
    k, c, p, q, r, s, n, g = (x if i < dims else 1 for i, x in enumerate(sizes))
    pad = (r // 2, s // 2) if padded else (0, 0)
    return conv(
        f"{dims} dims",
        height=p + r - 1 - 2 * pad[0],
        width=q + s - 1 - 2 * pad[1],
        in_channels=c * g,
        out_channels=k * g,
        window=(r, s),
        padding=pad,
        groups=g,
        batch=n,
    )


def cost_us(memories: int, problem: Problem, options: argparse.Namespace) -> float:
    """Return the least CPU time of an evaluation: others on the machine only add to it."""
    evaluator = Evaluator.of(machine_of(memories), problem)
    chunks = drawn(memories, problem, options.mappings // 8)
    evaluator.scores(chunks[0])
    found = (rate(evaluator.scores, chunks, 1) for _ in range(options.rounds))
    return 1e6 / max(x.per_cpu_s for x in found)


def cost_table(options: argparse.Namespace) -> str:
    """Return CPU time per mapping by dims and memories; write it as two figures, too."""
    memories = range(1, 6)
    kinds = [(dims, False) for dims in range(1, 9)] + [(dims, True) for dims in range(5, 9)]
    us = {
        kind: [cost_us(m, layer_of(kind[0], padded=kind[1]), options) for m in memories]
        for kind in kinds
    }
    by_levels, by_dims = figure(460), figure(460)
    for line, (kind, costs) in enumerate(us.items()):
        dims, padded = kind
        style = {"color": PALETTE[(line if not padded else dims - 1) % len(PALETTE)],
                 "dash": "dash" if padded else "solid"}  # fmt: skip
        by_levels.add_scatter(x=list(memories), y=costs, name=_dims_name(*kind), line=style)
    for m in memories:
        for padded in (False, True):
            points = [(kind[0], costs[m - 1]) for kind, costs in us.items() if kind[1] == padded]
            style = {"color": PALETTE[m - 1], "dash": "dash" if padded else "solid"}
            name = _plural(m, "memory", "memories") + (", padded" if padded else "")
            x, y = zip(*points, strict=True)
            by_dims.add_scatter(x=list(x), y=list(y), name=name, line=style)
    by_levels.update_xaxes(title_text="memories", dtick=1)
    by_dims.update_xaxes(title_text="dims that turn", dtick=1)
    parts = {"Memories": by_levels, "Dims": by_dims}
    _write_page(options.plot, parts)
    rows = [(_dims_name(*kind), *(f"{x:.2f}" for x in costs)) for kind, costs in us.items()]
    return text_table(("us of CPU time a mapping", *(f"{m} memories" for m in memories)), rows)


def _dims_name(dims: int, padded: bool) -> str:
    return _plural(dims, "dim", "dims") + (", padded" if padded else "")


def _plural(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _write_page(path: Path, figures: Mapping[str, go.Figure]) -> None:
    """Write figures, each with its heading, as one page that needs no other file."""
    parts = []
    for i, (heading, drawn_figure) in enumerate(figures.items()):
        drawn_figure.update_yaxes(title_text="us of CPU time a mapping", rangemode="tozero")
        # Beside the lines, in their order: over them it runs into the tools of the figure.
        beside = {"orientation": "v", "x": 1.02, "xanchor": "left", "y": 1, "yanchor": "top"}
        drawn_figure.update_layout(legend=beside)
        html = drawn_figure.to_html(
            full_html=False, include_plotlyjs=i == 0, config={"displaylogo": False}
        )
        parts.append(f"<h2>{heading}</h2>{html}")
    title = "Cost of an evaluation against memories and dims"
    style = "body{font-family:sans-serif;max-width:1200px;margin:2em auto;padding:0 1em}"
    says = (
        "Microseconds of CPU time in which one core counts a mapping, times and prices it, and "
        "says whether it fits; least of some rounds. Dims that turn are K, C, P, Q, R, S, N, G in "
        "this order; dashed lines: with padding."
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style><h1>{title}</h1><p>{says}</p>{''.join(parts)}</html>\n",
        encoding="utf-8",
    )


def main() -> None:
    """Measure all sides; exit code 1 when a tool that was asked for did not run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--zigzag-python", metavar="PATH", help="a Python with zigzag-dse and six")
    parser.add_argument("--maestro", metavar="BINARY", help="the program of MAESTRO")
    parser.add_argument("--mappings", type=int, default=1 << 17, help="of ours, a layer and round")
    parser.add_argument("--evaluations", type=int, default=300, help="of others, likewise")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plot", type=Path, default=Path("out/bench_mappers.html"), metavar="FILE")
    options = parser.parse_args()
    for name in ("mappings", "evaluations", "rounds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name}: must be at least 1")
    asked: dict[str, Measure] = {}
    for tool, path, measure in (
        ("ZigZag", options.zigzag_python, zigzag),
        ("MAESTRO", options.maestro, maestro),
    ):
        if path is None:
            print(f"{tool}: left out, its option is not given")
        else:
            # It runs in another folder; a link to a Python stays one, or its packages are lost.
            found = Path(shutil.which(path) or path).absolute()
            asked[tool] = partial(measure, str(found))
    ran = dict(asked)
    comparison = Comparison()
    comparison.run(options, ran)
    comparison.print()
    print(f"\n{memory_table()}\n\n{cost_table(options)}\n\nfigures: {options.plot}")
    sys.exit(len(ran) < len(asked))


if __name__ == "__main__":
    main()
