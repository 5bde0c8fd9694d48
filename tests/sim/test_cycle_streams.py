"""What a probe sees: every word, at its address, when the simulated machine moved it."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import numpy as np
import pytest
import tiny
from cases import case

from arraysmith.arch.mapping import from_factors
from arraysmith.arch.problem import TENSORS, Problem, WordBits, conv
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.tracing.streams import address_map

COLUMNS = ("request", "response", "address", "size", "tile", "port")


class Listener:
    """Keeps everything it is told: {stream: {column: array}}."""

    def __init__(self) -> None:
        self.parts: dict[str, list[tuple[np.ndarray, ...]]] = defaultdict(list)

    def wants(self, memory: str) -> bool:
        return True

    def requests(self, stream: str, *columns: np.ndarray) -> None:
        assert len({len(column) for column in columns}) == 1
        assert [str(column.dtype) for column in columns] == [
            "int64",
            "int64",
            "uint64",
            "uint32",
            "uint32",
            "uint16",
        ]
        self.parts[stream].append(columns)

    def stalls(self, *_) -> None:
        """Keep nothing."""

    folds = step_cycle = stalls

    def stream(self, name: str) -> dict[str, np.ndarray]:
        joined = [np.concatenate(column) for column in zip(*self.parts[name], strict=True)]
        return dict(zip(COLUMNS, joined, strict=True))


def listen(seed: int, parameters: CycleParameters | None = None):
    architecture, problem, mapping = case(seed)
    listener = Listener()
    model = CycleModel(listener, parameters or CycleParameters())
    report = model.evaluate(architecture, problem, mapping)
    return architecture, problem, mapping, report, listener


def used_bytes(problem: Problem, name: str) -> set[int]:
    """Offsets of the bytes of all stored words that some MAC takes (8-bit words)."""
    tensor = problem.tensor(name)
    found = set()
    ranges = []
    for axis in tensor.axes:
        index = {axis.offset}
        for dim, coefficient in axis.terms:
            index = {i + coefficient * j for i, j in product(index, range(problem.size[dim]))}
        ranges.append(sorted(i for i in index if 0 <= i < axis.extent))
    for place in product(*ranges):
        word = 0
        for i, axis in zip(place, tensor.axes, strict=True):
            word = word * axis.extent + i
        found.add(word)
    return found


@pytest.mark.parametrize("block", range(4))
def test_off_chip_requests_cover_every_word_used_and_stay_in_their_tensor(block: int) -> None:
    for seed in range(15 * block, 15 * block + 15):
        architecture, problem, _, _, listener = listen(seed)
        regions = address_map(problem, architecture)
        for name, direction in (("ifmap", "read"), ("weight", "read"), ("ofmap", "write")):
            rows = listener.stream(f"dram/{name}/{direction}")
            base, size = regions[name].base, regions[name].size
            touched = set()
            for address, length in zip(rows["address"], rows["size"], strict=True):
                touched |= set(range(int(address) - base, int(address) - base + int(length)))
            used = used_bytes(problem, name)
            assert used <= touched <= set(range(size)), f"seed {seed} {name}"
            steps = [s for axis in problem.ifmap.axes for _, s in axis.terms]
            if max(steps) == 1:  # no word between two that are used is skipped
                assert touched == used


@pytest.mark.parametrize("block", range(4))
def test_requests_carry_exactly_the_words_counted(block: int) -> None:
    for seed in range(15 * block, 15 * block + 15):
        _, _, _, report, listener = listen(seed)
        moved = {name: int(listener.stream(name)["size"].sum()) for name in listener.parts}
        want: dict[str, int] = defaultdict(int)
        for x in report.accesses:
            way = "read" if x.direction in ("read", "drain") else "write"
            want[f"{x.level}/{x.tensor}/{way}"] += x.words
        for x in report.traffic:
            way = "up" if x.kind == "reduction" else "down"
            want[f"network/{x.network}/{x.tensor}/{way}"] += x.words
        assert moved == want, f"seed {seed}"


def test_requests_lie_within_the_run_and_answers_follow_them() -> None:
    for seed in range(60):
        architecture, _, _, report, listener = listen(seed)
        latency = architecture.memories[0].latency_cycles
        for name in listener.parts:
            rows = listener.stream(name)
            assert (rows["request"] >= 0).all()
            assert (rows["response"] >= rows["request"]).all()
            assert (rows["response"] <= report.cycles).all()
            assert (rows["size"] > 0).all()
            if name.startswith("dram"):
                assert (rows["size"] <= 64).all()
                assert (rows["response"] >= rows["request"] + latency).all()
            if name.startswith("dram") and name != "dram/ofmap/read":
                # (Partial sums that come back and sums that off-chip memory adds share a stream.)
                assert (np.diff(rows["tile"].astype(np.int64)) >= 0).all()
        written = listener.stream("dram/ofmap/write")
        assert written["response"].max() == report.cycles


def test_the_array_reads_no_tile_before_it_has_arrived() -> None:
    checked = 0
    for seed in range(200):
        _, problem, mapping = case(seed)
        dims = {x.dim for x in mapping.at("dram").temporal}
        if dims & problem.ifmap.dims:
            continue  # more than one tile: which step reads which is the kernel's business
        listener = listen(seed)[-1]
        if not all(f"glb/{name}/read" in listener.parts for name in ("ifmap", "weight")):
            continue
        arrived = listener.stream("glb/ifmap/write")["response"].max()
        assert listener.stream("glb/ifmap/read")["request"].min() >= arrived, f"seed {seed}"
        assert listener.stream("dram/ifmap/read")["response"].max() == arrived
        checked += 1
    assert checked > 10


def test_watching_changes_nothing() -> None:
    for seed in range(30):
        architecture, problem, mapping, report, _ = listen(seed)
        assert CycleModel().evaluate(architecture, problem, mapping) == report


def test_the_chunk_size_shows_in_no_column() -> None:
    for seed in range(10):
        whole = listen(seed)[-1]
        small = listen(seed, CycleParameters(chunk_records=3))[-1]
        assert set(whole.parts) == set(small.parts)
        for name in whole.parts:
            one, other = whole.stream(name), small.stream(name)
            assert all(np.array_equal(one[x], other[x]) for x in COLUMNS), f"seed {seed} {name}"


def test_bursts_end_at_rows_and_at_the_burst_size() -> None:
    problem = conv("wide", height=3, width=150, in_channels=1, out_channels=1, window=(3, 1))
    architecture = tiny.spatial(glb=tiny.memory("glb", TENSORS, depth=4096))
    mapping = from_factors(architecture, (("psum_spad", "t", "Q", 150), ("psum_spad", "t", "R", 3)))
    listener = Listener()
    CycleModel(listener).evaluate(architecture, problem, mapping)
    rows = listener.stream("dram/ifmap/read")
    assert rows["address"].tolist() == [150 * r + c for r in range(3) for c in (0, 64, 128)]
    assert rows["size"].tolist() == [64, 64, 22] * 3


def test_tensors_lie_one_after_the_other_at_aligned_bases() -> None:
    problem = conv(
        "c",
        height=70,
        width=70,
        in_channels=1,
        out_channels=2,
        window=(3, 3),
        bits=WordBits(ifmap=16, weight=8, ofmap=16),
    )
    architecture = tiny.spatial()
    regions = address_map(problem, architecture)
    assert [(name, x.base, x.size) for name, x in regions.items()] == [
        ("ifmap", 0, 9800),
        ("weight", 12288, 18),
        ("ofmap", 16384, 2 * 68 * 68 * 2),
    ]
