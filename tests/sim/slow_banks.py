"""Where a word lies in a memory with banks, found by filling lines one after the other."""

from __future__ import annotations

from itertools import product

from arraysmith.arch.architecture import Memory
from arraysmith.arch.layout import WORD
from arraysmith.arch.problem import Tensor


def slow_place(memory: Memory, tensor: Tensor, index: tuple[int, ...]) -> tuple[int, int, int]:
    """Bank, row and place of the word at ``index``: by filling lines one after the other."""
    layout = memory.layout(tensor.name)
    names = [axis.terms[0][0] for axis in tensor.axes]
    extent = dict(zip(names, (axis.extent for axis in tensor.axes), strict=True))
    at = dict(zip(names, index, strict=True))
    wide = memory.words_per_access
    if not layout.blocked:
        word = 0
        for name in names:
            word = word * extent[name] + at[name]
        line, place = word // wide, word % wide
    else:
        block = dict(layout.in_line)
        inside = [range(count) for _, count in layout.in_line]
        offsets = [dict(zip(block, x, strict=True)) for x in product(*inside)]
        order = [n for n in names if n not in layout.line_order]
        order += [n for n in layout.line_order if n in names]
        corners = product(*(range(0, extent[n], block.get(n, 1)) for n in order))
        lines = [dict(zip(order, x, strict=True)) for x in corners]
        corner = {n: at[n] // block.get(n, 1) * block.get(n, 1) for n in names}
        line = lines.index(corner)
        offset = {n: at[n] - corner[n] if n in at else 0 for n in block}
        place = offsets.index(offset)
    if layout.interleave == WORD:
        return place % memory.banks, line, place // memory.banks
    return line % memory.banks, line // memory.banks, place
