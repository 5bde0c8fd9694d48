"""Queues of tiles, memories that fill one after the other, buses of different width."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import tiny
from chip_trees import changed, tree_case
from test_cycle_streams import Listener

from arraysmith.arch.architecture import Memory, XyBus
from arraysmith.arch.errors import ArraysmithError, UnsupportedDesignError
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import TENSORS, matmul
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.scoring import Machine
from arraysmith.sim.cycle.model import CycleModel

RATE = Fraction(1, 2)
LATENCY = 3
PIPELINE = 2


def queue_case(slots: int, macs: int, sums: int = 12, visits: int = 3):
    """One MAC adds ``macs`` products to each of ``sums`` sums, ``visits`` times over."""
    spads = (
        tiny.memory("ifmap_spad", ("ifmap",), depth=4096),
        tiny.memory("weight_spad", ("weight",), depth=4096),
        replace(tiny.memory("psum_spad", ("ofmap",), depth=64), tiles_in_flight=slots),
    )
    architecture = tiny.spatial(
        mesh=(1, 1),
        glb=tiny.memory("glb", TENSORS, depth=4096),
        bus=XyBus(latency_cycles=LATENCY, tensor_rates=(("ofmap", RATE),)),
        spads=spads,
        pipeline=PIPELINE,
    )
    problem = matmul("mm", m=1, n=sums, k=macs * visits)
    inner = next(d for d in ("C", "R", "S") if problem.size[d] == macs * visits)
    outer = next(d for d in ("K", "P", "Q", "N") if problem.size[d] == sums)
    mapping = Mapping(
        (
            LevelMapping("weight_spad", (Loop(inner, macs), Loop(outer, 1))),
            LevelMapping("psum_spad", (Loop(inner, 1),)),
        )
    )
    return architecture, problem, mapping


def queue_twin(slots: int, macs: int, sums: int, visits: int) -> int:
    """Cycle in which the last sum is back in the buffer, tile by tile.

    Operands come over an unlimited bus in no time but its latency.
    """
    word = int(1 / RATE)
    left, landed = [], []
    down = up = 0
    end = LATENCY  # operands are there
    for tile in range(sums * visits):
        room = left[tile - slots] if tile >= slots else 0
        arrived = room
        if tile >= sums:
            begin = max(room, down, landed[tile - sums])
            down = begin + word
            arrived = down + LATENCY
        end = max(end, arrived) + macs
        begin = max(end + PIPELINE - 1, up)
        up = begin + word
        left.append(up)
        landed.append(up + LATENCY)
    return landed[-1]


@pytest.mark.parametrize("slots", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("macs", [1, 2, 5, 9])
def test_a_queue_of_sums_takes_as_long_as_tile_by_tile(slots: int, macs: int) -> None:
    got = CycleModel().evaluate(*queue_case(slots, macs))
    assert got.cycles == queue_twin(slots, macs, 12, 3)


def test_enough_tiles_in_flight_hide_transfers_behind_computing() -> None:
    two, many = (CycleModel().evaluate(*queue_case(slots, 4, 24, 4)) for slots in (2, 8))
    stalls = many.stall_cycles
    assert two.cycles > 1.3 * many.cycles
    assert set(stalls) == {"fill", "drain"}


def test_no_more_tiles_are_held_than_fit() -> None:
    architecture, problem, mapping = queue_case(8, 2)
    three = changed(
        architecture, memory=lambda x: replace(x, depth=3) if x.name == "psum_spad" else x
    )
    got = CycleModel().evaluate(three, problem, mapping)
    assert got.cycles == queue_twin(3, 2, 12, 3)


def test_more_tiles_than_the_simulator_remembers_are_refused() -> None:
    architecture, problem, mapping = queue_case(64, 2)
    with pytest.raises(UnsupportedDesignError, match="psum_spad: at most 62 tiles in flight"):
        CycleModel().evaluate(architecture, problem, mapping)


def test_more_tiles_in_flight_are_never_slower() -> None:
    gained = 0
    for seed in range(6000, 6120):
        architecture, problem, mapping = tree_case(seed)
        more = changed(architecture, memory=lambda m: replace(m, tiles_in_flight=5))
        before = CycleModel().evaluate(architecture, problem, mapping)
        after = CycleModel().evaluate(more, problem, mapping)
        assert after.cycles <= before.cycles, f"seed {seed}"
        assert after.accesses == before.accesses
        assert after.cycles >= AnalyticalModel().evaluate(more, problem, mapping).cycles
        assert CycleModel(Listener()).evaluate(more, problem, mapping) == after
        gained += after.cycles < before.cycles
    assert gained > 2


def loading_case(after: str | None, *, weights: int = 1, inputs: int = 1):
    """Tiles of 6 weights and 4 inputs, new ones of both in every step, over slow buses."""
    spads = (
        replace(tiny.memory("ifmap_spad", ("ifmap",), depth=8), fills_after=after),
        tiny.memory("weight_spad", ("weight",), depth=8),
        tiny.memory("psum_spad", ("ofmap",), depth=4096),
    )
    rates = (("ifmap", Fraction(inputs)), ("weight", Fraction(weights)))
    architecture = tiny.spatial(
        mesh=(1, 1),
        glb=tiny.memory("glb", TENSORS, depth=4096),
        bus=XyBus(tensor_rates=rates),
        spads=spads,
    )
    problem = matmul("mm", m=2, n=3, k=8)
    dims = {name: problem.tensors[i].dims for i, name in enumerate(TENSORS)}
    (shared,) = [d for d in dims["ifmap"] if d in dims["weight"] and problem.size[d] == 8]
    inside = tuple(Loop(dim, 1) for dim, size in problem.size.items() if size > 1)
    levels = (LevelMapping("glb", (Loop(shared, 2),)), LevelMapping("psum_spad", inside))
    return architecture, problem, Mapping(levels)


def test_a_memory_that_fills_after_another_waits_for_its_words() -> None:
    together, in_turn = (CycleModel().evaluate(*loading_case(x)) for x in (None, "weight_spad"))
    # 4 steps of 12 MACs; their 6 and 4 words come at the same time, or in turn. The weights do not
    # fit twice: their loading is never hidden.
    assert together.cycles == 4 * 12 + 4 * 6
    assert in_turn.cycles == 4 * 12 + 4 * (6 + 4)
    assert "ifmap_spad_room" in in_turn.stall_cycles
    assert in_turn.accesses == together.accesses


def test_filling_in_turn_is_never_faster_and_moves_the_same_words() -> None:
    lost = 0
    for seed in range(7000, 7120):
        tree, problem, mapping = tree_case(seed)
        # At ports without limit it does not matter who goes first.
        architecture = changed(
            tree,
            memory=lambda m: replace(m, read_words_per_cycle=None, write_words_per_cycle=None),
        )
        inside = [x.name for x in architecture.memories[1:]]
        if len(inside) < 2:
            continue
        first, last = inside[-2:]

        def after(memory: Memory, first: str = first, last: str = last) -> Memory:
            return replace(memory, fills_after=first) if memory.name == last else memory

        changed_one = changed(architecture, memory=after)
        before = CycleModel().evaluate(architecture, problem, mapping)
        later = CycleModel().evaluate(changed_one, problem, mapping)
        assert later.cycles >= before.cycles, f"seed {seed}"
        assert later.accesses == before.accesses
        lost += later.cycles > before.cycles
    assert lost > 3


def test_memories_that_wait_for_each_other_are_refused() -> None:
    architecture, problem, mapping = loading_case("weight_spad")
    both = changed(
        architecture,
        memory=lambda x: replace(x, fills_after="ifmap_spad") if x.name == "weight_spad" else x,
    )
    with pytest.raises(UnsupportedDesignError, match="would have to be filled before the other"):
        CycleModel().evaluate(both, problem, mapping)


def test_buses_of_one_rate_cost_the_same_however_it_is_stated() -> None:
    limited = 0
    for seed in range(8000, 8060):
        architecture, problem, mapping = tree_case(seed)
        stated = changed(
            architecture,
            bus=lambda b: (
                replace(
                    b,
                    words_per_cycle=None,
                    tensor_rates=tuple((x, b.words_per_cycle) for x in TENSORS),
                )
                if b.words_per_cycle
                else b
            ),
        )
        limited += stated != architecture
        for model in (CycleModel(), AnalyticalModel()):
            want = model.evaluate(architecture, problem, mapping)
            got = model.evaluate(stated, problem, mapping)
            assert (got.cycles, got.stalls, got.accesses) == (
                want.cycles, want.stalls, want.accesses,
            ), f"seed {seed}"  # fmt: skip
    assert limited > 20


def test_the_narrow_bus_of_one_tensor_bounds_both_models() -> None:
    fast, slow = (loading_case(None, weights=4, inputs=x) for x in (4, 1))
    narrow = changed(slow[0], bus=lambda b: replace(b, tensor_rates=(("ifmap", Fraction(1, 8)),)))
    closed = AnalyticalModel().evaluate(narrow, *slow[1:])
    assert closed.cycles == 16 * 8  # 16 inputs, 8 cycles each
    assert CycleModel().evaluate(narrow, *slow[1:]).cycles > closed.cycles
    assert CycleModel().evaluate(*fast).cycles < closed.cycles
    with pytest.raises(ArraysmithError, match="takes all buses of array as equally wide"):
        Machine.of(narrow, "default")
