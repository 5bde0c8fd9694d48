"""A million random legal mappings, each checked for what no evaluation may break.

    python -m arraysmith.validation.check_mappings [--mappings N] [--seed N]

Random layers (strides, dilation, padding, groups, matrix products) on random memory trees (one to
four memories, bypass, multicast, reduction), tiles that divide or do not. Mappings are legal by
construction, apart from capacities, by which they are then chosen; every thousandth is checked by
``check_mapping`` itself. What is checked stands in ``sim.analytical.soundness``. Prints a line per
thousand mappings with something wrong, and what was done; exit code 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from arraysmith.arch.architecture import Architecture, Compute, Energy, Fanout, Memory, XyBus
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import DIMS, TENSORS, Problem, conv, matmul
from arraysmith.sim.analytical.counting import Counts, count
from arraysmith.sim.analytical.encoding import (
    COLUMN,
    ROW,
    TEMPORAL,
    ChainArrays,
    Int,
    MappingArrays,
    ProblemArrays,
)
from arraysmith.sim.analytical.soundness import unsound

BATCH = 4096
"""Mappings of one layer on one tree."""

SAMPLE = 1000
"""One in so many mappings is checked by ``check_mapping``."""


@dataclass(frozen=True)
class Batch:
    """Legal mappings of one layer on one tree, with their counts."""

    architecture: Architecture
    problem: Problem
    mappings: MappingArrays
    counts: Counts


def batches(rng: np.random.Generator) -> Iterator[Batch]:
    """Yield batches of legal mappings without end."""
    while True:
        architecture, problem = random_tree(rng), random_layer(rng)
        mappings = random_mappings(rng, architecture, problem, BATCH)
        chain = ChainArrays.of(architecture, Mapping(()))
        counts = count(ProblemArrays.of(problem), chain, mappings, "default")
        need = (counts.tiles * chain.keeps).sum(axis=2)
        room = [x.capacity_words or np.iinfo(np.int64).max for x in architecture.memories]
        fits = np.flatnonzero((need <= np.array(room)).all(axis=1))
        if len(fits):
            legal = replace(
                mappings,
                dim=mappings.dim[fits],
                count=mappings.count[fits],
                tile=None if mappings.tile is None else mappings.tile[fits],
            )
            found = Counts(
                counts.words[fits],
                counts.instances[fits],
                counts.tiles[fits],
                counts.steps[fits],
                counts.macs[fits],
            )
            yield Batch(architecture, problem, legal, found)


def random_layer(rng: np.random.Generator) -> Problem:
    """Return a convolution or a matrix product."""

    def pick(*choices: int) -> int:
        return int(rng.choice(choices))

    if rng.random() < 0.2:
        m, n, k = (int(x) for x in rng.integers(1, 200, 3))
        return matmul("product", m=m, n=n, k=k, batch=pick(1, 1, 3))
    groups = pick(1, 1, 1, 4)
    window = (pick(1, 3, 3, 5, 7), pick(1, 3, 3, 5))
    return conv(
        "layer",
        height=int(rng.integers(14, 60)),
        width=int(rng.integers(14, 60)),
        in_channels=groups * int(rng.integers(1, 40)),
        out_channels=groups * int(rng.integers(1, 40)),
        window=window,
        stride=(pick(1, 1, 2, 4), pick(1, 1, 2, 3)),
        padding=(pick(0, 1, 3), pick(0, 1, 2)),
        dilation=(pick(1, 1, 2), pick(1, 1, 2)),
        groups=groups,
        batch=pick(1, 1, 2, 5),
    )


def random_tree(rng: np.random.Generator) -> Architecture:
    """Return a chain of one to four memories with one or two fan-outs."""

    def memory(name: str, *, off_chip: bool = False) -> Memory:
        holds = tuple(x for x in TENSORS if off_chip or rng.random() < 0.7) or ("ofmap",)
        depth = None if off_chip else int(2 ** rng.integers(6, 17))
        device = "lpddr4" if off_chip else "sram"
        return Memory(name, device, holds, 8, 8, depth, energy=Energy(1.0, 1.0))

    def fanout(name: str, most: int) -> Fanout:
        bus = XyBus(
            multicast=rng.random() < 0.8,
            diagonal=rng.random() < 0.5,
            reduction=rng.random() < 0.7,
            adds_above=True,
        )
        x, y = (int(n) for n in rng.integers(1, most, 2))
        return Fanout(name, x, y, bus)

    levels: list[Memory | Fanout] = [memory("dram", off_chip=True)]
    if rng.random() < 0.8:
        levels.append(memory("glb"))
    levels.append(fanout("array", 17))
    if rng.random() < 0.3:
        levels += [memory("cluster"), fanout("lanes", 5)]
    if rng.random() < 0.8:
        levels.append(memory("spad"))
    return Architecture("tree", 10**9, "45nm", tuple(levels), Compute())


def random_mappings(
    rng: np.random.Generator, architecture: Architecture, problem: Problem, number: int
) -> MappingArrays:
    """Return mappings that fit the mesh; the last loop of a dim is in time.

    In every other batch all tiles divide.
    """
    dims = len(DIMS)
    divide = rng.random() < 0.5
    places: list[tuple[int, int, int]] = []  # level, axis, most instances
    for index, level in enumerate(architecture.levels):
        if isinstance(level, Fanout):
            places += [(index, COLUMN, level.mesh_x), (index, ROW, level.mesh_y)]
        else:
            places.append((index, TEMPORAL, 0))
    if isinstance(architecture.levels[-1], Fanout):
        places.append((len(architecture.levels), TEMPORAL, 0))  # at the MACs
    around = np.tile(np.array(problem.sizes), (number, 1))
    columns: list[tuple[int, int, Int, Int, Int]] = []
    for place, (level_index, axis, most) in enumerate(places):
        order = rng.permuted(np.tile(np.arange(dims), (number, 1)), axis=1)
        tile = np.where(
            rng.random((number, dims)) < 0.5, around, rng.integers(1, around + 1)
        )  # half of the dims have no loop here
        if divide:
            tile = np.gcd(around, tile)
        if axis == TEMPORAL and place == len(places) - 1:
            tile = np.ones_like(around)
        turns = -(-around // tile)
        if axis != TEMPORAL:
            left = np.full(number, most)
            for d in range(dims):
                wide = turns[:, d] > left
                least = -(-around[wide, d] // left[wide])
                tile[wide, d] = around[wide, d] if divide else least
                turns[:, d] = -(-around[:, d] // tile[:, d])
                left //= turns[:, d]
        rows = np.arange(number)
        for position in range(dims):
            dim = order[:, position]
            columns.append((level_index, axis, dim, turns[rows, dim], tile[rows, dim]))
        around = tile
    return MappingArrays(
        np.array([x[0] for x in columns], np.int64),
        np.array([x[1] for x in columns], np.int64),
        np.stack([x[2] for x in columns], axis=1),
        np.stack([x[3] for x in columns], axis=1),
        np.stack([x[4] for x in columns], axis=1),
    )


def mapping_at(batch: Batch, row: int) -> Mapping:
    """Return one mapping of a batch as loops per level."""
    levels = batch.architecture.levels
    names = [*(level.name for level in levels), batch.architecture.compute.name]
    groups: dict[str, dict[int, list[Loop]]] = {name: {0: [], 1: [], 2: []} for name in names}
    mappings = batch.mappings
    assert mappings.tile is not None
    for slot, (level, axis) in enumerate(zip(mappings.level, mappings.axis, strict=True)):
        if mappings.count[row, slot] > 1:
            loop = Loop(DIMS[mappings.dim[row, slot]], int(mappings.tile[row, slot]))
            groups[names[level]][int(axis)].append(loop)
    return Mapping(
        tuple(
            LevelMapping(name, tuple(group[TEMPORAL]), tuple(group[COLUMN]), tuple(group[ROW]))
            for name, group in groups.items()
            if any(group.values())
        )
    )


def check(mappings: int, seed: int) -> tuple[int, int, list[str]]:
    """Check so many legal mappings.

    Returns (mappings checked, how many of them are ragged, what was wrong with which layer).
    """
    rng = np.random.default_rng(seed)
    done, ragged = 0, 0
    wrong: list[str] = []
    for batch in batches(rng):
        found = list(unsound(batch.problem, batch.counts))
        whole = batch.mappings.count.prod(axis=1) != prod(batch.problem.sizes)
        for row in range(0, len(whole), SAMPLE):
            mapping = mapping_at(batch, row)
            found += map(str, check_mapping(batch.architecture, batch.problem, mapping))
        wrong += [f"{what}: {batch.problem} on {batch.architecture}" for what in found]
        done += len(whole)
        ragged += int(whole.sum())
        if done >= mappings:
            return done, ragged, wrong
    raise AssertionError("batches never end")


def main() -> None:
    """Check, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--mappings", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    done, ragged, wrong = check(options.mappings, options.seed)
    for line in wrong:
        print(line)
    print(f"{done:,} legal mappings, {ragged:,} of them ragged: {len(wrong)} findings")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
