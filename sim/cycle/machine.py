"""A spatial design with a mapping on it: every number that the engine and the kernel run with."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.sim.cycle import spatial
from arraysmith.sim.cycle.boxes import Int
from arraysmith.sim.cycle.memory import Buffer
from arraysmith.sim.cycle.nest import Chain, Flags, I, Nest, O, W
from arraysmith.sim.cycle.network import Buses, rate_rows, whole_cycles


@dataclass(frozen=True)
class Machine:
    """One mapped design.

    Attributes:
        chain: its memories and network.
        nest: its loops and tiles.
        shared: the shared memory; None if there is none.
        ahead_shared: whether the shared memory works ping-pong.
        ahead: per tensor, whether its next tile may cross the off-chip border early.
        in_shared: bool [3].
        serial: bool [3], whether a tensor's scratchpad excludes filling from working.
        rates: int64 [spatial.RATES, 2].
        numbers: int64 [spatial.NUMBERS].
        senders: result tiles that arrive on top of the array per epoch.
        one_channel: whether off-chip reads and writes take turns.
        pipeline_cycles: of a MAC.
    """

    chain: Chain
    nest: Nest
    shared: Buffer | None
    ahead_shared: bool
    ahead: tuple[bool, ...]
    in_shared: Flags
    serial: Flags
    rates: Int
    numbers: Int
    senders: int
    one_channel: bool
    pipeline_cycles: int

    @classmethod
    def of(cls, architecture: Architecture, problem: Problem, mapping: Mapping) -> Machine:
        """Return the machine of a legal mapping; refuses designs as ``Chain.of`` does."""
        chain = Chain.of(architecture, mapping)
        nest = Nest.of(architecture, problem, mapping, chain)
        network = Buses(chain.bus)
        shared = None
        if chain.shared is not None:
            kept = [t for t in range(3) if chain.in_shared[t]]
            shared = Buffer(chain.shared, sum(nest.tile_words(nest.shared_reach[t]) for t in kept))
        buffers = _scratchpads(chain, nest)
        # Without a scratchpad, operands sit in a register pair; a result is added to in the memory
        # above, one at a time.
        serial = np.array(
            [(t == O) if (buffer := buffers[t]) is None else not buffer.ping_pong for t in range(3)]
        )
        ahead_shared = shared is not None and shared.ping_pong
        senders = network.senders(nest.instances, nest.result_tiles)
        macs = nest.macs_per_step
        extra = max((_service_cycles(chain, x, macs) for x in _distinct(chain)), default=0) - macs
        numbers = np.zeros(spatial.NUMBERS, np.int64)
        numbers[spatial.STEP_CYCLES] = macs
        numbers[spatial.STEP_EXTRA] = max(0, extra)
        numbers[spatial.PIPELINE] = architecture.compute.pipeline_cycles
        numbers[spatial.BUS_LATENCY] = network.latency_cycles
        numbers[spatial.ONE_PORT] = shared is not None and shared.one_port
        numbers[spatial.SENDERS] = senders
        numbers[spatial.INSTANCES] = nest.instances
        adds_offchip = not chain.in_shared[O] and senders > nest.result_tiles
        return cls(
            chain=chain,
            nest=nest,
            shared=shared,
            ahead_shared=ahead_shared,
            ahead=tuple(ahead_shared if chain.in_shared[t] else not serial[t] for t in range(3)),
            in_shared=np.array(chain.in_shared),
            serial=serial,
            rates=rate_rows(
                [
                    shared.read_rate if shared else None,
                    shared.write_rate if shared else None,
                    network.rate,
                    *(spad.write_words_per_cycle if spad else None for spad in chain.spads),
                    _read_rate(chain.spads[O]),
                ]
            ),
            numbers=numbers,
            senders=senders,
            one_channel=bool(
                chain.offchip.ports == 1 or (shared is not None and shared.one_port) or adds_offchip
            ),
            pipeline_cycles=architecture.compute.pipeline_cycles,
        )

    @property
    def result_words(self) -> int:
        """Words of one result tile on the near side of the off-chip border, summed over tiles."""
        nest = self.nest
        if self.chain.in_shared[O]:
            return nest.tile_words(nest.shared_reach[O])
        return self.senders * nest.tile_words(nest.child_reach[O])

    @property
    def result_again_words(self) -> int:
        """Of these, words that off-chip memory has to read before it can add them."""
        nest = self.nest
        if self.chain.in_shared[O]:
            return 0
        return (self.senders - nest.result_tiles) * nest.tile_words(nest.child_reach[O])

    @property
    def result_drained_words(self) -> int:
        """Words that the near side reads for one result epoch."""
        nest = self.nest
        if self.chain.in_shared[O]:
            return self.result_words
        return nest.instances * nest.tile_words(nest.child_reach[O])

    def near_cycles(self, tensor: int, words: int, most: int, *, outward: bool) -> int:
        """Return the cycles that ports and buses on the near side need for a border transfer.

        Args:
            tensor: tensor code.
            words: words that cross.
            most: most of them at one scratchpad.
            outward: results on their way out.
        """
        if self.chain.in_shared[tensor]:
            assert self.shared is not None
            return whole_cycles(words, self.shared.read_rate if outward else self.shared.write_rate)
        bus = whole_cycles(words, self.chain.bus.words_per_cycle)
        spad = self.chain.spads[tensor]
        if spad is None:
            return bus
        rate = spad.read_words_per_cycle if outward else spad.write_words_per_cycle
        return max(bus, whole_cycles(most, rate))

    def near_latency_cycles(self, tensor: int) -> int:
        """Return the cycles between off-chip channel and the near side of the border."""
        return 0 if self.chain.in_shared[tensor] else self.chain.bus.latency_cycles


def _read_rate(memory: Memory | None) -> Fraction | None:
    return memory.read_words_per_cycle if memory else None


def _distinct(chain: Chain) -> list[Memory]:
    """Return the scratchpads, each once, outermost first of the tensors that they keep."""
    return list(dict.fromkeys(spad for spad in chain.spads if spad is not None))


def _scratchpads(chain: Chain, nest: Nest) -> list[Buffer | None]:
    """Return the scratchpad of each tensor with all that it keeps."""
    kept = {
        spad: sum(nest.tile_words(nest.child_reach[t]) for t in range(3) if chain.spads[t] == spad)
        for spad in _distinct(chain)
    }
    return [None if spad is None else Buffer(spad, kept[spad]) for spad in chain.spads]


def _service_cycles(chain: Chain, spad: Memory, macs: int) -> int:
    """Return the cycles a scratchpad's ports need for the operands and results of ``macs`` MACs."""
    operands = sum(chain.spads[t] == spad for t in (I, W))
    results = int(chain.spads[O] == spad)
    return Buffer(spad, 0).service_cycles(macs * (operands + results), macs * results)
