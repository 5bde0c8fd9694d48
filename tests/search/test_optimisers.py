import itertools

import numpy as np
import pytest
from conformance import DOMAIN, OptimiserConformance, distance, history
from pydantic import ValidationError

from arraysmith.arch.errors import InputError
from arraysmith.arch.registry import lookup, registered
from arraysmith.search.optimisers.annealing import Annealing, AnnealingSettings
from arraysmith.search.optimisers.base import Domain
from arraysmith.search.optimisers.exhaustive import Exhaustive, ExhaustiveSettings
from arraysmith.search.optimisers.genetic import Genetic, GeneticSettings
from arraysmith.search.optimisers.nsga2 import Nsga2, Nsga2Settings
from arraysmith.search.optimisers.pymoo_adapter import Pymoo, PymooSettings
from arraysmith.search.optimisers.random_search import RandomSearch, RandomSettings, log_edges
from arraysmith.search.pareto import front


class TestGeneticKeepsTheProtocol(OptimiserConformance):
    optimiser = Genetic
    settings = GeneticSettings(population=6, parents=2, generations=5)


class TestGeneticWithEveryGeneMutating(OptimiserConformance):
    optimiser = Genetic
    settings = GeneticSettings(population=5, parents=5, generations=4, sigma=1.0, local=0.0)


class TestRandomSearchKeepsTheProtocol(OptimiserConformance):
    optimiser = RandomSearch
    settings = RandomSettings(population=6, generations=5)


class TestRandomSearchEvenInChoices(OptimiserConformance):
    optimiser = RandomSearch
    settings = RandomSettings(population=6, generations=5, scale="uniform")


class TestAnnealingKeepsTheProtocol(OptimiserConformance):
    optimiser = Annealing
    settings = AnnealingSettings(population=4, generations=9, patience=3)


class TestExhaustiveKeepsTheProtocol(OptimiserConformance):
    optimiser = Exhaustive
    settings = ExhaustiveSettings(population=10)
    seeded = False


class TestNsga2KeepsTheProtocol(OptimiserConformance):
    optimiser = Nsga2
    settings = Nsga2Settings(population=6, generations=5)


WIDE = Domain((50,) * 4, lambda genome: genome)


def test_the_elite_is_kept_unchanged_and_the_best_loss_never_rises():
    settings = GeneticSettings(population=8, parents=3, generations=12)
    batches = history(Genetic(WIDE, np.random.default_rng(0), settings))
    best = [min(batch, key=distance) for batch in batches]
    for before, batch in zip(best, batches[1:], strict=False):
        assert batch[0] == before
    losses = [distance(genome) for genome in best]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_apart_from_the_elite_no_genome_is_asked_twice_while_there_are_others():
    settings = GeneticSettings(population=10, parents=3, generations=10)
    batches = history(Genetic(WIDE, np.random.default_rng(1), settings))
    fresh = [*batches[0], *(genome for batch in batches[1:] for genome in batch[1:])]
    assert len(set(fresh)) == len(fresh) == 10 + 9 * 9


def test_children_descend_from_the_best_k_only():
    settings = GeneticSettings(population=40, parents=1, generations=2, sigma=0.01, local=1.0)
    optimiser = Genetic(WIDE, np.random.default_rng(2), settings)
    first = optimiser.ask()
    optimiser.tell(first, [distance(genome) for genome in first])
    parent = min(first, key=distance)
    for child in optimiser.ask()[1:]:
        steps = [abs(a - b) for a, b in zip(parent, child, strict=True)]
        assert max(steps) <= 1
        assert sum(steps) <= 2  # sigma is small: most children differ in one gene


@pytest.mark.parametrize("local", [0.0, 1.0])
def test_a_mutation_changes_its_gene_and_stays_within_its_choices(local):
    settings = GeneticSettings(sigma=1.0, local=local)
    optimiser = Genetic(DOMAIN, np.random.default_rng(3), settings)
    for size in (1, 2, 5):
        for gene in range(size):
            found = {optimiser._mutated(gene, size) for _ in range(200)}
            if size == 1:
                assert found == {0}
            elif local:
                assert found == {gene - 1, gene + 1} & set(range(size))
            else:
                assert found == set(range(size)) - {gene}


def test_a_space_smaller_than_the_population_is_searched_without_hanging():
    domain = Domain((2, 2), lambda genome: genome)
    for optimiser in (
        Genetic(
            domain,
            np.random.default_rng(0),
            GeneticSettings(population=10, parents=4, generations=3),
        ),
        RandomSearch(
            domain, np.random.default_rng(0), RandomSettings(population=10, generations=3)
        ),
    ):
        batches = history(optimiser, lambda genome: float(sum(genome)))
        assert [len(batch) for batch in batches] == [10, 10, 10]
        assert {genome for batch in batches for genome in batch} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_the_genetic_algorithm_beats_random_search_at_equal_effort():
    def best(optimiser, settings, seed):
        run = optimiser(WIDE, np.random.default_rng(seed), settings)
        return min(distance(genome) for batch in history(run) for genome in batch)

    genetic = [
        best(Genetic, GeneticSettings(population=20, parents=5, generations=15), seed)
        for seed in range(9)
    ]
    random = [
        best(RandomSearch, RandomSettings(population=20, generations=15), seed) for seed in range(9)
    ]
    assert np.median(genetic) < np.median(random)


@pytest.mark.parametrize(
    "settings",
    [
        {"population": 1},
        {"parents": 0},
        {"parents": 65},
        {"generations": 0},
        {"sigma": 0.0},
        {"sigma": 1.5},
        {"local": -0.1},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValidationError, match=next(iter(settings))):
        GeneticSettings(**settings)


def test_the_optimisers_are_found_by_name():
    known = {"annealing", "cma", "exhaustive", "genetic", "nevergrad", "nsga2", "pymoo", "random"}
    assert known <= set(registered("optimiser"))
    assert lookup("optimiser", "genetic") is Genetic
    assert lookup("optimiser", "random") is RandomSearch


def test_exhaustive_asks_every_legal_genome_once_in_order():
    optimiser = Exhaustive(DOMAIN, np.random.default_rng(0), ExhaustiveSettings(population=9))
    asked = [genome for batch in history(optimiser) for genome in batch]
    every = itertools.product(*(range(size) for size in DOMAIN.sizes))
    assert asked == [genome for genome in every if DOMAIN.repair(genome) == genome]


def test_exhaustive_refuses_a_space_that_is_too_large():
    with pytest.raises(InputError, match=r"140 genomes, which must be at most 139"):
        Exhaustive(DOMAIN, np.random.default_rng(0), ExhaustiveSettings(most=139))


def test_annealing_beats_random_search_at_equal_effort():
    def best(optimiser, settings, seed):
        run = optimiser(WIDE, np.random.default_rng(seed), settings)
        return min(distance(genome) for batch in history(run) for genome in batch)

    annealing = AnnealingSettings(population=4, generations=75)
    random = RandomSettings(population=20, generations=15)
    found = [
        [best(Annealing, annealing, seed) for seed in range(9)],
        [best(RandomSearch, random, seed) for seed in range(9)],
    ]
    assert np.median(found[0]) < np.median(found[1])


def test_a_cold_walker_never_goes_to_something_worse():
    settings = AnnealingSettings(population=1, generations=60, start=1e-9, end=1e-9, patience=1000)
    optimiser = Annealing(WIDE, np.random.default_rng(4), settings)
    losses = []
    while genomes := optimiser.ask():
        optimiser.tell(genomes, [distance(genome) for genome in genomes])
        losses.append(optimiser._at[0][1])
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_random_search_draws_wide_ranges_evenly_in_the_logarithm():
    values = tuple(float(x) for x in range(1, 1025))
    domain = Domain((1024, 1024), lambda genome: genome, magnitudes=(values, ()))
    settings = RandomSettings(population=2000, generations=1)
    genomes = RandomSearch(domain, np.random.default_rng(6), settings).ask()
    small = [sum(values[genome[0]] <= 32 for genome in genomes), sum(g[1] < 32 for g in genomes)]
    assert 900 < small[0] < 1100  # half of the decades
    assert small[1] < 120  # a gene without magnitudes: one part in 32


def test_doubling_choices_are_drawn_evenly():
    edges = log_edges(tuple(float(2**i) for i in range(11)))
    assert np.allclose(np.diff(edges), 1 / 11)
    assert log_edges((1.0, 2.0, 3.0)) is None


def test_nsga2_finds_the_whole_front_of_two_distances():
    def losses(genome):
        return tuple(float(sum((g - goal) ** 2 for g in genome)) for goal in (10, 30))

    domain = Domain((50,) * 3, lambda genome: genome, objectives=2)
    settings = Nsga2Settings(population=24, generations=60)
    asked = history(Nsga2(domain, np.random.default_rng(7), settings), losses)
    survivors = {genome for batch in asked[-5:] for genome in batch}
    points = np.array(sorted(map(losses, survivors)))
    kept = points[front(points)]
    assert len(kept) >= 10
    # Both ends are there, up to a step, and the middle is as good as it can be.
    assert kept[:, 0].min() <= 6
    assert kept[:, 1].min() <= 6
    assert min(np.sqrt(kept).sum(axis=1)) <= 20 * np.sqrt(3) + 1


@pytest.mark.parametrize("algorithm", ["DE", "ES", "GA", "PSO", "NSGA2", "SPEA2", "AGEMOEA"])
def test_the_algorithms_of_pymoo_take_other_losses(algorithm):
    pytest.importorskip("pymoo")
    settings = PymooSettings(algorithm=algorithm, population=16, generations=90)
    vectors = Pymoo.takes_vectors(settings)
    test_a_search_that_was_misled_finds_the_optimum_once_its_losses_are_revised(
        Pymoo, settings, vectors
    )


@pytest.mark.parametrize(
    ("plugin", "settings", "told"),
    [
        (Genetic, GeneticSettings(population=16, parents=4, generations=40), False),
        (Annealing, AnnealingSettings(population=8, generations=80), False),
        (Nsga2, Nsga2Settings(population=16, generations=40), True),
    ],
)
def test_a_search_that_was_misled_finds_the_optimum_once_its_losses_are_revised(
    plugin, settings, told
):
    """At first everything is told to be better the further it is from the optimum."""
    optimiser = plugin(WIDE, np.random.default_rng(1), settings)

    def true(genome):
        loss = float(sum((gene - 7) ** 2 for gene in genome))
        return (loss,) if told else loss

    def wrong(genome):
        return (-1e6 - true(genome)[0],) if told else -1e6 - true(genome)

    batches, best = 0, {}
    while genomes := optimiser.ask():
        batches += 1
        if batches == 11:
            optimiser.revise(true)
        loss_of = wrong if batches <= 10 else true
        optimiser.tell(genomes, [loss_of(x) for x in genomes])
        best[batches] = min(true(x) for x in genomes)
    last = min(best[x] for x in range(12, batches + 1))
    assert (last[0] if told else last) < 60
