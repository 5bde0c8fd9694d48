"""Several arrays that share one off-chip memory: alone, without limits, and in each other's way."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from cases import case
from chip_trees import tree_case

from arraysmith.arch.errors import ArraysmithError, UnsupportedDesignError
from arraysmith.sim.cycle.chip.cores import Core, core_regions, simulate_cores
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.offchip.protocol import FixedRate
from arraysmith.sim.cycle.tracing.waiting import NoProgressError
from arraysmith.sim.waits import WaitTotals


class Listener(WaitTotals):
    """Keeps the off-chip requests, rows of (request, response, address, size), by direction."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = defaultdict(list)

    def wants(self, memory: str) -> bool:
        return memory == "dram"

    def requests(self, stream, request, response, address, size, tile, port) -> None:
        columns = request, response, address, size
        rows = zip(*(x.astype(np.int64).tolist() for x in columns), strict=True)
        self.rows[stream.rsplit("/")[-1]] += rows


def with_memory(architecture, **fields):
    """The design with another off-chip memory."""
    offchip = replace(architecture.memories[0], **fields)
    return replace(architecture, levels=(offchip, *architecture.levels[1:]))


def cores_of(seed: int, **fields):
    """Two random cores; the memory is the first one's, with ``fields`` changed."""
    found = []
    for name, (design, problem, mapping) in (("a", case(seed)), ("b", tree_case(2 * seed))):
        found.append(Core(name, replace(design, clock_hz=10**9), problem, mapping))
    first = found[0].architecture.memories[0]
    shared = {
        name: getattr(first, name)
        for name in (
            *("read_words_per_cycle", "write_words_per_cycle", "ports", "latency_cycles"),
            *("double_buffered", "device", "width_bits", "word_bits", "energy"),
        )
        if hasattr(first, name)
    } | fields
    return [replace(x, architecture=with_memory(x.architecture, **shared)) for x in found]


def test_one_core_is_the_ordinary_simulation_to_the_cycle():
    for seed in range(30):
        for core in cores_of(seed, requests_in_flight=(None, 3)[seed % 2]):
            listener, alone = Listener(), Listener()
            result = simulate_cores([core], {core.name: listener})
            design = core.architecture, core.problem, core.mapping
            assert result.cores[0].report == CycleModel(alone).evaluate(*design)
            assert listener.rows == alone.rows
            assert listener.chains == alone.chains
            assert result.cores[0].slowdown == 1


def test_cores_on_a_channel_without_limits_run_as_alone():
    for seed in range(30):
        cores = cores_of(seed, read_words_per_cycle=None, write_words_per_cycle=None)
        for core, found in zip(cores, simulate_cores(cores).cores, strict=True):
            design = core.architecture, core.problem, core.mapping
            assert found.report == found.alone == CycleModel().evaluate(*design), seed


def test_contention_slows_down_and_moves_the_same_words():
    slower = 0
    for seed in range(40):
        rate = Random(seed).choice((Fraction(1, 2), Fraction(1), Fraction(3)))
        most = Random(seed).choice((None, None, 1, 4))
        cores = cores_of(seed, read_words_per_cycle=rate, requests_in_flight=most)
        totals = {core.name: Listener() for core in cores}
        result = simulate_cores(cores, totals)
        for found in result.cores:
            assert found.report.cycles >= found.alone.cycles, seed
            assert found.report.accesses == found.alone.accesses
            stalls = {cause: n for cause, n in found.report.stalls if n}
            assert totals[found.name].cycles == stalls
            slower += found.report.cycles > found.alone.cycles
        assert result.cycles == max(x.report.cycles for x in result.cores)
        assert result.energy_pj == sum(x.report.energy_pj for x in result.cores)
        assert result.offchip_words == sum(x.report.words("dram") for x in result.cores)
    assert slower > 20


@pytest.mark.parametrize("ports", [1, 2])
def test_the_channel_moves_no_more_words_than_its_rate_in_any_span_of_time(ports):
    busy = 0
    for seed in range(15):
        rate, latency = Fraction(2), 7
        fields = {"read_words_per_cycle": rate, "write_words_per_cycle": rate}
        cores = cores_of(seed, **fields, ports=ports, latency_cycles=latency)
        listeners = {core.name: Listener() for core in cores}
        simulate_cores(cores, listeners)
        ways = [("read", "write")] if ports == 1 else [("read",), ("write",)]
        for way in ways:
            rows = [row for x in listeners.values() for one in way for row in x.rows[one]]
            begin, back, _, words = np.array(sorted(rows), np.int64).T  # words are bytes
            end = back - latency
            for k in range(0, len(rows), 1 + len(rows) // 40):
                # Of all requests that begin and end in a span that starts with request k.
                inside = begin >= begin[k]
                order = np.argsort(end[inside])
                moved = np.cumsum(words[inside][order])
                # Whole cycles: a request's first and last cycle may belong to others as well.
                assert (moved <= rate * (end[inside][order] - begin[k]) + 2 * rate).all(), seed
            busy += len(rows)
    assert busy > 500


def test_tensors_of_cores_lie_apart():
    cores = cores_of(3)
    spans = [
        (region.base, region.base + region.size)
        for regions in core_regions(cores).values()
        for region in regions.values()
    ]
    assert spans == sorted(spans)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    listeners = {core.name: Listener() for core in cores}
    simulate_cores(cores, listeners)
    for core, found in zip(("a", "b"), (spans[:3], spans[3:]), strict=True):
        for rows in listeners[core].rows.values():
            assert all(found[0][0] <= row[2] and row[2] + row[3] <= found[-1][1] for row in rows)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda x: replace(x, clock_hz=5 * 10**8), "cores share one"),  # half the bytes per second
        (lambda x: with_memory(x, latency_cycles=99), "cores share one"),
        (lambda x: with_memory(x, requests_in_flight=7), "cores share one"),
    ],
)
def test_cores_that_cannot_share_are_refused_with_the_reason(change, rule, monkeypatch):
    one, other = cores_of(1)
    monkeypatch.setattr("arraysmith.sim.cycle.chip.cores.require_legal", lambda *_: None)
    with pytest.raises(UnsupportedDesignError, match=rule):
        simulate_cores([one, replace(other, architecture=change(other.architecture))])
    with pytest.raises(ArraysmithError, match="names of their own: a, a"):
        simulate_cores([one, one])


def test_a_core_without_progress_is_named(monkeypatch):
    def stuck(self, transfer):
        del transfer
        yield self._env.event()

    monkeypatch.setattr(FixedRate, "transfer", stuck)
    with pytest.raises(NoProgressError, match="after cycle 0: a <- "):
        simulate_cores(cores_of(2, read_words_per_cycle=1))
