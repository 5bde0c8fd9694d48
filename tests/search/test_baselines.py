"""Optimisers of other projects. They are an extra: without it there is nothing to test."""

import sys

import numpy as np
import pytest
from conformance import DOMAIN, OptimiserConformance, distance, history

from arraysmith.arch.errors import InputError
from arraysmith.search.optimisers.base import Domain
from arraysmith.search.optimisers.cma_adapter import Cma, CmaSettings
from arraysmith.search.optimisers.continuous import FiniteLosses, UnitCube
from arraysmith.search.optimisers.nevergrad_adapter import Nevergrad, NevergradSettings
from arraysmith.search.optimisers.pymoo_adapter import Pymoo, PymooSettings

ADAPTERS = (Cma, Nevergrad, Pymoo)


def needs(adapter):
    missing = adapter.missing_packages()
    return pytest.mark.skipif(bool(missing), reason=f"extra baselines: {missing} not installed")


@needs(Nevergrad)
class TestNevergradKeepsTheProtocol(OptimiserConformance):
    optimiser = Nevergrad
    settings = NevergradSettings(population=6, generations=4)


@needs(Cma)
class TestCmaKeepsTheProtocol(OptimiserConformance):
    optimiser = Cma
    settings = CmaSettings(population=6, generations=4)


@needs(Pymoo)
class TestPymooKeepsTheProtocol(OptimiserConformance):
    optimiser = Pymoo
    settings = PymooSettings(population=8, generations=4)


@needs(Pymoo)
class TestPymooWithVectorsKeepsTheProtocol(OptimiserConformance):
    optimiser = Pymoo
    settings = PymooSettings(population=6, generations=4, algorithm="NSGA2")


WIDE = Domain((50,) * 4, lambda genome: genome)


def algorithms(settings_type):
    return settings_type.model_fields["algorithm"].annotation.__args__


def cases():
    yield pytest.param(Cma, CmaSettings(population=8, generations=30), marks=needs(Cma), id="cma")
    for adapter, settings_type in ((Nevergrad, NevergradSettings), (Pymoo, PymooSettings)):
        for name in algorithms(settings_type):
            settings = settings_type(algorithm=name, population=8, generations=30)
            mark = needs(adapter)
            yield pytest.param(adapter, settings, marks=mark, id=f"{adapter.__name__}-{name}")


@pytest.mark.parametrize(("adapter", "settings"), list(cases()))
def test_every_algorithm_comes_near_and_repeats_itself(adapter, settings):
    def run(settings):
        optimiser = adapter(WIDE, np.random.default_rng(3), settings)
        many = optimiser.takes_vectors(settings)
        return history(optimiser, lambda g: (distance(g),) if many else distance(g))

    asked = run(settings)
    losses = [distance(genome) for batch in asked for genome in batch]
    assert min(losses) < np.median([distance(genome) for genome in asked[0]]) / 4
    few = settings.model_copy(update={"generations": 4})
    assert run(few) == run(few)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_without_its_package_an_adapter_says_how_to_install_it(adapter, monkeypatch):
    monkeypatch.setitem(sys.modules, adapter.requires[0], None)
    monkeypatch.setattr(adapter, "missing_packages", classmethod(lambda cls: cls.requires))
    with pytest.raises(
        InputError, match=r"not installed: \w+.*pip install 'arraysmith\[baselines\]'"
    ):
        adapter(DOMAIN, np.random.default_rng(0))


@needs(Cma)
def test_cma_starts_anew_when_it_has_converged():
    settings = CmaSettings(population=4, generations=200)
    domain = Domain((3, 3), lambda genome: genome)
    asked = history(Cma(domain, np.random.default_rng(0), settings), lambda g: float(sum(g)))
    assert len(asked) == 200
    assert {(0, 0), (2, 2)} <= {genome for batch in asked[50:] for genome in batch}


def test_the_unit_interval_is_dealt_out_evenly_and_ends_belong_to_choices():
    cube = UnitCube(Domain((4, 1, 2), lambda genome: genome))
    assert cube.coordinates == 2
    assert cube.genome([0.0, 1.0]) == (0, 0, 1)
    assert cube.genome([0.25, 0.49]) == (1, 0, 0)
    assert cube.genome([-3.0, 7.0]) == (0, 0, 1)
    assert UnitCube(Domain((3,), lambda genome: genome)).coordinates == 2


def test_infinite_losses_become_worse_than_everything_met_and_stay_finite():
    losses = FiniteLosses()
    assert losses.finite([float("inf")]) == [1.0]
    first = losses.finite([5.0, float("inf"), -5.0])
    assert first == [5.0, 6.0, -5.0]
    assert losses.finite([float("inf")]) == [6.0]
