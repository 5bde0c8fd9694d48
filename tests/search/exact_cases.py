"""Small layers on small machines of every kind, drawn by number: spaces that can be enumerated."""

from __future__ import annotations

import random
from fractions import Fraction

from arraysmith.arch.architecture import (
    Architecture,
    Compute,
    Energy,
    Fanout,
    Level,
    Memory,
    XyBus,
)
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.problem import TENSORS, Problem, conv, matmul

FREE = Dataflow("free", "", ())
"""No constraint at all."""


def drawn_architecture(draw: random.Random) -> Architecture:
    """Return a machine of two to four memories with awkward ports, buses and prices."""

    def rate() -> Fraction | None:
        return draw.choice([None, Fraction(1), Fraction(2), Fraction(1, 2), Fraction(8)])

    def memory(name: str, holds: tuple[str, ...], depth: int | None, low: float, high: float):
        return Memory(
            name,
            "regfile" if depth else "lpddr4",
            holds,
            draw.choice([8, 16, 32]),
            8,
            depth=depth,
            read_words_per_cycle=rate(),
            write_words_per_cycle=rate(),
            energy=Energy(draw.uniform(low, high), draw.uniform(low, high)),
            ports=draw.choice([1, 2, 3]),
            double_buffered=draw.random() < 0.5,
        )

    def bus() -> XyBus:
        return XyBus(
            multicast=draw.random() < 0.8,
            diagonal=draw.random() < 0.6,
            reduction=draw.random() < 0.8,
            adds_above=draw.random() < 0.5,
            words_per_cycle=draw.choice([None, Fraction(1)]),
        )

    levels: list[Level] = [memory("dram", TENSORS, None, 5, 50)]
    kind = draw.randrange(4)
    if kind == 3:
        levels += [Fanout("clusters", 2, 1, bus())]
    holds = draw.choice([TENSORS, ("ifmap", "ofmap")]) if kind == 2 else TENSORS
    levels += [memory("glb", holds, draw.choice([4, 16, 64]), 1, 5)]
    levels += [Fanout("array", 2, draw.choice([1, 2, 3]), bus())]
    if kind == 1:
        kept = draw.choice([("weight",), ("ofmap",), ("ifmap",), TENSORS])
        levels += [memory("spad", kept, draw.choice([2, 4, 8]), 0.1, 6)]
    if kind == 2:
        levels += [memory("w", ("weight",), draw.choice([1, 4]), 0.1, 3)]
        levels += [memory("o", ("ofmap",), draw.choice([1, 4]), 0.1, 3)]
    energy = Energy(0.1, 0.1)
    return Architecture("drawn", 10**9, "65nm", tuple(levels), Compute(energy=energy))


def drawn_layer(draw: random.Random) -> Problem:
    """Return a matrix product, convolution (window, strides, padding), depthwise or 1x1 layer."""
    kind = draw.randrange(4)
    if kind == 0:
        m, n, k = draw.choice([1, 2, 4, 6]), draw.choice([2, 4, 6]), draw.choice([2, 3, 4])
        return matmul("gemm", m=m, n=n, k=k, batch=draw.choice([1, 1, 2]))
    if kind == 1:
        return conv(
            "conv",
            height=draw.choice([4, 6]),
            width=draw.choice([3, 4]),
            in_channels=draw.choice([1, 2]),
            out_channels=draw.choice([1, 2, 4]),
            window=(3, draw.choice([1, 3])),
            padding=(draw.choice([0, 1]), draw.choice([0, 1])),
            stride=draw.choice([(1, 1), (1, 1), (2, 1), (2, 2)]),
        )
    if kind == 2:
        return conv("dw", height=5, width=5, in_channels=2, out_channels=2, groups=2, window=(2, 2))
    stride = draw.choice([(1, 1), (2, 2)])
    return conv(
        "1x1", height=4, width=6, in_channels=4, out_channels=4, window=(1, 1), stride=stride
    )
