import math

from arraysmith.arch.budget import Budget
from arraysmith.arch.loader import load_architecture
from arraysmith.search.sensitivity import neighbours, sensitivities
from arraysmith.search.space import FixedProduct, IntegerChoice, Space

SPACE = Space(
    load_architecture("eyeriss"),
    (
        FixedProduct(("array.mesh_x", "array.mesh_y"), 6),
        IntegerChoice("glb.depth", (64, 128, 256)),
        IntegerChoice("psum_spad.depth", (24,)),
    ),
    Budget(),
)


def test_a_neighbour_differs_in_one_number_by_one_choice():
    for _, place, genomes in neighbours(SPACE, (1, 1, 0)):
        assert [x[place] for x in genomes] == [0, 1, 2]
        assert {(*x[:place], *x[place + 1 :]) for x in genomes} == {
            tuple(y for i, y in enumerate((1, 1, 0)) if i != place)
        }


def test_the_ends_of_a_range_have_one_neighbour_and_fixed_numbers_none():
    found = {
        place: [x[place] for x in genomes] for _, place, genomes in neighbours(SPACE, (3, 0, 0))
    }
    assert found == {0: [2, 3], 1: [0, 1]}


def test_losses_stand_beside_the_values_they_belong_to():
    losses = {(0, 1, 0): math.inf, (1, 1, 0): 4.0, (2, 1, 0): 3.0, (1, 0, 0): 8.0, (1, 2, 0): 2.0}
    mesh, depth = sensitivities(SPACE, (1, 1, 0), losses.__getitem__)
    assert (mesh.path, mesh.chosen) == ("array.mesh_x x array.mesh_y", "2 x 3")
    assert (mesh.values, mesh.losses) == (("1 x 6", "2 x 3", "3 x 2"), (None, 4.0, 3.0))
    assert (depth.values, depth.losses, depth.loss) == (("64", "128", "256"), (8.0, 4.0, 2.0), 4.0)
