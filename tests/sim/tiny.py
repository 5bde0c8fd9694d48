"""Tiny architectures, problems and mappings for tests, built of the central types alone."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from random import Random

from arraysmith.arch.architecture import Architecture, Compute, Energy, Fanout, Memory, XyBus
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping, from_factors
from arraysmith.arch.problem import DIMS, TENSORS, Problem, conv, matmul

COST = Energy(1.0, 1.0)


def memory(
    name: str,
    holds: tuple[str, ...],
    *,
    depth: int | None = None,
    read: Fraction | int | None = None,
    write: Fraction | int | None = None,
    ports: int = 2,
    double_buffered: bool = True,
    latency: int = 0,
) -> Memory:
    """A memory of one word per access, with stated energies."""
    return Memory(
        name,
        "sram" if depth else "lpddr4",
        holds,
        8,
        8,
        depth,
        None if read is None else Fraction(read),
        None if write is None else Fraction(write),
        ports,
        double_buffered,
        latency,
        COST,
    )


def spatial(
    *,
    mesh: tuple[int, int] = (4, 4),
    dram: Memory | None = None,
    glb: Memory | None = None,
    bus: XyBus | None = None,
    spads: tuple[Memory, ...] | None = None,
    pipeline: int = 1,
) -> Architecture:
    """A row-stationary kind of design; without ``glb`` off-chip memory feeds the array."""
    spads = spads or tuple(
        memory(f"{short}_spad", (tensor,), depth=4096)
        for short, tensor in zip(("ifmap", "weight", "psum"), TENSORS, strict=True)
    )
    return Architecture(
        name="tiny",
        levels=(
            dram or memory("dram", TENSORS),
            *((glb,) if glb else ()),
            Fanout("array", mesh[0], mesh[1], bus or XyBus()),
            *spads,
        ),
        compute=Compute(energy=COST, pipeline_cycles=pipeline),
        clock_hz=200_000_000,
        technology="45nm",
    )


def problem(random: Random) -> Problem:
    """A random small operator."""
    if random.random() < 0.2:
        return matmul(
            "mm",
            m=random.randint(1, 6),
            n=random.randint(1, 6),
            k=random.randint(1, 6),
            batch=random.choice((1, 1, 2)),
        )
    groups = random.choice((1, 1, 1, 2))
    window = (random.randint(1, 3), random.randint(1, 3))
    dilation = (random.choice((1, 1, 2)), random.choice((1, 1, 2)))
    return conv(
        "conv",
        height=random.randint(5, 8),
        width=random.randint(5, 8),
        in_channels=groups * random.choice((1, 2, 3, 4)),
        out_channels=groups * random.choice((1, 2, 4)),
        window=window,
        stride=(random.randint(1, 3), random.randint(1, 3)),
        padding=(random.randint(0, 2), random.randint(0, 2)),
        dilation=dilation,
        groups=groups,
        batch=random.choice((1, 1, 2)),
    )


def mapping(
    random: Random,
    architecture: Architecture,
    of: Problem,
    keep: dict[str, tuple[str, ...]] | None = None,
) -> Mapping:
    """A random legal mapping: prime factors dealt out over levels, in random loop order."""
    while True:
        places: list[tuple[str, str]] = []
        for level in architecture.levels:
            if isinstance(level, Fanout):
                places += [(level.name, "x"), (level.name, "y")]
            else:
                places.append((level.name, "t"))
        factors: list[tuple[str, str, str, int]] = []
        for dim in DIMS:
            for prime in _primes(of.size[dim]):
                level, axis = random.choice(places)
                here = [x for x in factors if x[:3] == (level, axis, dim) and axis != "t"]
                factors = [x for x in factors if x not in here]  # a dim once an axis
                factors.append((level, axis, dim, prod(x[3] for x in here) * prime))
        random.shuffle(factors)
        order = [level.name for level in architecture.levels]
        factors.sort(key=lambda x: (order.index(x[0]), "txy".index(x[1])))
        candidate = from_factors(architecture, tuple(factors), keep)
        if not check_mapping(architecture, of, candidate):
            return candidate


def ragged_mapping(
    random: Random,
    architecture: Architecture,
    of: Problem,
    keep: dict[str, tuple[str, ...]] | None = None,
) -> Mapping:
    """A random legal mapping of tiles that need not divide, one to four loops a dim."""
    names = [*(level.name for level in architecture.levels), architecture.compute.name]
    fanouts = {fanout.name for fanout in architecture.fanouts}
    keeping = architecture.memories[-1].name == architecture.levels[-1].name
    while True:
        loops: dict[tuple[str, str], list[Loop]] = {}
        for dim in DIMS:
            tile = of.size[dim]
            places = [
                (name, axis)
                for name in (names[:-1] if keeping else names)
                for axis in ("xy" if name in fanouts else "t")
            ]
            chosen = sorted(random.choices(range(len(places)), k=random.randint(1, 4)))
            for place in chosen:
                if tile == 1:
                    break
                last = place == chosen[-1]
                tile = 1 if last else random.randint(1, tile)
                there = loops.setdefault(places[place], [])
                if places[place][1] != "t" and any(x.dim == dim for x in there):
                    there[:] = [x for x in there if x.dim != dim]  # a dim once an axis
                there.append(Loop(dim, tile))
        for (_, axis), group in loops.items():
            if axis == "t":  # another order of dims; the loops of one dim stay nested
                dims = [loop.dim for loop in group]
                random.shuffle(dims)
                left = {dim: [x for x in group if x.dim == dim] for dim in dims}
                group[:] = [left[dim].pop(0) for dim in dims]
        candidate = Mapping(
            tuple(
                LevelMapping(
                    name,
                    *(tuple(loops.get((name, axis), ())) for axis in "txy"),
                    None if keep is None else keep.get(name),
                )
                for name in names
            )
        )
        if not check_mapping(architecture, of, candidate):
            return candidate


def _primes(number: int) -> list[int]:
    found, factor = [], 2
    while number > 1:
        while number % factor == 0:
            found.append(factor)
            number //= factor
        factor += 1
    return found
