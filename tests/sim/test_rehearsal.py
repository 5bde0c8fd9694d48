"""A few turns of every loop against all of them, against the words counted, and the simulator."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import pytest
from cases import case
from tiny import mapping, memory, problem, ragged_mapping, spatial

from arraysmith.arch.mapping import LevelMapping, Loop, Mapping, placed_loops
from arraysmith.arch.problem import DIMS, TENSORS, matmul
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.rehearsal.loops import Loops
from arraysmith.sim.analytical.rehearsal.plan import (
    PARENT,
    TENSOR,
    Plan,
    steps_of,
)
from arraysmith.sim.analytical.rehearsal.run import rehearse, rehearse_plan
from arraysmith.sim.analytical.rehearsal.state import CAUSES
from arraysmith.sim.analytical.rehearsal.words import AT_PARENT
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.report import READ

DESIGN = spatial(
    dram=memory("dram", TENSORS, read=1, write=1, latency=7),
    glb=memory("glb", TENSORS, depth=4096, read=4, write=2),
    pipeline=2,
)


def drawn(seed, *, ragged=False):
    """A random layer and mapping on ``DESIGN``, and what the closed forms say."""
    random = Random(seed)
    of = problem(random)
    found = (ragged_mapping if ragged else mapping)(random, DESIGN, of)
    return of, found, AnalyticalModel().evaluate(DESIGN, of, found)


def walked(of, found, loops):
    """Turns of the first loops in time, one by one, as a set of indices."""
    number = 0
    placed = placed_loops(DESIGN, of.size, found)
    time = [x for x in placed if x.axis == "t" and x.count > 1][:loops]
    for digits in product(*(range(x.count) for x in time)):
        turn = {id(x): digit for x, digit in zip(time, digits, strict=True)}
        extents = dict(of.size)
        fits = True
        for x in placed:
            at = turn.get(id(x), 0)
            left = extents[x.dim] - at * x.tile
            fits = fits and left > 0
            extents[x.dim] = min(x.tile, left)
        number += fits
    return number


@pytest.mark.parametrize("seed", range(20))
def test_loops_turn_as_often_as_they_do_one_by_one(seed):
    of, found, _ = drawn(seed, ragged=True)
    loops = Loops(of, placed_loops(DESIGN, of.size, found))
    for many in range(len(loops.time) + 1):
        assert loops.ways(many) == walked(of, found, many)
    assert loops.ways(len(loops.time), frozenset()) == 1
    assert steps_of(DESIGN, of, found) <= loops.ways(len(loops.time))


@pytest.mark.parametrize("seed", range(20))
def test_the_words_of_all_turns_are_those_counted(seed):
    of, found, report = drawn(seed)
    plan = Plan.of(DESIGN, of, found, report)
    loops = Loops(of, placed_loops(DESIGN, of.size, found))
    ways = [loops.ways(j) for j in range(len(plan.turns) + 1)]
    often = np.append(np.diff(ways), 1)
    names = [x.name for x in DESIGN.memories]
    for link, words in zip(plan.links, plan.words, strict=True):
        if TENSORS[link[TENSOR]] == "ofmap" or link[PARENT]:
            continue
        counted = report.words(names[link[PARENT]], TENSORS[link[TENSOR]], READ)
        assert words[AT_PARENT] @ often == pytest.approx(counted)


@pytest.mark.parametrize("ragged", [False, True])
def test_turns_that_are_not_taken_go_on_as_if_they_were(ragged):
    errors, taken, all_of_them = [], 0, 0
    for seed in range(60):
        of, found, report = drawn(seed, ragged=ragged)
        plan = Plan.of(DESIGN, of, found, report)
        some, whole = rehearse_plan(plan), rehearse_plan(plan, whole=True)
        errors.append(abs(sum(some.cycles) / sum(whole.cycles) - 1))
        taken, all_of_them = taken + some.steps, all_of_them + whole.steps
    assert max(errors) < 0.002
    assert taken < all_of_them


def test_the_last_tile_that_comes_over_the_border_ahead_is_as_short_as_it_is():
    """It comes in the next to last turn, which is not skipped: 3.5 % too long else."""
    slow = spatial(
        dram=memory("dram", TENSORS, read=Fraction(1, 2), write=1, latency=7),
        glb=memory("glb", TENSORS, depth=4096, read=4, write=2),
    )
    of = matmul("product", m=20, n=201, k=20)  # 13 tiles of weights, the last one of nine columns
    loops = {"dram": (Loop("P", 1), Loop("K", 16)), "glb": (Loop("K", 1), Loop("C", 1))}
    names = [*(x.name for x in slow.levels), slow.compute.name]
    found = Mapping(tuple(LevelMapping(x, loops.get(x, ()), (), (), None) for x in names))
    report = AnalyticalModel().evaluate(slow, of, found)
    rehearsed = rehearse(slow, of, found, report)
    assert sum(rehearsed.cycles) == pytest.approx(CycleModel().evaluate(slow, of, found).cycles)
    assert rehearsed.steps < 5000


@pytest.mark.parametrize("ragged", [False, True])
def test_causes_are_never_negative_and_computing_is_exact(ragged):
    for seed in range(60):
        of, found, report = drawn(seed, ragged=ragged)
        cycles = rehearse(DESIGN, of, found, report).cycles
        assert len(cycles) == len(CAUSES)
        assert min(cycles) >= -1e-6
        assert cycles[0] == pytest.approx(report.compute_cycles)


def test_a_rehearsal_is_near_the_simulator_on_any_design():
    """On random designs, chains of memories and mappings; far nearer than means over a run."""
    errors, closed = [], []
    for seed in range(4000, 4060):
        design = case(seed)
        report = AnalyticalModel().evaluate(*design)
        simulated = CycleModel().evaluate(*design).cycles
        edges = sum(cycles for _, cycles in report.uncounted)
        errors.append(abs(sum(rehearse(*design, report).cycles) / simulated - 1))
        closed.append(abs((report.cycles + edges) / simulated - 1))
    assert np.median(errors) < 0.02
    assert np.mean(errors) < 0.4 * np.mean(closed)


def test_dims_are_those_of_a_problem():
    assert len(DIMS) == Plan.of(DESIGN, *drawn(1)).cuts.shape[0]
