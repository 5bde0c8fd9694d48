"""The flit-level network against BookSim 2.

The same packets have to be delivered in the same cycles, and zero-load latencies have to be exact.
Mean latencies are compared up to 70 % of saturation, beyond which two seeds of the tool differ by
more than we allow; saturation by its throughput. Traffic is random there and here, so what is
compared are means: the mean over the tool's seeds with ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.registry import register
from arraysmith.sim.noc.network import Network
from arraysmith.sim.noc.router import Router
from arraysmith.sim.noc.routing import build_routing
from arraysmith.sim.noc.sweep import Protocol, measure, saturation
from arraysmith.sim.noc.topology import build_topology
from arraysmith.sim.noc.traffic import Traffic
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.reference_files import case_rows, number, whole_number

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "noc"

FILES = ("packets.csv", "zero_load_pairs.csv", "curves.csv", "variants.csv")

SHARE = 0.7
"""Share of saturation up to which latencies are compared."""

TOLERANCE_PCT = {"mean latency": 5.0, "saturation throughput": 5.0}

PROTOCOL = Protocol(warmup_cycles=3_000, measured_cycles=12_000, drain_cycles=20_000, seed=7)
"""The least that is measured."""

PACKETS, MOST_CYCLES = 30_000, 100_000
"""Packets that are measured, by more cycles if need be, and their most: with 12,000 cycles, small
meshes and long packets left us 3 % of noise of our own at 70 % of saturation."""

QUEUEING_CYCLES = 1.0
"""What the tool's mean may be above ours: its packets now and then meet others at its low load."""

_CONFIGURATION = ("mesh_k", "traffic", "num_vcs", "vc_buf_flits", "packet_flits", "variant")
_COLUMNS = (
    *_CONFIGURATION, "mode", "offered_flits_node_cycle", "stable", "avg_packet_latency",
    "accepted_flits_node_cycle",
)  # fmt: skip
_PACKET_COLUMNS = (
    "mesh_k", "num_vcs", "vc_buf_flits", "packet_flits", "variant", "created", "src", "dst",
    "delivered",
)  # fmt: skip
_PAIR_COLUMNS = ("mesh_k", "packet_flits", "src", "dst", "avg_packet_latency")

VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "rd1": {"routing_cycles": 1},
    "cd2": {"credit_cycles": 2},
    "spec": {"speculative": True},
    # One iteration: the tool did not take the number it was given, see the reference's README.
    "islip2": {"allocator": "islip", "iterations": 1},
    "islip1": {"allocator": "islip", "iterations": 1},
    "islip2it": {"allocator": "islip", "iterations": 2},
    "insp2": {"input_speedup": 2},
}
"""What a router variant changes."""

TRAFFIC = {
    "uniform": "uniform", "transpose": "transpose", "neighbor": "neighbour", "hotspot": "hotspot",
    "bitcomp": "bit_complement", "bitrev": "bit_reverse", "shuffle": "shuffle",
    "tornado": "tornado",
}  # fmt: skip
"""Our patterns by the tool's names."""
HOTSPOTS = {4: {5: 5}, 8: {27: 7}}
"""Terminal and weight of the hotspot by the side of the mesh; the others weigh 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured point of the reference.

    Attributes:
        saturated: whether every terminal always had more to send.
        offered: flits per terminal and cycle.
        latency: mean over packets, or None where the tool did not converge.
        accepted: flits per terminal and cycle, or None where it printed none.
    """

    saturated: bool
    offered: float
    latency: float | None
    accepted: float | None


@register("suite", "noc")
def noc(cases: Path | None = None) -> Outcome:
    """Compare a file of cases, or every file of a folder."""
    source = cases or REFERENCE
    paths = [source] if source.is_file() else [source / x for x in FILES if (source / x).is_file()]
    if not paths:
        rule = f"must hold one of {', '.join(FILES)}"
        raise InputError([Fault("--cases", str(source), rule)])
    found: list[Comparison] = []
    skipped: dict[str, str] = {}
    for path in paths:
        heading = _heading(path)
        if "delivered" in heading:
            found += compare_packets(path)
            continue
        if "src" in heading:
            found += compare_pairs(path, skipped)
            continue
        for configuration, rows in read_curves(path).items():
            found += compare_curve(configuration, rows, skipped, path)
    notes = (
        (
            "zero-load mean: the tool's means are above the unloaded latency by what packets"
            f" wait for each other at its low load; up to {QUEUEING_CYCLES:g} cycle counts as equal"
        ),
        (
            f"mean latency: rows up to {SHARE:.0%} of saturation, the lower of the highest stable"
            " load and the throughput at full load"
        ),
    )
    return Outcome("noc", tuple(found), skipped, TOLERANCE_PCT, notes=notes)


def _heading(path: Path) -> list[str]:
    """Return the names of the columns of a file."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().strip().split(",")


def compare_packets(path: Path) -> Iterator[Comparison]:
    """Yield the cycle in which each of the same packets is delivered."""
    rows: dict[tuple[str, ...], list[tuple[int, int, int, int]]] = {}
    for line, row in case_rows(path, _PACKET_COLUMNS):
        _check(row, path, line)
        configuration = tuple(row[column] for column in _PACKET_COLUMNS[:5])
        for column in _PACKET_COLUMNS[:4]:
            _count(row, column, path, line)
        created, source, target, delivered = (
            _count(row, column, path, line) for column in _PACKET_COLUMNS[5:]
        )
        rows.setdefault(configuration, []).append((created, source, target, delivered))
    for (side, vcs, depth, flits, variant), packets in rows.items():
        router = _router(int(vcs), int(depth), variant)
        network = _network(int(side), router)
        created_at, sources, targets, expected = np.array(packets, np.int64).T
        order = np.argsort(created_at, kind="stable")
        numbers = network.inject(sources[order], targets[order], int(flits), created_at[order])
        found = network.drain()
        cycles = dict(zip(found.packet.tolist(), found.cycle.tolist(), strict=True))
        name = f"{side}x{side}, {vcs} VCs of {depth} flits, packets of {flits}, {variant}"
        for number_, place in zip(numbers.tolist(), order.tolist(), strict=True):
            case = f"{name}, {sources[place]} to {targets[place]} at {created_at[place]}"
            got = cycles[number_]
            yield Comparison(case, "packet delivered", int(expected[place]), got)


def compare_pairs(path: Path, skipped: dict[str, str]) -> Iterator[Comparison]:
    """Yield the latency of every pair of terminals, each packet alone in the network."""
    rows: dict[tuple[int, int], list[tuple[int, int, float | None, float | None]]] = {}
    for line, row in case_rows(path, _PAIR_COLUMNS):
        side, flits, source, target = (
            _count(row, column, path, line) for column in _PAIR_COLUMNS[:4]
        )
        mean = formula = None
        if row["avg_packet_latency"] in {"", "nan"}:
            name = _pair_name(side, flits, source, target)
            skipped[f"mean of {name}"] = f"{path.name}, line {line}: the tool sent no such packet"
        else:
            mean = number(row, "avg_packet_latency", path, line)
        if row.get("formula"):
            formula = number(row, "formula", path, line)
        rows.setdefault((side, flits), []).append((source, target, mean, formula))
    for (side, flits), pairs in rows.items():
        network = _network(side, Router())
        sources, targets = np.array([pair[:2] for pair in pairs], np.int64).T
        apart = 64 + 16 * side + 4 * flits
        network.inject(sources, targets, flits, apart * np.arange(len(pairs)))
        delivered = network.drain()
        taken = network.latencies(delivered)[0]
        latencies = dict(zip(delivered.packet.tolist(), taken.tolist(), strict=True))
        for i, (source, target, mean, formula) in enumerate(pairs):
            case, got = _pair_name(side, flits, source, target), latencies[i]
            if formula is not None:
                yield Comparison(case, "unloaded latency", formula, got)
            if mean is not None:
                # Queueing only adds: below ours nothing is explained.
                grain = QUEUEING_CYCLES if mean >= got else 0.0
                yield Comparison(case, "zero-load mean", mean, got, grain)


def _pair_name(side: int, flits: int, source: int, target: int) -> str:
    return f"{side}x{side}, {flits} flits, {source} to {target}"


def read_curves(path: Path) -> dict[tuple[str, ...], list[Row]]:
    """Return the rows of every configuration."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for line, row in case_rows(path, _COLUMNS):
        saturated = row["mode"] == "saturation"
        stable = row["stable"] == "1"
        latency = row["avg_packet_latency"] and number(row, "avg_packet_latency", path, line)
        column = "accepted_flits_node_cycle"
        accepted = row[column] and number(row, column, path, line)
        offered = number(row, "offered_flits_node_cycle", path, line)
        configuration = tuple(row[column] for column in _CONFIGURATION)
        _check(row, path, line)
        for column in ("mesh_k", "num_vcs", "vc_buf_flits", "packet_flits"):
            _count(row, column, path, line)
        entry = Row(saturated, offered, latency or None if stable else None, accepted or None)
        found.setdefault(configuration, []).append(entry)
    return found


def compare_curve(
    configuration: tuple[str, ...], rows: Sequence[Row], skipped: dict[str, str], path: Path
) -> Iterator[Comparison]:
    """Yield latencies up to a share of saturation, and the throughput of saturation."""
    side, traffic_name, vcs, depth, flits, variant = configuration
    k = int(side)
    name = f"{k}x{k} {traffic_name}, {vcs} VCs of {depth} flits, packets of {flits}, {variant}"
    router = _router(int(vcs), int(depth), variant)
    pattern = TRAFFIC[traffic_name]
    weights = HOTSPOTS.get(k, {}) if pattern == "hotspot" else {}
    if pattern == "hotspot" and not weights:
        skipped[name] = f"{path.name} does not say where the hotspot of this mesh is"
        return
    traffic = Traffic(pattern, int(flits), weights)

    def make() -> Network:
        return _network(k, router)

    full = [row.accepted for row in rows if row.saturated and row.accepted is not None]
    if full:
        got = saturation(make, traffic, _protocol(k, int(flits), 1.0))
        yield Comparison(name, "saturation throughput", fmean(full), got)
    stable: dict[float, list[float]] = {}
    unstable = {row.offered for row in rows if not row.saturated and row.latency is None}
    for row in rows:
        if not row.saturated and row.latency is not None and row.offered not in unstable:
            stable.setdefault(row.offered, []).append(row.latency)
    limits = [max(stable, default=0.0), *([fmean(full)] if full else [])]
    limit = SHARE * min(limits)
    for offered, latencies in sorted(stable.items()):
        if offered <= limit:
            point = measure(make, traffic, offered, _protocol(k, int(flits), offered))
            case = f"{name}, {offered:g} offered"
            got = point.latency_cycles if point.latency_cycles is not None else float("inf")
            yield Comparison(case, "mean latency", fmean(latencies), got)


def _protocol(side: int, flits: int, offered: float) -> Protocol:
    """Return how long a point is measured."""
    cycles = int(PACKETS * flits / (offered * side * side))
    measured = min(max(cycles, PROTOCOL.measured_cycles), MOST_CYCLES)
    return replace(PROTOCOL, measured_cycles=measured)


def _router(vcs: int, depth: int, variant: str) -> Router:
    """Return a variant; the tool takes speed-ups beyond the virtual channels, which do nothing."""
    changed = dict(VARIANTS[variant])
    if "input_speedup" in changed:
        changed["input_speedup"] = min(changed["input_speedup"], vcs)
    return Router(num_vcs=vcs, vc_buffer_flits=depth, **changed)


def _network(side: int, router: Router) -> Network:
    return Network(build_topology("mesh", (side, side)), build_routing("xy"), router)


def _check(row: dict[str, str], path: Path, line: int) -> None:
    """Refuse a row of another router or traffic.

    Raises:
        InputError: naming the cell.
    """
    for column, known in (
        ("variant", tuple(VARIANTS)),
        ("traffic", tuple(TRAFFIC)),
        ("mode", ("latency", "saturation")),
    ):
        if row.get(column, known[0]) not in known:
            hint = nearest(row[column], known)
            raise InputError([Fault(column, row[column], "unknown", hint, str(path), line, 1)])


def _count(row: dict[str, str], column: str, path: Path, line: int) -> int:
    """Return a cell as a whole number; terminals and cycles count from 0."""
    least = 0 if column in {"src", "dst", "created", "delivered"} else 1
    return whole_number(row, column, path, line, least=least)
