"""All patterns of a run in one network: what ``channels`` says that they do without meeting.

The engine simulates every pattern once, from rest, and says when each enters. Here they enter one
network, flit by flit, when the engine says, and take as long as they take.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from arraysmith.sim.cycle import engine
from arraysmith.sim.cycle.array import draining, sending, spatial, transfers
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.networks import channels
from arraysmith.sim.cycle.networks.flit_network import FlitNetwork
from arraysmith.sim.cycle.offchip import border as border_module

Entry = tuple[bool, tuple, int, int]
"""Up; transfers; bits of a word; cycle in which they enter."""


def last_words(network: FlitNetwork, entries: list[Entry]) -> list[int]:
    """Return the cycle after that of the last word of every pattern, all in one network."""
    joint, of_pattern = network.at_rest(), {}
    rest = joint._rng.bit_generator.state
    for k, (up, transfers_, bits, start) in enumerate(entries):
        joint._rng.bit_generator.state = rest  # every pattern draws the same ways again
        numbers, _ = network.send(joint, transfers_, bits, up=up, release=start)
        of_pattern |= dict.fromkeys(numbers, k)
    found = [0] * len(entries)
    delivered = joint.drain()
    for packet, cycle in zip(delivered.packet.tolist(), delivered.cycle.tolist(), strict=True):
        k = of_pattern[packet]
        found[k] = max(found[k], cycle + 1)
    return found


def entered(monkeypatch, design, *, border: bool = False) -> dict[str, list[Entry]]:
    """Run a design; return, per routed network on the chip, what entered when, in order of time.

    The kernel runs as Python and its transfers tell when they enter; those over the border, too, if
    asked for.
    """
    told: list[tuple[int, int]] = []
    machines = []
    for module, name in (
        (spatial, "run_phase"), (spatial, "send_operand"), (spatial, "_send_sums"),
        (spatial, "move_down"), (spatial, "drain"), (sending, "move_down"), (sending, "pass_down"),
        (draining, "pass_up"), (transfers, "_begin"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, getattr(module, name).py_func)

    def enter(costs, spans, clocks, pattern, at):
        start = channels.enter(costs, spans, clocks, pattern, at)
        told.append((int(pattern), int(start)))
        return start

    class Run(engine.SpatialRun):
        def __init__(self, env, machine, *rest, **named):
            machines.append(machine)
            super().__init__(env, machine, *rest, **named)

    def cross(self, order, cycle):
        found = near_side(self, order, cycle)
        later = 0 if order.outward else self._machine.tree.memory(0).latency_cycles
        edge = self._machine.tree.edges[self._machine.borders[order.tensor]]
        patterns = [self._pattern(order, place) for place in range(len(edge.fanouts))]
        told.extend((x, cycle + later) for x in patterns if x >= 0)
        return found

    near_side = border_module.NearSide.enter
    if border:
        monkeypatch.setattr(border_module.NearSide, "enter", cross)
    monkeypatch.setattr(transfers, "enter", enter)
    monkeypatch.setattr("arraysmith.sim.cycle.model.SpatialRun", Run)
    CycleModel().evaluate(*design)
    (machine,) = machines
    return by_network(machine, told)


def by_network(machine, told) -> dict[str, list[Entry]]:
    crossings, tree = machine.crossings, machine.tree
    found: dict[str, list[Entry]] = defaultdict(list)
    for pattern, start in told:
        for way in crossings.ways:
            numbers = crossings.way_patterns(way)
            if pattern not in numbers:
                continue
            edge = tree.edges[way.edge]
            fanout = tree.architecture.levels[edge.fanouts[way.place]]
            families = way.transfers(pattern - numbers[0], fanout.mesh_x)
            bits = crossings.word_bits(tree, way)
            if families:  # the first family stands for all: they enter together
                found[fanout.name].append((way.up, families[0], bits, start))
    return {name: sorted(x, key=lambda entry: entry[3]) for name, x in found.items()}


def lateness(network: FlitNetwork, entries: list[Entry]) -> np.ndarray:
    """Return, per pattern, how much later its last word is in one network than from rest."""
    alone = [
        start + x.busy_cycles + x.late_cycles
        for up, transfers_, bits, start in entries
        for x in [network.crossing(transfers_, bits, up=up)]
    ]
    return np.array(last_words(network, entries)) - np.array(alone)
