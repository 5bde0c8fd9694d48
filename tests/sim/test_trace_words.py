"""Traces of memories inside PEs: the words of every instance, in order, at the right time."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random

import numpy as np
import pytest
import tiny
from cases import case
from chip_trees import tree_case
from forwarding_cases import timed_case
from test_cycle_streams import Listener
from test_shared_networks import shared_case
from test_wireless_networks import air_case
from trace_twin import list_words

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.interconnect import DIRECTIONS
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.tracing.merging import Merger
from arraysmith.sim.report import FORWARD, Report

Case = tuple[Architecture, Problem, Mapping]


def told(of: Case, parameters: CycleParameters | None = None) -> tuple[Report, Listener]:
    listener = Listener()
    return CycleModel(listener, parameters or CycleParameters()).evaluate(*of), listener


def ragged_case(seed: int) -> Case:
    architecture, problem, mapping = case(seed)
    keep = {x.name: mapping.at(x.name).keep for x in architecture.memories[1:]}
    return architecture, problem, tiny.ragged_mapping(Random(seed), architecture, problem, keep)


PASSING = (15, 20, 31, 36, 47, 51, 64, 74, 77)
"""Seeds of designs whose neighbours have words to pass on."""

CASES = [
    *(pytest.param(case, seed, id=f"plain {seed}") for seed in range(16)),
    *(pytest.param(ragged_case, seed, id=f"ragged {seed}") for seed in range(27, 43)),
    *(pytest.param(tree_case, seed, id=f"tree {seed}") for seed in (12, 50, 73, *range(80, 96))),
    *(pytest.param(timed_case, seed, id=f"links {seed}") for seed in PASSING),
]
ALL_CASES = [
    *CASES,
    *(pytest.param(shared_case, seed, id=f"shared network {seed}") for seed in (1, 2, 3, 4)),
    *(pytest.param(air_case, seed, id=f"wireless {seed}") for seed in (1, 2, 3)),
]
"""Of the last ones the twin, which knows X and Y buses, has nothing to say."""


@pytest.mark.parametrize(("make", "seed"), ALL_CASES)
def test_every_count_of_the_report_is_the_sum_of_a_stream(make, seed: int) -> None:
    report, listener = told(make(seed))
    want: dict[str, int] = defaultdict(int)
    for x in report.accesses:
        way = "read" if x.direction in ("read", "drain") else "write"
        want[f"{x.level}/{x.tensor}/{way}"] += x.words
    moved = {
        name: int(listener.stream(name)["size"].sum())
        for name in listener.parts
        if not name.startswith("network/")
    }
    assert moved == {name: words for name, words in want.items() if words}


@pytest.mark.parametrize(("make", "seed"), CASES)
def test_every_instance_moves_the_words_of_the_twin(make, seed: int) -> None:
    of = make(seed)
    _, listener = told(of)
    outside = of[0].memories[0].name
    found: Counter[tuple[str, int, int]] = Counter()
    for name in listener.parts:
        if name.startswith(f"{outside}/") or name.endswith(("/up", "/down")):
            continue
        rows = listener.stream(name)
        for port, first, size in zip(rows["port"], rows["address"], rows["size"], strict=True):
            for address in range(int(first), int(first) + int(size)):
                found[name, int(port), address] += 1
    assert found == +list_words(*of)


@pytest.mark.parametrize(("make", "seed"), ALL_CASES)
def test_networks_carry_the_traffic_of_the_report(make, seed: int) -> None:
    """Once per instance of an inner network; the Report counts what leaves the parents."""
    of = make(seed)
    report, listener = told(of)
    for x in report.traffic:
        if x.kind == FORWARD:
            names = [f"network/{x.network}/{x.tensor}/{way}" for way in DIRECTIONS]
            sizes = [listener.stream(y)["size"].sum() for y in names if y in listener.parts]
            assert sum(sizes) == x.words
            continue
        way = "up" if x.kind == "reduction" else "down"
        rows = listener.stream(f"network/{x.network}/{x.tensor}/{way}")
        moved = int(rows["size"].sum())
        if way == "down":
            assert x.words <= moved <= max(x.words, x.deliveries)
        assert (rows["response"] >= rows["request"]).all()
        if len(of[0].fanouts) == 1:
            assert moved == x.words


@pytest.mark.parametrize(("make", "seed"), ALL_CASES)
def test_requests_lie_within_the_run(make, seed: int) -> None:
    report, listener = told(make(seed))
    for name in listener.parts:
        rows = listener.stream(name)
        assert (rows["request"] >= 0).all(), name
        assert (rows["response"] >= rows["request"]).all(), name
        assert (rows["response"] <= report.cycles).all(), name


@pytest.mark.parametrize("seed", range(12))
def test_streams_of_memories_off_the_border_are_in_order(seed: int) -> None:
    of = case(seed)
    keepers = [x.name for x in of[0].memories if x.name in ("dram", "glb")]
    border = {  # the first memory on the chip that keeps a tensor is told of as transfers end
        name: next((x for x in ("glb",) if name in (of[2].at(x).keep or ())), "spad")
        for name in ("ifmap", "weight", "ofmap")
    }
    assert keepers == ["dram", "glb"]
    checked = 0
    for name, rows in ((x, told(of)[1].stream(x)) for x in told(of)[1].parts):
        memory, tensor, _ = name.rsplit("/", 2)
        if memory in ("dram", "glb") or border[tensor] == "spad":
            continue
        place = rows["request"] * (1 << 16) + rows["port"]
        assert (np.diff(place) >= 0).all(), name
        checked += 1
    assert checked or "spad" in border.values()


@pytest.mark.parametrize("seed", range(20))
def test_macs_read_no_tile_before_all_of_it_is_there(seed: int) -> None:
    """Of each instance and tile, the last word that comes in is there before the first read."""
    _, listener = told(case(seed))
    for memory, tensor in (("ifmap_spad", "ifmap"), ("weight_spad", "weight")):
        if f"{memory}/{tensor}/read" not in listener.parts:
            continue
        reads = listener.stream(f"{memory}/{tensor}/read")
        fills = listener.stream(f"{memory}/{tensor}/write")
        there: dict[tuple[int, int], int] = {}
        for port, tile, cycle in zip(fills["port"], fills["tile"], fills["response"], strict=True):
            key = int(port), int(tile)
            there[key] = max(there.get(key, 0), int(cycle))
        for port, tile, cycle in zip(reads["port"], reads["tile"], reads["request"], strict=True):
            assert there.get((int(port), int(tile)), 0) <= int(cycle)


@pytest.mark.parametrize("seed", range(8))
def test_a_mac_takes_at_most_a_word_of_each_tensor_per_cycle(seed: int) -> None:
    _, listener = told(case(seed))
    for name in ("ifmap_spad/ifmap/read", "weight_spad/weight/read"):
        if name not in listener.parts:
            continue
        rows = listener.stream(name)
        pairs = rows["request"] * (1 << 16) + rows["port"]
        assert len(np.unique(pairs)) == len(pairs)


@pytest.mark.parametrize("seed", [0, 3, 21])
def test_the_chunk_size_shows_in_no_column_of_a_spad(seed: int) -> None:
    whole, small = told(case(seed))[1], told(case(seed), CycleParameters(chunk_records=3))[1]
    assert set(whole.parts) == set(small.parts)
    for name in whole.parts:
        one, other = whole.stream(name), small.stream(name)
        if "spad" in name:
            assert all(np.array_equal(one[x], other[x]) for x in one), name


def test_a_merger_holds_back_what_may_come_too_early() -> None:
    def rows(*cycles: int) -> np.ndarray:
        return np.array([(cycle, cycle, 0, 1, 0, 0) for cycle in cycles], np.int64).reshape(-1, 6)

    heard: list[int] = []
    merger = Merger(lambda part: heard.extend(part[:, 0].tolist()), most=2)
    merger.push(0, rows(1, 5, 9))
    merger.push(1, rows(0, 5, 6))
    merger.release(6)
    assert heard == [0, 1, 5, 5]
    merger.push(1, rows(7))
    merger.finish()
    assert heard == [0, 1, 5, 5, 6, 7, 9]
