"""Simulated cycles and causes against the plain-Python twin, and the shape of time."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import tiny
from cases import Case, case

from arraysmith.arch.architecture import Architecture, Memory, XyBus
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.legality import IllegalMappingError
from arraysmith.arch.mapping import from_factors
from arraysmith.arch.problem import TENSORS, conv
from arraysmith.sim.cycle.model import CycleModel


def test_causes_add_up_and_the_array_is_never_faster_than_its_macs() -> None:
    for seed in range(100):
        architecture, problem, mapping = case(seed)
        report = CycleModel().evaluate(architecture, problem, mapping)
        assert report.cycles == report.compute_cycles + sum(report.stall_cycles.values())
        assert report.cycles * report.active_pes >= problem.macs
        assert report.compute_cycles * report.active_pes == problem.macs
        assert all(cycles > 0 for cycles in report.stall_cycles.values())


def _faster(architecture: Architecture, path: str) -> Architecture:
    """Return the design with one rate of one level doubled."""
    name, _, field = path.partition(".")
    levels = list(architecture.levels)
    for i, level in enumerate(levels):
        if level.name != name:
            continue
        if isinstance(level, Memory):
            rate = getattr(level, field)
            levels[i] = replace(level, **{field: None if rate is None else 2 * rate})
        elif isinstance(level.network, XyBus):
            rate = level.network.words_per_cycle
            bus = replace(level.network, words_per_cycle=None if rate is None else 2 * rate)
            levels[i] = replace(level, network=bus)
    return replace(architecture, levels=tuple(levels))


@pytest.mark.parametrize(
    "path",
    [
        "dram.read_words_per_cycle",
        "dram.write_words_per_cycle",
        "glb.read_words_per_cycle",
        "glb.write_words_per_cycle",
        "array.words_per_cycle",
        "psum_spad.read_words_per_cycle",
        "ifmap_spad.write_words_per_cycle",
    ],
)
def test_twice_the_bandwidth_is_never_slower(path: str) -> None:
    gained = 0
    for seed in range(60):
        architecture, problem, mapping = case(seed)
        before = CycleModel().evaluate(architecture, problem, mapping).cycles
        after = CycleModel().evaluate(_faster(architecture, path), problem, mapping).cycles
        assert after <= before, f"seed {seed}"
        gained += before > after
    assert gained


def _streaming(*, double_buffered: bool, depth: int = 4096, latency: int = 20) -> tuple[Case, int]:
    """A layer in 8 glb tiles whose off-chip time is close to its compute time."""
    problem = conv("rows", height=16, width=6, in_channels=4, out_channels=4, window=(1, 3))
    architecture = tiny.spatial(
        dram=tiny.memory("dram", TENSORS, read=2, write=2, latency=latency),
        glb=tiny.memory(
            "glb", TENSORS, depth=depth, read=16, write=16, double_buffered=double_buffered
        ),
    )
    mapping = from_factors(
        architecture,
        (
            ("dram", "t", "P", 8),
            ("glb", "t", "P", 2),
            ("glb", "t", "Q", 4),
            ("array", "x", "K", 4),
            ("psum_spad", "t", "C", 4),
            ("psum_spad", "t", "S", 3),
        ),
    )
    case = (architecture, problem, mapping)
    return case, CycleModel().evaluate(*case).cycles


def test_a_double_buffered_memory_overlaps_transfers_with_work() -> None:
    _, overlapped = _streaming(double_buffered=True)
    (_, problem, _), serial = _streaming(double_buffered=False)
    compute = problem.macs // 4
    moved = (problem.ifmap.words + problem.weight.words) // 2
    # Serial: every tile waits for its latency and its words; overlapped: only the first does.
    assert serial > compute + moved + 8 * 20
    assert overlapped < compute + moved + 2 * 20
    assert overlapped >= compute


def test_tiles_that_do_not_fit_twice_are_not_overlapped() -> None:
    _, serial = _streaming(double_buffered=False)
    needed = 2 * 6 * 4 + 4 * 4 * 3 + 2 * 4 * 4  # ifmap + weight + ofmap of one tile
    assert _streaming(double_buffered=True, depth=2 * needed - 1)[1] == serial
    assert _streaming(double_buffered=True, depth=2 * needed)[1] < serial


def test_each_cycle_of_latency_costs_one_where_nothing_overlaps() -> None:
    counted = [_streaming(double_buffered=False, latency=x)[1] for x in (20, 21, 40)]
    # Eight tiles: each waits for its words and for the last one's results to be gone.
    assert counted[1] - counted[0] == (counted[2] - counted[0]) // 20
    assert counted[1] - counted[0] >= 8


def test_rates_that_no_tick_fits_are_refused_with_the_reason() -> None:
    (architecture, problem, mapping), _ = _streaming(double_buffered=True)
    glb = replace(architecture.levels[1], read_words_per_cycle=Fraction((1 << 31) - 1, 3))
    design = replace(architecture, levels=(architecture.levels[0], glb, *architecture.levels[2:]))
    with pytest.raises(UnsupportedDesignError, match="parts of a cycle to be exact"):
        CycleModel().evaluate(design, problem, mapping)


def test_an_illegal_mapping_is_refused() -> None:
    (architecture, problem, mapping), _ = _streaming(double_buffered=True)
    with pytest.raises(IllegalMappingError, match="capacity"):
        CycleModel().evaluate(architecture.with_values({"glb.depth": 10}), problem, mapping)


def test_equal_runs_give_equal_reports() -> None:
    architecture, problem, mapping = case(5)
    first = CycleModel().evaluate(architecture, problem, mapping)
    assert CycleModel().evaluate(architecture, problem, mapping) == first
