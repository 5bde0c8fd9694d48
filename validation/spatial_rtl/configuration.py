"""What ``chip.sv`` is told once: rates, loops of the MACs, identities of rows and PEs."""

from __future__ import annotations

from fractions import Fraction
from math import prod

from arraysmith.arch.architecture import Architecture, Memory, XyBus
from arraysmith.arch.mapping import PlacedLoop
from arraysmith.validation.spatial_rtl.loops import RESULT, Nest, NoProgramError, Point
from arraysmith.validation.spatial_rtl.program import (
    COLUMNS,
    LATENCY,
    LOOPS,
    MOST_CYCLES,
    MOST_LATENCY,
    NOBODY,
    ROWS,
    STAGES,
    WAYS,
    Program,
)


def tags(shifts: dict[tuple[int, int], Point]) -> dict[Point, tuple[int, int]]:
    """Return the row and column tag of every tile, given the shift of each PE's tile.

    Tiles that fill rows are told apart by row, all others by column tags.
    """
    tiles = {shift: number for number, shift in enumerate(dict.fromkeys(shifts.values()))}
    by_row = _tell_rows_apart(shifts)
    return {shift: (n, 0) if by_row else (0, n) for shift, n in tiles.items()}


def _tell_rows_apart(shifts: dict[tuple[int, int], Point]) -> bool:
    rows = {row for row, _ in shifts}
    return all(len({s for (y, _), s in shifts.items() if y == row}) == 1 for row in rows)


def configure(architecture: Architecture, nest: Nest, program: Program) -> None:
    """Add the configuration; raises NoProgramError for a design that is not the array's."""
    offchip, glb = architecture.memories[:2]
    mesh = architecture.fanouts[0]
    bus = mesh.network
    if not isinstance(bus, XyBus) or not (bus.multicast and bus.diagonal and bus.reduction):
        raise NoProgramError(f"{mesh.name}: X/Y buses with multicast and reduction")
    if mesh.mesh_x > COLUMNS or mesh.mesh_y > ROWS:
        raise NoProgramError(f"{mesh.name}: at most {COLUMNS} x {ROWS}")
    for memory in architecture.memories:
        if memory.ports == 1:
            raise NoProgramError(f"{memory.name}: a port each way")
    _require_halves(glb, sum(prod(nest.reach(t, nest.buffer)) for t in range(3)))
    for t, level in enumerate(nest.spads):
        spad = architecture.levels[level]
        assert isinstance(spad, Memory)
        _require_halves(spad, prod(nest.reach(t, level)))
        if spad.read_words_per_cycle is not None or spad.write_words_per_cycle is not None:
            raise NoProgramError(f"{spad.name}: ports of scratchpads are not limited")
    pipeline = architecture.compute.pipeline_cycles
    if pipeline > STAGES or bus.latency_cycles > LATENCY or offchip.latency_cycles > MOST_LATENCY:
        raise NoProgramError(f"at most {STAGES} stages, {LATENCY} and {MOST_LATENCY} of latency")
    if len(nest.time) > LOOPS:
        raise NoProgramError(f"at most {LOOPS} loops in time")
    for _ in range(LOOPS - len(nest.time)):
        program.add("loops", 1, 0, 0, 0)
    for loop in nest.time:
        program.add("loops", loop.count, *(_place_step(nest, t, loop) for t in range(3)))
    reading = rate(glb.read_words_per_cycle, glb.name)
    writing = rate(glb.write_words_per_cycle, glb.name)
    over = Fraction(WAYS) if bus.words_per_cycle is None else bus.words_per_cycle
    numbers = [program.count(x) for x in ("phases", "ins", "fills", "steps")]
    numbers += [program.count("ifmap_tiles"), program.count("weight_tiles")]
    epochs = program.count("drain_words") // program.count("leaves")
    numbers += [program.count("outs"), epochs]
    macs = prod(x.count for x in nest.time[nest.step_loops :])
    numbers += [macs, program.count("leaves"), pipeline, bus.latency_cycles]
    program.add("config", *numbers, *reading, *writing, *writing, *reading, *rate(over, mesh.name))
    program.add_each(
        "offchip",
        *rate(offchip.read_words_per_cycle, offchip.name),
        *rate(offchip.write_words_per_cycle, offchip.name),
        offchip.latency_cycles,
        MOST_CYCLES,
        len(program.memory),
    )
    for t in range(3):
        shifts = nest.shifts(t)
        told = tags(shifts)
        rows = t == RESULT or _tell_rows_apart(shifts)
        for y in range(ROWS):
            mine = {x: shifts[y, x] for x in range(COLUMNS) if (y, x) in shifts}
            if t == RESULT:
                row, columns = y, {x: x for x in mine}
            else:
                row = next((told[s][0] for s in mine.values()), NOBODY) if rows else 0
                columns = {x: told[s][1] for x, s in mine.items()}
            named = [columns.get(x, NOBODY) for x in range(COLUMNS)]
            program.add_each("tags", row if mine else NOBODY, *named)


def _place_step(nest: Nest, t: int, loop: PlacedLoop) -> int:
    """Return by how much a turn of a loop moves the place in a scratchpad's tile."""
    found = 0
    if loop.level < nest.spads[t]:
        return 0  # it moves the tile itself, or nothing
    for step, reach in zip(nest.move(t, loop), nest.reach(t, nest.spads[t]), strict=True):
        found = found * reach + step
    return found


def _require_halves(memory: Memory, words: int) -> None:
    capacity = memory.capacity_words
    if not memory.double_buffered or (capacity is not None and 2 * words > capacity):
        raise NoProgramError(f"{memory.name}: its tiles have to fit twice")


def rate(words: Fraction | None, name: str) -> tuple[int, int]:
    """Return (words, cycles): whole words per cycle, or one word in so many cycles."""
    if words is None or (words.denominator != 1 and words.numerator != 1) or words > WAYS:
        raise NoProgramError(f"{name}: rate {words}: from 1/n to {WAYS} words per cycle")
    return words.numerator, words.denominator
