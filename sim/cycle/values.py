"""Carrying values: integers travel the way that the transfers take them, and nothing else.

Every memory has a frame per tensor, of its tile's size, kept in place (``boxes.frame_address``).
A frame is written only with the words that its transfers bring: of a tile, those that the one
before had not. A word that a transfer forgot leaves what was there before, and the results differ
from the reference. Which words those are is found instance by instance here, from what each holds;
that the sums over all instances are what is counted and timed is tested apart.
"""

from __future__ import annotations

from math import prod

import numpy as np

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.legality import require_legal, tile_sizes
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import DIMS, Problem
from arraysmith.sim.cycle.carrying.carry import Frames, Places, carry
from arraysmith.sim.cycle.carrying.carry_links import NEIGHBOURS
from arraysmith.sim.cycle.carrying.multiply import Axes
from arraysmith.sim.cycle.carrying.reference import (
    POISON,
    Drop,
    random_operands,
    reference_output,
    shape_of,
)
from arraysmith.sim.cycle.nest.boxes import AXES, Int, padded
from arraysmith.sim.cycle.nest.passing import links_of
from arraysmith.sim.cycle.nest.tree import NUMBER, O, Tree
from arraysmith.sim.cycle.nest.turns import FAMILY, KEYS


class WrongValuesError(ArraysmithError):
    """The simulated results are not those of the operator: a bug of the simulator."""


def simulate_values(
    architecture: Architecture,
    problem: Problem,
    mapping: Mapping,
    ifmap: Int,
    weight: Int,
    drop: Drop | None = None,
) -> Int:
    """Return the results that the machine leaves in off-chip memory.

    Args:
        architecture: a spatial design.
        problem: the operator.
        mapping: legal, else ``IllegalMappingError``.
        ifmap: int64, of its tensor's shape.
        weight: int64, of its tensor's shape.
        drop: a transfer to leave out.
    """
    require_legal(architecture, problem, mapping)
    tree = Tree.of(architecture, problem, mapping)
    last = {edge.tensor: edge for edge in tree.edges}  # of each tensor, that to the MACs or above
    macs = [last[t].parent if last[t].at_macs else last[t].child for t in range(3)]
    frames = _frames(tree, (ifmap, weight), macs)
    edges, leads, near = _edges(tree)
    carry(
        (tree.loops, tree.many, tree.size, tree.counts, tree.step_loops, True),
        edges,
        leads,
        _axes(problem),
        np.array([[dim in t.dims for dim in DIMS] for t in problem.tensors]),
        _places(tree),
        frames,
        np.array(macs, np.int64),
        np.full((len(architecture.levels) + 1, 2), FAMILY, np.int64) * [1, 0],
        (drop.tensor, drop.transfer) if drop else (-1, -1),
        near,
    )
    base, size = int(frames[2][0, O]), problem.ofmap.words
    return frames[0][base : base + size].reshape(shape_of(problem.ofmap))


def verify_values(
    architecture: Architecture, problem: Problem, mapping: Mapping, seed: int = 0
) -> Int:
    """Run seeded random operands through the machine and compare with ``reference_output``.

    Returns:
        The results.

    Raises:
        WrongValuesError: naming the first word that differs.
    """
    ifmap, weight = random_operands(problem, seed)
    run = simulate_values
    if architecture.systolic:
        # Imported when needed: its kernels take time to load.
        from arraysmith.sim.cycle.systolic.values import systolic_values

        run = systolic_values
    got = run(architecture, problem, mapping, ifmap, weight)
    want = reference_output(problem, ifmap, weight)
    wrong = np.argwhere(got != want)
    if len(wrong):
        at = tuple(int(x) for x in wrong[0])
        raise WrongValuesError(
            f"{problem.name}: {len(wrong)} of {got.size} results are wrong, the first at {at}: "
            f"{got[at]} instead of {want[at]}"
        )
    return got


def _axes(problem: Problem) -> Axes:
    """Return the axes of all tensors as the kernels take them."""
    table = np.full((3, AXES, 5), -1, np.int64)
    table[:, :, 2:] = 0
    for t, tensor in enumerate(problem.tensors):
        for a, axis in enumerate(tensor.axes, AXES - len(tensor.axes)):
            table[t, a, 4] = axis.offset
            for k, (dim, by) in enumerate(axis.terms):
                table[t, a, k], table[t, a, 2 + k] = DIMS.index(dim), by
    stored = [padded([axis.extent for axis in x.axes], 1) for x in problem.tensors]
    return table, np.array(stored)


def _frames(tree: Tree, operands: tuple[Int, Int], macs: list[int]) -> Frames:
    """Return every memory with a frame per tensor that it keeps, full of poison."""
    problem, levels = tree.problem, tree.architecture.levels
    base, size = np.zeros((2, len(levels), 3), np.int64)
    length = np.ones((len(levels), 3, AXES), np.int64)
    used = 0
    for t, tensor in enumerate(problem.tensors):
        for level in tree.keepers[t]:
            sizes = tile_sizes(tree.architecture, problem, tree.mapping, level)
            reach = [axis.reach(sizes) if level else axis.extent for axis in tensor.axes]
            base[level, t], size[level, t] = used, prod(reach)
            length[level, t] = padded(reach, 1)
            used += int(size[level, t]) * tree.copies(level)
    words = np.full(used, POISON, np.int64)
    for t, values in enumerate(operands):
        words[base[0, t] : base[0, t] + size[0, t]] = values.reshape(-1)
    if macs[O] == 0:  # MACs add to what is there
        words[base[0, O] : base[0, O] + size[0, O]] = 0
    return words, np.zeros(used, np.bool_), base, size, length


def _digits(tree: Tree, level: int) -> Int:
    """Return int64 [instances, loops in space], which turn of each loop an instance is."""
    counts = [x.count if x.level < level else 1 for x in tree.space]
    return np.stack(
        [x.reshape(-1) for x in np.indices(counts)] or [np.zeros(1, np.int64)], axis=1
    ).astype(np.int64)


def _numbered(tree: Tree, digits: Int, chosen: list[int]) -> Int:
    """Return int64 [instances], a number from the digits of the chosen loops in space."""
    found = np.zeros(len(digits), np.int64)
    for k in chosen:
        found = found * tree.space[k].count + digits[:, k]
    return found


def _places(tree: Tree) -> Places:
    """Return who is where, and room for what they have."""
    levels = len(tree.architecture.levels) + 2
    instances = np.array([tree.copies(level) for level in range(levels)], np.int64)
    who = np.zeros((levels, int(instances.max()), len(DIMS)), np.int64)
    most = 1
    for level in range(levels):
        digits = _digits(tree, level)
        for d, dim in enumerate(DIMS):
            mine = [k for k, x in enumerate(tree.space) if x.dim == dim and x.level < level]
            who[level, : len(digits), d] = _numbered(tree, digits, mine)
            most = max(most, prod(tree.space[k].count for k in mine))
    return np.zeros((levels, len(DIMS), most, KEYS + 2), np.int64), who, instances


def _edges(tree: Tree) -> tuple[Int, Int, Int]:
    """Return the edges as the kernel takes them, who goes first with results, and neighbours."""
    own = tree.problem.ofmap.dims
    rows, leads, near = [], [], []
    used = 0
    for edge in sorted(tree.edges, key=lambda x: (x.parent, x.tensor)):
        instances = 0 if edge.at_macs else tree.copies(edge.child)
        links = links_of(tree, edge)
        linked = len(links) > 0
        rows.append((edge.tensor, edge.parent, edge.child, edge.at_macs, edge.depth, used, linked))
        used += instances
        if edge.at_macs:
            continue
        digits = _digits(tree, edge.child)
        told = [k for k, x in enumerate(tree.space) if x.dim in own or x.level < edge.parent]
        numbers = _numbered(tree, digits, told)
        _, first, group = np.unique(numbers, return_index=True, return_inverse=True)
        leads.append(first[group])
        near.append(_neighbours(tree, links, digits))
    return (
        np.array(rows, np.int64),
        np.concatenate([*leads, np.zeros(1, np.int64)]).astype(np.int64),
        np.concatenate([*near, np.full((1, NEIGHBOURS), -1)]).astype(np.int64),
    )


def _neighbours(tree: Tree, links: Int, digits: Int) -> Int:
    """Return int64 [instances, NEIGHBOURS], whom each may take words from; -1 for nobody."""
    found = np.full((len(digits), NEIGHBOURS), -1, np.int64)
    numbers = {tuple(row): i for i, row in enumerate(digits.tolist())}
    for n, (d, k, step, _) in enumerate(links.tolist()):
        loop = tree.loops[d, k, NUMBER]
        for i, row in enumerate(digits.tolist()):
            row[loop] += step
            found[i, n] = numbers.get(tuple(row), -1)
    return found
