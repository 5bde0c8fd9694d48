import itertools
from math import prod

import numpy as np
import pytest
from designs import DESIGN, space
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.budget import Budget
from arraysmith.arch.errors import ArraysmithError
from arraysmith.search.space import FixedProduct, IntegerChoice, Space


def genomes_of(some):
    return itertools.product(*(range(size) for size in some.sizes))


def test_the_poster_has_sixteen_mesh_shapes():
    choices = FixedProduct(("array.mesh_x", "array.mesh_y"), 168).choices
    assert len(choices) == 16
    assert choices[0] == (1, 168)
    assert (14, 12) in choices


@given(st.integers(1, 200), st.integers(2, 4))
def test_a_fixed_product_has_every_ordered_factorisation_once(product, parts):
    choices = FixedProduct(tuple(f"a.{i}" for i in range(parts)), product).choices
    divisors = [d for d in range(1, product + 1) if product % d == 0]
    slow = [x for x in itertools.product(divisors, repeat=parts) if prod(x) == product]
    assert list(choices) == slow


def test_a_genome_sets_the_values_of_its_choices_and_nothing_else():
    design = space().architecture((4, 1, 0, 2))
    assert (design.value("array.mesh_x"), design.value("array.mesh_y")) == (6, 2)
    assert design.value("glb.depth") == 32
    assert design.value("glb.width_bits") == 32
    assert design.value("weight_spad.depth") == 4
    assert (
        design.with_values({path: DESIGN.value(path) for path in space().values((0, 0, 0, 0))})
        == DESIGN
    )


def test_genome_of_inverts_architecture():
    some = space()
    for genome in genomes_of(some):
        assert some.genome_of(some.architecture(genome)) == genome
    assert some.genome_of(DESIGN.with_values({"glb.depth": 65})) is None


def test_every_repaired_genome_keeps_the_budget_and_is_never_larger():
    some = space()
    changed = 0
    for genome in genomes_of(some):
        repaired = some.repair(genome)
        assert some.fits(repaired)
        assert all(after <= before for before, after in zip(genome, repaired, strict=True))
        assert repaired[0] == genome[0]
        assert (repaired == genome) == some.fits(genome)
        assert some.repair(repaired) == repaired
        changed += repaired != genome
    assert 0 < changed < some.genomes


def test_the_memory_with_most_bits_is_shrunk_first_and_depths_before_widths():
    some = space()
    assert some.repair((2, 3, 1, 1)) == (2, 2, 1, 1)  # glb depth 128 -> 64
    tight = space(limit_bits=16 * 32 + 12 * 16)
    assert tight.repair((2, 3, 1, 4)) == (2, 0, 0, 0)


def test_too_many_macs_shrink_the_mesh_and_leave_the_memories():
    meshes = tuple(IntegerChoice(f"array.mesh_{axis}", (1, 2, 4, 8)) for axis in "xy")
    some = Space(DESIGN, (*meshes, IntegerChoice("glb.depth", (8, 64))), Budget(max_pes=12))
    assert some.repair((3, 3, 1)) == (1, 2, 1)
    assert all(some.fits(some.repair(genome)) for genome in genomes_of(some))


def test_a_budget_that_the_smallest_design_breaks_is_an_error():
    hopeless = space(limit_bits=100)
    with pytest.raises(ArraysmithError, match="no design meets the budget"):
        hopeless.repair((0, 0, 0, 0))
    assert not any(hopeless.fits(genome) for genome in hopeless.smallest())


@pytest.mark.parametrize("limit", [500, 16 * 32 + 12 * 16, 2000])
def test_repair_always_succeeds_exactly_if_every_smallest_genome_fits(limit):
    some = space(limit_bits=limit)

    def repairs(genome):
        try:
            return some.fits(some.repair(genome))
        except ArraysmithError:
            return False

    assert all(map(repairs, genomes_of(some))) == all(map(some.fits, some.smallest()))


def test_random_genomes_are_within_bounds_and_reach_every_choice():
    some = space()
    rng = np.random.default_rng(0)
    drawn = [some.random(rng) for _ in range(300)]
    for gene, size in enumerate(some.sizes):
        assert {genome[gene] for genome in drawn} == set(range(size))


def test_a_path_in_two_parameters_is_refused():
    twice = (IntegerChoice("glb.depth", (1,)), IntegerChoice("glb.depth", (2,)))
    with pytest.raises(ArraysmithError, match=r"more than one parameter: glb\.depth"):
        Space(DESIGN, twice, Budget())


def test_a_path_that_the_design_lacks_is_refused_with_the_near_match():
    with pytest.raises(ArraysmithError, match="glb"):
        Space(DESIGN, (IntegerChoice("gbl.depth", (1,)),), Budget())


def test_falling_values_and_empty_products_are_refused():
    with pytest.raises(ArraysmithError, match="must rise"):
        IntegerChoice("glb.depth", (2, 1))
    with pytest.raises(ArraysmithError, match="two paths"):
        FixedProduct(("a.b",), 4)
