"""The times of arrays by their registers, against arrays made of registers."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from array_twin import CollisionError, output_stationary, through_ports, weight_stationary
from hypothesis import given, settings
from hypothesis import strategies as st

from arraysmith.arch.errors import ArraysmithError
from arraysmith.sim.array_registers import ArrayRegisters, run_tiles, tiles_of

SIZES = st.integers(1, 5)
COUNTS = st.integers(0, 3)


def words(seed, *shape):
    draw = random.Random(seed)
    high, *deeper = shape
    if not deeper:
        return [draw.randint(-9, 9) for _ in range(high)]
    return [words(draw.random(), *deeper) for _ in range(high)]


def product(left, top):
    """Sums of an output-stationary tile, by place."""
    places = [(i, j) for i in range(len(left[0])) for j in range(len(top[0]))]
    pairs = list(zip(left, top, strict=True))
    return {(i, j): sum(x[i] * y[j] for x, y in pairs) for i, j in places}


def values(found):
    return {at: value for at, (_, value) in found.items()}


def left_between(found):
    cycles = [cycle + 1 for cycle, _ in found.values()]
    return min(cycles), max(cycles)


@st.composite
def arrays(draw, **fixed):
    return ArrayRegisters(
        **{
            "rows": draw(SIZES),
            "columns": draw(SIZES),
            "input_registers": draw(COUNTS),
            "multiplier_registers": draw(COUNTS),
            "accumulator_registers": 1 + draw(COUNTS),
            "output_registers": draw(COUNTS),
            **fixed,
        }
    )


def part(draw, registers):
    return draw(st.integers(1, registers.rows)), draw(st.integers(1, registers.columns))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 9), st.sampled_from(["free", "bus", "rows", "columns"]))
def test_an_output_stationary_tile_leaves_when_its_registers_say(data, steps, drain):
    hops = {"row_hop": data.draw(st.integers(0, 2)), "column_hop": data.draw(st.integers(0, 2))}
    if drain == "bus":
        hops = {"row_hop": 1 + hops["row_hop"], "column_hop": hops["column_hop"]}
    registers = data.draw(arrays(drain=drain, **hops))
    m, n = tile = part(data.draw, registers)
    left, top = words(1, 1, steps, m), words(2, 1, steps, n)
    found = output_stationary(registers, tile, [0], left, top)[0]
    assert values(found) == product(left[0], top[0])
    assert left_between(found) == (registers.first(tile, steps), registers.tail(tile, steps))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 9), st.sampled_from(["bus", "rows", "columns"]))
def test_overlapping_tiles_come_as_close_as_the_result_registers_allow(data, steps, drain):
    registers = data.draw(arrays(drain=drain, overlap=True))
    m, n = tile = registers.rows, registers.columns
    left, top = words(1, 3, steps, m), words(2, 3, steps, n)
    apart = registers.distance(tile, tile, steps)
    found = output_stationary(registers, tile, [0, apart, 2 * apart], left, top)
    for k in range(3):
        assert values(found[k]) == product(left[k], top[k])
    run = run_tiles(registers, [tile] * 3, steps)
    assert run.cycles == max(left_between(x)[1] for x in found)
    assert run.waits == 2 * (apart - steps)
    if apart > steps:
        with pytest.raises(CollisionError):
            output_stationary(registers, tile, [0, apart - 1], left[:2], top[:2])


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 9))
def test_a_weight_stationary_stream_leaves_when_its_registers_say(data, steps):
    hop = data.draw(st.integers(1, 3))
    registers = data.draw(
        arrays(
            dataflow="ws",
            row_hop=hop,
            accumulator_registers=hop,
            column_hop=data.draw(st.integers(0, 2)),
        )
    )
    m, n = tile = part(data.draw, registers)
    kept, stream = words(1, m, n), words(2, steps, m)
    found = weight_stationary(registers, tile, kept, stream)[0]
    places = [(t, j) for t in range(steps) for j in range(n)]
    assert values(found) == {
        (t, j): sum(stream[t][i] * kept[i][j] for i in range(m)) for t, j in places
    }
    assert left_between(found) == (registers.first(tile, steps), registers.tail(tile, steps))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 9), st.booleans())
def test_words_through_ports_and_results_over_lines_take_turns(data, steps, half):
    registers = data.draw(arrays(drain="lines", lines=1))
    lanes = registers.rows + registers.columns
    registers = replace(
        registers,
        ports=data.draw(st.sampled_from([x for x in range(1, lanes + 1) if lanes % x == 0])),
        port_registers=data.draw(COUNTS),
        lines=data.draw(st.integers(1, registers.rows * registers.columns + 1)),
        stores_half=half,
    )
    m, n = tile = part(data.draw, registers)
    left, top = words(1, steps, m), words(2, steps, n)
    found = through_ports(registers, tile, left, top)[0]
    assert values(found) == product(left, top)
    assert left_between(found)[1] == registers.tail(tile, steps)


def test_three_arrays_of_one_size_differ_by_their_registers():
    """4 x 4, 16 steps, as said by two RTLs and a simulator: see validation/reference."""
    systolic = ArrayRegisters(4, 4, drain="columns", multiplier_registers=1, output_registers=1)
    assert systolic.tail((4, 4), 16) == 28
    assert replace(systolic, drain="free").tail((4, 4), 16) == 24
    assert replace(systolic, multiplier_registers=0, output_registers=0).tail((4, 4), 16) == 26
    mesh = ArrayRegisters(
        4,
        4,
        drain="lines",
        lines=16,
        ports=8,
        lead_cycles=1,
        multiplier_registers=1,
        output_registers=1,
        stores_half=True,
    )
    assert run_tiles(mesh, [(4, 4)], 16).cycles == 27
    assert run_tiles(replace(mesh, stores_half=False), [(4, 4)], 16).cycles == 26


def test_a_product_is_cut_into_tiles_row_by_row():
    registers = ArrayRegisters(4, 3)
    assert tiles_of(registers, 6, 4) == [(4, 3), (4, 1), (2, 3), (2, 1)]
    apart = run_tiles(registers, tiles_of(registers, 6, 4), 5)
    assert apart.cycles == sum(registers.tail(x, 5) for x in tiles_of(registers, 6, 4))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rows": 0}, "rows 0: must be at least 1"),
        ({"accumulator_registers": 0}, "accumulator_registers 0: must be at least 1"),
        ({"drain": "up"}, "must be one of free, bus, rows, columns, lines"),
        ({"dataflow": "is"}, "must be os or ws"),
        ({"dataflow": "ws", "drain": "rows"}, "leave its last row freely"),
        ({"dataflow": "ws", "row_hop": 2}, "must be accumulator_registers 1"),
        ({"ports": 3}, "ports 3: must divide the 8 lanes"),
        ({"drain": "lines"}, "lines None: stated"),
        ({"drain": "lines", "lines": 2, "overlap": True}, "overlap: tiles overlap where"),
    ],
)
def test_registers_that_describe_no_array_are_refused(fields, says):
    with pytest.raises(ArraysmithError, match=says):
        ArrayRegisters(**{"rows": 4, "columns": 4, **fields})


def test_a_tile_larger_than_the_array_is_refused():
    with pytest.raises(ArraysmithError, match="5x1 PEs, 2 steps: must be from 1x1, 1 to 4x4"):
        ArrayRegisters(4, 4).tail((5, 1), 2)
