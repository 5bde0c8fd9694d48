"""Ports, trees and networks that the border and the chip both use: who has which part of them."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from chip_trees import changed, tree_case
from joint_network import entered, lateness
from test_port_capacity import walk_records
from test_shared_networks import shared_case, with_networks
from time_twin import Twin

from arraysmith.arch.architecture import FlitWiring, Memory, Routed
from arraysmith.arch.architecture import Tree as TreeNetwork
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.loader import load_architecture, parse_mapping
from arraysmith.arch.problem import matmul
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.rehearsal.run import rehearse
from arraysmith.sim.cycle.array import machine as machine_module
from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.nest.portions import BORDER, CHIP, PARTS, Portions, stretched
from arraysmith.sim.cycle.nest.ports import DRAIN, FILL
from arraysmith.sim.cycle.networks.flit_network import FlitNetwork

TREES = [s for s in range(4000, 4130) if (Machine.of(*tree_case(s)).portions.ports < PARTS).any()]


def shared_designs(first: int, last: int):
    """Designs whose tree or network both use, with their machines."""
    for seed in range(first, last):
        case = shared_case(seed)
        try:
            machine = Machine.of(*case)
        except ArraysmithError:
            continue
        if (machine.portions.networks < PARTS).any():
            yield seed, case, machine


def undivided(context: pytest.MonkeyPatch) -> None:
    """Give everybody all cycles."""

    def everything(tree, *_) -> Portions:
        memories, levels = tree.architecture.memories, tree.architecture.levels
        ports = np.full((len(memories), 4), PARTS)
        macs = np.full((len(memories), 2), PARTS)
        return Portions(ports, macs, np.full((len(levels), 2, 2), PARTS))

    context.setattr(machine_module.Portions, "of", everything)


def test_parts_are_those_of_the_words_that_the_walker_counts() -> None:
    for seed in TREES:  # tiles of odd seeds need not divide
        case = tree_case(seed)
        found = Machine.of(*case).portions.ports
        for store in Twin(*case).stores.values():
            m = case[0].memories.index(store.memory)
            if m:
                theirs = [PARTS * x.whose for x in (store.fill, store.drain)]
                assert found[m, [FILL, DRAIN]].tolist() == theirs, f"seed {seed}"
    assert len([seed for seed in TREES if seed % 2]) > 5
    assert len(TREES) > 15


def test_cycles_and_causes_with_divided_ports_are_those_of_the_twin() -> None:
    for seed in TREES:
        cycles, stalls = Twin(*tree_case(seed)).run()
        report = CycleModel().evaluate(*tree_case(seed))
        assert (report.cycles, dict(report.stall_cycles)) == (cycles, stalls), f"seed {seed}"


def test_nothing_that_gets_faster_makes_a_divided_design_slower() -> None:
    def twice(rate):
        return None if rate is None else 2 * rate

    faster = {
        "off-chip": lambda x: replace(
            x,
            levels=(
                replace(
                    x.levels[0],
                    read_words_per_cycle=twice(x.levels[0].read_words_per_cycle),
                    write_words_per_cycle=twice(x.levels[0].write_words_per_cycle),
                    latency_cycles=x.levels[0].latency_cycles // 2,
                ),
                *x.levels[1:],
            ),
        ),
        "memories": lambda x: changed(
            x,
            memory=lambda m: replace(
                m,
                read_words_per_cycle=twice(m.read_words_per_cycle),
                write_words_per_cycle=twice(m.write_words_per_cycle),
            ),
        ),
    }
    designs = [tree_case(seed) for seed in TREES]
    designs += [case for _, case, _ in shared_designs(6000, 6030)]
    for name, change in faster.items():
        gained = 0
        for architecture, problem, mapping in designs:
            before = CycleModel().evaluate(architecture, problem, mapping).cycles
            after = CycleModel().evaluate(change(architecture), problem, mapping).cycles
            assert after <= before, name
            gained += after < before
        assert gained > 10


def test_without_the_division_a_port_is_over_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    undivided(monkeypatch)
    over = 0
    for seed in TREES:
        try:
            walk_records(tree_case(seed))
        except AssertionError:
            over += 1
    assert over > 3


def test_where_no_tile_comes_ahead_everybody_has_all_cycles() -> None:
    for seed in TREES:
        architecture, problem, mapping = tree_case(seed)
        serial = changed(
            architecture,
            memory=lambda x: replace(x, double_buffered=False) if x.depth else x,
        )
        assert not Machine.of(serial, problem, mapping).portions.divided


def test_a_bus_is_one_tensors_and_results_alone_come_up() -> None:
    """So there is nothing else to divide: every tensor crosses a fan-out over one edge."""
    crossed = 0
    for seed in range(4000, 4100):
        tree = Machine.of(*tree_case(seed)).tree
        users = defaultdict(list)
        for edge in tree.edges:
            for level in edge.fanouts:
                users[level, edge.tensor].append(edge)
        assert all(len(x) == 1 for x in users.values())
        crossed += len(users)
    assert crossed > 300


def test_stretched_cycles_hold_as_many_of_ones_own() -> None:
    for parts in range(1, PARTS + 1):
        for cycles in range(40):
            found = stretched(cycles, parts)
            assert found * parts >= cycles * PARTS
            assert not found or (found - 1) * parts < cycles * PARTS


def test_a_tree_is_divided_and_a_network_slows_the_border_alone() -> None:
    trees = networks = 0
    for _, (architecture, *_), machine in shared_designs(6000, 6060):
        for level, x in enumerate(architecture.levels):
            if isinstance(x, Memory):
                continue
            chip, border = machine.portions.networks[level, 0, [CHIP, BORDER]]
            if border == PARTS:
                assert chip == PARTS
            elif isinstance(x.network, FlitWiring):
                networks += 1
                assert chip == PARTS
            else:
                assert isinstance(x.network, TreeNetwork)
                trees += 1
                assert chip + border == PARTS
    assert min(trees, networks) > 4


MOST_LATE_CYCLES, MEAN_LATE_CYCLES = 8, 0.05
"""What patterns of the two sides cost each other, at most: 5 cycles and 0.03 in these designs."""


def busy_case(seed: int):
    """A design on a routed network with narrow links, and off-chip memory that is always ready."""
    architecture, problem, mapping = shared_case(seed)
    architecture = changed(
        architecture,
        memory=lambda x: replace(
            x,
            read_words_per_cycle=None,
            write_words_per_cycle=None,
            latency_cycles=0,
        ),
    )
    narrow = with_networks(
        architecture,
        lambda x: (
            replace(x.network, flit_bits=8, packet_flits=4)
            if isinstance(x.network, Routed)
            else x.network
        ),
    )
    return narrow, problem, mapping


@pytest.mark.parametrize("make", [shared_case, busy_case])
def test_patterns_over_the_border_and_on_the_chip_in_one_network(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the two sides of a phase, planned apart, leave out: how much later words come."""
    late = []
    for seed in range(6000, 6060):
        case = make(seed)
        if not any(isinstance(x.network, Routed) for x in case[0].fanouts):
            continue
        try:
            portions = Machine.of(*case).portions
        except ArraysmithError:
            continue
        shared = {
            x.name
            for level, x in enumerate(case[0].levels)
            if portions.networks[level, 0, BORDER] < PARTS
        }
        if not shared:
            continue
        with monkeypatch.context() as context:
            networks = entered(context, case, border=True)
        for name in shared:
            fanout = case[0].level(name)
            late.append(lateness(FlitNetwork(fanout, fanout.network), networks[name]))
    every = np.concatenate(late)
    assert len(late) > 8
    assert every.max() <= MOST_LATE_CYCLES
    assert every.mean() <= MEAN_LATE_CYCLES


def test_a_rehearsal_knows_of_the_division() -> None:
    errors = []
    designs = [tree_case(seed) for seed in TREES]
    designs += [case for _, case, _ in shared_designs(6000, 6030)]
    for case in designs:
        report = AnalyticalModel().evaluate(*case)
        simulated = CycleModel().evaluate(*case).cycles
        assert report.cycles <= simulated
        errors.append(abs(sum(rehearse(*case, report).cycles) / simulated - 1))
    assert np.median(errors) < 0.03
    assert Fraction(sum(x < 0.1 for x in errors), len(errors)) > Fraction(3, 4)


def test_results_that_macs_send_off_chip_divide_no_tree_in_a_rehearsal() -> None:
    """They have no place to wait in while the next ones are made: they never meet the chip."""
    architecture = load_architecture("maeri-trees")
    levels = {
        "dram": {"temporal": ["P:2", "C:9", "K:8"]},
        "glb": {"temporal": ["C:3", "P:1"], "keep": ["ifmap", "weight"]},
        "array": {"x": ["K:1", "C:1"]},
        "ifmap_spad": {"keep": []},
        "psum_spad": {"keep": []},
    }
    mapping = parse_mapping(json.dumps({"kind": "mapping", "levels": levels}), architecture)
    case = architecture, matmul("product", m=8, n=16, k=18), mapping
    assert (Machine.of(*case).portions.networks == PARTS).all()
    report = AnalyticalModel().evaluate(*case)
    simulated = CycleModel().evaluate(*case).cycles
    assert sum(rehearse(*case, report).cycles) == pytest.approx(simulated, rel=0.01)


def test_what_comes_up_a_divided_tree_has_all_cycles_of_a_leaf_in_a_rehearsal() -> None:
    """Only what goes down is divided: 24 % off for one random mapping of the benchmark else."""
    architecture = load_architecture("maeri-trees")
    levels = {
        "dram": {"temporal": ["P:4", "C:8"]},
        "glb": {"temporal": ["K:4", "C:4", "P:4"], "keep": ["ofmap"]},
        "array": {"x": ["K:1", "C:1"]},
        "psum_spad": {"temporal": ["P:1"]},
    }
    mapping = parse_mapping(json.dumps({"kind": "mapping", "levels": levels}), architecture)
    case = architecture, matmul("product", m=12, n=16, k=32), mapping
    assert (Machine.of(*case).portions.networks < PARTS).any()
    report = AnalyticalModel().evaluate(*case)
    simulated = CycleModel().evaluate(*case).cycles
    assert sum(rehearse(*case, report).cycles) == pytest.approx(simulated, abs=0.5)
