"""Where averages go wrong: ports that are shared, refills at a change of tile, bursts.

Each case is small enough to work out on paper; the closed forms see the mean of all traffic, the
simulation sees when it moves.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import tiny

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory, XyBus
from arraysmith.arch.mapping import from_factors
from arraysmith.arch.problem import TENSORS, conv, matmul
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.cycle.model import CycleModel


def wide_port(*, whole_words: bool) -> tuple[Architecture, Memory]:
    """Sixteen MACs in a row below a buffer that moves a line of 32 words per cycle."""
    glb = replace(
        tiny.memory("glb", TENSORS, depth=1 << 12, read=32, write=32),
        width_bits=256,
        whole_words=whole_words,
    )
    levels = (tiny.memory("dram", TENSORS), glb, Fanout("array", 16, 1, XyBus()))
    weights = tiny.memory("weight_spad", ("weight",), depth=4096)
    design = Architecture("row", 10**9, "45nm", (*levels, weights), Compute(energy=tiny.COST))
    return design, glb


def test_a_shared_port_takes_twice_as_long_where_each_operand_takes_a_line_of_its_own():
    layer = matmul("mm", m=64, n=16, k=8)
    loops = from_factors(
        wide_port(whole_words=False)[0],
        (("glb", "t", "C", 8), ("glb", "t", "P", 64), ("array", "x", "K", 16)),
    )
    cycles = {}
    for whole in (False, True):
        design, _ = wide_port(whole_words=whole)
        report = CycleModel().evaluate(design, layer, loops)
        cycles[whole] = report.cycles_without_edges
        assert report.compute_cycles == 512
    # Packed, a step's input and its 16 sums fit a line; whole, each takes a cycle of the port.
    assert cycles[False] == 512 + 7  # at each change of weights, 16 words more: a second line
    assert 2 * 512 - 64 - 8 <= cycles[True] <= 2 * 512 + 8  # sums of the first round start at zero
    closed = AnalyticalModel().evaluate(wide_port(whole_words=False)[0], layer, loops)
    assert closed.cycles == 512


def refilled(*, double_buffered: bool) -> Architecture:
    """One MAC whose weights, three by three, come in one cycle."""
    spads = (
        tiny.memory("ifmap_spad", ("ifmap",), depth=4096),
        tiny.memory("weight_spad", ("weight",), depth=18, write=9, double_buffered=double_buffered),
        tiny.memory("psum_spad", ("ofmap",), depth=4096),
    )
    glb = tiny.memory("glb", TENSORS, depth=4096)
    return tiny.spatial(mesh=(1, 1), glb=glb, spads=spads)


def test_weights_that_are_refilled_at_every_step_take_ten_cycles_instead_of_nine():
    layer = conv("c", height=3, width=3, in_channels=1, out_channels=20, window=(3, 3))
    loops = from_factors(
        refilled(double_buffered=True),
        (("glb", "t", "K", 20), ("weight_spad", "t", "R", 3), ("weight_spad", "t", "S", 3)),
    )
    single = CycleModel().evaluate(refilled(double_buffered=False), layer, loops)
    double = CycleModel().evaluate(refilled(double_buffered=True), layer, loops)
    assert single.compute_cycles == double.compute_cycles == 20 * 9
    assert single.cycles == 20 * 10  # the refill is paid again at every change
    assert double.cycles == 20 * 9 + 1  # the first one only


def bursty(rate: Fraction) -> Architecture:
    """Four MACs whose inputs and weights share a narrow port."""
    glb = tiny.memory("glb", ("ifmap", "weight"), depth=4096, read=rate)
    return tiny.spatial(mesh=(4, 1), glb=glb)


def test_bursts_wait_where_averages_say_that_the_port_is_idle():
    # Per channel, 64 weights that all come at once and 36 inputs one by one, over 144 steps.
    layer = conv("c", height=6, width=6, in_channels=4, out_channels=16, window=(1, 1))
    loops = from_factors(
        bursty(Fraction(1)),
        (
            ("glb", "t", "C", 4),
            ("glb", "t", "P", 6),
            ("glb", "t", "Q", 6),
            ("array", "x", "K", 4),
            ("weight_spad", "t", "K", 4),
        ),
    )
    closed = AnalyticalModel().evaluate(bursty(Fraction(1)), layer, loops)
    simulated = CycleModel().evaluate(bursty(Fraction(1)), layer, loops)
    assert closed.cycles == closed.compute_cycles == simulated.compute_cycles == 576
    assert closed.words("glb", direction="read") < 576  # on average, less than a word per cycle
    burst = simulated.cycles_without_edges - 576
    named = [simulated.stall_cycles.get(name, 0) for name in ("glb_ifmap", "glb_weight")]
    assert burst == sum(named)
    assert burst >= 3 * (16 - 4)  # at each change of channel, 16 weights less what a step hides
    assert CycleModel().evaluate(bursty(Fraction(32)), layer, loops).cycles_without_edges == 576
