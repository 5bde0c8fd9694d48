"""The scheme of ShiDianNao on 8 x 8 PEs, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import tiny
from chip_trees import changed

from arraysmith.arch.architecture import XyBus
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.interconnect import Forwarding
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import TENSORS, conv
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.rehearsal.run import rehearse
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.values import verify_values

LINKS = Forwarding(("-x", "-y"), Fraction(1), 1)
LAYER = conv("l", height=10, width=10, in_channels=1, out_channels=1, window=(3, 3))
DESIGN = tiny.spatial(
    mesh=(8, 8),
    glb=tiny.memory("glb", TENSORS, depth=1 << 12),
    bus=XyBus(words_per_cycle=Fraction(8), latency_cycles=1, reduction=False, forwarding=LINKS),
)
SPREAD = LevelMapping("array", x=(Loop("Q", 1),), y=(Loop("P", 1),))
ROWS_KEPT = Mapping(
    (LevelMapping("glb", (Loop("R", 1),)), SPREAD, LevelMapping("ifmap_spad", (Loop("S", 1),)))
)
WORD_BY_WORD = Mapping((LevelMapping("glb", (Loop("R", 1), Loop("S", 1))), SPREAD))


COUNTED = [
    ("glb", "ifmap", "read"),
    ("ifmap_spad", "ifmap", "fill"),
    ("ifmap_spad", "ifmap", "drain"),
]


LINES = Mapping(
    (
        LevelMapping("glb", (Loop("R", 1),)),
        LevelMapping("array", y=(Loop("P", 1),)),
        LevelMapping("ifmap_spad", (Loop("Q", 1), Loop("S", 1))),
    )
)


@pytest.mark.parametrize(
    ("loops", "counted", "read_without"),
    [
        (WORD_BY_WORD, [240, 576, 336], 576),
        (ROWS_KEPT, [240, 576, 336], 576),
        (LINES, [100, 240, 140], 240),
    ],
)
def test_the_buffer_sends_what_no_neighbour_has(loops, counted, read_without):
    """An image of 10 x 10 words, 8 x 8 results, a window of 3 x 3. Reads, fills, passed on.

    PEs that keep one word, 9 each, 576 in all: for the first tap of a row the buffer sends 8 x 8
    words. For the other two, PEs of 7 columns take the word of the PE at the right, 3 x 2 x 8 x 7
    = 336, and those of the last column get 8 new words: 3 x (64 + 2 x 8) = 240 reads. When the row
    of taps changes, no PE has what another needs: it is 2 columns on. Without links 9 x 64.

    PEs that keep the 3 words of a row under their window: for the first row of taps the buffer
    sends 3 to each of 64 (tiles that overlap are no equal tiles, so that none are sent together).
    For the other two, PEs of 7 rows take 3 words from the PE below, 2 x 7 x 8 x 3 = 336, and those
    of the last row get 8 x 3 each time: 192 + 2 x 24 = 240 reads.

    PEs of one column that keep a line of 10 words: 8 lines at first, then one for the last PE,
    while the others take that of the PE below, 2 x 7 x 10 = 140: 80 + 2 x 10 = 100 reads, each
    word of the image once, as the scheme has it. Without links 3 x 80.
    """
    without = changed(DESIGN, bus=lambda x: replace(x, forwarding=None))
    for model in (AnalyticalModel(), CycleModel()):
        report = model.evaluate(DESIGN, LAYER, loops)
        assert [report.words(*x) for x in COUNTED] == counted
        plain = model.evaluate(without, LAYER, loops)
        assert [plain.words(*x) for x in COUNTED] == [read_without, counted[1], 0]
        assert report.cycles <= plain.cycles
    verify_values(DESIGN, LAYER, loops)


def test_a_link_that_is_slow_or_late_is_to_blame():
    quick = CycleModel().evaluate(DESIGN, LAYER, WORD_BY_WORD)
    for links in (Forwarding(LINKS.directions, Fraction(1, 9)), replace(LINKS, latency_cycles=9)):
        slow = changed(DESIGN, bus=lambda x, links=links: replace(x, forwarding=links))
        report = CycleModel().evaluate(slow, LAYER, WORD_BY_WORD)
        assert report.cycles > quick.cycles
        assert report.stall_cycles["array_links"] > quick.stall_cycles.get("array_links", 0)


def test_rehearsals_take_what_was_counted():
    report = AnalyticalModel().evaluate(DESIGN, LAYER, ROWS_KEPT)
    without = changed(DESIGN, bus=lambda x: replace(x, forwarding=None))
    plain = AnalyticalModel().evaluate(without, LAYER, ROWS_KEPT)
    found = rehearse(DESIGN, LAYER, ROWS_KEPT, report)
    assert sum(found.cycles) < sum(rehearse(without, LAYER, ROWS_KEPT, plain).cycles)


def test_what_is_not_simulated_is_refused_with_the_reason():
    straight = replace(DESIGN, levels=tuple(x for x in DESIGN.levels if x.name != "glb"))
    loops = Mapping((LevelMapping("dram", (Loop("R", 1),)), *ROWS_KEPT.levels[1:]))
    assert AnalyticalModel().evaluate(straight, LAYER, loops).words("dram", "ifmap", "read") == 240
    with pytest.raises(UnsupportedDesignError, match="below a memory on the chip"):
        CycleModel().evaluate(straight, LAYER, loops)
