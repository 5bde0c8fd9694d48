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


DOMAIN = Domain(SIZES, even_first_gene)


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
from conformance import DOMAIN, history
optimiser, settings = pickle.loads(bytes.fromhex(sys.argv[2]))
print(json.dumps(history(optimiser(DOMAIN, np.random.default_rng(5), settings))))
"""


class OptimiserConformance:
    optimiser = None
    settings = None

    def make(self, seed=5, domain=DOMAIN):
        return self.optimiser(domain, np.random.default_rng(seed), self.settings)

    def test_every_genome_asked_is_within_bounds_and_repaired(self):
        genomes = [genome for batch in history(self.make()) for genome in batch]
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
        assert len(history(optimiser)) >= 2
        assert optimiser.ask() == []

    def test_what_is_expected_is_what_is_asked(self):
        asked = sum(map(len, history(self.make())))
        assert self.make().expected in (None, asked)

    def test_equal_seeds_ask_equal_genomes_and_other_seeds_others(self):
        assert history(self.make(seed=1)) == history(self.make(seed=1))
        assert history(self.make(seed=1)) != history(self.make(seed=2))

    def test_replaying_known_losses_goes_on_as_without_the_interruption(self):
        uninterrupted = self.make()
        whole = history(uninterrupted)
        for stop in range(len(whole)):
            resumed = self.make()
            for genomes in whole[:stop]:
                assert resumed.ask() == genomes
                resumed.tell(genomes, [distance(genome) for genome in genomes])
            assert history(resumed) == whole[stop:]
            assert resumed.drawn == uninterrupted.drawn
            assert resumed.repaired == uninterrupted.repaired

    def test_infinite_losses_are_survived(self):
        for loss in (lambda _: math.inf, lambda g: math.inf if g[2] else 1.0):
            asked = history(self.make(), loss)
            assert len(asked) == len(history(self.make()))
            assert all(asked)

    def test_repairs_are_counted(self):
        optimiser = self.make()
        history(optimiser)
        assert 0 < optimiser.repaired < optimiser.drawn

    def test_a_fresh_interpreter_with_another_hash_seed_asks_the_same(self):
        blob = pickle.dumps((self.optimiser, self.settings)).hex()
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
        assert answers == {json.dumps(history(self.make())) + "\n"}
