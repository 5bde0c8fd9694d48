"""Random chains of memories and fan-outs; memories on the chip have lines, layouts and banks."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from cases import Case
from chip_trees import tree_case

from arraysmith.arch.architecture import Memory
from arraysmith.arch.layout import AXES, LINE, WORD, Layout
from arraysmith.arch.mapping import kept_tensors


def any_layout(random: Random, tensor: str, words: int, interleave: str) -> Layout:
    """A layout of lines of some words."""
    first, second = random.sample(AXES[tensor], 2)
    many = random.choice([n for n in range(1, words + 1) if words % n == 0])
    order = tuple(random.sample(AXES[tensor], random.randint(0, 3)))
    blocks = Layout(((first, many), (second, words // many)), order, interleave)
    return random.choice((Layout(interleave=interleave), blocks))


def lined(memory: Memory, random: Random) -> Memory:
    """The memory with lines of some words and as much room."""
    words = random.choice((1, 2, 4))
    assert memory.depth is not None
    return replace(memory, width_bits=8 * words, depth=memory.depth // words)


def banked(memory: Memory, random: Random, interleave: str | None = None) -> Memory:
    """The memory with banks, and layouts of some of its tensors."""
    chosen = interleave or random.choice((LINE, WORD))
    words = memory.words_per_access
    options = [n for n in (1, 2, 3, 4, 8) if chosen == LINE or words % n == 0]
    layouts = tuple(
        (t, any_layout(random, t, words, chosen))
        for t in memory.holds
        if chosen == WORD or random.random() < 0.5
    )
    return replace(memory, banks=random.choice(options), layouts=layouts)


def may_have_banks(case: Case) -> set[str]:
    """Names of memories whose banks are simulated: MACs take one tensor at most from them."""
    architecture, _, mapping = case
    found = {x.name for x in architecture.memories[1:]}
    last = architecture.levels[-1]
    if isinstance(last, Memory) and len(kept_tensors(last, mapping.at(last.name))) > 1:
        found.discard(last.name)
    return found


def bank_case(seed: int, interleave: str | None = None) -> tuple[Case, Case]:
    """A random design, problem and mapping: with lines but no banks, and with banks."""
    case = architecture, problem, mapping = tree_case(seed)
    random, names = Random(f"banks {seed}"), may_have_banks(case)
    plain, levels = [], []
    for level in architecture.levels:
        if isinstance(level, Memory) and level.name in names:
            wide = lined(level, random)
            plain.append(wide)
            levels.append(banked(wide, random, interleave) if random.random() < 0.8 else wide)
        else:
            plain.append(level)
            levels.append(level)
    return (
        (replace(architecture, levels=tuple(plain)), problem, mapping),
        (replace(architecture, levels=tuple(levels)), problem, mapping),
    )
