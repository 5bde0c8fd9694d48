"""First fill and last drain by the rules of ZigZag."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from arraysmith.arch.notation.zigzag_machine import Port, ZigzagMachine
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT
from arraysmith.sim.analytical.zigzag.moves import OperandMoves

Ends = dict[tuple[str, int, str], Fraction]
"""(tensor, memory of its chain, direction) -> cycles before the first MAC or after the last."""


def first_fill(machine: ZigzagMachine, moves: dict[str, OperandMoves], run_cycles: int) -> Fraction:
    """Return the cycles before the first MAC.

    Between two memories the slower port counts. Links whose ports serve both inputs at both ends
    are taken in turn, links with ports of their own side by side; the better order counts.
    """
    ends = _ends(machine, moves, run_cycles)
    own: dict[str, Fraction] = {}
    mixed: dict[str, Fraction] = {}
    shared: dict[str, Fraction] = {}
    for tensor in (IFMAP, WEIGHT):
        chain = machine.chain(tensor)
        own[tensor] = mixed[tensor] = shared[tensor] = Fraction(0)
        for m in range(len(chain) - 1):
            cycles = max(ends[tensor, m, "fh"], ends[tensor, m + 1, "tl"])
            both = [
                _both_inputs(chain[i].port(tensor, way)) for i, way in ((m, "fh"), (m + 1, "tl"))
            ]
            if all(both):
                shared[tensor] += cycles
            elif any(both):
                mixed[tensor] = cycles  # the tool keeps the last such link only
            else:
                own[tensor] += cycles
    orders = []
    for first, second in ((IFMAP, WEIGHT), (WEIGHT, IFMAP)):
        after = shared[second] + mixed[second] + own[second]
        orders.append(shared[first] + max(after, mixed[first] + own[first]))
    return min(orders)


def last_drain(machine: ZigzagMachine, moves: dict[str, OperandMoves], run_cycles: int) -> Fraction:
    """Return the cycles after the last MAC: the last results, from memory to memory."""
    ends = _ends(machine, moves, run_cycles)
    links = range(len(machine.chain(OFMAP)) - 1)
    return sum((max(ends[OFMAP, m, "th"], ends[OFMAP, m + 1, "fl"]) for m in links), Fraction(0))


def _both_inputs(port: Port | None) -> bool:
    return port is not None and {IFMAP, WEIGHT} <= {tensor for tensor, _ in port.serves}


def _ends(machine: ZigzagMachine, moves: dict[str, OperandMoves], run_cycles: int) -> Ends:
    """Return the cycles of every first or last transfer.

    A transfer that happens once may begin early (or end late): as long as the port has cycles to
    spare on average, all but the part that the innermost memory needs hides behind the run. The
    longest transfer hides first.
    """
    ends: Ends = {}
    for memory in machine.memories:
        for port in memory.ports:
            once: list[tuple[tuple[str, int, str], int, int]] = []
            busy = 0
            for tensor, way in port.serves:
                m = machine.chain(tensor).index(memory)
                move = moves[tensor].moves[m].get(way)
                if move is None or (tensor == OFMAP and way in {"tl", "fh"}):
                    continue
                cycles = move.cycles(port.bits)
                if move.count == 1:
                    first = moves[tensor].tile[1] * moves[tensor].bits[1]
                    once.append(((tensor, m, way), cycles, ceil(Fraction(first, port.bits))))
                else:
                    busy += move.amount_bits // move.period
                    ends[tensor, m, way] = Fraction(cycles)
            spare = max(Fraction(0), Fraction(port.bits - busy, port.bits) * run_cycles)
            for key, cycles, least in sorted(once, key=lambda x: -x[1]):
                hidden = min(spare, Fraction(cycles - least))
                ends[key] = cycles - hidden
                spare -= hidden
    return ends
