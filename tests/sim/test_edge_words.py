"""The tables of what turns bring, added up over all turns, against the walker's sets of words."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import numpy as np
import pytest
from test_analytical_counts import BUSES, chains
from tiny import mapping, memory, problem, ragged_mapping, spatial
from walker import walk, work

from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.nest.amounts import Amounts
from arraysmith.sim.cycle.nest.lookups import find_entries, total_words
from arraysmith.sim.cycle.nest.tree import O, Tree
from arraysmith.sim.cycle.nest.turns import find_limits, next_turn


def counted(tree: Tree) -> tuple[dict, int]:
    """Words over all edges and turns; turns."""
    amounts, found, turns = Amounts.of(tree), defaultdict(int), 0
    index, limits = np.zeros((2, len(tree.time)), np.int64)
    find_limits(tree.loops, tree.many, tree.size, index, limits)
    entries, turned = np.zeros(16, np.int64), -1
    names = [level.name for level in tree.architecture.levels]
    while True:
        turns += 1
        for e, edge in enumerate(tree.edges):
            if turned >= edge.depth:
                continue

            def words(column: int, e: int = e, turned: int = turned) -> int:
                find_entries(amounts.tables, e, index, turned, entries)
                return total_words(amounts.tables, int(amounts.factors[e]), column, entries)

            key, each = (names[edge.parent], TENSORS[edge.tensor]), words(amounts.each)
            below = None if edge.at_macs else (names[edge.child], TENSORS[edge.tensor])
            if edge.tensor != O:
                found[*key, "read"] += words(0)
                if below:
                    found[*below, "fill"] += each
                continue
            held = [ancestor for j, ancestor in edge.again if index[j] > 0]
            back = words(amounts.back + min(held)) if held else 0
            found[*key, "update"] += words(amounts.up)
            found[*key, "read"] += back + words(amounts.up) - words(0)
            if below:
                found[*below, "fill"] += back
                found[*below, "drain"] += each
        turned = next_turn(
            tree.loops, tree.many, tree.size, index, limits, len(tree.time), ragged=True
        )
        if turned < 0:
            return {key: words for key, words in found.items() if words}, turns


@pytest.mark.parametrize("seed", range(60))
def test_words_over_every_edge_are_those_that_the_walker_counts(seed: int) -> None:
    random = Random(seed)
    row = spatial(glb=memory("glb", TENSORS, depth=1 << 20), bus=random.choice(BUSES))
    design = chains(random) if seed % 2 else row
    layer = problem(random)
    while layer.macs > 1200:
        layer = problem(random)
    loops = (ragged_mapping if seed % 3 else mapping)(random, design, layer)
    tree = Tree.of(design, layer, loops)
    got, turns = counted(tree)
    last = {edge.tensor: edge for edge in tree.edges}
    # What MACs take from a memory right above them moves in no transfer.
    inside = {
        (design.levels[edge.child].name, TENSORS[t], direction)
        for t, edge in last.items()
        if not edge.at_macs
        for direction in ("read", "update")
    }
    want = walk(design, layer, loops)
    assert got == {key: words for key, words in want.items() if key not in inside}
    assert turns == work(design, layer, loops)[0]
