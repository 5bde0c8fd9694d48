"""A mapping as a loop nest for people."""

from __future__ import annotations

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.legality import tile_words
from arraysmith.arch.mapping import Mapping, PlacedLoop, kept_tensors, placed_loops
from arraysmith.arch.problem import TENSORS, Problem


def loop_nest(architecture: Architecture, problem: Problem, mapping: Mapping) -> str:
    """Return the nest as text, outermost first: one line per level and one per loop.

        glb            keeps ifmap 1,356, ofmap 896 words
          for P in 112        tile 1
        array          4 x 42
          spread Q over x, 4  tile 1

    A loop's line states its turns (or instances) and the indices that one of them covers; a
    memory's line the words of each tensor kept in one instance. Loops that turn once are left out.

    Args:
        architecture: gives the levels.
        problem: gives the extents.
        mapping: a legal one.
    """
    loops = placed_loops(architecture, problem.size, mapping)
    blocks: list[tuple[str, str, list[tuple[str, int]]]] = []
    for index, level in enumerate(architecture.levels):
        if isinstance(level, Memory) and streams_through(architecture, level):
            kept = kept_tensors(level, mapping.at(level.name))
            head = f"passes {', '.join(kept)} on, in pieces that fit"
        elif isinstance(level, Memory):
            words = tile_words(architecture, problem, mapping, index)
            kept = kept_tensors(level, mapping.at(level.name))
            parts = [f"{tensor} {words[tensor]:,}" for tensor in TENSORS if tensor in kept]
            head = f"keeps {', '.join(parts)} words" if parts else "keeps nothing"
        else:
            head = f"{level.mesh_x} x {level.mesh_y}"
        blocks.append((level.name, head, _lines(index, loops)))
    last = len(architecture.levels)
    blocks.append((architecture.compute.name, "", _lines(last, loops)))
    return _layout(blocks)


def streams_through(architecture: Architecture, memory: Memory) -> bool:
    """Return whether tiles pass through ``memory`` in pieces: the SRAMs of a systolic array."""
    return architecture.systolic is not None and memory.depth is not None


def _lines(level: int, loops: tuple[PlacedLoop, ...]) -> list[tuple[str, int]]:
    lines = []
    for loop in loops:
        if loop.level != level or loop.count == 1:
            continue
        if loop.axis == "t":
            lines.append((f"for {loop.dim} in {loop.count:,}", loop.tile))
        else:
            lines.append((f"spread {loop.dim} over {loop.axis}, {loop.count:,}", loop.tile))
    return lines


def _layout(blocks: list[tuple[str, str, list[tuple[str, int]]]]) -> str:
    name_width = max(len(name) for name, _, _ in blocks)
    loop_width = max((len(text) for _, _, lines in blocks for text, _ in lines), default=0)
    rows = []
    for name, head, lines in blocks:
        rows.append(f"{name:<{name_width}}  {head}".rstrip())
        rows += [f"  {text:<{loop_width}}  tile {tile:,}" for text, tile in lines]
    return "\n".join(rows)
