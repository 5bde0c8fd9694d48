"""No link between neighbours, and no port of their children, moves more than its rate.

Seen in the requests that a probe is told of, between any two of them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import pytest
from cases import case
from chip_trees import changed, tree_case
from forwarding_cases import timed_case
from test_trace_words import PASSING, Case, told

from arraysmith.arch.architecture import Fanout, Memory
from arraysmith.arch.interconnect import DIRECTIONS
from arraysmith.arch.problem import OFMAP, TENSORS
from arraysmith.sim.cycle.tracing.link_sides import LinkSide
from arraysmith.sim.cycle.tracing.memory_runs import (
    Q_ADDRESS,
    Q_PORT,
    Q_REQUEST,
    Q_RESPONSE,
    Q_SIZE,
    Q_TILE,
)
from arraysmith.sim.cycle.tracing.passed_runs import LEAVING

RATES = (None, *(Fraction(*x) for x in ((1, 2), (2, 3), (1,), (3, 2), (2,), (4,))))
Rows = dict[int, list[tuple[int, ...]]]
"""(request, response, address, words, tile) by port."""


def other_rates(case: Case, seed: int) -> Case:
    """The case with rates of ports, buses and links drawn anew."""
    random = Random(seed)
    architecture, problem, mapping = case

    def bus(x):
        links = x.forwarding and replace(x.forwarding, words_per_cycle=random.choice(RATES))
        return replace(x, words_per_cycle=random.choice(RATES), forwarding=links)

    def memory(x):
        rates = random.choice(RATES), random.choice(RATES)
        return replace(x, read_words_per_cycle=rates[0], write_words_per_cycle=rates[1])

    return changed(architecture, memory=memory, bus=bus), problem, mapping


def require_rate(rows: Rows, rate: Fraction | None, late: int = 0) -> int:
    """Between any request and any response is time for the words; return how many had no more."""
    full = 0
    for mine in rows.values():
        mine.sort()
        for i, (request, *_) in enumerate(mine):
            words = 0
            for _, response, _, size, _ in mine[i:]:
                words += size
                time = response - late - request
                assert rate is None or words <= rate * time
                full += rate is not None and words == rate * time
    return full


def rows_of(listener, name: str, into: Rows) -> None:
    if name in listener.parts:
        x = listener.stream(name)
        columns = (x[y].astype(np.int64).tolist() for y in ("request", "response", "address"))
        for *row, size, tile, port in zip(
            *columns, x["size"].tolist(), x["tile"].tolist(), x["port"].tolist(), strict=True
        ):
            into[port].append((*row, size, tile))


@pytest.mark.parametrize("seed", PASSING)
def test_words_pass_no_faster_than_ports_and_links_go(seed: int, monkeypatch) -> None:
    leaving: dict[str, Rows] = defaultdict(lambda: defaultdict(list))
    find = LinkSide._find

    def spy(self, start, records, out):
        following, count = find(self, start, records, out)
        if self._way == LEAVING and following > start:
            level = self._machine_level
            for x in out[:count].tolist():
                row = (x[Q_REQUEST], x[Q_RESPONSE], x[Q_ADDRESS], x[Q_SIZE], x[Q_TILE])
                leaving[level][x[Q_PORT]].append(row)
        return following, count

    init = LinkSide.__init__

    def remember(self, machine, k, frame, *way):
        init(self, machine, k, frame, *way)
        edge = machine.tree.edges[machine.inner[k]]
        self._machine_level = machine.tree.architecture.levels[edge.child].name

    monkeypatch.setattr(LinkSide, "_find", spy)
    monkeypatch.setattr(LinkSide, "__init__", remember)
    full = 0
    for n in range(3):
        case = timed_case(seed) if n == 0 else other_rates(timed_case(seed), 10 * seed + n)
        leaving.clear()
        _, listener = told(case)
        levels = case[0].levels
        for i, fanout in enumerate(levels):
            if not isinstance(fanout, Fanout):
                continue
            links, rows = fanout.network.forwarding, defaultdict(list)
            for way in DIRECTIONS:
                rows_of(listener, f"network/{fanout.name}/ifmap/{way}", rows)
            if not rows:
                continue
            child = next(x for x in levels[i:] if isinstance(x, Memory) and x.name in leaving)
            full += require_rate(rows, links.words_per_cycle, links.latency_cycles)
            require_rate(leaving[child.name], child.read_words_per_cycle)
            entering: Rows = defaultdict(list)
            rows_of(listener, f"{child.name}/ifmap/write", entering)
            full += require_rate(entering, child.write_words_per_cycle)
            left, came = end_of(leaving[child.name]), end_of(entering)
            for way in DIRECTIONS:
                mine: Rows = defaultdict(list)
                rows_of(listener, f"network/{fanout.name}/ifmap/{way}", mine)
                step = {"x": 1, "y": fanout.mesh_x}[way[1]] * (1 if way[0] == "-" else -1)
                for port, runs in mine.items():
                    for request, response, address, _, tile in runs:
                        assert left[port + step, tile, address][0] <= response
                        assert request + links.latency_cycles <= came[port, tile, address][1]
    assert full


def end_of(rows: Rows) -> dict[tuple[int, int, int], tuple[int, int]]:
    """(port, tile, address) -> request and response of the run that begins there."""
    return {(port, x[4], x[2]): (x[0], x[1]) for port, mine in rows.items() for x in mine}


@pytest.mark.parametrize("make", [case, tree_case, timed_case])
def test_children_take_and_send_words_no_faster_than_their_ports_go(make) -> None:
    """Results have two ports each way: towards the parent, and towards children or MACs."""
    checked = 0
    for seed, rates in ((0, 2), (3, 302), (15, 1), (84, 2), (90, 3)):
        of = other_rates(make(seed), rates)
        _, listener = told(of)
        for memory in of[0].memories[1:]:
            for tensor, way in product(TENSORS, ("read", "write")):
                fast = memory.read_words_per_cycle, memory.write_words_per_cycle
                rate = fast[way == "write"]
                if rate is None or (tensor != OFMAP and way == "read"):
                    continue  # a MAC's read says when it begins, not for how long it takes
                rows: Rows = defaultdict(list)
                rows_of(listener, f"{memory.name}/{tensor}/{way}", rows)
                require_rate(rows, 2 * rate if tensor == OFMAP else rate)
                checked += len(rows)
    assert checked
