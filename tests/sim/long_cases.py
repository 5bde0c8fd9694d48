"""Random designs whose loops turn often: what repeats in them is worth skipping."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import tiny
from cases import Case
from chip_trees import tree_case

from arraysmith.arch.architecture import Memory
from arraysmith.arch.problem import Problem, conv, matmul

LENGTHS = (1, 2, 5, 11, 13, 16, 23, 36)
MOST_MACS = 8_000
"""Larger problems are drawn again."""


def long_problem(random: Random) -> Problem:
    """A problem with a few long dims."""
    while True:
        if random.random() < 0.3:
            m, n, k = (random.choice(LENGTHS) for _ in range(3))
            found = matmul("mm", m=m, n=n, k=k)
        else:
            window = random.choice((1, 1, 2, 3))
            stride = random.choice((1, 1, 2))
            out = random.choice(LENGTHS)
            found = conv(
                "conv",
                in_channels=random.choice(LENGTHS),
                out_channels=random.choice(LENGTHS),
                height=(out - 1) * stride + window,
                width=random.choice((window, window + 10, window + 16)),
                window=(window, window),
                stride=(stride, 1),
                padding=random.choice(((0, 0), (1, 1))) if window == 3 else (0, 0),
            )
        if 300 < found.macs < MOST_MACS:
            return found


def long_case(seed: int) -> Case:
    """A random tree with a problem and a mapping of its own; tiles do not divide for odd seeds."""
    random = Random(f"long {seed}")
    architecture = tree_case(seed)[0]
    problem = long_problem(random)
    choose = tiny.ragged_mapping if seed % 2 else tiny.mapping
    return architecture, problem, choose(random, architecture, problem)


def queued(random: Random, case: Case) -> Case:
    """The case with longer queues of tiles, and a memory that fills after another one."""
    architecture, problem, mapping = case
    chip = [x.name for x in architecture.memories[1:]]
    late = random.choice(chip) if chip else None
    levels = tuple(
        replace(
            x,
            tiles_in_flight=random.choice((2, 3, 5, 8)),
            fills_after=random.choice([None, *(y for y in chip if y != late)])
            if x.name == late
            else None,
        )
        if isinstance(x, Memory) and x.depth and x.double_buffered
        else x
        for x in architecture.levels
    )
    return replace(architecture, levels=levels), problem, mapping
