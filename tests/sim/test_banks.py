from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import ceil, prod
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_banks import slow_place

from arraysmith.arch.architecture import Memory
from arraysmith.arch.layout import AXES, LINE, WORD, Layout
from arraysmith.arch.problem import Axis, Tensor
from arraysmith.sim.cycle.banks.conflicts import Banks, Places, Port
from arraysmith.sim.cycle.offchip.rates import rate_row

seeds = st.integers(0, 10**9)


def tensor(name: str, **extents: int) -> Tensor:
    return Tensor(name, tuple(Axis(((axis, 1),), n) for axis, n in extents.items()), 8)


def memory(layouts=(), *, words=4, banks=1, depth=64, holds=("ifmap",), **fields) -> Memory:
    return Memory(
        "m", "sram", holds, 8 * words, 8, depth, banks=banks, layouts=tuple(layouts), **fields
    )


def any_tensor(random: Random, name: str) -> Tensor:
    axes = [axis for axis in AXES[name] if random.random() < 0.7] or ["G"]
    return tensor(name, **{axis: random.randint(1, 6) for axis in axes})


def any_layout(random: Random, name: str, words: int, interleave: str) -> Layout:
    if random.random() < 0.3:
        return Layout(interleave=interleave)
    first = random.choice([n for n in range(1, words + 1) if words % n == 0])
    axes = random.sample(AXES[name], 2)
    order = random.sample(AXES[name], random.randint(0, len(AXES[name])))
    return Layout(((axes[0], first), (axes[1], words // first)), tuple(order), interleave)


def any_memory(random: Random, names: list[str], **fields) -> Memory:
    words, interleave = random.choice((1, 2, 4, 6, 8)), random.choice((LINE, WORD))
    banks = random.choice([n for n in (1, 2, 3, 4) if interleave == LINE or words % n == 0])
    return memory(
        [(name, any_layout(random, name, words, interleave)) for name in names],
        words=words,
        banks=banks,
        holds=tuple(names),
        **fields,
    )


@given(seeds)
@settings(deadline=None, max_examples=150)
def test_a_layout_gives_every_word_a_place_of_its_own_and_where_the_slow_way_puts_it(seed):
    random = Random(seed)
    name = random.choice(tuple(AXES))
    of, chip = any_tensor(random, name), any_memory(random, [name])
    found = Places.of(chip, of).place_words(np.arange(of.words)).tolist()
    indices = product(*(range(axis.extent) for axis in of.axes))
    assert [tuple(x) for x in found] == [slow_place(chip, of, index) for index in indices]
    assert len({tuple(x) for x in found}) == of.words
    layout, wide = chip.layout(name), chip.words_per_access
    block = dict(layout.in_line)
    lines = -(-of.words // wide)
    if layout.blocked:
        lines = prod(-(-axis.extent // block.get(axis.terms[0][0], 1)) for axis in of.axes)
    by_word = layout.interleave == WORD
    for bank, row, place in found:
        assert 0 <= bank < chip.banks
        assert 0 <= place < (wide // chip.banks if by_word else wide)
        assert 0 <= row < (lines if by_word else -(-lines // chip.banks))


def test_a_tensor_that_fills_its_lines_leaves_no_place_empty():
    of = tensor("ifmap", C=4, P=2, Q=6)
    blocks = Layout((("Q", 2), ("C", 4)), ("P", "Q", "C"))
    chip = memory([("ifmap", blocks)], words=8, banks=3, depth=6)
    places = {tuple(x) for x in Places.of(chip, of).place_words(np.arange(48)).tolist()}
    assert places == set(product(range(3), range(2), range(8)))


def test_a_part_of_a_shared_memory_begins_behind_the_parts_before_it():
    chip = memory(
        banks=4, depth=64, holds=("ifmap", "weight"), partition=(("ifmap", 6), ("weight", 8))
    )
    of = tensor("weight", K=8)
    assert Places.of(chip, of).place_words(np.arange(8))[:, 0].tolist() == [3, 3, 3, 3, 0, 0, 0, 0]
    whole = replace(chip, double_buffered=False)
    assert Places.of(whole, of).place_words(np.arange(8))[:, 0].tolist() == [2, 2, 2, 2, 3, 3, 3, 3]


def slow_service(chip, tensors, first_write, asked, ready):
    """Cycles, turns and passes of every array cycle, by a queue per bank and one at the exit.

    Args:
        chip: the memory.
        tensors: per stream.
        first_write: the streams from here on are written.
        asked: per array cycle and stream, the words; None is padding.
        ready: per array cycle, clock cycle from which it writes.
    """
    rates = (chip.read_words_per_cycle, chip.write_words_per_cycle)
    cycles, turns, passes = [], [], []
    for streams, late in zip(asked, ready, strict=True):
        need, used = 1, Counter()
        turn = [[0] * len(words) for words in streams]
        passed = [[0] * len(words) for words in streams]
        for way in (0, 1):
            mine = [s for s in range(len(tensors)) if (s >= first_write) == (way == 1)]
            if way == 1 and chip.ports == 2:
                used = Counter()
            first = late if way == 1 else 0
            known: dict[tuple, int] = {}
            queue = []
            for s in mine:
                for i, word in enumerate(streams[s]):
                    if word is None:
                        queue.append((-1, s, i))
                        continue
                    of = tensors[s]
                    index = np.unravel_index(word, [axis.extent for axis in of.axes])
                    bank, row, _ = slow_place(chip, of, tuple(int(x) for x in index))
                    line = (of.name, bank, row)
                    if line not in known:
                        known[line] = max(used[bank], first)
                        used[bank] = known[line] + 1
                    turn[s][i] = known[line]
                    queue.append((known[line], s, i))
            free = Fraction(0)
            for at, s, i in sorted(queue):
                begin = max(free, Fraction(max(at, first)))
                free = begin + (1 / rates[way] if rates[way] else 0)
                passed[s][i] = int(begin)
                need = max(need, ceil(free) if rates[way] else max(at, first) + 1, at + 1)
        cycles.append(need)
        turns.append(turn)
        passes.append(passed)
    return cycles, turns, passes


def any_case(seed: int):
    random = Random(seed)
    read = random.sample(("ifmap", "weight", "ofmap"), random.randint(1, 3))
    written = ["ofmap"] if random.random() < 0.5 else []
    names = list(dict.fromkeys([*read, *written]))
    chip = any_memory(
        random,
        names,
        ports=random.choice((1, 2)),
        read_words_per_cycle=random.choice((None, Fraction(1, 2), Fraction(5, 3), Fraction(4))),
        write_words_per_cycle=random.choice((None, Fraction(1), Fraction(7, 2))),
    )
    tensors = {name: any_tensor(random, name) for name in names}
    streams = [tensors[name] for name in (*read, *written)]
    asked = [
        [
            [
                None if random.random() < 0.15 else random.randrange(of.words)
                for _ in range(random.choice((0, 1, 3, 9)))
            ]
            for of in streams
        ]
        for _ in range(random.randint(1, 6))
    ]
    return chip, streams, len(read), asked


def serve(chip, streams, first_write, asked, ready=None):
    words = [
        word
        for s in range(len(streams))
        for cycle in asked
        for word in cycle[s]
        if word is not None
    ]
    slots = np.array([[len(cycle[s]) for cycle in asked] for s in range(len(streams))], np.int64)
    counts = np.array(
        [[len(cycle[s]) - cycle[s].count(None) for cycle in asked] for s in range(len(streams))],
        np.int64,
    )
    rates = rate_row(chip.read_words_per_cycle), rate_row(chip.write_words_per_cycle)
    ports = [Port(chip, of, rates[s >= first_write]) for s, of in enumerate(streams)]
    banks = Banks(ports[:first_write], ports[first_write:])
    if ready is None:
        ready = [0] * len(asked)
    return banks.serve(np.array(words, np.int64), counts, slots, np.array(ready, np.int64))


def told(asked, streams, values):
    """What a kernel tells per stored word, as nested lists like ``asked`` without padding."""
    found = iter(values.tolist())
    by_stream = [
        [[next(found) for word in cycle[s] if word is not None] for cycle in asked]
        for s in range(len(streams))
    ]
    return [list(x) for x in zip(*by_stream, strict=True)]


def stored(asked, values):
    return [
        [
            [v for word, v in zip(words, told, strict=True) if word is not None]
            for words, told in zip(streams, cycle, strict=True)
        ]
        for streams, cycle in zip(asked, values, strict=True)
    ]


@given(seeds)
@settings(deadline=None, max_examples=200)
def test_the_kernel_serves_words_as_queues_do(seed):
    chip, streams, first_write, asked = any_case(seed)
    random = Random(seed + 1)
    ready = [random.choice((0, 0, 1, 4)) for _ in asked]
    cycles, turns, passes = slow_service(chip, streams, first_write, asked, ready)
    found = serve(chip, streams, first_write, asked, ready)
    assert found.cycles.tolist() == cycles
    assert told(asked, streams, found.turn) == stored(asked, turns)
    assert told(asked, streams, found.passed) == stored(asked, passes)


@given(seeds)
@settings(deadline=None, max_examples=100)
def test_no_bank_opens_more_lines_than_it_has_ports_and_no_connection_carries_more_words(seed):
    chip, streams, first_write, asked = any_case(seed)
    found = serve(chip, streams, first_write, asked)
    turns, passes = told(asked, streams, found.turn), told(asked, streams, found.passed)
    places = [Places.of(chip, of) for of in streams]
    for u, cycle in enumerate(asked):
        opened: dict[tuple[int, int], set] = {}
        carried: Counter = Counter()
        for s, words in enumerate(cycle):
            way = int(s >= first_write)
            known = np.array([word for word in words if word is not None], np.int64)
            for at, gone, place in zip(
                turns[u][s], passes[u][s], places[s].place_words(known).tolist(), strict=True
            ):
                assert 0 <= at <= gone < found.cycles[u]
                opened.setdefault((place[0], at), set()).add((way, streams[s].name, place[1]))
                carried[way, gone] += 1
        for lines in opened.values():
            assert len(lines) <= chip.ports
            assert len({way for way, *_ in lines}) == len(lines)
        for (way, _), words in carried.items():
            rate = (chip.read_words_per_cycle, chip.write_words_per_cycle)[way]
            assert rate is None or words <= ceil(rate)


@given(seeds, st.integers(2, 4))
@settings(deadline=None, max_examples=100)
def test_more_banks_in_a_multiple_never_serve_slower_when_lines_go_round(seed, factor):
    chip, streams, first_write, asked = any_case(seed)
    lines = tuple((name, replace(layout, interleave=LINE)) for name, layout in chip.layouts)
    few = replace(chip, layouts=lines)
    many = replace(few, banks=few.banks * factor)
    before, after = (serve(x, streams, first_write, asked).cycles for x in (few, many))
    assert (after <= before).all()


def test_more_banks_that_are_no_multiple_may_serve_slower():
    # Lines 0, 3 and 6: two banks split them, three banks have all in bank 0.
    of, asked = tensor("ifmap", P=8), [[[0, 3, 6]]]
    two, three = (serve(memory(words=1, banks=n), [of], 1, asked) for n in (2, 3))
    assert (two.cycles.tolist(), three.cycles.tolist()) == ([2], [3])


@given(st.integers(1, 12), st.fractions(Fraction(1, 3), 5, max_denominator=4))
def test_one_line_for_everything_leaves_only_the_limit_of_words(words, rate):
    of = tensor("ifmap", P=16)
    chip = memory(words=16, read_words_per_cycle=rate)
    found = serve(chip, [of], 1, [[list(range(words))]])
    assert found.cycles.tolist() == [max(1, ceil(words / rate))]
    assert found.passed.tolist() == [int(i / rate) for i in range(words)]


@pytest.mark.parametrize(("ports", "cycles"), [(1, 4), (2, 2)])
def test_reads_and_writes_of_a_bank_take_turns_at_a_single_port(ports, cycles):
    of = tensor("ofmap", P=8)
    chip = memory(words=1, banks=2, holds=("ofmap",), ports=ports)
    # Each bank has two lines to read and two to write.
    found = serve(chip, [of, of], 1, [[[0, 1, 2, 3], [4, 5, 6, 7]]])
    assert found.cycles.tolist() == [cycles]


def test_a_bank_with_one_port_writes_while_another_reads():
    of = tensor("ofmap", P=8)
    chip = memory(words=1, banks=2, holds=("ofmap",), ports=1)
    assert serve(chip, [of, of], 1, [[[0], [1]]]).cycles.tolist() == [1]
    assert serve(chip, [of, of], 1, [[[0], [2]]]).cycles.tolist() == [2]


def test_tensors_that_share_a_memory_share_its_banks():
    left, top = tensor("ifmap", P=4), tensor("weight", K=4)
    chip = memory(words=1, banks=2, holds=("ifmap", "weight"))
    found = serve(chip, [left, top], 2, [[[0, 2], [0]], [[0], [1]]])
    assert found.cycles.tolist() == [3, 1]
    assert found.late.tolist() == [1, 0]


def test_words_of_one_line_come_together_and_padding_opens_none():
    of = tensor("ifmap", P=8)
    chip = memory(words=4)
    found = serve(chip, [of], 1, [[[0, 3, 1, None, 2]], [[None, None]], [[0, 4]]])
    assert found.cycles.tolist() == [1, 1, 2]
