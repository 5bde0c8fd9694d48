"""What every optimiser has to keep. A test class inherits it in three lines:

    class TestMine(OptimiserConformance):
        optimiser = Mine
        settings = MineSettings(population=6, generations=5)

The settings must ask for at least two batches on ``DOMAIN``.
"""

import json
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np

from arraysmith.search.optimisers.base import Domain

SIZES = (5, 1, 7, 4)


def even_first_gene(genome):
    """Repair: the first gene goes down to an even number."""
    return (genome[0] - genome[0] % 2, *genome[1:])


def domain(objectives=1):
    return Domain(SIZES, even_first_gene, objectives)


DOMAIN = domain()


def distance(genome):
    return float(sum((gene - goal) ** 2 for gene, goal in zip(genome, (4, 0, 3, 1), strict=True)))


def history(optimiser, loss=distance):
    """Run to the end; return every genome asked, in order."""
    asked = []
    while genomes := optimiser.ask():
        asked.append(genomes)
        optimiser.tell(genomes, [loss(genome) for genome in genomes])
    return asked


FRESH = """
import json, pickle, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
case = pickle.loads(bytes.fromhex(sys.argv[2]))()
print(json.dumps(case.run(case.make())))
"""


class OptimiserConformance:
    optimiser = None
    settings = None
    seeded = True  # whether the seed changes what is asked

    def told(self, loss):
        """Return ``loss`` as the optimiser takes it: a number, or a vector."""
        if self.optimiser.takes_vectors(self.settings):
            return lambda genome: (loss(genome), loss(genome) - genome[2])
        return loss

    def run(self, optimiser, loss=distance):
        return history(optimiser, self.told(loss))

    def make(self, seed=5):
        objectives = 2 if self.optimiser.takes_vectors(self.settings) else 1
        return self.optimiser(domain(objectives), np.random.default_rng(seed), self.settings)

    def test_every_genome_asked_is_within_bounds_and_repaired(self):
        genomes = [genome for batch in self.run(self.make()) for genome in batch]
        assert genomes
        for genome in genomes:
            assert len(genome) == len(SIZES)
            assert all(0 <= gene < size for gene, size in zip(genome, SIZES, strict=True))
            assert genome[0] % 2 == 0

    def test_genes_are_plain_integers(self):
        assert {type(gene) for genome in self.make().ask() for gene in genome} == {int}

    def test_asking_twice_gives_the_same_genomes(self):
        optimiser = self.make()
        assert optimiser.ask() == optimiser.ask()

    def test_an_answer_can_be_changed_without_harm(self):
        optimiser = self.make()
        first = optimiser.ask()
        expected = list(first)
        first.clear()
        assert optimiser.ask() == expected

    def test_the_search_ends_and_stays_ended(self):
        optimiser = self.make()
        assert len(self.run(optimiser)) >= 2
        assert optimiser.ask() == []

    def test_what_is_expected_is_what_is_asked(self):
        asked = sum(map(len, self.run(self.make())))
        assert self.make().expected in (None, asked)

    def test_equal_seeds_ask_equal_genomes_and_other_seeds_others(self):
        assert self.run(self.make(seed=1)) == self.run(self.make(seed=1))
        assert (self.run(self.make(seed=1)) != self.run(self.make(seed=2))) is self.seeded

    def test_replaying_known_losses_goes_on_as_without_the_interruption(self):
        uninterrupted = self.make()
        whole = self.run(uninterrupted)
        for stop in range(len(whole)):
            resumed = self.make()
            for genomes in whole[:stop]:
                assert resumed.ask() == genomes
                resumed.tell(genomes, [self.told(distance)(genome) for genome in genomes])
            assert self.run(resumed) == whole[stop:]
            assert resumed.drawn == uninterrupted.drawn
            assert resumed.repaired == uninterrupted.repaired

    def test_losses_revised_to_what_they_were_change_nothing(self):
        optimiser = self.make()
        if not optimiser.revisable:
            return
        asked = []
        while genomes := optimiser.ask():
            asked.append(genomes)
            optimiser.revise(self.told(distance))
            assert optimiser.ask() == genomes
            optimiser.tell(genomes, [self.told(distance)(genome) for genome in genomes])
        assert asked == self.run(self.make())

    def test_infinite_losses_are_survived(self):
        for loss in (lambda _: math.inf, lambda g: math.inf if g[2] else 1.0):
            asked = self.run(self.make(), loss)
            assert len(asked) == len(self.run(self.make()))
            assert all(asked)

    def test_repairs_are_counted(self):
        optimiser = self.make()
        self.run(optimiser)
        assert 0 < optimiser.repaired < optimiser.drawn

    def test_a_fresh_interpreter_with_another_hash_seed_asks_the_same(self):
        blob = pickle.dumps(type(self)).hex()
        here = str(Path(__file__).parent)
        answers = {
            subprocess.run(
                [sys.executable, "-c", FRESH, here, blob],
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for hash_seed in ("1", "2")
        }
        assert answers == {json.dumps(self.run(self.make())) + "\n"}
