"""Cycles that the off-chip border and the chip divide, as the simulator has them divided.

A port of a memory that both fill, the root of a tree and a routed network that both go down through
have their cycles given away for the whole run, of every ``PARTS`` as many as each has of the words
that pass, at least one. So it is where the border brings tiles ahead of their phase; elsewhere the
two never meet (``sim/cycle/README.md``, "Border and chip").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import (
    Architecture,
    Fanout,
    FlitWiring,
    Memory,
    Ports,
    Routed,
    Tree,
    Wireless,
)
from arraysmith.arch.problem import OFMAP, TENSORS
from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.report import DRAIN, FILL, Report

PARTS = 16

ALONE = -1
"""In place of a port that nobody else uses."""

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class User:
    """What a link has to do with ports of its child and networks on its way.

    Attributes:
        tensor: its code.
        border: whether it crosses the border.
        ahead: whether its tiles change and come ahead.
        child: level of the memory below; None for the MACs.
        fanouts: levels on its way.
        words: of the run, that go down and come up through each of them.
    """

    tensor: int
    border: bool
    ahead: bool
    child: int | None
    fanouts: tuple[int, ...]
    words: tuple[tuple[float, float], ...]


def ports_of(memories: Sequence[Memory]) -> tuple[Float, Int]:
    """Return what ``Plan.per_word`` and ``Plan.port`` say."""
    per_word = np.zeros((len(memories), 4))
    port = np.arange(4 * len(memories), dtype=np.int64).reshape(-1, 4)
    for m, memory in enumerate(memories):
        out, back = memory.read_words_per_cycle, memory.write_words_per_cycle
        per_word[m] = [0.0 if x is None else float(1 / x) for x in (out, back, back, out)]
        if memory.ports == Ports.SHARED:
            port[m, 1], port[m, 3] = port[m, 0], port[m, 2]
    return per_word, port


def at_ports(architecture: Architecture, users: Sequence[User], report: Report) -> Float:
    """Return float64 [links, 2]: by what in and out at a link's child take longer than alone."""
    found = np.ones((len(users), 2))
    for level in {x.child for x in users} - {None}:
        assert level is not None
        memory = architecture.levels[level]
        mine = [k for k, x in enumerate(users) if x.child == level]
        shared = getattr(memory, "ports", None) == Ports.SHARED
        for ways in ((FILL, DRAIN),) if shared else ((FILL,), (DRAIN,)):
            words = {
                k: float(
                    sum(report.words(memory.name, TENSORS[users[k].tensor], way) for way in ways)
                )
                for k in mine
            }
            for k, times in _times(users, words).items():
                found[k, [int(way == DRAIN) for way in ways]] = times
    return found


def used(users: Sequence[User], again: Int, port: Int, number: dict[int, int]) -> Int:
    """Return ``Plan.users``.

    Args:
        users: of links.
        again: see ``Plan``.
        port: see ``Plan``.
        number: of the memory at each level.
    """
    found = np.full((len(users), 2), ALONE, np.int64)
    for k, user in enumerate(users):
        if user.border or user.child is None:
            continue
        fill, drain = port[number[user.child], 2:]
        if TENSORS[user.tensor] != OFMAP or again[k].any():
            found[k, 0] = fill
        if TENSORS[user.tensor] == OFMAP:
            found[k, 1] = drain
    several = [np.count_nonzero(found == x) > 1 for x in found.ravel()]
    return np.where(np.reshape(several, found.shape), found, ALONE)


def beside_macs(memories: Sequence[Memory], service: Float, words: Float, macs: int) -> Float:
    """Return float64 [memories, 2, 2]: by what in and out towards children take longer than alone.

    First of what memories further in take (give), then of what the MACs right below do.

    Args:
        memories: of the design.
        service: float64 [memories, 2], words that a MAC right below takes and gives back.
        words: float64 [memories, 2], those of memories further in, of the run.
        macs: multiply-accumulates of the run.
    """
    found = np.ones((len(memories), 2, 2))
    for m, memory in enumerate(memories):
        rates = memory.read_words_per_cycle, memory.write_words_per_cycle
        for ways in ([0, 1],) if memory.ports == Ports.SHARED else ([0], [1]):
            further, mine = words[m, ways].sum(), service[m, ways].sum() * macs
            busy = sum(service[m, way] / float(rate) for way in ways if (rate := rates[way]))
            if busy and further and mine:
                parts = int(PARTS * further / (further + mine) + 0.5)
                parts = max(1, min(PARTS - 1, max(parts, int(PARTS * (1 - busy) + 1e-9))))
                found[m, ways] = PARTS / parts, PARTS / (PARTS - parts)
    return found


def on_networks(architecture: Architecture, users: Sequence[User]) -> Float:
    """Return float64 [links, fan-outs, 2]: by what a link's ways down and up take longer."""
    found = np.ones((len(users), max((len(x.fanouts) for x in users), default=0), 2))
    for level, fanout in enumerate(architecture.levels):
        ways = _one_medium(fanout) if isinstance(fanout, Fanout) else ()
        mine = {k: x.fanouts.index(level) for k, x in enumerate(users) if level in x.fanouts}
        words = {k: float(sum(users[k].words[i][w] for w in ways)) for k, i in mine.items()}
        first = isinstance(fanout, Fanout) and isinstance(fanout.network, FlitWiring)
        for k, times in _times(users, words).items():
            found[k, mine[k], ways] = times if users[k].border or not first else 1.0
    return found


def _one_medium(fanout: Fanout) -> tuple[int, ...]:
    """Return the ways, 0 down and 1 up, that share what border and chip divide."""
    network = fanout.network
    if isinstance(network, Wireless):
        return (0, 1)
    if isinstance(network, Tree):
        return () if network.rate("", up=False) is None else (0,)
    return (0,) if isinstance(network, Routed) else ()


def _times(users: Sequence[User], words: dict[int, float]) -> dict[int, float]:
    """Return by what each link takes longer; none where border and chip never meet.

    Args:
        users: links by number.
        words: of those that want the same cycles.
    """
    words = {k: x for k, x in words.items() if x > 0}
    chip = sum(x for k, x in words.items() if not users[k].border)
    both = sum(words.values())
    if not 0 < chip < both or not any(users[k].border and users[k].ahead for k in words):
        return {}
    parts = max(1, min(PARTS - 1, int(PARTS * chip / both + 0.5)))
    return {k: PARTS / (PARTS - parts if users[k].border else parts) for k in words}
