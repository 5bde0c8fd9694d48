"""The slow, obvious twin of the simulated time: no events, no kernels, no closed forms.

Lists every step with the words that each transfer carries (counted in sets), then works out times
by asking each transfer what it has to wait for.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from fractions import Fraction
from functools import cache
from itertools import product
from math import ceil

from walker import Crossing

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.legality import tile_words
from arraysmith.arch.mapping import Mapping, kept_tensors
from arraysmith.arch.problem import OFMAP, TENSORS, Problem
from arraysmith.sim.cycle.nest import Chain, Nest


def cycles(words: int, rate: Fraction | None) -> int:
    return 0 if rate is None else ceil(words / rate)


class Stepper:
    """Times of one mapped design; ``run`` returns {cause: cycles} with "compute" and "total"."""

    def __init__(self, architecture: Architecture, problem: Problem, mapping: Mapping) -> None:
        sys.setrecursionlimit(20_000)
        self.architecture, self.problem, self.mapping = architecture, problem, mapping
        self.chain = Chain.of(architecture, mapping)
        self.nest = Nest.of(architecture, problem, mapping, self.chain)
        self.bus = self.chain.bus
        self.numbers = [i for i, x in enumerate(self._placed()) if x.axis == "t" and x.count > 1]
        self.steps = self._index(self.nest.step_loops)
        self.phases = self._index(self.nest.phase_loops)
        self.per_phase = len(self.steps) // len(self.phases)
        macs = len(architecture.levels) + 1
        self.border, self.inner = {}, {}
        for t, name in enumerate(TENSORS):
            child, tensor = self.chain.child_level[t], problem.tensor(name)
            shared = self.chain.shared_level if self.chain.in_shared[t] else child
            self.border[name] = Crossing(architecture, problem, mapping, tensor, 0, shared)
            self.inner[name] = Crossing(
                architecture, problem, mapping, tensor, self.chain.shared_level, child
            )
            assert child <= macs
        self.loads = {name: self._loads(name) for name in TENSORS}

    def _placed(self):
        from arraysmith.arch.mapping import placed_loops

        return placed_loops(self.architecture, self.problem.size, self.mapping)

    def _index(self, loops: int) -> list[dict[int, int]]:
        numbers = self.numbers[:loops]
        counts = [range(self._placed()[number].count) for number in numbers]
        return [dict(zip(numbers, index, strict=True)) for index in product(*counts)]

    # What the memories can do at once.

    def ping_pong(self, memory: Memory | None, *, otherwise: bool = True) -> bool:
        if memory is None:
            return otherwise
        level = self.architecture.levels.index(memory)
        words = tile_words(self.architecture, self.problem, self.mapping, level)
        need = sum(words[x] for x in kept_tensors(memory, self.mapping.at(memory.name)))
        room = memory.capacity_words
        return memory.double_buffered and (room is None or 2 * need <= room)

    def spad_ping_pong(self, name: str) -> bool:
        return self.ping_pong(self.chain.spads[TENSORS.index(name)], otherwise=name != OFMAP)

    def in_shared(self, name: str) -> bool:
        return self.chain.in_shared[TENSORS.index(name)]

    def ahead(self, name: str) -> bool:
        if self.in_shared(name):
            return self.ping_pong(self.chain.shared)
        return self.spad_ping_pong(name)

    # Words.

    def moved(self, crossing: Crossing, now: dict, old: dict | None) -> bool:
        if old is None or crossing.at_macs:
            return True
        return crossing.starts(now, crossing.child) != crossing.starts(old, crossing.child)

    def carried(self, crossing: Crossing, now: dict, old: dict | None) -> tuple[int, int]:
        """(words sent, most words for one receiver) for an operand that moved."""
        sent, most = {}, 0
        for instance in crossing.instances(crossing.child):
            words = crossing.tile({**now, **instance}, crossing.child)
            if old is not None and not crossing.at_macs:
                words -= crossing.tile({**old, **instance}, crossing.child)
            sent[crossing.network_key(instance, upwards=False)] = len(words)
            most = max(most, len(words))
        return sum(sent.values()), most

    def result_tiles(self, crossing: Crossing, now: dict) -> tuple[int, int, int]:
        """(different result tiles, those that arrive on top, words of a tile)."""
        tiles, keys, words = set(), set(), 0
        for instance in crossing.instances(crossing.child):
            start = crossing.starts({**now, **instance}, crossing.child)
            tiles.add(start)
            keys.add(crossing.network_key(instance, upwards=True))
            words = len(crossing.tile({**now, **instance}, crossing.child))
        return len(tiles), len(keys), words

    def _loads(self, name: str) -> list[tuple[int, int, int]]:
        """Epochs at the off-chip border: (first phase, words in, most for one receiver)."""
        crossing, found, old, seen = self.border[name], [], None, set()
        for number, now in enumerate(self.phases):
            if self.moved(crossing, now, old):
                if name == OFMAP:
                    start = crossing.starts(now, crossing.child)
                    tiles, _, words = self.result_tiles(crossing, now)
                    again = start in seen
                    found.append((number, tiles * words * again, words * again))
                    seen.add(start)
                else:
                    found.append((number, *self.carried(crossing, now, old)))
            old = now
        return found

    # Times over the border.

    def orders(self) -> list[tuple]:
        """Transfers of both directions in program order: (key, name, epoch, outward)."""
        rank = {OFMAP: 1, "ifmap": 2, "weight": 3}
        orders = []
        for name, epochs in self.loads.items():
            for k, (first, words, _) in enumerate(epochs):
                before = (epochs[k - 1][0] if k else 0) if self.ahead(name) else first
                if words:
                    orders.append(((before - 1, 1, first, rank[name]), name, k, False))
                if name == OFMAP:
                    last = epochs[k + 1][0] if k + 1 < len(epochs) else len(self.phases)
                    orders.append(((last - 1, 0, first, 0), name, k, True))
        return sorted(orders)

    def run(self) -> dict[str, int]:
        offchip, shared = self.chain.offchip, self.chain.shared
        in_array = not self.in_shared(OFMAP)
        tiles, arriving, tile = self.result_tiles(self.inner[OFMAP], {})
        if in_array:
            out_words, out_again = arriving * tile, (arriving - tiles) * tile
        else:
            out_words, out_again = self.result_tiles(self.border[OFMAP], {})[2], 0
        one = offchip.ports == 1 or (shared is not None and shared.ports == 1) or out_again > 0
        orders = self.orders()
        ways = ((False, True),) if one else ((False,), (True,))
        channels = [[order for order in orders if order[3] in way] for way in ways]
        place = {
            order[1:]: (c, n)
            for c, channel in enumerate(channels)
            for n, order in enumerate(channel)
        }
        milestones: dict[int, dict[str, int]] = {}
        starts: dict[int, int] = {}

        @cache
        def transfer(channel: int, number: int) -> tuple[int, int]:
            """(cycle in which the channel is free again, cycle in which the words are in)."""
            key, name, k, outward = channels[channel][number]
            at = transfer(channel, number - 1)[0] if number else 0
            if key[0] >= 0:
                # Nothing of a phase is over before it began.
                at = max(at, starts[key[0]], free_at(name, outward, milestones[key[0]]))
            if name == OFMAP and not outward and room(k) >= 0:
                at = max(at, left(room(k)))
            near = self.near_latency(name)
            if not outward:
                _, words, most = self.loads[name][k]
                busy = max(
                    cycles(words, offchip.read_words_per_cycle), self.near(name, words, most, False)
                )
                return at + busy, at + busy + offchip.latency_cycles + near
            if out_again:
                at += cycles(out_again, offchip.read_words_per_cycle)
                at += offchip.latency_cycles + near
            busy = max(
                cycles(out_words, offchip.write_words_per_cycle),
                self.near(name, out_words, tile, True),
            )
            return at + busy, at + busy + offchip.latency_cycles + near

        def left(epoch: int) -> int:
            return transfer(*place[OFMAP, epoch, True])[0]

        def room(epoch: int) -> int:
            return epoch - (2 if self.ahead(OFMAP) else 1)

        def free_at(name: str, outward: bool, at: dict[str, int]) -> int:
            if not self.in_shared(name):
                pipeline = self.architecture.compute.pipeline_cycles
                return at["computed"] + (pipeline - 1 if outward else 0)
            if not self.ping_pong(shared):
                return at["idle"]
            if outward:
                return at["drained"]
            return 0 if name == OFMAP else at[name]

        stalls: dict[str, int] = defaultdict(int)
        clock = _Array(self, stalls)
        start = 0
        for phase in range(len(self.phases)):
            cause, latest = OFMAP, 0
            for name in (OFMAP, "ifmap", "weight"):
                for k, (first, words, _) in enumerate(self.loads[name]):
                    if first != phase:
                        continue
                    waits = [left(room(k))] if name == OFMAP and room(k) >= 0 else []
                    waits += [transfer(*place[name, k, False])[1]] if words else []
                    for when in waits:
                        if when > latest:
                            cause, latest = name, when
            start = max(start, latest)
            starts[phase] = start
            milestones[phase] = clock.phase(phase, start, cause)
        total = max(
            transfer(c, n)[1] for c, x in enumerate(channels) for n, o in enumerate(x) if o[3]
        )
        stalls["drain"] += total - clock.computed
        return {**{k: v for k, v in stalls.items() if v}, "total": total}

    def near(self, name: str, words: int, most: int, outward: bool) -> int:
        memory = self.chain.shared
        if self.in_shared(name):
            rate = memory.read_words_per_cycle if outward else memory.write_words_per_cycle
            return cycles(words, rate)
        spad = self.chain.spads[TENSORS.index(name)]
        need = cycles(words, self.bus.words_per_cycle)
        if spad is not None:
            rate = spad.read_words_per_cycle if outward else spad.write_words_per_cycle
            need = max(need, cycles(most, rate))
        return need

    def near_latency(self, name: str) -> int:
        return 0 if self.in_shared(name) else self.bus.latency_cycles


class _Array:
    """The array side, step after step."""

    def __init__(self, of: Stepper, stalls: dict[str, int]) -> None:
        self.of, self.stalls = of, stalls
        self.computed = 0  # end of the last step
        self.port = {"read": 0, "write": 0}
        self.bus: dict[str, int] = defaultdict(int)
        self.used: dict[str, int] = defaultdict(int)  # end of the tile before the present one
        self.drained: list[int] = []  # per epoch of the results in the array
        self.visited: set = set()
        self.epochs = 0
        self.waiting: tuple | None = None
        self.marks = {"ifmap": 0, "weight": 0, "ofmap": 0, "idle": 0, "drained": 0, "computed": 0}

    def phase(self, phase: int, start: int, cause: str) -> dict[str, int]:
        of = self.of
        first = phase * of.per_phase
        for number in range(first, first + of.per_phase):
            self.step(number, start, cause, opening=number == first)
            last = number == len(of.steps) - 1
            crossing = of.inner[OFMAP]
            ends = last or of.moved(crossing, of.steps[number + 1], of.steps[number])
            if ends and of.in_shared(OFMAP):
                ready = self.computed + of.architecture.compute.pipeline_cycles - 1
                self.waiting = (ready, of.steps[number])
                if not of.spad_ping_pong(OFMAP) or number == first + of.per_phase - 1:
                    self.drain()
        self.marks["computed"] = self.computed
        return dict(self.marks)

    def step(self, number: int, start: int, cause: str, *, opening: bool) -> None:
        of = self.of
        now, old = of.steps[number], of.steps[number - 1] if number else None
        operands_in: dict[str, int] = {}
        for name in TENSORS:
            crossing = of.inner[name]
            if not of.moved(crossing, now, old) or not of.in_shared(name):
                continue
            if name == OFMAP:
                behind = self.epochs - (2 if of.spad_ping_pong(name) else 1)
                room = self.drained[behind] if behind >= 0 else 0
                self.epochs += 1
                tiles, _, words = of.result_tiles(crossing, now)
                # The tile's place, with that in the shared memory: what came back to it is there.
                place = crossing.starts(now, crossing.child)
                again = place in self.visited
                self.visited.add(place)
                if not again:
                    operands_in[name] = room
                    continue
                sent, most = tiles * words, words
            else:
                room = self.used[name] if of.spad_ping_pong(name) else self.computed
                self.used[name] = self.computed
                sent, most = of.carried(crossing, now, old)
                if not sent:
                    continue
            spad = of.chain.spads[TENSORS.index(name)]
            reading = cycles(sent, of.chain.shared.read_words_per_cycle)
            busy = max(
                reading,
                cycles(sent, of.bus.words_per_cycle),
                cycles(most, spad.write_words_per_cycle) if spad else 0,
            )
            begin = max(start, self.port["read"], self.bus[name], room)
            self.hold("read", begin + reading)
            self.bus[name] = begin + busy
            self.marks[name] = begin + busy
            self.marks["idle"] = max(self.marks["idle"], begin + busy)
            operands_in[name] = begin + busy + of.bus.latency_cycles
        if self.waiting:
            self.drain()
        begin = max([self.computed, *operands_in.values()] + [start] * opening)
        gap = begin - self.computed
        if number == 0:
            self.stalls["fill"] += gap
        else:
            outside = max(0, start - self.computed) if opening else 0
            self.stalls[f"offchip_{cause}"] += outside
            if gap > outside:
                late = next(x for x in TENSORS if operands_in.get(x, -1) == begin)
                self.stalls[f"glb_{late}"] += gap - outside
        macs = of.nest.macs_per_step
        need = macs
        for spad in set(of.chain.spads) - {None}:
            held = [name for name, x in zip(TENSORS, of.chain.spads, strict=True) if x == spad]
            reading = cycles(macs * len(held), spad.read_words_per_cycle)
            writing = cycles(macs * (OFMAP in held), spad.write_words_per_cycle)
            need = max(need, reading + writing if spad.ports == 1 else max(reading, writing))
        self.stalls["compute"] += macs
        self.stalls["spad"] += need - macs
        self.computed = begin + need

    def hold(self, port: str, until: int) -> None:
        self.port[port] = until
        if self.of.chain.shared.ports == 1:
            self.port = {"read": until, "write": until}

    def drain(self) -> None:
        of, shared = self.of, self.of.chain.shared
        ready, at = self.waiting
        self.waiting = None
        tiles, arriving, tile = of.result_tiles(of.inner[OFMAP], at)
        spad = of.chain.spads[TENSORS.index(OFMAP)]
        writing = cycles(arriving * tile, shared.write_words_per_cycle)
        reading = cycles((arriving - tiles) * tile, shared.read_words_per_cycle)
        begin = max(ready, self.port["write"], self.bus["up"])
        if arriving > tiles:
            begin = max(begin, self.port["read"])
        busy = max(
            cycles(arriving * tile, of.bus.words_per_cycle),
            cycles(tile, spad.read_words_per_cycle) if spad else 0,
            reading + writing if shared.ports == 1 else max(reading, writing),
        )
        if shared.ports == 1:
            self.hold("write", begin + reading + writing)
        else:
            self.port["write"] = begin + writing
            if arriving > tiles:
                self.port["read"] = begin + reading
        self.bus["up"] = begin + busy
        done = begin + busy + of.bus.latency_cycles
        self.drained.append(done)
        self.marks["drained"] = done
        self.marks["idle"] = max(self.marks["idle"], done)
