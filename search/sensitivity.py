"""What the best design leans on: its loss with one number of the hardware a choice away."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from arraysmith.search.space import (
    FixedProduct,
    Genome,
    IntegerChoice,
    MappingChoice,
    Space,
)
from arraysmith.traces.page import Sensitivity


def neighbours(
    space: Space, genome: Genome
) -> Iterator[tuple[IntegerChoice | FixedProduct, int, tuple[Genome, ...]]]:
    """Yield (parameter, its place, genomes) of every number of the hardware that has a choice.

    The genomes are the design's own and those with the choice before and after its own, ascending,
    in or out of the budget.
    """
    for place, parameter in enumerate(space.parameters):
        if isinstance(parameter, MappingChoice) or len(parameter.choices) == 1:
            continue
        around = range(max(0, genome[place] - 1), min(len(parameter.choices), genome[place] + 2))
        yield parameter, place, tuple((*genome[:place], x, *genome[place + 1 :]) for x in around)


def sensitivities(
    space: Space, genome: Genome, loss_of: Callable[[Genome], float]
) -> tuple[Sensitivity, ...]:
    """Return what ``genome`` would lose or gain by each of its neighbours.

    Args:
        space: of the search.
        genome: a design with a finite loss.
        loss_of: the loss of a genome, its mappings chosen anew; infinite where none is legal.
    """
    rows = []
    own = loss_of(genome)
    for parameter, place, genomes in neighbours(space, genome):
        losses = [own if x == genome else loss_of(x) for x in genomes]
        # Tied numbers have the value of the first.
        told = len(parameter.paths) if isinstance(parameter, FixedProduct) else 1
        names = [" x ".join(f"{v:,}" for v in parameter.choices[x[place]][:told]) for x in genomes]
        rows.append(
            Sensitivity(
                " x ".join(parameter.paths[:told]),
                names[genomes.index(genome)],
                tuple(names),
                tuple(None if math.isinf(x) else x for x in losses),
                own,
            )
        )
    return tuple(rows)
