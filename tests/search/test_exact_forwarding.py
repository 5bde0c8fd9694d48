"""The exact mapper beside enumeration, where neighbours pass words on."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from exact_cases import FREE, drawn_architecture

from arraysmith.arch.architecture import Fanout
from arraysmith.arch.interconnect import Forwarding
from arraysmith.arch.problem import conv
from arraysmith.search.mappers.base import LayerTask
from arraysmith.search.mappers.exact import Exact, ExactSettings
from arraysmith.search.mappers.exact_search import SLACK
from arraysmith.search.mappers.exact_space import ExactSpace
from arraysmith.search.mappers.exhaustive import Exhaustive, space_size
from arraysmith.sim.analytical.model import AnalyticalModel


def linked(seed):
    """Return a drawn case whose children pass words on, or None if none of them keeps any."""
    draw = random.Random(seed)
    architecture = drawn_architecture(draw)
    *_, above, below = architecture.levels
    if isinstance(below, Fanout) or "ifmap" not in below.holds:
        return None
    layer = conv(
        "rows",
        height=draw.choice([4, 5, 6]),
        width=draw.choice([1, 1, 2]),
        in_channels=draw.choice([1, 2]),
        out_channels=draw.choice([1, 2]),
        window=(draw.choice([2, 3]), 1),
        padding=(draw.choice([0, 1]), 0),
    )
    above = replace(above, network=replace(above.network, forwarding=Forwarding()))
    return replace(architecture, levels=(*architecture.levels[:-2], above, below)), layer


def test_the_exact_mapper_finds_what_enumeration_finds_where_words_are_passed_on():
    cases, passed = 0, 0
    for seed in range(300):
        case = linked(seed)
        if case is None:
            continue
        if not 0 < space_size(ExactSpace.of(*case, FREE, "default"), FREE) <= 1500:
            continue
        for objective in ("edp", "energy", "latency"):
            work = LayerTask(*case, FREE, "default", objective, 10**9)
            whole = Exhaustive().find(work, np.random.default_rng(0))
            found = Exact(ExactSettings()).find(work, np.random.default_rng(0))
            assert found.proven
            assert found.loss == pytest.approx(whole.loss, rel=1e-12), (seed, objective)
            assert found.bound == pytest.approx(found.loss, rel=2 * SLACK)
            if whole.mapping is not None:
                report = AnalyticalModel().evaluate(*case, whole.mapping)
                passed += report.words(case[0].levels[-1].name, "ifmap", "drain") > 0
        cases += 1
    assert cases > 12
    assert passed > 3
